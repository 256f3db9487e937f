"""``--mcr-model help``: lists, ends with 0, runs and writes nothing, whatever else is on the command line."""

from __future__ import annotations

import pytest

from tests.plugin.conftest import Runner

MINE = "def test_mine():\n    assert False\n"


@pytest.mark.parametrize(
    "words",
    [(), ("-n0",), ("-n2",), ("-n", "auto"), ("-p", "no:xdist"), ("-p", "no:terminal"), ("-q", "--collect-only")],
    ids=" ".join,
)
def test_it_lists_and_runs_nothing(mcr: Runner, pytester: pytest.Pytester, words: tuple[str, ...]) -> None:
    pytester.makepyfile(test_mine=MINE)
    ran = mcr("help", None, *words)
    ran.clean()
    assert ran.code == 0, ran.text
    lines = ran.result.outlines
    assert lines[0].startswith("--mcr-model SPEC")
    assert [line for line in lines if line in ("Aliases", "Forms", "Installed")] == ["Aliases", "Forms", "Installed"]
    assert any(line.startswith("  hf ") and "torch" in line for line in lines)
    assert not ran.result.errlines
    assert not ran.out.exists()
    assert not (pytester.path / ".mcr").exists()
    assert not (pytester.path / ".pytest_cache").exists()


def test_from_the_ini_file(mcr: Runner, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nmcr_model = help\n")
    assert mcr(None, None).result.outlines[0].startswith("--mcr-model SPEC")


def test_an_unknown_model_points_to_it(mcr: Runner) -> None:
    mcr("hlep", None).refused("'hlep'", "--mcr-model help lists all")


def test_no_other_spec_is_help(mcr: Runner) -> None:
    mcr("./help", None).refused("no such folder")
