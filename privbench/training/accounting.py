"""Privacy accounting through Opacus: from a budget to the noise, and from the noise to the budget.

Source: Gopi et al., Numerical Composition of Differential Privacy, NeurIPS 2021 (accountant
``prv``); Mironov et al. 2019 (``rdp``).
"""

from __future__ import annotations

import contextlib
import functools
import math
import warnings
from collections.abc import Iterator

import scipy.optimize
from opacus.accountants import PRVAccountant, RDPAccountant
from opacus.accountants.utils import get_noise_multiplier

from privbench.core.errors import UserError

_PRV_LIMIT = 300.0
"""Epsilon beyond which PRV's exponentials overflow."""


@functools.lru_cache(maxsize=256)
def noise_for_budget(epsilon: float, delta: float, rate: float, steps: int, accountant: str) -> float:
    """The noise multiplier that spends at most ``epsilon`` in ``steps`` steps, and hardly less.

    The PRV accountant is slow where the noise is small, so that its search starts from the
    answer of RDP, which needs more noise.

    Args:
        epsilon: the budget.
        delta: its failure probability.
        rate: Poisson sampling rate of a step.
        steps: how many steps.
        accountant: ``prv`` or ``rdp``.

    Raises:
        UserError: no noise meets the budget.
    """
    tolerance = max(0.01, epsilon / 1000)

    def excess(sigma: float) -> float:
        return spent(sigma, rate, steps, delta, accountant)[0] - (epsilon - tolerance / 2)

    try:
        with quiet():
            high = get_noise_multiplier(
                target_epsilon=epsilon,
                target_delta=delta,
                sample_rate=rate,
                steps=steps,
                accountant="rdp",
                epsilon_tolerance=tolerance,
            )
    except ValueError as error:
        raise UserError(
            f"no noise meets epsilon={epsilon:g} at delta={delta:g} in {steps} steps of sampling rate "
            f"{rate:.3g}. Use a larger epsilon, fewer epochs or a smaller batch."
        ) from error
    if accountant == "rdp" or excess(high) >= 0:
        return float(high)
    low = 0.8 * high
    while excess(low) < 0:
        low *= 0.8
    sigma = float(scipy.optimize.brentq(excess, low, high, xtol=1e-4 * high))
    while spent(sigma, rate, steps, delta, accountant)[0] > epsilon:
        sigma *= 1.0005
    return sigma


@functools.lru_cache(maxsize=256)
def spent(sigma: float, rate: float, steps: int, delta: float, accountant: str) -> tuple[float, float, str]:
    """Epsilon that ``steps`` steps have spent.

    Returns:
        Epsilon, epsilon by RDP, and the accountant of the first: RDP also stands in where the
        noise is too small for PRV's numbers. All are upper bounds, infinite without noise.
    """
    if sigma == 0:
        return math.inf, math.inf, accountant
    history = [(sigma, rate, steps)]
    with quiet():
        rdp = RDPAccountant()
        rdp.history = history
        by_rdp = float(rdp.get_epsilon(delta=delta))
        if accountant == "rdp" or by_rdp > _PRV_LIMIT:
            return by_rdp, by_rdp, "rdp"
        prv = PRVAccountant()
        prv.history = history
        epsilon = float(prv.get_epsilon(delta=delta, eps_error=max(0.01, by_rdp / 1000)))
    return epsilon, by_rdp, "prv"


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence what is known and harmless here: see the messages."""
    with warnings.catch_warnings():
        for message in (
            "Secure RNG turned off",
            "Optimal order is the (largest|smallest) alpha",
            "Full backward hook is firing when gradients are computed with respect to module outputs",
        ):
            warnings.filterwarnings("ignore", message=message)
        yield
