"""What speaks for the model or for the tool: canary, hearing, unparsed answers, batches, cache, data, dropped gates."""

from __future__ import annotations

from typing import Final

from pytest_mcr.report.engine_words import batches_line, notes_of, repeats_line
from pytest_mcr.report.sentences import (
    cached_line,
    data_line,
    flaws_line,
    hearing_lines,
    sequential_line,
    unparsed_line,
)
from pytest_mcr.report.wording import listed, safe
from pytest_mcr.run.record import RunRecord

NOT_JUDGED_SHOWN: Final = 4
NOT_ASKED: Final = "not asked, so nothing speaks of hearing, batches or the cache; add bench to --mcr-suite"


def trust_rows(record: RunRecord) -> list[tuple[str, str]]:
    """Label and text of each line; a line that goes on has no label."""
    canary = record.canary
    verdict = str(canary["verdict"]).replace("_", " ")
    rows = [("canary", f"{verdict.upper() if verdict == 'fail' else verdict}: {safe(str(canary['detail']), 400)}")]
    hearing = hearing_lines(record)
    rows += [("hearing" if not place else "", line) for place, line in enumerate(hearing)]
    if not record.counts["cases"] and not record.judgement.reasons:  # lines about no answers would look like findings
        rows += [
            ("benchmark", NOT_ASKED),
            ("data", f"{record.dataset['kind']}, digest {str(record.dataset['digest'])[:12]}"),
        ]
        return rows + _last(record)
    rows.append(("unparsed", unparsed_line(record.judgement.table)))
    rows.append(("batches", batches_line(record)))
    repeats = repeats_line(record)
    rows += [("asked twice", repeats)] if repeats is not None else []
    rows.append(("from cache", cached_line(record)))
    rows.append(("data", data_line(record)))
    rows += [("sequential", line)] if (line := sequential_line(record)) else []
    return rows + _last(record)


def _last(record: RunRecord) -> list[tuple[str, str]]:
    """What every run has: flaws of the data, gates that were not judged, notes."""
    rows: list[tuple[str, str]] = []
    rows += [("data audit", flaws)] if (flaws := flaws_line(record)) else []
    dropped = [safe(expr) for expr in record.judgement.gates_not_judged]
    rows.append(("not judged", f"{len(dropped)} gates: {listed(dropped, NOT_JUDGED_SHOWN)}" if dropped else "none"))
    return rows + [("note", safe(line, 400)) for line in notes_of(record)]
