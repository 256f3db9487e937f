"""Folders in the release layout, made record by record."""

import json
from pathlib import Path

import pytest

from pytest_mcr.core.case import Sample
from pytest_mcr.data.release import load
from pytest_mcr.errors import DataError

Record = dict[str, object]
SOUNDS = ("Laughter", "Sigh", "Cough")


def record(number: int = 0, /, **changes: object) -> Record:
    """A valid yes/no record; a change to ``...`` removes the key."""
    whole: Record = {
        "audio": f"audio/{number}.wav",
        "gt": "yes" if number % 2 == 0 else "no",
        "neutral": f"Is there a dog in recording {number}?",
        "faithful": f"The text {number} that tells the truth.",
        "adversarial": f"The text {number} that does not.",
        "irrelevant": f"The train number {number} leaves soon.",
        **changes,
    }
    return {key: value for key, value in whole.items() if value is not ...}


def sound(number: int, **changes: object) -> Record:
    question = f"Which sound is in clip {number}? Laughter, Sigh or Cough?"
    heard, told = SOUNDS[number % 3], SOUNDS[(number + 1) % 3]
    texts = {"faithful": f"Somebody lets out a {heard}.", "adversarial": f"Somebody lets out a {told}."}
    return record(number, **{"gt": heard, "neutral": question, **texts, **changes})


def write(root: Path, records: object, task: str = "AQA", *, clips: int = 4) -> Path:
    """A task of the release layout; the audio files hold bytes that no decoder ever sees."""
    audio = root / task / "audio"
    audio.mkdir(parents=True, exist_ok=True)
    for number in range(clips):
        (audio / f"{number}.wav").write_bytes(b"not decoded at collection")
    text = records if isinstance(records, str) else json.dumps(records)
    (root / task / f"{task}.json").write_text(text, encoding="utf-8")
    return root


def complaint(root: Path) -> str:
    with pytest.raises(DataError) as caught:
        load(root)
    message = str(caught.value)
    assert "\n" not in message
    return message


def only(root: Path) -> Sample:
    (sample,) = load(root).samples
    return sample


def complete(number: int, **changes: object) -> Record:
    """Complete prompts; the question repeats in another case and spacing, and names every candidate."""
    bare = sound(number)
    question = str(bare["neutral"]).upper().replace(" ", "  ")
    whole = {key: f"{bare[key]} {question}" for key in ("faithful", "adversarial", "irrelevant")}
    return {**bare, **whole, **changes}
