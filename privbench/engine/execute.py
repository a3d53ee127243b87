"""One cell's way: deploy, ask, let the attack guess, score the guess, make the record."""

from __future__ import annotations

import math
import resource
from dataclasses import dataclass

import torch

from privbench.core.controls import FLOOR
from privbench.core.errors import CannotWrite, NotApplicable, PrivbenchError
from privbench.core.printable import one_line
from privbench.core.records import LONGEST_REASON, Cost
from privbench.core.warned import WARNED, Heard, heard, once
from privbench.engine.adversary import Adversary
from privbench.engine.attempts import attempt, guess_key, keep_attempt, kept_attempt
from privbench.engine.cases import make_case
from privbench.engine.cell_record import make_record
from privbench.engine.defender import Defender
from privbench.engine.executors.guess import AttackFailed, Executor
from privbench.engine.flags import flags_of
from privbench.engine.keys import cell_key, metric_hash
from privbench.engine.plan import PlannedCell
from privbench.engine.referee import Referee
from privbench.engine.scoring import metrics_of
from privbench.engine.setting import Setting
from privbench.engine.trace import described, text_of, trace_of
from privbench.store.pictures import keep_pictures
from privbench.store.results import Result


@dataclass(frozen=True)
class Session:
    """What the cells of one seed share."""

    setting: Setting
    defender: Defender
    referee: Referee
    executor: Executor


def scored_by(setting: Setting, planned: PlannedCell) -> dict[str, str]:
    """The hash of every metric that makes a figure of the cell's record, by its selector."""
    subjects = (planned.game.subject, setting.task.utility, "release")
    found = [metric for subject in subjects for metric in metrics_of(subject, setting.outputs)]
    return {metric.selector: metric_hash(metric) for metric in found}


def execute(session: Session, planned: PlannedCell) -> Result:
    """Run one cell; whatever fails inside becomes a record that says so."""
    setting = session.setting
    if planned.reason is not None:
        return Result(make_record(setting, planned, status="not-applicable", reason=planned.reason))
    try:
        with heard() as warned:
            return _executed(session, planned, warned)
    except (CannotWrite, KeyboardInterrupt):
        # A full disk or Ctrl-C is the run's end, not a property of the cell.
        raise
    except NotApplicable as error:
        return Result(make_record(setting, planned, status="not-applicable", reason=str(error)))
    except AttackFailed as error:
        reason = one_line(error.text, LONGEST_REASON)
        return Result(make_record(setting, planned, status="failed", reason=reason, trace=error.trace))
    except BaseException as error:  # noqa: BLE001
        # A defense may call what exits, or raise what is no Exception: that ends the cell, not the run.
        places, place = trace_of(error, (planned.defense, setting.model, planned.game))
        known = isinstance(error, PrivbenchError)
        reason = one_line(text_of(error) if known else f"{described(error)} ({place})", LONGEST_REASON)
        return Result(make_record(setting, planned, status="failed", reason=reason, trace=places))


def _executed(session: Session, planned: PlannedCell, warned: Heard) -> Result:
    defender, referee, game = session.defender, session.referee, planned.game
    key = cell_key(session.setting, planned)
    _reset_peak(defender.device)
    deployment = defender.deploy(planned.defense)
    case = make_case(session.setting, deployment, game, planned.attack)
    adversary = Adversary(defender, case, planned.attack, game)
    challenge = adversary.challenge()
    kept = guess_key(session.setting, planned, challenge)
    made = kept_attempt(defender.cache, kept, session.executor)
    if made is None:
        made = attempt(session.executor, adversary, challenge)
        keep_attempt(defender.cache, kept, made)
    truth = game.truth(case)
    metrics, figures, columns = referee.score(game, truth, made.guess)
    mine, plain = referee.service(planned.defense), referee.plain()
    if truth.originals is not None and made.guess.shape == truth.originals.images.shape:
        releases = case.released(planned.attack.required_surfaces & {"images"}, case.shown)
        shown = releases.get("images", truth.originals.images.new_full(made.guess.shape, 0.5))
        pictures = {"original": truth.originals.images, "released": shown, "restored": made.guess}
        keep_pictures(defender.cache.folder / "pictures", key, pictures)
    floor = planned.attack.registry_name == FLOOR
    texts = [*made.warnings, *deployment.trained.warnings, *warned.texts()]
    record = make_record(
        session.setting,
        planned,
        status="ok",
        scored=scored_by(session.setting, planned),
        figures=figures,
        utility=mine.utility,
        plain_utility=plain.utility,
        release=mine.release,
        guarantee={k: _finite(v) for k, v in deployment.trained.guarantee.items()},
        queries=made.queries,
        log=made.log,
        flags=(
            *flags_of(metrics, figures, made.guess, made.log, floor=floor),
            *made.flags,
            *(f"{WARNED}: {text}" for text in once(texts)),
        ),
        cost=Cost(
            attack_seconds=made.seconds,
            fit_seconds=mine.fit_seconds,
            plain_fit_seconds=plain.fit_seconds,
            inference_images_per_second=mine.images_per_second,
            plain_inference_images_per_second=plain.images_per_second,
            peak_memory_mib=_peak_memory(defender.device),
        ),
    )
    return Result(record, columns, truth.clusters, truth.index)


def _finite(value: float | str) -> float | str:
    """JSON has no infinite numbers."""
    return value if isinstance(value, str) or math.isfinite(value) else str(value)


def _reset_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()


def _peak_memory(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
