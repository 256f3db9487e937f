"""The HTML report of a large run: written, opened and searched, each held against its limit."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from benchmarks.pytest_runs import ROOT
from benchmarks.rows import Row, UnmeasuredError, at_most

WRITE_S: Final = 20.0
PEAK_MB: Final = 500.0
FILE_MB: Final = 30.0
OPEN_S: Final = 2.0
OPENINGS: Final = 3
SEARCH: Final = """() => new Promise((done) => {
    const began = performance.now(), shown = document.getElementById("shown"), before = shown.textContent;
    const drawn = () => requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - began)));
    new MutationObserver(() => shown.textContent !== before && drawn()).observe(shown, {childList: true});
    const field = document.getElementById("f-text");
    field.value = "tram sniff";
    field.dispatchEvent(new Event("input"));
})"""
"""Milliseconds from a word in the search field to the frame that shows what it finds."""


class Report:
    """One report for all rows.

    Args:
        root: where it is written.
        cases: that it shows.
    """

    def __init__(self, root: Path, cases: int) -> None:
        self._folder = root / "report"
        self._cases = cases
        self._figures: dict[str, float] = {}

    def rows(self) -> dict[str, Callable[[], Row]]:
        """Measurements by work."""
        return {"html-write": self.write, "html-open": self.open}

    def write(self) -> Row:
        """Seconds, memory and size of the report, each over its limit; the worst counts."""
        found = self._written()
        size = self._page().stat().st_size / 1e6
        ratios = (found["seconds"] / WRITE_S, found["peak_mb"] / PEAK_MB, size / FILE_MB)
        return at_most(
            "html-write", f"{WRITE_S:g} s, {PEAK_MB:g} MB of memory, {FILE_MB:g} MB of file", max(ratios), 1.0,
            f"{self._cases} cases: {found['seconds']:.1f} s, {found['peak_mb']:.0f} MB with the run's record, "
            f"{size:.1f} MB; the worst of the three counts",
        )  # fmt: skip

    def open(self) -> Row:
        """Seconds from a click on the file to the first page of cases, and on to the cases that a search finds."""
        self._written()
        pairs = [self._opened() for _ in range(OPENINGS)]
        opening, search = (statistics.median(pair[side] for pair in pairs) for side in (0, 1))
        return at_most(
            "html-open", f"{OPEN_S:g} s to open and to filter", (opening + search) / OPEN_S, 1.0,
            f"{self._cases} cases in headless chromium, median of {OPENINGS}: opened in {opening:.2f} s, searched in "
            f"{search:.2f} s",
        )  # fmt: skip

    def _page(self) -> Path:
        return self._folder / "report.html"

    def _written(self) -> dict[str, float]:
        if not self._figures:
            environment = {**os.environ, "PYTHONPATH": str(ROOT)}
            command = [sys.executable, "-m", "benchmarks.report_child", str(self._folder), str(self._cases)]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise UnmeasuredError(f"report process ended with {done.returncode}: {done.stderr.strip()[-300:]}")
            self._figures = json.loads(done.stdout.splitlines()[-1])
        return self._figures

    def _opened(self) -> tuple[float, float]:
        try:
            from tests.support.browser import chromium, executable
        except ImportError as error:
            raise UnmeasuredError(f"{error}; type: pip install playwright") from None
        if executable() is None:
            raise UnmeasuredError("no chromium in PATH: apt-get install chromium")
        with chromium() as browser:
            page: Any = browser.new_page()
            began = time.perf_counter()
            page.goto(self._page().as_uri())
            page.wait_for_selector("#cases.ready > tbody")
            opened = time.perf_counter() - began
            shown = page.inner_text("#shown")
            if not shown.startswith(f"{self._cases // 4} of "):
                raise UnmeasuredError(f"the report says {shown!r}; expected {self._cases // 4} samples")
            return opened, float(page.evaluate(SEARCH)) / 1e3
