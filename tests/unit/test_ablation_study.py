# mypy: allow-untyped-calls
"""The ablation's command: trained, measured by the plugin, kept, refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch

from pytest_mcr.data import release
from pytest_mcr.errors import ModelError
from pytest_mcr.models.protocol import Request
from pytest_mcr.train import fusion
from pytest_mcr.train.fusion_adapter import model
from pytest_mcr.train.fusion_arms import CONFLICT, NONE, RUN, Pair, Study, measure, probe, work
from pytest_mcr.train.fusion_model import FusionModel, save
from tests.unit.tiny_ablation import SMALL, TINY


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a test set and clips."""
    out = tmp_path_factory.mktemp("ablation") / "out"
    fusion.prepare(TINY, out, print)
    return out


def test_a_pair_is_trained_measured_and_kept(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the plugin in processes of its own; a second time there is nothing left to do but what was lost."""
    pair, said = Pair(0, "gated"), list[str]()
    work(TINY, pair, study, said.append)
    assert [line.split(":")[1].split(",")[0].strip() for line in said] == 3 * ["trained"] + 2 * ["measured"]
    for arm in (NONE, CONFLICT):
        folder = pair.folder(study, arm)
        results = json.loads((folder / RUN / "results.json").read_text())
        assert results["model"]["traits"]["arm"] == arm
        assert results["model"]["traits"]["conflict_samples"] == (20 if arm == CONFLICT else 0)
        assert results["verdict"] == "invalid"  # two steps teach no word, and the plugin says so
        assert not (folder / "probes.json").exists()
    weights = (pair.folder(study, NONE) / "fusion.safetensors").read_bytes()
    (pair.folder(study, CONFLICT) / "fusion.json").unlink()
    said.clear()
    work(TINY, pair, study, said.append)
    assert [line.split(":")[0] for line in said] == ["gated, conflict, seed 0"]
    assert (pair.folder(study, NONE) / "fusion.safetensors").read_bytes() == weights


def test_what_the_plugin_cannot_measure_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"the plugin gave no result \(exit 4\): .*nowhere does not exist"):
        measure(tmp_path, tmp_path / "nowhere")


def test_a_valid_run_is_probed_on_its_own_prompts(study: Path, tmp_path: Path) -> None:
    """What is right without audio are the prompts whose gold answer is what the model says then."""
    dataset = release.load(study / "data")
    torch.manual_seed(0)
    network = FusionModel("gated", SMALL)
    save(network, tmp_path, {"arm": "none", "seed": 0, "conflict_samples": 0})
    said = said_alone(tmp_path)
    conditions = ("neutral", "faithful", "adversarial")
    cases = [
        {
            "id": f"{sample.id}-{condition}", "condition": condition, "audio": sample.audio,
            "prompt": f"Say it {number % 2}", "gold": said[number % 2] if number % 3 == 0 else "something else",
        }
        for condition in conditions
        for number, sample in enumerate(dataset.samples)
    ]  # fmt: skip
    (tmp_path / RUN).mkdir()
    (tmp_path / RUN / "cases.jsonl").write_text("".join(json.dumps(case) + "\n" for case in cases))
    objects: dict[str, object] = {
        key: {} for key in ("run", "model", "dataset", "protocol", "settings", "canary", "audit")
    }
    lists: dict[str, list[str]] = {key: [] for key in ("reasons", "metrics", "gates", "gates_not_judged")}
    results = {"schema": "pytest-mcr.results/1", "verdict": "pass", "counts": {"cases": len(cases)}, **objects, **lists}
    (tmp_path / RUN / "results.json").write_text(json.dumps(results))
    probe(tmp_path, study / "data")
    probes = json.loads((tmp_path / "probes.json").read_text())
    assert probes["reads"] == 7 / 20
    assert 0 <= probes["gate_auroc"] <= 1
    assert set(probes["mean_gate"]) == {"adversarial", "faithful"}


def said_alone(folder: Path) -> list[str | None]:
    """What the model in a folder says to two prompts without audio."""
    requests = [Request("an id", None, f"Say it {number}", (), 8, want_scores=False) for number in range(2)]
    return [answer.text for answer in model({"folder": str(folder), "scores": "no"}).respond(requests)]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--seeds", "0"), "--seeds 0: expected at least 1; leave it out for the default"),
        (("--test", "3"), "--test 3: expected at least 10; leave it out for the default"),
        (("--read", "9"), "this ablation began with read 2, now it is 9; type the same command as before, or choose"),
    ],
)
def test_bad_input_is_one_line(
    study: Path, capsys: pytest.CaptureFixture[str], words: Sequence[str], line: str
) -> None:
    usual = ["--clips", "40", "--test", "10", "--read", "2", "--hear", "2", "--tune", "1", "--samples", "20"]
    assert fusion.main(["--out", str(study), *usual, *words]) == 4
    told = capsys.readouterr()
    assert line in told.err
    assert told.err.count("\n") == 1


def test_a_strange_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    assert fusion.main(["--out", str(tmp_path)]) == 4
    assert fusion.main(["--out", str(tmp_path / "mine.txt")]) == 4
    assert [line.partition(":")[2] for line in capsys.readouterr().err.splitlines()] == [
        " expected an empty or a new folder, or one of this command",
        f" {tmp_path / 'mine.txt'} is a file; give a folder",
    ]
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_the_total_comes_first() -> None:
    assert fusion.total(Study()) == (
        "45 models: 4 fusions x 2 x 5 seeds, trained for 300 steps each (the 120 of reading serve both arms), and 5 "
        "fine-tuned for 100; each measured on 200 samples under four conditions"
    )


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_the_command_is_stopped_and_goes_on(tmp_path: Path) -> None:
    """Ctrl-C after the first training; the same command ends with all tables, a third one prints them again."""
    words = ["--seeds", "1", "--clips", "40", "--test", "10", "--read", "2", "--hear", "2", "--tune", "1"]
    command = [
        sys.executable,
        "-m",
        "pytest_mcr.train.fusion",
        "--out",
        str(tmp_path / "out"),
        *words,
        "--samples",
        "20",
    ]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        for line in child.stdout:
            if "trained" in line and "seed 0" in line:
                os.killpg(child.pid, signal.SIGINT)
                break
        assert child.wait(60) == 2
        assert child.stderr.read().endswith("stopped; what was done is kept; type the same command to go on\n")
    ran = [subprocess.run(command, capture_output=True, text=True, check=False) for _ in range(2)]
    assert [one.returncode for one in ran] == [1, 1]  # two steps teach no word: the runs are not valid
    assert "trained, last loss" not in ran[1].stdout
    tables = [one.stdout.partition("\n\n|")[2] for one in ran]
    assert tables[0] == tables[1]
    assert tables[0].count("not valid") == 9
    assert (tmp_path / "out" / "ablation.md").read_text() == "|" + tables[0]
