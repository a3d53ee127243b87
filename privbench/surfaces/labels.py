"""A prediction service that keeps its confidence to itself."""

from __future__ import annotations

from privbench.core.deployment import Deployment
from privbench.core.port import Tensors
from privbench.core.registry import register
from privbench.core.surface import Surface
from privbench.surfaces.scores import served


@register("labels")
class Labels(Surface):
    """Images in, the likeliest value out (the class, int64 [N]); each image is a query.

    Ties go to the first class. As ``scores`` it protects what it is sent under the defender's key policy.
    """

    source = (
        "Label-only access; Choquette-Choo, Tramer, Carlini, Papernot, Label-Only Membership Inference "
        "Attacks, ICML 2021"
    )
    oracle = True

    def answer(self, deployment: Deployment, inputs: Tensors, query: int) -> Tensors:
        """The likeliest value for each of the images."""
        return {"answer": served(deployment, inputs["inputs"], query).argmax(-1)}
