"""What a verdict rests on, and that it says so."""

from dataclasses import replace

import torch
from factory import controls, defended

from privbench.core import registry
from privbench.rating.basis import games_on
from privbench.rating.board import make_boards
from privbench.report.summary import closing, verdicts
from privbench.store.results import Result


def exposing(results, *surfaces):
    """The results, whose records say what the defense exposes."""
    return [
        Result(r.record.model_copy(update={"exposes": surfaces}), r.columns, r.clusters, r.index)
        for r in results
    ]


def board(*results):
    (made,) = make_boards(results)
    return made


def row(made, defense="x"):
    return next(row for row in made.defenses if row.defense == defense)


def test_games_apply_where_an_attack_plays_them():
    vim = registry.create("defense", "vim").exposes
    assert games_on(frozenset(vim)) == {"attribute", "linkage", "membership", "reconstruction"}
    assert games_on(frozenset({"scores"})) == {"membership"}
    assert games_on(frozenset()) == frozenset()


def test_a_verdict_on_one_of_four_games_says_so():
    made = board(*controls(), *exposing(defended("x", 18), "images", "protect", "scores"))
    basis = row(made).basis
    assert (basis.played, basis.missing) == (("reconstruction",), ("attribute", "linkage", "membership"))
    assert not basis.complete
    assert str(basis) == "1 of 4 games, 1 seed, small"
    told = " ".join(closing(made))
    assert "1 of 4 games" in told
    assert "--attack attribute --attack linkage --attack membership" in told
    (verdict,) = verdicts([made])
    assert verdict["games_not_played"] == ["attribute", "linkage", "membership"]
    assert verdict["bound"] == row(made).overall.leakage.bound


def test_a_verdict_on_all_games_that_apply_is_complete(monkeypatch):
    monkeypatch.setattr("privbench.rating.basis.games_on", lambda surfaces: frozenset({"reconstruction"}))
    made = board(*controls(), *exposing(defended("x", 18), "images"))
    assert row(made).basis.complete
    assert row(made).basis.games == "1 of 1 game"
    assert "Not tried" not in " ".join(closing(made))


def test_of_a_defense_that_is_not_here_only_what_was_played_is_known():
    basis = row(board(*controls(), *defended("x", 18))).basis
    assert (basis.known, basis.complete, basis.missing) == (False, False, ())
    assert basis.games == "1 game"


def test_without_controls_there_is_no_verdict_and_that_is_said():
    made = board(*defended("x", 18))
    (told,) = closing(made)
    assert told.startswith("none and blackout were not run")
    (verdict,) = verdicts([made])
    assert (verdict["status"], verdict["leakage"]) == ("UNRATED", None)


def test_pictures_of_few_people_are_not_judged():
    def of(people):
        clusters = torch.arange(60) % people
        return board(*(replace(r, clusters=clusters) for r in [*controls(), *defended("x", 26)]))

    few, many = row(of(3)).overall, row(of(20)).overall
    assert few.status == "UNRATED"
    assert "show 3 people" in few.reason
    assert many.leakage is not None
