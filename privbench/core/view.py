"""The adversary's view: what an attack declared, and nothing else.

A view lives where the attack runs. It holds public things and the adversary's own; whatever belongs
to the deployment is asked for through a port, whose other end counts and refuses. What the attack did
not declare is absent, with an error that names the declaration to add.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, NoReturn, cast

import torch

from privbench.core import registry
from privbench.core.defense import Defense
from privbench.core.errors import NotDeclared, SurfaceMissing
from privbench.core.images import LabelledImages
from privbench.core.keys import Keys
from privbench.core.model import Model
from privbench.core.port import Ask, Opener, Played, Port, Shadows
from privbench.core.protection import protected_under
from privbench.core.releases import Releases
from privbench.core.scale import Scale
from privbench.core.seeds import derive_seed
from privbench.core.task import Task
from privbench.core.threat import Knowledge
from privbench.core.training import TrainedModel, TrainingConfig, TrainingJob


@dataclass(frozen=True)
class KnownPairs:
    """Private data that the adversary knows.

    Attributes:
        originals: the private images.
        releases: surface -> what was released for them, in the same order.
    """

    originals: LabelledImages
    releases: dict[str, torch.Tensor]

    def __len__(self) -> int:
        return len(self.originals)


@dataclass
class AdversaryView:
    """What one adversary sees of one deployment.

    Surfaces that the attack declares are attributes by their names: ``view.scores(images)`` queries
    the prediction service, ``view.protect(images)`` the protection oracle, ``view.weights()`` gives a
    copy of the model, ``view.features(images)`` asks the encoder. Queries are counted.

    Attributes:
        defense: the declaration of the defense, with its hyperparameters; not its keys or data.
        game: the game that is played.
        task, model, config, outputs, shape: how models are taught here, which is public too.
        attribute_names: names of the attributes in ``auxiliary``, if any.
        scale: how much budget the attack may spend.
        device: where tensors live and are computed on.
        root_seed: all of the adversary's randomness derives from it.
        needs, knowledge: what the attack declares.
        port: the way to the engine; use the methods below.
        log: learning curves and remarks, kept in the record; a curve named ``loss`` is checked
            for having converged, unless ``stopped`` says, by 1 or 0, whether held-out data gained no more.
    """

    defense: Defense
    game: Played
    task: Task
    model: Model
    config: TrainingConfig
    outputs: int
    shape: tuple[int, int, int]
    attribute_names: tuple[str, ...]
    scale: Scale
    device: torch.device
    root_seed: int
    needs: frozenset[str]
    knowledge: frozenset[Knowledge]
    port: Port
    public: LabelledImages | None = None
    pairs: KnownPairs | None = None
    log: dict[str, list[float]] = field(default_factory=dict)

    @property
    def classes(self) -> int:
        """How many classes the task has: the width of the models' answers."""
        return self.outputs

    @property
    def auxiliary(self) -> LabelledImages:
        """Public data of the same kind, disjoint from the private data.

        Raises:
            NotDeclared: the attack does not declare that its adversary has a public prior.
        """
        if self.public is None or Knowledge.PUBLIC_PRIOR not in self.knowledge:
            self._undeclared("auxiliary data", Knowledge.PUBLIC_PRIOR)
        return self.public

    @cached_property
    def released(self) -> dict[str, torch.Tensor]:
        """The whole release of all private data, in random order: surface -> [M, ...].

        Raises:
            NotDeclared: the attack declares no surface that releases something in this game.
        """
        found = self.port.released()
        if not found:
            shown = ", ".join(sorted(self.game.played_on))
            raise NotDeclared(
                f"this attack sees no release: the {self.game.registry_name} game is played on {shown}; add "
                'the one that it reads to `needs`, such as needs = {"images"}.'
            )
        return Releases({name: tensor.to(self.device) for name, tensor in found.items()})

    def seed(self, *axes: str | int) -> int:
        """A seed of the adversary's own for the stream named by ``axes``."""
        return derive_seed(self.root_seed, *axes)

    def known_pairs(self, count: int) -> KnownPairs:
        """The first ``count`` known pairs.

        Raises:
            NotDeclared: the attack does not declare known pairs, or fewer than ``count``.
        """
        if self.pairs is None or Knowledge.KNOWN_PAIRS not in self.knowledge:
            self._undeclared("known pairs", Knowledge.KNOWN_PAIRS)
        if count > len(self.pairs):
            raise NotDeclared(
                f"this adversary knows {len(self.pairs)} pairs, not {count}: set `pairs = {count}` in the "
                "attack."
            )
        few = slice(0, count)
        releases = Releases({name: tensor[few] for name, tensor in self.pairs.releases.items()})
        return KnownPairs(self.pairs.originals[few], releases)

    def simulate(self, images: torch.Tensor, *axes: str | int) -> torch.Tensor:
        """Protect ``images`` by the public algorithm with keys of the adversary's own, one an image.

        Other ``axes`` give other keys; this costs no query. A key for each image also where the
        defender reuses one, which the adversary does not know: what learns from images under a handful
        of shared keys learns these keys, and not to undo unknown ones.

        Raises:
            NotDeclared: the attack does not declare a public prior, without which there is nothing to
                simulate with.
        """
        if Knowledge.PUBLIC_PRIOR not in self.knowledge:
            self._undeclared("simulation on data of its own", Knowledge.PUBLIC_PRIOR)
        keys = Keys.fresh(self.seed("simulate", *axes), len(images), images.device)
        return protected_under(self.defense, images, keys)

    def shadows(self, data: LabelledImages, count: int) -> Shadows:
        """Train ``count`` models through the defense, each on a random half of ``data``.

        All attacks that ask for the same data and number get the same models, trained once.

        Raises:
            NotDeclared: the attack does not declare a public prior.
        """
        if Knowledge.PUBLIC_PRIOR not in self.knowledge:
            self._undeclared("shadow models", Knowledge.PUBLIC_PRIOR)
        return self.port.shadows(data, count)

    def train(self, jobs: Sequence[TrainingJob], text: str = "models") -> list[TrainedModel]:
        """Train models, outside of this process and as many at once as the machine takes.

        Models must be the run's own (``view.model``) or among what the attack declares in ``uses``.
        """
        return self.port.train(list(jobs), text)

    def progress(self, done: int, total: int, text: str) -> None:
        """Say how far long work is."""
        self.port.progress(done, total, text)

    def __getattr__(self, name: str) -> Any:
        # Reached for what is no attribute: the surfaces, by their names.
        if name.startswith("_") or name not in registry.known("surface"):
            raise AttributeError(f"a view has no attribute {name!r}")
        return self._opened[name] if name in self._opened else self._closed(name)

    @cached_property
    def _opened(self) -> dict[str, Any]:
        opened: dict[str, Any] = {}
        for name in sorted(self.needs):
            surface = cast("Opener", registry.create("surface", name))
            ask: Ask = partial(self.port.ask, name)
            opened[name] = surface.open(self, ask)
        return opened

    def _closed(self, name: str) -> NoReturn:
        if name in self.defense.exposes:
            raise SurfaceMissing(
                f"this attack does not declare the surface {name!r}: add it to `needs`, as in "
                f'needs = {{"{name}"}}.'
            )
        raise SurfaceMissing(f"the defense {self.defense.selector!r} does not expose the surface {name!r}.")

    def _undeclared(self, what: str, knowledge: Knowledge) -> NoReturn:
        raise NotDeclared(
            f"this attack does not declare that its adversary has {what}: add Knowledge.{knowledge.name} to "
            f"`knowledge`, as in knowledge = frozenset({{Knowledge.{knowledge.name}}})."
        )
