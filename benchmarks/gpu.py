"""The engine on a GPU with a random Qwen2-Audio at its real size (8.4 B parameters, bfloat16), beside naive generate.

    python benchmarks/gpu.py                                 real size on the GPU, some minutes
    python benchmarks/gpu.py --size tiny --device cpu        the same script anywhere
    python benchmarks/gpu.py --json FILE                     also write the figures

For clips of 30 s and 4 s: cases a second, share of time by stage, operations a second in prefill against a matrix
product measured here, ratio to naive, and the projected time for the 12,000 cases of MCR-BENCH.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import questions
from benchmarks.alternating import timed
from benchmarks.engine import let_waiting_threads_sleep, refuse_errors, unheard
from benchmarks.flops import prefill_work
from benchmarks.rows import Row, at_least
from pytest_mcr.run.chunks import CHUNK_CASES

if TYPE_CHECKING:
    import torch

    from benchmarks.naive import Naive
    from benchmarks.random_model import Size
    from pytest_mcr.models.hf import HfModel
    from pytest_mcr.models.protocol import Request

SECONDS: Final = (30.0, 4.0)
CASES: Final = 12_000
TOKENS: Final = 8
"""Of every answer on both sides: a random model never stops, and real answers are a few words."""
PART: Final = 10
ROUNDS: Final = 3
SPEED, SHARE_OF_PEAK = 20.0, 0.5


@dataclass(frozen=True, slots=True)
class Setup:
    """What is measured, and on what.

    Attributes:
        peak: operations a second of a large matrix product.
    """

    engine: HfModel
    naive: Naive
    model: Any
    peak: float


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; targets are stated, and a missed one is exit code 1."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=("real", "tiny"), default="real", help="of the model (default real)")
    parser.add_argument("--device", default="cuda", help="cuda, cuda:N or cpu (default cuda)")
    parser.add_argument("--clips", type=int, default=40, help="clips of each length (default 40)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE")
    options = parser.parse_args(argv)
    let_waiting_threads_sleep()
    import torch

    from benchmarks.random_model import REAL, TINY

    if options.device != "cpu" and not torch.cuda.is_available():
        parser.error(
            f"--device {options.device}: torch {torch.__version__} sees no GPU; type: --size tiny --device cpu"
        )
    with tempfile.TemporaryDirectory() as folder:
        setup = prepare(REAL if options.size == "real" else TINY, options.device, Path(folder))
        about = describe(setup, options.size)
        print(json.dumps(about, indent=1), flush=True)
        figures, rows = [], []
        for seconds in SECONDS:
            figures.append(measure(setup, seconds, options.clips))
            rows += rows_of(figures[-1])
            print("\n".join(row.line() for row in rows[-2:]), flush=True)
    if options.json:
        written = {**about, "figures": figures, "rows": [row.to_json() for row in rows]}
        options.json.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")
    return 0 if all(row.ok for row in rows) else 1


def prepare(size: Size, device: str, folder: Path) -> Setup:
    """Build the model on the device; both sides use the same weights."""
    import torch

    from benchmarks.naive import Naive
    from benchmarks.random_model import build_model, build_processor
    from pytest_mcr.models.hf import HfModel
    from pytest_mcr.models.hf_load import Checkpoint, end_of_turn

    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    peak = matrix_peak(device, dtype)
    processor = build_processor(size.seconds)
    model = build_model(size, processor, device=device, dtype=dtype)
    end = end_of_turn(processor)
    checkpoint = Checkpoint(
        model=model, processor=processor, family="qwen2_audio", device=torch.device(device), dtype=dtype,
        audio_token_id=model.config.audio_token_index, turn_end=end, stops=frozenset({end}),
        pad=processor.tokenizer.pad_token_id,
    )  # fmt: skip
    return Setup(HfModel(checkpoint, folder, name="random"), Naive(model, build_processor(size.seconds)), model, peak)


def matrix_peak(device: str, dtype: torch.dtype) -> float:
    """Operations a second of a square matrix product, the best of ten runs of four."""
    import torch

    size = 1024 if device == "cpu" else 8192
    one, two = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))

    def four() -> None:
        for _ in range(4):
            torch.mm(one, two)
        wait(device)

    four()
    return 4 * 2.0 * size**3 / min(timed(four) for _ in range(10))


def wait(device: str) -> None:
    """Until the device has done its work."""
    import torch

    if device != "cpu":
        torch.cuda.synchronize(device)


def describe(setup: Setup, size: str) -> dict[str, object]:
    """What the figures are about."""
    import torch
    import transformers

    device = setup.model.device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    traits = setup.engine.traits
    return {
        "device": name, "dtype": setup.engine.dtype, "size": size, "parameters": traits["parameters"],
        "attention": traits["attention"], "engine": traits.get("engine"), "matrix_peak_tflops": setup.peak / 1e12,
        "torch": torch.__version__, "transformers": transformers.__version__,
    }  # fmt: skip


def measure(setup: Setup, seconds: float, count: int) -> dict[str, Any]:
    """All figures for clips of one length: the engine with text and scores, naive with text, in turn."""
    clips = questions.noise_clips(count, seconds)
    requests = [replace(one, max_new_tokens=TOKENS) for one in questions.flat(clips)]
    part = requests[: max(4, len(requests) // PART // 4 * 4)]
    setup.engine.fit(max(requests, key=lambda one: len(one.prompt)))
    answer_all(setup, requests[:CHUNK_CASES])
    naive_all(setup, part[:4])
    setup.engine.spent()
    took: dict[str, list[float]] = {"engine": [], "naive": []}
    prefills = []
    for _ in range(ROUNDS):
        with prefill_work(setup.model) as work:
            took["engine"].append(timed(lambda: answer_all(setup, requests)))
        prefills.append(work)
        took["naive"].append(timed(lambda: naive_all(setup, part)))
    stages = setup.engine.spent()
    rate = len(requests) / statistics.median(took["engine"])
    naive = len(part) / statistics.median(took["naive"])
    done = sum(work.total for work in prefills)
    return {
        "seconds": seconds, "cases": len(requests), "naive_cases": len(part), "tokens": TOKENS,
        "cases_per_second": rate, "naive_cases_per_second": naive, "ratio": rate / naive,
        "share": {name: spent / sum(took["engine"]) for name, spent in stages.items()},
        "prefill_positions_per_clip": prefills[0].positions / count,
        "prefill_tflops": done / stages["prefill"] / 1e12,
        "encoder_share_of_prefill_work": sum(work.encoder for work in prefills) / done,
        "prefill_share_of_peak": done / stages["prefill"] / setup.peak,
        "projected_minutes": CASES / rate / 60, "naive_projected_minutes": CASES / naive / 60,
        "peak_memory_gb": peak_memory_gb(str(setup.model.device)),
    }  # fmt: skip


def answer_all(setup: Setup, requests: Sequence[Request]) -> None:
    """Chunk by chunk as a run does it, the next chunk's features extracted meanwhile."""
    asked = unheard(requests)
    parts = [asked[at : at + CHUNK_CASES] for at in range(0, len(asked), CHUNK_CASES)]
    for part, following in zip(parts, [*parts[1:], []], strict=True):
        for clip in {one.audio.digest: one.audio for one in following if one.audio is not None}.values():
            setup.engine.prefetch(clip)
        refuse_errors(setup.engine.respond(part))
    wait(str(setup.model.device))


def naive_all(setup: Setup, requests: Sequence[Request]) -> None:
    """Case by case."""
    setup.naive.generate(requests)
    wait(str(setup.model.device))


def peak_memory_gb(device: str) -> float | None:
    """Most memory that tensors took on a GPU so far."""
    import torch

    return None if device == "cpu" else torch.cuda.max_memory_allocated(device) / 1e9


def rows_of(figures: dict[str, Any]) -> list[Row]:
    """The two targets for clips of one length."""
    name = f"{figures['seconds']:g} s clips"
    stages = ", ".join(f"{stage} {share:.0%}" for stage, share in figures["share"].items())
    speed = at_least(
        f"GPU, {name}, text and scores", "naive generate", figures["ratio"], SPEED,
        f"{figures['cases']} cases, {figures['cases_per_second']:.3g} a second; naive {figures['naive_cases']} cases, "
        f"{figures['naive_cases_per_second']:.3g} a second; {TOKENS} tokens each, median of {ROUNDS}",
        f"{CASES} cases: {figures['projected_minutes']:.1f} minutes, naive "
        f"{figures['naive_projected_minutes']:.1f}",
        f"time: {stages}",
    )  # fmt: skip
    peak = at_least(
        f"GPU, {name}, operations a second in prefill", "the measured matrix peak", figures["prefill_share_of_peak"],
        SHARE_OF_PEAK, f"{figures['prefill_tflops']:.3g} TFLOP/s",
    )  # fmt: skip
    return [speed, peak]


if __name__ == "__main__":
    sys.exit(main())
