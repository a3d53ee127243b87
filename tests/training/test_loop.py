from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from privbench.core.errors import CorruptArtefact, DataError, TrainingDiverged
from privbench.core.training import TrainingConfig, TrainingJob
from privbench.tasks.classes import Classes
from privbench.training.augment import MAX_SHIFT, Augmentation
from privbench.training.modules import build_module, load_module
from privbench.training.plan import epochs, learning_rates
from privbench.training.predict import answers
from privbench.training.train import train

SHAPE = (1, 8, 8)


def test_a_small_cnn_learns_real_digits(make_job, digits, tiny):
    job = make_job(count=1200, epochs=15)
    calls: list[tuple[int, int]] = []
    trained = train(job, "cpu", lambda done, total: calls.append((done, total)))
    module = load_module(tiny(), SHAPE, 10, trained.weights, "cpu")
    images, labels = (values[1200:] for values in digits)
    accuracy = float((answers(module, images, Classes()).argmax(1) == labels).float().mean())
    assert accuracy > 0.9
    assert calls == [(e, 15) for e in range(1, 16)]
    assert len(trained.losses) == 15
    assert trained.losses[-1] < trained.losses[0] / 2
    assert trained.guarantee == {}
    assert trained.seconds > 0


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_agrees_with_a_plain_loop(make_job, tiny, optimizer):
    job = make_job(
        dtype=torch.float64, epochs=3, versions=2, optimizer=optimizer, lr=0.01, weight_decay=0.01,
        label_smoothing=0.1, warmup_steps=2,
    )  # fmt: skip
    trained = train(job, "cpu")
    module = build_module(tiny(), SHAPE, 10, job.seed).double()
    if optimizer == "sgd":
        reference = torch.optim.SGD(module.parameters(), lr=0.01, momentum=0.9, weight_decay=0.01)
    else:
        reference = torch.optim.Adam(module.parameters(), lr=0.01, weight_decay=0.01)
    rates = iter(learning_rates(job.config, 12))
    for epoch in epochs(job):
        losses = []
        for batch in epoch.batches:
            reference.param_groups[0]["lr"] = next(rates)
            reference.zero_grad()
            loss = torch.nn.functional.cross_entropy(
                module(job.images[epoch.version][batch]), job.labels[batch], label_smoothing=0.1
            )
            loss.backward()
            reference.step()
            losses.append(float(loss.detach()) * len(batch))
    for name, value in module.state_dict().items():
        assert torch.allclose(trained.weights[name], value, rtol=1e-10, atol=1e-12)
    assert trained.losses[-1] == pytest.approx(sum(losses) / 120, rel=1e-10)


def test_same_seed_same_bytes_and_no_trace_in_the_global_state(make_job, tiny):
    model = tiny(norm="batch", dropout=0.5)
    torch.manual_seed(5)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    one = train(make_job(seed=3, model=model, augment=True), "cpu")
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads
    torch.rand(10)
    other = train(make_job(seed=3, model=model, augment=True), "cpu")
    assert all(torch.equal(one.weights[k], other.weights[k]) for k in one.weights)
    assert one.losses == other.losses
    different = train(make_job(seed=4, model=model, augment=True), "cpu")
    assert not torch.equal(one.weights["0.weight"], different.weights["0.weight"])


def test_versions_take_turns_by_epoch(make_job):
    job = make_job(versions=3, epochs=7)
    assert [epoch.version for epoch in epochs(job)] == [0, 1, 2, 0, 1, 2, 0]
    two = make_job(versions=2, epochs=2)
    same = type(two)(**{**vars(two), "images": two.images[[0, 0]]})
    assert train(two, "cpu").losses[0] == train(same, "cpu").losses[0]
    assert train(two, "cpu").losses[1] != train(same, "cpu").losses[1]


@settings(max_examples=30, deadline=None)
@given(count=st.integers(1, 200), batch_size=st.integers(1, 64), seed=st.integers(0, 2**62))
def test_an_epoch_is_a_permutation_in_even_batches(count, batch_size, seed):
    config = TrainingConfig(epochs=2, batch_size=batch_size)
    images, labels = torch.zeros(1, count, 1, 1, 1), torch.zeros(count, dtype=torch.int64)
    job = TrainingJob(
        model=None, task=Classes(), config=config, images=images, labels=labels, outputs=1, seed=seed
    )
    for epoch in epochs(job):
        sizes = [len(batch) for batch in epoch.batches]
        assert len(sizes) == math.ceil(count / batch_size)
        assert max(sizes) <= batch_size
        assert max(sizes) - min(sizes) <= 1
        assert torch.equal(torch.cat(epoch.batches).sort().values, torch.arange(count))


def test_a_batch_normalised_model_survives_one_sample_too_many(make_job, tiny):
    assert len(train(make_job(count=65, batch_size=64, model=tiny(norm="batch")), "cpu").losses) == 2


def test_learning_rates():
    cosine = learning_rates(TrainingConfig(lr=1.0, warmup_steps=4), 14)
    assert cosine[:5] == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0])
    assert cosine[9] == pytest.approx(0.5)
    assert 0 < cosine[-1] < 0.05
    reference = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(reference, T_max=10)
    for rate in cosine[4:]:
        assert rate == pytest.approx(schedule.get_last_lr()[0])
        reference.step()
        schedule.step()
    assert learning_rates(TrainingConfig(lr=0.3, schedule="constant"), 3) == [0.3] * 3
    assert learning_rates(TrainingConfig(lr=1.0, warmup_steps=10), 2) == pytest.approx([0.1, 0.2])


@pytest.mark.parametrize("settings_", [{"lr": 1e30}, {"lr": 1e20, "optimizer": "st-adam"}])
def test_divergence_is_named(make_job, settings_):
    with pytest.raises(TrainingDiverged, match=r"'tiny-cnn' diverged in epoch \d of 3.*Try a lower lr"):
        train(make_job(epochs=3, schedule="constant", **settings_), "cpu")


def test_divergence_in_the_very_last_step_is_noticed(make_job):
    # One step: its loss is finite, the weights after it are not.
    job = make_job(epochs=1, batch_size=120, dtype=torch.float32, lr=1e39, schedule="constant")
    with pytest.raises(TrainingDiverged):
        train(job, "cpu")


def test_bad_data_are_refused(make_job):
    job = make_job()
    for change, message in (
        ({"images": job.images[0]}, "versions, N, C, H, W"),
        ({"images": job.images[:0]}, "versions, N, C, H, W"),
        ({"images": job.images.to(torch.uint8)}, "must be floats"),
        ({"labels": job.labels[:5]}, r"int64 of shape \[120\]"),
        ({"labels": job.labels.float()}, "int64"),
        ({"images": job.images[:, :0], "labels": job.labels[:0]}, "no training images"),
        ({"outputs": 3}, "from 0 to 2"),
    ):
        with pytest.raises(DataError, match=message):
            train(type(job)(**{**vars(job), **change}), "cpu")


def test_augmentation_agrees_with_a_slow_loop():
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(40, 2, 6, 7, generator=generator)
    augmentation = Augmentation.draw(40, True, generator)
    result = augmentation.apply(images)
    for i in range(40):
        down, right = augmentation.shifts[i].tolist()
        for y in range(6):
            for x in range(7):
                sy, sx = y - down, x - right
                inside = 0 <= sy < 6 and 0 <= sx < 7
                if augmentation.flips[i]:
                    sx = 6 - sx
                expected = images[i, :, sy, sx] if inside else torch.zeros(2)
                assert torch.equal(result[i, :, y, x], expected)


def test_augmentation_draws_every_shift_and_depends_on_no_batch():
    augmentation = Augmentation.draw(4000, True, torch.Generator().manual_seed(1))
    values, counts = augmentation.shifts.unique(return_counts=True)
    assert values.tolist() == list(range(-MAX_SHIFT, MAX_SHIFT + 1))
    assert counts.min() > 1400
    assert 0.45 < float(augmentation.flips.float().mean()) < 0.55
    assert not Augmentation.draw(100, False, torch.Generator()).flips.any()
    images = torch.rand(50, 1, 5, 5, generator=torch.Generator().manual_seed(2))
    index = torch.randperm(50)[:20]
    part = augmentation[torch.arange(50)]
    assert torch.equal(part[index].apply(images[index]), part.apply(images)[index])
    assert part[index[:0]].apply(images[:0]).shape == (0, 1, 5, 5)


def test_build_module_depends_on_the_seed_alone(tiny):
    before = torch.get_rng_state()
    one = build_module(tiny(), SHAPE, 10, 7).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(3)
    same, other = (build_module(tiny(), SHAPE, 10, seed).state_dict() for seed in (7, 8))
    assert all(torch.equal(one[k], same[k]) for k in one)
    assert not torch.equal(one["0.weight"], other["0.weight"])


def test_load_module_evaluates_and_refuses_other_weights(make_job, tiny):
    trained = train(make_job(epochs=1), "cpu")
    module = load_module(tiny(), SHAPE, 10, trained.weights, "cpu")
    assert not module.training
    with torch.no_grad():
        next(module.parameters()).zero_()
    assert trained.weights["0.weight"].abs().sum() > 0
    with pytest.raises(CorruptArtefact, match="do not fit the model 'tiny-cnn"):
        load_module(tiny(width=6), SHAPE, 10, trained.weights, "cpu")


def test_answers(tiny, digits):
    module = build_module(tiny(norm="batch", dropout=0.5), SHAPE, 10, 0)
    images = digits[0][:70]
    result = answers(module, images, Classes(), batch_size=16)
    assert module.training
    assert result.dtype == torch.float32
    assert result.shape == (70, 10)
    assert not result.is_inference()
    assert torch.allclose(result, answers(module, images, Classes()), atol=1e-5)
    assert torch.allclose(result.exp().sum(1), torch.ones(70), atol=1e-5)
    with torch.no_grad():
        assert torch.allclose(result, module.eval()(images).log_softmax(1), atol=1e-5)
    assert answers(module, images[:0], Classes()).shape == (0, 10)
