"""What a flag is: name, twin, parser, default."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Option:
    """One flag with its ini twin.

    Attributes:
        flag: ``--mcr-x-y``.
        parse: text to value; raises `ValueError` saying what is expected.
        default: shown in ``--help`` by the help text itself.
        repeat: may be given several times; the ini twin is then a list of lines.
        alone: the flag takes no value; the ini twin is yes or no.
    """

    flag: str
    metavar: str
    help: str
    parse: Callable[[str], Any]
    default: Any = None
    repeat: bool = False
    alone: bool = False

    @property
    def dest(self) -> str:
        """The key in pytest's namespace, and the ini key."""
        return self.flag.removeprefix("--").replace("-", "_")
