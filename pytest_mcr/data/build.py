"""Build a synthetic dataset in the release layout: ``python -m pytest_mcr.data.build --out DIR``.

The embedded mini benchmark is this program's output. So are the lab model's held-out set and the large sets of the
speed benchmarks. Each clip is one sample. Gold answers are balanced over the labels, and adversarial text labels over
the wrong ones: a model that answers from the text alone gains nothing by preferring a label.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import soundfile

from pytest_mcr.command_line import Parser
from pytest_mcr.core.case import ADVERSARIAL, FAITHFUL, IRRELEVANT, NEUTRAL
from pytest_mcr.data.build_card import data_card
from pytest_mcr.data.synth import BANDS, RATE, Draw, Generator, Split, clip
from pytest_mcr.data.synth_events import EVENTS
from pytest_mcr.data.synth_voices import PROSODY, VOCAL
from pytest_mcr.data.texts import LABELS, TASKS, Writer
from pytest_mcr.errors import DataError, McrError, UsageError

SPLITS: Final[tuple[Split, ...]] = ("fixture", "heldout", "train")
SPLIT_SEEDS: Final = {"train": 0, "fixture": 1, "heldout": 2}
"""Part of every seed, so that equal ``seed`` arguments never give two splits the same clip."""

SECOND_EVENT: Final = 0.1
"""Share of AQA clips that hold a second event."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What one sample is about, before anything is drawn or written.

    Attributes:
        holds: the events of an AQA clip, or the one label of another.
        event: AQA only, what the question asks about.
        instead: AQA with a ``no`` text only, the event that a text may name as being there instead, by condition.
    """

    task: str
    gold: str
    text_label: str
    holds: tuple[str, ...]
    event: str | None
    instead: dict[str, str]


def write_dataset(
    root: Path, samples_per_task: int, seed: int, split: Split = "fixture", *, tasks: Sequence[str] = TASKS,
    plain: bool = False, unseen: bool = False,
) -> None:  # fmt: skip
    """Write ``ROOT/<TASK>/<TASK>.json`` and ``ROOT/<TASK>/audio/`` for each task, and a data card.

    Args:
        root: made if absent; must be empty.
        samples_per_task: clips and samples a task.
        seed: equal arguments give equal texts and equal samples in the clips (Ogg files hold a random serial number).
        split: whose frames and generator bands are used; only ``train`` shares any with the lab model's training.
        tasks: some of `TASKS`.
        plain: a quarter of a second of noise as 16-bit WAV in place of each clip, for sets that measure speed alone.
        unseen: name labels in the texts by words that training never uses.

    Raises:
        DataError: `root` is a file or holds something already, or a count or task cannot be used.
    """
    check(root, samples_per_task, tasks)
    for task in tasks:
        folder = root / task / "audio"
        folder.mkdir(parents=True)
        base = (SPLIT_SEEDS[split], seed, TASKS.index(task))
        scenes = plan_scenes(task, samples_per_task, np.random.default_rng([*base, 0]))
        writer = Writer(np.random.default_rng([*base, 1]), split, unseen)
        records = []
        for number, scene in enumerate(scenes):
            name = f"{task.lower()}-{number:04d}.{'wav' if plain else 'ogg'}"
            write_clip(folder / name, scene, (*base, 2, number), split, plain)
            records.append(
                {"id": f"{split}-{seed}-{task}-{number:04d}", "audio": f"audio/{name}", **describe(scene, writer)}
            )
        lines = ",\n".join(json.dumps(record, ensure_ascii=False) for record in records)
        (root / task / f"{task}.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    (root / "README.md").write_text(
        data_card(list(tasks), samples_per_task, seed, split, BANDS[split], plain, unseen), encoding="utf-8"
    )


def check(root: Path, samples_per_task: int, tasks: Sequence[str]) -> None:
    """Refuse what cannot be built, before anything is written."""
    if samples_per_task < 1:
        raise DataError(f"samples a task: {samples_per_task} given, expected at least 1; try --samples 60")
    for task in tasks:
        if task not in TASKS:
            raise DataError(f"task {task!r} is unknown, expected some of {', '.join(TASKS)}; try --tasks {TASKS[0]}")
    if root.is_file() or (root.is_dir() and any(root.iterdir())):
        raise DataError(f"{root}: expected an empty or a new folder; choose another --out or remove it first")


def plan_scenes(task: str, count: int, rng: np.random.Generator) -> list[Scene]:
    """Draw `count` scenes: all pairs of gold and text label (AQA: of event and gold), in shuffled rounds."""
    pairs = [
        (event, gold, label)
        for event in (tuple(EVENTS) if task == "AQA" else (None,))
        for gold in LABELS[task]
        for label in LABELS[task]
        if label != gold
    ]
    order = [pairs[int(i)] for _ in range(-(-count // len(pairs))) for i in rng.permutation(len(pairs))]
    return [plan_scene(task, event, gold, label, rng) for event, gold, label in order[:count]]


def plan_scene(task: str, event: str | None, gold: str, label: str, rng: np.random.Generator) -> Scene:
    """Decide what a clip holds so that `gold` is its answer."""
    if event is None:
        return Scene(task, gold, label, (gold,), None, {})
    others = [str(name) for name in rng.permutation([name for name in EVENTS if name != event])]
    second = rng.random() < SECOND_EVENT
    if gold == "yes":
        return Scene(task, gold, label, (event, others[0]) if second else (event,), event, {ADVERSARIAL: others[1]})
    return Scene(task, gold, label, tuple(others[: 1 + second]), event, {FAITHFUL: others[0]})


def describe(scene: Scene, writer: Writer) -> dict[str, Any]:
    """The question, gold answer and texts of a record; the unrelated text is about as long as the other two."""
    labels = {FAITHFUL: scene.gold, ADVERSARIAL: scene.text_label}
    texts = {
        condition: writer.description(scene.task, label, scene.event, scene.instead.get(condition))
        for condition, label in labels.items()
    }
    words = round(sum(len(text.split()) for text in texts.values()) / len(texts))
    return {
        "gt": scene.gold,
        NEUTRAL: writer.question(scene.task, scene.event),
        **texts,
        IRRELEVANT: writer.remark(words),
        "candidates": list(LABELS[scene.task]),
        "text_labels": labels,
    }


def generators(task: str, holds: Sequence[str]) -> list[Generator]:
    """The sound generators of a clip that holds these events, or this label."""
    bank = {"AQA": EVENTS, "SER": PROSODY, "VSC": VOCAL}[task]
    return [bank[name] for name in holds]


def write_clip(path: Path, scene: Scene, seed: Sequence[int], split: Split, plain: bool) -> None:
    """Write one clip as Ogg Vorbis, or a short plain noise as WAV."""
    if plain:
        noise = Draw(np.random.default_rng(list(seed))).noise(RATE // 4) * 0.05
        soundfile.write(path, noise.astype(np.float32), RATE, format="WAV", subtype="PCM_16")
    else:
        soundfile.write(
            path, clip(seed, generators(scene.task, scene.holds), split), RATE, format="OGG", subtype="VORBIS"
        )


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(
        prog="python -m pytest_mcr.data.build",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="examples:\n"
        "  python -m pytest_mcr.data.build --out my-set --samples 200 --seed 7   # 600 new samples in three tasks\n"
        "  pytest --mcr-model lab --mcr-data my-set                             # and a model on them\n"
        "  python -m pytest_mcr.data.build --out rare --samples 200 --unseen    # labels named by untrained words\n"
        "  python -m pytest_mcr.data.build --out big --samples 1000 --plain     # 12,000 cases in seconds, noise only",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new or empty folder")
    parser.add_argument(
        "--samples", type=int, default=60, metavar="N", help="samples a task, one clip each (default 60)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="equal seeds give equal sets (default 0)")
    parser.add_argument("--tasks", default=",".join(TASKS), metavar="A,B", help=f"default {','.join(TASKS)}")
    parser.add_argument(
        "--split",
        choices=SPLITS,
        default="heldout",
        help="frames, seeds and generator ranges: fixture and heldout share none with training, and no seed with each "
        "other (default heldout)",
    )
    parser.add_argument("--unseen", action="store_true", help="name labels by synonyms that training never uses")
    parser.add_argument("--plain", action="store_true", help="short noise in place of clips; for speed measurements")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code (0, or 4 for a bad argument)."""
    options = parse(argv)
    try:
        write_dataset(
            options.out, options.samples, options.seed, options.split, tasks=options.tasks.split(","),
            plain=options.plain, unseen=options.unseen,
        )  # fmt: skip
    except McrError as error:
        sys.stderr.write(f"{error}\n")
        return UsageError.exit_code
    sys.stdout.write(f"{options.out}: {options.samples} samples in each of {options.tasks}; see README.md there\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
