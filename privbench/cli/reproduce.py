"""``privbench reproduce``: a suite, shipped or of one's own, with published figures beside ours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from privbench.cli.carrying_out import Hooks, carry_out
from privbench.cli.folders import check_folder, folder
from privbench.core.scale import Scale
from privbench.engine.device import DeviceName, check_device
from privbench.report.terminal import terminal

if TYPE_CHECKING:
    from privbench.report.results import Results


def reproduce(
    suite: Annotated[
        str, typer.Argument(help="A suite that `privbench list suites` shows, or the path of a TOML file.")
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="Folder of records, cache and pictures, the page and leaderboards.",
            parser=folder,
            metavar="PATH",
        ),
    ] = Path("runs"),
    seed: Annotated[
        list[int] | None, typer.Option(help="In place of the suite's; repeat for several.")
    ] = None,
    scale: Annotated[
        Literal["smoke", "small", "paper"] | None, typer.Option(help="In place of the suite's.")
    ] = None,
    device: Annotated[
        Literal["auto", "cpu", "cuda"], typer.Option(help="auto takes CUDA where there is a GPU.")
    ] = "auto",
    cell_timeout: Annotated[
        float | None, typer.Option(help="Seconds of its own that an attack may take.", min=0)
    ] = None,
    in_process: Annotated[
        bool,
        typer.Option(
            "--in-process", help="For debugging: attacks run where the truth is; their records are marked."
        ),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Play every cell again and use nothing that earlier runs left.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
) -> None:
    """Run a suite; write its page, with published figures beside ours, and leaderboards.

    A call that was interrupted continues where it stopped. Files of suites are explained by
    `privbench list suites` and by those that are shipped.
    """
    check_device(device)
    check_folder(out)

    work = suite_work(suite, out, device, seed, scale, cell_timeout, in_process, force)
    carry_out(work, lambda *_: print_places(suite, out), quiet=quiet, as_json=False)


def suite_work(
    suite: str | Path,
    out: Path,
    device: DeviceName,
    seeds: list[int] | None,
    scale: Scale | None,
    cell_timeout: float | None,
    in_process: bool,
    force: bool,
) -> Callable[[Hooks], Results]:
    """What runs a suite; ``seeds`` and ``scale`` are in place of its own."""

    def work(hooks: Hooks) -> Results:
        from privbench import api

        return api.reproduce(
            suite,
            out=out,
            device=device,
            scale=scale,
            seeds=seeds or None,
            cell_timeout=cell_timeout,
            in_process=in_process,
            force=force,
            progress=hooks["announce"],
            step=hooks["step"],
            warn=hooks["warn"],
            done=hooks["done"],
        )

    return work


def print_places(suite: str | Path, out: Path) -> None:
    """Where the page and the leaderboards of a suite that has run are."""
    from privbench.suites.reading import read_suite
    from privbench.suites.running import page_path

    console = terminal()
    console.print(f"page:         {page_path(out, read_suite(suite).name)}", soft_wrap=True)
    console.print(f"leaderboards: {out / 'leaderboards' / 'README.md'}", soft_wrap=True)
