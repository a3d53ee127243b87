"""Executing one cell: open the stage, let the attack guess, score the guess, write the record."""

from __future__ import annotations

import math
import resource
import time
from collections.abc import Callable

import torch

from privbench.core.attack import Attack
from privbench.core.controls import BREAK, FLOOR
from privbench.core.defense import Defense
from privbench.core.errors import CannotWrite, PrivbenchError
from privbench.core.games import ReconstructionChallenge, Truth
from privbench.core.metric import Referee
from privbench.core.records import Cost, Figure
from privbench.core.registry import create
from privbench.core.threat import Game, Surface
from privbench.runner.cell_record import cell_key, make_record
from privbench.runner.flags import flags_of
from privbench.runner.plan import PlannedCell
from privbench.runner.scoring import metrics_of, score
from privbench.runner.stage import Stage
from privbench.runner.trace import trace_of
from privbench.store.pictures import keep_pictures
from privbench.store.results import Result

_INFERENCE_ROUNDS = 5


def execute(stage: Stage, planned: PlannedCell) -> Result:
    """Run one cell; whatever fails inside becomes a record that says so."""
    if planned.reason is not None:
        return Result(make_record(stage, planned, status="not-applicable", reason=planned.reason))
    try:
        return _executed(stage, planned)
    except CannotWrite:
        # A full disk is the run's end, not a property of the cell.
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001
        # A method may call what exits, which ends the cell and not the run.
        places, place = trace_of(error, (planned.attack, planned.defense, stage.setting.model))
        known = isinstance(error, PrivbenchError)
        reason = str(error) if known else f"{type(error).__name__}: {error} ({place})"
        return Result(make_record(stage, planned, status="failed", reason=reason, trace=places))


def _executed(stage: Stage, planned: PlannedCell) -> Result:
    defense, attack, game = planned.defense, planned.attack, planned.game
    _reset_peak(stage.device)
    guess, queries, log, seconds = play(stage, defense, attack, game)

    truth = stage.truth(game)
    needs_judge = game is Game.RECONSTRUCTION
    referee = Referee(stage.device, stage.judge() if needs_judge else None, stage.seed("bootstrap", game))
    metrics = metrics_of(game.value, stage.classes)
    figures, columns = score(metrics, truth, guess, referee)
    utility, fit_seconds, speed = _utility(stage, defense)
    plain, plain_seconds, plain_speed = _utility(stage, _none())
    if game is Game.RECONSTRUCTION:
        challenge = stage.challenge(defense, game)
        assert isinstance(challenge, ReconstructionChallenge)
        assert truth.originals is not None
        keep_pictures(
            stage.cache.folder / "pictures",
            cell_key(stage.setting, planned),
            {"original": truth.originals.images, "released": challenge.released, "restored": guess},
        )
    record = make_record(
        stage,
        planned,
        status="ok",
        figures=figures,
        utility=utility,
        plain_utility=plain,
        release=_release(stage, defense),
        guarantee={k: "inf" if v == math.inf else v for k, v in stage.fit(defense).guarantee.items()},
        queries=queries,
        log=log,
        flags=flags_of(metrics, figures, guess, log, floor=attack.registry_name == FLOOR),
        cost=Cost(
            attack_seconds=seconds,
            fit_seconds=fit_seconds,
            plain_fit_seconds=plain_seconds,
            inference_images_per_second=speed,
            plain_inference_images_per_second=plain_speed,
            peak_memory_mib=_peak_memory(stage.device),
        ),
    )
    return Result(record, columns, truth.clusters)


def play(
    stage: Stage, defense: Defense, attack: Attack, game: Game
) -> tuple[torch.Tensor, dict[str, int], dict[str, list[float]], float]:
    """Let the attack guess.

    No frame above the attack's holds the truth: it is made only after the guess is in.

    Returns:
        the checked guess, the queries to each oracle, the attack's log, its seconds.
    """
    view = stage.view(defense, game, attack.selector)
    challenge = stage.challenge(defense, game)
    start = time.perf_counter()
    # The attack may draw from torch's global generator; it must neither feel nor leave traces there.
    with torch.random.fork_rng(devices=[0] if stage.device.type == "cuda" else []):
        torch.manual_seed(view.seed("global"))
        guess = challenge.check(attack.guess(view, challenge))
    seconds = time.perf_counter() - start
    return guess, dict(sorted(view.queries.items())), view.log, seconds


def _none() -> Defense:
    none = create("defense", BREAK)
    assert isinstance(none, Defense)
    return none


def _utility(stage: Stage, defense: Defense) -> tuple[dict[str, Figure], float, float]:
    return stage.once(f"utility of {defense.selector}", lambda: _measured_utility(stage, defense))


def _measured_utility(stage: Stage, defense: Defense) -> tuple[dict[str, Figure], float, float]:
    trained = stage.fit(defense)
    scores = stage.deploy(defense).scores
    if scores is None:
        return {}, trained.seconds, 0.0
    truth = stage.test_truth()
    assert truth.originals is not None
    images = truth.originals.images.to(stage.device)
    predictions = scores(images, 0).cpu()
    seconds = min(_seconds(lambda: scores(images, 0).cpu()) for _ in range(_INFERENCE_ROUNDS))
    referee = Referee(stage.device, None, stage.seed("bootstrap", "utility"))
    figures, _ = score(metrics_of("utility", stage.classes), truth, predictions, referee)
    return figures, trained.seconds, len(images) / seconds


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _release(stage: Stage, defense: Defense) -> dict[str, Figure]:
    if Surface.IMAGES not in defense.surfaces:
        return {}

    def measure() -> dict[str, Figure]:
        challenge = stage.challenge(defense, Game.RECONSTRUCTION)
        assert isinstance(challenge, ReconstructionChallenge)
        referee = Referee(stage.device, None, stage.seed("bootstrap", "release"))
        return score(metrics_of("release", stage.classes), Truth(), challenge.released, referee)[0]

    return stage.once(f"release of {defense.selector}", measure)


def _reset_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()


def _peak_memory(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
