"""Waivers: a named person lets one gate of one model on one dataset fail, for a reason and at most 90 days."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final

from pytest_mcr.core.gates import FAIL, UNDECIDED, WAIVED, GateResult
from pytest_mcr.errors import OptionError

LONGEST: Final = 90
"""Days that a waiver may have left."""
KEYS: Final = ("gate", "model", "dataset", "owner", "reason", "expires")
SHORTEST_DIGEST: Final = 12
EXAMPLE: Final = "[[waiver]] with gate, model (fingerprint), dataset (digest), owner, reason and expires"


@dataclass(frozen=True, slots=True)
class Waiver:
    """One waiver.

    Attributes:
        gate: expression as the results show it.
        model: fingerprint of the model.
        dataset: digest of the data, or at least its first twelve characters.
        owner: who answers for it.
        reason: in their words.
        expires: last day on which it counts.
        where: file and number, for messages.
    """

    gate: str
    model: str
    dataset: str
    owner: str
    reason: str
    expires: date
    where: str


def read_waivers(path: Path, today: date) -> tuple[Waiver, ...]:
    """Read the waivers of a file.

    Raises:
        OptionError: it cannot be read, a key is missing, unknown or not understood, or one has too many days left.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise OptionError(f"{path}: {error}; expected a readable TOML file of {EXAMPLE}") from None
    entries = content.pop("waiver", [])
    if content:
        raise OptionError(f"{path}: unknown key {next(iter(content))!r}; expected {EXAMPLE}")
    if not isinstance(entries, list):
        raise OptionError(f"{path}: 'waiver' is not a list of tables; expected {EXAMPLE}")
    return tuple(_waiver(f"{path}: waiver {number}", entry, today) for number, entry in enumerate(entries, start=1))


def _waiver(where: str, entry: object, today: date) -> Waiver:
    if not isinstance(entry, dict):
        raise OptionError(f"{where}: a {type(entry).__name__}; expected {EXAMPLE}")
    for key in entry:
        if key not in KEYS:
            close = difflib.get_close_matches(key, KEYS, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"expected {', '.join(KEYS)}"
            raise OptionError(f"{where}: unknown key {key!r}; {hint}")
    for key in KEYS:
        if key not in entry:
            raise OptionError(f"{where}: {key} is missing; expected {', '.join(KEYS)}")
    for key in KEYS[:-1]:
        text = entry[key]
        if not isinstance(text, str) or not text.strip() or not " ".join(text.split()).isprintable():
            raise OptionError(f"{where}: {key} = {text!r}; expected a text that is not empty and can be printed")
    if len(entry["dataset"]) < SHORTEST_DIGEST:
        raise OptionError(f"{where}: dataset = {entry['dataset']!r}; expected {SHORTEST_DIGEST} characters or more")
    expires = _day(where, entry["expires"])
    left = (expires - today).days
    if left > LONGEST:
        latest = today + timedelta(days=LONGEST)
        raise OptionError(f"{where}: expires = {expires} is {left} days away; at most {LONGEST}, so {latest} or sooner")
    texts = {key: " ".join(entry[key].split()) for key in KEYS[:-1]}
    return Waiver(**texts, expires=expires, where=where)


def _day(where: str, value: object) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        raise OptionError(f"{where}: expires = {str(value)!r}; expected a day such as 2027-01-31") from None


def waived(
    gates: Sequence[GateResult], waivers: Sequence[Waiver], *, model: str | None, dataset: str, today: date
) -> tuple[tuple[GateResult, ...], list[str]]:
    """The gates with those waived that a waiver covers, and a line for each waiver that did nothing.

    Only a gate that failed or is undecided can be waived: what is INVALID was not measured.

    Args:
        gates: as judged.
        waivers: of the file.
        model: fingerprint of the model, None where no process got as far.
        dataset: digest of the data.
        today: those that expired before do nothing.
    """
    by_gate: dict[str, Waiver] = {}
    notes = []
    for waiver in waivers:
        idle = _idle(waiver, gates, model, dataset, today)
        if idle is None:
            by_gate.setdefault(waiver.gate, waiver)
        else:
            notes.append(f"{waiver.where} ({waiver.gate}, {waiver.owner}) does nothing: {idle}")
    return tuple(_applied(gate, by_gate.get(gate.expr)) for gate in gates), notes


def _idle(waiver: Waiver, gates: Sequence[GateResult], model: str | None, dataset: str, today: date) -> str | None:
    """Why a waiver covers no gate of the run, None where it does."""
    if waiver.expires < today:
        return f"it expired on {waiver.expires}"
    if waiver.model != model:
        return f"it is for the model {waiver.model}, this is {model}"
    if not dataset.startswith(waiver.dataset):
        return f"it is for the data {waiver.dataset[:SHORTEST_DIGEST]}, this is {dataset[:SHORTEST_DIGEST]}"
    found = next((gate for gate in gates if gate.expr == waiver.gate), None)
    if found is None:
        close = difflib.get_close_matches(waiver.gate, [gate.expr for gate in gates], n=1)
        return "no gate of this run is called so" + (f"; did you mean {close[0]!r}?" if close else "")
    return None if found.verdict in (FAIL, UNDECIDED) else f"the gate is {found.verdict.replace('_', ' ')}"


def _applied(gate: GateResult, waiver: Waiver | None) -> GateResult:
    if waiver is None:
        return gate
    return replace(
        gate,
        verdict=WAIVED,
        reason=f"{gate.reason}; waived by {waiver.owner} until {waiver.expires}: {waiver.reason}",
        distance=None,
        waiver={
            "owner": waiver.owner,
            "reason": waiver.reason,
            "expires": waiver.expires.isoformat(),
            "was": gate.verdict,
        },
    )
