"""What all seeds do alike to score, floor and ceiling cancels in the leakage."""

import pytest
import torch
from factory import controls, defended, psnr_columns, result
from scipy.stats import t as student

from privbench.rating.cells import Cells, Pairing
from privbench.rating.leakage import leakage_draws
from privbench.stats.between_seeds import seed_average, widened
from privbench.stats.bootstrap import REPLICATES, interval

GAME = "reconstruction"


def test_what_all_seeds_do_to_score_floor_and_ceiling_alike_cancels():
    generator = torch.Generator().manual_seed(0)
    common = 100 * torch.tensor([[-1.0], [0.0], [1.0]], dtype=torch.float64)
    score, floor, ceiling = (
        seed_average(common + level + 0.01 * torch.randn(3, 1 + REPLICATES, generator=generator))
        for level in (0.4, 0.0, 1.0)
    )
    found = interval(leakage_draws(score, floor, ceiling, GAME, [0, 1, 2]))
    assert found.value == pytest.approx(0.4, abs=0.02)
    assert found.high - found.low < 0.1


def test_the_leakage_of_seeds_that_disagree_is_a_t_interval():
    score = torch.tensor([0.3, 0.4, 0.5], dtype=torch.float64)
    parts = [seed_average(v[:, None].expand(3, 1 + REPLICATES)) for v in (score, 0 * score, 1 + 0 * score)]
    found = interval(leakage_draws(*parts, GAME, [0, 1, 2]))
    half = student.ppf(0.975, 2) * 0.1 / 3**0.5
    assert (found.low, found.high) == pytest.approx((0.4 - half, 0.4 + half), abs=0.1)


def test_cells_average_is_paired_over_attacks():
    results = [*controls(0), *controls(1), *defended("x", 18, seed=0), *defended("x", 22, seed=1)]
    results += [result("x", "twin", psnr_columns(m, noise=2), seed=s) for s, m in enumerate((17, 21))]
    cells = Cells(results)
    a, b = (
        widened(cells.average(Pairing(GAME, "x", n), "psnr", [0, 1], capped=False), GAME, [0, 1])
        for n in ("restoration", "twin")
    )
    assert torch.allclose(a - b, torch.ones_like(a))
