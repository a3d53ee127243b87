"""A world of real digits for testing attacks without the engine: a fake defense behind a fake port."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from sklearn.datasets import load_digits

from privbench.core import registry
from privbench.core.attack import Attack
from privbench.core.defense import Defense
from privbench.core.game import Challenge, Game
from privbench.core.images import LabelledImages
from privbench.core.keys import Keys
from privbench.core.model import Model
from privbench.core.port import Shadows, Tensors
from privbench.core.releases import Releases
from privbench.core.seeds import derive_seed
from privbench.core.surface import Surface
from privbench.core.threat import Knowledge
from privbench.core.training import TrainedModel, TrainingConfig, TrainingJob
from privbench.core.view import AdversaryView, KnownPairs
from privbench.games.attribute import AttributeChallenge
from privbench.games.linkage import LinkageChallenge
from privbench.games.membership import MembershipChallenge
from privbench.games.reconstruction import ReconstructionChallenge
from privbench.tasks.classes import Classes
from privbench.training import many
from privbench.training.client_updates import gradients
from privbench.training.modules import build_module

CPU = torch.device("cpu")


def digits(side: int = 16) -> LabelledImages:
    """scikit-learn's 1,797 real digits, 8x8, enlarged to ``side``, in a fixed random order.

    Attributes: whether the digit is odd, whether it is below five.
    """
    data = load_digits()
    images = torch.tensor(data.images, dtype=torch.float32)[:, None] / 16
    labels = torch.tensor(data.target, dtype=torch.int64)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(7))
    images = torch.nn.functional.interpolate(images, size=(side, side), mode="bilinear")
    attributes = torch.stack([labels % 2, (labels < 5).long()], 1)
    return LabelledImages(images[order], labels[order], None, attributes[order])


def shuffle(images: torch.Tensor, keys: Keys | int, window: int) -> torch.Tensor:
    """Pixels of each window permuted, a new permutation for each image, channel and window."""
    n, c, h, w = images.shape
    keys = Keys.fresh(keys, n, images.device) if isinstance(keys, int) else keys
    rows, columns = h // window, w // window
    tiles = images.reshape(n, c, rows, window, columns, window).permute(0, 1, 2, 4, 3, 5)
    tiles = tiles.reshape(n, c, rows * columns, window * window)
    order = keys.permutation(c, rows * columns, window * window)
    mixed = tiles.gather(-1, order).reshape(n, c, rows, columns, window, window)
    return mixed.permute(0, 1, 2, 4, 3, 5).reshape(n, c, h, w)


class TinyNet(Model):
    """A convolution and a linear layer: cheap enough to match gradients of a hundred images."""

    registry_name = "tiny-net"

    def build(self, shape: tuple[int, int, int], outputs: int) -> torch.nn.Module:
        channels, height, width = shape
        return torch.nn.Sequential(
            torch.nn.Conv2d(channels, 4, 5, stride=2, padding=2),
            torch.nn.Sigmoid(),
            torch.nn.Flatten(),
            torch.nn.Linear(4 * ((height + 1) // 2) * ((width + 1) // 2), outputs),
        )

    def feature_layers(self) -> tuple[str, ...]:
        return ("0", "2")


class Veil(Defense):
    """Exposes every surface: shuffles pixels, encodes, sends gradients, or (null) gives noise of its keys."""

    registry_name = "veil"

    window: int = 4
    leaky: bool = True

    @property
    def exposes(self) -> frozenset[str]:
        return frozenset(registry.known("surface"))

    def fit(self, private, public, trainer) -> TrainedModel:
        raise NotImplementedError("the fake world has a model already")

    def protect(self, images: torch.Tensor, keys: Keys) -> torch.Tensor:
        return shuffle(images, keys, self.window) if self.leaky else keys.uniform(*images.shape[1:])

    def encode(self, model: Model, module: torch.nn.Module, images: torch.Tensor, keys: Keys) -> torch.Tensor:
        pooled = torch.nn.functional.avg_pool2d(images, 2).flatten(1)
        return pooled if self.leaky else keys.uniform(pooled.shape[1])

    def client_update(self, module, task, images, labels, seeds) -> torch.Tensor:
        slopes = -gradients(module, task, images, labels)
        if self.leaky:
            return slopes
        # Noise that is constant in the images, yet a function of them that can be derived.
        return slopes * 0 + torch.cat([Keys.fresh(seed, 1).normal(slopes.shape[1]) for seed in seeds])


class NeighbourModel:
    """A kernel classifier: closed form, so that no training is needed, and it memorises."""

    def __init__(self, data: LabelledImages, classes: int = 10) -> None:
        self.points = data.images.flatten(1)
        self.votes = torch.nn.functional.one_hot(data.labels, classes).float()

    def log_probs(self, images: torch.Tensor, jitter: torch.Tensor) -> torch.Tensor:
        distance = torch.cdist(images.flatten(1), self.points)
        kernel = torch.exp(-(distance**2) / 2)
        logits = (kernel @ self.votes + 0.05).log() + 0.2 * jitter
        return logits.log_softmax(-1)


@dataclass
class FakeShadows:
    membership: torch.Tensor
    models: list[NeighbourModel]
    seed: int

    @property
    def modules(self) -> list[torch.nn.Module]:
        """Untrained networks, that have the form of the world's and know nothing."""
        count = len(self.membership)
        return [build_module(TinyNet(), (1, 16, 16), 10, self.seed + k).eval() for k in range(count)]

    def log_probs(self, images: torch.Tensor, draw: int = 0) -> torch.Tensor:
        answers = []
        for k, model in enumerate(self.models):
            keys = Keys.fresh(derive_seed(self.seed, "draw", k, draw), len(images))
            answers.append(model.log_probs(images, keys.normal(10)))
        return torch.stack(answers)


@dataclass
class FakePort:
    """Answers for the world; counts queries, and how many shadows were asked for."""

    world: World
    needs: frozenset[str] = frozenset()
    queries: dict[str, int] = field(default_factory=dict)
    shadow_counts: list[int] = field(default_factory=list)
    calls: int = 0

    def ask(self, surface: str, inputs: Tensors) -> Tensors:
        cost = surface_of(surface).cost(inputs)
        self.queries[surface] = self.queries.get(surface, 0) + cost
        self.calls += 1
        if surface == "weights":
            return {name: value.clone() for name, value in self.world.module.state_dict().items()}
        return {"answer": getattr(self.world, f"answer_{surface}")(inputs["inputs"], self.calls)}

    def released(self) -> Tensors:
        return self.world.releases(self.needs, self.world.private)

    def train(self, jobs: list[TrainingJob], text: str) -> list[TrainedModel]:
        return many.train_many(jobs, CPU)

    def shadows(self, data: LabelledImages, count: int) -> Shadows:
        self.shadow_counts.append(count)
        world = self.world
        generator = torch.Generator().manual_seed(derive_seed(world.seed, "adversary", "shadows"))
        membership = torch.rand(count, len(data), generator=generator) < 0.5
        halves = [data[mask] if world.defense.leaky else world.auxiliary for mask in membership]
        return FakeShadows(membership, [NeighbourModel(half) for half in halves], world.seed)

    def progress(self, done: int, total: int, text: str) -> None:
        assert 0 <= done <= total


@dataclass
class World:
    """Real digits behind a memorising model and ``Veil``.

    Attributes:
        shown: the private images whose releases a challenge shows.
        log: of the last attack that guessed.
    """

    defense: Veil
    candidates: LabelledImages
    members: torch.Tensor
    auxiliary: LabelledImages
    model: NeighbourModel
    module: torch.nn.Module
    scale: str
    seed: int
    names: tuple[str, ...] = ("odd", "low")
    shows: int = 100
    log: dict[str, list[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.port = FakePort(self)

    @property
    def private(self) -> LabelledImages:
        return self.candidates[self.members]

    @property
    def shown(self) -> LabelledImages:
        return self.private[: self.shows]

    @property
    def released(self) -> torch.Tensor:
        """The released images of ``shown``."""
        return self.releases({"images"}, self.shown)["images"]

    @property
    def queries(self) -> dict[str, int]:
        return self.port.queries

    def keys(self, *axes: str | int, count: int) -> Keys:
        return Keys.fresh(derive_seed(self.seed, *axes), count)

    def releases(self, surfaces, data: LabelledImages) -> Tensors:
        """What each of ``surfaces`` that releases something releases for the first private images."""
        made, keys = {}, self.keys("k", count=len(data))
        if "images" in surfaces:
            made["images"] = self.defense.protect(data.images, keys)
        if "features" in surfaces:
            made["features"] = self.defense.encode(TinyNet(), self.module, data.images, keys)
        if "updates" in surfaces:
            seeds = [derive_seed(self.seed, "client", n) for n in range(len(data))]
            made["updates"] = self.defense.client_update(
                self.module, Classes(), data.images, data.labels, seeds
            )
        return made

    def answer_scores(self, images: torch.Tensor, query: int) -> torch.Tensor:
        return self.model.log_probs(images, self.keys("defender", query, count=len(images)).normal(10))

    def answer_labels(self, images: torch.Tensor, query: int) -> torch.Tensor:
        return self.answer_scores(images, query).argmax(-1)

    def answer_protect(self, images: torch.Tensor, query: int) -> torch.Tensor:
        return self.defense.protect(images, self.keys("oracle", query, count=len(images)))

    def answer_features(self, images: torch.Tensor, query: int) -> torch.Tensor:
        keys = self.keys("encoder", query, count=len(images))
        return self.defense.encode(TinyNet(), self.module, images, keys)

    def challenge(self, game: str, needs=frozenset(), targets: tuple[str, ...] = ()) -> Challenge:
        if game in {"membership", "linkage"}:
            cls = MembershipChallenge if game == "membership" else LinkageChallenge
            return cls(self.candidates.images, self.candidates.labels)
        releases = self.releases(set(needs) & game_of(game).played_on, self.shown)
        if game == "reconstruction":
            return ReconstructionChallenge(
                self.shows, tuple(self.candidates.images.shape[1:]), releases=releases
            )
        targets = targets or ("class",)
        counts = tuple(10 if target == "class" else 2 for target in targets)
        return AttributeChallenge(self.shows, targets, counts, releases=releases)

    def view(self, game: str, needs=frozenset(), knowledge=frozenset(), pairs: int = 0) -> AdversaryView:
        """A view cut to a declaration."""
        self.port.needs = frozenset(needs)
        known = self.private[-pairs:] if pairs else self.private[:0]
        given = KnownPairs(known, Releases(self.releases(needs, known) if pairs else {}))
        return AdversaryView(
            defense=self.defense,
            game=game_of(game),
            task=Classes(),
            model=TinyNet(),
            config=TrainingConfig(),
            outputs=10,
            shape=tuple(self.candidates.images.shape[1:]),
            attribute_names=self.names,
            scale=self.scale,
            device=CPU,
            root_seed=derive_seed(self.seed, "view"),
            needs=frozenset(needs),
            knowledge=frozenset(knowledge),
            port=self.port,
            public=self.auxiliary if Knowledge.PUBLIC_PRIOR in knowledge else None,
            pairs=given if Knowledge.KNOWN_PAIRS in knowledge else None,
        )

    def view_of(self, attack: Attack | str, game: str = "") -> AdversaryView:
        """The view of an attack, cut to what it declares."""
        attack = attack_of(attack)
        played = game or min(attack.plays)
        return self.view(played, attack.required_surfaces, attack.required_knowledge, attack.required_pairs)

    def guess(self, attack: Attack | str, game: str = "", targets: tuple[str, ...] = ()) -> torch.Tensor:
        """The checked guess of an attack in the first of its games, or in ``game``."""
        attack = attack_of(attack)
        game = game or min(attack.plays)
        view = self.view_of(attack, game)
        challenge = self.challenge(game, attack.required_surfaces, targets)
        guess = game_of(game).check(challenge, attack.guess(view, challenge))
        self.log = view.log
        return guess


@dataclass
class ServicePort:
    """A port to a prediction service and shadow models that a test writes itself.

    Attributes:
        scores: (images, number of the query) -> log-probabilities.
        train_shadows: (data, count) -> shadow models.
    """

    scores: Callable[[torch.Tensor, int], torch.Tensor]
    train_shadows: Callable[[LabelledImages, int], Shadows] | None = None
    calls: int = 0

    def ask(self, surface: str, inputs: Tensors) -> Tensors:
        assert surface == "scores"
        self.calls += 1
        return {"answer": self.scores(inputs["inputs"], self.calls)}

    def released(self) -> Tensors:
        return {}

    def train(self, jobs: list[TrainingJob], text: str) -> list[TrainedModel]:
        raise NotImplementedError

    def shadows(self, data: LabelledImages, count: int) -> Shadows:
        assert self.train_shadows is not None
        return self.train_shadows(data, count)

    def progress(self, done: int, total: int, text: str) -> None:
        assert 0 <= done <= total

    def view(self, public: LabelledImages, outputs: int, seed: int) -> AdversaryView:
        """The view of a membership attack."""
        return AdversaryView(
            defense=Veil(),
            game=game_of("membership"),
            task=Classes(),
            model=TinyNet(),
            config=TrainingConfig(),
            outputs=outputs,
            shape=tuple(public.images.shape[1:]),
            attribute_names=(),
            scale="small",
            device=CPU,
            root_seed=seed,
            needs=frozenset({"scores"}),
            knowledge=frozenset({Knowledge.PUBLIC_PRIOR}),
            port=self,
            public=public,
        )


def make_world(leaky: bool = True, seed: int = 0, window: int = 4, scale: str = "smoke") -> World:
    """Real digits behind a memorising model and a pixel shuffle, or (null) behind noise."""
    data = digits()
    candidates, auxiliary = data[:600], data[600:1000]
    generator = torch.Generator().manual_seed(derive_seed(seed, "members"))
    members = torch.rand(len(candidates), generator=generator) < 0.5
    model = NeighbourModel(candidates[members] if leaky else auxiliary)
    module = build_module(TinyNet(), (1, 16, 16), 10, seed).eval()
    return World(Veil(window=window, leaky=leaky), candidates, members, auxiliary, model, module, scale, seed)


def attack_of(given: Attack | str) -> Attack:
    made = registry.create("attack", given) if isinstance(given, str) else given
    assert isinstance(made, Attack)
    return made


def game_of(name: str) -> Game:
    made = registry.create("game", name)
    assert isinstance(made, Game)
    return made


def surface_of(name: str) -> Surface:
    made = registry.create("surface", name)
    assert isinstance(made, Surface)
    return made


def auc(scores: torch.Tensor, members: torch.Tensor) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(members.numpy(), scores.numpy()))
