"""Bad options end every command line of the package with 4, in argparse's own words."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

from pytest_mcr.__main__ import COMMANDS

PACKAGE = Path(__file__).parents[2] / "pytest_mcr"
PROGRAMS = {
    **{f"pytest_mcr {name}": f"commands.{name}" for name in COMMANDS},
    **{
        f"pytest_mcr.{name}": name
        for name in ("data.build", "train.calibration_head", "train.compare", "train.fusion", "train.lab", "train.lora")
    },
    "pytest_mcr.probes": "probes.__main__",
    "pytest_mcr.models.oracle": "models.oracle_worker",
}
"""What is typed, and the module behind it."""


@pytest.mark.parametrize("program", PROGRAMS)
def test_an_unknown_option_is_a_bad_option(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        import_module(f"pytest_mcr.{PROGRAMS[program]}").main(["--no-such-option"])
    assert stop.value.code == 4
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith(f"usage: python -m {program} ")
    assert said[-1].startswith(f"python -m {program}: error: ")


def test_no_program_is_left_out() -> None:
    parsers = {
        path.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", "."): found
        for path in PACKAGE.rglob("*.py")
        if (
            found := re.findall(
                r"(?<!class )\b(?:argparse\.Argument|Argument)?Parser\(", path.read_text(encoding="utf-8")
            )
        )
    }
    assert parsers == {module: ["Parser("] for module in PROGRAMS.values()}
