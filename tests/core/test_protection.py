"""What a defense returns is checked where it returns it, before the model gets the blame."""

import pytest
import torch

from privbench.core import registry
from privbench.core.defense import Defense, ImageDefense
from privbench.core.errors import UserError
from privbench.core.keys import Keys
from privbench.core.protection import in_chunks, model_inputs, protected, query_seed
from privbench.core.registry import register

IMAGES = torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def spoiled(images):
    images = images.clone()
    images[-1, 0, 0, 0] = float("nan")
    return images


BROKEN = {
    "pooled": (lambda x: x[..., ::2, ::2], r"torch.float32 \(\d+, \d, \d+, \d+\) on cpu; expected"),
    "one-fewer": (lambda x: x[1:], r"expected torch.float32 \("),
    "double": (lambda x: x.double(), r"torch.float64 .*expected torch.float32"),
    "bytes": (lambda x: (x * 255).byte(), "torch.uint8"),
    "nothing": (lambda x: None, "a NoneType"),
    "array": (lambda x: x.numpy(), "a ndarray"),
    "nan": (spoiled, "NaN or infinite values"),
    "inf": (lambda x: x / 0, "NaN or infinite values"),
    "pixels": (lambda x: x * 255, "values from .* to 2.*expected values from 0 to 1"),
    "negative": (lambda x: x - 0.5, "values from -0"),
}


@register("broken")
class Broken(ImageDefense):
    """Returns something else than was asked for."""

    how: str = "nan"
    least: int = 0

    def protect(self, images, keys):
        return BROKEN[self.how][0](images) if len(images) > self.least else images


@register("own-inputs")
class OwnInputs(ImageDefense):
    """Gives the model other values than it releases."""

    how: str = "none"

    def protect(self, images, keys):
        return images

    def model_inputs(self, images, keys):
        return BROKEN[self.how][0](images) if self.how in BROKEN else images * 8 - 4


@pytest.mark.parametrize("how", BROKEN)
def test_what_is_no_release_is_refused(how):
    for make in (protected, model_inputs):
        with pytest.raises(UserError, match=rf"defense 'broken.*: protect returned .*{BROKEN[how][1]}"):
            make(Broken(how=how), IMAGES, 0)


@pytest.mark.parametrize("how", [h for h in BROKEN if h not in {"pixels", "negative"}])
def test_what_is_no_model_input_is_refused(how):
    with pytest.raises(UserError, match=f"model_inputs returned .*{BROKEN[how][1]}"):
        model_inputs(OwnInputs(how=how), IMAGES, 0)


def test_what_is_right_passes():
    assert model_inputs(OwnInputs(), IMAGES, 0).max() > 1
    assert torch.equal(protected(OwnInputs(), IMAGES, 0), IMAGES)
    assert len(protected(OwnInputs(), IMAGES[:0], 0)) == 0
    rounded = IMAGES * (1 + 1e-6)
    assert torch.equal(protected(OwnInputs(), rounded, 0), rounded)


def test_a_defense_is_not_to_blame_for_the_queries():
    none = registry.create("defense", "none")
    for images in (IMAGES * 3 - 1, spoiled(IMAGES)):
        assert torch.equal(protected(none, images, 0), images) or images.isnan().any()


def test_what_protects_nothing_says_so():
    with pytest.raises(UserError, match="'dp-sgd' protects no images: it has no method protect"):
        protected(registry.create("defense", "dp-sgd"), IMAGES, 0)
    assert torch.equal(model_inputs(registry.create("defense", "dp-sgd"), IMAGES, 0), IMAGES)


def test_large_batches_are_cut_without_a_trace():
    images = torch.rand(4500, 1, 2, 2, generator=torch.Generator().manual_seed(1))
    noise = registry.create("defense", "noise")
    keys, sizes = Keys.fresh(3, len(images)), []

    def counting(part, part_keys):
        sizes.append(len(part))
        return noise.protect(part, part_keys)

    assert torch.equal(in_chunks(counting, images, keys), noise.protect(images, keys))
    assert sizes == [4096, 404]


def test_each_query_has_keys_of_its_own_unless_the_defense_reuses_one():
    fresh, fixed = registry.create("defense", "vim"), registry.create("defense", "vim[key=fixed]")
    assert query_seed(fixed, 5, 1) == query_seed(fixed, 5, 2) == 5
    assert len({5, *(query_seed(fresh, 5, query) for query in range(20))}) == 21


def test_the_bases_feed_what_they_release():
    assert Broken().feeds_releases
    assert not OwnInputs().feeds_releases
    assert not registry.create("defense", "blackout").feeds_releases
    assert Defense.feeds_releases.fget(registry.create("defense", "dp-sgd")) is False
