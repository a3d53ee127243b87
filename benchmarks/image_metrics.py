"""PSNR beside torchmetrics, and VFE beside one read of the images, on one thread, as ratios.

python benchmarks/image_metrics.py
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torchmetrics.functional.image import peak_signal_noise_ratio

from privbench.metrics.psnr import psnr
from privbench.metrics.vfe import vfe

SHAPES = [(2000, 1, 28, 28), (300, 3, 112, 112)]


def fastest(work: Callable[[], object], times: int = 15) -> float:
    """Seconds of the fastest of ``times`` calls."""
    work()
    found = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return min(found)


def main() -> None:
    """Print a line for each shape."""
    torch.set_num_threads(1)
    for shape in SHAPES:
        a = torch.rand(shape, generator=torch.Generator().manual_seed(0))
        b = (a + 0.1 * torch.rand(shape, generator=torch.Generator().manual_seed(1))).clamp(0, 1)
        read = fastest(a.sum)
        ours = fastest(lambda a=a, b=b: psnr(a, b))  # type: ignore[misc]
        theirs = fastest(
            lambda a=a, b=b: peak_signal_noise_ratio(  # type: ignore[misc]
                a, b, data_range=1.0, reduction="elementwise_mean", dim=(1, 2, 3)
            )
        )
        energy = fastest(lambda a=a: vfe(a))  # type: ignore[misc]
        name = "x".join(map(str, shape))
        print(
            f"{name}: PSNR {ours * 1e3:.1f} ms, {ours / theirs:.2f} of torchmetrics' time; "
            f"VFE {energy * 1e3:.1f} ms, {energy / read:.0f} reads"
        )


if __name__ == "__main__":
    main()
