"""The end of a session before its last test, bare and under xdist."""

from __future__ import annotations

import pytest


def end(session: pytest.Session, why: str) -> None:
    """Let no other test start; what is under way arrives."""
    session.shouldstop = why
    controller = session.config.pluginmanager.getplugin("dsession")
    if controller is not None:  # xdist's loop has a flag of its own
        controller.shouldstop = why
