import pytest
import torch

from privbench.core.errors import PrivbenchError
from privbench.core.game import Truth
from privbench.core.metric import MeanMetric, ScoringContext
from privbench.core.registry import create
from privbench.engine.scoring import metrics_of, score

CONTEXT = ScoringContext(torch.device("cpu"))
TRUTH = Truth(members=torch.arange(40) % 2 == 0)
GUESS = torch.randn(40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


class Given(MeanMetric):
    """The guess itself."""

    registry_name = "given"
    subject = "membership"

    def values(self, truth, guess, context):
        return guess


class Absent(Given):
    """Cannot be computed."""

    registry_name = "absent"

    def unavailable(self):
        return "its weights are missing"


def test_top_5_accuracy_is_for_many_classes():
    assert "accuracy[k=5]" not in {m.selector for m in metrics_of("utility", 10)}
    assert "accuracy[k=5]" in {m.selector for m in metrics_of("utility", 11)}
    assert {m.subject for m in metrics_of("membership", 11)} == {"membership"}


def test_a_figure_is_that_of_the_columns_as_stored():
    figures, columns = score([Given()], TRUTH, GUESS, CONTEXT)
    stored = columns["given"]["given"]
    assert torch.equal(stored, GUESS.float().double())
    assert figures["given"].value == pytest.approx(float(stored.mean()), abs=1e-15)
    assert figures["given"].low < figures["given"].value < figures["given"].high
    assert figures["given"].n == 40


def test_what_cannot_be_computed_says_why():
    figures, columns = score([Absent(), create("metric", "tpr-at-1-fpr")], TRUTH, GUESS, CONTEXT)
    assert (figures["absent"].value, figures["absent"].note) == (None, "its weights are missing")
    assert figures["tpr-at-1-fpr"].value is None
    assert "non-members" in figures["tpr-at-1-fpr"].note
    assert set(columns) == {"tpr-at-1-fpr"}


def test_no_number_from_finite_guesses_is_an_error():
    with pytest.raises(PrivbenchError, match="metric given is nan"):
        score([Given()], TRUTH, GUESS * torch.nan, CONTEXT)


def test_whole_identities_are_resampled():
    clusters = torch.arange(40) // 20
    alone, _ = score([Given()], TRUTH, clusters.double(), CONTEXT)
    together, _ = score(
        [Given()], Truth(members=TRUTH.members, clusters=clusters), clusters.double(), CONTEXT
    )
    assert (together["given"].low, together["given"].high) == (0, 1)
    assert 0.3 < alone["given"].low < alone["given"].high < 0.7
