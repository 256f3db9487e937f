"""A command that imports torch, where torch is not installed."""

import importlib.util
import runpy
import sys

import pytest


@pytest.mark.parametrize(
    "module", ["pytest_mcr.train.fusion", "pytest_mcr.train.lora", "pytest_mcr.train.lab", "pytest_mcr.probes.__main__"]
)
def test_a_command_without_torch_ends_in_one_line(
    module: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "torch" else find(name, *rest))
    monkeypatch.delitem(sys.modules, module, raising=False)  # runpy warns of a module that is there
    with pytest.raises(SystemExit) as ended:
        runpy.run_module(module, run_name="__main__")
    assert ended.value.code == 4
    assert capsys.readouterr().err == "torch not installed; type: pip install 'pytest-mcr[hf]'\n"
