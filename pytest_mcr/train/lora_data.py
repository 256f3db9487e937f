"""What a LoRA adapter is trained on: clips under the conditions of a mix, apart from every clip that is evaluated."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from pytest_mcr.core.case import CONDITIONS, Sample
from pytest_mcr.data.audio import decode
from pytest_mcr.data.build import write_dataset
from pytest_mcr.data.dataset import Dataset
from pytest_mcr.data.texts import TASKS
from pytest_mcr.errors import AudioError, DataError, OptionError
from pytest_mcr.models.protocol import Audio
from pytest_mcr.models.spec import suggest

SYNTHETIC: Final = "synthetic"
SYNTHETIC_SEED: Final = 7000
"""Added to the seed of synthetic clips, so that no other set of this project is made with the same one."""

MIX: Final[Mapping[str, float]] = {"adversarial": 0.4, "irrelevant": 0.15, "faithful": 0.3, "neutral": 0.15}
"""Conflict must be worth listening for, and a true text must stay worth reading."""


@dataclass(frozen=True, slots=True)
class Example:
    """One training example: a sample under a condition; the answer to learn is its gold answer."""

    sample: Sample
    condition: str


@dataclass(frozen=True, slots=True)
class Clips:
    """The clips of a dataset.

    Attributes:
        samples: those whose clip can be used.
        digests: of the decoded audio, by sample.
        broken: why the others cannot, a line each.
    """

    samples: list[Sample] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Split:
    """Examples to learn from and to stop by; no clip is on both sides."""

    train: list[Example]
    dev: list[Example]


def parse_mix(text: str) -> dict[str, float]:
    """Read ``adversarial=0.5,neutral=0.5``: weights above 0 by condition, brought to a sum of 1.

    Raises:
        OptionError: naming the part that cannot be read.
    """
    found: dict[str, float] = {}
    for part in text.split(","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if name not in CONDITIONS:
            raise OptionError(
                f"--mix {part!r}: expected CONDITION=WEIGHT with one of {', '.join(CONDITIONS)}"
                f"{suggest(name, list(CONDITIONS))}"
            )
        try:
            weight = float(value) if equals else math.nan
        except ValueError:
            weight = math.nan
        if not 0 < weight < math.inf:
            raise OptionError(f"--mix {part!r}: expected a weight above 0, e.g. {name}=0.5")
        if name in found:
            raise OptionError(f"--mix {text}: {name} is given twice; give it once")
        found[name] = weight
    return {name: found[name] / sum(found.values()) for name in CONDITIONS if name in found}


def make_synthetic(root: Path, samples: int, dev: float, seed: int) -> None:
    """Write fresh synthetic clips, enough for so many training examples of different clips and a share for dev.

    Their frames and generator bands are the lab model's own (`train`), so that the held-out ones stay held out.

    Args:
        root: an empty or new folder.
        samples: training examples.
        dev: share of the clips.
        seed: of the training; clips of other seeds differ.
    """
    write_dataset(root, math.ceil(samples / (1 - dev) / len(TASKS)) + 1, SYNTHETIC_SEED + seed, "train")


def clips_of(dataset: Dataset, refusal: Callable[[Audio], str | None] = lambda _: None) -> Clips:
    """Decode every clip once, to know it again.

    Args:
        dataset: its clips.
        refusal: why a decoded clip cannot be used, None where it can.
    """
    clips = Clips()
    for sample in dataset.samples:
        try:
            audio = decode(dataset.root / sample.audio)
        except AudioError as error:
            clips.broken.append(str(error))
            continue
        reason = refusal(audio)
        if reason is not None:
            clips.broken.append(f"{sample.id}: {reason}")
            continue
        clips.digests[sample.id] = audio.digest
        clips.samples.append(sample)
    return clips


def refuse_shared(trained: Clips, evaluated: Iterable[tuple[str, Clips]]) -> None:
    """Refuse clips that shall be evaluated later: what was trained on them could not be judged.

    Args:
        trained: the clips to train on.
        evaluated: name and clips of each dataset that is kept for evaluation.

    Raises:
        DataError: naming the first clip that is in both.
    """
    known = {digest: name for name, digest in trained.digests.items()}
    for where, clips in evaluated:
        shared = [(known[digest], name) for name, digest in clips.digests.items() if digest in known]
        if shared:
            own, other = shared[0]
            raise DataError(
                f"clip {own} of --data is clip {other} of {where}, which is kept for evaluation ({len(shared)} such "
                "clips); take them out of --data"
            )


def split(clips: Clips, mix: Mapping[str, float], samples: int, dev: float, seed: int) -> Split:
    """Choose examples: so many of each condition as the mix says, spread over the clips, some clips kept for dev.

    Samples of one clip, or of one ``split_group``, stay on one side. A clip serves again, under another condition,
    only when all others served.

    Args:
        clips: to choose from.
        mix: shares by condition.
        samples: examples to train on.
        dev: share of the clips for dev, which get one example each.
        seed: of the choice.

    Raises:
        DataError: a condition that the data lacks, or too few clips.
    """
    lacking = [c for c in mix if any(c not in sample.conditions for sample in clips.samples)]
    if lacking:
        raise DataError(f"--data has no {lacking[0]} text for every clip; leave {lacking[0]} out of --mix")
    groups: dict[str, list[Sample]] = {}
    for sample in clips.samples:
        groups.setdefault(sample.split_group or clips.digests[sample.id], []).append(sample)
    rng = np.random.default_rng([seed, 11])
    names = sorted(groups)
    order = [names[i] for i in rng.permutation(len(names))]
    kept = max(1, round(dev * len(order)))
    if len(order) < 2:
        raise DataError(f"--data has {len(order)} clips that can be used; expected at least 2, one of them for --dev")
    sides = (order[kept:], order[:kept])
    train, held = ([sample for name in side for sample in groups[name]] for side in sides)
    return Split(draw(train, mix, samples), draw(held, mix, len(held)))


def draw(samples: Sequence[Sample], mix: Mapping[str, float], count: int) -> list[Example]:
    """So many examples of different (sample, condition), by the mix's shares, tasks taken in turn.

    Args:
        samples: in a random order.
        mix: shares by condition.
        count: of examples.

    Raises:
        DataError: more of a condition is asked for than there are clips.
    """
    counts = quotas(mix, count)
    most = max(counts.values())
    if most > len(samples):
        name = max(counts, key=lambda condition: counts[condition])
        raise DataError(
            f"--samples {count} needs {most} {name} clips, --data has {len(samples)} to train on; "
            f"type: --samples {int(count * len(samples) / most)}"
        )
    turns = in_turn(samples)
    examples, place = [], 0
    for condition, wanted in counts.items():
        for _ in range(wanted):
            examples.append(Example(turns[place % len(turns)], condition))
            place += 1
    return examples


def quotas(mix: Mapping[str, float], count: int) -> dict[str, int]:
    """Whole numbers with these shares whose sum is `count` (largest remainders)."""
    exact = {name: share * count for name, share in mix.items()}
    found = {name: math.floor(value) for name, value in exact.items()}
    rest = sorted(exact, key=lambda name: found[name] - exact[name])
    for name in rest[: count - sum(found.values())]:
        found[name] += 1
    return found


def in_turn(samples: Sequence[Sample]) -> list[Sample]:
    """The samples with the tasks taken in turn, each task in its given order."""
    seen: dict[str, int] = {}
    places = []
    for sample in samples:
        seen[sample.task] = seen.get(sample.task, -1) + 1
        places.append((seen[sample.task], sample.task))
    return [samples[i] for i in sorted(range(len(samples)), key=lambda i: places[i])]
