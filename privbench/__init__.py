"""privbench: does a visual-privacy defense protect anything?

What a contributor or a notebook needs is importable from here; names load on first use.

>>> import privbench
>>> "run" in dir(privbench) and "Attack" in dir(privbench)
True
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from privbench.api import load as load
    from privbench.api import reproduce as reproduce
    from privbench.api import run as run
    from privbench.core.attack import Attack as Attack
    from privbench.core.criterion import PerSampleLoss as PerSampleLoss
    from privbench.core.dataset import Dataset as Dataset
    from privbench.core.dataset import DatasetSource as DatasetSource
    from privbench.core.defense import Defense as Defense
    from privbench.core.defense import EncoderDefense as EncoderDefense
    from privbench.core.defense import FederatedDefense as FederatedDefense
    from privbench.core.defense import ImageDefense as ImageDefense
    from privbench.core.defense import TrainingDefense as TrainingDefense
    from privbench.core.deployment import Case as Case
    from privbench.core.deployment import Deployment as Deployment
    from privbench.core.deployment import Parts as Parts
    from privbench.core.errors import CannotWrite as CannotWrite
    from privbench.core.errors import DataError as DataError
    from privbench.core.errors import PrivbenchError as PrivbenchError
    from privbench.core.errors import UserError as UserError
    from privbench.core.game import Challenge as Challenge
    from privbench.core.game import Game as Game
    from privbench.core.game import Truth as Truth
    from privbench.core.game import checked as checked
    from privbench.core.game import clusters_of as clusters_of
    from privbench.core.images import LabelledImages as LabelledImages
    from privbench.core.keys import Keys as Keys
    from privbench.core.method import Method as Method
    from privbench.core.metric import Columns as Columns
    from privbench.core.metric import MeanMetric as MeanMetric
    from privbench.core.metric import Metric as Metric
    from privbench.core.metric import ScoringContext as ScoringContext
    from privbench.core.model import Model as Model
    from privbench.core.options import Options as Options
    from privbench.core.port import Ask as Ask
    from privbench.core.port import Port as Port
    from privbench.core.port import Shadows as Shadows
    from privbench.core.port import Tensors as Tensors
    from privbench.core.records import Record as Record
    from privbench.core.registry import create as create
    from privbench.core.registry import register as register
    from privbench.core.scale import Scale as Scale
    from privbench.core.scale import by_scale as by_scale
    from privbench.core.surface import Surface as Surface
    from privbench.core.task import Task as Task
    from privbench.core.threat import Knowledge as Knowledge
    from privbench.core.trainer import Trainer as Trainer
    from privbench.core.training import PrivacySettings as PrivacySettings
    from privbench.core.training import TrainedModel as TrainedModel
    from privbench.core.training import TrainingConfig as TrainingConfig
    from privbench.core.training import TrainingJob as TrainingJob
    from privbench.core.view import AdversaryView as AdversaryView
    from privbench.core.view import KnownPairs as KnownPairs
    from privbench.games.attribute import AttributeAttack as AttributeAttack
    from privbench.games.attribute import AttributeChallenge as AttributeChallenge
    from privbench.games.linkage import LinkageAttack as LinkageAttack
    from privbench.games.linkage import LinkageChallenge as LinkageChallenge
    from privbench.games.membership import MembershipAttack as MembershipAttack
    from privbench.games.membership import MembershipChallenge as MembershipChallenge
    from privbench.games.reconstruction import ReconstructionAttack as ReconstructionAttack
    from privbench.games.reconstruction import ReconstructionChallenge as ReconstructionChallenge
    from privbench.report.results import Results as Results
    from privbench.store.results import Result as Result

__version__ = "0.1.0"

_HOMES = {
    "api": ("load", "reproduce", "run"),
    "core.attack": ("Attack",),
    "core.criterion": ("PerSampleLoss",),
    "core.dataset": ("Dataset", "DatasetSource"),
    "core.defense": ("Defense", "EncoderDefense", "FederatedDefense", "ImageDefense", "TrainingDefense"),
    "core.deployment": ("Case", "Deployment", "Parts"),
    "core.errors": ("CannotWrite", "DataError", "PrivbenchError", "UserError"),
    "core.game": ("Challenge", "Game", "Truth", "checked", "clusters_of"),
    "core.images": ("LabelledImages",),
    "core.keys": ("Keys",),
    "core.method": ("Method",),
    "core.metric": ("Columns", "MeanMetric", "Metric", "ScoringContext"),
    "core.model": ("Model",),
    "core.options": ("Options",),
    "core.port": ("Ask", "Port", "Shadows", "Tensors"),
    "core.records": ("Record",),
    "core.registry": ("create", "register"),
    "core.scale": ("Scale", "by_scale"),
    "core.surface": ("Surface",),
    "core.task": ("Task",),
    "core.threat": ("Knowledge",),
    "core.trainer": ("Trainer",),
    "core.training": ("PrivacySettings", "TrainedModel", "TrainingConfig", "TrainingJob"),
    "core.view": ("AdversaryView", "KnownPairs"),
    "games.attribute": ("AttributeAttack", "AttributeChallenge"),
    "games.linkage": ("LinkageAttack", "LinkageChallenge"),
    "games.membership": ("MembershipAttack", "MembershipChallenge"),
    "games.reconstruction": ("ReconstructionAttack", "ReconstructionChallenge"),
    "report.results": ("Results",),
    "store.results": ("Result",),
}
_MODULE_OF = {name: f"privbench.{module}" for module, names in _HOMES.items() for name in names}
__all__ = list(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'privbench' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULE_OF})
