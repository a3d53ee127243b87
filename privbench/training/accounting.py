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

import numpy as np
import scipy.optimize
from opacus.accountants import PRVAccountant, RDPAccountant
from opacus.accountants.utils import get_noise_multiplier

from privbench.core.errors import UserError
from privbench.core.training import PrivacySettings
from privbench.training.plan import batches_per_epoch

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
        # At rate 1 it takes the logarithm of 0, which is right there, and would say so.
        with np.errstate(divide="ignore"):
            epsilon = float(prv.get_epsilon(delta=delta, eps_error=max(0.01, by_rdp / 1000)))
    return epsilon, by_rdp, "prv"


def noise_multiplier(privacy: PrivacySettings, count: int, batch_size: int, steps: int) -> float:
    """The noise multiplier for ``steps`` steps on ``count`` samples: as given, or as the budget asks.

    Raises:
        UserError: not exactly one of epsilon and noise_multiplier, delta not below 1/``count``, or a
            budget out of reach.
    """
    if privacy.delta >= 1 / count:
        raise UserError(
            f"delta={privacy.delta:g} is not below 1/N = {1 / count:.3g} for {count} training images, so "
            f"that publishing one of them whole would count as private. Try delta={0.1 / count:.1g}."
        )
    if (privacy.epsilon is None) == (privacy.noise_multiplier is None):
        raise UserError(
            "private training takes either epsilon (the budget) or noise_multiplier (the noise itself); "
            f"given: epsilon={privacy.epsilon}, noise_multiplier={privacy.noise_multiplier}."
        )
    if privacy.noise_multiplier is not None:
        return privacy.noise_multiplier
    assert privacy.epsilon is not None
    rate = 1 / batches_per_epoch(count, batch_size)
    return noise_for_budget(privacy.epsilon, privacy.delta, rate, steps, privacy.accountant)


def guarantee(privacy: PrivacySettings, history: list[tuple[float, float, int]]) -> dict[str, float | str]:
    """What ``history``, the accountant's (sigma, sampling rate, steps), guarantees; for records."""
    (sigma, rate, steps), *others = history
    assert not others
    epsilon, epsilon_rdp, accountant = spent(sigma, rate, steps, privacy.delta, privacy.accountant)
    return {
        "epsilon": epsilon,
        "epsilon_rdp": epsilon_rdp,
        "delta": privacy.delta,
        "sigma": float(sigma),
        "sampling_rate": rate,
        "steps": float(steps),
        "clipping_norm": privacy.max_grad_norm,
        "accountant": accountant,
        "mode": privacy.mode,
    }


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
