"""``docs/adapters`` as a new user would: the template as it stands, the commands of the page, the examples' loop."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.plugin.conftest import Runner

DOCS = Path(__file__).parents[2] / "docs" / "adapters"
LOOP_WORKER = """
import sys
import wave

sys.path.insert(0, {docs!r})
from worker_loop import claim_stdout, serve

answers = claim_stdout()
print("a library's greeting")


def answer(audio, prompt, max_new_tokens):
    print("thinking")
    if "sad" in prompt and "museum" in prompt:
        raise MemoryError("too much\\nfor one line")
    with wave.open(audio) as file:
        assert file.getframerate() == 16000
        return f"  {{'yes' if sum(file.readframes(300)) % 2 else 'no'}} {{sum(file.readframes(300))}} "


serve(answers, "loop", "1", answer, sample_rate=16000)
"""


def test_the_template_runs_as_it_stands(mcr: Runner, data: Path, mode: Sequence[str]) -> None:
    [command] = re.findall(r'--mcr-model "exec:/path/to/env/bin/(python worker.py)"', (DOCS / "README.md").read_text())
    program = shlex.join([sys.executable, str(DOCS / "template_worker.py")])
    ran = mcr(f"exec:{command.replace('python worker.py', program)}", data, "--mcr-profile", "report", *mode)
    ran.clean()
    assert ran.code == 0, ran.text
    assert ran.results["canary"]["verdict"] == "pass"
    assert ran.results["model"]["name"] == "loudness"
    assert (ran.results["counts"]["errors"], ran.results["counts"]["unparsed"]) == (0, 0)
    assert {"yes", "no"} < {case["raw"] for case in ran.cases}


def test_the_examples_loop(mcr: Runner, data: Path, pytester: pytest.Pytester) -> None:
    """What prints goes to stderr, what raises is the error of its case, and answers come stripped."""
    (pytester.path / "loop_worker.py").write_text(LOOP_WORKER.format(docs=str(DOCS)))
    ran = mcr(f"exec:{sys.executable} -I loop_worker.py", data, "--mcr-profile", "report", "--mcr-max-errors", "1")
    ran.clean()
    errors = {case["id"]: case["error"] for case in ran.cases if case["error"]}
    assert set(errors) == {f"SER-{n:04d}-irrelevant" for n in range(12)}
    assert "reported: MemoryError: too much for one line" in errors["SER-0000-irrelevant"]
    assert ran.cases[0]["raw"] == ran.cases[0]["raw"].strip()
    assert ran.results["canary"]["verdict"] == "pass"


def test_the_oracle_commands_of_the_page(mcr: Runner, data: Path) -> None:
    page = (DOCS / "exec.md").read_text(encoding="utf-8")
    specs = re.findall(r'--mcr-model "(exec:python -m pytest_mcr[^"]*)"', page)
    assert len(specs) == 2
    for spec in specs:
        words = spec.replace("exec:python", f"exec:{sys.executable}").replace("path/to/MCR-BENCH", str(data))
        where = data if "--data" in spec else None
        ran = mcr(words, where, "--mcr-tasks", "AQA", "--mcr-profile", "report")
        assert ran.code == 0, ran.text
        assert ran.results["counts"]["errors"] == 0


def test_a_bad_oracle_is_one_line(mcr: Runner, data: Path) -> None:
    ran = mcr(f"exec:{sys.executable} -m pytest_mcr.models.oracle listner", data)
    assert ran.code == 4
    assert "exited with status 4 before its first line" in " ".join(ran.text.split())
    assert "did you mean listener?" in " ".join(ran.text.split())
