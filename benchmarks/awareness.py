"""Full size of the awareness suite on random states: 12,000 cases, 4 layers, 4,096 wide; time, peak memory, disk.

``python -m benchmarks.awareness`` streams the states to disk as a run does, then probes them. Random states give AUROCs
of about 0.5, and fits of random states are no faster than those of a model's.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import torch

from pytest_mcr.core.case import Sample
from pytest_mcr.core.crossing import Pair, cross
from pytest_mcr.core.prompts import normalize
from pytest_mcr.probes.awareness import Stores, measure
from pytest_mcr.probes.awareness_rows import Row
from pytest_mcr.probes.states import StateWriter

LABELS = ("angry", "calm", "fearful", "happy", "sad")
TASKS = ("AQA", "SER", "VSC")
MEMORY_MB = 1024
SECONDS = 480


def main(argv: list[str]) -> int:
    """Measure and print; 1 where a target is missed.

    Args:
        argv: arguments after the program's name.
    """
    parser = argparse.ArgumentParser("python -m benchmarks.awareness", description=__doc__)
    parser.add_argument("--cases", type=int, default=12_000)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--width", type=int, default=4096)
    parser.add_argument("--json", action="store_true", help="one JSON object in place of the lines")
    given = parser.parse_args(argv)
    found = run(given.cases, given.layers, given.width)
    ok = found["peak_mb"] < MEMORY_MB and found["probe_seconds"] < SECONDS
    if given.json:
        print(json.dumps({**found, "ok": ok}))
    else:
        print(f"{found['cases']:.0f} cases x {given.layers} layers x {given.width}: {found['disk_mb']:.0f} MB on disk")
        print(f"streamed in {found['stream_seconds']:.1f} s, peak {found['stream_mb']:.0f} MB above the start")
        print(f"probed in {found['probe_seconds']:.0f} s (target {SECONDS}; {found['cpu_seconds']:.0f} s of computing)")
        print(f"peak {found['peak_mb']:.0f} MB above the start (target {MEMORY_MB})")
    return 0 if ok else 1


def run(cases: int, layers: int, width: int) -> dict[str, float]:
    """Stream and probe random states of the crossed design.

    Args:
        cases: rows of branch J, about; branch T has as many, branch A a fifth.
        layers: of each.
        width: of a state.
    """
    clips = max(25, cases // len(TASKS) // len(LABELS))
    pairs = [pair for task in TASKS for pair in _pairs(task, clips)]
    rows = [_row(pair, number) for number, pair in enumerate(pairs)]
    generator = torch.Generator().manual_seed(0)
    before, started = _peak_mb(), time.perf_counter()
    chosen = tuple(range(1, layers + 1))
    with tempfile.TemporaryDirectory() as folder:
        joint, text, audio = (StateWriter(Path(folder) / name, chosen) for name in ("joint", "text", "audio"))
        for writer, count in ((joint, len(pairs)), (text, len(pairs)), (audio, len({row.clip for row in rows}))):
            for _ in range(count):
                writer.add(torch.randn(layers, width, generator=generator))
        stores = Stores(joint.close(), text.close(), audio.close())
        disk = sum(file.stat().st_size for file in Path(folder).rglob("*.safetensors"))
        streamed, stream_mb = time.perf_counter() - started, _peak_mb() - before
        started, computed = time.perf_counter(), time.process_time()
        measured = measure(rows, stores, middle=max(1, layers // 2), seed=0)
        probed, computed = time.perf_counter() - started, time.process_time() - computed
    assert not measured.problems, measured.problems
    named = {key[0]: one for task in measured.tasks.values() for key, one in task.items()}
    missing = [name for name, one in named.items() if one.value is None and name != "awareness.retained"]
    assert not missing, missing  # nothing is retained of random states
    return {
        "cases": len(pairs),
        "disk_mb": disk / 1e6,
        "stream_seconds": streamed,
        "stream_mb": stream_mb,
        "probe_seconds": probed,
        "cpu_seconds": computed,
        "peak_mb": _peak_mb() - before,
    }


def _pairs(task: str, clips: int) -> list[Pair]:
    samples = [
        Sample(
            f"{task}-{number:04d}", task, f"{number}.wav", "Which emotion?", (gold := LABELS[number % 5]),
            {"faithful": f"{task} {number} sounds {gold}.",
             "adversarial": f"{task} {number} is {(wrong := LABELS[(number + 1 + number // 5 % 4) % 5])}."},
            LABELS, {"faithful": gold, "adversarial": wrong},
        )
        for number in range(clips)
    ]  # fmt: skip
    [design] = cross(samples, limit=clips, seed=0)
    return list(design.pairs)


def _row(pair: Pair, number: int) -> Row:
    sample = pair.sample
    scores = {label: -float((number * (place + 3)) % 11) for place, label in enumerate(LABELS)}
    answer = pair.label if number % 3 else sample.gold
    words = f"{sample.question}\n{pair.text}"
    return Row(sample.task, sample.id, sample.id, normalize(pair.text), words, sample.gold, pair.label, answer, scores)


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
