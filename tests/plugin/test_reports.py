"""Report files of a run: Markdown and JUnit in every mode, and foreign text in all of them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from lxml import etree

from tests.plugin.conftest import Ran, Runner
from tests.support import folders

SCHEMA = etree.XMLSchema(etree.parse(Path(__file__).parents[1] / "support" / "schemas" / "junit-10.xsd"))
GATE = ("--mcr-gate", "accuracy[adversarial] >= 0.5")
BOMB = (
    "<script>alert(1)</script> </details> @octocat #12 [x](javascript:alert(1)) https://evil.example `code` | pipe "
    "]]> --> &lt; \x1b[31mred\x1b[0m \x1b]0;title\x07 \u202eright\u2066 \x00\x08\x7f \ufffe\uffff \ud800 "
    "a\r\nb \u2028 %s {x} ${{ github.token }} =cmd|' /C calc'!A0"
)


def junit(path: Path) -> etree._Element:
    """The root of a file that is valid after pytest's xunit2 schema."""
    tree = etree.parse(path)
    SCHEMA.assertValid(tree)
    return tree.getroot()


def properties(root: etree._Element) -> dict[str, str]:
    return {str(one.get("name")): str(one.get("value")) for one in root.iter("property")}


def without_times(text: str) -> str:
    return re.sub(r"\d{8}-\d{6}-[0-9a-f]{4}|expires = \S+", "-", text)


def test_both_reports_in_every_mode(mcr: Runner, data: Path, mode: Sequence[str], pytester: pytest.Pytester) -> None:
    reports = ("--mcr-markdown", "reports/mcr.md", "--junitxml", "junit.xml")
    ran = mcr("oracle:text-follower", data, *GATE, *reports, *mode)
    assert ran.code == 1, ran.text
    text = (pytester.path / "reports" / "mcr.md").read_text(encoding="utf-8")
    assert text.startswith("## pytest-mcr: FAIL\n")
    assert "| FAIL | `accuracy[adversarial]` >= 0.5 | 0.00 [.00," in text
    plain = mcr("oracle:text-follower", data, *GATE, "--mcr-markdown", "bare.md")
    assert without_times(text) == without_times((pytester.path / "bare.md").read_text(encoding="utf-8"))
    root = junit(pytester.path / "junit.xml")
    stated = properties(root)
    assert stated["mcr.accuracy[adversarial]"] == "0"
    assert stated["mcr.accuracy[adversarial].n"] == "24"
    assert stated["mcr.AQA.accuracy[neutral]"] == "1"
    assert float(stated["mcr.AQA.accuracy[neutral].low"]) == pytest.approx(
        next(
            row["low"]
            for row in plain.results["metrics"]
            if (row["task"], row["condition"], row["metric"]) == ("AQA", "neutral", "accuracy")
        ),
        rel=1e-5,
    )
    assert stated["mcr.dataset.digest"] == ran.results["dataset"]["digest"]
    names = [str(case.get("name")) for case in root.iter("testcase")]
    assert len(names) == 97
    assert names[-1] == "gate[accuracy[adversarial] >= 0.5]"
    assert root[0].get("name") == "pytest"


def test_the_summary_of_a_github_job(
    mcr: Runner, data: Path, mode: Sequence[str], pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = pytester.path / "summary.md"
    summary.write_text("before\n", encoding="utf-8")
    words = ("--mcr-profile", "report", "--mcr-limit", "4")
    assert mcr("oracle:listener", data, *words, *mode).code == 0
    assert summary.read_text(encoding="utf-8") == "before\n"  # the runner unsets the variable
    result = _with_summary(pytester, monkeypatch, summary, data, *words, *mode)
    assert result.ret == 0, result.outlines
    text = summary.read_text(encoding="utf-8")
    assert text.startswith("before\n## pytest-mcr: MEASURED\n")
    assert text.count("## pytest-mcr:") == 1  # workers write nothing
    result = _with_summary(pytester, monkeypatch, pytester.path, data, *words)
    assert "$GITHUB_STEP_SUMMARY" in "\n".join([*result.outlines, *result.errlines])
    assert result.ret == 4


def _with_summary(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, file: Path, data: Path, *words: str
) -> pytest.RunResult:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(file))
    return pytester.runpytest_inprocess(
        "-p", "no:unraisableexception", "--mcr-model", "oracle:listener", "--mcr-data", str(data), "--mcr-out",
        "summed", "-o", "mcr_suite=bench", *words,
    )  # fmt: skip


def test_without_a_model_no_summary(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(pytester.path / "summary.md"))
    pytester.makepyfile("def test_mine(): pass\n")
    pytester.runpytest_inprocess().assert_outcomes(passed=1)
    assert not (pytester.path / "summary.md").exists()


def test_a_report_that_cannot_be_written_is_refused_first(mcr: Runner, data: Path, pytester: pytest.Pytester) -> None:
    mcr("oracle:listener", data, "--mcr-markdown", pytester.path).refused("--mcr-markdown", "is a folder; give a file")
    (pytester.path / "file").write_text("")
    mcr("oracle:listener", data, "--mcr-markdown", "file/x.md").refused("--mcr-markdown", "file is a file")


def test_the_mini_benchmark_is_synthetic_in_every_report(mcr: Runner, pytester: pytest.Pytester) -> None:
    words = ("--mcr-profile", "report", "--mcr-limit", "2", "--junitxml", "junit.xml", "--mcr-markdown", "r.md")
    assert mcr("oracle:listener", None, *words).code == 0
    root = junit(pytester.path / "junit.xml")
    assert root[0].get("name") == "pytest, mini benchmark (synthetic, not MCR-BENCH)"
    assert properties(root)["mcr.dataset"] == "mini (synthetic, not MCR-BENCH)"
    head = (pytester.path / "r.md").read_text(encoding="utf-8").splitlines()[2]
    assert head.endswith("on the embedded mini benchmark (synthetic, not MCR-BENCH)**")


# --- foreign text ----------------------------------------------------------------------------------------------------


def hostile(root: Path) -> Path:
    """A dataset with a bomb in every text field; labels stay apart from each other."""
    made = folders.records(12, ("AQA",))
    bomb = BOMB.replace("\ud800", "").replace("\x00", "")  # no such thing can be in a file of JSON that is accepted
    for n, row in enumerate(made["AQA"]):
        for key in ("neutral", "faithful", "adversarial", "irrelevant"):
            row[key] = f"{row[key]} {bomb}"
        labels = {"yes": f"yes {bomb}", "no": f"no {bomb}"}
        row["gt"] = labels[row["gt"]]
        row["candidates"] = list(labels.values())
        row["text_labels"] = {key: labels[value] for key, value in row["text_labels"].items()}
        row["id"] = f"{n} {bomb}"
        row["source"] = bomb
        row["audio"] = f"{n} <img src=x onerror=alert(1)> @octocat `|` #12 \u202e\x1b[31m.wav"
        row["split_group"] = f"{n} {bomb}"
    return folders.write(root, made)


def recorded(path: Path, root: Path, *, long: bool = False) -> str:
    """Recorded answers: right without an adversarial text, the text's label with one, each with a bomb about it."""
    rows = json.loads((root / "AQA" / "AQA.json").read_text(encoding="utf-8"))
    lines = []
    for n, row in enumerate(rows):
        for condition in ("neutral", "faithful", "adversarial", "irrelevant", "neutral::placebo.0"):
            label = row["text_labels"]["adversarial"] if condition == "adversarial" else row["gt"]
            said = f"{label} {'x' * 1_000_000}" if long and n == 0 else f"{label}"
            if n == 1 and condition == "faithful":
                said = BOMB  # nobody can read this one
            lines.append(json.dumps({"id": f"AQA-{n:04d}-{condition}", "text": said}))
    path.write_text("\n".join(lines), encoding="utf-8")
    return f"replay:{path}"


def harmless(ran: Ran, pytester: pytest.Pytester) -> None:
    """Nothing that a terminal, a browser, GitHub or an XML reader would obey."""
    told = "\n".join(ran.result.outlines)
    assert not set("\x1b\x07\x08\x00\u202e\u2066\u2028") & set(told), told
    text = (pytester.path / "r.md").read_text(encoding="utf-8")
    assert not set("\x1b\x07\x08\x00\u202e\u2066\u2028") & set(text)
    assert len(text.encode()) < 65_536
    outside = re.sub(r"(`+)(?:(?!\1).)+?\1|^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    assert not re.search(r"<script|@octocat|#12|javascript:|https://evil|\$\{\{", outside), outside
    junit(pytester.path / "junit.xml")
    xml = (pytester.path / "junit.xml").read_text(encoding="utf-8")
    assert not set("\x1b\x07\x08\x00\u202e\u2066") & set(xml)
    assert "<script>" not in xml


@pytest.mark.parametrize("long", [False, True], ids=["bomb", "megabytes"])
def test_a_hostile_dataset_and_hostile_answers(
    long: bool, mcr: Runner, pytester: pytest.Pytester, tmp_path: Path
) -> None:
    root = hostile(tmp_path / "data")
    model = recorded(pytester.path / "answers.jsonl", root, long=long)
    reports = ("--mcr-markdown", "r.md", "--junitxml", "junit.xml", "--mcr-max-unparsed", "0.5")
    ran = mcr(model, root, *GATE, *reports, "-rA", "-vv")
    ran.clean()
    assert ran.code == 1, ran.text[-3000:]
    assert ran.results["counts"]["unparsed"] == (5 if long else 1)
    assert len(ran.text) < 200_000
    harmless(ran, pytester)


@pytest.mark.usefixtures("factories")
def test_a_hostile_error_is_text_in_every_report(
    mcr: Runner, data: Path, mode: Sequence[str], pytester: pytest.Pytester
) -> None:
    source = (
        "from pytest_mcr import Response\n"
        "from models import Listener\n"
        f"BOMB = {BOMB!r} + 'y' * 1000000\n"
        "class Model(Listener):\n"
        "    def spoil(self, request, answer):\n"
        "        return Response(None, None, BOMB) if self.only(request, 'AQA-0003') else answer\n"
    )
    (pytester.path / "hostile_model.py").write_text(source, encoding="utf-8")
    reports = ("--mcr-markdown", "r.md", "--junitxml", "junit.xml")
    ran = mcr("hostile_model:Model", data, *GATE, *reports, *mode)
    ran.clean()
    assert ran.code in (1, 8), ran.text[-2000:]
    assert ran.results["counts"]["errors"] == 4
    harmless(ran, pytester)
