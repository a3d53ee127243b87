"""Images in closed form from the update of a first layer that is linear in the pixels."""

from __future__ import annotations

import torch

_TINY = 1e-80


def images_from_first_layer(
    module: torch.nn.Module, sent: torch.Tensor, shape: tuple[int, int, int]
) -> torch.Tensor | None:
    """The images behind updates of single images; None where the first layer does not give them.

    The update of the weights is the outer product of that of the bias and the image, over however many
    steps on the one image: the least-squares solution over all neurons is the image.

    Args:
        module: the network that was updated.
        sent: [N, P], updates flattened in the order of ``module.parameters()``.
        shape: (C, H, W) of the images.

    Returns:
        float32 [N, C, H, W] in [0, 1].

    Source: Phong, Aono, Hayashi, Wang, Moriai, Privacy-preserving deep learning via additively
        homomorphic encryption, IEEE TIFS 2018, section 3.
    """
    first = next((part for part in module.modules() if list(part.parameters(recurse=False))), None)
    if not isinstance(first, torch.nn.Linear) or first.bias is None or not _sees_pixels(module, first, shape):
        return None
    size = first.weight.numel()
    weights = sent[:, :size].view(len(sent), *first.weight.shape)
    bias = sent[:, size : size + first.out_features]
    # In double precision: squares of the gradients of a model that is sure of a label are tiny.
    shares = bias / bias.double().square().sum(1, keepdim=True).clamp_min(_TINY)
    pixels = torch.einsum("nk,nkp->np", shares, weights.double())
    return pixels.view(len(sent), *shape).float().clamp(0, 1)


def _sees_pixels(module: torch.nn.Module, first: torch.nn.Linear, shape: tuple[int, int, int]) -> bool:
    """Whether ``first`` is given exactly the pixels of an image, in their order."""
    seen: list[torch.Tensor] = []
    handle = first.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
    probe = torch.linspace(0, 1, shape[0] * shape[1] * shape[2], device=first.weight.device)
    try:
        module(probe.view(1, *shape).to(first.weight.dtype))
    finally:
        handle.remove()
    return len(seen) == 1 and torch.equal(seen[0].flatten(), probe.to(first.weight.dtype))
