"""``privbench data check``, and folders with brackets in their names."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

RNG = np.random.default_rng(0)


def cli(folder, *words):
    return subprocess.run(
        [sys.executable, "-m", "privbench", *words],
        capture_output=True, text=True, check=False, cwd=folder, env={**os.environ, "COLUMNS": "160"},
    )  # fmt: skip


@pytest.fixture
def photos(tmp_path):
    for kind in "ab":
        (tmp_path / "my photos[v2]" / kind).mkdir(parents=True)
        for index in range(60):
            picture = Image.fromarray(RNG.integers(0, 256, (16, 16, 3), dtype=np.uint8))
            picture.save(tmp_path / "my photos[v2]" / kind / f"{index}.png")
    return tmp_path


@pytest.mark.parametrize("prefix", ["", "imagefolder:"])
def test_a_folder_is_checked_with_or_without_the_name_of_its_reader(photos, prefix):
    done = cli(photos, "data", "check", f"{prefix}my photos[v2][size=16]")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("dataset: imagefolder:my photos[v2][size=16]\n")
    assert "classes: a 60, b 60\n" in done.stdout
    assert "test: 24 images\n" in done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere"], "'nowhere'"),
        (["nowhere.npz"], "no file 'nowhere.npz'"),
        (["bad.npz"], "bad.npz': the file is damaged"),
        (["few"], "few' has 1 class folder"),
        (["my photos[v2]", "--images", "30"], "no split was found"),
        (["my photos[v2][sise=3]"], "'sise'. Did you mean 'size'"),
        ([], "argument"),
    ],
)
def test_what_cannot_be_used_ends_with_2_and_one_line(photos, words, message):
    (photos / "bad.npz").write_bytes(b"PK\x03\x04 cut")
    (photos / "few" / "a").mkdir(parents=True)
    done = cli(photos, "data", "check", *words)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_run_says_what_was_read_and_prints_paths_and_commands_that_can_be_copied(photos):
    done = cli(
        photos, "run", "--defense", "pixelate", "--attack", "window-mean", "--no-controls", "--model", "mlp",
        "--dataset", "imagefolder:my photos[v2][size=24]", "--scale", "smoke", "--out", "my runs[1]", "--quiet",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    warned = [line for line in done.stderr.splitlines() if "warning" in line]
    assert len(warned) == 1
    assert "120 images enlarged, the smallest from 16 to 24 px" in warned[0]
    said = (
        r"data imagefolder:my photos\[v2\]@[0-9a-f]{8}\[size=24\]: 120 images, colour 24×24 px, 2 classes; "
    )
    assert re.search(said, done.stdout)
    assert "records:  my runs[1]/records\n" in done.stdout
    assert "--from 'my runs[1]' --out 'my runs[1]/leaderboards'" in done.stdout
