"""One process whose peak memory is measured: ``python -m benchmarks.memory_child KIND FOLDER COUNT``.

KIND ``engine`` or ``plain`` answers the four conditions of COUNT clips of 30 s in one call or one batch; ``long-run``
answers COUNT cases of short clips, chunk by chunk.
"""

from __future__ import annotations

import json
import resource
import sys
from dataclasses import replace
from pathlib import Path

from benchmarks import questions
from benchmarks.engine import ask, let_waiting_threads_sleep, load_engine
from pytest_mcr.run.chunks import CHUNK_CASES

THREADS = 2
TOKENS = 4
"""Of an answer in the long run."""
PROC = Path("/proc/self")


def forget_peak() -> None:
    """Let the peak start again from what is in use now, where the system can do that."""
    if (PROC / "clear_refs").exists():
        (PROC / "clear_refs").write_text("5")


def peak_mb() -> float:
    """Peak resident memory since `forget_peak`, or of the whole life of the process."""
    if (PROC / "clear_refs").exists():
        line = next(line for line in (PROC / "status").read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e6
    scale = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale / 1e6


def one_call(kind: str, folder: Path, clips: int) -> dict[str, float]:
    """Peak of loading a model and answering some clips at once, above what its libraries take.

    Loading counts, because what it frees is used again by the first answer: a floor taken after it would flatter the
    side that tries out more while it loads.
    """
    from benchmarks.naive import Naive, use_threads  # imports everything that either side needs

    requests = questions.flat(questions.noise_clips(clips, 30.0))
    use_threads(THREADS)
    forget_peak()
    floor = peak_mb()
    if kind == "engine":
        ask(load_engine(str(folder), threads=THREADS), requests)
    else:
        Naive.load(folder).generate_batched(requests, rows=len(requests))
    return {"peak_mb": peak_mb() - floor}


def long_run(folder: Path, cases: int) -> dict[str, float]:
    """Peak above the loaded model after a twelfth of the cases, and after all; every chunk has clips of its own."""
    engine = load_engine(str(folder), threads=THREADS)
    early = 0.0
    forget_peak()
    floor = peak_mb()
    for chunk in range(cases // CHUNK_CASES):
        clips = questions.noise_clips(CHUNK_CASES // 4, 1.0, seed=CHUNK_CASES * chunk)
        ask(engine, [replace(request, max_new_tokens=TOKENS) for request in questions.flat(clips)])
        if chunk * CHUNK_CASES <= cases // 12:
            early = peak_mb() - floor
    return {"early_mb": early, "peak_mb": peak_mb() - floor}


def main(argv: list[str]) -> None:
    """Print the figures as JSON."""
    kind, folder, count = argv[0], Path(argv[1]), int(argv[2])
    let_waiting_threads_sleep()
    figures = long_run(folder, count) if kind == "long-run" else one_call(kind, folder, count)
    print(json.dumps(figures))


if __name__ == "__main__":
    main(sys.argv[1:])
