"""The metrics behind the figures of records, as far as they are installed."""

from __future__ import annotations

from functools import cache
from typing import cast

from privbench.core import registry
from privbench.core.errors import UserError
from privbench.core.method import Method
from privbench.core.metric import Metric
from privbench.core.selector import parse_selector


def find_metric(selector: str) -> Metric | None:
    """The metric for a selector, or None where it is not installed."""
    try:
        parsed = parse_selector(selector)
        # Looked up anew: a notebook may have defined the class again.
        return _made(registry.find("metric", parsed.name), selector)
    except UserError:
        return None


@cache
def _made(cls: type[Method], selector: str) -> Metric:
    return cast("Metric", cls.create(dict(parse_selector(selector).params)))


def is_headline(selector: str) -> bool:
    """Whether the metric is the one figure of its subject that tables show first."""
    metric = find_metric(selector)
    return metric is not None and metric.headline


def metric_order(selector: str) -> tuple[bool, bool, str]:
    """Sort key: the headline first, then metrics that rate, then by name."""
    metric = find_metric(selector)
    return (not is_headline(selector), not (metric and metric.rates), selector)
