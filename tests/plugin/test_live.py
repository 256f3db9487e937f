"""The live table: on a real terminal, bare and distributed; nothing of it anywhere else."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.plugin.conftest import Runner

if os.name == "nt":
    pytest.skip("pseudo-terminals are those of POSIX", allow_module_level=True)

from tests.support.terminals import Seen, run

LAST = re.compile(r"^  \d+ of \d+ cases", re.MULTILINE)
HEAD = re.compile(r"task +cases +acc neu +acc fai +acc adv +acc irr +text-follow +unp/err")
SLOW = "oracle:slow?seconds=0.01"


def seen(pytester: pytest.Pytester, data: Path, *words: str, model: str = SLOW, **more: object) -> Seen:
    given = ["-p", "no:cacheprovider", "--mcr-model", model, "--mcr-data", str(data), "--mcr-profile", "report",
             "--mcr-suite", "bench", *words]  # fmt: skip
    return run(pytester.path, given, **more)  # type: ignore[arg-type]


def tables(found: Seen) -> list[str]:
    """The screens that show the whole table; one may be looked at while it is being drawn."""
    return [shot for shot in found.shots if HEAD.search(shot) and LAST.search(shot)]


def letters(text: str) -> list[str]:
    """Lines of verdict letters."""
    return [line for line in text.splitlines() if re.search(r"(^|py )[atocu]{4,}(?![a-z])", line)]


@pytest.mark.parametrize(("workers", "least"), [("-n0", 2), ("-n2", 1)])  # two workers' chunks arrive nearly at once
def test_a_table_stands_in_for_the_letters(pytester: pytest.Pytester, data: Path, workers: str, least: int) -> None:
    found = seen(pytester, data, workers)
    assert found.code == 0
    drawn = tables(found)
    assert len(drawn) >= least
    for shot in drawn:
        assert len(HEAD.findall(shot)) == 1, shot
        assert letters(shot) == [], shot
        rows = re.findall(r"^  (AQA|SER|all) +(\d+) +(1\.00|-) ", shot, re.MULTILINE)
        assert len(rows) in (1, 3), shot
    done = [int(match[1]) for shot in drawn if (match := re.search(r"(\d+) of 96 cases, canary passed", shot))]
    assert done == sorted(done)
    assert len({*done}) >= least
    assert done[-1] <= 96
    assert all(re.search(r"cases a second, about \d+ s left", s) or " 96 of 96 " in s for s in drawn)
    assert not HEAD.search(found.text)
    assert letters(found.text) == []
    assert "left of 96 cases" not in found.text
    assert "96 passed" in found.text
    assert "MEASURED: oracle:slow" in found.text
    assert found.cursor


def test_errors_stand_above_the_table_on_one_line(pytester: pytest.Pytester, data: Path) -> None:
    pytester.makepyfile("def test_mine(mcr_case):\n    assert int(mcr_case.case.sample.id[-4:]) % 4, 'mine'\n")
    words = ("--mcr-conditions", "neutral", "mcr/test_mcr_bench.py", ".", "--tb=no", "-rN")
    found = seen(pytester, data, *words, model="oracle:slow?seconds=0.01")
    assert found.code == 1
    first = next(place for place, line in enumerate(found.lines) if "on_one_line.py F" in line)
    written = "".join(re.sub(r" *\[ *\d+%\]$", "", line) for line in found.lines[first : first + 2])
    assert written.partition(".py ")[2] == 6 * "F..."
    assert not HEAD.search(found.text)


@pytest.mark.parametrize("words", [("-q",), ("-s",), ("--mcr-quiet",)], ids=lambda words: words[0])
def test_where_no_table_is_wanted(pytester: pytest.Pytester, data: Path, words: Sequence[str]) -> None:
    found = seen(pytester, data, *words, model="oracle:listener")
    assert found.code == 0
    assert tables(found) == []
    assert letters(found.text)
    assert "left of" not in found.text or words == ("-s",)


def test_ctrl_c_gives_the_terminal_back(pytester: pytest.Pytester, data: Path) -> None:
    found = seen(pytester, data, model="oracle:slow?seconds=0.03", until=lambda shot: bool(HEAD.search(shot)))
    assert found.code == 2
    assert not HEAD.search(found.text)
    assert found.cursor
    assert "PARTIAL: oracle:slow" in found.text


def test_elsewhere_nothing_is_new(mcr: Runner, data: Path, mode: Sequence[str]) -> None:
    ran = mcr(SLOW, data, "--mcr-profile", "report", "--mcr-quiet", *mode)
    assert ran.code == 0
    assert "\x1b" not in ran.text
    assert not HEAD.search(ran.text)
    assert "left of" not in ran.text
    assert letters(ran.text)


def test_without_a_terminal_plugin(mcr: Runner, data: Path) -> None:
    assert mcr("oracle:listener", data, "--mcr-profile", "report", "-p", "no:terminal").code == 0
