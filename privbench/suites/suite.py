"""What a suite's file may hold."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, model_validator

from privbench.core.options import Options
from privbench.core.scale import Scale

Text: TypeAlias = Annotated[str, Field(min_length=1)]
# TOML has lists; a tuple cannot be changed afterwards.
Texts: TypeAlias = Annotated[tuple[Text, ...], Field(min_length=1, strict=False)]
Seeds: TypeAlias = Annotated[
    tuple[Annotated[int, Field(ge=0, strict=True)], ...], Field(min_length=1, strict=False)
]

_STRICT = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)


class Axes(Options):
    """What a run may say beside its defenses and attacks; None leaves it to the suite's defaults.

    The options of ``core.options.Options`` are keys here too. Several datasets or models make a run
    for each.
    """

    model_config = _STRICT

    dataset: Text | Texts | None = None
    model: Text | Texts | None = None
    task: Text | None = None
    scale: Scale | None = None
    seeds: Seeds | None = None
    controls: bool | None = None


class SuiteRun(Axes):
    """A table ``[[run]]``: attacks against defenses."""

    name: str = ""
    defenses: Texts
    attacks: Texts


class PublishedFigure(BaseModel):
    """A table ``[[figure]]``: a published figure, and the cell that measures ours.

    With ``attack`` it is a figure of that attack's guess; without, of the defended model or of the release.
    ``run``, ``dataset`` and ``model`` are needed where the suite has several. ``unit = "%"`` compares
    with 100 times our figure; otherwise the unit is that of the metric and only shown.
    """

    model_config = _STRICT

    defense: Text
    attack: Text | None = None
    game: Text | None = None
    metric: Text
    value: float
    unit: Literal["", "%", "dB", "bit"] = ""
    source: Text
    note: str = ""
    run: Text | None = None
    dataset: Text | None = None
    model: Text | None = None

    @property
    def factor(self) -> float:
        """What our figure is multiplied by to be in the published unit."""
        return 100.0 if self.unit == "%" else 1.0


class Suite(BaseModel):
    """A whole file.

    ``threads`` is how many threads torch computes with (the machine's cores where it is absent): sums
    of several threads are rounded in another order, which some figures show.
    """

    model_config = _STRICT

    title: Text
    description: str = ""
    threads: int | None = Field(None, ge=1)
    defaults: Axes = Axes()
    run: Annotated[tuple[SuiteRun, ...], Field(min_length=1, strict=False)]
    figure: Annotated[tuple[PublishedFigure, ...], Field(strict=False)] = ()

    @model_validator(mode="before")
    @classmethod
    def _name_runs(cls, data: Any) -> Any:
        """Give runs without a name their number as a name."""
        runs = data.get("run") if isinstance(data, dict) else None
        if not isinstance(runs, list) or not all(isinstance(run, dict) for run in runs):
            return data
        return {**data, "run": [{"name": str(place), **run} for place, run in enumerate(runs, 1)]}

    @model_validator(mode="after")
    def _names_differ(self) -> Suite:
        names = [run.name for run in self.run]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two runs are called {twice[0]!r}; give each a name of its own")
        return self
