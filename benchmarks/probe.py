"""A pytest plugin (``-p benchmarks.probe``) that writes what one process spent to the file in MCR_PROBE."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Generator
from pathlib import Path

import pytest

FIGURES: dict[str, float] = {}


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtestloop() -> Generator[None, object, object]:
    """CPU seconds of the loop, gates included."""
    started = time.process_time()
    result = yield
    FIGURES["loop_s"] = time.process_time() - started
    return result


def pytest_unconfigure(config: pytest.Config) -> None:
    """Write the figures of the controller (or only process): own CPU seconds and peak memory, children apart."""
    if not hasattr(config, "workerinput"):
        usage = resource.getrusage(resource.RUSAGE_SELF)
        scale = 1 if sys.platform == "darwin" else 1024
        FIGURES["cpu_s"] = usage.ru_utime + usage.ru_stime
        FIGURES["peak_mb"] = usage.ru_maxrss * scale / 1e6
        Path(os.environ["MCR_PROBE"]).write_text(json.dumps(FIGURES), encoding="utf-8")
