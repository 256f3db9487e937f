"""``python -m pytest_mcr export``: long tables and the model card, from real runs; refusals in one line."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from pytest_mcr.__main__ import main
from pytest_mcr.report.export_files import FORMULA, write_csv
from tests.plugin.conftest import Ran, Runner
from tests.support import folders

REPORT = ("--mcr-profile", "report")


def exported(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    capsys.readouterr()
    assert main(["export", *map(str, words)]) == 0
    return capsys.readouterr().out


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """The one line with which the command refuses."""
    capsys.readouterr()
    assert main(["export", *map(str, words)]) == 4
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    return told.err


def measured(mcr: Runner, data: Path | None, *words: str, model: str = "oracle:noisy?p=0.8") -> Ran:
    ran = mcr(model, data, *words)
    assert ran.code in (0, 1), ran.text[-2000:]
    return ran


def test_numbers_as_csv_and_parquet(
    mcr: Runner, data40: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    ran = measured(mcr, data40)
    rows = rows_of(exported(capsys, ran.out / "results.json", "--csv", "-"))
    results = ran.results
    assert len(rows) == len(results["metrics"])
    for row, number in zip(rows, results["metrics"], strict=True):
        assert row["run"] == results["run"]["id"]
        assert row["fingerprint"] == results["model"]["fingerprint"]
        assert (row["task"], row["condition"] or None, row["metric"]) == (
            number["task"], number["condition"], number["metric"],
        )  # fmt: skip
        for key in ("value", "low", "high"):
            assert (float(row[key]) if row[key] else None) == number[key]
        assert int(row["n"]) == number["n"]
        assert (row["gold"] or None) == number.get("gold")
    assert any(row["value"].startswith("-") for row in rows)  # a number below 0 stays one
    file = tmp_path / "new" / "numbers.parquet"
    assert exported(capsys, ran.out, "--parquet", file) == f"written: {file}\n"
    table = parquet.read_table(file)
    assert [str(table.schema.field(name).type) for name in ("task", "value", "n")] == ["string", "double", "int64"]
    assert table.column("value").to_pylist() == [number["value"] for number in results["metrics"]]
    assert table.column_names == list(rows[0])
    assert [path.name for path in file.parent.iterdir()] == ["numbers.parquet"]


def test_cases_as_csv_and_parquet(mcr: Runner, data: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    ran = measured(mcr, data, *REPORT)
    rows = rows_of(exported(capsys, ran.out, "--csv", "-", "--cases"))
    assert [row["id"] for row in rows] == [case["id"] for case in ran.cases]
    for row, case in zip(rows, ran.cases, strict=True):
        assert (row["prompt"], row["raw"], row["verdict"]) == (case["prompt"], case["raw"], case["verdict"])
        assert json.loads(row["scores"]) == case["scores"]
        assert row["cached"] == "false"
    exported(capsys, ran.out, "--parquet", tmp_path / "cases.parquet", "--cases")
    table = parquet.read_table(tmp_path / "cases.parquet")
    assert table.num_rows == 96
    assert table.column("confidence").to_pylist() == [case["confidence"] for case in ran.cases]
    assert table.column("cached").to_pylist() == [False] * 96
    assert table.column("raw").to_pylist() == [case["raw"] for case in ran.cases]


def test_hostile_cells_are_no_formulas(mcr: Runner, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    made = folders.records(12, ("AQA",))
    signs = ("=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(1)", "  =1", '=HYPERLINK("https://evil.example")', "\uff1d1")
    for n, row in enumerate(made["AQA"]):
        row["id"] = f"{signs[n % len(signs)]} {n}"
        row["neutral"] = f'{signs[n % len(signs)]}\nand a second line; with, separators "quoted" {n}'
    ran = measured(mcr, folders.write(tmp_path / "data", made), *REPORT)
    rows = rows_of(exported(capsys, ran.out, "--csv", "-", "--cases"))
    assert len(rows) == len(ran.cases)
    for row, case in zip(rows, ran.cases, strict=True):
        assert not any(str(cell).lstrip(" ").startswith(FORMULA) for cell in row.values()), row
        assert row["source_id"].removeprefix("'") == case["source_id"]
        assert row["prompt"].removeprefix("'") == case["prompt"]


@given(st.lists(st.tuples(st.text(), st.none() | st.floats(allow_nan=False), st.booleans()), max_size=5))
def test_any_cell_survives_and_no_text_is_a_formula(rows: list[tuple[str, float | None, bool]]) -> None:
    out = io.StringIO(newline="")
    given_rows: list[dict[str, Any]] = [{"t": text, "x": number, "b": flag} for text, number, flag in rows]
    write_csv(out, {"t": str, "x": float, "b": bool}, given_rows)
    read = rows_of(out.getvalue())
    assert len(read) == len(rows)
    for row, (text, number, flag) in zip(read, rows, strict=True):
        assert not row["t"].lstrip(" \u00a0").startswith(FORMULA)
        assert row["t"] in (text.replace("\0", "\\x00"), "'" + text.replace("\0", "\\x00"))
        assert (float(row["x"]) if row["x"] else None) == number
        assert row["b"] == str(flag).lower()


def test_the_model_card_is_read_by_the_hubs_own_library(mcr: Runner, capsys: pytest.CaptureFixture[str]) -> None:
    ran = measured(mcr, None, *REPORT, "--mcr-limit", "12", model="oracle:text-follower")
    text = exported(capsys, ran.out, "--model-card", "-")
    data: Any = ModelCard(text).data
    found = data.eval_results
    by_name = {(str(one.dataset_config), str(one.metric_name)): one for one in found}
    tir = by_name["mean of tasks", "Text Influence Rate (higher is worse), adversarial"]
    assert (tir.metric_type, tir.metric_value) == ("tir", 1.0)
    assert tir.dataset_name == "pytest-mcr mini benchmark (synthetic, not MCR-BENCH)"
    assert tir.dataset_type == "pytest-mcr-mini"
    row = next(
        r for r in ran.results["metrics"] if (r["task"], r["metric"], r["condition"]) == ("*", "tir", "adversarial")
    )
    assert tir.metric_args == {"low": round(row["low"], 4), "high": round(row["high"], 4), "n": row["n"]}
    assert {one.dataset_revision for one in found} == {ran.results["dataset"]["digest"]}
    assert {config for config, _ in by_name} == {"mean of tasks", "AQA", "SER", "VSC"}
    assert str(tir.dataset_args["protocol"]).startswith("template discretion v1, answers by text")
    body = text.split("---\n", 2)[2]
    assert "## Audio against text (pytest-mcr)" in body
    assert "the embedded mini benchmark (synthetic, not MCR-BENCH)" in body
    assert "not comparable with published rows: different data" in body
    assert "| AQA | 1.00 [" in body


@pytest.mark.usefixtures("factories")
def test_a_hostile_name_stays_in_its_string(
    mcr: Runner, data: Path, capsys: pytest.CaptureFixture[str], pytester: pytest.Pytester
) -> None:
    name = 'x"\n---\nlicense: evil\n# \U0001f600 \u202e <script> @octocat [a](b) \x1b \x85'
    source = (
        "from models import Listener\n"
        "class Model(Listener):\n"
        "    def __init__(self, options):\n"
        "        super().__init__(options)\n"
        f"        self.name = {name!r}\n"
        f"    def fingerprint(self): return {name!r}\n"
    )
    (pytester.path / "hostile_name.py").write_text(source, encoding="utf-8")
    ran = measured(mcr, data, *REPORT, model="hostile_name:Model")
    text = exported(capsys, ran.out, "--model-card", "-")
    front, body = text.split("---\n")[1], text.split("---\n", 2)[2]
    assert yaml.safe_load(front).keys() == {"model-index"}
    assert yaml.safe_load(front)["model-index"][0]["name"] == ran.results["model"]["name"] == name
    assert not set("\x1b\u202e\x85") & set(text)
    assert "<script>" not in body.replace("`", "\n").splitlines()[0]


def test_refusals(mcr: Runner, data: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "cannot be read" in refused(capsys, tmp_path / "none.json", "--csv", "-")
    ran = measured(mcr, data, *REPORT)
    assert "--cases" in refused(capsys, ran.out, "--model-card", "-", "--cases")
    assert "--csv" in refused(capsys, ran.out, "--csv", tmp_path)
    results = ran.out / "results.json"
    whole = results.read_bytes()
    results.write_bytes(whole[:1000])
    assert str(results) in refused(capsys, results, "--csv", "-")
    results.write_bytes(whole)
    (ran.out / "cases.jsonl").write_bytes(b'{"id": ')
    assert "cases.jsonl" in refused(capsys, results, "--csv", "-") or "results" in refused(
        capsys, results, "--csv", "-"
    )
    invalid = mcr("oracle:deaf", data)
    assert "the run is invalid" in refused(capsys, invalid.out, "--csv", "-")


def test_a_reader_may_stop_early(mcr: Runner, data: Path) -> None:
    ran = measured(mcr, data, *REPORT)
    command = f"{sys.executable} -m pytest_mcr export {ran.out} --cases --csv - | head -1"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("id,task,sample,")
    assert done.stderr == ""
