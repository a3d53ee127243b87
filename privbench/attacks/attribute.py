"""Inference of hidden attributes from released features."""

from __future__ import annotations

import itertools
import warnings
from typing import ClassVar

import torch
from pydantic import Field

from privbench.attacks._held_out import held_out
from privbench.core.registry import register
from privbench.core.view import AdversaryView
from privbench.games._priors import auxiliary_targets
from privbench.games.attribute import AttributeAttack, AttributeChallenge

_HELD_OUT = 5
_COMPONENTS = 512
_ITERATIONS = 300


@register("attribute")
class Attribute(AttributeAttack):
    """A logistic regression on the encoder's features for each attribute.

    It learns from auxiliary images, whose features it asks the encoder for. How strongly it is
    regularised, and whether rare values count as much as common ones, is chosen by Matthews'
    coefficient on a held-out fifth (other people, where they are known); then it learns again from all.
    """

    source: ClassVar[str] = (
        "Song and Shmatikov, Overlearning reveals sensitive attributes, ICLR 2020 (attribute inference from "
        "representations)"
    )
    needs: ClassVar[frozenset[str]] = frozenset({"features"})

    strengths: int = Field(
        4, ge=1, le=8, description="how many inverse regularisations to try, from 1e-3 up tenfold"
    )

    def guess(self, view: AdversaryView, challenge: AttributeChallenge) -> torch.Tensor:
        """Attribute values, int64 [N, T].

        Raises:
            UserError: fewer than ten auxiliary images, or none with the attributes.
        """
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

        from privbench.training.projection import Projection

        known = view.features(view.auxiliary.images.to(view.device))
        values = auxiliary_targets(view, challenge.targets).cpu()
        held, train = (part.cpu() for part in held_out(view, "attribute", _HELD_OUT))
        projection = Projection.fitted(known, _COMPONENTS)
        rows, released = (
            projection(features).cpu().double() for features in (known, challenge.released.to(view.device))
        )
        strengths = [10.0 ** (power - 3) for power in range(self.strengths)]
        candidates = list(itertools.product(strengths, (None, "balanced")))
        columns = []
        # One thread, so that sums are added in the same order on every machine.
        with threadpool_limits(limits=1):
            for number, name in enumerate(challenge.targets):
                column = values[:, number]
                scores = [
                    _mcc(column[held], _fitted(rows[train], column[train], choice, rows[held]))
                    for choice in candidates
                ]
                view.log[f"validation-{name}"] = scores
                best = candidates[scores.index(max(scores))]
                columns.append(_fitted(rows, column, best, released))
                view.progress(number + 1, len(challenge.targets), "attributes")
        return torch.stack(columns, 1)


def _fitted(
    rows: torch.Tensor, values: torch.Tensor, choice: tuple[float, str | None], asked: torch.Tensor
) -> torch.Tensor:
    """The likeliest values of ``asked`` by a regression of ``values`` on ``rows``, int64 [N]."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    if bool((values == values[0]).all()):
        return torch.full((len(asked),), int(values[0]))
    model = LogisticRegression(C=choice[0], class_weight=choice[1], max_iter=_ITERATIONS)
    with warnings.catch_warnings():
        # Where a weak regularisation separates the classes, the last digits of its weights say nothing.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(rows.numpy(), values.numpy())
    return torch.from_numpy(model.predict(asked.numpy())).long()


def _mcc(truth: torch.Tensor, guess: torch.Tensor) -> float:
    from sklearn.metrics import matthews_corrcoef

    return 0.0 if bool((truth == truth[0]).all()) else float(matthews_corrcoef(truth, guess))
