import pytest
import torch
from factory import controls, defended, membership_columns, result

from privbench.core.errors import PrivbenchError
from privbench.rating.board import make_boards
from privbench.report.figures import png, roc
from privbench.report.figures.gallery import write_gallery
from privbench.report.figures.pareto import write_pareto
from privbench.report.figures.roc import mean_curve, write_roc

PNG = b"\x89PNG"


@pytest.mark.parametrize("channels", [1, 3])
def test_gallery_is_a_png_and_repeats(tmp_path, channels):
    originals = torch.rand(3, channels, 28, 28, generator=torch.Generator().manual_seed(0))
    restored = {"window-mean": originals * 0.5, "restoration[epochs=3,width=16]": originals}
    paths = [write_gallery(tmp_path / f"{i}.png", "t", originals, 1 - originals, restored) for i in range(2)]
    assert paths[0].read_bytes().startswith(PNG)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert b"Software" not in paths[0].read_bytes()


@pytest.mark.parametrize("bad", [torch.rand(2, 1, 20, 20), torch.rand(3, 3, 28, 28)])
def test_gallery_refuses_other_shapes(tmp_path, bad):
    images = torch.rand(3, 1, 28, 28)
    with pytest.raises(PrivbenchError, match="'a' has shape"):
        write_gallery(tmp_path / "g.png", "t", images, images, {"a": bad})


@pytest.mark.parametrize("bad", [torch.rand(0, 1, 28, 28), torch.rand(3, 2, 28, 28), torch.rand(28, 28)])
def test_gallery_refuses_what_is_no_picture(tmp_path, bad):
    with pytest.raises(PrivbenchError, match="a gallery needs images"):
        write_gallery(tmp_path / "g.png", "t", bad, bad, {})


def test_plot_repeats_and_needs_no_rated_defense(tmp_path):
    (board,) = make_boards([*controls(), *defended("x", 18)])
    one, two = (write_pareto(board, tmp_path / name).read_bytes() for name in ("1.png", "2.png"))
    assert one == two
    (empty,) = make_boards(defended("x", 18))
    assert write_pareto(empty, tmp_path / "3.png").read_bytes().startswith(PNG)


def test_mean_curve_is_the_mean_of_steps():
    # Seed 0 finds both members first; seed 1 finds them last.
    def curve(scores):
        member = torch.tensor([1.0, 1.0, 0.0, 0.0], dtype=torch.float64)
        columns = {"auc": {"score": torch.tensor(scores, dtype=torch.float64), "member": member}}
        return result("x", "lira", columns, game="membership")

    grid = torch.tensor([0.0, 0.4, 0.5, 1.0], dtype=torch.float64)
    assert mean_curve([curve([4.0, 3.0, 2.0, 1.0])], grid).tolist() == [1, 1, 1, 1]
    assert mean_curve([curve([3.0, 1.0, 4.0, 2.0])], grid).tolist() == [0, 0, 0.5, 1]
    both = [curve([4.0, 3.0, 2.0, 1.0]), curve([1.0, 0.0, 4.0, 2.0])]
    assert mean_curve(both, grid).tolist() == [0.5, 0.5, 0.5, 1]


def test_roc_pictures(tmp_path):
    found = [
        result("dp-sgd", a, membership_columns(s), game="membership")
        for a, s in [("blind", 0.0), ("lira", 2.0), ("rmia", 1.0)]
    ]
    paths = write_roc(found, tmp_path)
    assert [p.name for p in paths] == ["roc-toy-cnn-small-p1-dp-sgd.png"]
    first = paths[0].read_bytes()
    assert first.startswith(PNG)
    assert write_roc(found[::-1], tmp_path)[0].read_bytes() == first


def test_every_game_with_an_auc_has_curves(tmp_path):
    # Made by hand, since the records' type knows the games that there are.
    played = result("vim", "lira", membership_columns(1.0), game="membership")
    other = result("vim", "lira", membership_columns(1.0), game="reconstruction")
    names = {path.name for path in write_roc([played, other], tmp_path)}
    assert names == {"roc-toy-cnn-small-p1-vim.png", "roc-toy-cnn-small-p1-vim-reconstruction.png"}


@pytest.fixture
def drawn(monkeypatch):
    """The titles of the ROC pictures that were really drawn."""
    titles = []
    real = roc._draw
    monkeypatch.setattr(roc, "_draw", lambda title, *a: titles.append(title) or real(title, *a))
    return titles


def played(shift=1.0, seed=0):
    return [result("x", "lira", membership_columns(shift), game="membership", seed=seed)]


def test_what_is_there_already_is_not_drawn_again(tmp_path, drawn):
    (path,) = write_roc(played(), tmp_path)
    before = path.read_bytes()
    assert write_roc(played(), tmp_path) == [path]
    assert path.read_bytes() == before
    assert len(drawn) == 1


@pytest.mark.parametrize("change", ["scores", "seeds", "torn", "code"])
def test_what_is_not_the_same_is_drawn_again(tmp_path, drawn, monkeypatch, change):
    (path,) = write_roc(played(), tmp_path)
    before = path.read_bytes()
    results = played()
    if change == "scores":
        results = played(shift=1.1)
    elif change == "seeds":
        results += played(shift=2.0, seed=1)
    elif change == "torn":
        path.write_bytes(before[:-20])
    else:
        monkeypatch.setattr(png, "_code_hash", lambda *files: "edited")
    write_roc(results, tmp_path)
    assert len(drawn) == 2
    assert (path.read_bytes() == before) == (change == "torn")
