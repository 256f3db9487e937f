"""Whether an answer states that text and audio disagree, and whether it declines to answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from pytest_mcr.core.reading.words import SENTENCE_END

_TEXT: Final = (
    r"(?:texts?|descriptions?|captions?|transcripts?|transcriptions?|written|textual|words|statement|sentence)"
)
_AUDIO: Final = r"(?:audio|recording|clip|sounds?|voice|speaker|tone|heard?|hear|acoustics?|vocal|listen\w*)"
_PAIR: Final = (
    r"(?:two|both|sources|modalities|inputs|each other|one another|information|evidence|cues|they|these"
    r"|there (?:is|are))"
)
_CLASH: Final = (
    r"(?:conflict(?:s|ing|ed)?|contradict(?:s|ed|ing|ory|ion|ions)?|mismatch(?:es|ed)?|inconsisten(?:t|cy|cies)"
    r"|disagree(?:s|d|ment|ing)?|discrepan(?:cy|cies|t)|incompatible|at odds|incongruen(?:t|ce)|diverge(?:s|nt)?"
    r"|clash(?:es)?|differ(?:s|ent)?(?: from| between)?|opposite|irreconcilable)"
)
_MISFIT: Final = (
    r"not(?: \w+){0,2} (?:match(?:es|ed|ing)?|agree|align(?:ed)?|correspond|fit|consistent|reflect|the same|accurate"
    r"|correct|compatible|line up|accurately|support(?:s|ed)?|describe)"
)
_UNTRUE: Final = (
    rf"{_TEXT}(?: \w+){{0,3}} (?:is|was|are|seems|appears|must be)(?: \w+){{0,2}} "
    r"(?:wrong|incorrect|inaccurate|false|misleading|untrue|mistaken)"
)

_STATES: Final = tuple(
    re.compile(rf"\b(?:{pattern})\b")
    for pattern in (
        rf"{_TEXT}\b.*\b{_CLASH}",
        rf"{_CLASH}\b.*\b{_TEXT}",
        rf"{_PAIR}\b.*\b(?:{_CLASH}|{_MISFIT})",
        rf"{_CLASH} (?:information|evidence|cues|inputs|sources|signals)",
        rf"{_AUDIO}\b.*\b(?:contradict|disagree|conflict)\w*",
        rf"{_TEXT}\b.*\b{_MISFIT}",
        rf"{_MISFIT}\b.*\b{_TEXT}",
        _UNTRUE,
    )
)
_DENIES: Final = re.compile(
    rf"\b(?:no|not|without|any|nor|never)(?: \w+){{0,3}} {_CLASH}\b"
    rf"|\b(?:if|whether|may|might|could) (?:(?!because|since|as ).)*\b(?:{_CLASH}|{_MISFIT})"
)
_HINTS: Final = re.compile(
    r"conflict|contradict|match|inconsist|disagree|discrep|not |odds|clash|differ|opposite|wrong|incorrect|inaccurate"
    r"|false|mislead|untrue|mistaken|incompat|incongru|diverge|reconcil"
)
"""No statement of a conflict does without one of these; most answers hold none and are done."""

_DECLINES: Final = re.compile(
    r"\b(?:(?:can|could|would|will|do|does|am|is|are) not(?: \w+){0,2} (?:determine|decide|say|tell|answer|know|choose"
    r"|sure|certain|able|possible|clear|identify|provide|hear|listen|process|access|conclude|commit|give|pick|confirm"
    r"|enough|resolve|reliably|confidently|definitively)|unable|impossible|difficult to|hard to|unclear|uncertain"
    r"|unsure"
    r"|not sure|ambiguous|undecided|decline|refuse|sorry|no idea|inconclusive|cannot be determined|not enough"
    r"|insufficient|as an ai|language model|undetermined|indeterminate|no answer|no way to|n / a|unknown"
    r"|not possible)\b"
)
_REFUSES: Final = re.compile(
    r"\b(?:as an? (?:ai|large|text|language)|language model|(?:can not|unable to|do not have the ability to"
    r"|am not able to) (?:directly )?(?:listen|hear the|hear audio|process audio|process the|access|analy[sz]e|play)"
    r"|(?:yes|no) , i (?:can|will|am able to|am here to) (?:\w+ )?(?:listen to|help|assist|process|analy[sz]e))\b"
)


def declines(fold: Sequence[str]) -> bool:
    """Whether an answer says that it cannot or will not answer."""
    return _DECLINES.search(" ".join(fold)) is not None


def refuses(fold: Sequence[str]) -> bool:
    """Whether an answer says that the speaker is no listener at all, so that labels in it are examples."""
    return _REFUSES.search(" ".join(fold)) is not None


def conflict_at(fold: Sequence[str]) -> tuple[int, int] | None:
    """The last sentence that states a disagreement of text and audio, as first and past-the-last index, or None.

    A denied ("no conflict"), conditional or asked disagreement is no statement of one.
    """
    if _HINTS.search(" ".join(fold)) is None:
        return None
    last = None
    start = 0
    for end in [*(i for i, word in enumerate(fold) if word in SENTENCE_END), len(fold)]:
        sentence = " ".join(fold[start:end])
        asked = end < len(fold) and fold[end] == "?"
        if not asked and any(p.search(sentence) for p in _STATES) and not _DENIES.search(sentence):
            last = (start, end)
        start = end + 1
    return last
