"""The referee's own classifier of plain images."""

from __future__ import annotations

from collections.abc import Callable

import torch

from privbench.core.training import TrainingJob
from privbench.engine import seeds
from privbench.engine.defender import Defender
from privbench.engine.keys import FITTING, code_of, libraries_of
from privbench.engine.provenance import instructions
from privbench.training.modules import load_module
from privbench.training.predict import answers
from privbench.training.train import train


def judge(defender: Defender) -> Callable[[torch.Tensor], torch.Tensor]:
    """Log-probabilities by a classifier trained on auxiliary data, independent of every defense."""
    setting, data = defender.setting, defender.auxiliary
    methods, files = (setting.model, setting.task, setting.source), (*FITTING, "engine/judge.py")
    identity = {
        **setting.identity(),
        "part": "judge",
        "code": code_of(*methods, files=files),
        "libraries": libraries_of(*methods, files=files),
        "instructions": instructions(),
    }
    path = defender.cache.path("judges", identity)
    trained = defender.cache.load_model(path)
    if trained is None:
        job = TrainingJob(
            model=setting.model,
            task=setting.task,
            config=setting.config.for_size(len(data)).model_copy(update={"augment": True}),
            images=data.images[None],
            labels=setting.task.labels(data),
            outputs=setting.outputs,
            seed=seeds.judge(setting.seed),
        )
        trained = train(job, defender.device)
        defender.cache.save_model(path, trained)
    module = load_module(setting.model, setting.shape, setting.outputs, trained.weights, defender.device)
    return lambda images: answers(module, images.to(defender.device), setting.task)
