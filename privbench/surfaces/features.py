"""Released features, and their encoder as an oracle."""

from __future__ import annotations

import torch

from privbench.core.defense import Defense
from privbench.core.deployment import Deployment
from privbench.core.errors import UserError
from privbench.core.images import LabelledImages
from privbench.core.keys import Keys
from privbench.core.model import Model
from privbench.core.port import Tensors
from privbench.core.protection import query_seed
from privbench.core.registry import register
from privbench.core.surface import Surface

_BATCH = 512


@register("features")
class Features(Surface):
    """An encoder's features of the private images, float32 [N, D], and the encoder as an oracle.

    ``none`` releases the pixels, ``blackout`` noise.
    """

    source = "Xiao, Tsai, Sohn, Chandraker, Yang, Adversarial learning of privacy-preserving and …, AAAI 2020"
    asks = ("encode",)
    base = "EncoderDefense"
    oracle = True

    def release(self, deployment: Deployment, data: LabelledImages, index: torch.Tensor) -> torch.Tensor:
        """Features, each under the key of its position in ``data``."""
        keys = deployment.defense.keys(deployment.keys_seed, len(data), data.images.device)
        index = index.to(data.images.device)
        return _encoded(deployment, data.images[index], keys[index])

    def release_plain(
        self, deployment: Deployment, data: LabelledImages, index: torch.Tensor
    ) -> torch.Tensor:
        """The pixels as one vector."""
        return data.images[index.to(data.images.device)].flatten(1)

    def answer(self, deployment: Deployment, inputs: Tensors, query: int) -> Tensors:
        """Features of the images in ``inputs``; each image is a query."""
        images = inputs["inputs"].to(deployment.device)
        data = LabelledImages(images, torch.zeros(len(images), dtype=torch.int64))
        control = deployment.defense.control
        seed = query_seed(deployment.defense, deployment.keys_seed, query)
        if control == "break":
            return {"answer": images.flatten(1)}
        if control == "null":
            return {"answer": Keys.fresh(seed, len(data), images.device).uniform(images.shape[1:].numel())}
        keys = deployment.defense.keys(seed, len(images), images.device)
        return {"answer": _encoded(deployment, images, keys)}


def _encoded(deployment: Deployment, images: torch.Tensor, keys: Keys) -> torch.Tensor:
    return encoded(deployment.defense, deployment.model, deployment.module, images, keys)


def encoded(
    defense: Defense, model: Model, module: torch.nn.Module, images: torch.Tensor, keys: Keys
) -> torch.Tensor:
    """Features [N, D] of ``images`` by ``defense`` in batches, checked.

    Raises:
        UserError: the defense does not return finite float32 features, a row for each image.
    """
    parts = []
    with torch.inference_mode():
        for start in range(0, max(1, len(images)), _BATCH):
            part = slice(start, start + _BATCH)
            parts.append(defense.encode(model, module, images[part], keys[part]))  # type: ignore[attr-defined]
    made = torch.cat(parts).clone()
    fits = made.dim() == 2 and len(made) == len(images) and made.dtype == torch.float32
    # An adversary may query with values that are no image, for which the defense is not to blame.
    if not fits or (not torch.isfinite(made).all() and torch.isfinite(images).all()):
        raise UserError(
            f"defense {defense.selector!r}: encode returned {made.dtype} {tuple(made.shape)}; expected "
            f"finite torch.float32 [{len(images)}, D]."
        )
    return made
