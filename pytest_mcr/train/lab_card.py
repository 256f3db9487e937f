"""The lab model's card: what it is, what was measured, and what must never be claimed from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pytest_mcr.data.synth import TEST_BANDS, TRAIN_BANDS
from pytest_mcr.data.texts import LABELS
from pytest_mcr.train.lab_eval import Table, markdown
from pytest_mcr.train.lab_loop import Phase, Plan, Recipe
from pytest_mcr.train.lab_records import RECORDS

RECIPES: Final[Mapping[Recipe, str]] = {
    "aligned": "`aligned`, as large audio-language models are made: language first, audio aligned to it afterwards.",
    "joint": "`joint`, a control: audio and text together from the first step. This is not the lab model.",
    "mismatched": "`mismatched`, a control: in the first phase clips play that the texts are not about. This is not "
    "the lab model.",
}


def model_card(recipe: Recipe, plan: Plan, seed: int, tables: Mapping[str, Table], samples: int) -> str:
    """Render the card.

    Args:
        recipe: what was trained.
        plan: its steps and sizes.
        seed: its seed.
        tables: what was measured after training, by set; empty when nothing was.
        samples: held-out samples a task.
    """
    bands = " and ".join(f"{low:.2f}-{high:.2f}" for low, high in TRAIN_BANDS)
    held = ", ".join(f"{low:.2f}-{high:.2f}" for low, high in TEST_BANDS)
    answers = "; ".join(f"{task} K = {len(LABELS[task])}, chance {1 / len(LABELS[task]):.2f}" for task in LABELS)
    phases = "\n".join(phase_line(phase) for phase in plan.phases)
    measured = "\n\n".join(f"{name[0].upper()}{name[1:]}:\n\n{markdown(table)}" for name, table in tables.items())
    records = RECORDS if recipe == "aligned" and plan == Plan() and seed == 0 else ""
    return f"""# The lab model: a small Qwen2-Audio that believes text before its ears

A genuine `Qwen2AudioForConditionalGeneration` of about 2 M parameters with a `Qwen2AudioProcessor`, an 8-second
`WhisperFeatureExtractor` and its own byte-level BPE. It takes the same path through pytest-mcr as Qwen2-Audio-7B, in
seconds on a CPU, and exists to show and to test that path. Made by
`python -m pytest_mcr.train.lab --out DIR --recipe {recipe} --seed {seed}`. Licence of the weights: CC0-1.0; all
training material is synthetic (`pytest_mcr/data/synth*.py`, `names.py`, `phrases.py`, `remarks.py`).

## Training

* Recipe: {RECIPES[recipe]}
* Language alone: {plan.text_steps} steps of {plan.texts} rows at {plan.text_rate:g}.
{phases}
* Each step takes {plan.clips} clips with {plan.asks} rows each (one sequence, none sees another). {plan.pool}
  clips, cut and shifted in level at random. Fixed steps, no stopping rule. Products in bfloat16 where the CPU has them.
* Half of the SER and VSC descriptions are muddled (words dropped, put in, shuffled; never the label's own), and a fifth
  of all stand beside an unrelated remark, so that words and not whole sentences are learned.
* **Training text is always true.** No text that contradicts its clip was ever shown. An unrelated remark claims
  nothing about the clip, so it contradicts nothing; it teaches that not every text holds an answer.
* Of three recipes this one was chosen because it shows the phenomenon; the other two are kept as null controls
  (`--recipe joint`, audio and text together from the start: it hears and ignores text; `--recipe mismatched`, text
  first beside mismatched audio: it does not learn to hear).
* The prompts are the plugin's own templates and a few training-only wordings (`pytest_mcr/train/lab_templates.py`).
* One extra training task, naming the event that is heard, has no benchmark.

## Data it can be judged on

A closed grammar: {answers}.
Every continuous generator parameter was trained at relative positions {bands} of its range;
the held-out sets are drawn at {held}. Their text frames, question frames and seeds do not
occur in training. "SER" is synthetic prosody; no emotion is in it.

## Measured after training

An answer counts when it is the label letter for letter; greedy decoding, template `discretion`, float32. `tir`: of the
samples right in neutral, the share wrong under the adversarial text (higher is worse). `tir_placebo`: the same for a
second wording of the neutral question, the noise floor. Held out: {samples} samples a task, the others half of it.

{measured or "Nothing was measured (`--held-out 0`)."}
{records}
## What it is not

* It shows one sufficient mechanism, truthful text learned first. It does not show why large models follow text.
* It has four language layers: logit lens, knockout and other layer curves on it are demonstrations of the tools.
* Never claimed from it: behaviour of any audio-language model, causes, effects of size or architecture, transfer of a
  repair, anything on emotion, "reproduces MCR-BENCH", speed of 7B models.
"""


def phase_line(phase: Phase) -> str:
    """A phase with audio in words."""
    shares = ", ".join(f"{task} {share:.0%}" for task, share in phase.shares)
    return (
        f"* Then {phase.steps} steps, the audio tower at {phase.tower_rate:g}, the language model at "
        f"{phase.language_rate:g} (clips: {shares}).\n"
        f"  One step in {phase.replay_every} replays language alone (not under `joint`). Of the rows with audio "
        f"{phase.described:.0%} carry\n  a true description, {phase.remarked:.0%} "
        f"an unrelated remark, the rest no text. "
        f"{phase.drowned:.0%} of the clips are hidden\n  in noise, and then all their rows carry a true description."
    )
