"""Any function over many tasks in worker processes."""

from __future__ import annotations

import os
import textwrap
import time

import pytest
import torch

from privbench.core import registry
from privbench.core.errors import TrainingDiverged, UserError
from privbench.core.images import LabelledImages
from privbench.training._portable import pack, unpack
from privbench.training.processes import run_in_processes


@pytest.fixture(autouse=True)
def two_workers(monkeypatch):
    monkeypatch.setenv("PRIVBENCH_WORKERS", "2")


def run(function, tasks):
    """What ``function`` returned for each task, and the order of finishing."""
    found, order = {}, []

    def done(index, result):
        found[index] = result
        order.append(index)

    run_in_processes(function, tasks, done)
    return [found[index] for index in range(len(found))], order


def describe(data, methods, note):
    return {
        "nested": {"images": data.images.amax((1, 2, 3)), "labels": data.labels * 2},
        "protected": methods[0].protect(data.images, methods[0].keys(3, len(data))),
        "half": data.images.to(torch.bfloat16),
        "scalar": data.labels.sum(),
        "none": data.images[:0],
        "selectors": [method.selector for method in methods],
        "note": note,
        "process": os.getpid(),
        "threads": torch.get_num_threads(),
    }


def test_structures_of_methods_and_tensors_go_there_and_back():
    images = torch.rand(6, 1, 16, 16).permute(0, 1, 3, 2)
    data = LabelledImages(images, torch.arange(6), attributes=torch.ones(6, 2, dtype=torch.int64))
    methods = [registry.create("defense", "vim[window=4,key=fixed]"), registry.create("task", "attributes")]
    results, order = run(describe, [(data[: 3 + k], methods, {"k": (k, None)}) for k in range(3)])
    assert sorted(order) == [0, 1, 2]
    for k, result in enumerate(results):
        expected = describe(data[: 3 + k], methods, {"k": (k, None)})
        assert result.pop("process") != expected.pop("process") == os.getpid()
        assert result.pop("threads") == 1
        expected.pop("threads")
        nested, other = result.pop("nested"), expected.pop("nested")
        assert all(torch.equal(nested[name], other[name]) for name in other)
        for name, value in expected.items():
            if isinstance(value, torch.Tensor):
                assert result[name].dtype == value.dtype
                assert torch.equal(result[name], value)
                assert result[name].is_contiguous()
            else:
                assert result[name] == value


def test_packed_tensors_share_nothing_and_lose_their_gradient():
    weight = torch.nn.Parameter(torch.rand(3))
    tensor = (weight * 2)[1:]
    copy = unpack(pack({"a": [tensor], "b": weight}))
    assert torch.equal(copy["a"][0], tensor.detach())
    assert not copy["a"][0].requires_grad
    assert isinstance(copy["b"], torch.nn.Parameter)
    copy["a"][0].zero_()
    assert tensor.abs().sum() > 0


def sleep(seconds):
    time.sleep(seconds)
    return seconds


def test_results_come_in_the_order_of_finishing():
    run(sleep, [(0.0,), (0.0,)])
    results, order = run(sleep, [(1.0,), (0.0,), (0.1,)])
    assert results == [1.0, 0.0, 0.1]
    assert order == [1, 2, 0]


def test_tasks_without_a_length_are_taken_shortly_before_they_start():
    taken = 0

    def tasks():
        nonlocal taken
        for number in range(12):
            taken += 1
            yield (0.01 * number,)

    ahead = []
    run_in_processes(sleep, tasks(), lambda index, _: ahead.append(taken - len(ahead)))
    assert len(ahead) == taken == 12
    assert max(ahead) <= 6
    assert run(sleep, []) == ([], [])


def fail(kind):
    raise TrainingDiverged("too far") if kind == "known" else UserError("not so")


@pytest.mark.parametrize(("kind", "error"), [("known", TrainingDiverged), ("other", UserError)])
def test_what_a_call_raises_is_raised_here(kind, error):
    with pytest.raises(error):
        run(fail, [(kind,), (kind,)])
    assert run(sleep, [(0.0,)])[0] == [0.0]


PLUGIN = """
import torch
from pydantic import Field
from privbench import ImageDefense, register
from {helper} import darker

@register("dark")
class Dark(ImageDefense):
    '''Darkens.'''

    amount: float = Field(0.5, gt=0, le=1)

    def protect(self, images, keys):
        return darker(images, self.amount)
"""


def protect(defense, images):
    return {"images": defense.protect(images, None), "defense": defense}


def test_a_plugin_and_the_files_beside_it_work_in_processes_that_are_older(tmp_path):
    run(sleep, [(0.0,), (0.0,)])
    helper = f"helper_{os.getpid()}"
    (tmp_path / f"{helper}.py").write_text("def darker(images, amount):\n    return images * amount\n")
    (tmp_path / "dark.py").write_text(textwrap.dedent(PLUGIN.format(helper=helper)))
    defense = registry.create("defense", f"{tmp_path}/dark.py:Dark[amount=0.25]")
    images = torch.rand(2, 1, 8, 8)
    results, _ = run(protect, [(defense, images)] * 2)
    for result in results:
        assert torch.equal(result["images"], images * 0.25)
        # The very class of this process, not a copy of it.
        assert result["defense"] == defense
        assert type(result["defense"]) is type(defense)
