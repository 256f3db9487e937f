"""Small datasets in the release layout, written to disk for a test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

Records = dict[str, list[dict[str, Any]]]

LABELS = {"AQA": ("yes", "no"), "SER": ("angry", "happy", "sad")}
QUESTIONS = {"AQA": "Is a dog heard? Answer yes or no.", "SER": "Which emotion is heard?"}
TEXTS = {"yes": "A dog is heard.", "no": "No dog is heard.", "angry": "An angry voice.", "happy": "A happy voice.",
         "sad": "A sad voice."}  # fmt: skip


def records(per_task: int, tasks: tuple[str, ...] = ("AQA", "SER")) -> Records:
    """Records of balanced tasks; text labels are given, so every case has one."""
    made: Records = {}
    for task in tasks:
        labels = LABELS[task]
        made[task] = [
            {
                "audio": f"{task.lower()}-{n}.wav",
                "gt": (gold := labels[n % len(labels)]),
                "neutral": QUESTIONS[task],
                "faithful": TEXTS[gold],
                "adversarial": TEXTS[(wrong := labels[(n + 1) % len(labels)])],
                "irrelevant": "The museum opens at nine.",
                "candidates": list(labels),
                "text_labels": {"faithful": gold, "adversarial": wrong},
            }
            for n in range(per_task)
        ]
    return made


def write(root: Path, made: Records) -> Path:
    """Write manifests and one short clip a record, all different."""
    for task, rows in made.items():
        audio = root / task / "audio"
        audio.mkdir(parents=True)
        for n, row in enumerate(rows):
            noise = np.random.default_rng((sum(task.encode()), n)).normal(0, 0.1, 1600).astype(np.float32)
            soundfile.write(audio / row["audio"], noise, 8000, subtype="PCM_16")
        (root / task / f"{task}.json").write_text(json.dumps(rows), encoding="utf-8")
    return root


def dataset(root: Path, per_task: int = 8, tasks: tuple[str, ...] = ("AQA", "SER")) -> Path:
    """A whole dataset of `per_task` samples in each task."""
    return write(root, records(per_task, tasks))
