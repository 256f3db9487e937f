"""A probe's logit as a feature of a calibration head, read off hidden states by a probe that never saw the clip.

The head learns from out-of-fold logits: each comes from a probe of dev clips that share neither recording nor text with
the case. Any other clip gets the logit of the probe of all dev clips, and a clip of those gets none but its own
out-of-fold one: there is no way to read a clip by a probe that learned from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pytest_mcr.core.clusters import Codes, Floats, Mask
from pytest_mcr.core.folds import FOLDS, components, fold_numbers
from pytest_mcr.core.head_cases import HeadCase, dev_clusters
from pytest_mcr.core.logistic import Logistic

PROBE: Final = "probe_logit"
"""Name of the feature: log-odds of the head's own target from the hidden state of branch J."""

BLOCK: Final = 1024

State = NDArray[np.float32]
Key = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class Readout:
    """How a probe is fitted.

    Attributes:
        layer: whose states the cases hold, 0 the embeddings.
        fit: standardises states, shape (cases, width), and fits a logistic regression on them.
    """

    layer: int
    fit: Callable[[State, Mask], Logistic]


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """A fitted probe.

    Attributes:
        layer: of the states.
        model: over a state.
        clips: digests of the recordings that it was fitted on.
        known: out-of-fold logits of the cases that it was fitted on; empty for a probe that was read from a file.
    """

    layer: int
    model: Logistic
    clips: frozenset[str]
    known: Mapping[Key, float] = field(default_factory=dict)

    @property
    def width(self) -> int:
        """Numbers of a state."""
        return len(self.model.weights)

    def logits(self, cases: Sequence[HeadCase]) -> Floats:
        """Log-odds of each case, shape (cases,).

        Raises:
            ValueError: a case of a clip that the probe was fitted on, without a logit of its own.
        """
        found = np.zeros(len(cases))
        new = []
        for place, case in enumerate(cases):
            known = self.known.get(key_of(case))
            if known is not None:
                found[place] = known
            elif case.digest in self.clips:
                raise ValueError(f"{case.sample}, {case.condition}: the probe was fitted on this clip")
            else:
                new.append(place)
        if new:
            found[new] = read_off(self.model, states_of([cases[place] for place in new]))
        return found

    def one(self, state: State) -> float:
        """Log-odds of one state, shape (width,)."""
        return float(self.model.log_odds(state[None].astype(np.float64))[0])


def key_of(case: HeadCase) -> Key:
    """What tells a case from all others."""
    return case.task, case.sample, case.condition, case.operator


def states_of(cases: Sequence[HeadCase]) -> State:
    """The cases' states, shape (cases, width).

    Raises:
        ValueError: a case has none.
    """
    rows = [case.state for case in cases if case.state is not None]
    if len(rows) < len(cases):
        raise ValueError(f"{len(cases) - len(rows)} of {len(cases)} cases have no hidden state")
    return np.stack(rows)


def read_off(model: Logistic, states: State) -> Floats:
    """Log-odds of states, in blocks: their copy in double precision would be as large as they are twice."""
    return np.concatenate(
        [model.log_odds(states[start : start + BLOCK].astype(np.float64)) for start in range(0, len(states), BLOCK)]
    )


def linked(cases: Sequence[HeadCase]) -> Codes:
    """A number for each case, the same for cases that share a clip, a recording or a text, over any number of steps."""
    return components(
        [case.cluster for case in cases],
        [case.digest for case in cases],
        [case.text or f"{place}: no text" for place, case in enumerate(cases)],
    )


def apart(cases: Sequence[HeadCase], share: float, seed: int) -> frozenset[str]:
    """The clips that may be learned from, as `dev_clusters`; they share no text with the others either."""
    groups = linked(cases)
    joined = [replace(case, digest=f"group {group}") for case, group in zip(cases, groups, strict=True)]
    return dev_clusters(joined, share, seed)


def fit_probe(cases: Sequence[HeadCase], positive: Mask, readout: Readout) -> Probe:
    """Fit a probe on dev cases, and cross-fit the logits of these cases themselves.

    Args:
        cases: of dev clips, with states.
        positive: the target, shape (cases,).
        readout: layer, and how a probe is fitted.

    Raises:
        ValueError: fewer groups of clips that share no text than folds, or a fold's rest holds one class only.
    """
    groups = linked(cases)
    folds = fold_numbers(groups)
    if folds is None:
        raise ValueError(
            f"{len(np.unique(groups))} groups of clips that share no text; a probe is cross-fitted over {FOLDS}"
        )
    states = states_of(cases)
    logits = np.zeros(len(cases))
    for fold in np.unique(folds):
        test = folds == fold
        logits[test] = read_off(readout.fit(states[~test], positive[~test]), states[test])
    known = dict(zip(map(key_of, cases), logits.tolist(), strict=True))
    return Probe(readout.layer, readout.fit(states, positive), frozenset(case.digest for case in cases), known)
