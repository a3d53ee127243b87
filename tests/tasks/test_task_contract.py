"""Laws that hold for every task of the catalogue."""

from __future__ import annotations

import pytest
import torch

from privbench.core import registry
from privbench.core.criterion import PerSampleLoss
from privbench.core.dataset import Dataset
from privbench.core.errors import DataError, PrivbenchError
from privbench.core.images import LabelledImages
from privbench.core.task import Task

COUNT = 24


def dataset() -> Dataset:
    draw = torch.Generator().manual_seed(0)
    data = LabelledImages(
        torch.rand(COUNT, 1, 8, 8, generator=draw),
        torch.arange(COUNT) % 3,
        attributes=torch.randint(0, 2, (COUNT, 4), generator=draw),
    )
    return Dataset(data, ("a", "b", "c"), ("w", "x", "y", "z"), False, "")


@pytest.fixture(params=[name for name in registry.names("task") if registry.find("task", name).teaches])
def task(request) -> Task:
    return registry.create("task", request.param)


@pytest.fixture
def case(task):
    found = dataset()
    width = task.outputs(found)
    outputs = torch.randn(COUNT, width, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return task.labels(found.data), outputs


def test_a_dataset_s_own_labels_pass_the_task_s_own_check(task, case):
    labels, outputs = case
    task.check(labels, COUNT, outputs.shape[1])


def test_labels_of_a_part_are_the_part_of_the_labels(task):
    data, index = dataset().data, torch.tensor([5, 2, 9])
    assert torch.equal(task.labels(data[index]), task.labels(data)[index])


def test_reductions_agree_and_may_be_set_later(task, case):
    labels, outputs = case
    criterion = task.criterion(reduction="none")
    each = criterion(outputs, labels)
    assert each.shape == (COUNT,)
    assert each.std() > 0
    assert task.criterion().reduction == "mean"
    for reduction, expected in (("mean", each.mean()), ("sum", each.sum()), ("none", each)):
        criterion.reduction = reduction
        assert torch.allclose(criterion(outputs, labels), expected, rtol=1e-12)
        assert torch.allclose(task.criterion(reduction=reduction)(outputs, labels), expected, rtol=1e-12)


def test_a_sample_s_loss_is_its_own(task, case):
    labels, outputs = case
    each = task.criterion(reduction="none")(outputs, labels)
    alone = torch.cat(
        [task.criterion(reduction="none")(outputs[i : i + 1], labels[i : i + 1]) for i in range(COUNT)]
    )
    assert torch.allclose(each, alone, rtol=1e-12)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_loss_has_a_right_gradient_in_every_output(task, case, smoothing):
    labels, outputs = case
    criterion = task.criterion(smoothing)
    outputs = outputs.clone().requires_grad_()
    criterion(outputs, labels).backward()
    assert (outputs.grad != 0).all()
    assert torch.autograd.gradcheck(lambda x: criterion(x, labels), outputs)


def test_label_smoothing_punishes_certainty(task, case):
    labels, _ = case
    found = dataset()
    certain = torch.zeros(COUNT, task.outputs(found), dtype=torch.float64)
    criterion, optimum = task.criterion(), certain.requires_grad_()
    optimizer = torch.optim.SGD([optimum], lr=100.0)
    for _ in range(100):
        optimizer.zero_grad()
        criterion(optimum, labels).backward()
        optimizer.step()
    plain, smoothed = (task.criterion(s)(optimum.detach(), labels) for s in (0.0, 0.1))
    assert smoothed > plain + 0.1


def test_the_loss_runs_under_vmap(task, case):
    labels, outputs = case
    criterion = task.criterion(0.1, reduction="none")
    stacked = torch.func.vmap(criterion)(outputs.view(2, 12, -1), labels.view(2, 12, *labels.shape[1:]))
    assert torch.allclose(stacked.flatten(), criterion(outputs, labels), rtol=1e-12)


def test_answers_are_log_probabilities_in_the_outputs_type(task, case):
    _, outputs = case
    answer = task.answer(outputs)
    assert len(answer) == COUNT
    assert answer.dtype == outputs.dtype
    assert torch.allclose(answer.exp().sum(-1), torch.ones_like(answer[..., 0]))
    far = task.answer(torch.full_like(outputs, -200.0).index_fill(1, torch.tensor([0]), 200.0))
    assert torch.isfinite(far).all(), "membership attacks read the far tails"


def test_bad_labels_are_refused(task, case):
    labels, outputs = case
    width = outputs.shape[1]
    for bad, count in (
        (labels, COUNT + 1),
        (labels[:-1], COUNT),
        (labels[None], COUNT),
        (labels - 5, COUNT),
        (labels + 5, COUNT),
        (labels.to(torch.int32), COUNT),
        (labels.bool(), COUNT),
        (labels * torch.nan, COUNT),
    ):
        with pytest.raises(DataError, match=r"must (be|have)"):
            task.check(bad, count, width)
    with pytest.raises(DataError, match=r"must (be|have)"):
        task.check(labels, COUNT, 1)


def test_usefulness_is_measured_and_one_figure_is_shown_first(task):
    metrics = [registry.find("metric", name) for name in registry.names("metric")]
    own = [metric for metric in metrics if metric.subject == task.utility]
    assert [metric.headline for metric in own].count(True) == 1
    assert {metric.higher_is for metric in own} == {"better"}
    assert not any(metric.rates for metric in own)


def test_per_sample_losses_of_the_wrong_shape_or_reduction_are_refused():
    outputs = torch.zeros(4, 2)
    with pytest.raises(PrivbenchError, match=r"shape \(4, 2\) for 4 samples; expected \(4,\)"):
        PerSampleLoss(lambda outputs, labels: outputs)(outputs, outputs)
    with pytest.raises(PrivbenchError, match="reduction='max'"):
        PerSampleLoss(lambda outputs, labels: outputs[:, 0], "max")(outputs, outputs)
