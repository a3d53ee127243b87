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


def test_a_figure_is_that_of_the_columns_in_the_precision_they_were_given():
    figures, columns = score([Given()], TRUTH, GUESS.double() / 3, CONTEXT)
    stored = columns["given"]["given"]
    assert torch.equal(stored, GUESS.double() / 3)
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
    assert figures["given"].note == "failed: metric given is not a number on finite guesses"
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
    clusters = torch.arange(40) // 5
    guess = (clusters % 2).double() + 0.01 * torch.arange(40)
    alone, _ = score([Given()], TRUTH, guess, CONTEXT)
    together, _ = score([Given()], Truth(members=TRUTH.members, clusters=clusters), guess, CONTEXT)
    assert together["given"].low < alone["given"].low - 0.2
    assert together["given"].high > alone["given"].high + 0.1


def test_pictures_of_two_people_have_a_figure_and_no_interval():
    clusters = torch.arange(40) // 20
    figures, _ = score([Given()], Truth(members=TRUTH.members, clusters=clusters), GUESS, CONTEXT)
    found = figures["given"]
    assert found.value == pytest.approx(float(GUESS.double().mean()))
    assert (found.low, found.high) == (None, None)
    assert "show 2 people" in found.note


def test_scores_that_differ_in_the_last_bits_are_no_ties():
    score_of = 1 + torch.arange(40, dtype=torch.float64) * 1e-12
    members = torch.arange(40) >= 20
    figures, _ = score([create("metric", "auc")], Truth(members=members), score_of, CONTEXT)
    assert figures["auc"].value == 1.0
