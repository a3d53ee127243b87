"""Membership true positive rate at 0.1% false positives."""

from __future__ import annotations

from privbench.core.registry import register
from privbench.metrics._tpr import TprAtFpr


@register("tpr-at-01-fpr")
class TprAt01Fpr(TprAtFpr):
    """The share of members found while 0.1% of non-members are accused. Chance is 0.001."""

    fpr = 0.001
