"""What the TOML file of a suite may hold: settings, runs, and published figures to set beside ours."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from privbench.core.options import Options
from privbench.core.scale import Scale

Text = Annotated[str, Field(min_length=1)]
Texts = Annotated[tuple[Text, ...], Field(strict=False)]


class Setup(Options):
    """What cells are played in: the data, the model, its task, the scale, and the options of a run."""

    model_config = ConfigDict(strict=True)

    dataset: Text = "mnist-5k"
    model: Text = "cnn"
    task: Text = "classes"
    scale: Scale = "small"

    @property
    def options(self) -> Options:
        """The options alone."""
        return Options.create(**{name: getattr(self, name) for name in Options.model_fields})


class RunTable(Setup):
    """A ``[[run]]``, or the ``[defaults]`` of all: what a run does not say it takes from there.

    Attributes:
        defenses, attacks: selectors, games' names, ``all``; as on the command line.
        seeds: whole numbers from 0.
        controls: also run what leakage is measured against.
        threads: CPU threads of torch; by default as many as torch takes. Sums of several threads are
            rounded in another order.
    """

    defenses: Texts = ()
    attacks: Texts = ()
    seeds: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(strict=False, min_length=1)] = (0,)
    controls: bool = True
    threads: Annotated[int, Field(ge=1)] | None = None


class FigureTable(Setup):
    """A ``[[figure]]``: a published figure, and which of ours stands beside it.

    Attributes:
        defense: a selector.
        attack, game: of the guess that is scored; absent for ``utility:`` and ``release:``.
        metric: of the guess (``auc``), or of the defense (``utility:accuracy``, ``release:vfe``).
        value: as printed; absent where the source prints none.
        unit: of ``value``: ``%`` of a share, else the metric's own.
        source: which table or page of which publication.
        setting: what the publication measured it on.
        note: what a reader must know, such as an erratum.
    """

    defense: Text
    attack: Text | None = None
    game: Text | None = None
    metric: Text
    value: float | None = None
    unit: str = ""
    source: Text
    setting: str = ""
    note: str = ""


class SuiteFile(BaseModel):
    """The whole file."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    title: Text
    description: str = ""
    defaults: RunTable = RunTable()
    run: Annotated[tuple[RunTable, ...], Field(strict=False, min_length=1)]
    figure: Annotated[tuple[FigureTable, ...], Field(strict=False)] = ()
