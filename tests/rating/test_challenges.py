"""Results on a part of a challenge are compared with those on all of it."""

import pytest
import torch
from factory import controls, psnr_columns, result

from privbench.core.errors import DataError
from privbench.core.registry import create
from privbench.rating.cells import Cells, Pairing
from privbench.stats.bootstrap import challenge_weights
from privbench.stats.draws import metric_draws

INDEX = torch.cat([torch.arange(5, 30), torch.arange(31, 58)])


def part_of(columns, index=INDEX):
    return {name: {key: column[index] for key, column in cols.items()} for name, cols in columns.items()}


def draws(cells, attack):
    return cells.average(Pairing("reconstruction", "x", attack), "psnr", [0], capped=False)


@pytest.mark.parametrize("clusters", [None, torch.arange(60) // 4])
def test_a_part_is_weighted_as_it_is_in_the_whole(clusters):
    columns = psnr_columns(20)
    known = None if clusters is None else clusters[INDEX]
    whole = result("x", "blind", columns, clusters=clusters)
    part = result("x", "pairs", part_of(columns), index=INDEX, clusters=known)
    weights = challenge_weights("reconstruction", 0, 60, clusters)[:, INDEX]
    expected = metric_draws(create("metric", "psnr"), part_of(columns)["psnr"], weights, known, 0).values
    for results in ([whole, part], [part, whole]):
        found = draws(Cells(results), "pairs")
        torch.testing.assert_close(found, expected)


def test_the_rest_of_a_challenge_moves_with_the_whole():
    columns = psnr_columns(20, spread=5)
    cells = Cells([result("x", "blind", columns), result("x", "pairs", part_of(columns), index=INDEX)])
    whole, part = draws(cells, "blind")[1:], draws(cells, "pairs")[1:]
    # 52 of 60 samples: replicates of one resampling correlate, independent ones would not.
    assert float(torch.corrcoef(torch.stack([whole, part]))[0, 1]) > 0.8


def test_parts_alone_share_their_resampling_too():
    columns, other = psnr_columns(20), INDEX[:40]
    cells = Cells(
        [
            result("x", "more", part_of(columns, other), index=other),
            result("x", "pairs", part_of(columns), index=INDEX),
        ]
    )
    both = torch.stack([draws(cells, "more")[1:], draws(cells, "pairs")[1:]])
    assert float(torch.corrcoef(both)[0, 1]) > 0.7


@pytest.mark.parametrize(
    "wrong",
    [
        {"index": INDEX + 20},
        {"index": INDEX[1:]},
        {"index": INDEX, "split": "z"},
        {"index": INDEX, "clusters": torch.arange(52)},
    ],
)
def test_parts_of_other_challenges_are_refused(wrong):
    part = result("x", "pairs", part_of(psnr_columns(20)), **wrong)
    with pytest.raises(DataError, match="different challenges"):
        Cells([*controls(), part])
