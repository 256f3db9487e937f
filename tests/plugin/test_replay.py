"""Recorded answers: re-scored as the run that gave them, refused where they belong to other questions."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_mcr.data.results_file import content_digest
from tests.plugin.conftest import Ran, Runner
from tests.support import folders

REPORT = ("--mcr-profile", "report")
UNCONTROLLED = {"tir_excess"}
"""Metrics that need the placebo, which is in no recording."""


@pytest.fixture
def former(mcr: Runner, data: Path, pytester: pytest.Pytester) -> Path:
    """The folder of a finished run, moved aside."""
    out = mcr("oracle:noisy?p=0.7", data, *REPORT).out
    return Path(shutil.move(out, pytester.path / "former"))


def rows(results: dict[str, Any]) -> list[dict[str, Any]]:
    return [row for row in results["metrics"] if row["condition"] != "placebo" and row["metric"] not in UNCONTROLLED]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def verdicts(cases: Sequence[dict[str, Any]]) -> list[tuple[Any, ...]]:
    keys = ("id", "prompt", "answer", "raw", "verdict", "confidence", "scores", "error")
    return [tuple(json.dumps(case[key], sort_keys=True) for key in keys) for case in cases]


def save(path: Path, cases: Sequence[dict[str, Any]]) -> Path:
    path.write_text("".join(f"{json.dumps(case)}\n" for case in cases), encoding="utf-8")
    return path


def amend(former: Path, *keys: str, value: object) -> None:
    """Change one value of the former run's results, as a run that found it so would have written them."""
    path = former / "results.json"
    results = json.loads(path.read_text(encoding="utf-8"))
    place = results
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    results["digest"] = content_digest(results)
    path.write_text(json.dumps(results), encoding="utf-8")


def test_a_former_run_is_rescored(mcr: Runner, data: Path, former: Path, mode: Sequence[str]) -> None:
    ran = mcr(f"replay:{former / 'cases.jsonl'}", data, *REPORT, *mode)
    before = json.loads((former / "results.json").read_text(encoding="utf-8"))
    assert rows(ran.results) == rows(before)
    assert verdicts(ran.cases) == verdicts(lines(former / "cases.jsonl"))
    assert (ran.code, ran.results["verdict"]) == (0, before["verdict"])
    traits = ran.results["model"]["traits"]
    assert traits["recorded_by"] == {
        "run": before["run"]["id"],
        "spec": "oracle:noisy?p=0.7",
        "fingerprint": before["model"]["fingerprint"],
        "answer": "generate",
    }
    assert (traits["answers"], traits["missing"]["count"], traits["surplus"]["count"]) == (96, 0, 0)
    assert f"recording: answers of oracle:noisy?p=0.7 from run {before['run']['id']}" in " ".join(ran.text.split())


def test_rescored_by_score(mcr: Runner, data: Path, former: Path) -> None:
    again = mcr(f"replay:{former / 'cases.jsonl'}", data, *REPORT, "--mcr-answer", "score")
    assert (again.code, again.results["protocol"]["answer"]) == (0, "score")
    best = [max(case["scores"], key=case["scores"].__getitem__) for case in lines(former / "cases.jsonl")]
    assert [case["answer"] for case in again.cases] == best
    assert "that run read its answers by generate, this one by score" in " ".join(again.text.split())


def test_a_table_gives_the_same(mcr: Runner, data: Path, former: Path, pytester: pytest.Pytester) -> None:
    cases = lines(former / "cases.jsonl")
    labels = sorted({label for case in cases for label in case["scores"]})
    with (pytester.path / "answers.csv").open("w", newline="", encoding="utf-8-sig") as file:
        table = csv.writer(file, delimiter=";")
        table.writerow(["id", "raw", *(f"score:{label}" for label in labels)])
        table.writerows([case["id"], case["raw"], *(case["scores"].get(one, "") for one in labels)] for case in cases)
    ran = mcr("replay:answers.csv", data, *REPORT)
    assert ran.code == 0
    assert verdicts(ran.cases) == verdicts(cases)


def test_missing_answers_are_counted_and_named(
    mcr: Runner, data: Path, former: Path, pytester: pytest.Pytester, mode: Sequence[str]
) -> None:
    save(pytester.path / "answers.jsonl", lines(former / "cases.jsonl")[:-5])
    ran = mcr("replay:answers.jsonl", data, *REPORT, *mode)
    assert (ran.code, ran.results["verdict"], ran.results["counts"]["cases"]) == (8, "invalid", 0)
    assert ran.results["reasons"] == [
        "replay:answers.jsonl holds no answer for 5 of 96 cases, e.g. SER-0010-irrelevant, SER-0011-neutral, "
        "SER-0011-faithful; record them, or choose others with --mcr-tasks and --mcr-conditions"
    ]


def test_surplus_answers_are_counted_and_shown(
    mcr: Runner, data: Path, former: Path, pytester: pytest.Pytester, mode: Sequence[str]
) -> None:
    extra = [{"id": name, "text": "yes"} for name in ("XYZ-0000-neutral", "AQA-0000-neutral::placebo.0")]
    save(pytester.path / "answers.jsonl", [*lines(former / "cases.jsonl"), *extra])
    ran = mcr("replay:answers.jsonl", data, *REPORT, "--mcr-tasks", "AQA", *mode)
    assert (ran.code, ran.results["verdict"]) == (0, "pass")
    assert ran.results["model"]["traits"]["surplus"] == {
        "count": 49,
        "first": ["SER-0000-neutral", "SER-0000-faithful", "SER-0000-adversarial"],
    }
    note = "recording: 49 of its 98 answers are left out, as they are to no case of this run, e.g. SER-0000-neutral"
    assert note in " ".join(ran.text.split())
    assert any(line.startswith(note) for line in ran.results["run"]["notes"])


def test_former_errors_stay_errors(mcr: Runner, data: Path, former: Path, pytester: pytest.Pytester) -> None:
    cases = lines(former / "cases.jsonl")
    cases[0] |= {"raw": None, "scores": None, "error": "out of memory"}
    save(pytester.path / "answers.jsonl", cases)
    ran = mcr("replay:answers.jsonl", data, *REPORT)
    assert (ran.code, ran.results["counts"]["errors"]) == (1, 1)
    assert [case["error"] for case in ran.cases if case["error"]] == ["out of memory"]


def test_other_prompts_are_errors_of_their_cases(
    mcr: Runner, data: Path, former: Path, pytester: pytest.Pytester
) -> None:
    """A copy without its results is known by its prompts."""
    shutil.copy(former / "cases.jsonl", pytester.path)
    ran = mcr("replay:cases.jsonl", data, *REPORT, "--mcr-template", "paper")
    assert (ran.code, ran.results["verdict"], ran.results["counts"]["errors"]) == (8, "invalid", 96)
    assert all("was recorded with another prompt" in case["error"] for case in ran.cases)
    assert ran.cases[0]["error"].startswith("cases.jsonl: AQA-0000-neutral was recorded with another prompt: 'Listen")


def test_another_template_is_refused(mcr: Runner, data: Path, former: Path, mode: Sequence[str]) -> None:
    ran = mcr(f"replay:{former / 'cases.jsonl'}", data, *REPORT, "--mcr-template", "paper", *mode)
    ran.refused("these answers belong to other questions", "template discretion, now paper; type: --mcr-template disc")


def test_another_version_of_the_template_is_refused(mcr: Runner, data: Path, former: Path) -> None:
    amend(former, "protocol", "version", value=0)
    ran = mcr(f"replay:{former / 'cases.jsonl'}", data, *REPORT)
    ran.refused("template discretion v0, now v1, so the model must be asked anew")


def test_how_the_model_was_asked_stays_in_the_verdict(mcr: Runner, data: Path, former: Path) -> None:
    amend(former, "model", "traits", value={"family": "x", "system": "Be brief.", "order": "text-first", "p": 1})
    ran = mcr(f"replay:{former / 'cases.jsonl'}", data, *REPORT)
    assert ran.code == 0
    assert ran.results["model"]["traits"]["system"] == "Be brief."
    assert "answers by text, system prompt 'Be brief.', text before audio)" in " ".join(ran.text.split())


def test_other_data_is_refused(mcr: Runner, data: Path, former: Path, tmp_path: Path) -> None:
    other = folders.dataset(tmp_path / "other", 13)
    ran = mcr(f"replay:{former / 'cases.jsonl'}", other, *REPORT)
    ran.refused("belong to other questions: data", str(data), f"now {other}", f"type: --mcr-data {data}")


def test_a_run_that_could_not_be_trusted_stays_invalid(mcr: Runner, data: Path, former: Path) -> None:
    amend(former, "audit", "batch", value={"verdict": "fail", "detail": "9 of 64 answers differ"})
    ran = mcr(f"replay:{former / 'cases.jsonl'}", data, *REPORT)
    assert (ran.code, ran.results["verdict"], ran.results["counts"]["cases"]) == (8, "invalid", 0)
    assert "which was INVALID: batch audit: 9 of 64 answers differ" in ran.results["reasons"][0]


@pytest.mark.parametrize(
    ("keys", "value", "words"),
    [
        (("schema",), "other/2", "schema 'other/2'; expected 'pytest-mcr.results/1'"),
        (("protocol",), None, "no results of a run ('protocol' is not an object)"),
        (("protocol", "version"), None, "no results of a run (TypeError"),
        (("dataset", "digest"), None, "belong to other questions"),
    ],
    ids=["schema", "protocol", "version", "digest"],
)
def test_broken_results_beside_it(
    mcr: Runner, data: Path, former: Path, keys: tuple[str, ...], value: object, words: str
) -> None:
    amend(former, *keys, value=value)
    mcr(f"replay:{former / 'cases.jsonl'}", data, *REPORT).refused(words)


def test_answers_that_were_edited_are_no_longer_the_runs(mcr: Runner, data: Path, former: Path) -> None:
    cases = lines(former / "cases.jsonl")
    save(former / "cases.jsonl", [cases[0] | {"raw": "yes indeed"}, *cases[1:]])
    mcr(f"replay:{former / 'cases.jsonl'}", data, *REPORT).refused(
        "cases.jsonl: not the file that results.json was written with", "copy cases.jsonl to another folder"
    )


def test_what_an_answer_mode_reads_must_be_there(mcr: Runner, data: Path, former: Path) -> None:
    def replay(name: str, *args: str) -> Ran:
        return mcr(f"replay:{former / name}", data, *REPORT, *args)

    cases = lines(former / "cases.jsonl")
    save(former / "texts.jsonl", [{"id": case["id"], "text": case["raw"]} for case in cases])
    save(former / "scores.jsonl", [{"id": case["id"], "scores": case["scores"]} for case in cases])
    replay("texts.jsonl", "--mcr-answer", "score").refused(
        "--mcr-answer score reads scores, and none of its 96 answers has any; type: --mcr-answer generate"
    )
    replay("scores.jsonl").refused("--mcr-answer generate reads text", "type: --mcr-answer score")
    assert replay("scores.jsonl", "--mcr-answer", "score").code == 0
