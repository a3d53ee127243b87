"""What the referee measures: guesses, usefulness, releases, each once, by the metrics of its subject."""

import pytest
import torch
from sessions import adversary_of, session_of, setting_of

from privbench.core import registry
from privbench.core.controls import BREAK
from privbench.engine.referee import Referee
from privbench.engine.scoring import metrics_of


def service(session, selector):
    return session.referee.service(registry.create("defense", selector))


def test_a_deployment_is_measured_once(session):
    found = service(session, "pixelate")
    assert service(session, "pixelate") is found
    assert set(found.utility) == {m.selector for m in metrics_of("utility", 10)}
    assert set(found.release) == {m.selector for m in metrics_of("release", 10)}
    assert found.fit_seconds > 0
    assert found.images_per_second > 0


def test_the_plain_model_is_the_one_without_defense(session):
    assert session.referee.plain() is service(session, BREAK)
    assert session.referee.plain().utility["accuracy"].value > 0.7


def test_what_releases_no_images_has_no_figures_of_a_release(session):
    assert service(session, "fedavg[rounds=1,epochs=1]").release == {}


def test_a_metric_of_the_release_sees_the_released_images(session):
    vfe = {name: service(session, name).release["vfe"].value for name in ("none", "pixelate[block=14]")}
    assert vfe["pixelate[block=14]"] < vfe["none"]


def test_the_truth_scores_best_and_the_judge_is_trained_where_it_is_needed(session, monkeypatch):
    asked = []
    monkeypatch.setattr("privbench.engine.referee.judge", lambda d: asked.append(d) or (lambda x: x))
    adversary = adversary_of(session, "none", "blind", "membership")
    truth = adversary.game.truth(adversary.case)
    metrics, figures, columns = session.referee.score(adversary.game, truth, truth.members.double())
    assert figures["auc"].value == 1
    assert {m.selector for m in metrics} == set(figures) == {m.selector for m in metrics_of("membership", 10)}
    assert asked == []
    assert columns["auc"]["member"].bool().tolist() == truth.members.tolist()


def test_the_judge_recognises_originals(session):
    adversary = adversary_of(session, "none", "blind", "reconstruction")
    truth = adversary.game.truth(adversary.case)
    _, figures, _ = session.referee.score(adversary.game, truth, truth.originals.images)
    assert figures["ssim"].value == pytest.approx(1)
    assert figures["recognition"].value > 0.7
    _, blank, _ = session.referee.score(adversary.game, truth, torch.zeros_like(truth.originals.images))
    assert blank["recognition"].value < 0.4


def test_people_are_resampled_whole(shared_cache):
    session = session_of(setting_of("orl-faces", scale="small", epochs=1), shared_cache)
    adversary = adversary_of(session, "none", "blind", "membership")
    truth = adversary.game.truth(adversary.case)
    assert truth.clusters is not None
    guess = truth.clusters.double()
    _, whole, _ = session.referee.score(adversary.game, truth, guess)
    alone = Referee(session.defender).score(adversary.game, type(truth)(members=truth.members), guess)[1]
    widths = [figures["auc"].high - figures["auc"].low for figures in (whole, alone)]
    assert widths[0] != widths[1]
