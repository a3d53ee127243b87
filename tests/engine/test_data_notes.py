"""What a dataset read is in every record, warned of once, and said after a run."""

import re

import numpy as np
import pytest
import torch
from PIL import Image
from sessions import setting_of

from privbench.core.errors import UserError
from privbench.core.options import Options
from privbench.core.registry import create
from privbench.data.splits import make_split
from privbench.engine.data_check import data_check
from privbench.engine.executors.in_process import InProcess
from privbench.engine.plan import make_plan
from privbench.engine.run import run_plan
from privbench.engine.selection import dataset_source
from privbench.report.data_notes import data_notes

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Two classes of grey photos of 12 px, a duplicate, and a file that is no image."""
    folder = tmp_path_factory.mktemp("data") / "photos[v2]"
    for kind in "ab":
        (folder / kind).mkdir(parents=True)
        for index in range(60):
            Image.fromarray(RNG.integers(0, 256, (12, 12), dtype=np.uint8)).save(
                folder / kind / f"{index}.png"
            )
    (folder / "a" / "copy.png").write_bytes((folder / "a" / "1.png").read_bytes())
    (folder / "a" / "x.heic").write_bytes(b"no image")
    return folder


def play(photos, out, said, **options):
    plan = make_plan(
        ["pixelate"],
        ["window-mean"],
        f"imagefolder:{photos}[size=16]",
        "mlp",
        (0, 1),
        "smoke",
        controls=False,
        **options,
    )
    return [result.record for result, _ in run_plan(plan, "cpu", out, InProcess(), warn=said.append)]


def test_notes_are_in_every_record_and_warnings_are_said_once_also_when_nothing_is_run(photos, tmp_path):
    first, again = [], []
    records, kept = play(photos, tmp_path, first), play(photos, tmp_path, again)
    assert first == again
    assert len(first) == 2
    assert "121 images enlarged, the smallest from 12 to 16 px" in first[0]
    assert "121 images of 121 with three equal channels" in first[1]
    assert all(text.startswith(f"imagefolder:{photos}[size=16]: ") for text in first)
    assert [record.provenance for record in records] == [record.provenance for record in kept]
    for record in records:
        reading = record.provenance.config["reading"]
        assert reading["warnings"] == [text.partition("]: ")[2] for text in first]
        assert "1 file skipped: 1 .heic" in reading["notes"]
        assert "1 image left out: equal to an earlier one pixel for pixel" in reading["notes"]
    (line,) = data_notes(records)
    said = (
        rf"data imagefolder:{re.escape(photos.name)}@[0-9a-f]{{8}}\[size=16\]: 121 images, colour 16×16 px, "
    )
    assert re.match(said + "2 classes; ", line), line
    assert line.count("1 file skipped") == 1


def test_data_stay_bytes_until_they_are_used_and_methods_see_floats(photos):
    setting = setting_of(f"imagefolder:{photos}[size=16]")
    stored = setting.dataset().data.images
    assert stored.dtype == torch.uint8
    parts = setting.parts
    for part in (parts.candidates, parts.auxiliary, parts.test):
        assert part.images.dtype == torch.float32
        assert 0 <= part.images.min() < part.images.max() <= 1
    split = make_split(setting.dataset(), 0, "smoke")
    assert torch.equal(parts.test.images, stored[split.test].float() / 255)


def test_images_left_out_by_the_budget_are_said(tmp_path):
    plan = make_plan(["pixelate"], ["window-mean"], model="mlp", scale="smoke", controls=False)
    (result,) = (result for result, _ in run_plan(plan, "cpu", tmp_path, InProcess(), warn=pytest.fail))
    notes = result.record.provenance.config["reading"]["notes"]
    assert notes == ["5,000 images, grey 28×28 px, 10 classes", "1,000 of 5,000 images used, by scale smoke"]


def test_images_without_classes_are_attacked_in_the_games_about_what_is_released(tmp_path):
    for index in range(120):
        Image.fromarray(RNG.integers(0, 256, (16, 16), dtype=np.uint8)).save(tmp_path / f"{index}.png")
    data = f"imagefolder:{tmp_path}[size=16,grey=true]"
    plain = make_plan(["pixelate"], ["window-mean"], data, "mlp", (0,), "smoke", controls=False)
    with pytest.raises(UserError, match=r"names 0 classes.*--task nothing"):
        list(run_plan(plain, "cpu", tmp_path / "out", InProcess()))
    attacks = ["window-mean", "linkage", "classifier", "confidence"]
    plan = make_plan(["pixelate"], attacks, data, "mlp", (0,), "smoke", controls=False, task="nothing")
    played = [result.record for result, _ in run_plan(plan, "cpu", tmp_path / "out", InProcess())]
    found = {(record.cell.attack, record.cell.game): record for record in played}
    assert {pair: record.status for pair, record in found.items() if pair[0] != "blind"} == {
        ("window-mean", "reconstruction"): "ok",
        ("linkage", "linkage"): "ok",
        ("classifier", "attribute"): "not-applicable",
        ("confidence", "membership"): "not-applicable",
    }
    assert "neither attributes nor classes" in found["classifier", "attribute"].reason
    reconstruction = found["window-mean", "reconstruction"]
    assert reconstruction.figures["psnr"].value > 5
    assert reconstruction.figures["recognition"].value is None
    assert reconstruction.utility == reconstruction.plain_utility == {}


def test_the_check_says_what_a_run_would_do(photos):
    source = dataset_source(f"imagefolder:{photos}[size=16]")
    told = list(data_check(source, 0, "small", Options()))
    assert ("classes", "a 61, b 60") in told
    assert ("--task classes", "teaches 2 outputs") in told
    assert any(heading == "candidates" and text.startswith("53 images, ") for heading, text in told)
    assert [text for heading, text in told if heading == "test"] == ["24 images"]
    assert sum(heading == "warning" for heading, _ in told) == 2
    few = data_check(source, 0, "small", Options(images=40))
    with pytest.raises(UserError, match="no split was found"):
        list(few)


def test_the_check_refuses_no_dataset_that_is_shipped():
    assert dict(data_check(create("dataset", "mnist-5k"), 0, "small", Options()))["test"] == "1,000 images"
