"""Membership inference by a classifier that was trained on shadow models' outputs."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from pydantic import Field

from privbench.attacks._likelihood import stable_logit, true_log_prob
from privbench.attacks._shadows import ShadowAttack
from privbench.core.registry import register
from privbench.core.view import AdversaryView
from privbench.games.membership import MembershipChallenge

_MOST_OUTPUTS = 20


def output_features(log_probs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """What the attack classifier sees of a model's answer, float64 [N, F].

    The largest log-probabilities in order, the true class's log-probability, its stable logit
    and whether the model is right.
    """
    ordered = log_probs.double().clamp(-100, 0).sort(-1, descending=True).values[..., :_MOST_OUTPUTS]
    right = (log_probs.argmax(-1) == labels).double()
    own, logit = true_log_prob(log_probs, labels), stable_logit(log_probs, labels)
    return torch.cat([ordered, torch.stack([own, logit, right], -1)], -1)


@register("shadow-classifier")
class ShadowClassifier(ShadowAttack):
    """An attack classifier learns to tell shadows' members from non-members by the answers.

    It sees the sorted outputs, the true class's loss and the class. A logistic regression and
    gradient-boosted trees compete on shadows that were held out; the better one (AUC) is trained
    again on all shadows.
    """

    source: ClassVar[str] = (
        "Shokri, Stronati, Song, Shmatikov, Membership Inference Attacks Against Machine Learning Models, "
        "IEEE S&P 2017, section V"
    )

    learner: Literal["auto", "logistic", "boosting"] = Field("auto", description="auto: chosen on shadows")

    def guess(self, view: AdversaryView, challenge: MembershipChallenge) -> torch.Tensor:
        """Log-odds of membership, float64 [N]."""
        from sklearn.metrics import roc_auc_score
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

        target, shadows, trained = self.observe(view, challenge, output_features)
        classes = torch.nn.functional.one_hot(challenge.labels.cpu(), view.classes).double()
        # Mean over queries; one row for each shadow and sample.
        rows = torch.cat([shadows.mean(0).cpu(), classes.expand(len(trained.membership), -1, -1)], -1)
        question = torch.cat([target.mean(0).cpu(), classes], -1).numpy()
        inside = trained.membership.cpu().numpy()

        names = ("logistic", "boosting") if self.learner == "auto" else (self.learner,)
        best = names[0]
        # One thread, so that sums are added in the same order on every machine.
        with threadpool_limits(limits=1):
            if len(names) > 1:
                held = max(1, len(inside) // 4)
                check, check_inside = rows[-held:].flatten(0, 1).numpy(), inside[-held:].ravel()
                quality = {}
                for name in names:
                    model = _learner(name, view.seed("learner") % 2**32)
                    model.fit(rows[:-held].flatten(0, 1).numpy(), inside[:-held].ravel())
                    quality[name] = float(roc_auc_score(check_inside, model.decision_function(check)))
                    view.log[f"validation-auc-{name}"] = [quality[name]]
                best = max(names, key=quality.__getitem__)
            model = _learner(best, view.seed("learner") % 2**32)
            model.fit(rows.flatten(0, 1).numpy(), inside.ravel())
            return torch.from_numpy(model.decision_function(question)).double()


def _learner(name: str, seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if name == "logistic":
        return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return HistGradientBoostingClassifier(
        max_iter=100, learning_rate=0.06, max_leaf_nodes=15, min_samples_leaf=40, random_state=seed
    )
