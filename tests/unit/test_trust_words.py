"""What stands under "Model or tool?" for a suite that asks none of the benchmark's cases."""

from dataclasses import replace
from pathlib import Path

from pytest_mcr.report.engine_words import pace_line
from pytest_mcr.report.trust_words import NOT_ASKED, trust_rows
from tests.unit.records import lab_like, run


def test_a_suite_without_the_benchmark_says_so_in_place_of_lines_about_no_answers(tmp_path: Path) -> None:
    """Such a run of the lab model said that it had no plain path and was asked 0 cases a second."""
    record = run(tmp_path, lab_like, sizes={"AQA": 10})
    timing = {"cases_per_second": 0.0, "total": 14.2, "share": {"idle": 1.0}}
    bare = replace(
        record,
        counts={**record.counts, "cases": 0},
        judgement=replace(record.judgement, reasons=()),
        timing=timing,
    )
    rows = dict(trust_rows(bare))
    assert rows["benchmark"] == NOT_ASKED
    assert not {"unparsed", "batches", "from cache"} & set(rows)
    assert {"canary", "data", "not judged"} <= set(rows)
    assert pace_line(bare) == "pace: 14 s, of the measuring: idle 100%"
