"""What is to come fits the walls: each double in ``doubles`` is one file's worth, and nothing else of the house changes."""

from __future__ import annotations

import pytest

from privbench import ImageDefense, register, run
from privbench.core import registry
from privbench.core.errors import UserError
from privbench.engine.plan import make_plan


@pytest.fixture(scope="module", autouse=True)
def d():
    """The doubles, known to the registry while this file's tests run."""
    before = dict(registry._REGISTERED)
    import doubles

    yield doubles
    registry._REGISTERED.clear()
    registry._REGISTERED.update(before)


def play(out, defense, attack, **more):
    return {
        (r.cell.defense, r.cell.attack): r
        for r in run(defense, attack, scale="smoke", out=out, in_process=True, **more).records
    }


def test_a_ciphertext_oracle_is_one_file(tmp_path, d):
    found = play(tmp_path, d.OneTimePad, d.CiphertextReader)
    plain, secret, null = (found[d, "ciphertext-reader"] for d in ("none", "one-time-pad", "blackout"))
    assert plain.status == secret.status == null.status == "ok"
    assert plain.figures["ssim"].value > 0.9
    assert secret.figures["ssim"].value < 0.1
    assert secret.queries == {"toy-ciphertexts": 48}
    assert secret.utility == {}


def test_a_surface_that_nothing_builds_is_refused_in_planning():
    @register("declares-too-much")
    class DeclaresTooMuch(ImageDefense):
        """A test."""

        surfaces = frozenset({"images", "holograms"})

        def protect(self, images, keys):
            return images

    with pytest.raises(UserError, match=r"declares the surface 'holograms', which nothing builds.*Surface"):
        make_plan([DeclaresTooMuch], ["window-mean"], scale="smoke")


def test_a_misspelt_method_is_no_defense():
    @register("misspelt")
    class Misspelt(ImageDefense):
        """A test."""

        def protects(self, images, keys):
            return images

    with pytest.raises(UserError, match=r"does not define protect"):
        make_plan([Misspelt], ["window-mean"], scale="smoke")


def test_a_guess_is_matched_as_a_set(tmp_path, d):
    found = play(tmp_path, "pixelate", d.AlbumCopier)
    assert found["none", "album-copier"].figures["album-error"].value == pytest.approx(0, abs=1e-6)
    assert found["blackout", "album-copier"].figures["album-error"].value > 5


def test_class_inversion_needs_no_release(tmp_path, d):
    found = play(tmp_path, "dp-sgd", d.PixelAscent)
    assert found["none", "pixel-ascent"].figures["class-recognition"].value > 0.3
    assert found["none", "pixel-ascent"].figures["class-recognition"].n == 10
    assert found["none", "pixel-ascent"].queries == {"weights": 1}


def test_probes_are_compared_with_a_gallery(tmp_path, d):
    found = play(tmp_path, "blur", d.Nearest)
    assert found["none", "nearest"].figures["rank-1"].value == 1
    assert found["blackout", "nearest"].figures["rank-1"].value < 0.2


def test_groups_of_test_time_samples_are_told_apart(tmp_path, d):
    found = play(tmp_path, "noise", d.RowMeans)
    figures = found["noise", "row-means"].figures
    known, unseen = (figures[f"regression-error ({g} classes)"] for g in ("known", "unseen"))
    whole = figures["regression-error"]
    assert known.n + unseen.n == whole.n == 200
    assert whole.value == pytest.approx((known.n * known.value + unseen.n * unseen.value) / whole.n)
    assert known.low < known.value < known.high
    assert found["none", "row-means"].figures["regression-error"].value == pytest.approx(0, abs=1e-9)
