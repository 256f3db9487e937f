"""``python -m pytest_mcr COMMAND``: what is done with results and data outside a test run."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final

from pytest_mcr.errors import McrError
from pytest_mcr.run.exits import USAGE_EXIT

COMMANDS: Final[dict[str, str]] = {
    "export": "a run's numbers or cases as CSV or Parquet, or the block for a model card",
}
"""Name of each command and what it does; ``pytest_mcr.commands.NAME`` has its ``main(argv)``."""


def usage() -> str:
    """The commands, one a line."""
    width = max(map(len, COMMANDS), default=0)
    lines = [f"  {name:<{width}}  {what}" for name, what in COMMANDS.items()]
    return "\n".join(
        [
            "usage: python -m pytest_mcr COMMAND [OPTIONS]",
            "",
            *lines,
            "",
            "python -m pytest_mcr COMMAND --help says more; a test run is: pytest --mcr-model MODEL",
        ]
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; its exit code, or 4 with one line for bad input."""
    given = list(sys.argv[1:] if argv is None else argv)
    if not given or given[0] in ("-h", "--help"):
        sys.stdout.write(f"{usage()}\n")
        return 0 if given else USAGE_EXIT
    name, *rest = given
    if name not in COMMANDS:
        sys.stderr.write(f"pytest_mcr {name}: no such command; give one of {', '.join(COMMANDS)}\n")
        return USAGE_EXIT
    try:
        code: int = import_module(f"pytest_mcr.commands.{name}").main(rest)
    except McrError as error:
        sys.stderr.write(f"{error}\n")
        return USAGE_EXIT
    return code


if __name__ == "__main__":
    raise SystemExit(main())
