"""A linear probe with its weights, for the head that is to read with it."""

from __future__ import annotations

from pytest_mcr.core.clusters import Mask
from pytest_mcr.core.logistic import Logistic
from pytest_mcr.probes.classifiers import Matrix, fitted_weights


def fit_linear(states: Matrix, positive: Mask) -> Logistic:
    """Logistic regression on standardised states, of the awareness suite's own strength.

    Args:
        states: shape (cases, width), finite.
        positive: the target.

    Raises:
        ValueError: one class only.
    """
    if not 0 < int(positive.sum()) < len(positive):
        raise ValueError(f"{int(positive.sum())} of {len(positive)} rows are positive; a probe needs both classes")
    return Logistic(*fitted_weights(states, positive))
