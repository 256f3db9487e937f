"""A calibration head with a probe on a run of the lab model: it reads states, and refuses every other model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from pytest_mcr.train.calibration_head import main
from tests.plugin.conftest import Runner

HERE = ("--mcr-calibration=head.json", "--mcr-profile=report", "--mcr-tasks=VSC", "--mcr-limit=3", "--mcr-cache=off")


@pytest.fixture(scope="session")
def head(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A head that was fitted on clips of another task."""
    folder = tmp_path_factory.mktemp("probed")
    words = ["--model", "lab", "--data", "mini", "--tasks", "SER", "--limit", "14", "--dev", "0.7", "--edits", "0"]
    assert main([*words, "--out", str(folder / "head.json"), "--cache", "off", "--probe", "1"]) == 0
    return folder


@pytest.fixture(autouse=True)
def _here(pytester: pytest.Pytester, head: Path) -> None:
    for name in ("head.json", "head.safetensors"):
        (pytester.path / name).write_bytes((head / name).read_bytes())


def test_the_states_of_a_run_are_read(mcr: Runner, mode: Sequence[str], pytester: pytest.Pytester) -> None:
    ran = mcr("lab", None, *HERE, "--mcr-suite=bench", *mode)
    assert ran.code == 0, ran.text
    assert all(0 <= case["calibrated"] <= 1 for case in ran.cases)
    assert {row["arm"] for row in ran.results["metrics"] if "arm" in row} == {"raw", "calibrated"}
    packed = json.loads((pytester.path / "head.json").read_text())["heads"]["correctness"]
    assert packed["probe"]["layer"] == 4
    assert packed["features"][-1] == "probe_logit"


def test_a_model_without_states_is_refused(mcr: Runner) -> None:
    mcr("oracle:listener", None, *HERE).refused("reads hidden states by a probe", "name a folder, hf:REPO or lab")


def test_another_model_is_refused_before_it_is_asked(mcr: Runner, pytester: pytest.Pytester) -> None:
    path = pytester.path / "head.json"
    loaded = json.loads(path.read_text())
    loaded["model"]["fingerprint"] = "sha256:0"
    path.write_text(json.dumps(loaded))
    ran = mcr("lab", None, *HERE)
    assert ran.code == 4, ran.text
    [reason] = ran.results["reasons"]
    assert "the head's probe reads the hidden states of lab (sha256:0); lab is another model" in reason
    assert reason.endswith("make it again with python -m pytest_mcr.train.calibration_head --probe")
    assert ran.results["counts"]["cases"] == 0
    ran.clean()
