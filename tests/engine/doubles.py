"""Games, surfaces, defenses and attacks that are to come, in small: see ``test_shapes``."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from privbench import (
    Attack,
    Case,
    Challenge,
    Defense,
    Game,
    Knowledge,
    MeanMetric,
    Surface,
    Truth,
    checked,
    clusters_of,
    register,
)
from privbench.core.training import TrainedModel


def mean_metric(name, subject, values, higher_is="leak"):
    cls = type(
        name.title().replace("-", ""),
        (MeanMetric,),
        {
            "__module__": __name__,
            "__doc__": "A test.",
            "subject": subject,
            "higher_is": higher_is,
            "rates": True,
            "headline": True,
            "values": values,
        },
    )
    return register(name)(cls)


# Ciphertexts: an oracle that answers on what it cannot read.


@register("toy-ciphertexts")
class ToyCiphertexts(Surface):
    """Images under a one-time pad, and the sum of any two of them modulo 1, computed on the pads."""

    asks = ("encrypt",)
    oracle = True

    def release(self, deployment, data, index):
        return deployment.defense.encrypt(data.images, deployment.keys_seed)[index]

    def answer(self, deployment, inputs, query):
        return {"answer": (inputs["left"] + inputs["right"]) % 1}

    def cost(self, inputs):
        return len(inputs["left"])

    def open(self, view, ask):
        return lambda left, right: ask({"left": left, "right": right})["answer"]


@register("one-time-pad")
class OneTimePad(Defense):
    """Adds uniform noise modulo 1: releases nothing."""

    source = "Shannon 1949"
    surfaces = frozenset({"toy-ciphertexts"})

    def fit(self, private, public, trainer):
        module = self.module(trainer.model, trainer.shape, trainer.outputs)
        return TrainedModel(dict(module.state_dict()), (), 0.0, {})

    def encrypt(self, images, seed):
        return (images + self.keys(seed, len(images)).uniform(*images.shape[1:])) % 1


@register("secret-images")
class SecretImages(Game):
    """What is under the ciphertexts?"""

    source = "a test"
    subject = "reconstruction"
    played_on = frozenset({"toy-ciphertexts"})

    def challenge(self, case: Case, surfaces):
        return Secret(len(case.shown), releases=case.released(surfaces, case.shown))

    def truth(self, case):
        shown = case.parts.private[case.shown].to("cpu")
        return Truth(originals=shown, clusters=clusters_of(shown))

    def check(self, challenge, guess):
        return checked(guess, (len(challenge), 1, 28, 28)).float().clamp(0, 1)

    def floor(self, view, challenge, aim):
        return view.auxiliary.images.mean(0).expand(len(challenge), -1, -1, -1).clone()


@dataclass(frozen=True)
class Secret(Challenge):
    count: int

    def __len__(self):
        return self.count


@register("ciphertext-reader")
class CiphertextReader(Attack):
    """Takes ciphertexts for images, and asks the oracle."""

    source = "a test"
    games = frozenset({"secret-images"})
    needs = frozenset({"toy-ciphertexts"})

    def guess(self, view, challenge):
        released = challenge.released
        assert released.shape == (len(challenge), 1, 28, 28)
        added = getattr(view, "toy-ciphertexts")(released, torch.zeros_like(released))
        assert torch.equal(added, released % 1)
        return released


# Several releases of one original, and a guess matched as a set.

GROUP = 4


@dataclass(frozen=True)
class SetChallenge(Challenge):
    groups: int

    def __len__(self):
        return self.groups


@register("albums")
class Albums(Game):
    """Groups of releases in random order: which images are in each album, in whatever order?"""

    source = "a test"
    subject = "album-error"
    played_on = frozenset({"images"})

    def challenge(self, case, surfaces):
        groups = len(case.shown) // GROUP
        releases = case.released(surfaces, case.shown[: groups * GROUP])
        return SetChallenge(
            groups, releases={n: t.unflatten(0, (groups, GROUP)) for n, t in releases.items()}
        )

    def truth(self, case):
        groups = len(case.shown) // GROUP
        images = case.parts.private[case.shown[: groups * GROUP]].images
        return Truth(other={"albums": images.cpu().unflatten(0, (groups, GROUP)).flip(1)})

    def check(self, challenge, guess):
        return checked(guess, (len(challenge), GROUP, 1, 28, 28)).float()

    def floor(self, view, challenge, aim):
        return view.auxiliary.images.mean(0).expand(len(challenge), GROUP, -1, -1, -1).clone()


def album_error(self, truth, guess, context):
    from scipy.optimize import linear_sum_assignment

    errors = torch.cdist(guess.flatten(2), truth.other["albums"].flatten(2)).numpy()
    return torch.tensor([cost[linear_sum_assignment(cost)].mean() for cost in errors])


mean_metric("album-error", "album-error", album_error, "private")


@register("album-copier")
class AlbumCopier(Attack):
    """Takes releases for originals."""

    source = "a test"
    games = frozenset({"albums"})
    needs = frozenset({"images"})

    def guess(self, view, challenge):
        return challenge.released


# Class inversion: an image of a class, whoever it shows.


@dataclass(frozen=True)
class ClassChallenge(Challenge):
    classes: int

    def __len__(self):
        return self.classes


@register("class-images")
class ClassImages(Game):
    """What does each class look like? Scored by an independent classifier."""

    source = "a test"
    subject = "class-recognition"
    played_on = frozenset({"weights", "scores"})

    def challenge(self, case, surfaces):
        return ClassChallenge(len(case.parts.class_names))

    def truth(self, case):
        return Truth(other={"classes": torch.arange(len(case.parts.class_names))})

    def check(self, challenge, guess):
        return checked(guess, (len(challenge), 1, 28, 28)).float().clamp(0, 1)

    def floor(self, view, challenge, aim):
        return view.auxiliary.images.mean(0).expand(len(challenge), -1, -1, -1).clone()


def recognised(self, truth, guess, context):
    return (context.judge(guess).argmax(1).cpu() == truth.other["classes"]).double()


mean_metric("class-recognition", "class-recognition", recognised).needs_judge = True


@register("pixel-ascent")
class PixelAscent(Attack):
    """Follows the model's gradient to images that it is sure of."""

    source = "a test"
    games = frozenset({"class-images"})
    needs = frozenset({"weights"})
    knowledge = frozenset({Knowledge.PUBLIC_PRIOR, Knowledge.WHITE_BOX})

    def guess(self, view, challenge):
        module = view.weights()
        images = view.auxiliary.images.mean(0).expand(len(challenge), -1, -1, -1).clone().requires_grad_()
        wanted = torch.arange(len(challenge))
        optimizer = torch.optim.Adam([images], lr=0.05)
        for _ in range(60):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(module(images), wanted).backward()
            optimizer.step()
            images.data.clamp_(0, 1)
        return images


# Probe × gallery: which row of the gallery shows the same as each probe?


@dataclass(frozen=True)
class GalleryChallenge(Challenge):
    gallery: torch.Tensor

    def __len__(self):
        return len(self.releases["images"])


@register("gallery")
class Gallery(Game):
    """Released probes against a clean gallery; the guess is a similarity [probes, gallery]."""

    source = "a test"
    subject = "rank-1"
    played_on = frozenset({"images"})

    def challenge(self, case, surfaces):
        everyone = case.parts.private.images.cpu()[case.order.sort().values]
        probes = case.shown
        return GalleryChallenge(everyone, releases=case.released(surfaces | {"images"}, probes))

    def truth(self, case):
        return Truth(other={"row": case.shown})

    def check(self, challenge, guess):
        return checked(guess, (len(challenge), len(challenge.gallery))).double()

    def floor(self, view, challenge, aim):
        return torch.zeros(len(challenge), len(challenge.gallery))


def rank_one(self, truth, guess, context):
    own = guess.gather(1, truth.other["row"][:, None])
    ahead, tied = (guess > own).sum(1), (guess == own).sum(1)
    return ((1 - ahead).clamp(min=0) / tied).double()


mean_metric("rank-1", "rank-1", rank_one)


@register("nearest")
class Nearest(Attack):
    """Compares pixels."""

    source = "a test"
    games = frozenset({"gallery"})
    needs = frozenset({"images"})

    def guess(self, view, challenge):
        return -torch.cdist(challenge.released.flatten(1), challenge.gallery.flatten(1))


# Regression of features, of test-time images of people who are known and who are not.


@dataclass(frozen=True)
class RegressionChallenge(Challenge):
    width: int

    def __len__(self):
        return len(next(iter(self.releases.values())))


@register("feature-regression")
class FeatureRegression(Game):
    """What are the undefended features (here: row means) of images seen at test time?"""

    source = "a test"
    subject = "regression-error"
    played_on = frozenset({"images"})

    def challenge(self, case, surfaces):
        test = case.parts.test
        index = torch.arange(len(test))
        return RegressionChallenge(
            28, releases={n: case.release(n, test, index) for n in surfaces or {"images"}}
        )

    def truth(self, case):
        test = case.parts.test
        known = torch.isin(test.labels, torch.arange(5))
        rows = test.images.mean(3)[:, 0].cpu()
        return Truth(other={"rows": rows}, groups={"known classes": known, "unseen classes": ~known})

    def check(self, challenge, guess):
        return checked(guess, (len(challenge), challenge.width)).double()

    def floor(self, view, challenge, aim):
        return view.auxiliary.images.mean((0, 1, 3)).expand(len(challenge), -1).clone()


def regression_error(self, truth, guess, context):
    return (truth.other["rows"].double() - guess).square().mean(1)


mean_metric("regression-error", "regression-error", regression_error, "private")


@register("row-means")
class RowMeans(Attack):
    """Takes row means of the release."""

    source = "a test"
    games = frozenset({"feature-regression"})
    needs = frozenset({"images"})

    def guess(self, view, challenge):
        return challenge.released.mean(3)[:, 0]
