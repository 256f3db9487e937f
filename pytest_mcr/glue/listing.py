"""``--mcr-model help`` on the terminal."""

from __future__ import annotations

import shutil


def show() -> int:
    """Print which models may be given.

    By `print`, because there may be no terminal reporter (``-p no:terminal``) and no session to report on.

    Returns:
        The exit code.
    """
    from pytest_mcr.models.listing import listing

    print("\n".join(listing(min(shutil.get_terminal_size().columns, 120))))
    return 0
