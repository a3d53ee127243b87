"""Features of a classifier, released without any defense: what encoders are compared with."""

from __future__ import annotations

import torch
from pydantic import Field

from privbench.core.defense import EncoderDefense
from privbench.core.keys import Keys
from privbench.core.model import Model
from privbench.core.registry import register


@register("plain-encoder")
class PlainEncoder(EncoderDefense):
    """Trains the run's classifier on the private data and releases its features at one layer.

    Split inference without protection: what a layer keeps of an image is all that stands between the
    release and its original.
    """

    source = (
        "Xiao, Tsai, Sohn, Chandraker, Yang, Adversarial learning of privacy-preserving and task-oriented "
        "representations, AAAI 2020, the undefended encoder"
    )

    layer: str = Field(
        "", description="the model's layer, as `feature_layers` names them; by default the deepest"
    )

    def encode(self, model: Model, module: torch.nn.Module, images: torch.Tensor, keys: Keys) -> torch.Tensor:
        """The layer's outputs as one vector an image, float32 [N, D].

        Raises:
            UserError: the model has no layer of that name.
        """
        from privbench.models._features import capture

        layer = self.layer or model.feature_layers()[-1]
        return capture(module, images, [layer])[layer].flatten(1).float()
