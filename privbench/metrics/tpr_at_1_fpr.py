"""Membership true positive rate at 1% false positives."""

from __future__ import annotations

from privbench.core.registry import register
from privbench.metrics._tpr import TprAtFpr


@register("tpr-at-1-fpr")
class TprAt1Fpr(TprAtFpr):
    """The share of members found while 1% of non-members are accused. Chance is 0.01."""

    fpr = 0.01
