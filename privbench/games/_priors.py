"""What the auxiliary data says of a challenge before anyone looks at the release."""

from __future__ import annotations

import torch

from privbench.core.errors import UserError
from privbench.core.view import AdversaryView

_STEPS = 200
_BATCH = 64


def auxiliary_targets(view: AdversaryView, targets: tuple[str, ...]) -> torch.Tensor:
    """The attributes ``targets`` of the auxiliary images, int64 [A, T] on the view's device.

    Raises:
        UserError: the auxiliary data does not have these attributes.
    """
    # A dataset may have an attribute of that name, which is another thing than its class.
    if targets == ("class",) and "class" not in view.attribute_names:
        return view.auxiliary.labels[:, None].long().to(view.device)
    attributes, names = view.auxiliary.attributes, view.attribute_names
    missing = [name for name in targets if name not in names]
    if attributes is None or missing:
        raise UserError(
            f"the auxiliary data has no attributes {', '.join(missing or targets)}; an attribute "
            "attack learns them there. Use a dataset whose auxiliary part has them."
        )
    columns = [names.index(name) for name in targets]
    return attributes[:, columns].long().to(view.device)


def most_similar_image(view: AdversaryView) -> torch.Tensor:
    """The constant guess with the highest mean SSIM to auxiliary images: float32 [C, H, W].

    It beats the mean image by far (0.21 against 0.12 on MNIST): a method that learns SSIM finds it
    without any release, so that a floor for SSIM must find it too.
    """
    from privbench.metrics.ssim import ssim

    images = view.auxiliary.images.to(view.device)
    generator = torch.Generator().manual_seed(view.seed("most-similar"))
    guess = images.mean(0, keepdim=True).requires_grad_()
    optimizer = torch.optim.Adam([guess], lr=0.02)
    for _ in range(_STEPS):
        chosen = images[torch.randint(len(images), (_BATCH,), generator=generator).to(images.device)]
        optimizer.zero_grad()
        (-ssim(guess.clamp(0, 1).expand_as(chosen), chosen).mean()).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return guess.detach()[0].clamp(0, 1)
