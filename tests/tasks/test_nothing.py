"""The task of images without labels: training changes nothing, nothing is said to be useful."""

import pytest
import torch

from privbench.core import registry
from privbench.core.dataset import Dataset
from privbench.core.errors import DataError
from privbench.core.images import LabelledImages
from privbench.core.options import Options
from privbench.core.training import TrainingConfig, TrainingJob
from privbench.engine.scoring import metrics_of
from privbench.engine.setting import Setting
from privbench.training.modules import build_module
from privbench.training.train import train

TASK = registry.create("task", "nothing")
DATA = LabelledImages(torch.rand(24, 1, 16, 16), torch.zeros(24, dtype=torch.int64))


def test_a_model_stays_at_its_initial_weights():
    model = registry.create("model", "mlp")
    config = TrainingConfig(epochs=1)
    job = TrainingJob(
        model=model,
        task=TASK,
        config=config,
        images=DATA.images[None],
        labels=TASK.labels(DATA),
        outputs=1,
        seed=3,
    )
    trained = train(job, torch.device("cpu"))
    fresh = build_module(model, (1, 16, 16), 1, 3).state_dict()
    assert trained.losses == (0.0,)
    assert all(torch.equal(trained.weights[name], fresh[name]) for name in fresh)


def test_training_is_one_pass_whatever_the_scale_says():
    source, model = registry.create("dataset", "mnist-5k"), registry.create("model", "mlp")
    for options in (Options(), Options(epochs=9)):
        config = Setting(source, model, TASK, 0, "paper", "cpu", options).config
        assert (config.epochs, config.min_steps) == (1, 0)
    assert Setting(source, model, registry.create("task", "classes"), 0, "paper", "cpu").config.epochs == 90


def test_there_is_no_usefulness():
    assert metrics_of(TASK.utility, 1) == []
    assert TASK.outputs(Dataset(DATA, (), (), False, "")) == 1
    assert TASK.answer(torch.rand(5, 1)).tolist() == [[0.0]] * 5


def test_labels_that_say_something_are_refused():
    TASK.check(TASK.labels(DATA), 24, 1)
    for bad in (torch.ones(24, dtype=torch.int64), torch.zeros(24), torch.zeros(23, dtype=torch.int64)):
        with pytest.raises(DataError, match="must be zeros"):
            TASK.check(bad, 24, 1)
