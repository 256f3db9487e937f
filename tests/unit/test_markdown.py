"""The Markdown report: foreign text shows as text, the order of its parts, its length whatever the data."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from pytest_mcr.errors import OptionError
from pytest_mcr.report.files import check_files, write_files
from pytest_mcr.report.markdown import BYTES, markdown
from pytest_mcr.report.markdown_text import code_block, inline, table
from pytest_mcr.report.wording import safe
from pytest_mcr.run.settings import Settings
from tests.unit.records import constant, follower, hostile, lab_like, listener, looked_into, run, samples_of

HOSTILE = (
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "</details>", "@octocat please", "@org/team",
    "see #12 or GH-34 or a/b#5", "https://evil.example/x", "www.evil.example", "mail a@b.example",
    "[click](javascript:alert(1))", "![x](https://evil.example/p.png)", "[x]: https://evil.example", "`code` ``two``",
    "*b* _i_ ~~s~~ **B**", "| a | b |", "\\| \\\\|", "# head", "> quote", "- item", "1. one", "+ plus", "---", "===",
    "- [x] task", ":smile: :+1:", "&lt; &amp; &#64;", "$x^2$", "```\nfence", "    indented", "da39a3ee5e6b4b0d3255bfef",
    "<!-- c -->", "a\u202eb", "\x1b[31mred\x07", "\x00binary\xff", "line\r\nbreak", "[^1]", "\ud800", "\u200bzero",
    "-->", "]]>", "%PDF", "=cmd|' /C calc'!A0", "{{ jinja }}", "${{ github.token }}", "::set-output name=x::y",
)  # fmt: skip
parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def leaves(tokens: list[Token]) -> Iterator[Token]:
    for token in tokens:
        yield from leaves(token.children) if token.children else (token,)


def shown(text: str) -> str:
    """What a reader of a line of Markdown sees; anything but text and code is refused."""
    parts = []
    for token in leaves(parser.parse(text)):
        if token.type in ("text", "code_inline"):
            parts.append(token.content)
        else:
            assert token.type in ("bullet_list_open", "list_item_open", "paragraph_open", "paragraph_close",
                                  "list_item_close", "bullet_list_close"), token  # fmt: skip
    return "".join(parts)


def outside_code(text: str) -> str:
    return "".join(token.content for token in leaves(parser.parse(text)) if token.type == "text")


def check(text: str) -> None:
    line = f"- {inline(text)}"
    assert shown(line) == safe(text)
    bare = outside_code(line)
    # What GitHub looks for in rendered text: mentions, issues, addresses, commits, emoji, mathematics.
    assert not re.search(r"[@#$&<`*_~|]|://|www\.|:\S+:|GH-\d|\b[0-9a-f]{7,40}\b(?<![g-z])", bare.replace("<=", ""))


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_is_text(text: str) -> None:
    check(text)
    check(f"{text} {text}")
    check(f"said ({text}), then")


@given(st.text(max_size=60))
def test_any_text_is_text(text: str) -> None:
    check(text)


@given(st.lists(st.sampled_from((*HOSTILE, "word", "0.5", "[.1,.2]", "x[y]", "`", "``", "(", ")")), max_size=8))
def test_any_mixture_is_text(words: list[str]) -> None:
    check(" ".join(words))


@given(st.lists(st.lists(st.text(max_size=20) | st.sampled_from(HOSTILE), min_size=2, max_size=2), max_size=4))
def test_a_table_keeps_its_shape(rows: list[list[str]]) -> None:
    tokens = parser.parse("\n".join(table(("a", "b"), rows)))
    assert [token.type for token in tokens if token.type == "tr_open"] == ["tr_open"] * (1 + len(rows))
    assert sum(token.type == "td_open" for token in tokens) == 2 * len(rows)
    assert {token.type for token in leaves(tokens) if token.content} <= {"text", "code_inline"}


@given(st.lists(st.text(max_size=30) | st.sampled_from(HOSTILE), min_size=1, max_size=4))
def test_a_block_ends_where_it_should(lines: list[str]) -> None:
    text = "\n".join([*code_block(lines), "after"])
    tokens = parser.parse(text)
    assert [token.type for token in tokens if token.type in ("fence", "inline")] == ["fence", "inline"]
    assert tokens[0].content.count("\n") == len(lines)


def test_what_a_reader_knows_stands_outside_code() -> None:
    assert inline("FAIL: lab (n 60, p 0.0005); 0.93 [.86,.97], at most 5 % -> 3 >= 2") == (
        "FAIL: lab (n 60, p 0.0005); 0.93 [.86,.97], at most 5 % -> 3 >= 2"
    )
    assert inline("farthest: tir[adversarial] is 1.00 (x_y), <b>") == (
        "farthest: `tir[adversarial]` is 1.00 (`x_y`), `<b>`"
    )


def heads(text: str) -> list[str]:
    return re.findall(r"^(?:#+ |\*\*|<details><summary>(?:<b>)?)(.*?)(?:\*\*|<.*)?$", text, flags=re.MULTILINE)


NINE = [
    "1. Verdict", "2. Model or tool?", "3. Decided or luck?", "4. What changed?", "5. Where?",
    "6. Listen to these clips", "7. Run them again", "8. Which repair would pass?", "9. How to waive",
]  # fmt: skip


@pytest.mark.parametrize(("rule", "word"), [(follower, "FAIL"), (listener, "PASS"), (constant, "INVALID")])
def test_the_nine_points_then_gates_then_numbers(rule: Any, word: str, tmp_path: Path) -> None:
    text = markdown(looked_into(tmp_path, rule))
    assert heads(text) == [
        f"pytest-mcr: {word}", "lab on the embedded mini benchmark (synthetic, not MCR-BENCH)",
        *NINE, "Gates", "Numbers by task and condition", "AQA", "SER", "VSC", "Modal Robustness Score (1 is best)",
    ]  # fmt: skip
    assert text.splitlines()[4] == "not comparable with published rows: different data"
    assert len(text) < 20_000
    assert text == markdown(looked_into(tmp_path, rule))
    folded = re.findall(r"<summary><b>(\d)", text)
    assert folded == (list("23456789") if word == "PASS" else ["6", "9"])


def test_numbers_are_those_of_the_record(tmp_path: Path) -> None:
    record = looked_into(tmp_path, lab_like)
    text = markdown(record)
    row = record.judgement.table.get("tir", "adversarial")
    assert row is not None
    line = next(line for line in text.splitlines() if line.startswith("| TIR |"))
    assert line.split(" | ")[3].startswith(f"{row.value:.2f} [")
    gates = [line for line in text.splitlines() if line.startswith(("| FAIL |", "| pass |"))]
    assert len(gates) == len(record.judgement.gates)


def test_a_run_that_measured_nothing_has_no_numbers(tmp_path: Path) -> None:
    text = markdown(looked_into(tmp_path, stop=("canary: the same answer to 32 different clips", 8)))
    assert heads(text)[0] == "pytest-mcr: INVALID"
    assert "Gates" not in heads(text)
    assert "canary: the same answer to 32 different clips" in text


def test_hostile_data_shows_as_text(tmp_path: Path) -> None:
    bomb = " ".join(HOSTILE)
    record = hostile(tmp_path, bomb, bomb)
    tokens = parser.parse(markdown(record))
    html = {token.content.strip() for token in leaves(tokens) if token.type.startswith("html")}
    ours = re.compile(r"(</?(details|summary|b|sub)>|AQA|[6-9]\. [A-Z][a-z ]+)*")
    assert all(ours.fullmatch(part) for part in html), html
    assert not [token for token in leaves(tokens) if token.type in ("link_open", "image", "s_open")]
    bare = "".join(token.content for token in leaves(tokens) if token.type == "text")
    assert not re.search(r"@\w|#\d|://|www\.|<script", bare)


def test_the_report_is_short_whatever_the_data(tmp_path: Path) -> None:
    chosen = [
        replace(sample, question="q " * 500_000, texts=dict.fromkeys(sample.texts, "`|" * 500000))
        for sample in samples_of({"AQA": 6})
    ]
    gates = [f"{task}.accuracy[adversarial] >= 0.{number}" for task in ("AQA",) for number in range(100, 999)]
    text = markdown(looked_into(tmp_path, samples=chosen, gates=gates, model="m" * 1_000_000))
    assert len(text.encode()) <= BYTES < 65_536
    assert "and 799 more in results.json" in text
    assert heads(text)[:3] == ["pytest-mcr: FAIL", heads(text)[1], "1. Verdict"]


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    tasks = [f"T{number:03d}" for number in range(90)]
    chosen = [
        replace(sample, id=f"{task}-{place:04d}", task=task)
        for task in tasks
        for place, sample in enumerate(samples_of({"AQA": 4}))
    ]
    text = markdown(looked_into(tmp_path, samples=chosen, gates=["accuracy[neutral] >= 0.5"], profile="report"))
    assert len(text.encode()) <= BYTES + 500
    assert re.search(r"^Left out for length, see `?results.json`?: numbers of T\d+, ", text, flags=re.MULTILINE)
    assert text.index("### Gates") < text.index("### Numbers")


def settings(tmp_path: Path, file: Path | None) -> Settings:
    record = run(tmp_path, listener, sizes={"AQA": 4}, profile="report", markdown=file)
    return Settings(**{**record.settings, "invocation_dir": tmp_path, "markdown": file, "suites": ("bench",)})  # type: ignore[arg-type]


def test_files_are_written_where_asked(tmp_path: Path) -> None:
    record = run(tmp_path, listener, sizes={"AQA": 12}, profile="report")
    file, summary = tmp_path / "new" / "report.md", tmp_path / "summary.md"
    summary.write_text("before\n", encoding="utf-8")
    write_files(record, settings(tmp_path, file), {"GITHUB_STEP_SUMMARY": str(summary)})
    assert file.read_text(encoding="utf-8") == markdown(record)
    assert summary.read_text(encoding="utf-8") == f"before\n{markdown(record)}\n"
    assert [path.name for path in file.parent.iterdir()] == ["report.md"]
    write_files(record, settings(tmp_path, None), {})
    write_files(record, settings(tmp_path, None), {"GITHUB_STEP_SUMMARY": ""})


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    record = run(tmp_path, listener, sizes={"AQA": 12}, profile="report")
    with pytest.raises(OptionError, match=r"^\$GITHUB_STEP_SUMMARY .*: cannot be written \(Is a directory\)"):
        write_files(record, settings(tmp_path, None), {"GITHUB_STEP_SUMMARY": str(tmp_path)})
    with pytest.raises(OptionError, match=r"^--mcr-markdown .*: is a folder; give a file"):
        check_files(settings(tmp_path, tmp_path))
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(OptionError, match=r"^--mcr-markdown .*file: .* is a file; give a folder"):
        check_files(settings(tmp_path, blocked / "report.md"))
