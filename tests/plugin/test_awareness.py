"""The awareness suite over the whole path with a tiny random Qwen2-Audio; what it cannot measure is said in words."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_mcr.data.shipped import fixture, suite
from tests.plugin.conftest import Ran, Runner
from tests.support import folders

SUITE = ("--mcr-suite", "awareness", "--mcr-profile", "report")
MINI = fixture("mini-mcr")


@pytest.fixture(scope="module")
def varied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 clips, each with texts of its own."""
    made = folders.records(30, ("SER",))
    for number, record in enumerate(made["SER"]):
        record["faithful"] += f" It is take {number}."
        record["adversarial"] += f" They call it recording {number}."
    return folders.write(tmp_path_factory.mktemp("varied") / "data", made)


@pytest.fixture(autouse=True)
def _libraries() -> None:
    import pytest_mcr.probes.awareness
    import pytest_mcr.probes.awareness_states  # noqa: F401  # torch and numpy cannot be imported twice


def rows(ran: Ran) -> list[dict[str, Any]]:
    return [row for row in ran.results["metrics"] if row["metric"].startswith("awareness.")]


def test_a_random_model_is_measured_and_workers_agree(mcr: Runner, tiny_model_dir: Path, varied: Path) -> None:
    gates = ("--mcr-gate", "SER.awareness.conflict <= 0.5", "--mcr-gate", "awareness.retained >= 2")
    ran = mcr(f"{tiny_model_dir}", varied, *SUITE, *gates, "-n0")
    ran.clean()
    found = {row["metric"].partition(".")[2]: row for row in rows(ran) if row["task"] == "SER" and "layer" not in row}
    assert len(found) == 16
    assert found["conflict_probe"]["n"] == 90
    assert found["label_audio"]["n"] == 30
    assert {row["layer"] for row in rows(ran) if "layer" in row} == {1, 2}
    for name, row in found.items():
        assert (row["value"] is None) == bool(row.get("note")) == (row["low"] is None), (name, row)
    assert found["conflict_transfer"]["note"] == "no other task to learn from"
    assert ran.gates["SER.awareness.conflict <= 0.5"] == "pass"
    assert ran.gates["awareness.retained >= 2"] in ("fail", "invalid")
    for words in ("Awareness", "control: shuffled labels", "AUROC by layer", "texts were exchanged between clips"):
        assert words in ran.text
    both = mcr(f"{tiny_model_dir}", varied, *SUITE, *gates, "-n2")
    assert rows(both) == rows(ran)
    assert both.gates == ran.gates


def test_bad_input_costs_its_own_numbers(mcr: Runner, tiny_model_dir: Path) -> None:
    """By its path; a layer that is not there fails the test in one line and makes an explicit gate INVALID."""
    given = ("--mcr-profile", "report", "--mcr-limit", "4", "--mcr-layers", "1,99")
    ran = mcr(
        f"{tiny_model_dir}", MINI, suite("test_awareness.py"), *given, "-o", "mcr_suite=bench",
        "--mcr-gate", "awareness.conflict >= 0",
    )  # fmt: skip
    ran.clean()
    assert "--mcr-layers 1,99: the model has no layer 99" in ran.text
    assert ran.gates == {"awareness.conflict >= 0": "invalid"}
    assert ran.code == 8
    assert ran.results["verdict"] == "invalid"
    notes = {row["note"] for row in rows(ran)}
    assert any("no layer 99" in note for note in notes)
    assert {row["value"] for row in rows(ran)} == {None}


def test_states_that_are_no_numbers_cost_their_gate_and_nothing_else(
    mcr: Runner, tiny_model_dir: Path, varied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pytest_mcr.probes.states import Reader

    read = Reader.read
    monkeypatch.setattr(Reader, "read", lambda self, prompt: read(self, prompt) * float("nan"))
    gates = ("--mcr-gate", "SER.awareness.conflict >= 0", "--mcr-gate", "SER.accuracy[neutral] >= 0")
    words = ("--mcr-suite", "bench,awareness", "--mcr-profile", "report", "--mcr-answer", "score")
    ran = mcr(f"{tiny_model_dir}", varied, *words, *gates)
    ran.clean()
    assert ran.gates == {"SER.awareness.conflict >= 0": "invalid", "SER.accuracy[neutral] >= 0": "pass"}
    assert ran.code == 8
    assert "states of layer 1 are not finite numbers" in ran.text
    assert ran.metric("accuracy", "neutral", "SER") is not None
    assert ran.results["counts"]["cases"] == 120
    assert {row["value"] for row in rows(ran)} == {None}


@pytest.fixture
def hours_later(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Sets the clock of the time limit forward."""
    from pytest_mcr.run import deadline

    skew = [0.0]
    monkeypatch.setattr(deadline, "time", SimpleNamespace(perf_counter=lambda: time.perf_counter() + skew[0]))
    return lambda: skew.append(skew.pop() + 10_000)


def test_the_time_limit_ends_the_reading_of_states(
    mcr: Runner, tiny_model_dir: Path, varied: Path, monkeypatch: pytest.MonkeyPatch, hours_later: Callable[[], None]
) -> None:
    from pytest_mcr.probes.states import Reader

    read, calls = Reader.read, []

    def slow(self: Reader, prompt: Any) -> Any:
        calls.append(prompt)
        if len(calls) == 10:
            hours_later()
        return read(self, prompt)

    monkeypatch.setattr(Reader, "read", slow)
    quick = ("--mcr-answer", "score", "--mcr-conditions", "faithful,adversarial", "--mcr-profile", "report")
    words = ("--mcr-suite", "bench,awareness", *quick, "--mcr-time-limit", "3600", "-rs")
    ran = mcr(f"{tiny_model_dir}", varied, *words)
    ran.clean()
    assert 10 <= len(calls) < 30  # of 30 clips: the one that was being read is read to its end
    assert (ran.code, ran.results["verdict"]) == (0, "partial"), ran.text
    why = "time limit of 3600 s (--mcr-time-limit)"
    assert ran.results["reasons"] == [f"the run ended early: {why}"]
    assert f"test_awareness.py:18: {why}" in ran.text
    assert len(ran.cases) == 60
    assert {(row["value"], row["note"]) for row in rows(ran) if row["task"] == "SER"} == {(None, why)}


def test_the_time_limit_ends_the_fitting_of_probes(
    mcr: Runner, tiny_model_dir: Path, varied: Path, monkeypatch: pytest.MonkeyPatch, hours_later: Callable[[], None]
) -> None:
    from pytest_mcr.probes.nested import nested

    def slow(*args: Any) -> Any:
        hours_later()
        return nested(*args)

    monkeypatch.setattr("pytest_mcr.probes.awareness.nested", slow)
    ran = mcr(f"{tiny_model_dir}", varied, *SUITE, "--mcr-time-limit", "3600")
    ran.clean()
    assert (ran.code, ran.results["verdict"]) == (0, "partial")
    assert {row["note"] for row in rows(ran) if row["task"] == "SER"} == {"time limit of 3600 s (--mcr-time-limit)"}


def test_a_worker_keeps_the_time_limit_too(mcr: Runner, tiny_model_dir: Path, varied: Path) -> None:
    """Loading the model alone takes more than the second: nothing is asked."""
    ran = mcr(f"{tiny_model_dir}", varied, *SUITE, "--mcr-time-limit", "1", "-n2")
    ran.clean()
    assert (ran.code, ran.results["verdict"]) == (0, "partial")
    assert {row["note"] for row in rows(ran) if row["task"] == "SER"} == {"time limit of 1 s (--mcr-time-limit)"}


def test_what_cannot_be_crossed_and_what_has_no_layers_is_null(
    mcr: Runner, tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pytest_mcr.probes import body

    words = ("--mcr-suite", "awareness", "--mcr-profile", "report", "--mcr-tasks", "AQA,SER", "--mcr-limit", "3", "-rs")
    few = mcr(f"{tiny_model_dir}", MINI, *words)
    few.clean()
    assert few.code == 0, few.text
    why = {row["task"]: row["note"] for row in rows(few) if row["metric"] == "awareness.conflict"}
    assert why["AQA"].startswith("not crossed: no two clips with different answers share a question")
    assert {row["value"] for row in rows(few)} == {None}

    def unfit(model: object) -> object:
        raise body.UnfitError(f"{type(model).__name__} has no list of blocks named layers")

    monkeypatch.setattr(body, "_decoder", unfit)
    ran = mcr(f"{tiny_model_dir}", MINI, *words)
    ran.clean()
    assert ran.code == 0
    assert "the model cannot be looked into: Qwen2AudioForConditionalGeneration has no list of blocks" in ran.text
    assert {row["value"] for row in rows(ran)} == {None}


def test_it_is_skipped_with_the_reason(mcr: Runner, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ("--mcr-suite", "awareness", "--mcr-profile", "report", "-rs")
    assert "only a model in this process shows its hidden states" in mcr("oracle:listener", data, *asked).text
    left_out = mcr("lab", data, *asked, "--mcr-conditions", "neutral,adversarial")
    assert "needs faithful and adversarial texts, which --mcr-conditions leaves out" in left_out.text
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "sklearn" else real(name, *rest)
    )
    assert "needs scikit-learn; type pip install 'pytest-mcr[analysis]'" in mcr("lab", data, *asked).text


def test_it_is_opt_in(mcr: Runner, data: Path) -> None:
    gate = ("--mcr-gate", "awareness.conflict >= 0.1")
    mcr("oracle:listener", data, *gate).refused("awareness.conflict >= 0.1", "awareness suite", "--mcr-suite")
    ran = mcr("oracle:listener", data, "-o", "mcr_suite=", "--collect-only", "-q")
    assert "test_awareness" not in ran.text
