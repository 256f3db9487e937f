"""``--mcr-baseline``: a run against an earlier one, cell by cell, in every mode; what cannot be compared is INVALID."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_mcr.__main__ import main
from pytest_mcr.data.results_file import content_digest
from tests.plugin.conftest import Ran, Runner

MARGINS = "macro=0.04,task=0.08"
HEARS = ("--mcr-gate", "accuracy[neutral] >= 0.5")
"""A gate that every model here meets, so that only the comparison decides."""

Saved = Callable[..., Path]


@pytest.fixture
def saved(mcr: Runner, data40: Path, pytester: pytest.Pytester) -> Saved:
    """Run a model and move its results aside."""

    def save(name: str, model: str, *args: object) -> Path:
        ran = mcr(model, data40, "--mcr-profile", "report", *args)
        assert ran.code == 0, ran.text
        return Path(shutil.move(ran.out, pytester.path / name))

    return save


@pytest.fixture
def answers(pytester: pytest.Pytester, saved: Saved) -> Callable[[str, dict[str, int]], str]:
    """Recorded answers: a listener's, the first so many of a condition in AQA replaced by the other label."""
    listener = saved("listener", "oracle:listener") / "cases.jsonl"
    cases = [json.loads(line) for line in listener.read_text(encoding="utf-8").splitlines()]

    def record(name: str, wrong: dict[str, int]) -> str:
        with (pytester.path / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(["id", "text"])
            for case in cases:
                place = int(case["sample"].rpartition("-")[2])
                spoiled = case["task"] == "AQA" and place < wrong.get(case["condition"], 0)
                table.writerow([case["id"], {"yes": "no", "no": "yes"}[case["raw"]] if spoiled else case["raw"]])
        return f"replay:{name}.csv"

    return record


def words(ran: Ran) -> str:
    return " ".join(ran.text.split())


def against(ran: Ran) -> dict[str, str]:
    return {expr: verdict for expr, verdict in ran.gates.items() if " vs " in expr}


def test_no_worse_worse_and_unsure(
    mcr: Runner, data40: Path, answers: Callable[[str, dict[str, int]], str], mode: Sequence[str]
) -> None:
    args = (*HEARS, "--mcr-baseline", "listener", "--mcr-margin", MARGINS, *mode)
    same = mcr("oracle:listener", data40, *args)
    same.clean()
    assert (same.code, same.results["verdict"]) == (0, "pass")
    assert set(against(same).values()) == {"pass"}
    assert "AQA.accuracy[adversarial] vs baseline >= -0.08@95" in against(same)
    assert "accuracy[adversarial] vs baseline >= -0.04@95" in against(same)
    assert len(against(same)) == 12
    worse = mcr(answers("worse", {"adversarial": 16}), data40, *args)
    worse.clean()
    assert (worse.code, worse.results["verdict"]) == (1, "fail")
    assert {expr for expr, verdict in against(worse).items() if verdict == "fail"} == {
        "AQA.accuracy[adversarial] vs baseline >= -0.08@95",
        "accuracy[adversarial] vs baseline >= -0.04@95",
    }
    assert "REGRESSED in 2 of 12 cells: AQA.accuracy[adversarial], accuracy[adversarial]" in words(worse)
    unsure = mcr(answers("unsure", {"faithful": 3}), data40, *args)
    assert (unsure.code, unsure.results["verdict"]) == (1, "fail")
    assert {verdict for expr, verdict in against(unsure).items() if "faithful" in expr} == {"pass", "undecided"}
    assert "underpowered, needs n = " in words(unsure)
    assert "UNDECIDED in 2 of 12 cells" in words(unsure)


def test_the_results_hold_the_comparison(
    mcr: Runner, data40: Path, answers: Callable[[str, dict[str, int]], str], pytester: pytest.Pytester
) -> None:
    model = answers("worse", {"adversarial": 16, "neutral": 4})
    ran = mcr(model, data40, *HEARS, "--mcr-baseline", "listener/results.json")
    [found] = ran.results["baseline"]
    assert (found["role"], found["verdict"], found["model"]) == ("baseline", "regressed", "oracle:listener")
    assert found["digest"] == json.loads((pytester.path / "listener" / "results.json").read_text())["digest"]
    cells = {(cell["task"], cell["condition"]): cell for cell in found["cells"]}
    aqa = cells["AQA", "adversarial"]
    assert (aqa["before"], aqa["after"], aqa["n"], aqa["margin"]) == (1.0, 0.6, 40, 0.05)
    assert aqa["change"] == pytest.approx(-0.4)
    assert aqa["lower95"] < -0.4
    assert (cells["*", "adversarial"]["n"], cells["*", "adversarial"]["margin"]) == (80, 0.02)
    overall = found["tir_common"][-1]
    assert (overall["both"], overall["only_before"], overall["only_after"]) == (76, 4, 0)
    gate = next(gate for gate in ran.results["gates"] if gate["expr"].startswith("AQA.accuracy[adversarial] vs"))
    assert (gate["value"], gate["verdict"]) == (pytest.approx(-0.4), "fail")
    assert ran.results["settings"]["margin"] == {"macro": 0.02, "task": 0.05}
    assert content_digest(ran.results) == ran.results["digest"]


def test_under_report_a_comparison_informs(mcr: Runner, data40: Path, saved: Saved) -> None:
    saved("listener", "oracle:listener")
    args = ("--mcr-profile", "report", "--mcr-baseline", "listener")
    ran = mcr("oracle:text-follower", data40, *args)
    assert (ran.code, ran.gates) == (0, {})
    assert ran.results["baseline"][0]["verdict"] == "regressed"
    assert "REGRESSED in 3 of 12 cells" in words(ran)
    other = mcr("oracle:text-follower", data40, *args, "--mcr-template", "paper")
    assert (other.code, other.results["baseline"][0]["verdict"]) == (0, "invalid")
    assert "template discretion v1, now paper v" in words(other)


@pytest.mark.parametrize(
    ("args", "difference"),
    [
        (("--mcr-template", "paper"), "template discretion v1, now paper v"),
        (("--mcr-answer", "score"), "answers by generate, now score"),
        (("--mcr-conditions", "neutral,adversarial"), "conditions adversarial, faithful, irrelevant, neutral, now adv"),
        (("--mcr-tasks", "AQA"), "tasks AQA, SER, now AQA"),
    ],
)
def test_what_cannot_be_compared_is_invalid(
    mcr: Runner, data40: Path, saved: Saved, args: Sequence[str], difference: str
) -> None:
    saved("listener", "oracle:listener")
    ran = mcr("oracle:listener", data40, *HEARS, "--mcr-baseline", "listener", *args)
    ran.clean()
    assert (ran.code, ran.results["verdict"]) == (8, "invalid")
    assert ran.gates["accuracy vs baseline"] == "invalid"
    assert difference in words(ran)
    assert "WARNING: it cannot be compared with this run" in words(ran)


def test_other_data_holes_and_doubtful_baselines_are_invalid(
    mcr: Runner, data: Path, data40: Path, saved: Saved, pytester: pytest.Pytester
) -> None:
    saved("few", "oracle:listener", "--mcr-limit", "20")
    few = mcr("oracle:listener", data40, *HEARS, "--mcr-baseline", "few")
    assert few.code == 8
    assert "160 cases are not in it, e.g. AQA-" in words(few)
    other = mcr("oracle:listener", data, *HEARS, "--mcr-baseline", "few")
    assert (other.code, other.gates["accuracy vs baseline"]) == (8, "invalid")
    assert "data digest" in words(other)
    part = mcr("oracle:listener", data40, *HEARS, "-k", "AQA")
    shutil.move(part.out, pytester.path / "part")
    partial = mcr("oracle:listener", data40, *HEARS, "--mcr-baseline", "part")
    assert partial.code == 8
    assert "the run is partial" in words(partial)


def test_fewer_clips_of_the_seeded_order_can_be_compared(mcr: Runner, data40: Path, saved: Saved) -> None:
    saved("listener", "oracle:listener")
    ran = mcr("oracle:listener", data40, *HEARS, "--mcr-baseline", "listener", "--mcr-limit", "38",
              "--mcr-margin", MARGINS)  # fmt: skip
    assert (ran.code, {cell["n"] for cell in ran.results["baseline"][0]["cells"]}) == (0, {38, 76})


def test_without_the_benchs_cases_there_is_nothing_to_compare(mcr: Runner, data40: Path, saved: Saved) -> None:
    saved("listener", "oracle:listener")
    ran = mcr("oracle:listener", data40, "--mcr-suite", "dominance", "--mcr-baseline", "listener", "-k", "not hunt")
    assert (ran.code, ran.gates["accuracy vs baseline"]) == (8, "invalid")
    assert "no case was answered; add the suite bench to --mcr-suite" in words(ran)


def test_a_part_is_compared_with_nothing(mcr: Runner, data40: Path, saved: Saved) -> None:
    saved("listener", "oracle:listener")
    ran = mcr("oracle:listener", data40, *HEARS, "--mcr-baseline", "listener", "-k", "AQA")
    assert (ran.code, ran.results["verdict"]) == (8, "partial")
    assert "accuracy vs baseline" in ran.results["gates_not_judged"]


def test_a_bad_baseline_is_refused_before_anything_is_measured(
    mcr: Runner, data: Path, pytester: pytest.Pytester, mode: Sequence[str]
) -> None:
    def refused(content: str | None, *text: str) -> None:
        if content is not None:
            (pytester.path / "given.json").write_text(content)
        mcr("oracle:listener", data, "--mcr-baseline", "given.json", *mode).refused("given.json", *text)

    refused(None, "cannot be read")
    refused('{"schema": "pytest-mcr.results/1"', "not a whole JSON file")
    refused('{"schema": "pytest-mcr.results/9"}', "schema 'pytest-mcr.results/9'; expected 'pytest-mcr.results/1'")
    refused(
        '{"schema": "pytest-mcr.blessings/1", "blessings": []}', "it holds no blessing", "python -m pytest_mcr bless"
    )
    refused('{"schema": "pytest-mcr.blessings/1", "blessings": [{}]}', "blessing 1: results is missing")


@pytest.mark.parametrize("text", ["7", "0", "-0.1", "x", "macro=", "macro=0.1,macro=0.2", "faithful=0.1", "nan", ""])
def test_a_bad_margin_is_refused(mcr: Runner, data: Path, text: str) -> None:
    if text:
        mcr("oracle:listener", data, f"--mcr-margin={text}").refused("--mcr-margin", "macro=X,task=Y")
    else:
        assert mcr("oracle:listener", data, "--mcr-margin=", *HEARS).code == 0


# --- the same table offline ------------------------------------------------------------------------------------------


def test_compare_prints_what_the_run_printed(
    mcr: Runner, data40: Path, answers: Callable[[str, dict[str, int]], str], capsys: pytest.CaptureFixture[str]
) -> None:
    ran = mcr(
        answers("worse", {"adversarial": 16}), data40, *HEARS, "--mcr-baseline", "listener", "--mcr-margin", MARGINS
    )
    capsys.readouterr()
    assert main(["compare", "listener", str(ran.out), "--margin", MARGINS]) == 1
    text = " ".join(capsys.readouterr().out.split())
    online = words(ran)
    start = online.index("REGRESSED in 2 of 12 cells")
    table = online[start : online.index("Numbers by task and condition")]
    assert table.strip() in text
    assert "| * | accuracy[adversarial] | 1.00 | 0.80 | -0.20 [" in text
    assert main(["compare", "listener", "listener", "--margin", MARGINS]) == 0
    assert main(["compare", "listener", "nowhere"]) == 4
    assert "nowhere: cannot be read" in capsys.readouterr().err
    assert main(["compare", "listener", "listener", "--margin", "9"]) == 4
    assert "--margin '9': expected a number between 0 and 1" in capsys.readouterr().err


def test_compare_says_what_differs(mcr: Runner, data40: Path, saved: Saved, capsys: pytest.CaptureFixture[str]) -> None:
    saved("one", "oracle:listener")
    saved("two", "oracle:listener", "--mcr-template", "paper")
    saved("part", "oracle:listener", "--mcr-limit", "20")
    capsys.readouterr()
    assert main(["compare", "one", "two"]) == 8
    assert "INVALID: the runs cannot be compared: template discretion v1, now paper" in capsys.readouterr().out
    assert main(["compare", "part", "one"]) == 8
    assert "160 cases are not in it" in capsys.readouterr().out
    assert main(["compare", "one", "part", "--margin", "0.2"]) == 0
    assert "compared on the 160 cases of the second run" in capsys.readouterr().out


# --- blessings -------------------------------------------------------------------------------------------------------


def bless(folder: Path | str, *args: str) -> int:
    return main(["bless", str(folder), "--who", "Ada", "--why", "the first", *args])


def blessings(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((folder / "blessings.json").read_text())["blessings"]
    return found


def test_a_blessed_run_is_the_baseline(
    mcr: Runner, data40: Path, saved: Saved, pytester: pytest.Pytester, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(saved("spare", "oracle:listener"))  # nothing but the copy in the folder is needed
    saved("listener", "oracle:listener")
    capsys.readouterr()
    assert bless("listener", "--expires", "2999-01-31") == 0
    assert "pytest --mcr-model MODEL --mcr-baseline blessed" in capsys.readouterr().out
    shutil.rmtree(pytester.path / "listener")
    shutil.move(pytester.path / "blessed", pytester.path / "elsewhere")
    [entry] = blessings(pytester.path / "elsewhere")
    assert (entry["who"], entry["why"], entry["expires"], entry["anchor"], entry["accepted"]) == (
        "Ada", "the first", "2999-01-31", False, [],
    )  # fmt: skip
    for path in ("elsewhere", "elsewhere/blessings.json"):
        ran = mcr("oracle:listener", data40, *HEARS, "--mcr-baseline", path, "--mcr-margin", MARGINS)
        assert ran.code == 0, ran.text
    assert ran.results["baseline"][0]["blessing"]["who"] == "Ada"
    assert "blessed by Ada on" in words(ran)
    cases = next((pytester.path / "elsewhere").glob("*/cases.jsonl"))
    cases.write_text(cases.read_text()[:-20])
    shutil.rmtree(ran.out)
    mcr("oracle:listener", data40, "--mcr-baseline", "elsewhere").refused("not the file that results.json was written")


def test_small_losses_pass_one_by_one_and_the_anchor_stops_them(
    mcr: Runner, data40: Path, answers: Callable[[str, dict[str, int]], str]
) -> None:
    """Five releases; each answers three more adversarial clips of AQA wrong than the one before."""
    margins = ("--mcr-margin", "macro=0.12,task=0.2")
    assert bless("listener", "--anchor") == 0
    verdicts = []
    for step in range(1, 6):
        model = answers(f"release{step}", {"adversarial": 3 * step})
        ran = mcr(model, data40, *HEARS, "--mcr-baseline", "blessed", *margins)
        by_role = {found["role"]: found["verdict"] for found in ran.results["baseline"]}
        verdicts.append((by_role["baseline"], by_role.get("anchor"), ran.code))
        moved = Path(shutil.move(ran.out, ran.out.with_name(f"release{step}")))
        assert bless(moved, *(["--anyway"] if ran.code else [])) == 0
    assert verdicts == [
        ("pass", None, 0),  # the last blessing is the anchor itself
        ("pass", "undecided", 1),
        ("pass", "regressed", 1),
        ("pass", "regressed", 1),
        ("pass", "regressed", 1),
    ]


def test_power_is_planned_with_the_last_two_blessed_runs(
    mcr: Runner, data40: Path, answers: Callable[[str, dict[str, int]], str]
) -> None:
    """They differ on 10 of AQA's 40 neutral answers and on nothing else; without a pair 8 % is assumed."""

    def needed() -> dict[tuple[str, str], int]:
        ran = mcr("oracle:listener", data40, *HEARS, "--mcr-baseline", "blessed")
        return {(cell["task"], cell["condition"]): cell["needed"] for cell in ran.results["baseline"][0]["cells"]}

    moved = mcr(answers("other", {"neutral": 10}), data40, "--mcr-profile", "report").out.rename("other")
    assert bless(moved) == 0
    assert needed()["SER", "neutral"] == 198
    assert bless("listener") == 0
    found = needed()
    assert found["AQA", "neutral"] == 618  # 0.25 * 6.18 / 0.05^2
    assert found["SER", "neutral"] == 60  # the rule of three


def test_what_is_not_blessed(
    mcr: Runner, data40: Path, saved: Saved, pytester: pytest.Pytester, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(folder: str, *args: str) -> str:
        capsys.readouterr()
        assert bless(folder, *args) == 4
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert not (pytester.path / "blessed").exists()
        return error

    for name, model, args in (
        ("failed", "oracle:text-follower", ()),
        ("invalid", "oracle:deaf", ()),
        ("partial", "oracle:listener", ("-k", "AQA")),
    ):
        shutil.move(mcr(model, data40, "--mcr-limit", "12", *args).out, pytester.path / name)
    assert "the run failed (gate " in (error := refused("failed"))
    assert "add --anyway, and say why with --why" in error
    assert "the run is invalid" in refused("invalid", "--anyway")
    assert "the run is partial" in refused("partial", "--anyway")
    whole = saved("whole", "oracle:listener")
    results = json.loads((whole / "results.json").read_text())
    results["run"]["sequential"] = True
    results["digest"] = content_digest(results)
    (whole / "results.json").write_text(json.dumps(results))
    assert "stopped early" in refused("whole", "--anyway")
    assert "nowhere: cannot be read" in refused("nowhere")
    saved("good", "oracle:listener")
    assert "expected YYYY-MM-DD" in refused("good", "--expires", "soon")
    assert "lies in the past" in refused("good", "--expires", "2020-01-01")
    assert main(["bless", "good", "--who", " ", "--why", "x"]) == 4
    assert "--who" in capsys.readouterr().err


def test_a_failed_run_is_blessed_with_its_failures(
    mcr: Runner, data40: Path, pytester: pytest.Pytester, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.move(mcr("oracle:text-follower", data40).out, pytester.path / "failed")
    assert bless("failed", "--anyway", "--to", "kept") == 0
    [entry] = blessings(pytester.path / "kept")
    assert entry["verdict"] == "fail"
    assert any("tir[adversarial]" in reason for reason in entry["accepted"])
    assert "accepted with it: gate " in capsys.readouterr().out
    assert bless("failed", "--anyway", "--to", "kept") == 4
    assert "Ada blessed this run on" in capsys.readouterr().err
    ran = mcr("oracle:text-follower", data40, *HEARS, "--mcr-baseline", "kept", "--mcr-margin", MARGINS)
    assert ran.code == 0
    assert f"{len(entry['accepted'])} failures accepted with it" in words(ran)


def test_blessings_expire(mcr: Runner, data40: Path, saved: Saved, pytester: pytest.Pytester) -> None:
    saved("one", "oracle:listener")
    saved("two", "oracle:text-follower")
    assert bless("one") == 0
    assert bless("two", "--expires", "2999-01-01") == 0
    file = pytester.path / "blessed" / "blessings.json"
    baseline = ("--mcr-baseline", "blessed", "--mcr-margin", MARGINS)
    assert mcr("oracle:text-follower", data40, *HEARS, *baseline).code == 0
    content = json.loads(file.read_text())
    content["blessings"][1]["expires"] = "2020-01-01"
    file.write_text(json.dumps(content))
    ran = mcr("oracle:text-follower", data40, *HEARS, *baseline)  # the one before counts again
    assert (ran.code, ran.results["baseline"][0]["model"]) == (1, "oracle:listener")
    shutil.rmtree(ran.out)
    content["blessings"][0]["expires"] = "2020-01-01"
    file.write_text(json.dumps(content))
    mcr("oracle:listener", data40, *baseline).refused("all blessings have expired")
    content["blessings"][0].update(expires=None, results="../one/results.json")
    file.write_text(json.dumps(content))
    mcr("oracle:listener", data40, *baseline).refused("lies outside of")
