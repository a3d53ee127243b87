"""The words on a board's page that say what its figures mean."""

from __future__ import annotations

from privbench.core.controls import BREAK, FLOOR, NULL
from privbench.rating.board import Board
from privbench.rating.ranking import NO_UTILITY
from privbench.rating.rating import BROKEN_ABOVE
from privbench.rating.scales import MetricScale
from privbench.report.text import DASH, escape, number

_LEGEND = f"""\
**Leakage** is 0 for what a blind adversary (`{FLOOR}`) gets on the same defense and 1 for what the best
certified attack gets from `{BREAK}`: in the membership game from the scores of the undefended model, in the
other games from the data itself. **Worst case**: the most that any certified attack leaks in any game by any
metric that rates, with a two-sided 95% interval. **Bound**: its one-sided 95% upper bound, which ranks.
**RATED**: the bound is at most {BROKEN_ABOVE}. **BROKEN**: it is above. **INCONCLUSIVE**: it is above, but
neither over all games nor in a single game with such a bound is the whole interval above the bound of
`{NULL}`, which releases nothing: too few samples to tell a leak from none in the games with such a bound,
and no pass. {DASH} is no verdict and never a pass. A status says on how many of the games that apply to
the defense it rests; a pass is one for the games that were played. Defenses whose intervals overlap with
the first of their group share its rank. A pass with **no utility** (less than {NO_UTILITY} of what the plain
model knows beyond guessing is left) or **below resolution** (its bound cannot be told from no leakage on
this board) has no rank.
**Guarantee**: a proof of its own, not mixed in; "per image" means one training image added or removed.
**This is a bound over the attacks that were run, not a proof.** `{BREAK}` and `{NULL}` are controls and have
no rank.
"""

_SEEN = {
    "membership": f"""\
The adversary knows the candidate images and queries the model for its scores; it does not see the released
images. A leakage of 1 means that the scores give away as much as the undefended model's, not that the data
are released: where the ceiling is little above the floor, `{BREAK}` itself gives away little.
"""
}
"""What the adversary of a game sees, where the release is not all of it."""


def legend(board: Board) -> str:
    """What the columns and statuses of the first table mean, and what the board can resolve."""
    least = board.resolution()
    if least is None:
        return f"{_LEGEND}\n**Resolution**: unknown, as `{NULL}` has no bound here.\n"
    found = ((game, board.resolution(game)) for game in board.games)
    games = ", ".join(f"{game} {number(value)}" for game, value in found if value is not None)
    told = f"leakage below {number(least)} cannot be told from none here"
    return f"{_LEGEND}\n**Resolution**: {told} (the bound of `{NULL}`; by game: {games}).\n"


def game_legend(board: Board, game: str) -> str:
    """What the adversary of ``game`` sees, and what leakage 0 and 1 are by each metric that rates."""
    listed = "; ".join(escape(_told(scale)) for scale in board.scales[game])
    told = f"Means over seeds; leakage 0 is the floor, 1 the ceiling. {listed}.\n" if listed else ""
    seen = _SEEN.get(game, "")
    return "\n".join(part for part in (seen, told) if part)


def _told(scale: MetricScale) -> str:
    least, greatest = map(number, scale.floors)
    floor = least if least == greatest else f"{least} to {greatest}"
    return f"{scale.metric}: floor {floor}, ceiling {number(scale.ceiling) or 'none'}"
