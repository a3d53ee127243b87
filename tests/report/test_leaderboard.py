import csv
import io
import random
import re

import pytest
import torch
from factory import controls, defended, membership_columns, psnr_columns, result

from privbench.core.errors import CorruptArtefact, DataError, UserError
from privbench.rating.board import make_boards
from privbench.report.leaderboard import write_leaderboards
from privbench.store.results import load_results, save_result, sealed

NASTY = "./mine|odd.py:My_Attack"


def full(seeds=(0, 1)):
    found = []
    for seed in seeds:
        found += controls(seed)
        found += defended("vim[window=2]", 26, seed=seed, flags=("loss still falling",))
        found += defended("vim[window=7]", 14, seed=seed)
        found += defended("pixelate[block=7,mode=mean]", 14.2, seed=seed, accuracy=0.7)
        found.append(result("vim[window=7]", NASTY, psnr_columns(11), seed=seed))
        found.append(result("vim[window=2]", NASTY, status="failed", reason="boom | <b>\n*x*", seed=seed))
        for defense, attack, shift in [
            ("none", "blind", 0.0), ("none", "lira", 2.0), ("blackout", "blind", 0.0), ("blackout", "lira", 0.0),
            ("dp-sgd[epsilon=8]", "blind", 0.0), ("dp-sgd[epsilon=8]", "lira", 0.1),
        ]:  # fmt: skip
            dp = {"epsilon": 8.0, "delta": 1e-5, "accountant": "prv"} if defense.startswith("dp") else None
            columns = membership_columns(shift)
            if attack == "blind" or defense == "blackout":
                columns["auc"]["score"] = torch.zeros(200, dtype=torch.float64)
            found.append(result(defense, attack, columns, game="membership", seed=seed, guarantee=dp))
        for attack in ("blind", "restoration"):
            found.append(
                result(
                    "dp-sgd[epsilon=8]",
                    attack,
                    seed=seed,
                    status="not-applicable",
                    reason="exposes no images",
                )
            )
    return found


def contents(folder):
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    out = tmp_path_factory.mktemp("boards")
    paths = write_leaderboards(map(sealed, full()), out)
    return out, paths


def test_files(written):
    out, paths = written
    assert [p.name for p in paths] == ["toy.md", "toy.csv", "toy-cells.csv", "toy.png", "README.md"]
    assert sorted(contents(out)) == sorted(p.name for p in paths)


def test_same_results_in_any_order_give_the_same_bytes(written, tmp_path):
    shuffled = [*map(sealed, full())]
    random.Random(1).shuffle(shuffled)
    write_leaderboards([*shuffled, shuffled[0]], tmp_path)
    assert contents(tmp_path) == contents(written[0])


def test_records_on_disk_give_the_same_bytes(written, tmp_path):
    for r in full():
        save_result(tmp_path / "runs" / "records", r)
    write_leaderboards(load_results(tmp_path / "runs"), tmp_path / "out")
    assert contents(tmp_path / "out") == contents(written[0])


def test_a_corrupt_record_stops_before_anything_is_written(tmp_path):
    path = save_result(tmp_path / "records", full()[0])
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 1', 1))
    with pytest.raises(CorruptArtefact):
        write_leaderboards(load_results(tmp_path), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def tables(text):
    lines = [line for line in text.splitlines() if line.startswith("|")]
    for line in lines:
        yield len(re.findall(r"(?<!\\)\|", line)), line


def test_no_table_is_broken(written):
    for name in ("toy.md", "README.md"):
        text = (written[0] / name).read_text()
        blocks = re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE)
        assert blocks
        for block in blocks:
            assert len({pipes for pipes, _ in tables(block)}) == 1, block
            assert re.match(r"\|( --- \|)+$", block.splitlines()[1])


def test_foreign_text_is_escaped(written):
    text = (written[0] / "toy.md").read_text()
    assert "<b>" not in text
    assert "boom \\| &lt;b&gt; \\*x\\*" in text
    assert "mine\\|odd" in text


def rows(written, name):
    return list(csv.DictReader(io.StringIO((written[0] / name).read_text())))


def test_defenses_csv(written):
    found = {r["defense"]: r for r in rows(written, "toy.csv")}
    assert list(found)[-2:] == ["blackout", "none"]
    assert found["none"]["rank"] == found["blackout"]["rank"] == ""
    assert (found["none"]["status"], found["vim[window=2]"]["status"]) == ("BROKEN", "BROKEN")
    assert float(found["vim[window=2]"]["leakage"]) == pytest.approx((26 - 10) / 20)
    assert found["vim[window=2]"]["attack"] == "restoration"
    assert float(found["vim[window=2]"]["relative_utility"]) == pytest.approx(0.8 / 0.85)
    assert float(found["vim[window=2]"]["training_slowdown"]) == 2
    dp = found["dp-sgd[epsilon=8]"]
    assert (dp["epsilon"], dp["delta"]) == ("8.0", "1e-05")
    assert dp["reconstruction_status"] == "NOT EXPOSED"
    assert dp["reconstruction_leakage"] == ""
    assert dp["membership_status"] == "RATED"
    assert found["vim[window=7]"]["rank"] == found["pixelate[block=7,mode=mean]"]["rank"]


def test_the_weakest_guarantee_of_all_seeds_is_shown_and_none_is_weaker_than_infinity(tmp_path):
    # A record writes an infinite budget as text, since JSON has no infinity.
    for name, budgets in {"finite": (8.0, 12.0), "infinite": ("inf", 12.0)}.items():
        seeds = [
            result("dp-sgd", "blind", seed=seed, guarantee={"epsilon": budget, "delta": 1e-5})
            for seed, budget in enumerate(budgets)
        ]
        write_leaderboards(seeds, tmp_path / name)
    shown = {p.parent.name: rows((p.parent, None), p.name)[0]["epsilon"] for p in tmp_path.glob("*/toy.csv")}
    assert shown == {"finite": "12.0", "infinite": "inf"}


def relative_utility(**more):
    (board,) = make_boards(defended("blur", 20, **more))
    return board.defenses[0].relative_utility


def test_relative_utility_is_what_is_left_beyond_guessing():
    # On ten even classes with even errors: (accuracy - 1/10) / (plain accuracy - 1/10).
    assert relative_utility(accuracy=0.5) == pytest.approx(0.4 / 0.85)
    assert relative_utility(accuracy=0.1) == pytest.approx(0, abs=1e-9)
    assert relative_utility(accuracy=0.05) == 0
    assert relative_utility(accuracy=0.96) == 1


def test_there_is_no_relative_utility_where_the_plain_model_may_only_guess():
    assert relative_utility(plain_spread=0.84) is not None
    assert relative_utility(plain_spread=0.86) is None


def test_a_board_says_that_its_records_are_of_different_code(tmp_path):
    for name, other in {"one": "abc", "two": "def"}.items():
        write_leaderboards([*controls(), *defended("blur", 20, git=other)], tmp_path / name)
    warned = {p.parent.name: "several states of the code" in p.read_text() for p in tmp_path.glob("*/toy.md")}
    assert warned == {"one": False, "two": True}


def test_does_not_apply_is_a_dash_with_its_reason(written):
    text = (written[0] / "toy.md").read_text()
    line = next(x for x in text.splitlines() if x.startswith("| ") and "`dp-sgd[epsilon=8]`" in x)
    assert re.search(r"\| — <sup>\d+</sup> \|", line)
    assert "exposes no images" in text


def test_cells_csv(written):
    found = rows(written, "toy-cells.csv")
    blind = next(
        r for r in found if r["attack"] == "blind" and r["defense"] == "none" and r["metric"] == "psnr"
    )
    assert float(blind["mean"]) == pytest.approx(10)
    assert blind["n"] == "120"
    assert blind["certification"] == "the floor"
    failed = next(r for r in found if r["status"] == "failed")
    assert failed["metric"] == ""
    assert "boom" in failed["reason"]
    nasty = next(r for r in found if r["attack"] == NASTY and r["status"] == "ok")
    assert (nasty["certified"], nasty["certification"]) == ("no", "no result on none")
    assert nasty["leakage"] != ""


def test_the_page_says_what_it_is_made_of(written):
    text = (written[0] / "toy.md").read_text()
    assert f"{len(full())} records" in text
    assert "not a proof" in text
    assert "seeds 0, 1" in text


def test_two_boards_of_one_dataset_do_not_overwrite_each_other(tmp_path):
    other = [result(r, "blind", psnr_columns(10), model="vgg") for r in ("none", "x")]
    paths = write_leaderboards([*controls(), *other], tmp_path)
    assert len({p.name for p in paths}) == len(paths) == 9


def test_nothing_at_all(tmp_path):
    with pytest.raises(UserError, match="there are no results"):
        write_leaderboards([], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_figures_of_metrics_that_are_not_installed_are_shown(tmp_path):
    r = result("x", "blind", psnr_columns(10))
    figures = {**r.record.figures, "of-a-plugin": r.record.figures["psnr"]}
    r = type(r)(
        r.record.model_copy(update={"figures": figures}), {**r.columns, "of-a-plugin": {"a": torch.zeros(7)}}
    )
    write_leaderboards([r], tmp_path)
    assert "of-a-plugin" in (tmp_path / "toy-cells.csv").read_text()


def scored_by_another_version(name, seed):
    r = result("x", "blind", membership_columns(0.0), game="membership", seed=seed)
    figures = {**r.record.figures, name: r.record.figures["auc"]}
    record = r.record.model_copy(update={"figures": figures})
    return type(r)(record, {**r.columns, name: {"old": torch.zeros(200)}})


def test_figures_that_another_version_of_a_metric_scored_are_shown_as_recorded():
    (board,) = make_boards([scored_by_another_version("balanced-accuracy", seed) for seed in (0, 1)])
    (cell,) = board.cells
    assert cell.figures["balanced-accuracy"].value == pytest.approx(cell.figures["auc"].value)


def test_a_metric_that_rates_must_be_scored_again():
    with pytest.raises(DataError, match="scored by another version"):
        make_boards([scored_by_another_version("auc", 0)])
