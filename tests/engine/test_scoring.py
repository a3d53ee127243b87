import warnings

import pytest
import torch

from privbench.core.errors import CannotWrite
from privbench.core.game import Truth
from privbench.core.metric import MeanMetric, ScoringContext
from privbench.core.registry import create
from privbench.engine.flags import flags_of
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


def test_no_number_from_finite_guesses_is_a_failure_of_the_metric():
    figures, columns = score([Given()], TRUTH, GUESS * torch.nan, CONTEXT)
    assert figures["given"].note == "failed: metric given is nan on finite guesses"
    assert (figures["given"].value, columns) == (None, {})


class Raises(Given):
    """Raises what it is told to, after a warning."""

    registry_name = "raises"
    what: str = "ValueError"

    def values(self, truth, guess, context):
        warnings.warn("slow\nand more", stacklevel=1)
        if self.what:
            raise {"ValueError": ValueError("too\x1b[2J bad"), "SystemExit": SystemExit(3)}[self.what]
        return guess


@pytest.mark.parametrize("what", ["ValueError", "SystemExit"])
def test_a_metric_that_raises_costs_only_that_metric(what):
    figures, columns = score([Raises(what=what), Given()], TRUTH, GUESS, CONTEXT)
    alone, _ = score([Given()], TRUTH, GUESS, CONTEXT)
    assert figures["given"] == alone["given"]
    assert set(columns) == {"given"}
    name = Raises(what=what).selector
    assert figures[name].value is None
    assert figures[name].note.startswith(f"failed: {what}: ")
    assert "test_scoring.py:" in figures[name].note
    assert "\x1b" not in figures[name].note
    flags = flags_of([Raises(what=what), Given()], figures, GUESS, {}, floor=False)
    assert f"metric-failed: {name}" in flags


def test_a_full_disk_and_an_interrupt_are_no_failures_of_a_metric():
    for error in (KeyboardInterrupt, CannotWrite):
        with pytest.raises(error):
            score([Interrupted(error)], TRUTH, GUESS, CONTEXT)


def Interrupted(error):
    class Metric(Given):
        registry_name = "interrupted"

        def values(self, truth, guess, context):
            raise error("x")

    return Metric()


def test_what_libraries_warn_of_while_a_metric_is_computed_is_a_note(recwarn):
    figures, _ = score([Raises(what="")], TRUTH, GUESS, CONTEXT)
    (figure,) = figures.values()
    assert figure.value is not None
    assert figure.note == "warned: UserWarning: slow"
    assert not recwarn.list


def test_whole_identities_are_resampled():
    clusters = torch.arange(40) // 20
    alone, _ = score([Given()], TRUTH, clusters.double(), CONTEXT)
    together, _ = score(
        [Given()], Truth(members=TRUTH.members, clusters=clusters), clusters.double(), CONTEXT
    )
    assert (together["given"].low, together["given"].high) == (0, 1)
    assert 0.3 < alone["given"].low < alone["given"].high < 0.7
