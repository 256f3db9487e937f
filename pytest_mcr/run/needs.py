"""Commands that cannot even be imported without torch say so in one line."""

from __future__ import annotations

import sys

from pytest_mcr.errors import ModelError
from pytest_mcr.models.hf_files import require_libraries
from pytest_mcr.run.exits import USAGE_EXIT


def exit_without_torch() -> None:
    """End a command before its module imports torch, where the extra ``hf`` is not installed.

    Raises:
        SystemExit: torch or transformers is missing; one line on stderr says what to type.
    """
    try:
        require_libraries()
    except ModelError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(USAGE_EXIT) from None
