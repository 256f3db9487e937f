"""`measure` and its command: rows, reproducibility, what is left out and what is said then."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_mcr.data import release
from pytest_mcr.data.shipped import fixture
from pytest_mcr.errors import ModelError, OptionError
from pytest_mcr.models.hf import HfModel
from pytest_mcr.probes.__main__ import conflicts, main
from pytest_mcr.probes.layers import parse_layers
from pytest_mcr.probes.questions import Conflict
from pytest_mcr.probes.whitebox import measure
from tests.unit.tiny import build
from tests.unit.tiny_conflicts import conflict
from tests.unit.tiny_requests import loaded

Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def model(tiny_model_dir: Path) -> Iterator[HfModel]:
    made = loaded(tiny_model_dir)
    yield made
    made.close()


@pytest.fixture(scope="module")
def lab() -> Iterator[HfModel]:
    made = loaded(fixture("lab-model"))
    yield made
    made.close()


def value(rows: Rows, metric: str, layer: int | None = None, draw: int | None = None) -> Any:
    [row] = [
        row for row in rows
        if (row["metric"], row.get("layer"), row.get("draw")) == (f"dominance.{metric}", layer, draw)
    ]  # fmt: skip
    return row["value"]


def test_rows_are_builtins_one_a_name_and_the_same_again(model: HfModel) -> None:
    asked = [conflict(seed=seed) for seed in (1, 2, 3)]
    one, two = (measure(model, asked, layers=parse_layers("all"), draws=2, seed=7) for _ in range(2))
    assert one == two
    assert json.loads(json.dumps(one, allow_nan=False)) == one
    names = Counter((row["metric"], row.get("layer"), row.get("draw")) for row in one)
    assert set(names.values()) == {1}
    assert {row["n"] for row in one if row["metric"].startswith("dominance.lens")} == {3}
    assert all(row["low"] <= row["value"] <= row["high"] for row in one if row["low"] is not None)
    other = measure(model, asked, layers=parse_layers("all"), draws=2, seed=8)
    assert [row for row in other if "control" not in row["metric"]] == [
        row for row in one if "control" not in row["metric"]
    ]
    assert other != one


def test_numbers_fit_together(model: HfModel) -> None:
    rows = measure(model, [conflict(seed=seed) for seed in (1, 2)], layers=parse_layers("all"), draws=1)
    for layer in range(3):
        gap = value(rows, "lens_audio", layer) - value(rows, "lens_joint", layer)
        assert value(rows, "lens_gap", layer) == pytest.approx(gap)
    assert value(rows, "knockout_text_all", 1) != pytest.approx(value(rows, "knockout_text_all"), abs=1e-3)
    assert {row["layer"] for row in rows if row["metric"] == "dominance.patch"} == {1}  # 2 is the output itself
    assert not any("crossover" in row["metric"] or "arbitration" in row["metric"] for row in rows)  # 2 blocks


def test_a_deep_model_has_a_crossover_and_an_arbitration_layer(tmp_path: Path) -> None:
    model = loaded(build(tmp_path / "deep", layers=12, hidden=32))
    rows = measure(model, [conflict(seed=seed) for seed in (1, 2, 3)], layers=parse_layers("every:4"), draws=1)
    model.close()
    assert 0 <= value(rows, "lens_crossover_joint") <= 12
    assert 0 <= value(rows, "lens_crossover_audio") <= 12
    assert {row["metric"] for row in rows} >= {"dominance.patch_arbitration"}
    assert {row.get("layer") for row in rows if row["metric"] == "dominance.lens_joint"} == {4, 8, 12}
    assert {row.get("layer") for row in rows if row["metric"] == "dominance.patch"} == {4, 8}


def test_a_clip_that_is_not_heard_whole_is_named_and_not_counted(model: HfModel) -> None:
    rows = measure(model, [conflict(seconds=9.0), conflict(seed=2)], layers=parse_layers("2"), draws=1)
    [row] = [row for row in rows if row["metric"] == "dominance.whitebox_clips"]
    assert (row["value"], row["n"]) == (1.0, 2)
    assert "1 left out, e.g. AQA-0001: clip lasts 9.0 s, the model hears at most 4 s" in row["note"]
    assert value(rows, "lens_joint", 2) is not None


def test_bad_input_is_one_line(model: HfModel, tiny_model_dir: Path) -> None:
    with pytest.raises(OptionError, match=r"--mcr-layers 16,32: the model has no layer 16; .* to 2 "):
        measure(model, [conflict()], layers=parse_layers("16,32"))
    with pytest.raises(ValueError, match="AQA-0001: the gold label and the text's label are the same tokens"):
        measure(model, [conflict(gold="yes", text="yes")], layers=parse_layers("all"))
    closed = loaded(tiny_model_dir)
    closed.close()
    with pytest.raises(ModelError, match="was closed"):
        measure(closed, [conflict()], layers=parse_layers("all"))


def test_logits_that_are_no_numbers_stop_it(model: HfModel, monkeypatch: pytest.MonkeyPatch) -> None:
    head = model.checkpoint.model.get_output_embeddings()
    handle = head.register_forward_hook(lambda _, __, out: out * float("nan"))
    try:
        with pytest.raises(ArithmeticError, match="NaN"):
            measure(model, [conflict()], layers=parse_layers("all"), draws=1)
    finally:
        handle.remove()


def lab_conflicts(rate: int) -> list[Conflict]:
    found = conflicts(release.load(fixture("mini-mcr")), rate, 4)
    assert Counter(one.id[:3] for one in found) == {"AQA": 4, "SER": 4, "VSC": 4}
    return found


def test_the_lab_model_gives_its_ears_back_when_the_text_is_cut(lab: HfModel) -> None:
    """As docs/dominance-whitebox.md has it for the whole mini benchmark."""
    rows = measure(lab, lab_conflicts(lab.sample_rate), layers=parse_layers("all"), draws=2)
    assert value(rows, "agreement_joint") <= 0.3
    assert value(rows, "agreement_knockout") >= 0.9
    for control in ("prompt", "audio", "mass"):
        assert max(value(rows, f"agreement_control_{control}", draw=draw) for draw in range(2)) <= 0.4
    assert value(rows, "knockout_text_all") == pytest.approx(value(rows, "lens_gap", 4), abs=1.0)
    assert value(rows, "lens_joint", 4) < 0 < value(rows, "lens_audio", 4)
    curve = [value(rows, "patch", layer) for layer in (1, 2, 3)]
    assert curve == sorted(curve)
    assert curve[-1] == pytest.approx(1.0, abs=0.15)
    assert {row["n"] for row in rows if row["metric"] == "dominance.agreement_knockout"} == {12}


def test_an_audio_that_says_nothing_does_not_agree(lab: HfModel) -> None:
    """The control of the test above: with silence for the clips, cutting the text does not bring their labels back."""
    asked = [
        replace(one, audio=replace(one.audio, samples=np.zeros_like(one.audio.samples), digest=f"silence {one.id}"))
        for one in lab_conflicts(lab.sample_rate)
    ]
    rows = measure(lab, asked, layers=parse_layers("4"), draws=1)
    assert value(rows, "lens_audio", 4) < 3.0


def test_the_command_says_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", "--layers", "none"]) == 4
    assert main(["oracle:listener"]) == 4
    assert main(["lab", "--layers", "9", "--limit", "1"]) == 4
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert "expected all, every:N" in lines[0]
    assert "only a model in this process can be looked into; type lab or a folder" in lines[1]
    assert "no layer 9; expected numbers from 0 (the embeddings) to 4" in lines[2]


def test_the_command_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", "--layers", "4", "--limit", "1", "--draws", "2"]) == 0
    out = capsys.readouterr().out
    assert "dominance.lens_joint                   layer  4" in out
    assert "dominance.agreement_control_prompt     mean of 2 draws" in out
