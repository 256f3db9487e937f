"""The workflow in the docs: valid after GitHub's schema, pinned, with no more rights than it needs; its gate runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

WORKFLOW = Path(__file__).parents[2] / "docs" / "ci" / "mcr-gate.yml"


@pytest.fixture(scope="module")
def workflow() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))
    return loaded


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def step(workflow: dict[str, Any], name: str) -> str:
    (found,) = [one for one in steps(workflow) if one.get("name") == name]
    return str(found["run"])


def test_valid_after_githubs_schema() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(WORKFLOW)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_actions_are_githubs_own_and_pinned_by_major_version(workflow: dict[str, Any]) -> None:
    used = [one["uses"] for one in steps(workflow) if "uses" in one]
    assert used
    assert all(re.fullmatch(r"actions/[a-z/-]+@v\d+", name) for name in used), used


def test_only_the_comment_may_write(workflow: dict[str, Any]) -> None:
    assert workflow["permissions"] == {"contents": "read"}
    granted = {name: job.get("permissions") for name, job in workflow["jobs"].items()}
    assert granted == {"gate": None, "comment": {"pull-requests": "write"}}
    assert "pull_request_target" not in WORKFLOW.read_text(encoding="utf-8")
    assert not [one for one in workflow["jobs"]["comment"]["steps"] if "checkout" in one.get("uses", "")]


def test_scripts_hold_no_expressions_and_are_bash(workflow: dict[str, Any]) -> None:
    scripts = [one["run"] for one in steps(workflow) if "run" in one]
    for script in scripts:
        assert "${{" not in script, script  # an expression in a script is code from outside
        done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_the_gate_runs_as_it_stands(
    workflow: dict[str, Any], pytester: pytest.Pytester, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = step(workflow, "Gate")
    helped = pytester.runpytest_inprocess("--help").stdout.str()
    unknown = {flag for flag in re.findall(r"--mcr-[a-z-]+", script) if flag not in helped}
    assert unknown <= {"--mcr-html"}, unknown
    for flag in unknown:  # where the HTML report is not built in
        script = re.sub(rf" *{flag} \S+ \\\n", "", script)
    root = str(WORKFLOW.parents[2])
    for name in ("PYTEST_ADDOPTS", "CI"):
        monkeypatch.delenv(name, raising=False)
    environment = {
        **os.environ, "MCR_MODEL": "oracle:text-follower", "MCR_DATA": str(data), "PYTHONPATH": root,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "GITHUB_STEP_SUMMARY": str(pytester.path / "summary.md"),
    }  # fmt: skip
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=pytester.path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout[-2000:] + done.stderr
    reports = sorted(path.name for path in (pytester.path / "reports").iterdir())
    assert {"mcr.md", "junit.xml"} <= set(reports)
    report = (pytester.path / "reports" / "mcr.md").read_text(encoding="utf-8")
    assert report.startswith("## pytest-mcr: FAIL\n")  # by which the comment finds its last one
    assert (pytester.path / "summary.md").read_text(encoding="utf-8") == f"{report}\n"
    subprocess.run(["bash", "-ec", step(workflow, "Collect")], cwd=pytester.path, check=True)
    kept = {path.name for path in (pytester.path / "reports" / "run").iterdir()}
    assert {"results.json", "cases.jsonl"} <= kept


def test_the_comment_finds_its_last_report(workflow: dict[str, Any]) -> None:
    script = step(workflow, "Comment, in place of the last report")
    assert 'startswith("## pytest-mcr: ")' in script
