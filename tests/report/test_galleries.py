import torch
from factory import result

from privbench.core.hashing import text_hash
from privbench.report.figures import galleries
from privbench.report.figures.galleries import write_galleries
from privbench.store.pictures import keep_pictures, picture_folder


def restored(out, attack, **changes):
    """A finished reconstruction whose pictures are kept below ``out``."""
    made = result("vim", attack, game="reconstruction", seed=changes.pop("seed", 0))
    cell = made.record.cell.model_copy(update=changes)
    key = text_hash(cell.model_dump_json())
    images = torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(cell.seed))
    keep_pictures(picture_folder(out), key, dict.fromkeys(("original", "released", "restored"), images))
    return type(made)(made.record.model_copy(update={"cell": cell, "key": key}))


def test_every_setting_has_its_own_gallery(tmp_path, monkeypatch):
    titles = []
    real = galleries.write_gallery
    monkeypatch.setattr(galleries, "write_gallery", lambda p, t, *a: titles.append(t) or real(p, t, *a))
    runs = [
        [restored(tmp_path, "window-mean")],
        [restored(tmp_path, "window-mean"), restored(tmp_path, "restoration")],
        [restored(tmp_path, "window-mean", model="resnet[norm=group]")],
        [restored(tmp_path, "window-mean", scale="smoke")],
        [restored(tmp_path, "window-mean", seed=1)],
    ]
    names = [path.name for run in runs for path in write_galleries(run, tmp_path)]
    assert names[0] == "gallery-toy-cnn-small-p1-vim-seed-0-window-mean.png"
    assert len(set(names)) == len(runs)
    assert len(list((tmp_path / "pictures").iterdir())) == len(runs)
    assert titles[2] == "vim on toy\nresnet[norm=group], scale small, seed 0"
    together = [played for run in runs[1:] for played in run]
    assert {path.name for path in write_galleries(together, tmp_path)} == set(names[1:])


def test_long_names_are_cut_and_told_apart(tmp_path):
    settings = {"dataset": "npz:" + "a" * 200, "model": "resnet[" + "b" * 200, "defense": "vim[" + "c" * 200}
    runs = [[restored(tmp_path, "d" * 200, scale=scale, **settings)] for scale in ("smoke", "small")]
    names = {write_galleries(run, tmp_path)[0].name for run in runs}
    assert len(names) == 2
    assert max(map(len, names)) < 210


def test_no_gallery_without_pictures(tmp_path):
    gone = restored(tmp_path, "window-mean")
    for path in picture_folder(tmp_path).iterdir():
        path.unlink()
    assert write_galleries([gone], tmp_path) == []
