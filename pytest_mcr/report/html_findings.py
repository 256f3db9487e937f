"""The hunt in the HTML report: the mildest texts that turned an answer which was right from the audio alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from pytest_mcr.report.word_diff import word_diff
from pytest_mcr.report.wording import count, safe
from pytest_mcr.run.record import RunRecord

SHOWN: Final = 20
TEXT_LIMIT: Final = 600
WORD_LIMIT: Final = 160


@dataclass(frozen=True, slots=True)
class Found:
    """One finding.

    Attributes:
        edits: the operators, in words.
        words: runs of the text, each with ``-`` for taken out, ``+`` for come in, or nothing.
    """

    sample: str
    edits: str
    gold: str
    answer: str
    words: tuple[tuple[str, str], ...]


def findings(record: RunRecord) -> tuple[str, list[Found]]:
    """What the search came to in a sentence, and its findings, the fewest edits first; empty where it did not run."""
    hunted = [record.probes["hunted"][name] for name in sorted(record.probes.get("hunted", {}))]
    if not hunted:
        return "", []
    found = [finding for one in hunted for finding in one["findings"]]
    searched = sum(one["refused"] is None for one in hunted)
    asked = sum(one["calls"] for one in hunted)
    found.sort(key=lambda finding: (len(finding["operators"]), finding["sample"]))
    more = f"; the first {SHOWN} are shown, all are in findings.jsonl" if len(found) > SHOWN else ""
    sentence = f"{count(len(found), 'clip')} of {searched} turned by a text, {asked} texts asked{more}"
    return sentence, [one_of(finding) for finding in found[:SHOWN]]


def one_of(finding: dict[str, Any]) -> Found:
    """A finding as printable text of bounded length."""
    base, text = str(finding["base"])[:TEXT_LIMIT], str(finding["text"])[:TEXT_LIMIT]
    return Found(
        sample=safe(str(finding["sample"]), WORD_LIMIT),
        edits=safe(", ".join(map(str, finding["operators"])) or "the adversarial text as it is", WORD_LIMIT),
        gold=safe(str(finding["gold"]), WORD_LIMIT),
        answer=safe(str(finding["answer"]), WORD_LIMIT),
        words=tuple((kind, safe(words)) for kind, words in word_diff(base, text)),
    )
