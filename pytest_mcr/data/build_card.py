"""The data card that travels with every set that `pytest_mcr.data.build` writes."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_mcr.data.synth import LONGEST, RATE, SHORTEST, Split
from pytest_mcr.data.texts import LABELS

LABEL_NOTES = {
    "AQA": "Is a named event heard? Events: bell, bird, drum, engine, siren, wind; one or two in a clip.",
    "SER": "Synthetic prosody. Nobody speaks and nobody feels anything: a label is a setting of pitch, pace, "
    "brightness and breath of a buzzing voice.",
    "VSC": "Vocal sound classification on synthetic vocal sounds.",
}


def data_card(
    tasks: Sequence[str], samples: int, seed: int, split: Split, bands: Sequence[tuple[float, float]], plain: bool,
    unseen: bool,
) -> str:  # fmt: skip
    """Render the card.

    Args:
        tasks: the tasks written.
        samples: samples a task.
        seed: the set's seed.
        split: its split.
        bands: the relative positions in each generator's ranges that the split draws from.
        plain: the clips are plain noise.
        unseen: the texts name labels by words absent from training.
    """
    rows = "\n".join(
        f"| {task} | {samples} | {len(LABELS[task])}: {', '.join(LABELS[task])} | {1 / len(LABELS[task]):.2f} | "
        f"{LABEL_NOTES[task]} |"
        for task in tasks
    )
    ranges = ", ".join(f"{low:.2f}-{high:.2f}" for low, high in bands)
    clips = (
        f"a quarter of a second of noise (16-bit WAV, {RATE} Hz, mono): for measuring speed, nothing can be heard"
        if plain
        else f"Ogg Vorbis, {RATE} Hz, mono, {SHORTEST:.0f} to {LONGEST:.0f} s, with background noise at 15 to 38 dB "
        "and, in half of them, a small room"
    )
    words = "words that the lab model's training never uses" if unseen else "words that training uses too"
    frames = "the training frames" if split == "train" else "frames that occur nowhere in the lab model's training"
    command = f"python -m pytest_mcr.data.build --out DIR --samples {samples} --seed {seed} --split {split}"
    command += " --unseen" * unseen + " --plain" * plain
    return f"""# A synthetic set in the layout of MCR-BENCH (it is not MCR-BENCH)

Made by `{command}`. No recording, no speech and no text of anybody is in it.

| task | samples | K and labels | chance | what it asks |
|---|---|---|---|---|
{rows}

* **Clips**: {clips}. One clip a sample. Generators: `pytest_mcr/data/synth*.py`, numpy only. Split `{split}`,
  seed {seed}; every continuous parameter is drawn at relative positions {ranges} of its range.
* **Texts**: bare descriptions from {frames}, labels named by {words} (`pytest_mcr/data/phrases.py`, `remarks.py`).
  `faithful` is true of the clip. `adversarial` supports a wrong label. `irrelevant` speaks of something else, names no
  label and is about as long. `text_labels` states what each text supports.
* **Balance**: the golds are balanced, and so is the text label given the gold (the pairs are run through in shuffled
  rounds; {samples} samples a task). In AQA, event and gold are crossed.
* **Grammar**: closed and small. A model that does well here has learned this grammar, nothing more.
* **Licence**: CC0-1.0 (public domain dedication), text, clips and labels.

Never claimed from this set: behaviour of any published audio-language model, anything on emotion, "reproduces
MCR-BENCH".
"""
