import pytest

from privbench.core import registry
from privbench.core.training import TrainingConfig


@pytest.mark.parametrize(
    ("count", "batch", "epochs"),
    [
        (2000, 64, 12),  # enough images: as configured
        (200, 25, 25),  # eight batches an epoch, 200 steps
        (40, 8, 40),  # batches of eight at least, so five an epoch
        (4, 8, 200),
    ],
)
def test_few_images_train_for_the_least_number_of_steps(count, batch, epochs):
    fitted = TrainingConfig(epochs=12, min_steps=200).for_size(count)
    assert (fitted.batch_size, fitted.epochs) == (batch, epochs)
    assert fitted.for_size(count) == fitted
    assert fitted.lr == pytest.approx(0.05 * (batch / 64) ** 0.5)


def test_dp_sgd_takes_its_own_rate_and_batch_and_leaves_the_rest():
    config = TrainingConfig(epochs=7, lr=0.05, batch_size=64, flip=True)
    defense = registry.create("defense", "dp-sgd[lr=0.3,batch_size=256]")
    expected = config.model_copy(update={"lr": 0.3, "batch_size": 256})
    assert defense.training_config(config) == expected
    assert registry.create("defense", "none").training_config(config) == config
