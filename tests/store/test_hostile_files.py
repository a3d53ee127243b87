"""Records and artefacts that anybody may have damaged, forged, exchanged or replaced: refused, or unchanged."""

import hashlib
import json
import os
import random
from dataclasses import replace

import pytest
import torch
from factory import controls, defended
from hostile import damaged, forged, sentence, text_of

from privbench.core.errors import CorruptArtefact, DataError
from privbench.core.training import TrainedModel
from privbench.rating.board import make_boards
from privbench.report.writers.csv import cells_csv, defenses_csv
from privbench.report.writers.markdown import board_markdown
from privbench.store.artefacts import read_artefact, write_tensors
from privbench.store.cache import Cache
from privbench.store.results import load_result, load_results, save_result, sealed
from privbench.store.sweeping import sweep

ROUNDS = 400


def example():
    result = sealed(replace(controls()[1], clusters=torch.arange(60) // 3))
    return replace(
        result,
        record=result.record.model_copy(update={"log": {"loss": [0.5, 0.25]}, "scored": {"psnr": "h"}}),
    )


@pytest.fixture
def stored(tmp_path):
    """The file of a record, with its columns beside it."""
    return save_result(tmp_path, example())


def same(a, b):
    names = a.columns.keys() == b.columns.keys()
    return a.record == b.record and names and torch.equal(a.clusters, b.clusters) and all(
        torch.equal(values.float(), b.columns[m][c].float()) for m, cols in a.columns.items() for c, values in cols.items()
    )  # fmt: skip


def fuzz_bytes(path, seed, rounds):
    """Damage the file again and again; returns how many damages were refused."""
    rng, whole, refused = random.Random(seed), path.read_bytes(), 0
    record = path.with_suffix(".json")
    for _ in range(rounds):
        path.write_bytes(damaged(whole, rng))
        try:
            assert same(load_result(record), example()), "a damage was read without a word"
        except CorruptArtefact as error:
            refused += 1
            sentence(error, str(path.parent))
    path.write_bytes(whole)
    assert same(load_result(record), example())
    return refused


@pytest.mark.parametrize("suffix", [".json", ".safetensors"])
def test_a_damaged_file_is_refused_or_says_the_same(stored, suffix):
    assert fuzz_bytes(stored.with_suffix(suffix), 0, ROUNDS) > 0.8 * ROUNDS


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".json", ".safetensors"])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_damaged_file_is_refused_or_says_the_same_at_length(stored, suffix, seed):
    fuzz_bytes(stored.with_suffix(suffix), seed, 3000)


def digest(body):
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def fuzz_forgeries(folder, seed, rounds):
    """Forge records with fitting checksums; whatever is read makes a board or is refused in a line."""
    rng, read = random.Random(seed), 0
    others = [*controls(), *defended("vim", 20)]
    path = save_result(folder, others[-1])
    body = json.loads(path.read_text())
    del body["checksum"]
    for _ in range(rounds):
        bad = forged(body, rng)
        path.write_bytes(text_of({**bad, "checksum": digest(bad)} if isinstance(bad, dict) else bad))
        try:
            boards = make_boards([*others[:-1], load_result(path)])
            for board in boards:
                board_markdown(board), defenses_csv(board), cells_csv(board)
            read += 1
        except (CorruptArtefact, DataError) as error:
            sentence(error)
    return read


def test_a_forged_record_makes_a_board_or_is_refused(tmp_path):
    assert 0 < fuzz_forgeries(tmp_path, 0, 150) < 150


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_a_forged_record_makes_a_board_or_is_refused_at_length(tmp_path, seed):
    fuzz_forgeries(tmp_path, seed, 2000)


COLUMNS = [
    {"0": torch.zeros(60, 2)},
    {"0": torch.zeros(0)},
    {"0": torch.tensor(1.0)},
    {"0": torch.full((60,), torch.nan)},
    {"0": torch.zeros(60, dtype=torch.complex64)},
    {"0": torch.zeros(60, dtype=torch.bfloat16)},
    {"1": torch.zeros(60)},
    {"0": torch.zeros(7)},
]
NOTES = [
    {"columns": []}, {"columns": {"psnr/psnr": "9"}}, {"columns": {"psnr": "0"}}, {"columns": {"": ["0"]}},
    {"columns": {"clusters": "0"}}, {"columns": {"index": "0", "psnr/psnr": "0"}}, {"columns": None}, {},
]  # fmt: skip


@pytest.mark.parametrize("tensors", COLUMNS)
@pytest.mark.parametrize("note", [{"columns": {"psnr/psnr": "0"}}, *NOTES])
def test_forged_columns_are_refused_or_make_a_board(tmp_path, tensors, note):
    *others, result = [*controls(), *defended("vim", 20)]
    path = save_result(tmp_path, result)
    text = path.read_text()
    body = json.loads(text)
    del body["checksum"], body["provenance"]["hashes"]["columns"]
    path.write_bytes(text_of({**body, "checksum": digest(body)}))
    write_tensors(path.with_suffix(".safetensors"), tensors, {"key": result.record.key, **note})
    try:
        boards = make_boards([*others, load_result(path)])
    except (CorruptArtefact, DataError) as error:
        sentence(error)
    else:
        assert len(boards) == 1


def test_columns_of_another_state_are_not_taken_for_those_of_the_record(stored):
    result = example()
    columns = {"psnr": {"psnr": result.columns["psnr"]["psnr"].flip(0)}}
    other = stored.parents[2] / "other"
    path = save_result(other, replace(result, columns=columns))
    stored.with_suffix(".safetensors").write_bytes(path.with_suffix(".safetensors").read_bytes())
    with pytest.raises(CorruptArtefact, match="belongs to another record"):
        load_result(stored)


def nested(path):
    path.write_bytes(b"[" * 1_000_000)


def sparse(path):
    with path.open("wb") as file:
        file.truncate(2**42)


def a_terabyte_claimed(path):
    header = json.dumps({"0": {"dtype": "F64", "shape": [2**40], "data_offsets": [0, 2**43]}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header)


def a_header_of_a_terabyte(path):
    path.write_bytes((2**40).to_bytes(8, "little") + b"{}")


IN_THE_PLACE = {
    "folder": lambda path: path.mkdir(),
    "pipe": os.mkfifo,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "loop": lambda path: path.symlink_to(path.name),
    "dangling": lambda path: path.symlink_to("nothing"),
    "nested": nested,
    "sparse": sparse,
    "terabyte": a_terabyte_claimed,
    "header": a_header_of_a_terabyte,
    "empty": lambda path: path.write_bytes(b""),
    "zip": lambda path: path.write_bytes(b"PK\x03\x04" + b"\x00" * 100),
}


@pytest.mark.parametrize("suffix", [".json", ".safetensors"])
@pytest.mark.parametrize("what", IN_THE_PLACE)
def test_what_stands_in_the_place_of_a_file_is_named_and_the_rest_goes_on(tmp_path, suffix, what):
    others = [save_result(tmp_path, each) for each in controls()]
    path = others[1].with_suffix(suffix)
    path.unlink()
    IN_THE_PLACE[what](path)
    told = []
    found = load_results(tmp_path, told.append)
    assert len(found) == len(others) - 1
    (error,) = told
    assert path.name in str(error)
    assert "\n" not in str(error)
    with pytest.raises(CorruptArtefact):
        load_results(tmp_path)


@pytest.mark.parametrize("what", IN_THE_PLACE)
def test_an_artefact_that_cannot_be_read_counts_as_absent_and_is_made_anew(tmp_path, what):
    told = []
    cache = Cache(tmp_path, told.append)
    path = cache.path("targets", {"a": 1})
    path.parent.mkdir()
    IN_THE_PLACE[what](path)
    assert cache.load_model(path) is None
    assert len(told) == (what not in {"dangling", "loop"})
    cache.save_model(path, TrainedModel({"w": torch.ones(2)}, (0.5,), 1.0, {}, ("UserWarning: x",)))
    again = cache.load_model(path)
    assert (again.losses, again.warnings) == ((0.5,), ("UserWarning: x",))


def test_exchanged_artefacts_are_told_and_made_anew(tmp_path):
    told = []
    cache = Cache(tmp_path, told.append)
    paths = [cache.path("shadows", {"seed": seed}) for seed in (0, 1)]
    for value, path in enumerate(paths):
        cache.save_model(path, TrainedModel({"w": torch.full((2,), value)}, (), 0.0, {}))
    first, second = (path.read_bytes() for path in paths)
    paths[0].write_bytes(second)
    paths[1].write_bytes(first)
    assert [cache.load_model(path) for path in paths] == [None, None]
    assert all("another step" in text for text in told)
    moved = cache.path("targets", {"seed": 0})
    moved.parent.mkdir()
    moved.write_bytes(second)
    assert cache.load_model(moved) is None
    # One that says nothing of its step, as those of older versions.
    write_tensors(paths[0], {"w": torch.zeros(2)}, {"losses": [], "seconds": 0.0, "guarantee": {}})
    assert cache.load_model(paths[0]) is None


@pytest.mark.parametrize("note", [{}, {"losses": 3, "seconds": 0.0, "guarantee": {}}])
def test_an_artefact_that_is_no_model_counts_as_absent(tmp_path, note):
    told = []
    cache = Cache(tmp_path, told.append)
    path = cache.path("targets", {"a": 1})
    cache.save(path, {"w": torch.zeros(1)}, note)
    assert cache.load_model(path) is None
    assert len(told) == 1


def test_what_earlier_runs_left_is_not_used_by_a_fresh_cache(tmp_path):
    model = TrainedModel({"w": torch.zeros(1)}, (), 0.0, {})
    old = Cache(tmp_path, pytest.fail)
    path = old.path("targets", {"a": 1})
    old.save_model(path, model)
    fresh = Cache(tmp_path, pytest.fail, fresh=True)
    assert (old.has(path), fresh.has(path), fresh.load_model(path)) == (True, False, None)
    fresh.save_model(path, model)
    assert fresh.has(path)
    assert fresh.load_model(path) is not None


def test_unfinished_files_of_killed_runs_are_removed_and_those_being_written_are_not(tmp_path):
    import fcntl
    import time

    folder = tmp_path / "records" / "toy"
    folder.mkdir(parents=True)
    dead, young, alive = (folder / f".tmp-{name}.json" for name in ("dead", "young", "alive"))
    dead.write_text("{")
    young.touch()
    mine = tmp_path / ".tmp-mine"
    mine.write_text("x")
    (folder / ".tmp-folder").mkdir()
    with alive.open("w") as file:
        file.write("{")
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        assert sweep(tmp_path) == 1
        assert not dead.exists()
        assert all(path.exists() for path in (alive, young, mine))
    os.utime(young, (time.time() - 3600,) * 2)
    assert sweep(tmp_path) == 2
    assert sweep(tmp_path / "nowhere") == 0


def test_the_whole_file_is_read_or_none(tmp_path):
    path = tmp_path / "a.safetensors"
    write_tensors(path, {"w": torch.arange(1000)}, {"n": 1})
    whole = path.read_bytes()
    for end in range(0, len(whole), 97):
        path.write_bytes(whole[:end])
        with pytest.raises(CorruptArtefact):
            read_artefact(path)
