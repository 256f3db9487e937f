"""The arms of the ablation, where their files lie, and the work of one pair of seed and fusion."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import numpy as np
import torch

from pytest_mcr.core.case import ADVERSARIAL, FAITHFUL
from pytest_mcr.core.confidence import placements
from pytest_mcr.data.audio import decode, resample
from pytest_mcr.data.results_file import CASES, RESULTS, read_cases, read_results
from pytest_mcr.errors import ModelError
from pytest_mcr.models.protocol import Audio, Request
from pytest_mcr.report.results import replace_file
from pytest_mcr.train import fusion_loop
from pytest_mcr.train.fusion_adapter import FusionAdapter
from pytest_mcr.train.fusion_blocks import FUSIONS, Fusion
from pytest_mcr.train.fusion_data import Teacher, heard_pool
from pytest_mcr.train.fusion_ears import Ears
from pytest_mcr.train.fusion_loop import Plan
from pytest_mcr.train.fusion_model import CONFIG, FusionModel, Size, load, parameters, save
from pytest_mcr.train.lab_data import Clip

READ: Final = "read"
NONE: Final = "none"
CONFLICT: Final = "conflict"
SFT: Final = "sft"
TUNED: Final[Fusion] = "concat"
"""The fusion that is also fine-tuned."""
DATA: Final = "data"
POOL: Final = "clips.safetensors"
RUN: Final = "run"
PROBES: Final = "probes.json"
LONGEST_ANSWER: Final = 8
"""Tokens; labels have at most three, with the end of the turn."""
CHILD: Final = (
    "-p", "no:cacheprovider", "--mcr-suite", "bench", "--mcr-profile", "report", "--mcr-cache", "off",
    "--mcr-max-new-tokens", f"{LONGEST_ANSWER}", "--mcr-max-unparsed", "0.15",
)  # fmt: skip
"""How the plugin measures a model. An answer between two labels is a model of this size in two minds: it stays in the
count as not right, and must not take a seed out."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A seed and a fusion, whose arms begin from the same reading."""

    seed: int
    fusion: Fusion

    @property
    def arms(self) -> tuple[str, ...]:
        """What is measured."""
        return (NONE, CONFLICT, SFT) if self.fusion == TUNED else (NONE, CONFLICT)

    def folder(self, out: Path, arm: str) -> Path:
        """Where an arm's files lie."""
        return out / f"seed-{self.seed}" / f"{self.fusion}-{arm}"


@dataclass(frozen=True, slots=True)
class Study:
    """The whole ablation.

    Attributes:
        seeds: of weights, rows and samples; from 0.
        clips: to learn from.
        test: samples a task to measure on.
        plan: of each training.
        size: of each model.
    """

    seeds: int = 5
    clips: int = 2000
    test: int = 100
    plan: Plan = field(default_factory=Plan)
    size: Size = field(default_factory=Size)

    def pairs(self) -> list[Pair]:
        """All pairs, seed by seed."""
        return [Pair(seed, fusion) for seed in range(self.seeds) for fusion in FUSIONS]

    def facts(self) -> dict[str, Any]:
        """Everything that decides the numbers, but not how many seeds there are: more may be added later."""
        return {"clips": self.clips, "test": self.test, **asdict(self.plan), **asdict(self.size)}


def work(study: Study, pair: Pair, out: Path, report: Callable[[str], None]) -> None:
    """Train and measure the arms of a pair; what is there already is kept, and a run that is not valid is not probed.

    Args:
        study: what is done.
        pair: which part.
        out: folder of the study, with clips and data.
        report: called when an arm is done.

    Raises:
        ArithmeticError: a loss is no number.
        ModelError: the plugin could not measure a model.
    """
    ears = Ears()
    pool, teacher = heard_pool(out / POOL, study.clips, lambda: ears, report), Teacher(ears.tokenizer, ears.width)
    for arm in (READ, *pair.arms):
        if not (pair.folder(out, arm) / CONFIG).is_file():
            loss = train(study, pair, arm, out, pool, teacher)
            report(f"{pair.fusion}, {arm}, seed {pair.seed}: trained, last loss {loss:.3f} nats a token")
    for arm in pair.arms:
        folder = pair.folder(out, arm)
        if not (folder / RUN / RESULTS).is_file():
            measure(folder, out / DATA)
            report(f"{pair.fusion}, {arm}, seed {pair.seed}: measured")
        if read_results(folder / RUN / RESULTS)["verdict"] == "pass" and not (folder / PROBES).is_file():
            probe(folder, out / DATA)


def train(study: Study, pair: Pair, arm: str, out: Path, pool: Sequence[Clip], teacher: Teacher) -> float:
    """Train one arm from the weights that it begins with, and save it.

    Returns:
        The last loss, nats a token.

    Raises:
        ArithmeticError: the loss is no number.
    """
    plan, seed = study.plan, pair.seed
    torch.manual_seed(seed)
    before = {CONFLICT: READ, NONE: READ, SFT: NONE}.get(arm)
    model = FusionModel(pair.fusion, study.size) if before is None else load(pair.folder(out, before))[0]
    if arm == READ:
        loss = fusion_loop.read(model, teacher, plan, seed)
    elif arm == SFT:
        loss = fusion_loop.tune(model, teacher, plan, pool, seed)
    else:
        loss = fusion_loop.hear(model, teacher, plan, pool, seed, conflict=arm == CONFLICT)
    samples = plan.samples if arm in (CONFLICT, SFT) else 0
    told = {"arm": arm, "seed": seed, "loss": loss, "conflict_samples": samples, "count": parameters(model)}
    save(model, pair.folder(out, arm), told)
    return loss


def measure(folder: Path, data: Path) -> None:
    """Run the plugin on a model, as a user would, in a process of its own.

    Args:
        folder: of the model; the run is written to ``run`` in it.
        data: the test set.

    Raises:
        ModelError: the run came to no result.
    """
    spec = f"pytest_mcr.train.fusion_adapter:model?folder={quote(str(folder.resolve()))}&scores=no"
    told = ["--mcr-model", spec, "--mcr-data", str(data.resolve()), "--mcr-out", str((folder / RUN).resolve())]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    environment["OMP_NUM_THREADS"] = "1"
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *CHILD, *told], cwd=folder, env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    if not (folder / RUN / RESULTS).is_file():
        lines = (ran.stdout + ran.stderr).strip().splitlines() or ["no output"]
        raise ModelError(f"{folder}: the plugin gave no result (exit {ran.returncode}): {lines[-1]}")


def probe(folder: Path, data: Path) -> None:
    """Ask a model two more things on the very prompts of its run, and write the answers to ``probes.json``.

    ``reads``: the share of true texts that it answers right without audio, so that following the text less is not
    mistaken for reading it worse. Of a gated model how well gate and conflict signal tell false texts from true ones
    (AUROC).

    Args:
        folder: of the model, with its run.
        data: that it was run on.
    """
    cases = read_cases(folder / RUN / CASES, read_results(folder / RUN / RESULTS))
    adapter = FusionAdapter(folder, *load(folder), scores=False)
    silent = [_request(case, None) for case in cases if case["condition"] == FAITHFUL]
    golds = [case["gold"] for case in cases if case["condition"] == FAITHFUL]
    right = [answer.text == gold for answer, gold in zip(adapter.respond(silent), golds, strict=True)]
    told: dict[str, Any] = {"reads": sum(right) / len(right)}
    if adapter.traits["fusion"] == "gated":
        told |= _gates(adapter, [case for case in cases if case["condition"] in (ADVERSARIAL, FAITHFUL)], data)
    replace_file(folder / PROBES, json.dumps(told, indent=1) + "\n")


def _gates(adapter: FusionAdapter, cases: Sequence[dict[str, Any]], data: Path) -> dict[str, Any]:
    clips = {case["audio"]: resample(decode(data / case["audio"]), adapter.sample_rate) for case in cases}
    values = np.array(adapter.gates([_request(case, clips[case["audio"]]) for case in cases]))
    false = np.array([case["condition"] == ADVERSARIAL for case in cases])
    gate, signal = (float(placements(column[false], column[~false]).mean()) for column in values.T)
    means = {name: float(values[side, 0].mean()) for name, side in ((ADVERSARIAL, false), (FAITHFUL, ~false))}
    return {"gate_auroc": gate, "signal_auroc": signal, "mean_gate": means}


def _request(case: dict[str, Any], audio: Audio | None) -> Request:
    return Request(case["id"], audio, case["prompt"], (), LONGEST_ANSWER, want_scores=False)
