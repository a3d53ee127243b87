import numpy as np
import torch
from scipy import stats

from privbench.core.keys import Keys, mix
from privbench.core.seeds import derive_seed

MASK = (1 << 64) - 1


def splitmix64_reference(value: int) -> int:
    """SplitMix64's finaliser with Python's unbounded integers."""
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)


def test_mix_equals_unbounded_integer_arithmetic():
    values = [0, 1, 2**63 - 1, -1, -(2**63), 123456789, -987654321]
    got = mix(torch.tensor(values)).tolist()
    expected = [splitmix64_reference(v & MASK) for v in values]
    assert [g & MASK for g in got] == expected


def test_published_splitmix64_stream():
    # First outputs of SplitMix64 seeded with 1234567, as published with the reference implementation.
    expected = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    got = Keys(torch.tensor([1234567])).bits(3)[0].tolist()
    assert [g & MASK for g in got] == expected


def test_batches_and_order_do_not_matter():
    keys = Keys.fresh(3, 10)
    whole = keys.uniform(4, 5)
    assert torch.equal(torch.cat([keys[:3].uniform(4, 5), keys[3:].uniform(4, 5)]), whole)
    assert torch.equal(keys[torch.tensor([7, 1])].uniform(4, 5), whole[[7, 1]])


def test_uniform_and_normal_have_their_distributions():
    keys = Keys.fresh(1, 64)
    assert stats.kstest(keys.uniform(2000).flatten().numpy(), "uniform").pvalue > 1e-3
    assert stats.kstest(keys.normal(2000).flatten().numpy(), "norm").pvalue > 1e-3
    assert keys.uniform(2000).min() >= 0
    assert keys.uniform(2000).max() < 1
    assert torch.isfinite(keys.normal(5000)).all()


def test_permutations_are_uniform():
    permutations = Keys.fresh(5, 12000).permutation(3)
    codes = (permutations * torch.tensor([9, 3, 1])).sum(1).numpy()
    _, counts = np.unique(codes, return_counts=True)
    assert len(counts) == 6
    assert stats.chisquare(counts).pvalue > 1e-3


def test_fixed_keys_repeat_and_fresh_keys_differ():
    assert Keys.fixed(2, 6).values.unique().numel() == 1
    assert Keys.fresh(2, 1000).values.unique().numel() == 1000
    assert not torch.equal(Keys.fresh(2, 6).values, Keys.fresh(3, 6).values)
    child = Keys.fresh(2, 6).child(1)
    assert not torch.equal(child.values, Keys.fresh(2, 6).values)


def test_seeds_depend_on_every_axis_and_its_type():
    seeds = {derive_seed(0, "a"), derive_seed(1, "a"), derive_seed(0, "b"), derive_seed(0, "a", "b"),
             derive_seed(0, "ab"), derive_seed(0, "a", 1), derive_seed(0, "a", "1")}  # fmt: skip
    assert len(seeds) == 7
    assert all(0 <= s < 2**63 for s in seeds)
