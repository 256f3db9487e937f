"""A repository of the hub from its local cache: which commit ran, whose code, and how it was asked, all on record."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.plugin.conftest import Ran

MAIN, OLD = "a" * 40, "b" * 40


@pytest.fixture
def hub(tmp_path: Path, tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hub cache as huggingface_hub lays it out: some/ear with two commits, a branch and a tag; no network."""
    from tests.unit import tiny_remote  # imports safetensors

    home = tmp_path / "home"
    repo = home / "hub" / "models--some--ear"
    for name, commit in (("main", MAIN), ("v1", OLD)):
        tiny_remote.build(tiny_model_dir, repo / "snapshots" / commit)
        (repo / "refs").mkdir(exist_ok=True)
        (repo / "refs" / name).write_text(commit)
    monkeypatch.setenv("HF_HOME", str(home))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.delenv("HF_MODULES_CACHE", raising=False)
    return repo


def test_branch_tag_and_commit(hub: Path) -> None:
    """In a process of its own: huggingface_hub reads its environment once."""
    code = (
        "from pytest_mcr.errors import ModelError\n"
        "from pytest_mcr.models.hf_files import locate, revision_of\n"
        f"for given in (None, 'main', 'v1', '{MAIN}', '{OLD}'):\n"
        "    folder = locate('some/ear', given)\n"
        "    print(given, revision_of(folder), folder)\n"
        "try:\n"
        "    locate('some/ear', 'v2')\n"
        "except ModelError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    *lines, refused = done.stdout.splitlines()
    expected = {"None": MAIN, "main": MAIN, "v1": OLD, MAIN: MAIN, OLD: OLD}
    assert lines == [f"{given} {commit} {hub / 'snapshots' / commit}" for given, commit in expected.items()]
    assert "hf:some/ear@v2: the hub cannot be reached" in refused
    assert "type: hf download some/ear --revision v2" in refused


def test_what_ran_is_on_record(hub: Path, data: Path, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nmcr_trust_remote_code = yes\n")
    spec = "hf:some/ear@v1?system=Be%20brief.&order=text-first&attn=eager"
    out = pytester.path / "out"
    ran = Ran(
        pytester.runpytest_subprocess(
            "--mcr-model", spec, "--mcr-data", str(data), "--mcr-out", str(out), "--mcr-limit", "1",
            "--mcr-tasks", "AQA", "--mcr-profile", "report", timeout=120,
        ),
        out,
    )  # fmt: skip
    ran.clean()
    assert ran.results["settings"]["trust_remote_code"] is True
    model = ran.results["model"]
    assert (model["spec"], model["kind"]) == (spec, "hub")
    traits = model["traits"]
    assert traits["revision"] == OLD
    assert traits["remote_code"] == ["configuration_ear.py", "modeling_ear.py"]
    assert (traits["system"], traits["order"], traits["attention"]) == ("Be brief.", "text-first", "eager")
    assert set(ran.results["protocol"]) == {"template", "version", "answer", "candidates_shown"}
    shown = " ".join(ran.text.split())
    assert "(template discretion v1, answers by text, system prompt 'Be brief.', text before audio)" in shown
    assert "engine: each prompt from its beginning" in shown
    assert "the text comes before the audio" in shown


def test_without_leave_nothing_runs(hub: Path, data: Path, pytester: pytest.Pytester) -> None:
    """Its own code is refused by the controller, before a worker starts."""
    out = pytester.path / "out"
    words = ("--mcr-model", "hf:some/ear", "--mcr-data", str(data), "--mcr-out", str(out), "-n2")
    ran = Ran(pytester.runpytest_subprocess(*words, timeout=120), out)
    ran.refused("family tiny_ear is not known", "configuration_ear.py, modeling_ear.py", "--mcr-trust-remote-code")


def test_the_commit_of_a_folder_is_what_its_config_says(tmp_path: Path) -> None:
    from pytest_mcr.models.hf_files import revision_of

    def revision(config: object) -> str | None:
        (tmp_path / "config.json").write_text(json.dumps(config))
        return revision_of(tmp_path)

    assert revision({"_commit_hash": MAIN}) == MAIN
    assert revision({}) is None
    assert revision({"_commit_hash": None}) is None
    assert revision({"_commit_hash": "not a commit"}) is None
    assert revision([MAIN]) is None
