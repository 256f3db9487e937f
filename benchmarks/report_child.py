"""One process that writes a large HTML report: ``python -m benchmarks.report_child FOLDER CASES``."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.memory_child import forget_peak, peak_mb
from pytest_mcr.core.case import CONDITIONS, Case, Sample, Verdict
from pytest_mcr.data.dataset import Dataset
from pytest_mcr.data.shipped import fixture
from pytest_mcr.report import html
from tests.unit.records import lab_like, run, samples_of

CLIPS: Final = 12
SAID: Final = "What can be heard in this recording is best described by the following answer: "


def lines_of(samples: Sequence[Sample]) -> list[str]:
    """``cases.jsonl``: what the lab-like rule answers, with scores, in the words of a chatty model."""
    lines = []
    for sample in samples:
        for condition in CONDITIONS:
            case = Case(sample, condition)
            said = lab_like(case, int(sample.id.rpartition("-")[2]))
            answer = None if isinstance(said, Verdict) else str(said)
            other = Verdict.TEXT if answer == case.text_label else Verdict.OTHER
            verdict = said if isinstance(said, Verdict) else Verdict.AUDIO if answer == sample.gold else other
            scores = {name: -0.25 if name == answer else -3.5 for name in sample.candidates}
            lines.append(
                json.dumps(
                    {
                        "sample": sample.id, "condition": condition, "verdict": str(verdict), "answer": answer,
                        "raw": f"{SAID}{answer}.", "text_label": case.text_label, "scores": scores,
                        "confidence": None if answer is None else 0.9, "error": None,
                    }
                )
            )  # fmt: skip
    return lines


def dataset(root: Path, samples: Sequence[Sample]) -> Dataset:
    """The samples on disk, every clip a real one of a few seconds."""
    clips = sorted((fixture("mini-mcr") / "VSC" / "audio").iterdir())[:CLIPS]
    originals = []
    for clip in clips:
        (root / "clips").mkdir(parents=True, exist_ok=True)
        originals.append(root / "clips" / clip.name)
        originals[-1].write_bytes(clip.read_bytes())
    for place, sample in enumerate(samples):
        path = root / sample.audio
        path.parent.mkdir(parents=True, exist_ok=True)
        path.hardlink_to(originals[place % CLIPS])
    return Dataset(root, "custom", "0" * 64, tuple(samples))


def main(argv: Sequence[str]) -> None:
    """Print the figures as JSON."""
    folder, cases = Path(argv[0]), int(argv[1])
    each = cases // len(CONDITIONS) // 3
    samples = samples_of({"AQA": each, "SER": each, "VSC": each})
    folder.mkdir(parents=True)
    record = run(folder, samples=samples, kind="custom", out=folder)
    path = folder / "cases.jsonl"
    path.write_text("\n".join(lines_of(samples)) + "\n", encoding="utf-8")
    turned = [sample.id for sample in samples if int(sample.id[-2:]) % 10]
    material = html.Material(dataset(folder / "data", samples), path, turned, CLIPS)
    forget_peak()
    began = time.perf_counter()
    html.write(record, material, folder / "report.html")
    print(json.dumps({"seconds": time.perf_counter() - began, "peak_mb": peak_mb()}))


if __name__ == "__main__":
    main(sys.argv[1:])
