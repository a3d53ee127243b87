"""``privbench leaderboard`` on folders as people have them: what is wrong is one line each, the rest goes on."""

import os
import random
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
from factory import controls, defended
from hostile import damaged

from privbench.api import load
from privbench.core.errors import UserError
from privbench.store.results import save_result

ENVIRONMENT = {**os.environ, "COLUMNS": "160", "NO_COLOR": "1"}


def cli(*words, cwd):
    return subprocess.run(
        [sys.executable, "-m", "privbench", *map(os.fspath, words)], capture_output=True, check=False, cwd=cwd,
        env=ENVIRONMENT,
    )  # fmt: skip


def lines(stream):
    return stream.decode("utf-8").splitlines()


@pytest.fixture
def runs(tmp_path):
    for each in [*controls(), *defended("vim", 20)]:
        save_result(tmp_path / "runs", each)
    return tmp_path / "runs"


def contents(folder):
    return {p.name: p.read_bytes() for p in folder.rglob("*") if p.suffix in {".md", ".csv"}}


def test_the_default_leaves_the_boards_of_a_checkout_alone(runs):
    boards = runs.parent / "leaderboards"
    boards.mkdir()
    (boards / "README.md").write_text("committed")
    done = cli("leaderboard", cwd=runs.parent)
    assert done.returncode == 0, done.stderr
    assert (boards / "README.md").read_text() == "committed"
    assert (runs / "leaderboards" / "toy.md").exists()
    # The folder of records, or one in it, will do; what came of it before is no record.
    first = contents(runs / "leaderboards")
    for place in ("runs/records", "runs/records/toy", "runs/../runs", "runs/"):
        assert cli("leaderboard", "--from", place, "--out", "again", cwd=runs.parent).returncode == 0
        assert contents(runs.parent / "again") == first


def test_two_folders_in_either_order_give_the_same_bytes(runs):
    other = runs.parent / "other"
    for each in [*controls(), *defended("blur", 25)]:
        cost = each.record.cost.model_copy(update={"attack_seconds": 99.0})
        save_result(other, replace(each, record=each.record.model_copy(update={"cost": cost})))
    for name, order in {"ab": (runs, other), "ba": (other, runs)}.items():
        words = [word for folder in order for word in ("--from", folder)]
        done = cli("leaderboard", *words, "--out", name, cwd=runs.parent)
        assert done.returncode == 0, done.stderr
    assert contents(runs.parent / "ab") == contents(runs.parent / "ba")


def hostile(records, rng):
    """Fill a folder of records with what does not belong there; returns how many complaints it deserves."""
    whole = sorted(records.glob("*.json"))
    nasty = whole[0].with_name("nested.json")
    nasty.write_bytes(b"[" * 200_000)
    whole[0].with_name("folder.json").mkdir()
    os.mkfifo(whole[0].with_name("pipe.json"))
    whole[0].with_name("link.json").symlink_to("/dev/zero")
    whole[0].with_name("escape\x1b[31m.json").write_text("{}")
    (records / os.fsdecode(b"bytes\xff.json")).write_text("null")
    with whole[0].with_name("huge.json").open("wb") as file:
        file.truncate(2**41)
    whole[1].with_suffix(".safetensors").write_bytes((2**62).to_bytes(8, "little") + b"{}")
    whole[2].write_bytes(damaged(whole[2].read_bytes()[:-30], rng))
    (records.parent / "empty").mkdir()
    (records.parent / "file.json").write_text("not in a folder of its own")
    return 9


def test_hostile_files_are_one_line_each_and_the_rest_goes_on(runs):
    count = hostile(runs / "records" / "toy", random.Random(0))
    done = cli("leaderboard", cwd=runs.parent)
    assert done.returncode == 2
    told = lines(done.stderr)
    assert not any("Traceback" in line for line in told)
    assert sum(line.endswith("It is left out.") for line in told) == count
    assert any("no record of 2 cells" in line for line in told)
    assert told[-1].startswith(f"privbench: {count} damaged files")
    assert b"\x1b" not in done.stderr + done.stdout
    assert "no record of 2 cells" in (runs / "leaderboards" / "toy.md").read_text()
    with pytest.raises(UserError, match="toy"):
        load(runs)


def test_nothing_but_damage_is_no_board(runs):
    for path in (runs / "records" / "toy").glob("*.json"):
        path.write_text("{}")
    done = cli("leaderboard", cwd=runs.parent)
    assert done.returncode == 2
    assert not (runs / "leaderboards").exists()
    assert "Traceback" not in done.stderr.decode()


@pytest.mark.parametrize("what", ["empty", "unfinished", "boards", "file"])
def test_a_folder_with_nothing_in_it_is_said(tmp_path, what):
    place = tmp_path / "runs"
    if what == "file":
        place.write_text("x")
    else:
        (place / "records" / "toy").mkdir(parents=True)
    if what == "unfinished":
        (place / "records" / "toy" / ".tmp-abc.json").write_text("{")
    if what == "boards":
        (place / "leaderboards").mkdir()
    done = cli("leaderboard", cwd=tmp_path)
    assert done.returncode == 2
    (line,) = lines(done.stderr)
    assert line.startswith("privbench: runs: no records there") or "runs is a file" in line
    assert not (place / "leaderboards" / "README.md").exists()


@pytest.mark.parametrize("words", [["--out", ""], ["--from", ""], ["--out", "  "], ["--out", "a\x1b[2Jb"]])
def test_names_that_are_none_are_refused(runs, words):
    before = sorted(runs.parent.rglob("*"))
    done = cli("leaderboard", *words, cwd=runs.parent)
    assert done.returncode == 2
    (line,) = lines(done.stderr)
    assert "name" in line
    assert b"\x1b" not in done.stderr
    assert sorted(runs.parent.rglob("*")) == before


def test_an_empty_name_is_refused_by_every_command_and_by_the_library(tmp_path):
    import privbench

    for words in (
        ["run", "--defense", "vim", "--attack", "lira", "--out", ""],
        ["reproduce", "smoke", "--out", ""],
    ):
        done = cli(*words, cwd=tmp_path)
        assert done.returncode == 2
        assert "the name is empty" in done.stderr.decode()
    with pytest.raises(UserError, match="the name is empty"):
        privbench.run("vim", "lira", out="")
    with pytest.raises(UserError, match="the name is empty"):
        load("")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words",
    [
        ["run", "--defense", b"vim\xff", "--attack", "lira"],
        ["run", "--defense", "vim", "--attack", "lira", "--dataset", b"npz:\xff.npz"],
        ["run", "--config", b"\xff.toml"],
        ["leaderboard", "--from", b"\xff"],
        ["leaderboard", "--out", b"\xff"],
        ["show", "attack", b"\xff"],
        ["list", b"\xff"],
        ["reproduce", b"\xff"],
        ["run", "--defense", "vim", "--attack", b"./\xff.py:A"],
        ["weights", "fetch", b"\xff"],
    ],
)
def test_bytes_that_are_no_text_are_refused_in_a_line(tmp_path, words):
    (tmp_path / os.fsdecode(b"\xff.toml")).write_text("title = 1")
    done = subprocess.run(
        [sys.executable, "-m", "privbench", *words],
        capture_output=True,
        check=False,
        cwd=tmp_path,
        env=ENVIRONMENT,
    )
    assert done.returncode == 2, done.stderr
    assert len(lines(done.stderr)) == 1, done.stderr


def harm(path, files, rng):
    """Damage, replace, rename or take away one of ``files``."""
    match rng.randrange(6):
        case 0:
            path.unlink()
        case 1:
            path.unlink()
            path.mkdir()
        case 2:
            others = [file for file in files if file.suffix == path.suffix and file.is_file()]
            path.write_bytes(rng.choice(others).read_bytes())
        case 3:
            path.rename(path.with_name(rng.choice(["x.json", "\x1b.json", ".json", "a" * 200 + ".json"])))
        case _:
            path.write_bytes(damaged(path.read_bytes(), rng))


def fuzz_folders(folder, seed, rounds):
    """Damage files of a folder again and again; whatever is left is read, and every complaint is a line."""
    whole = folder / "whole"
    for each in [*controls(), *defended("vim", 20)]:
        save_result(whole, each)
    sound = {result.record.cell: result.record for result in load(whole)}
    rng = random.Random(seed)
    for number in range(rounds):
        place = folder / f"round-{number}"
        shutil.copytree(whole, place)
        files = sorted(place.rglob("records/*/*"))
        for path in rng.sample(files, rng.randrange(1, 4)):
            harm(path, files, rng)
        told = []
        try:
            results = load(place, told.append)
            if len(results):
                results.boards[0].remarks  # noqa: B018
        except UserError as error:
            told.append(str(error))
            results = []
        assert all(text and "\n" not in text for text in told)
        for result in results:
            assert result.record == sound[result.record.cell], "a record changed without a word"
        shutil.rmtree(place)


def test_damaged_folders_are_read_as_far_as_they_are_sound(tmp_path):
    fuzz_folders(tmp_path, 0, 60)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_damaged_folders_are_read_as_far_as_they_are_sound_at_length(tmp_path, seed):
    fuzz_folders(tmp_path, seed, 1000)
