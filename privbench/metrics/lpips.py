"""Learned perceptual distance of reconstructed and original images."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import torch

from privbench.core.errors import UserError
from privbench.core.game import Truth
from privbench.core.metric import MeanMetric, ScoringContext
from privbench.core.registry import register
from privbench.data import weights
from privbench.metrics._checks import compare, image_pair

BACKBONE = "alexnet"
MIN_SIDE = 64
_SLICES = {1: (0,), 2: (3,), 3: (6,), 4: (8,), 5: (10,)}


@cache
def _network(sha256: str, device: torch.device) -> Any:  # noqa: ARG001 - other weights, another network
    from lpips import LPIPS

    backbone = weights.state_dict(BACKBONE)
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = LPIPS(net="alex", pnet_rand=True, verbose=False)
    # LPIPS cuts the convolutional part into five slices and keeps torchvision's numbering.
    wanted = {
        f"slice{piece}.{layer}.{kind}": backbone[f"features.{layer}.{kind}"]
        for piece, layers in _SLICES.items()
        for layer in layers
        for kind in ("weight", "bias")
    }
    network.net.load_state_dict(wanted, strict=True)
    return network.eval().requires_grad_(False).to(device)


def lpips(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """LPIPS (AlexNet, version 0.1) of each pair of images; 0 for equal images.

    Grey images are repeated to three channels. Sides under 64 pixels are stretched to 64
    (bilinear), below which AlexNet's last maps are single pixels: figures of smaller images
    are comparable with each other, not with published ones.

    Args:
        a: [N, C, H, W] in [0, 1], C 1 or 3.
        b: the same shape, on the same device.

    Returns:
        float32 [N], on the device of ``a``.

    Raises:
        UserError: the AlexNet weights are not here, or not the published ones.
        PrivbenchError: the shapes differ, or values are NaN or infinite.

    Source: Zhang, Isola, Efros, Shechtman, Wang, The unreasonable effectiveness of deep features
        as a perceptual metric, CVPR 2018.
    """
    a, b = image_pair(a, b)
    if a.shape[1] not in (1, 3):
        raise UserError(
            f"LPIPS needs grey or colour images; these have {a.shape[1]} channels. Use ssim or psnr."
        )
    size = [max(MIN_SIDE, side) for side in a.shape[2:]]
    pair = []
    for images in (a.float(), b.float()):
        wide = images.expand(-1, 3, -1, -1)
        if list(wide.shape[2:]) != size:
            wide = torch.nn.functional.interpolate(wide, size, mode="bilinear", align_corners=False)
        pair.append(wide * 2 - 1)
    network = _network(weights.find(BACKBONE).sha256, a.device)
    with torch.inference_mode():
        return torch.cat(
            [
                network(x, y).flatten()
                for x, y in zip(*(torch.split(images, 64) for images in pair), strict=True)
            ]
        )


@register("lpips")
class Lpips(MeanMetric):
    """Perceptual distance of guesses to the originals, by AlexNet features. High is private.

    The backbone is a download and must match its published digest; without it the metric is
    unavailable, never computed with random weights.
    """

    source = (
        "Zhang, Isola, Efros, Shechtman, Wang, The unreasonable effectiveness of deep features, CVPR 2018"
    )
    subject = "reconstruction"
    higher_is = "private"
    # Unit feature vectors without negative entries differ by at most 2 (squared), and the five
    # layers' largest weights in version 0.1 sum to 4.024.
    bounds = (0.0, 8.05)

    def unavailable(self) -> str | None:
        """The reason when the AlexNet weights are missing or wrong, with the command that gets them."""
        problem = weights.problem(BACKBONE)
        return None if problem is None else f"LPIPS needs the AlexNet backbone: {problem}"

    def values(self, truth: Truth, guess: torch.Tensor, context: ScoringContext) -> torch.Tensor:
        """LPIPS of each guess, float [N]."""
        return compare(lpips, truth, guess, context.device)
