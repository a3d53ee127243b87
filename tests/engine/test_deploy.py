"""What a defense returns is checked where it returns it, before the model gets the blame."""

import pytest
import torch

from privbench.core import registry
from privbench.core.defense import ImageDefense
from privbench.core.errors import UserError
from privbench.core.registry import register
from privbench.core.threat import Game
from privbench.runner.deploy import model_inputs, protected
from privbench.runner.execute import execute
from privbench.runner.plan import PlannedCell
from privbench.runner.run import _check

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


def test_a_broken_defense_is_refused_before_the_run(stage):
    for how in BROKEN:
        with pytest.raises(UserError, match="protect returned"):
            _check(stage, Broken(how=how))


def test_a_defense_that_breaks_later_fails_its_cells(stage):
    late = Broken(least=2)
    _check(stage, late)
    record = execute(
        stage, PlannedCell(late, registry.create("attack", "blind"), Game.RECONSTRUCTION, None)
    ).record
    assert record.status == "failed"
    assert record.reason.startswith("defense 'broken[least=2]': protect returned NaN")
