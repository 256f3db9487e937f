"""``--mcr-html``: every kind of run has its report, the same in every mode, and a bad path is refused first."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

import pytest_mcr.report.html  # noqa: F401  # before pytester forgets what an inner run imports first
from tests.plugin.conftest import Ran, Runner

WORDS = re.compile(r'<span class="word">(\w+)</span>')
POINTS = re.compile(r'<span class="number">(\d)</span>')


def page(ran: Ran, name: str = "report.html") -> str:
    ran.clean()
    return (ran.out.parent / name).read_text(encoding="utf-8")


def settled(text: str, run: str) -> str:
    """The report down to its provenance, without the name of the run."""
    return text.partition('<section id="provenance"')[0].replace(run, "RUN")


def test_the_same_bytes_in_every_mode(mcr: Runner, data: Path) -> None:
    found = []
    for mode in ((), ("-n0",), ("-n2",)):
        ran = mcr("oracle:text-follower", data, "--mcr-html", "report.html", *mode)
        assert ran.code == 1
        found.append(settled(page(ran), ran.results["run"]["id"]))
        assert f"report: {ran.out.parent / 'report.html'}" in ran.text
    assert found[0] == found[1] == found[2]
    assert found[0].count("<tbody id=") == 24
    assert WORDS.findall(found[0]) == ["FAIL"]
    assert sorted(POINTS.findall(found[0])) == list("123456789")


@pytest.mark.parametrize(
    ("model", "words", "code", "verdict"),
    [
        ("oracle:listener", ("--mcr-profile", "report"), 0, "MEASURED"),
        ("oracle:listener", ("--mcr-gate", "accuracy[adversarial] >= 0.5"), 0, "PASS"),
        ("oracle:listener", ("--mcr-gate", "accuracy[adversarial] >= 0.99@95"), 1, "UNDECIDED"),
        ("oracle:constant", (), 8, "INVALID"),
        ("oracle:deaf", (), 8, "INVALID"),
        ("oracle:crasher", (), 8, "INVALID"),
        ("oracle:text-follower", ("-k", "AQA-0001"), 8, "PARTIAL"),
        ("oracle:text-follower", ("-k", "AQA-0001 and faithful"), 8, "PARTIAL"),
        (
            "oracle:text-follower?scores=no",
            ("--mcr-conditions", "neutral,adversarial", "--mcr-gate", "accuracy[adversarial] >= 0.9"),
            1,
            "FAIL",
        ),
    ],
)
def test_every_verdict_has_its_report(
    mcr: Runner, data: Path, model: str, words: tuple[str, ...], code: int, verdict: str
) -> None:
    ran = mcr(model, data, "--mcr-html", "report.html", *words)
    assert ran.code == code, ran.text
    text = page(ran)
    assert WORDS.findall(text) == [verdict]
    assert f"<title>{verdict}: {model.replace('&', '&amp;')} on custom data in" in text
    assert text.count("<tbody id=") == len({case["sample"] for case in ran.cases})
    assert "not comparable with published rows: different data" in text or not ran.cases
    assert "synthetic, not" not in text
    assert list(ran.out.parent.glob(".*.new")) == []


def test_the_page_can_be_anywhere_and_is_replaced(mcr: Runner, data: Path, pytester: pytest.Pytester) -> None:
    (pytester.path / "pytest.ini").write_text(
        f"[pytest]\nmcr_html = {pytester.path}/deep/er/r.html\nmcr_html_clips = 1\n", encoding="utf-8"
    )
    (pytester.path / "deep" / "er").mkdir(parents=True)
    (pytester.path / "deep" / "er" / "r.html").write_text("old", encoding="utf-8")
    ran = mcr("oracle:text-follower", data, "--mcr-profile", "report")
    assert ran.code == 0, ran.text
    text = page(ran, "deep/er/r.html")
    assert text.count('src="data:audio/wav;base64,') == 1
    link = re.search(r'href="(\.\./[^"]+\.wav)"', text)
    assert link is not None
    assert (pytester.path / "deep" / "er" / link[1]).resolve().is_relative_to(data.resolve())


def test_no_clip_is_embedded_when_none_is_wanted(mcr: Runner, data: Path) -> None:
    words = ("--mcr-html", "report.html", "--mcr-html-clips", "0", "--mcr-profile", "report")
    text = page(mcr("oracle:text-follower", data, *words))
    assert "data:audio" not in text
    assert text.count("<audio") == 3  # linked, in the first minute


def test_bad_paths_are_refused_before_anything_is_measured(mcr: Runner, data: Path, pytester: pytest.Pytester) -> None:
    (pytester.path / "folder").mkdir()
    (pytester.path / "file").write_text("mine", encoding="utf-8")
    mcr("oracle:listener", data, "--mcr-html", "folder").refused("--mcr-html", "folder", "is a folder", "report.html")
    mcr("oracle:listener", data, "--mcr-html", "file/r.html").refused("--mcr-html", "file", "give a folder")
    mcr("oracle:listener", data, "--mcr-html-clips", "-1").refused("--mcr-html-clips", "-1", "integer")


def test_a_missing_library_is_one_line(mcr: Runner, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)  # as python says that it is not there
    ran = mcr("oracle:listener", data, "--mcr-html", "report.html")
    ran.refused("--mcr-html", 'pip install "pytest-mcr[report]"')


def test_a_report_that_cannot_be_written_costs_no_result(mcr: Runner, data: Path, pytester: pytest.Pytester) -> None:
    late = "def pytest_runtest_logfinish(): open('late', 'w').close()"
    pytester.makepyfile(in_the_way=late)
    pytester.syspathinsert()
    words = ("--mcr-html", "late/report.html", "--mcr-profile", "report")
    ran = mcr("oracle:listener", data, "-p", "in_the_way", *words)
    ran.clean()
    assert ran.code == 4, ran.text
    assert "--mcr-html" in ran.text
    assert "cannot be written" in ran.text
    assert ran.results["verdict"] == "pass"
