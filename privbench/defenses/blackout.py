"""Blackout: the control that must leave every attack at chance."""

from __future__ import annotations

import torch

from privbench.core import registry
from privbench.core.defense import ImageDefense
from privbench.core.images import LabelledImages
from privbench.core.keys import Keys
from privbench.core.registry import register
from privbench.core.seeds import derive_seed


@register("blackout")
class Blackout(ImageDefense):
    """Releases uniform noise, and a model that never saw the private data or a true label.

    The model trains on the public images with their labels permuted, and is given images as they
    are, so its answers exist and depend on the query, but not on who is in the private data. It
    exposes every surface there is.
    """

    control = "null"
    source = "control: an attack that wins here has seen the truth or miscounts"

    @property
    def exposes(self) -> frozenset[str]:
        """Every surface that is known; each gives noise, or what the null model says."""
        return frozenset(registry.known("surface"))

    def protect(self, images: torch.Tensor, keys: Keys) -> torch.Tensor:
        """Uniform noise of the shape of ``images``, whatever they show."""
        return keys.uniform(*images.shape[1:])

    def model_inputs(self, images: torch.Tensor, keys: Keys) -> torch.Tensor:
        """The images as they are."""
        return images

    def training_set(self, private: LabelledImages, public: LabelledImages, seed: int) -> LabelledImages:
        """The public images, each with the labels of another one drawn at random."""
        generator = torch.Generator().manual_seed(derive_seed(seed, "blackout"))
        order = torch.randperm(len(public), generator=generator).to(public.labels.device)
        wrong = public[order]
        return LabelledImages(public.images, wrong.labels, None, wrong.attributes)
