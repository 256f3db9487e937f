"""Options of a model spec: an adapter has one table of them, which validates what is given and is what help prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pytest_mcr.errors import ModelError
from pytest_mcr.models.spec import Spec, suggest


@dataclass(frozen=True, slots=True)
class Choice:
    """One option of an adapter.

    Attributes:
        help: what it does, one line.
        values: what may be given; empty for any text but the empty one.
        metavar: stands for the text in help, where any is allowed.
    """

    help: str
    values: tuple[str, ...] = ()
    metavar: str = "TEXT"

    @property
    def shown(self) -> str:
        """What may be given, as help prints it."""
        return "|".join(self.values) or self.metavar


def check_options(spec: Spec, table: Mapping[str, Choice]) -> None:
    """Refuse an option that the adapter does not have, and a value that it does not take.

    Raises:
        ModelError: naming the option, what was expected, and the nearest name.
    """
    for key, value in spec.options.items():
        if key not in table:
            expected = f"expected {', '.join(sorted(table))}" if table else "it takes none"
            raise ModelError(f"model {spec.text!r}: unknown option {key!r}{suggest(key, sorted(table))}; {expected}")
        allowed = table[key].values
        if allowed and value not in allowed:
            near = suggest(value, list(allowed))
            raise ModelError(f"model {spec.text!r}: {key}={value!r}{near}; expected one of {', '.join(allowed)}")
        if not value.strip():
            raise ModelError(f"model {spec.text!r}: nothing after {key}=; expected {key}={table[key].metavar}")
