"""The prediction service."""

from __future__ import annotations

import torch

from privbench.core.deployment import Deployment
from privbench.core.port import Tensors
from privbench.core.protection import model_inputs, query_seed
from privbench.core.registry import register
from privbench.core.surface import Surface


@register("scores")
class Scores(Surface):
    """Images in, the task's answers out (class log-probabilities [N, K]); each image is a query.

    End to end: the service protects what it is sent under the defender's key policy.
    """

    source = "Black-box access with confidences; Shokri et al., IEEE S&P 2017"
    oracle = True

    def answer(self, deployment: Deployment, inputs: Tensors, query: int) -> Tensors:
        """The answers for each of the images."""
        return {"answer": served(deployment, inputs["inputs"], query)}


def served(deployment: Deployment, images: torch.Tensor, query: int) -> torch.Tensor:
    """What the deployed model answers for ``images``, protected under the keys of the numbered query."""
    # Loads torch, which the catalogue must not to be listed.
    from privbench.training.predict import answers

    defense = deployment.defense
    seed = query_seed(defense, deployment.keys_seed, query)
    given = model_inputs(defense, images.to(deployment.device), seed)
    return answers(deployment.module, given, deployment.task)
