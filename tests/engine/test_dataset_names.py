"""What data at a path are called: the same by every way to them, another name for other data."""

import numpy as np
import pytest
from PIL import Image

from privbench.core.registry import create
from privbench.engine.cell_record import cell_of
from privbench.engine.keys import cell_key
from privbench.engine.plan import make_plan
from privbench.engine.setting import Setting, dataset_label, look_at_data_again
from privbench.store.results import result_path


def images_file(path, seed):
    rng = np.random.default_rng(seed)
    path.parent.mkdir(exist_ok=True)
    np.savez(path, images=rng.integers(0, 256, (400, 16, 16), dtype=np.uint8), labels=np.arange(400) % 2)


def images_folder(path, seed):
    rng = np.random.default_rng(seed)
    for n in range(120):
        place = path / f"class-{n % 2}" / f"{n}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (16, 16), dtype=np.uint8)).save(place)


@pytest.fixture(autouse=True)
def work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    look_at_data_again()
    return tmp_path


def setting_of(dataset):
    plan = make_plan(["pixelate"], ["window-mean"], dataset, "mlp", scale="smoke", controls=False)
    return Setting(plan.source, plan.model, plan.task, 0, "smoke", "cpu"), plan.cells[0]


@pytest.mark.parametrize(
    ("kind", "make", "name"), [("npz", images_file, "faces.npz"), ("imagefolder", images_folder, "faces")]
)
def test_one_name_by_every_path_and_two_for_two_data_of_a_name(work, kind, make, name):
    make(work / "a" / name, 0)
    make(work / "b" / name, 1)
    ways = [f"a/{name}", f"./a/{name}", f"{work}/a/{name}", f"b/../a/{name}"]
    made = [setting_of(f"{kind}:{way}") for way in ways]
    cells = {cell_of(*each) for each in made}
    assert len(cells) == 1
    assert len({cell_key(*each) for each in made}) == 1
    (cell,) = cells
    assert cell.dataset.startswith(f"{kind}:{name}@")
    assert str(work) not in cell.model_dump_json()
    other = cell_of(*setting_of(f"{kind}:b/{name}"))
    assert other.dataset != cell.dataset
    assert result_path(work, other) != result_path(work, cell)


def test_the_folder_one_stands_in_has_its_name(work, monkeypatch):
    images_folder(work / "faces", 0)
    outside = dataset_label(create("dataset", "imagefolder[path=faces]"))
    monkeypatch.chdir(work / "faces")
    look_at_data_again()
    assert dataset_label(create("dataset", "imagefolder[path=.]")) == outside


def test_options_are_part_of_the_name_and_named_data_keep_theirs(work):
    images_file(work / "faces.npz", 0)
    sized = dataset_label(create("dataset", "npz[path=faces.npz,size=8]"))
    assert sized.endswith("[size=8]")
    assert dataset_label(create("dataset", "mnist-5k")) == "mnist-5k"
