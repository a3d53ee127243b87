"""What pages, tables and plots say of statuses, floors, ceilings and guarantees."""

import io

import torch
from factory import controls, defended, membership_columns, psnr_columns, result
from rich.console import Console

from privbench.rating.board import make_boards
from privbench.report.figures.pareto import write_pareto
from privbench.report.writers.console import print_results
from privbench.report.writers.csv import defenses_csv
from privbench.report.writers.markdown import board_markdown

MEMBERSHIP = "membership"


def unclear():
    """A membership board of 24 candidates: nothing but the controls' ceiling is certain."""
    found = []
    for defense, shift in (("none", 3.0), ("blackout", 0.0), ("x", 1.6)):
        blind = membership_columns(0.0, count=24)
        blind["auc"]["score"] = torch.zeros(24, dtype=torch.float64)
        lira = membership_columns(shift, count=24, noise=5)
        found += [
            result(defense, a, c, game=MEMBERSHIP, guarantee={"epsilon": 8.0, "delta": 1e-5})
            for a, c in (("blind", blind), ("lira", lira))
        ]
    return found


def test_inconclusive_is_told_wherever_statuses_are(tmp_path, monkeypatch):
    (board,) = make_boards(unclear())
    row = next(row for row in board.defenses if row.defense == "x")
    assert row.overall.status == "INCONCLUSIVE"
    page = board_markdown(board)
    assert "| `x` | INCONCLUSIVE on 1 game |" in page
    assert "**INCONCLUSIVE**" in page
    assert "x,no,INCONCLUSIVE," in defenses_csv(board)
    out = io.StringIO()
    print_results(unclear(), Console(file=out, width=200))
    assert "INCONCLUSIVE: too few samples" in out.getvalue()
    named = []
    from matplotlib.axes import Axes

    plain = Axes.errorbar
    monkeypatch.setattr(Axes, "errorbar", lambda *a, **k: named.append(k["label"]) or plain(*a, **k))
    assert write_pareto(board, tmp_path / "x.png").exists()
    assert "1  x (inconclusive)" in named


def test_the_page_says_what_the_board_resolves():
    (board,) = make_boards(unclear())
    bound = next(row for row in board.defenses if row.defense == "blackout").overall.leakage.bound
    assert board.resolution() == board.resolution(MEMBERSHIP) == bound > 0
    assert f"leakage below {bound:.3f} cannot be told from none here" in board_markdown(board)
    (bare,) = make_boards(defended("x", 18))
    assert bare.resolution() is None
    assert "**Resolution**: unknown" in board_markdown(bare)


def test_the_membership_section_says_what_the_adversary_sees():
    page = board_markdown(make_boards(unclear())[0])
    assert "it does not see the released\nimages" in page.split("## Membership game")[1]
    other = board_markdown(make_boards([*controls(), *defended("x", 18)])[0])
    assert "it does not see" not in other.split("## Reconstruction game")[1]


def test_each_game_prints_floor_and_ceiling_as_means_over_seeds():
    results = [*controls(0, ceiling=28), *controls(1, ceiling=26), *defended("x", 18)]
    page = board_markdown(make_boards(results)[0])
    assert "psnr: floor 10.00, ceiling " in page
    assert "ceiling 26.9" in page or "ceiling 27.0" in page
    ranged = board_markdown(make_boards([*results, *defended("y", 18, floor=12.5)])[0])
    assert "psnr: floor 10.00 to 12.50, ceiling " in ranged


def test_a_ceiling_is_of_certified_attacks_only():
    results = [result("none", "blind", psnr_columns(10)), result("none", "a", psnr_columns(40))]
    assert "psnr: floor 10.00, ceiling none" in board_markdown(make_boards(results)[0])


def test_the_guarantee_says_per_what():
    page = board_markdown(make_boards(unclear())[0])
    assert "ε = 8, δ = 1e-05 per image" in page
    assert "one training image added or removed" in page
