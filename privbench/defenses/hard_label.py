"""A service that answers with the likeliest class and nothing else."""

from __future__ import annotations

from privbench.core.defense import TrainingDefense
from privbench.core.registry import register


@register("hard-label")
class HardLabel(TrainingDefense):
    """Serves a model that trained without protection, and keeps its confidence to itself.

    It takes from attacks the scores that most of them read. How the label stands against small shifts
    of an image tells members still.
    """

    surfaces = frozenset({"labels"})
    source = (
        "Shokri, Stronati, Song, Shmatikov, Membership Inference Attacks Against Machine Learning Models, "
        "IEEE S&P 2017, on mitigation: the prediction vector is restricted to the top class"
    )
