"""Laws of the decoder: what features give away, and that it is never weaker than its simple rivals."""

from __future__ import annotations

import pytest
import torch
from fakes import World, make_world

from privbench.core.errors import UserError
from privbench.games._priors import most_similar_image
from privbench.metrics.psnr import psnr
from privbench.metrics.ssim import ssim
from privbench.training import regression

QUICK = "decoder[steps=150,width=16]"
QUICK_SSIM = "decoder[steps=150,width=16,aim=ssim]"


def quality(world: World, guess: torch.Tensor) -> tuple[float, float]:
    originals = world.shown.images
    return float(psnr(guess, originals).mean()), float(ssim(guess, originals).mean())


def mean_image(world: World) -> torch.Tensor:
    return world.auxiliary.images.mean(0).expand_as(world.shown.images)


def neighbours(world: World, count: int = 5) -> torch.Tensor:
    """Retrieval: the mean of the auxiliary images with the nearest features."""
    known = world.answer_features(world.auxiliary.images, 0)
    asked = world.releases({"features"}, world.shown)["features"]
    nearest = torch.cdist(asked, known).topk(count, largest=False).indices
    return world.auxiliary.images[nearest].mean(1)


def test_features_that_hold_the_image_give_it_away() -> None:
    world = make_world()
    made, floor, rival = (
        quality(world, guess) for guess in (world.guess(QUICK), mean_image(world), neighbours(world))
    )
    # 2x2 means of images that were enlarged twofold: all but the edges is there.
    assert made[0] > max(floor[0], rival[0]) + 5
    assert made[1] > 0.9


def test_aims_at_similarity_where_asked() -> None:
    world = make_world()
    _, similar = quality(world, world.guess(QUICK_SSIM))
    floor = most_similar_image(world.view_of(QUICK_SSIM)).expand_as(world.shown.images)
    assert similar > max(quality(world, guess)[1] for guess in (floor, neighbours(world))) + 0.1


@pytest.mark.parametrize("seed", range(3))
def test_noise_gives_the_mean_image(seed: int) -> None:
    world = make_world(leaky=False, seed=seed)
    made, floor = quality(world, world.guess(QUICK)), quality(world, mean_image(world))
    assert abs(made[0] - floor[0]) < 0.3
    weights = world.log["blend"]
    assert sum(weights) == pytest.approx(1, abs=0.15)


def test_it_is_never_weaker_than_retrieval_even_where_the_network_learned_nothing() -> None:
    world = make_world()
    made, rival = (
        quality(world, guess) for guess in (world.guess("decoder[steps=1,width=8]"), neighbours(world))
    )
    assert made[0] > rival[0]
    assert made[1] > rival[1]
    similar = quality(world, world.guess("decoder[steps=1,width=8,aim=ssim]"))
    assert similar[1] > rival[1]


def test_every_image_sent_to_the_encoder_is_counted_and_logged() -> None:
    world = make_world()
    world.guess(QUICK)
    held = len(world.auxiliary) // 10
    learned = len(world.auxiliary) - held
    copies = 1500 // learned
    assert world.queries == {"features": learned * (1 + copies) + held}
    assert set(world.log) == {"loss", "training", "validation", "blend"}
    loss = world.log["loss"]
    assert loss == sorted(loss, reverse=True), "the best so far never rises"
    assert loss[-1] < loss[0]


def test_many_images_are_not_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    from privbench.attacks import decoder

    monkeypatch.setattr(decoder, "_ENOUGH", 300)
    world = make_world()
    world.guess("decoder[steps=1,width=8]")
    assert world.queries == {"features": len(world.auxiliary)}


def test_the_held_out_images_are_not_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    real = regression.best_regression

    def spy(pairs, validation):
        seen.append((pairs[1], validation[1]))
        return real(pairs, validation)

    monkeypatch.setattr(regression, "best_regression", spy)
    world = make_world()
    world.guess("decoder[steps=1,width=8]")
    [(learned, held)] = seen
    assert float(torch.cdist(held.flatten(1), learned.flatten(1)).min()) > 0


def test_too_little_auxiliary_data_is_refused() -> None:
    world = make_world()
    world.auxiliary = world.auxiliary[:9]
    with pytest.raises(UserError, match="decoder learns from at least 10 auxiliary images"):
        world.guess(QUICK)
