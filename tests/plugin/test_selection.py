"""What runs: built-in suites without a path, the chosen design, ini twins, pytest's own selection, the root folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from pytest_mcr.data.shipped import suite
from tests.plugin.conftest import Ran, Runner
from tests.support import folders

REPORT = ("--mcr-profile", "report")


def samples(ran: Ran) -> list[str]:
    return list(dict.fromkeys(case["sample"] for case in ran.cases))


def conditions(ran: Ran) -> list[str]:
    return list(dict.fromkeys(case["condition"] for case in ran.cases))


def test_no_path_in_an_empty_folder(mcr: Runner, data: Path, mode: Sequence[str]) -> None:
    ran = mcr("oracle:listener", data, *REPORT, *mode)
    assert ran.code == 0
    assert len(ran.cases) == 96


def test_no_path_in_a_project_with_testpaths(
    pytester: pytest.Pytester, mcr: Runner, data: Path, mode: Sequence[str]
) -> None:
    pytester.makeini("[pytest]\ntestpaths = checks\npython_files = check_*.py\n")
    (pytester.path / "checks").mkdir()
    (pytester.path / "checks" / "check_mine.py").write_text("def test_mine(): assert False\n", encoding="utf-8")
    ran = mcr("oracle:listener", data, *REPORT, *mode)
    assert ran.code == 0
    ran.result.assert_outcomes(passed=96)


def test_model_in_the_ini_and_switched_off(pytester: pytest.Pytester, mcr: Runner, data: Path) -> None:
    pytester.makeini(f"[pytest]\nmcr_model = oracle:listener\nmcr_data = {data}\nmcr_profile = report\nmcr_out = out\n")
    pytester.makepyfile("def test_mine(): pass\n")
    ran = mcr(None, None)
    assert (ran.code, len(ran.cases)) == (0, 96)
    off = mcr(None, None, "--mcr-model=")
    off.result.assert_outcomes(passed=1)
    assert "mcr:" not in off.text


def test_the_embedded_benchmark_says_that_it_is_synthetic(mcr: Runner, pytester: pytest.Pytester) -> None:
    ran = mcr("oracle:listener", None, *REPORT, "--mcr-limit", 2, "--junitxml", "junit.xml")
    assert (ran.code, len(ran.cases)) == (0, 24)
    assert ran.results["dataset"]["kind"] == "mini"
    assert "the embedded mini benchmark (synthetic, not MCR-BENCH)" in ran.text
    assert "mini (synthetic, not MCR-BENCH)" in (pytester.path / "junit.xml").read_text(encoding="utf-8")


def test_tasks(mcr: Runner, data: Path) -> None:
    ran = mcr("oracle:listener", data, *REPORT, "--mcr-tasks", "SER")
    assert {case["task"] for case in ran.cases} == {"SER"}
    assert ran.results["dataset"]["samples"] == {"SER": 12}
    assert ran.results["verdict"] == "pass"


def test_conditions(mcr: Runner, data: Path) -> None:
    ran = mcr("oracle:listener", data, *REPORT, "--mcr-conditions", "adversarial,neutral")
    assert conditions(ran) == ["neutral", "adversarial"]
    assert ran.results["verdict"] == "pass"


def test_limits_are_nested(mcr: Runner, data: Path) -> None:
    sizes: dict[int, list[str]] = {}
    for limit in (2, 4, 100):
        sizes[limit] = samples(mcr("oracle:listener", data, *REPORT, "--mcr-limit", limit))
    assert [len(found) for found in sizes.values()] == [4, 8, 24]
    assert set(sizes[2]) < set(sizes[4]) < set(sizes[100])
    other = samples(mcr("oracle:listener", data, *REPORT, "--mcr-limit", 4, "--mcr-seed", 1))
    assert set(other) != set(sizes[4])


def test_ini_twins_and_flags_that_win(pytester: pytest.Pytester, mcr: Runner, data: Path) -> None:
    pytester.makeini(
        "[pytest]\nmcr_tasks = AQA\nmcr_limit = 3\nmcr_conditions = neutral\nmcr_profile = report\n"
        "mcr_template = paper\n"
    )
    ran = mcr("oracle:listener", data)
    assert (len(samples(ran)), conditions(ran)) == (3, ["neutral"])
    assert ran.results["protocol"]["template"] == "paper"
    ran = mcr("oracle:listener", data, "--mcr-limit", 1, "--mcr-conditions", "neutral,faithful")
    assert (len(samples(ran)), conditions(ran)) == (1, ["neutral", "faithful"])


@pytest.mark.usefixtures("factories")
def test_collect_only_runs_no_model_and_writes_nothing(
    mcr: Runner, data: Path, mode: Sequence[str], pytester: pytest.Pytester
) -> None:
    ran = mcr("models:CountsLoads", data, "--collect-only", "-q", "-p", "no:cacheprovider", *mode)
    assert ran.code == 0
    assert ran.result.outlines[0] == "mcr/test_mcr_bench.py::test_mcr_bench[AQA-0000-neutral]"
    assert "96 tests collected" in ran.text
    assert sorted(path.name for path in pytester.path.iterdir() if path.name != "__pycache__") == ["models.py"]


SELECTIONS = {
    "-k": (("-k", "AQA-0001"), 4),
    "-m": (("-m", "not nothing"), 96),
    "id": (("mcr/test_mcr_bench.py::test_mcr_bench[SER-0003-adversarial]",), 1),
    "deselect": (("--deselect", "mcr/test_mcr_bench.py::test_mcr_bench[SER-0003-adversarial]"), 95),
}


@pytest.mark.parametrize("name", SELECTIONS)
def test_a_selection_is_partial(mcr: Runner, data: Path, name: str) -> None:
    args, count = SELECTIONS[name]
    ran = mcr("oracle:listener", data, "--mcr-gate", "accuracy[neutral] >= 0.5", *args)
    assert ran.results["counts"]["cases"] == len(ran.cases) == count
    if count == 96:
        assert ran.code == 0
        return
    assert (ran.code, ran.results["verdict"]) == (8, "partial")
    reason = f"{count} of 96 cases were selected (-k, -m, --lf, ids or paths)"
    assert ran.results["reasons"] == [reason]
    assert reason in ran.text


def test_a_selection_by_id_in_other_modes(mcr: Runner, data: Path, mode: Sequence[str]) -> None:
    ran = mcr("oracle:listener", data, *REPORT, "mcr/test_mcr_bench.py::test_mcr_bench[SER-0003-adversarial]", *mode)
    assert (ran.code, [case["id"] for case in ran.cases]) == (0, ["SER-0003-adversarial"])


def test_the_suite_by_its_own_path(mcr: Runner, data: Path) -> None:
    ran = mcr("oracle:listener", data, *REPORT, suite("test_mcr_bench.py"))
    assert (ran.code, len(ran.cases)) == (0, 96)


@pytest.mark.parametrize("words", ["two", "one"])
def test_the_root_stays_the_projects(
    pytester: pytest.Pytester,
    mcr: Runner,
    tmp_path: Path,
    words: str,
    mode: Sequence[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """``--mcr-data PATH`` in two words must not make the dataset the root: the project's gates would be lost."""
    project = pytester.mkdir("project")
    (project / "pytest.ini").write_text("[pytest]\nmcr_gate =\n    mrs >= 0.9\nmarkers =\n    mine\n", encoding="utf-8")
    (project / "conftest.py").write_text("def pytest_report_header(): return 'conftest of the project'\n")
    root = folders.dataset(tmp_path / "elsewhere" / "data", 12)
    monkeypatch.chdir(project)
    given = ("--mcr-data", str(root)) if words == "two" else (f"--mcr-data={root}",)
    ran = mcr("oracle:listener", None, *given, *mode)
    assert (ran.code, ran.gates) == (0, {"mrs >= 0.9": "pass"}), ran.text
    assert f"rootdir: {project}" in ran.text
    assert "configfile: pytest.ini" in ran.text
    assert "conftest of the project" in ran.text
    assert not (root / ".pytest_cache").exists()


def test_ini_addopts_count_when_the_root_is_restored(
    pytester: pytest.Pytester, mcr: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = pytester.mkdir("project")
    (project / "pytest.ini").write_text("[pytest]\naddopts = --mcr-profile report --mcr-tasks AQA\n", encoding="utf-8")
    root = folders.dataset(tmp_path / "elsewhere" / "data", 12)
    monkeypatch.chdir(project)
    ran = mcr("oracle:listener", root)
    assert (ran.code, ran.results["dataset"]["samples"]) == (0, {"AQA": 12}), ran.text
    ran = mcr("oracle:listener", root, "--mcr-tasks", "SER")
    assert ran.results["dataset"]["samples"] == {"SER": 12}


def test_relative_paths_are_taken_from_where_pytest_was_started(
    pytester: pytest.Pytester, mcr: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders.dataset(pytester.path / "data", 4)
    below = pytester.mkdir("below")
    monkeypatch.chdir(below)
    ran = mcr("oracle:listener", Path("../data"), *REPORT)
    assert (ran.code, len(ran.cases)) == (0, 32)
