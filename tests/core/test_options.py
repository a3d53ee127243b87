"""Options of a run override the scale's budget, and nothing else."""

import pytest

from privbench.core.errors import UserError
from privbench.core.options import Options
from privbench.core.training import TrainingConfig

CONFIG = TrainingConfig(epochs=12, min_steps=200, augment=True)


def test_none_given_leaves_everything():
    assert str(Options()) == ""
    assert Options().training(CONFIG) == CONFIG
    assert Options.create(epochs=None, lr=None) == Options()


def test_what_is_given_overrides():
    options = Options.create(epochs=5, batch_size=32, lr=0.2, schedule="constant", augment=False)
    assert options.training(CONFIG) == TrainingConfig(
        epochs=5, batch_size=32, lr=0.2, schedule="constant", augment=False
    )
    assert str(options) == "augment=false,batch_size=32,epochs=5,lr=0.2,schedule=constant"


def test_epochs_are_just_so_many():
    assert Options(epochs=1).training(CONFIG).for_size(40).epochs == 1
    assert Options(batch_size=32).training(CONFIG).min_steps == 200


@pytest.mark.parametrize("optimizer", ["adam", "st-adam"])
def test_adam_takes_its_own_rate_unless_one_is_given(optimizer):
    assert Options(optimizer=optimizer).training(CONFIG).lr == 1e-3
    assert Options(optimizer=optimizer, lr=0.01).training(CONFIG).lr == 0.01
    assert Options(optimizer="sgd").training(CONFIG).lr == CONFIG.lr


def test_images_are_no_matter_of_training():
    assert Options(images=500).training(CONFIG) == CONFIG
    assert str(Options(images=500)) == "images=500"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"epochs": 0}, "--epochs 0: expected a value ≥ 1"),
        ({"batch_size": "many"}, "--batch-size many: expected a whole number"),
        ({"lr": -1}, "--lr -1: expected a value > 0"),
        ({"lr": float("inf")}, "--lr inf: expected a finite number"),
        ({"optimizer": "lion"}, "--optimizer lion: expected 'sgd', 'adam' or 'st-adam'"),
        ({"epoch": 3}, "--epoch 3"),
    ],
)
def test_mistakes_are_told_as_they_were_written(given, message):
    with pytest.raises(UserError, match=message):
        Options.create(**given)
