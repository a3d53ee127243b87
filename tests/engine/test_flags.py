import pytest
import torch

from privbench.core.records import Figure
from privbench.core.registry import create
from privbench.engine.flags import flags_of

GUESS = torch.tensor([0.0, 1.0])
METRICS = [create("metric", name) for name in ("auc", "tpr-at-1-fpr")]
FINE = {"auc": Figure(value=0.6, low=0.5, high=0.7, n=9), "tpr-at-1-fpr": Figure(value=0.1, n=9)}


def flags(figures=FINE, guess=GUESS, log=None, floor=False):
    return flags_of(METRICS, figures, guess, log or {}, floor=floor)


def test_nothing_is_said_of_a_cell_without_fault():
    assert flags() == ()


def test_a_whole_interval_below_chance():
    below = Figure(value=0.4, low=0.3, high=0.49, n=9)
    assert flags({**FINE, "auc": below}) == ("below-chance: auc",)
    assert flags({**FINE, "auc": below.model_copy(update={"high": 0.5})}) == ()


def test_one_answer_for_all_is_the_floor_s_alone():
    same = torch.ones(3, 1, 2, 2)
    assert flags(guess=same) == ("constant-guess",)
    assert flags(guess=same, floor=True) == ()
    assert flags(guess=same[:1]) == ()


@pytest.mark.parametrize(
    ("loss", "improving"),
    [
        ([5.0, 4.0, 3.0, 2.0, 1.0], True),
        ([5.0, 4.0, 3.0, 2.0, 1.97], False),
        ([5.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.9, 0.9], True),
        ([2.0, 1.0], False),
    ],
)
def test_a_loss_that_still_falls(loss, improving):
    assert flags(log={"loss": loss}) == (("still-improving: loss",) if improving else ())


FALLING, FLAT = [5.0, 4.0, 3.0, 2.0, 1.0], [5.0, 1.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize("loss", [FALLING, FLAT])
def test_an_attack_that_looks_at_held_out_data_says_itself_whether_it_was_still_improving(loss):
    assert flags(log={"loss": loss, "stopped": [1.0]}) == ()
    assert flags(log={"loss": loss, "stopped": [1.0, 0.0]}) == ("still-improving: loss",)
    both = {"loss-a": loss, "stopped-a": [0.0], "loss-b": FALLING, "stopped-b": [1.0], "loss-c": FALLING}
    assert flags(log=both) == ("still-improving: loss-a", "still-improving: loss-c")


def test_a_figure_that_the_sample_does_not_resolve():
    none = Figure(value=None, n=9, note="needs more")
    assert flags({**FINE, "tpr-at-1-fpr": none}) == ("unresolved: tpr-at-1-fpr",)
    absent = Figure(value=None, note="weights are missing")
    assert flags({**FINE, "tpr-at-1-fpr": absent}) == ()
