"""The columns of metrics about a model that was taught attributes."""

from __future__ import annotations

import torch

from privbench.core.errors import DataError, PrivbenchError
from privbench.core.game import Truth
from privbench.core.metric import Columns
from privbench.metrics._checks import originals


def answered_columns(truth: Truth, guess: torch.Tensor) -> Columns:
    """``truth_t`` and ``guess_t``, int64 [N], for each of the A attributes.

    Args:
        truth: with the attributes, 0 or 1, of the originals [N, A].
        guess: log-probabilities of no and of yes, [N, A, 2]; a tie counts as no.

    Raises:
        DataError: the images have no attributes.
        PrivbenchError: the shapes do not fit, or a log-probability is NaN or plus infinity.
    """
    attributes = originals(truth).attributes
    if attributes is None:
        raise DataError("these images have no attributes. Choose a dataset with attributes.")
    if guess.shape != (*attributes.shape, 2) or guess.numel() == 0:
        raise PrivbenchError(
            f"answers of shape {tuple(guess.shape)} for attributes of {tuple(attributes.shape)}; "
            "expected [N, A, 2], not empty"
        )
    if guess.isnan().any() or guess.isposinf().any():
        raise PrivbenchError("answers hold NaN or plus infinity; no figure can be computed from them")
    columns = {}
    for name, values in (("truth", attributes), ("guess", guess[..., 1] > guess[..., 0])):
        whole = values.cpu().long()
        columns.update({f"{name}_{t}": whole[:, t].contiguous() for t in range(whole.shape[1])})
    return columns
