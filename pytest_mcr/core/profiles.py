"""Release profiles: named sets of gates in ``profiles.toml``."""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pytest_mcr.core.grammar import Gate, parse_gate, require_companions
from pytest_mcr.errors import OptionError

_KEYS: Final = ("least_eligible_clusters", "gates")


@dataclass(frozen=True, slots=True)
class Profile:
    """A named set of gates.

    Attributes:
        least_eligible_clusters: clips that each task needs in the denominator of ``tir[adversarial]``; 0 for any.
    """

    name: str
    gates: tuple[Gate, ...]
    least_eligible_clusters: int


def load_profile(path: Path, name: str) -> Profile:
    """Read one profile; the whole file must be TOML, the others are not judged.

    Args:
        path: a file with one table a profile: ``least_eligible_clusters`` (0 if absent) and ``gates``.
        name: which.

    Raises:
        OptionError: the file cannot be read, the profile does not exist, or an entry of it is not understood.
    """
    try:
        profiles = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise OptionError(f"profiles {path}: {error}; expected a readable TOML file") from error
    table = profiles.get(name)
    if not isinstance(table, dict):
        close = difflib.get_close_matches(name, profiles, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"expected one of: {', '.join(profiles)}"
        raise OptionError(f"profile {name!r} is not in {path}; {hint}")
    where = f"profile {name!r} in {path}"
    unknown = [key for key in table if key not in _KEYS]
    if unknown:
        raise OptionError(f"{where}: unknown key {unknown[0]!r}; expected {' and '.join(_KEYS)}")
    least, gates = table.get("least_eligible_clusters", 0), table.get("gates", [])
    if type(least) is not int or least < 0:
        raise OptionError(f"{where}: least_eligible_clusters = {least!r}; expected a whole number, e.g. 30")
    if not isinstance(gates, list) or not all(isinstance(gate, str) for gate in gates):
        raise OptionError(f"{where}: gates = {gates!r}; expected a list of strings, e.g. ['mrs >= 0.75@95']")
    try:
        parsed = tuple(parse_gate(gate, explicit=False) for gate in gates)
        require_companions(parsed)
    except OptionError as error:
        raise OptionError(f"{where}: {error}") from error
    return Profile(name, parsed, least)
