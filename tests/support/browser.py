"""Debian's chromium, driven by playwright; no browser is downloaded."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Dialog, Page, sync_playwright

AXE = Path(__file__).parent / "axe" / "axe.min.js"
NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ("--no-sandbox", "--autoplay-policy=no-user-gesture-required", "--mute-audio")
"""Containers have no user namespaces for the sandbox; a test presses no play button; nobody listens."""


def executable() -> str | None:
    """The browser's path."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless browser; without one a test is skipped, or fails where ``.ci/run`` says that there must be one."""
    path = executable()
    if path is None:
        (pytest.fail if os.environ.get("MCR_NEEDS_CHROMIUM") else pytest.skip)(
            "no chromium in PATH: apt-get install chromium"
        )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


class Watched:
    """A page that remembers everything it should not have done.

    Attributes:
        page: of playwright.
        noise: console messages, errors and dialogs.
        requests: URLs that were asked for.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.noise: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.noise.append(message.text))
        page.on("pageerror", lambda error: self.noise.append(str(error)))
        page.on("dialog", self._dismiss)
        page.on("request", lambda request: self.requests.append(request.url))
        page.add_init_script(
            "window.violations = []; document.addEventListener('securitypolicyviolation', "
            "(event) => violations.push(event.violatedDirective + ' ' + event.blockedURI));"
        )

    def _dismiss(self, dialog: Dialog) -> None:
        self.noise.append(f"dialog {dialog.message}")
        dialog.dismiss()

    def violations(self) -> list[str]:
        """What the content security policy stopped."""
        return list(self.page.evaluate("violations"))

    def quiet(self, report: Path) -> None:
        """Assert that nothing ran, nothing was asked for beside the report and its clips, nothing was stopped."""
        assert self.noise == []
        assert [url for url in self.requests if url != report.as_uri() and not url.startswith(("data:", "file:"))] == []
        assert self.violations() == []


def play(page: Page, selector: str) -> float:
    """Play a clip for a while; seconds that it got to."""
    return float(
        page.evaluate(
            """async (selector) => {
                const player = document.querySelector(selector);
                await player.play();
                for (let tick = 0; tick < 100 && player.currentTime < 0.05; tick++)
                    await new Promise((done) => setTimeout(done, 30));
                player.pause();
                return player.currentTime;
            }""",
            selector,
        )
    )


def axe(page: Page) -> list[Any]:
    """Accessibility violations; the script comes by the debugger's way, which a page's policy does not rule."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        (rule["id"], rule["help"], [node["html"][:200] for node in rule["nodes"][:5]]) for rule in found["violations"]
    ]
