"""The ablation's numbers: each arm over its seeds, and pairs of arms where they hear equally well."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from scipy.special import stdtrit

from pytest_mcr.core.case import ADVERSARIAL, CONDITIONS, FAITHFUL, NEUTRAL
from pytest_mcr.core.metrics import OVERALL
from pytest_mcr.data.results_file import NUMBER, RESULTS, read_results
from pytest_mcr.train.fusion_arms import CONFLICT, NONE, PROBES, RUN, SFT, TUNED, Study
from pytest_mcr.train.fusion_blocks import FUSIONS, WORDS, Fusion
from pytest_mcr.train.fusion_model import CONFIG
from pytest_mcr.train.head_tables import table

MATCHED: Final = 0.03
"""Neutral accuracies of two models may differ by so much where their other numbers are compared."""
TIR: Final = "tir"
GATE: Final = "gate AUROC"
SIGNAL: Final = "signal AUROC"
READS: Final = "reads alone"
PROBED: Final = {READS: "reads", GATE: "gate_auroc", SIGNAL: "signal_auroc"}
"""Numbers beside the plugin's, and their keys in ``probes.json``."""
ARM_WORDS: Final = {NONE: "no conflict data", CONFLICT: "conflict samples", SFT: "none, then fine-tuned"}


@dataclass(frozen=True, slots=True)
class Found:
    """One trained model as measured.

    Attributes:
        parameters: trained.
        numbers: accuracy by condition, `TIR` and those of `PROBED`; empty where the run is not valid.
        reasons: why it is not.
    """

    fusion: Fusion
    arm: str
    seed: int
    parameters: int
    numbers: dict[str, float]
    reasons: tuple[str, ...]


def collect(study: Study, out: Path) -> list[Found]:
    """Read what the plugin wrote, for every arm and seed.

    Raises:
        OptionError: a results file is torn or changed.
    """
    return [_found(pair.folder(out, arm), pair.fusion, arm, pair.seed) for pair in study.pairs() for arm in pair.arms]


def _found(folder: Path, fusion: Fusion, arm: str, seed: int) -> Found:
    told = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    results = read_results(folder / RUN / RESULTS)
    if results["verdict"] != "pass":
        return Found(fusion, arm, seed, told["count"], {}, tuple(results["reasons"]) or (results["verdict"],))
    probes = json.loads((folder / PROBES).read_text(encoding="utf-8"))
    probed = {name: probes[key] for name, key in PROBED.items() if key in probes}
    return Found(fusion, arm, seed, told["count"], _numbers(results["metrics"]) | probed, ())


def _numbers(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    plain = {
        (row["metric"], row["condition"]): row["value"]
        for row in rows
        if row["task"] == OVERALL and row.keys() <= set(NUMBER)
    }
    wanted = {condition: ("accuracy", condition) for condition in CONDITIONS} | {TIR: (TIR, ADVERSARIAL)}
    return {name: plain[key] for name, key in wanted.items() if plain.get(key) is not None}


def arms_table(found: Sequence[Found]) -> str:
    """Mean and standard deviation over the seeds, an arm a line."""
    names = [*CONDITIONS, TIR, *PROBED]
    lines = []
    for fusion, arm in arms_of(found):
        ours = [one for one in found if (one.fusion, one.arm) == (fusion, arm)]
        cells = [_spread([one.numbers[name] for one in ours if name in one.numbers]) for name in names]
        valid = sum(bool(one.numbers) for one in ours)
        lines.append([WORDS[fusion], ARM_WORDS[arm], f"{ours[0].parameters}", *cells, f"{valid} of {len(ours)}"])
    return table(("fusion", "trained with", "parameters", *names, "seeds"), lines)


def arms_of(found: Sequence[Found]) -> list[tuple[Fusion, str]]:
    """The arms in the order of the fusions."""
    return [
        (fusion, arm) for arm in ARM_WORDS for fusion in FUSIONS
        if any((one.fusion, one.arm) == (fusion, arm) for one in found)
    ]  # fmt: skip


def _spread(values: Sequence[float]) -> str:
    if not values:
        return "-"
    mean = f"{statistics.fmean(values):.2f}"
    return mean if len(values) < 2 else f"{mean} ({statistics.stdev(values):.2f})"


@dataclass(frozen=True, slots=True)
class Difference:
    """One arm less another over paired seeds.

    Attributes:
        mean: of the differences; None without one.
        low: of the 95 % interval over seeds (Student's t); None with fewer than two.
        high: of it.
        seeds: that count.
    """

    mean: float | None
    low: float | None
    high: float | None
    seeds: int


def difference(values: Sequence[float]) -> Difference:
    """Mean of paired differences with Student's interval over seeds."""
    count = len(values)
    mean = statistics.fmean(values) if values else None
    if mean is None or count < 2:
        return Difference(mean, None, None, count)
    reach = float(stdtrit(count - 1, 0.975)) * statistics.stdev(values) / math.sqrt(count)
    return Difference(mean, mean - reach, mean + reach, count)


def paired(
    found: Sequence[Found], one: tuple[str, str], other: tuple[str, str], name: str, *, matched: bool
) -> Difference:
    """`one` less `other` in a number, seed by seed.

    Args:
        found: all models.
        one: fusion and arm.
        other: fusion and arm.
        name: of the number.
        matched: only seeds whose neutral accuracies differ by at most `MATCHED`.
    """
    numbers: dict[tuple[str, str, int], dict[str, float]] = {
        (model.fusion, model.arm, model.seed): model.numbers for model in found
    }
    values = []
    for seed in sorted({model.seed for model in found}):
        a, b = numbers.get((*one, seed), {}), numbers.get((*other, seed), {})
        if name not in a or name not in b:
            continue
        if not matched or abs(a[NEUTRAL] - b[NEUTRAL]) <= MATCHED + 1e-12:
            values.append(a[name] - b[name])
    return difference(values)


def comparisons(found: Sequence[Found]) -> list[tuple[tuple[str, str], tuple[str, str]]]:
    """Which arms are compared: each fusion with concatenation, with and without conflict samples, and fine-tuning."""
    arms = arms_of(found)
    pairs: list[tuple[tuple[str, str], tuple[str, str]]] = [
        ((fusion, arm), (TUNED, arm)) for fusion, arm in arms if fusion != TUNED
    ]
    pairs += [((fusion, CONFLICT), (fusion, NONE)) for fusion, arm in arms if arm == CONFLICT]
    pairs += [((TUNED, SFT), (TUNED, NONE))] if (TUNED, SFT) in arms else []
    pairs += [((fusion, CONFLICT), (TUNED, SFT)) for fusion, arm in arms if arm == CONFLICT and (TUNED, SFT) in arms]
    return [pair for pair in pairs if all(arm in arms for arm in pair)]


def differences_table(found: Sequence[Found]) -> str:
    """Paired differences at matched neutral accuracy, and over all seeds beside them."""
    lines = []
    for one, other in comparisons(found):
        cells = [
            _signed(paired(found, one, other, name, matched=matched))
            for name, matched in ((ADVERSARIAL, True), (FAITHFUL, True), (ADVERSARIAL, False), (NEUTRAL, False))
        ]
        matches = paired(found, one, other, NEUTRAL, matched=True).seeds
        whole = paired(found, one, other, NEUTRAL, matched=False).seeds
        lines.append([" ".join(one), " ".join(other), f"{matches} of {whole}", *cells])
    head = ("arm", "less", "seeds matched", "adversarial", "faithful", "adversarial, all seeds", "neutral, all seeds")
    return table(head, lines)


def _signed(found: Difference) -> str:
    if found.mean is None:
        return "-"
    ends = "" if found.low is None or found.high is None else f" [{found.low:+.2f},{found.high:+.2f}]"
    return f"{found.mean + 0.0:+.2f}{ends}"


def report(found: Sequence[Found]) -> str:
    """Both tables, and a line for each run that is not valid."""
    invalid = [
        f"{one.fusion} {one.arm}, seed {one.seed}: not valid: {'; '.join(one.reasons)}" for one in found if one.reasons
    ]
    return "\n\n".join([arms_table(found), differences_table(found), *invalid])
