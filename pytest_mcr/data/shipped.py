"""Where the files that travel with the package are: one resolver for a checkout and for an installed wheel."""

from __future__ import annotations

from pathlib import Path

import pytest_mcr
from pytest_mcr.errors import DataError

_PACKAGE = Path(pytest_mcr.__file__).resolve().parent


def fixture(name: str) -> Path:
    """The folder of a shipped fixture: ``mini-mcr``, ``lab-model``, ``lab-sft``.

    Raises:
        DataError: it is not part of this installation.
    """
    return _shipped("fixtures", name)


def suite(name: str) -> Path:
    """A file of the shipped suites, e.g. ``test_mcr_bench.py`` or ``profiles.toml``.

    Raises:
        DataError: it is not part of this installation.
    """
    return _shipped("suites", name)


def _shipped(room: str, name: str) -> Path:
    for root in _roots():
        path = root / room / name
        if path.exists():
            return path
    raise DataError(
        f"{room}/{name} is missing from this installation of pytest-mcr; reinstall it: pip install -U pytest-mcr"
    )


def _roots() -> list[Path]:
    """The wheel's layout first; the checkout's only beside our own pyproject (others own folders of these names)."""
    checkout = _PACKAGE.parent
    return [_PACKAGE, checkout] if (checkout / "pyproject.toml").is_file() else [_PACKAGE]
