"""The design of a run: which cases there are, before pytest selects any."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_mcr.core.case import CONDITIONS, Case, Sample
from pytest_mcr.errors import DataError


def design(samples: Sequence[Sample], conditions: Sequence[str] | None) -> list[Case]:
    """List the cases of the samples under the wanted conditions, in file order.

    Args:
        samples: the chosen samples.
        conditions: None for all that the data has.

    Raises:
        DataError: a wanted condition is absent from the data.
    """
    present = {condition for sample in samples for condition in sample.conditions}
    for condition in conditions or ():
        if condition not in present:
            have = ", ".join(name for name in CONDITIONS if name in present)
            raise DataError(f"--mcr-conditions {condition}: the data has no text for it; it has {have}")
    wanted = [name for name in CONDITIONS if name in (conditions or present)]
    return [Case(sample, name) for sample in samples for name in wanted if name in sample.conditions]
