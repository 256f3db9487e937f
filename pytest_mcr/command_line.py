"""The parser of every ``python -m pytest_mcr...``: argparse with the exit code that bad options have here."""

from __future__ import annotations

import argparse
import sys
from typing import NoReturn

from pytest_mcr.errors import UsageError


class Parser(argparse.ArgumentParser):
    """Says what argparse says, and exits as for any other bad input: argparse's own 2 means interrupted here."""

    def error(self, message: str) -> NoReturn:
        """End the program.

        Args:
            message: what is wrong.
        """
        self.print_usage(sys.stderr)
        self.exit(UsageError.exit_code, f"{self.prog}: error: {message}\n")
