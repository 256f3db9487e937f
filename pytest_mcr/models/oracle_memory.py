"""What an oracle knows and how it hears: by the audio's digest and the question asked, never by a request id."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from pytest_mcr.core.case import ADVERSARIAL, NEUTRAL, Sample
from pytest_mcr.core.prompts import normalize
from pytest_mcr.models.protocol import Request

SOUNDS: Final = ("a bell", "birds", "a car", "a crowd", "a door", "an engine", "footsteps", "a horn", "rain", "a siren",
                 "steps on gravel", "thunder", "a train", "a voice", "water", "wind")  # fmt: skip
"""What an oracle hears in audio it does not know when the question is open."""


def draw(*parts: object) -> float:
    """A number in [0, 1) fixed by its parts: uniform over sha256, the same in every process and version."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:7], "big") / 2**56  # 56 bits: a float holds 53, and may round up to 1 never below


@dataclass(frozen=True, slots=True)
class Told:
    """What a varied text says, as the dominance suite knows it.

    Attributes:
        text: the whole text.
        claims: ``same`` as its base text, ``flipped`` (of two answers the other), ``void`` or ``instruction``.
    """

    text: str
    claims: str


@dataclass(frozen=True, slots=True)
class Heard:
    """A request whose clip and question are known.

    Attributes:
        condition: the condition whose text stands in the prompt; ``neutral`` when none does.
        told: what became of that text, None for the text as it is.
        prompt: the whole prompt.
        silent: silence is played, so that only the text can be followed.
    """

    sample: Sample
    condition: str
    told: Told | None = None
    prompt: str = ""
    silent: bool = False

    @property
    def text(self) -> str:
        """The text in the prompt; empty in neutral."""
        return self.told.text if self.told is not None else self.sample.texts.get(self.condition, "")

    @property
    def claimed(self) -> str:
        """What the text still says after it was varied: its label, of two answers the other one, else the gold."""
        if self.told is None or self.told.claims in ("same", "instruction"):
            return self.followed
        others = [label for label in self.sample.candidates if label != self.followed]
        return others[0] if self.told.claims == "flipped" and len(others) == 1 else self.gold

    @property
    def case_id(self) -> str:
        """The case that this request can only be."""
        return f"{self.sample.id}-{self.condition}"

    @property
    def gold(self) -> str:
        """The gold answer, spelled as the candidate is."""
        return spelled(self.sample.gold, self.sample.candidates)

    @property
    def followed(self) -> str:
        """What the text says: its label; unknown under adversarial, the first other candidate; else the gold.

        An open question without a known label is answered with the adversarial text itself.
        """
        label = self.sample.text_labels.get(self.condition)
        if label is not None:
            return spelled(label, self.sample.candidates)
        if self.condition != ADVERSARIAL:
            return self.gold
        others = [label for label in self.sample.candidates if label != self.gold]
        return others[0] if others else self.sample.texts[ADVERSARIAL]


class Memory:
    """Samples by the digest of their decoded clip."""

    def __init__(self) -> None:
        self._by_digest: dict[str, dict[str, Sample]] = {}
        self._texts: dict[str, dict[str, tuple[str, Told | None]]] = {}

    def learn(self, sample: Sample, digest: str) -> None:
        """Remember that this clip is the sample's."""
        self._by_digest.setdefault(digest, {})[sample.id] = sample

    def learn_text(self, sample: Sample, prompt: str, condition: str, told: Told | None) -> None:
        """Remember what the text in a prompt about this sample is, and what became of it."""
        known = self._texts.setdefault(prompt, {})
        known[sample.id] = (condition, told)
        self._by_digest.setdefault("", {})[sample.id] = sample

    def read(self, request: Request) -> Heard | None:
        """The text of a prompt that was learnt, whatever is played; None for other prompts."""
        known = self._texts.get(request.prompt)
        if not known:
            return None
        playing = self._by_digest.get(request.audio.digest, {}) if request.audio is not None else {}
        name = min(known, key=lambda name: (name not in playing, name))
        condition, told = known[name]
        sample = self._by_digest[""][name]
        return Heard(sample, condition, told, request.prompt, silent=name not in playing)

    def recall(self, request: Request) -> Heard | None:
        """Find the sample whose clip is heard and whose question is asked; None for anything else, silence included.

        Where several fit, the longest question wins (another may be part of it), then the one whose text is in the
        prompt, then the lowest id.
        """
        if request.audio is None:
            return None
        read = self.read(request)
        if read is not None and not read.silent:
            return read
        known = self._by_digest.get(request.audio.digest, {})
        asked = normalize(request.prompt)
        found: list[tuple[int, int, str, Heard]] = []
        for sample in known.values():
            condition = read_condition(request.prompt, sample)
            if normalize(sample.question) in asked or (sample.complete and condition != NEUTRAL):
                rank = (-len(sample.question), int(condition == NEUTRAL), sample.id)
                found.append((*rank, Heard(sample, condition, prompt=request.prompt)))
        return min(found, key=lambda entry: entry[:3])[3] if found else None


def read_condition(prompt: str, sample: Sample) -> str:
    """The condition whose text fills the end of a line of the prompt (or all of it); the longest such text wins."""
    present = [
        condition
        for condition in sample.conditions
        if condition != NEUTRAL and _stands_in(prompt, sample.texts[condition])
    ]
    return max(present, key=lambda condition: len(sample.texts[condition]), default=NEUTRAL)


def spelled(label: str, candidates: tuple[str, ...]) -> str:
    """The candidate that equals a label after normalisation, else the label."""
    return next((candidate for candidate in candidates if normalize(candidate) == normalize(label)), label)


def _stands_in(prompt: str, text: str) -> bool:
    """Whether the text begins a line, or follows a colon, and ends its line."""
    start = prompt.find(text) if text else -1
    while start >= 0:
        end = start + len(text)
        begins = start == 0 or prompt[start - 1] == "\n" or prompt[:start].endswith(": ")
        if begins and (end == len(prompt) or prompt[end] == "\n"):
            return True
        start = prompt.find(text, start + 1)
    return False
