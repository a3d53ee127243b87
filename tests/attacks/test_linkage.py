"""Laws of linkage: what a release tells of who is in it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from fakes import auc, game_of, make_world
from hypothesis import given, settings
from hypothesis import strategies as st

from privbench.attacks import _matching
from privbench.attacks._matching import Expectation, leads, sorted_windows
from privbench.attacks.linkage import separation
from privbench.core import registry
from privbench.core.protection import protected
from privbench.core.threat import Knowledge
from privbench.core.view import AdversaryView
from privbench.data.splits import make_split, membership
from privbench.defenses.noise import Noise
from privbench.engine.selection import dataset_source
from privbench.games.linkage import LinkageChallenge
from privbench.metrics._tpr import tpr_at

SHUFFLES = [
    "vim[window=2]",
    "vim",
    "vim[window=7]",
    "vim[window=adaptive]",
    "vim[window=entire]",
    "vim[key=fixed]",
    "vim[variant=online]",
]
LINKED = ["none", *SHUFFLES, "blur", "pixelate", "noise"]


def played(
    defense: str, dataset: str, seed: int, scale: str
) -> tuple[torch.Tensor, torch.Tensor, AdversaryView]:
    """Scores, members and the view of the attack on a release of real images; no model is trained."""
    source = dataset_source(dataset).load()
    split = make_split(source, seed, scale)
    candidates, members = source.data[split.candidates], membership(len(split.candidates), seed)[0]
    made = registry.create("defense", defense)
    release = protected(made, candidates[members].images, seed + 100)
    order = torch.randperm(len(release), generator=torch.Generator().manual_seed(seed))
    view = AdversaryView(
        defense=made,
        game=game_of("linkage"),
        task=None,
        model=None,
        config=None,
        outputs=10,
        shape=tuple(candidates.images.shape[1:]),
        attribute_names=(),
        scale=scale,
        device=torch.device("cpu"),
        root_seed=seed + 200,
        needs=frozenset({"images"}),
        knowledge=frozenset({Knowledge.PUBLIC_PRIOR}),
        port=SimpleNamespace(released=lambda: {"images": release[order]}),
        public=source.data[split.auxiliary],
    )
    challenge = LinkageChallenge(candidates.images, candidates.labels)
    return registry.create("attack", "linkage").guess(view, challenge), members, view


def rate(scores: torch.Tensor, members: torch.Tensor) -> float:
    columns = {"score": scores, "member": members.double()}
    return float(tpr_at(columns, torch.ones(1, len(scores), dtype=torch.float64), 0.01)[0])


@pytest.mark.parametrize("defense", LINKED)
def test_whoever_is_released_is_linked(defense: str) -> None:
    scores, members, _ = played(defense, "mnist-5k", 0, "smoke")
    assert auc(scores, members) > 0.99
    assert rate(scores, members) > 0.99


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("dataset", ["mnist-5k", "orl-faces"])
@pytest.mark.parametrize("defense", LINKED)
def test_whoever_is_released_is_linked_at_scale(defense: str, dataset: str, seed: int) -> None:
    scores, members, _ = played(defense, dataset, seed, "small")
    assert auc(scores, members) > 0.999
    assert rate(scores, members) > 0.99


def test_noise_that_hides_images_from_people_does_not_hide_them_here() -> None:
    scores, members, _ = played("noise[scale=1]", "mnist-5k", 0, "smoke")
    assert auc(scores, members) > 0.9


def test_noise_alone_links_nobody() -> None:
    areas = [auc(*played("blackout", "mnist-5k", seed, "smoke")[:2]) for seed in range(3)]
    # 440 candidates: one standard error of a mean of three areas is 0.016.
    assert abs(sum(areas) / 3 - 0.5) < 0.05
    assert len({round(area, 6) for area in areas}) == 3, "no real play"


@pytest.mark.slow
def test_noise_alone_links_nobody_at_scale() -> None:
    areas = [auc(*played("blackout", "mnist-5k", seed, "small")[:2]) for seed in range(3)]
    assert all(0.48 <= area <= 0.52 for area in areas)


@pytest.mark.parametrize(("defense", "window", "comparison"), [
    ("none", [1.0, 1.0], [0.0]), ("vim", [4.0, 4.0], [0.0]), ("pixelate", [1.0, 1.0], [1.0])
])  # fmt: skip
def test_the_comparison_that_is_exact_is_found(
    defense: str, window: list[float], comparison: list[float]
) -> None:
    log = played(defense, "mnist-5k", 0, "smoke")[2].log
    assert log["window"] == window
    assert log["comparison"] == comparison
    assert log["validation-auc"] == [1.0]


def test_the_attack_of_the_catalogue_plays_it_so() -> None:
    world = make_world(window=4)
    assert auc(world.guess("linkage"), world.members) == 1.0
    assert world.queries == {}, "simulation is free"
    null = make_world(leaky=False)
    assert abs(auc(null.guess("linkage"), null.members) - 0.5) < 0.08


@given(
    height=st.sampled_from([1, 2, 4]), width=st.sampled_from([1, 3, 6]), seed=st.integers(0, 99), channels=st.integers(1, 3)
)  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_a_shuffle_inside_windows_changes_no_sorted_window(
    height: int, width: int, seed: int, channels: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(1, channels, 4, 6, generator=generator)
    mixed = image.clone()
    for channel in range(channels):
        for top in range(0, 4, height):
            for left in range(0, 6, width):
                tile = image[0, channel, top : top + height, left : left + width]
                order = torch.randperm(tile.numel(), generator=generator)
                mixed[0, channel, top : top + height, left : left + width] = tile.flatten()[order].view_as(
                    tile
                )
    found = sorted_windows(image, (height, width))
    assert found.shape == (1, channels * 24)
    assert torch.equal(found, sorted_windows(mixed, (height, width)))
    assert torch.equal(found.sort().values, image.flatten(1).sort().values), "other values"


def test_leads_are_what_a_slow_loop_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    queries, releases = torch.rand(9, 5, generator=generator), torch.rand(7, 5, generator=generator)
    expected = []
    for one in range(9):
        best = -1.0
        for release in releases:
            squares = [float((release.double() - query.double()).square().sum()) for query in queries]
            other = min(square for number, square in enumerate(squares) if number != one)
            best = max(best, (other - squares[one]) / (other + squares[one]))
        expected.append(best)
    wanted = torch.tensor(expected, dtype=torch.float64)
    torch.testing.assert_close(leads(queries, releases), wanted)
    # However few fit into memory at once.
    monkeypatch.setattr(_matching, "_CONTEST", 18)
    monkeypatch.setattr(_matching, "_CHUNK", 2)
    torch.testing.assert_close(leads(queries, releases), wanted)


def test_leads_have_ends_and_a_middle() -> None:
    queries = torch.tensor([[0.0, 0.0], [1.0, 0.0], [5.0, 5.0], [5.0, 5.0]])
    # The first alone fits exactly; twins share the second release; one has none at all.
    found = leads(queries, torch.tensor([[0.0, 0.0], [5.0, 5.0]]))
    assert found.tolist() == [1.0, -1.0, 0.0, 0.0]
    with pytest.raises(ValueError, match="two queries"):
        leads(queries[:1], queries)


def test_rounding_of_a_release_changes_no_rank() -> None:
    generator = torch.Generator().manual_seed(0)
    queries = torch.rand(40, 784, generator=generator)
    releases = queries[:20] + 1e-6 * torch.randn(20, 784, generator=generator)
    scores = leads(queries, releases)
    assert float(scores[:20].min()) > 0.999
    assert float(scores[20:].max()) < -0.999


def test_expectation_undoes_what_clipped_noise_does_to_contrast() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(800, 20, generator=generator)
    images[:, 0] = 0.25
    noisy = (images + torch.randn(images.shape, generator=generator)).clamp(0, 1)
    expected = Expectation.fitted(images, noisy)
    assert 0.2 < float(expected.slope[1:].mean()) < 0.6
    error = (expected(images) - noisy).square().mean()
    assert float(error) < 0.9 * float((images - noisy).square().mean())
    torch.testing.assert_close(expected(images).mean(0), noisy.double().mean(0))
    # What never varies leans on the rest; what a thousand images say is believed.
    assert float(expected.slope[0]) == pytest.approx(float(expected.slope[1:].mean()), abs=0.02)


def test_what_is_released_as_it_is_is_expected_so() -> None:
    images = torch.rand(50, 20, generator=torch.Generator().manual_seed(0))
    images[1:, 0] = 0.0
    expected = Expectation.fitted(images, images)
    torch.testing.assert_close(expected(images), images.double())


def test_a_pixel_that_one_image_lights_does_not_decide() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(300, 20, generator=generator)
    images[:, 0] = 0.0
    images[7, 0] = 0.3
    noisy = images + torch.randn(images.shape, generator=generator)
    assert abs(float(Expectation.fitted(images, noisy).slope[0]) - 1) < 0.2


def test_competition_tells_what_nearness_does_not() -> None:
    world = make_world()
    members, images = world.members, world.candidates.images
    noisy = protected(Noise(scale=0.6), images[members], 3).flatten(1)
    near = -torch.cdist(images.flatten(1).double(), noisy.double()).amin(1)
    assert auc(leads(images.flatten(1), noisy), members) > auc(near, members) + 0.05


def test_separation_prefers_room_among_the_perfect() -> None:
    inside = torch.tensor([True, True, False, False])
    close = separation(torch.tensor([0.2, 0.3, 0.1, 0.0]), inside)
    far = separation(torch.tensor([0.9, 1.0, 0.1, 0.0]), inside)
    assert close[0] == far[0] == 1.0
    assert far > close > separation(torch.tensor([0.9, 0.0, 0.1, 0.0]), inside)
