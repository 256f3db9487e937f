"""From an answer's text to a verdict. It may abstain (``unparsed``); it never guesses.

An answer counts for a candidate only when it asserts exactly one: by its label, a synonym or an inflection of it, or by
an option letter that the prompt offered. What it denies, doubts or merely reports from the text does not count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pytest_mcr.core.case import ADVERSARIAL, FAITHFUL, NEUTRAL, PLACEBO, Verdict
from pytest_mcr.core.prompts import normalize
from pytest_mcr.core.reading import mentions
from pytest_mcr.core.reading.conflict import declines
from pytest_mcr.core.reading.labels import Labels, labels
from pytest_mcr.core.reading.polarity import contradicts, described, stated, topic
from pytest_mcr.core.reading.reply import final_reply
from pytest_mcr.core.reading.resolve import Finding, resolve
from pytest_mcr.core.reading.scene import Stance
from pytest_mcr.core.reading.stance import stances
from pytest_mcr.core.reading.words import clean, words

_LONGEST_OPEN_ANSWER: Final = 120
"""Characters of an open-ended answer that are kept, enough to see whether two answers differ."""


@dataclass(frozen=True, slots=True)
class Match:
    """What an answer says.

    Attributes:
        answer: the candidate, exactly as spelled in the closed set. Open-ended: the gold or the text label as spelled,
            or for ``other`` the answer itself in normal form, cut to 120 characters. None for flagged and unparsed.
        verdict: never ``error``.
    """

    answer: str | None
    verdict: Verdict


_UNPARSED: Final = Match(None, Verdict.UNPARSED)
_FLAGGED: Final = Match(None, Verdict.FLAGGED)


def read_answer(text: str, *, candidates: Sequence[str], gold: str, text_label: str | None, prompt: str = "") -> Match:
    """Read the verdict off a model's text.

    Args:
        text: the model's output, unchanged.
        candidates: the closed answer set; empty when the question is open-ended, and then the answer is searched for
            the gold and the text label alone.
        gold: the answer that the audio supports.
        text_label: the answer that the text supports, None where unknown.
        prompt: what the model was asked; option letters count only if it offers them, and its echo is ignored.

    Returns:
        The match. Gold wins where gold and text label are the same.
    """
    if text.strip() in candidates:
        answer = text.strip()
        return Match(answer, _verdict(answer, gold, text_label))
    reply = words(clean(final_reply(text, prompt)))
    closed = tuple(candidates) or tuple(dict.fromkeys(label for label in (gold, text_label) if label))

    def letters() -> Mapping[str, int]:
        offered = offered_letters(prompt, closed) if candidates and prompt else {}
        return {letter: closed.index(candidate) for letter, candidate in offered.items()}

    finding = _checked_against_question(resolve(reply, labels(closed), letters), reply.fold, labels(closed), prompt)
    if finding.flagged:
        return _FLAGGED
    if finding.candidate is not None:
        answer = closed[finding.candidate]
        return Match(answer, _verdict(answer, gold, text_label))
    if candidates:
        return _UNPARSED
    return _open_ended(reply.fold, reply.plain, finding)


def _checked_against_question(finding: Finding, fold: Sequence[str], closed: Labels, prompt: str) -> Finding:
    """For a yes-no set: read "There is no dog barking." as no, and drop a yes that goes on to deny what was asked."""
    if closed.yes is None or closed.no is None or not prompt or finding.flagged or len(fold) < 3:
        return finding
    if finding.candidate is None and not finding.named:
        present = stated(fold, topic(prompt))
        return finding if present is None else Finding(closed.yes if present else closed.no, named=True)
    if finding.candidate in (closed.yes, closed.no):
        taken_back = contradicts(fold, topic(prompt), yes=finding.candidate == closed.yes)
        return Finding(named=True) if taken_back else finding
    return finding


def _verdict(answer: str, gold: str, text_label: str | None) -> Verdict:
    if normalize(answer) == normalize(gold):
        return Verdict.AUDIO
    if text_label is not None and normalize(answer) == normalize(text_label):
        return Verdict.TEXT
    return Verdict.OTHER


def _open_ended(fold: Sequence[str], plain: Sequence[str], finding: Finding) -> Match:
    """An answer that gives neither known label: a definite one is ``other``, one that names a label abstains."""
    if finding.named or not plain or "?" in fold or declines(fold):
        return _UNPARSED
    return Match(" ".join(plain)[:_LONGEST_OPEN_ANSWER], Verdict.OTHER)


def text_label(text: str, candidates: Sequence[str], gold: str, condition: str) -> str | None:
    """Derive the label that a description supports.

    For two candidates it is the other one (adversarial) or the gold (faithful). Else it is the single candidate that
    the text asserts, by its label or a synonym; a candidate named only under negation is no label.

    Args:
        text: the description.
        candidates: the closed answer set; empty when open-ended.
        gold: the answer that the audio supports.
        condition: the text's condition.

    Returns:
        A candidate as spelled in the closed set, None where unknown.
    """
    if condition in (NEUTRAL, PLACEBO) or not candidates:
        return None
    if len(candidates) == 2 and condition in (ADVERSARIAL, FAITHFUL):
        same = [c for c in candidates if normalize(c) == normalize(gold)]
        other = [c for c in candidates if normalize(c) != normalize(gold)]
        found = same if condition == FAITHFUL else other
        return found[0] if len(same) == len(other) == 1 else None
    return asserted(text, candidates)


def asserted(text: str, candidates: Sequence[str]) -> str | None:
    """The single candidate that a description asserts, by its label or a synonym; None for none or several."""
    said = words(clean(text))
    closed = labels(tuple(candidates))
    named = mentions.find_mentions(said, closed, {})
    judged = stances(said.fold, named, cites_text=False)
    claimed = {m.candidate for m, stance in zip(named, judged, strict=True) if stance is Stance.ASSERTED}
    return closed.candidates[claimed.pop()] if len(claimed) == 1 else None


def described_label(text: str, question: str, candidates: Sequence[str]) -> str | None:
    """The candidate that the words of a description support, whatever its condition promises; None where unclear.

    Args:
        text: the description.
        question: the sample's question; a yes-no set is read by whether the text says that what it asks about is there.
        candidates: the closed answer set.
    """
    closed = labels(tuple(candidates))
    if closed.yes is None or closed.no is None:
        return asserted(text, candidates) if candidates else None
    present = described(words(clean(text)).fold, topic(question))
    return None if present is None else closed.candidates[closed.yes if present else closed.no]


def offered_letters(prompt: str, candidates: Sequence[str]) -> Mapping[str, str]:
    """Option letters that a prompt offers: candidate by upper-case letter.

    Only a full offer counts: every candidate has exactly one letter and the letters run from A. Else empty.
    """
    return mentions.offered_letters(prompt, candidates)
