"""Without ``--mcr-model`` the plugin is not there: nothing heavy imported, nothing written, nothing said."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import pytest

from pytest_mcr.glue.flags import OPTIONS
from tests.plugin.conftest import Runner

HEAVY = ("torch", "transformers", "numpy", "scipy", "rich", "soundfile", "httpx", "hypothesis", "sklearn", "jinja2")
PROBE = f"""
import sys
import pytest

code = pytest.main(["-q", "-p", "no:cacheprovider", "-p", "no:hypothesispytest", "test_mine.py"])
print("HEAVY", sorted(name for name in {HEAVY!r} if name in sys.modules))
print("OURS", sorted(name for name in sys.modules if name.startswith("pytest_mcr")))
sys.exit(code)
"""
MINE = """
def test_mine():
    pass

def test_with_a_case(mcr_case):
    assert False

def test_with_the_model(mcr_model):
    assert False
"""


def test_nothing_heavy_nothing_written(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_mine=MINE, probe=PROBE)
    result = pytester.run(sys.executable, "-B", "probe.py")
    assert result.ret == 0
    result.assert_outcomes(passed=1, skipped=2)
    result.stdout.fnmatch_lines(["HEAVY []"])
    ours = next(line for line in result.outlines if line.startswith("OURS"))
    light = {"options", "option", "flags", "values", "collect", "confiding", "probing", "rootdir"}
    light |= {"awareness", "flags_awareness", "flags_calibration", "flags_confidence", "flags_dominance"}
    light |= {"flags_gating", "flags_mitigation", "flags_report", "mitigating"}
    light |= {"flags_audit", "flags_live", "flags_sequential"}
    loaded = {name.rpartition(".")[2] for name in ours.split("'") if name.startswith("pytest_mcr.glue.")}
    assert loaded <= light, loaded
    assert "pytest_mcr.run.run" not in ours
    assert "pytest_mcr.models" not in ours
    assert not any("mcr" in line for line in result.outlines if not line.startswith("OURS"))
    mine = {"probe.py", "test_mine.py", "stdout", "stderr"}  # the last two are pytester's
    assert {path.name for path in pytester.path.iterdir()} == mine


def test_fixtures_skip_with_the_next_keystroke(pytester: pytest.Pytester, mcr: Runner, mode: Sequence[str]) -> None:
    pytester.makepyfile(test_mine=MINE)
    ran = mcr(None, None, "-rs", *mode)
    assert ran.code == 0
    ran.result.assert_outcomes(passed=1, skipped=2)
    assert "needs a model: pass --mcr-model SPEC, e.g. --mcr-model lab" in ran.text
    assert not (pytester.path / ".mcr").exists()


def test_other_flags_alone_do_nothing(pytester: pytest.Pytester, mcr: Runner) -> None:
    pytester.makepyfile("def test_mine(): pass\n")
    ran = mcr(None, None, "--mcr-profile", "report", "--mcr-gate", "nonsense")
    assert ran.code == 0
    ran.result.assert_outcomes(passed=1)


def test_help_teaches(mcr: Runner) -> None:
    ran = mcr(None, None, "--help")
    text = " ".join(ran.text.split())
    assert "audio-language models: audio-text conflict (pytest-mcr):" in text
    assert "'tir[adversarial] <= 0.30@95'" in text
    for option in OPTIONS:
        assert (f"{option.flag} " if option.alone else f"{option.flag}={option.metavar}") in text, option.flag
        assert f"{option.dest} (" in text, option.dest
        assert option.help.split("'")[0].split("%")[0].strip()[:40] in text, option.flag


def test_the_plugin_can_be_blocked(pytester: pytest.Pytester, mcr: Runner) -> None:
    pytester.makepyfile("def test_mine(): pass\n")
    ran = mcr(None, None, "-p", "no:mcr")
    ran.result.assert_outcomes(passed=1)
