"""Several results of one cell: the same is one, in any order; the different are named and refused."""

import itertools
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from factory import controls, defended, psnr_columns, result

from privbench.core.errors import DataError
from privbench.rating.board import make_boards
from privbench.rating.remarks import mixed_defenses, remarks
from privbench.report.writers.csv import defenses_csv
from privbench.report.writers.markdown import board_markdown
from privbench.store.results import sealed


def on(r, device="cpu", seconds=1.5, instructions="", versions=None, hashes=None, path=None):
    """The result as another machine would have made it."""
    made = r.record.provenance
    update = {"device": device, "instructions": instructions, "hashes": {**made.hashes, **(hashes or {})}}
    update["versions"] = {**made.versions, **(versions or {})}
    cost = r.record.cost.model_copy(update={"attack_seconds": seconds})
    record = r.record.model_copy(update={"provenance": made.model_copy(update=update), "cost": cost})
    return replace(r, record=record, path=path)


def pages(results):
    (board,) = make_boards(results)
    return board_markdown(board), defenses_csv(board), board.fingerprint


def test_a_and_b_is_b_and_a():
    a = [*controls(), *defended("vim", 20)]
    b = [on(r, device="gpu", seconds=9.0 + n) for n, r in enumerate(a)]
    c = [sealed(r) for r in a]
    first, *others = [pages([*x, *y, *z]) for x, y, z in itertools.permutations([a, b, c])]
    assert all(other == first for other in others)


def test_the_hash_is_over_what_the_records_say():
    a = [sealed(r) for r in [*controls(), *defended("vim", 20)]]
    again = [on(r, device="other", seconds=7, versions={"privbench": "9"}) for r in a]
    assert pages(a)[2] == pages(again)[2]
    figures = {
        name: f.model_copy(update={"value": f.value + 0.001}) for name, f in a[-1].record.figures.items()
    }
    changed = replace(a[-1], record=a[-1].record.model_copy(update={"figures": figures}))
    assert changed.record.key == a[-1].record.key
    assert pages(a)[2] != pages([*a[:-1], changed])[2]


def test_equal_keys_with_different_content_are_named_and_refused():
    a = controls()[1]
    figures = {name: f.model_copy(update={"value": 1.0}) for name, f in a.record.figures.items()}
    other = replace(a, record=a.record.model_copy(update={"figures": figures}))
    two = [
        on(a, path=Path("a.json"), instructions="AVX512"),
        on(other, path=Path("b.json"), instructions="AVX2"),
    ]
    for order in (two, two[::-1]):
        with pytest.raises(DataError, match=r"a\.json and b\.json.*say different things.*AVX2.*AVX512"):
            make_boards([*controls()[:1], *order])


def test_equal_records_with_different_columns_are_refused():
    a = controls()[1]
    columns = {"psnr": {"psnr": a.columns["psnr"]["psnr"].flip(0)}}
    with pytest.raises(DataError, match="two results for one cell"):
        make_boards([*controls(), replace(a, columns=columns)])
    with pytest.raises(DataError, match="two results for one cell"):
        make_boards([*controls(), replace(a, clusters=torch.arange(60))])


def test_refusals_name_files():
    again = replace(
        result("none", "blind", psnr_columns(10), code="edited"), path=Path("runs/records/x.json")
    )
    with pytest.raises(DataError, match=r"runs/records/x\.json"):
        make_boards([*controls(), again])
    other = replace(result("x", "blind", psnr_columns(10), split="z"), path=Path("runs/records/y.json"))
    with pytest.raises(DataError, match=r"runs/records/y\.json"):
        make_boards([*controls(), other])


def test_nothing_is_remarked_of_what_was_made_at_once():
    whole = [*controls(), *defended("vim", 20)]
    assert remarks([r.record for r in whole]) == []
    assert "Remarks" not in pages(whole)[0]


def test_mixed_code_and_versions_and_machines_are_said():
    base = [
        on(r, hashes={"defense_code": "1", "attack_code": "1"}, versions={"torch": "2.1"}) for r in controls()
    ]
    mine = defended("vim", 20)
    mixed = [
        on(mine[0], hashes={"defense_code": "1"}, instructions="AVX2"),
        on(mine[1], hashes={"defense_code": "2"}, instructions="AVX512", versions={"torch": "2.2"}),
    ]
    page, csv, _ = pages([*base, *mixed])
    assert "different versions of the defense vim (2 versions)" in page
    assert "torch 2.1, 2.2" in page
    assert "AVX2, AVX512" in page
    assert mixed_defenses(r.record for r in [*base, *mixed]) == {"vim"}
    rows = [line for line in page.splitlines() if line.startswith("| ") and "`vim`" in line]
    assert "<sup>" in rows[0]
    assert sum(",yes," in line for line in csv.splitlines() if ",vim," in line) == 1
    scored = [r.record.model_copy(update={"scored": {"psnr": str(n)}}) for n, r in enumerate(base)]
    assert any("scored by different versions of psnr" in text for text in remarks(scored))


@pytest.mark.parametrize("gone", range(6))
def test_a_record_that_is_gone_leaves_a_hole_that_is_shown(gone):
    whole = [r for seed in (0, 1) for r in [*controls(seed), *defended("vim", 20, seed=seed)]]
    cell = whole[gone].record.cell
    left = [r for n, r in enumerate(whole) if n != gone]
    (told,) = remarks([r.record for r in left])
    assert f"no record of 1 cell of 12 (not run, or removed): {cell.attack} on {cell.defense}" in told
    assert f"seed {cell.seed}" in told
    assert "no record of 1 cell" in pages(left)[0]
