"""The protection oracle."""

from __future__ import annotations

from privbench.core.deployment import Deployment
from privbench.core.port import Tensors
from privbench.core.protection import protected, query_seed
from privbench.core.registry import register
from privbench.core.surface import Surface
from privbench.core.threat import Knowledge


@register("protect")
class Protect(Surface):
    """Protects images of the adversary's choice under the defender's key policy; each is a query.

    Where the defender reuses its key, every query is answered under that key.
    """

    source = "Chosen-plaintext access, as to a camera or an upload service"
    asks = ("protect",)
    base = "ImageDefense"
    oracle = True
    implies = frozenset({Knowledge.CHOSEN_INPUTS})

    def answer(self, deployment: Deployment, inputs: Tensors, query: int) -> Tensors:
        """Protected images of the shape of the inputs."""
        seed = query_seed(deployment.defense, deployment.keys_seed, query)
        return {"answer": protected(deployment.defense, inputs["inputs"], seed)}
