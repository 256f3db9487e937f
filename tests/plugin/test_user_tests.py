"""A user's own tests: the two fixtures, failures that count, and no benchmark passed by accident."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.plugin.conftest import Runner

REPORT = ("--mcr-profile", "report")
OWN = """
    from pytest_mcr import Audio, Request

    def test_own(mcr_case, mcr_model):
        seen = mcr_case.observe()
        assert seen.id == mcr_case.id
        assert seen.verdict != "text", f"follows {seen.text_label}"
        assert mcr_case.case.sample.question

    def test_model(mcr_model):
        import numpy as np
        clip = Audio(np.zeros(800, dtype=np.float32), 8000, "0" * 64)
        request = Request("mine", clip, "What is heard?", (), 8, False)
        assert mcr_model.respond([request])[0].text
"""


def test_own_cases_are_the_benchmark(pytester: pytest.Pytester, mcr: Runner, data: Path, mode: Sequence[str]) -> None:
    pytester.makepyfile(test_own=OWN)
    ran = mcr("oracle:listener", data, "--mcr-gate", "accuracy[adversarial] >= 0.5", "test_own.py", *mode)
    assert (ran.code, ran.results["verdict"]) == (0, "pass"), ran.text
    assert len(ran.cases) == 96
    ran.result.assert_outcomes(passed=98)


def test_own_failure_exits_1(pytester: pytest.Pytester, mcr: Runner, data: Path, mode: Sequence[str]) -> None:
    pytester.makepyfile(test_own=OWN)
    ran = mcr("oracle:text-follower", data, *REPORT, "test_own.py", *mode)
    assert ran.code == 1
    ran.result.assert_outcomes(passed=73, failed=24)
    assert ran.results["verdict"] == "pass"  # of the benchmark; the user's tests are pytest's to count
    assert ran.metric("tir", "adversarial") == 1.0


def test_a_case_that_is_never_observed_is_no_score(pytester: pytest.Pytester, mcr: Runner, data: Path) -> None:
    pytester.makepyfile("def test_own(mcr_case):\n    if mcr_case.id != 'AQA-0003-neutral': mcr_case.observe()\n")
    ran = mcr("oracle:listener", data, *REPORT, "test_a_case_that_is_never_observed_is_no_score.py")
    assert (ran.code, ran.results["verdict"]) == (8, "invalid")
    assert ran.results["reasons"] == ["1 selected cases were never reported, e.g. AQA-0003-neutral"]


def test_own_tests_alone_do_not_pass_as_the_benchmark(
    pytester: pytest.Pytester, mcr: Runner, data: Path, mode: Sequence[str]
) -> None:
    pytester.makeini(f"[pytest]\nmcr_model = oracle:listener\nmcr_data = {data}\nmcr_out = out\n")
    pytester.makepyfile(test_mine="def test_mine(): pass\n")
    ran = mcr(None, None, "test_mine.py", *mode)
    assert ran.code == 8
    assert ran.results["verdict"] == "partial"
    assert ran.results["reasons"] == ["0 of 96 cases were selected (-k, -m, --lf, ids or paths)"]
    assert ran.results["canary"]["verdict"] == "not_run"


def test_own_tests_beside_the_suite(pytester: pytest.Pytester, mcr: Runner, data: Path) -> None:
    pytester.makepyfile(test_mine="def test_mine(): assert False\n")
    ran = mcr("oracle:listener", data, *REPORT, "test_mine.py", "mcr/test_mcr_bench.py")
    assert (ran.code, ran.results["verdict"]) == (1, "pass")
    ran.result.assert_outcomes(passed=96, failed=1)


def test_case_asked_for_by_a_fixture(pytester: pytest.Pytester, mcr: Runner, data: Path) -> None:
    """Parametrization follows the closure of fixtures, so a user's own fixture may ask for a case."""
    pytester.makepyfile(
        test_own="""
        import pytest

        @pytest.fixture
        def verdict(mcr_case):
            return mcr_case.observe().verdict

        def test_verdict(verdict):
            assert verdict == "audio"
        """
    )
    ran = mcr("oracle:listener", data, *REPORT, "test_own.py")
    assert ran.code == 0
    assert len(ran.cases) == 96


def test_parametrized_beside_a_case(pytester: pytest.Pytester, mcr: Runner, data: Path, mode: Sequence[str]) -> None:
    pytester.makepyfile(
        test_own="""
        import pytest

        @pytest.mark.parametrize("strictness", ["low", "high"])
        def test_both(mcr_case, strictness):
            assert mcr_case.observe().verdict == "audio"
        """
    )
    ran = mcr("oracle:listener", data, *REPORT, "test_own.py", *mode)
    assert (ran.code, len(ran.cases)) == (0, 96)
    ran.result.assert_outcomes(passed=192)
