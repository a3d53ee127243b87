"""Results made by hand: one value of every per-sample column decides the score."""

from __future__ import annotations

import hashlib

import torch

from privbench.core.records import Cell, Cost, Figure, Provenance, Record
from privbench.rating.metric_lookup import find_metric
from privbench.store.results import Result


def classification(accuracy: float, spread: float) -> dict[str, Figure]:
    """Accuracy and MCC on ten even classes with even errors."""
    mcc = (10 * accuracy - 1) / 9
    return {
        "accuracy": Figure(value=accuracy, low=accuracy - spread, high=accuracy + spread, n=500),
        "mcc": Figure(value=mcc, low=mcc - 10 / 9 * spread, high=mcc + 10 / 9 * spread, n=500),
    }


def result(
    defense: str,
    attack: str,
    columns: dict[str, dict[str, torch.Tensor]] | None = None,
    *,
    game: str = "reconstruction",
    seed: int = 0,
    dataset: str = "toy",
    model: str = "cnn",
    status: str = "ok",
    reason: str = "",
    clusters: torch.Tensor | None = None,
    index: torch.Tensor | None = None,
    split: str = "s",
    accuracy: float | None = 0.9,
    plain_spread: float = 0.02,
    git: str = "abc",
    guarantee: dict[str, float | str] | None = None,
    flags: tuple[str, ...] = (),
    code: str = "",
) -> Result:
    """A result whose figures are computed from ``columns`` by the real metrics."""
    columns = columns or {}
    figures = {}
    for name, cols in columns.items():
        metric = find_metric(name)
        assert metric is not None
        count = len(next(iter(cols.values())))
        value = float(metric.statistic(cols, torch.ones(1, count, dtype=torch.float64))[0])
        figures[name] = Figure(value=value, low=value - 0.01, high=value + 0.01, n=count)
    cell = Cell(
        dataset=dataset, model=model, defense=defense, attack=attack, game=game, seed=seed, scale="small"
    )
    utility = {} if accuracy is None or status != "ok" else classification(accuracy, 0.02)
    plain = classification(0.95, plain_spread) if utility else {}
    record = Record(
        key=hashlib.sha256((cell.model_dump_json() + code).encode()).hexdigest()[:32],
        cell=cell,
        status=status,
        reason=reason,
        figures=figures,
        utility=utility,
        plain_utility=plain,
        guarantee=guarantee or {},
        queries={"scores": 100} if game == "membership" else {},
        flags=flags,
        provenance=Provenance(
            config={"classes": 10}, seeds={"root": seed}, hashes={"split": f"{split}{seed}"} if status == "ok" else {},
            versions={"privbench": "0.1.0"}, git=git, device="cpu",
        ),
        cost=Cost(
            attack_seconds=1.5, fit_seconds=4.0, plain_fit_seconds=2.0,
            inference_images_per_second=500.0, plain_inference_images_per_second=1000.0,
        ),
    )  # fmt: skip
    return Result(record, columns, clusters, index)


def psnr_columns(
    mean: float, count: int = 60, spread: float = 1.0, noise: int = 0
) -> dict[str, dict[str, torch.Tensor]]:
    """PSNR columns with exactly ``mean`` and some spread; other ``noise``, other residuals."""
    residual = torch.randn(count, generator=torch.Generator().manual_seed(noise), dtype=torch.float64)
    return {"psnr": {"psnr": mean + spread * (residual - residual.mean())}}


def recognition_columns(hits: int, count: int = 60) -> dict[str, dict[str, torch.Tensor]]:
    """Recognition columns with the first ``hits`` of ``count`` recognised."""
    return {"recognition": {"recognition": (torch.arange(count) < hits).double()}}


def membership_columns(shift: float, count: int = 200, noise: int = 0) -> dict[str, dict[str, torch.Tensor]]:
    """Scores of members are ``shift`` above non-members'; constant scores for a shift of None."""
    generator = torch.Generator().manual_seed(noise)
    member = (torch.arange(count) % 2).double()
    return {
        "auc": {"score": torch.randn(count, generator=generator).double() + shift * member, "member": member}
    }


def controls(
    seed: int = 0, attack: str = "restoration", ceiling: float = 40.0, floor: float = 10.0
) -> list[Result]:
    """Controls on which ``attack`` is certified by PSNR: ceiling on none, floor elsewhere."""
    return [
        result("none", "blind", psnr_columns(floor), seed=seed, accuracy=0.95),
        result("none", attack, psnr_columns(ceiling, noise=1), seed=seed, accuracy=0.95),
        result("blackout", "blind", psnr_columns(floor), seed=seed, accuracy=0.1),
        result("blackout", attack, psnr_columns(floor), seed=seed, accuracy=0.1),
    ]


def defended(
    defense: str, mean: float, *, seed: int = 0, attack: str = "restoration", floor: float = 10.0, **more
) -> list[Result]:
    """A defense on which ``attack`` gets a PSNR of ``mean`` and ``blind`` the floor."""
    return [
        result(defense, "blind", psnr_columns(floor), seed=seed, **more),
        result(defense, attack, psnr_columns(mean, noise=2), seed=seed, **more),
    ]
