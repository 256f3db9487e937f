"""The HTML report in a real browser: it opens, plays, filters, sorts, reads without a script, runs nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from pytest_mcr.run.former_cases import read_run
from tests.support import folders
from tests.support.browser import Watched, axe, chromium, play

ROOT = Path(__file__).parents[2]
SHOTS = ROOT / "build" / "screenshots"
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}
OPENED = "for (const one of [...document.querySelectorAll('#cases details')].slice(0, 2)) one.open = true"
EVIL = (
    "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'><svg onload=alert(3)> {{ 7*7 }} "
    "javascript:alert(4) \u202egnp.exe\u202c \x1b[31mred \x00\x07 \ud83d\ude00"
)
LONG = 1_000_000
MODEL = f"""
from pytest_mcr import Response
from pytest_mcr.models.oracle import Oracle

EVIL = {EVIL!r}


class Evil(Oracle):
    name = "evil" + EVIL

    def __init__(self, options):
        super().__init__("text-follower", {{}})
        self.name = "evil" + EVIL
        self.traits = {{EVIL: EVIL}}

    def respond(self, requests):
        return [self.spoil(request, answer) for request, answer in zip(requests, super().respond(requests))]

    def spoil(self, request, answer):
        if request.id == "AQA-0001-irrelevant":
            return Response(EVIL + "A" * {LONG}, answer.scores)
        if request.id == "AQA-0002-faithful":
            return Response(None, None, EVIL)
        if request.id == "AQA-0003-faithful":
            return Response(bytes(range(256)).decode("latin-1"), answer.scores)
        return Response(answer.text if request.id.startswith("canary") else EVIL + answer.text, answer.scores)
"""


def run(folder: Path, *words: str) -> Path:
    """Run pytest in a folder; the report that it wrote."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(folder))), "PYTEST_ADDOPTS": ""}
    report = folder / "report.html"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words, "--mcr-html", str(report)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1, 8), done.stdout + done.stderr
    return report


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded benchmark, real ogg clips, with charts of confidence and of repairs."""
    words = ("--mcr-model", "oracle:text-follower", "--mcr-suite", "bench,confidence,mitigation", "--mcr-limit", "30")
    return run(tmp_path_factory.mktemp("html"), *words)


@pytest.fixture
def watched(browser: Browser) -> Iterator[Callable[..., Watched]]:
    """Open a report in a window of its own."""
    contexts = []

    def opened(path: Path, size: str = "desktop", scheme: str = "light", **how: Any) -> Watched:
        width, height = SIZES[size]
        view: Any = {"width": width, "height": height}
        context = browser.new_context(viewport=view, color_scheme=scheme, **how)  # type: ignore[arg-type]
        contexts.append(context)
        page = Watched(context.new_page())
        page.page.goto(path.as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()


def shown(page: Page) -> list[str]:
    """The samples of the page, in order."""
    return list(page.evaluate("[...document.querySelectorAll('#cases > tbody')].map((body) => body.id)"))


def status(page: Page) -> str:
    return page.inner_text("#shown")


def test_it_opens_quietly_and_asks_for_nothing(report: Path, watched: Callable[..., Watched]) -> None:
    found = watched(report)
    assert found.page.title() == (
        "FAIL: oracle:text-follower on the embedded mini benchmark (synthetic, not MCR-BENCH)"
    )
    assert found.requests == [report.as_uri()]
    found.quiet(report)
    assert found.page.inner_text(".verdict .word") == "FAIL"
    numbers = found.page.locator("#first .number").all_inner_texts()
    assert numbers == [str(number) for number in range(1, 10)]
    assert found.page.locator("figure.chart svg").count() == 2
    policy = found.page.get_attribute("meta[http-equiv=Content-Security-Policy]", "content") or ""
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy


def test_embedded_and_linked_clips_play_from_a_file(report: Path, watched: Callable[..., Watched]) -> None:
    found = watched(report)
    page = found.page
    assert page.locator("audio[src^='data:audio/ogg']").count() == 12
    assert play(page, ".clips audio") > 0.04
    last = shown(page)[-1]
    page.click(f"#{last} summary")
    page.wait_for_selector(f"#{last} audio")
    assert str(page.get_attribute(f"#{last} audio", "src")).startswith("file:///")
    assert play(page, f"#{last} audio") > 0.04
    first = page.inner_text(".clips h4 a")
    page.click(".clips h4 a")  # to its row, which plays what is embedded above
    page.wait_for_selector(f"#{first} audio[src^='data:']")
    assert play(page, f"#{first} audio") > 0.04
    found.quiet(report)


def test_cases_are_filtered(report: Path, watched: Callable[..., Watched]) -> None:
    page = watched(report).page
    assert status(page) == "90 of 90 samples match; 1 to 50 are shown"
    page.select_option("#f-task", "SER")
    assert status(page).startswith("30 of 90 samples match")
    assert {name[:3] for name in shown(page)} == {"SER"}
    page.select_option("#f-verdict", "t")
    page.select_option("#f-condition", label="adversarial")
    assert status(page).startswith("30 of 90")
    page.select_option("#f-condition", label="neutral")
    assert status(page) == "0 of 90 samples match; 0 to 0 are shown"
    page.click("#filters button[type=reset]")
    expect(page.locator("#shown")).to_contain_text("90 of 90")
    page.check("#f-turned")
    assert status(page).startswith("90 of 90")
    page.fill("#f-text", "sneeze vsc-")
    expect(page.locator("#shown")).not_to_contain_text("90 of 90")
    found = shown(page)
    assert found
    assert all(name.startswith("VSC") for name in found)


def test_everything_works_from_the_keyboard(report: Path, watched: Callable[..., Watched]) -> None:
    page = watched(report).page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.focus("#f-text")
    page.keyboard.type("aqa-00")
    expect(page.locator("#shown")).to_contain_text("30 of 90")
    page.focus("#cases th[data-key=rank] button")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    page.keyboard.press("Enter")
    head = page.locator("#cases th[data-key=rank]")
    assert head.get_attribute("aria-sort") == "ascending"
    ranks = page.evaluate("[...document.querySelectorAll('#cases > tbody')].map((body) => +body.dataset.r)")
    assert ranks == sorted(ranks)
    assert len(ranks) == 30
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    assert page.locator("#cases [aria-sort]").count() == 1
    assert shown(page)[0] != ""
    page.focus("#cases summary >> nth=0")
    page.keyboard.press("Space")
    assert page.locator("#cases details[open]").count() == 1
    page.evaluate("document.getElementById('filters').reset()")
    expect(page.locator("#shown")).to_contain_text("90 of 90")
    page.focus("#after")
    page.keyboard.press("Enter")
    assert status(page) == "90 of 90 samples match; 51 to 90 are shown"
    assert outline != "none"


def test_sorting_by_an_answer_puts_verdicts_together(report: Path, watched: Callable[..., Watched]) -> None:
    page = watched(report).page
    page.select_option("#size", "0")
    page.click("#cases th[data-key='2'] button")
    letters = page.evaluate("[...document.querySelectorAll('#cases > tbody')].map((body) => body.dataset.v[2])")
    assert letters == sorted(letters, key="atocue-".index)
    page.click("#cases th[data-key=gold] button")
    golds = page.evaluate("[...document.querySelectorAll('#cases > tbody')].map((b) => b.rows[0].cells[1].innerText)")
    assert len(golds) == 90
    assert [gold for place, gold in enumerate(golds) if gold != golds[place - 1]] == list(dict.fromkeys(golds))


def test_all_cases_can_be_read_without_a_script(report: Path, watched: Callable[..., Watched]) -> None:
    page = watched(report, java_script_enabled=False).page
    assert page.locator("#cases > tbody").count() == 90
    assert page.locator("#cases > tbody >> nth=89").is_visible()
    assert not page.locator("#filters").is_visible()
    page.click("#AQA-0000 summary")
    assert page.locator("#AQA-0000 details table").is_visible()
    assert "adversarial" in page.inner_text("#AQA-0000 details thead")
    assert page.locator("#cases audio[src^='data:']").count() == 9  # three more stand above


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_accessible_and_fits(report: Path, watched: Callable[..., Watched], size: str, scheme: str) -> None:
    found = watched(report, size, scheme)
    page = found.page
    assert page.evaluate("document.documentElement.scrollWidth") == SIZES[size][0]  # nothing scrolls sideways
    page.evaluate(OPENED)
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{size}-{scheme}.png")
    page.locator("#samples").scroll_into_view_if_needed()
    page.evaluate("document.getElementById('samples').scrollIntoView()")
    page.screenshot(path=SHOTS / f"{size}-{scheme}-cases.png")
    page.evaluate("for (const one of document.querySelectorAll('#provenance details')) one.open = true")
    if (size == "phone") == (scheme == "dark"):  # it takes seconds: each size and each scheme once
        assert axe(page) == []
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(int(part) for part in ground[4:-1].split(",")) < 382) == (scheme == "dark")
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_the_accessibility_check_can_fail(browser: Browser) -> None:
    page = browser.new_page()
    page.set_content("<html><body><img src='data:,'><p style='color:#ccc;background:#fff'>pale</p></body></html>")
    assert {"image-alt", "color-contrast"} <= {rule[0] for rule in axe(page)}
    page.close()


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scripts, markup, overrides of direction, escapes and a long answer in every field that others write."""
    folder = tmp_path_factory.mktemp("evil")
    made = folders.records(12, ("AQA",))
    for place, row in enumerate(made["AQA"]):
        for key in ("gt", "faithful", "adversarial", "irrelevant", "neutral"):
            row[key] = f"{row[key]} {EVIL}"
        row["candidates"] = [f"{label} {EVIL}" for label in row["candidates"]]
        row["text_labels"] = {name: f"{label} {EVIL}" for name, label in row["text_labels"].items()}
        row |= {"id": f"{EVIL}{place}", "source": EVIL, "split_group": f"{EVIL}{place}"}
        row["audio"] = f"<img src=x onerror=alert(5)>'\"#?%{place}.wav"
    data = folders.write(folder / "javascript:alert(6) <b>", made)
    (folder / "evil.py").write_text(MODEL, encoding="utf-8")
    words = ("--mcr-model", "evil:Evil", "--mcr-data", str(data), "--mcr-suite", "bench", "--mcr-html-clips", "2")
    return run(folder, *words, "--mcr-profile", "report", "--mcr-max-errors", "0.5", "--mcr-max-unparsed", "1")


def test_hostile_words_are_shown_and_do_nothing(hostile: Path, watched: Callable[..., Watched]) -> None:
    found = watched(hostile)
    page = found.page
    for name in shown(page):
        page.evaluate("(name) => { document.querySelector(`#${name} details`).open = true }", name)
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    page.wait_for_timeout(100)
    assert page.locator("script").count() == 1
    assert page.locator("style").count() == 1
    assert page.locator("img, iframe, object, embed, base").count() == 0
    assert page.evaluate("[...document.querySelectorAll('svg')].every((one) => !one.onload)")
    events = "[...document.querySelectorAll('*')].some((e) => e.getAttributeNames().some((n) => n.startsWith('on')))"
    assert not page.evaluate(events)
    hrefs = page.evaluate("[...document.querySelectorAll('a')].map((link) => link.protocol)")
    assert set(hrefs) == {"file:"}
    text = page.inner_text("body")
    assert "</script><script>alert(1)</script><img src=x onerror=alert(2)>" in text
    assert "{{ 7*7 }}" in text
    assert "\\u202egnp.exe" in text
    assert "\\x1b[31mred \\x00\\x07" in text
    assert not set(text) & set("\u202e\u202c\x1b\x00\x07")
    assert f"(cut: 2,000 of {LONG + len(EVIL):,} characters)" in text
    found.quiet(hostile)
    assert play(page, ".clips audio") > 0.0
    ids = [name for name in shown(page) if page.locator(f"#{name} audio[src^='file:']").count()]
    assert play(page, f"#{ids[0]} audio") > 0.0  # the link holds quotes, #, ? and %
    found.quiet(hostile)
    assert hostile.stat().st_size < 3_000_000


def test_cases_on_disk_are_as_hostile_as_they_were(hostile: Path) -> None:
    path = max((hostile.parent / ".mcr" / "runs").iterdir()) / "cases.jsonl"
    lines = path.read_bytes().splitlines()  # of bytes: an answer may hold U+0085
    longest = max((json.loads(line) for line in lines), key=lambda case: len(case["raw"] or ""))
    assert len(longest["raw"]) > LONG
    assert "<script>alert(1)</script>" in longest["gold"]
    assert len(read_run(path.parent).outcomes) == 48
