"""Measure a lab model on a synthetic set as an adapter would: processor, chat template, left padding, greedy text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import soundfile
import torch
from transformers import AutoModelForMultimodalLM, AutoProcessor

from pytest_mcr.core.case import ADVERSARIAL, CONDITIONS, FAITHFUL, NEUTRAL, PLACEBO, Sample
from pytest_mcr.core.prompts import DISCRETION, Template, render

ASKED: Final = (*CONDITIONS, PLACEBO)

Table = dict[str, dict[str, float]]
"""By task, then by figure (a condition's accuracy, ``tir`` or ``tir_placebo``); the mean over tasks is under ``*``."""


def read_samples(root: Path) -> dict[str, list[Sample]]:
    """Read a set that `pytest_mcr.data.build` wrote, by task."""
    tasks = {}
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        records = json.loads((folder / f"{folder.name}.json").read_text(encoding="utf-8"))
        tasks[folder.name] = [
            Sample(
                id=record["id"],
                task=folder.name,
                audio=str(folder / record["audio"]),
                question=record[NEUTRAL],
                gold=record["gt"],
                texts={condition: record[condition] for condition in CONDITIONS if condition != NEUTRAL},
                candidates=tuple(record["candidates"]),
                text_labels=record["text_labels"],
            )
            for record in records
        ]
    return tasks


def answers(model: Any, processor: Any, samples: Sequence[Sample], condition: str, template: Template) -> list[str]:
    """Greedy answers, one a sample, in batches of 16."""
    texts = []
    for start in range(0, len(samples), 16):
        chunk = samples[start : start + 16]
        turns = [
            [
                {
                    "role": "user",
                    "content": [
                        {"type": "audio", "audio": soundfile.read(sample.audio, dtype="float32")[0]},
                        {"type": "text", "text": render(template, sample, condition)},
                    ],
                }
            ]
            for sample in chunk
        ]
        inputs = processor.apply_chat_template(
            turns, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt",
            processor_kwargs={"text_kwargs": {"padding": True}},
        )  # fmt: skip
        with torch.inference_mode():
            generated = model.generate(**inputs, max_new_tokens=8, do_sample=False)
        texts += processor.batch_decode(generated[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    return texts


def measure(folder: Path, root: Path, template: Template = DISCRETION) -> Table:
    """Accuracy by condition and text influence rates of the model in `folder` on the set in `root`.

    An answer counts when it is the label, letter for letter. ``tir`` is the share of samples right in neutral that are
    wrong under the adversarial text; ``tir_placebo`` the same for a second wording of the neutral question.
    """
    processor = AutoProcessor.from_pretrained(folder)  # type: ignore[no-untyped-call]
    model = AutoModelForMultimodalLM.from_pretrained(folder, dtype=torch.float32).eval()
    table: Table = {}
    for task, samples in read_samples(root).items():
        golds = np.array([sample.gold for sample in samples])
        right = {
            condition: np.array(answers(model, processor, samples, condition, template)) == golds for condition in ASKED
        }
        table[task] = {condition: float(hits.mean()) for condition, hits in right.items()}
        table[task]["tir"] = float(1 - right[ADVERSARIAL][right[NEUTRAL]].mean()) if right[NEUTRAL].any() else 0.0
        table[task]["tir_placebo"] = float(1 - right[PLACEBO][right[NEUTRAL]].mean()) if right[NEUTRAL].any() else 0.0
    table["*"] = {name: float(np.mean([row[name] for row in table.values()])) for name in next(iter(table.values()))}
    return table


def problems(table: Mapping[str, Mapping[str, float]]) -> list[str]:
    """What keeps a measured model from being the lab model: one line for each promise that it breaks."""
    mean = table["*"]
    tasks = [task for task in table if task != "*"]
    promises = {
        "neutral accuracy of every task at least 0.85": min(table[task][NEUTRAL] for task in tasks) >= 0.85,
        "mean neutral accuracy at least 0.90": mean[NEUTRAL] >= 0.90,
        "mean faithful accuracy at least 0.95": mean[FAITHFUL] >= 0.95,
        "mean adversarial accuracy at most 0.12": mean[ADVERSARIAL] <= 0.12,
        "mean irrelevant accuracy within 0.10 of neutral": abs(mean["irrelevant"] - mean[NEUTRAL]) <= 0.10,
        "tir[adversarial] at least 0.87": mean["tir"] >= 0.87,
    }
    return [f"not met: {promise}" for promise, kept in promises.items() if not kept]


def markdown(table: Table) -> str:
    """The table for the card."""
    names = list(table["*"])
    lines = ["| task | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    lines += [f"| {task} | " + " | ".join(f"{row[name]:.2f}" for name in names) + " |" for task, row in table.items()]
    return "\n".join(lines)
