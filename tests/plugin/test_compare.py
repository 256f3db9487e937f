"""The before/after table, from two real runs on the same data."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pytest_mcr.train.compare import main
from tests.plugin.conftest import Runner


@pytest.fixture
def runs(mcr: Runner, data: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A model that follows the text, and one that listens."""
    found = []
    for name in ("text-follower", "listener"):
        ran = mcr(f"oracle:{name}", data, "--mcr-profile", "report")
        assert ran.code == 0, ran.text
        found.append(Path(shutil.move(ran.out, tmp_path / name)))
    return found[0], found[1]


def test_a_change_and_its_interval(runs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main([str(runs[0]), str(runs[1] / "results.json")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "before: oracle:text-follower | after: oracle:listener" in lines[0]
    [row] = [line for line in lines if "| accuracy[adversarial] |" in line]
    assert row.startswith("| * | accuracy[adversarial] | 0.00 | 1.00 | +1.00 [")
    [row] = [line for line in lines if "| tir[adversarial] |" in line]
    assert "| 1.00 | 0.00 | -1.00 [" in row
    assert not any(line.startswith("| AQA |") for line in lines)
    assert main([*map(str, runs), "--all"]) == 0
    assert "| AQA | accuracy[adversarial] | 0.00 | 1.00 |" in capsys.readouterr().out


def test_what_cannot_be_compared(
    runs: tuple[Path, Path], mcr: Runner, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(one: Path, two: Path) -> str:
        capsys.readouterr()
        assert main([str(one), str(two)]) == 4
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        return error

    other = shutil.move(mcr("oracle:listener", data, "--mcr-profile", "report", "--mcr-template", "paper").out, "other")
    assert "the runs differ in protocol.template: 'discretion' and 'paper'" in refused(runs[0], Path(other))
    part = mcr("oracle:listener", data, "--mcr-profile", "report", "--mcr-limit", "12", "--mcr-conditions", "neutral")
    assert "72 cases are in one run only" in refused(runs[0], part.out)
    deaf = mcr("oracle:deaf", data)
    assert deaf.code == 8
    assert "the run is invalid" in refused(runs[0], deaf.out)
    assert "cannot be read" in refused(runs[0], tmp_path / "nowhere")
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "results.json").write_text("{}")
    assert "no results of a run" in refused(runs[0], tmp_path / "torn")
