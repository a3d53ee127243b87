"""Labels from the update of a last linear layer."""

from __future__ import annotations

import torch

from privbench.core.errors import PrivbenchError


def labels_from_last_layer(module: torch.nn.Module, sent: torch.Tensor) -> torch.Tensor:
    """The label behind each update of a single image: exact without noise.

    The last layer's gradient is p - y in its bias, and (p - y) times the features in its weights, where
    only the true class's entry of p - y is negative. So the bias of the true class alone rises; without a
    bias, the true class's weights move against those of all others (with two classes, where that tells
    nothing, they rise in sum, as features after a ReLU are positive).

    Args:
        module: the network that was updated.
        sent: [N, P], updates flattened in the order of ``module.parameters()``.

    Returns:
        int64 [N].

    Raises:
        PrivbenchError: the module has no linear layer.

    Source: Zhao, Mopuri, Bilen, iDLG: Improved deep leakage from gradients, 2020.
    """
    heads = [part for part in module.modules() if isinstance(part, torch.nn.Linear)]
    if not heads:
        raise PrivbenchError(
            "labels are read off the update of a linear head, and this model has no linear layer. "
            "Choose another model."
        )
    head = heads[-1]
    if head.bias is not None:
        return _part(module, sent, head.bias).argmax(1)
    rows = _part(module, sent, head.weight).view(len(sent), *head.weight.shape).double()
    if head.out_features == 2:
        return rows.sum(2).argmax(1)
    rows = rows / torch.linalg.vector_norm(rows, dim=2, keepdim=True).clamp_min(1e-300)
    return (rows @ rows.mT).sum(2).argmin(1)


def _part(module: torch.nn.Module, sent: torch.Tensor, wanted: torch.nn.Parameter) -> torch.Tensor:
    """The columns of ``sent`` that belong to one parameter."""
    start = 0
    for parameter in module.parameters():
        if parameter is wanted:
            return sent[:, start : start + parameter.numel()]
        start += parameter.numel()
    raise PrivbenchError("the parameter is not the module's")
