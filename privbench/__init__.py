"""privbench: does a visual-privacy defense protect anything?

What a contributor needs is importable from here; names load on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from privbench.core.attack import Attack as Attack
    from privbench.core.attack import FeatureAttack as FeatureAttack
    from privbench.core.attack import MembershipAttack as MembershipAttack
    from privbench.core.attack import ReconstructionAttack as ReconstructionAttack
    from privbench.core.criterion import PerSampleLoss as PerSampleLoss
    from privbench.core.dataset import Dataset as Dataset
    from privbench.core.dataset import DatasetSource as DatasetSource
    from privbench.core.defense import Defense as Defense
    from privbench.core.defense import ImageDefense as ImageDefense
    from privbench.core.defense import TrainingDefense as TrainingDefense
    from privbench.core.games import FeatureChallenge as FeatureChallenge
    from privbench.core.games import MembershipChallenge as MembershipChallenge
    from privbench.core.games import ReconstructionChallenge as ReconstructionChallenge
    from privbench.core.images import LabelledImages as LabelledImages
    from privbench.core.keys import Keys as Keys
    from privbench.core.metric import MeanMetric as MeanMetric
    from privbench.core.metric import Metric as Metric
    from privbench.core.model import Model as Model
    from privbench.core.registry import register as register
    from privbench.core.task import Task as Task
    from privbench.core.threat import Game as Game
    from privbench.core.threat import Knowledge as Knowledge
    from privbench.core.threat import Surface as Surface
    from privbench.core.view import AdversaryView as AdversaryView

__version__ = "0.1.0"

_HOMES = {
    "attack": ("Attack", "FeatureAttack", "MembershipAttack", "ReconstructionAttack"),
    "criterion": ("PerSampleLoss",),
    "dataset": ("Dataset", "DatasetSource"),
    "defense": ("Defense", "ImageDefense", "TrainingDefense"),
    "games": ("FeatureChallenge", "MembershipChallenge", "ReconstructionChallenge"),
    "images": ("LabelledImages",),
    "keys": ("Keys",),
    "metric": ("MeanMetric", "Metric"),
    "model": ("Model",),
    "registry": ("register",),
    "task": ("Task",),
    "threat": ("Game", "Knowledge", "Surface"),
    "view": ("AdversaryView",),
}
_MODULE_OF = {name: f"privbench.core.{module}" for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'privbench' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULE_OF[name]), name)
