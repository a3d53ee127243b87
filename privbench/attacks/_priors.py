"""What the auxiliary data says of a challenge before anyone looks at the release."""

from __future__ import annotations

import torch

from privbench.core.errors import UserError
from privbench.core.games import FeatureChallenge
from privbench.core.view import AdversaryView


def auxiliary_targets(view: AdversaryView, challenge: FeatureChallenge) -> torch.Tensor:
    """The challenge's features of the auxiliary images, int64 [A, T] on the view's device.

    Raises:
        UserError: the auxiliary data does not have these features.
    """
    if challenge.targets == ("class",):
        return view.auxiliary.labels[:, None].long().to(view.device)
    attributes, names = view.auxiliary.attributes, view.attribute_names
    missing = [name for name in challenge.targets if name not in names]
    if attributes is None or missing:
        raise UserError(
            f"the auxiliary data has no attributes {', '.join(missing or challenge.targets)}; a feature "
            "attack learns them there. Use a dataset whose auxiliary part has them."
        )
    columns = [names.index(name) for name in challenge.targets]
    return attributes[:, columns].long().to(view.device)
