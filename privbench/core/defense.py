"""The bases of defenses.

A defense says how images are protected, what the deployed model trains on and which surfaces
are exposed. It holds no data: runs train its model and hand its surfaces to adversaries.
"""

from __future__ import annotations

from typing import ClassVar

import torch

from privbench.core.images import LabelledImages
from privbench.core.keys import Keys
from privbench.core.method import Method
from privbench.core.threat import Surface
from privbench.core.training import PrivacySettings, TrainingConfig


class Defense(Method):
    """A defense that changes nothing; subclasses override what they change.

    Attributes:
        surfaces: what a deployment of the defense exposes.
        control: marks reference rows that must be broken (``break``) or leave every attack at
            chance (``null``).
    """

    kind = "defense"
    surfaces: ClassVar[frozenset[Surface]]
    control: ClassVar[str] = ""

    @property
    def reuses_key(self) -> bool:
        """Whether more than one image is protected under one key."""
        return False

    @property
    def versions(self) -> int:
        """How many independently protected copies of its data the model trains on, in turns."""
        return 1

    def keys(self, seed: int, count: int, device: torch.device | str = "cpu") -> Keys:
        """The keys of ``count`` images under the defense's key policy."""
        policy = Keys.fixed if self.reuses_key else Keys.fresh
        return policy(seed, count, device)

    def protect(self, images: torch.Tensor, keys: Keys) -> torch.Tensor:
        """Protected images, float32 [N, C, H, W] in [0, 1], for ``images`` of the same shape."""
        return images

    def model_inputs(self, images: torch.Tensor, keys: Keys) -> torch.Tensor:
        """What the deployed model is given for ``images``; protected images unless overridden."""
        return self.protect(images, keys)

    def training_set(self, private: LabelledImages, public: LabelledImages, seed: int) -> LabelledImages:
        """What the deployed model trains on, before protection; the private data by default."""
        return private

    def training_config(self, config: TrainingConfig) -> TrainingConfig:
        """How the deployed model is trained, given the run's ``config``; that itself by default."""
        return config

    def privacy(self, count: int) -> PrivacySettings | None:
        """Settings for differentially private training on ``count`` samples, or None."""
        return None


class ImageDefense(Defense):
    """Releases protected images, and a model trained on them that serves predictions."""

    surfaces = frozenset({Surface.IMAGES, Surface.PROTECT, Surface.SCORES})


class TrainingDefense(Defense):
    """Protects the training; releases the model, not the images."""

    surfaces = frozenset({Surface.SCORES, Surface.WEIGHTS})
