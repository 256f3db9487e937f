"""The README's code runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.plugin.conftest import Runner

README = Path(__file__).parents[2] / "README.md"


def blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)


def test_the_example_model_and_test_run(mcr: Runner, pytester: pytest.Pytester) -> None:
    model, test, strategies = blocks()
    (pytester.path / "my_module.py").write_text(model, encoding="utf-8")
    path = pytester.makepyfile(test_readme_example=test)
    options = ("--mcr-tasks", "AQA", "--mcr-limit", "3", "--mcr-profile", "report")
    ran = mcr("my_module:Treble?cut=2000", None, *options, path)
    assert ran.code == 0, ran.text
    ran.result.assert_outcomes(passed=12)
    assert ran.results["model"]["kind"] == "custom"
    assert {case["raw"] for case in ran.cases} <= {"yes", "no"}
    own = pytester.makepyfile(test_readme_strategies=strategies)
    pytester.runpytest_inprocess(own).assert_outcomes(passed=1)


def test_every_flag_of_the_readme_exists(pytester: pytest.Pytester) -> None:
    shown = set(re.findall(r"--mcr-[a-z-]+", README.read_text(encoding="utf-8")))
    helped = pytester.runpytest_inprocess("--help").stdout.str()
    assert shown
    assert {flag for flag in shown if flag not in helped} == set()
