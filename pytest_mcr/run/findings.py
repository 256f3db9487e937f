"""``findings.jsonl``: texts that turned an answer which a model had right, kept to be asked first the next time.

The file is untrusted: it may be torn, old, or written by somebody else. A line that is no finding is skipped and
named, it never ends a run.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from pytest_mcr.core.perturb import Rendered
from pytest_mcr.core.perturb.tree import Claims, Position

_LONGEST: Final = 20_000
"""Characters of a text that is asked again; our own are far shorter."""
_STRINGS: Final = ("sample", "base", "text", "gold", "answer", "fingerprint")
_CLAIMS: Final[Mapping[str, Claims]] = {c: c for c in ("same", "flipped", "void", "instruction")}
_POSITIONS: Final[Mapping[str, Position]] = {"before": "before", "after": "after"}


@dataclass(frozen=True, slots=True)
class Finding:
    """A text that turned an answer.

    Attributes:
        sample: its id.
        base: the text that was varied.
        text: the whole varied text.
        operators: ``operator:level`` of every edit; empty where the base text itself turned the answer.
        gold: the answer that the model gave from the audio alone, which is the right one.
        answer: what it answered with the text.
        fingerprint: of the model.
        claims: what the text still claims; only ``same`` is text dominance.
        position: where the text line stood.
        candidates: the options in the order in which they were shown; empty for the sample's own.
    """

    sample: str
    base: str
    text: str
    operators: tuple[str, ...]
    gold: str
    answer: str
    fingerprint: str
    claims: Claims = "same"
    position: Position = "before"
    candidates: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[object, ...]:
        """What makes two findings the same one."""
        return self.fingerprint, self.sample, self.text, self.position, self.candidates

    def rendered(self, label: str | None, candidates: Sequence[str]) -> Rendered:
        """The text as it is shown, in the options' order where that is one of these candidates."""
        order = self.candidates if sorted(self.candidates) == sorted(candidates) else tuple(candidates)
        return Rendered(self.text, self.claims, self.operators, self.position, order, label)

    def to_json(self) -> dict[str, Any]:
        """The record of a line."""
        return {**asdict(self), "operators": list(self.operators), "candidates": list(self.candidates)}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Finding:
        """The finding of a record of our own."""
        return cls(**{**record, "operators": tuple(record["operators"]), "candidates": tuple(record["candidates"])})


@dataclass(frozen=True, slots=True)
class Corpus:
    """What a file holds.

    Attributes:
        findings: in the order of the file.
        complaints: one line for each line of the file that is no finding.
        strange: those lines, which `add` leaves in the file.
    """

    findings: tuple[Finding, ...] = ()
    complaints: tuple[str, ...] = ()
    strange: tuple[bytes, ...] = ()

    def of(self, sample: str, fingerprint: str) -> tuple[Finding, ...]:
        """The findings of a sample with this very model."""
        return tuple(f for f in self.findings if f.sample == sample and f.fingerprint == fingerprint)


def read(path: Path) -> Corpus:
    """Read a file of findings; a file that is not there holds none.

    Unknown keys are ignored, as a later version may have written them.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return Corpus()
    except OSError as error:
        return Corpus(complaints=(f"{path}: cannot be read ({error.strerror}); no finding is asked again",))
    found: dict[tuple[object, ...], Finding] = {}
    complaints: list[str] = []
    strange: list[bytes] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        finding = _parse(line)
        if isinstance(finding, Finding):
            found[finding.key] = finding
        else:
            complaints.append(f"{path}:{number}: {finding}; the line is skipped, delete it to end this message")
            strange.append(line)
    return Corpus(tuple(found.values()), tuple(complaints), tuple(strange))


def _parse(line: bytes) -> Finding | str:
    """A finding, or what is wrong with the line."""
    try:
        record = json.loads(line.decode("utf-8"), parse_constant=lambda _: math.nan)
    except (ValueError, RecursionError):
        return "not a JSON object in UTF-8, perhaps torn"
    if not isinstance(record, dict):
        return f"holds a {type(record).__name__}; expected a JSON object"
    record = {"candidates": [], "claims": "same", "position": "before", **record}
    problem = _problem(record)
    if problem is not None:
        return problem
    return Finding(
        **{name: record[name] for name in _STRINGS},
        operators=tuple(record["operators"]),
        claims=_CLAIMS[record["claims"]],
        position=_POSITIONS[record["position"]],
        candidates=tuple(record["candidates"]),
    )


def _problem(record: Mapping[str, Any]) -> str | None:
    """What keeps a record from being a finding."""
    for name in _STRINGS:
        if not isinstance(record.get(name), str):
            return f"key {name!r} holds {_short(record.get(name))}; expected a text"
    for name in ("operators", "candidates"):
        if not _is_strings(record.get(name)):
            return f"key {name!r} holds {_short(record.get(name))}; expected a list of texts"
    for name, known in (("claims", _CLAIMS), ("position", _POSITIONS)):
        if not isinstance(record[name], str) or record[name] not in known:
            return f"key {name!r} holds {_short(record[name])}; expected one of {', '.join(known)}"
    text = record["text"]
    if not text.strip() or len(text) > _LONGEST:
        return f"key 'text' has {len(text)} characters; expected 1 to {_LONGEST}"
    if any("\ud800" <= c <= "\udfff" for c in text):
        return "key 'text' holds half a character (a lone surrogate); expected a text"
    return None


def _is_strings(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _short(value: object) -> str:
    shown = json.dumps(value, ensure_ascii=True, default=str)
    return shown if len(shown) <= 60 else shown[:57] + "..."


def add(path: Path, new: Iterable[Finding]) -> None:
    """Add findings to a file in one step; a reader sees the old file or the new one, sorted by sample and model.

    A finding that is there already is replaced. Lines that are no findings stay, at the end.

    Raises:
        OSError: the file cannot be read or written.
    """
    old = read(path)
    if not old.findings and old.complaints and not old.strange:
        path.read_bytes()  # it is there and cannot be read: raise, and leave it as it is
    kept = {finding.key: finding for finding in (*old.findings, *new)}
    ordered = sorted(kept.values(), key=lambda finding: (finding.sample, finding.fingerprint, finding.operators))
    lines = [json.dumps(finding.to_json()).encode("ascii") for finding in ordered]
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_name(f".{path.name}.{os.getpid()}.new")
    staged.write_bytes(b"".join(line + b"\n" for line in (*lines, *old.strange)))
    staged.replace(path)
