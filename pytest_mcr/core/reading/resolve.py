"""From what an answer does with each label to the one label it gives, if there is exactly one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pytest_mcr.core.reading import cues
from pytest_mcr.core.reading.conflict import conflict_at, declines, refuses
from pytest_mcr.core.reading.labels import Labels, bare
from pytest_mcr.core.reading.lexicon import Form
from pytest_mcr.core.reading.mentions import Mention, find_mentions, is_letter_answer
from pytest_mcr.core.reading.reported import reported
from pytest_mcr.core.reading.scene import Stance
from pytest_mcr.core.reading.stance import stances
from pytest_mcr.core.reading.words import Words, vocabulary

_NAMES: Final = r"(?:answer|choice|option|conclusion|verdict|prediction|label|classification|response)"
_IS: Final = r"(?:is|would be|should be|must be|will be|seems to be|appears to be|:|=)"
_STRONG: Final = re.compile(
    rf"(?<!\S){_NAMES}(?: (?:here|therefore|to the question))? {_IS}(?!\S)(?: (?:that|:|=)(?!\S))*"
)
_WEAK: Final = re.compile(
    r"(?<!\S)(?:i (?:will |would |shall |can |must )?"
    r"(?:say|choose|pick|select|go with|conclude|answer|opt for|settle on)"
    r"|i am going with|in conclusion|therefore|thus|hence|to conclude|in summary|overall|ultimately|# # # #)(?!\S)"
)
_MARKER_WORDS: Final = vocabulary(
    "answer choice option conclusion verdict prediction label classification response say choose pick select go",
    "going conclude opt settle therefore thus hence summary overall ultimately #",
)
_SPOILS_MARKER: Final = vocabulary(
    "wrong incorrect false other text 's not no never alternative if an which what",
)
_UNPLAIN: Final = frozenset({"?", cues.LIKENESS, cues.CROSS})
_CUT_OFF: Final = vocabulary(
    "but or however although though while whereas not nor than either neither and whether if",
)


@dataclass(frozen=True, slots=True)
class Finding:
    """The label an answer gives, by its index, and whether it states a conflict of text and audio instead."""

    candidate: int | None = None
    flagged: bool = False
    named: bool = False  #: whether any candidate is named at all, in whatever stance


@dataclass(frozen=True, slots=True)
class _Reading:
    fold: Sequence[str]
    mentions: Sequence[Mention]
    judged: Sequence[Stance]

    def of(self, stance: Stance, start: int = 0) -> list[Mention]:
        """The mentions from word ``start`` on that have a stance."""
        return [m for m, s in zip(self.mentions, self.judged, strict=True) if s is stance and m.start >= start]


def resolve(words: Words, closed: Labels, offered: Callable[[], Mapping[str, int]]) -> Finding:
    """Find the one label that an answer gives.

    Args:
        words: the answer.
        closed: the closed set.
        offered: gives candidate by upper-case option letter; asked only when the answer holds a lone letter.
    """
    plain = _UNPLAIN.isdisjoint(words.fold)
    whole = closed.exact.get(_whole(words)) if plain else None
    if whole is not None:
        return Finding(whole, named=True)
    letters: Mapping[str, int] = {}
    lone = [i for i, raw in enumerate(words.raw) if len(raw) == 1 and raw.isascii() and raw.isalpha()]
    alone = len(words.plain) == 1 and bool(lone)
    if alone or any(is_letter_answer(words, i) for i in lone):
        letters = {**offered(), **closed.letters}
        letter = words.raw[lone[0]].upper()
        if alone and letter in letters and plain:
            return Finding(letters[letter], named=True)
    mentions = find_mentions(words, closed, letters)
    reading = _Reading(words.fold, mentions, stances(words.fold, mentions))
    return _weigh(reading, closed)


def _whole(words: Words) -> Form:
    """The answer's words, without an article before them; "A." before a label is a letter and not an article."""
    return bare(words.plain) if words.plain[:2] == words.fold[:2] else words.plain


def _weigh(reading: _Reading, closed: Labels) -> Finding:
    fold = reading.fold
    named = bool(reading.mentions)
    if fold and fold[-1] in _CUT_OFF:
        return Finding(named=named)
    concluded, marked = _concluded(reading, closed)
    if marked:
        return Finding(concluded, named=named)
    conflict = conflict_at(fold)
    given = concluded if concluded is not None else _given(reading)
    if conflict is None:
        return _without_conflict(reading, given, named=named)
    return _with_conflict(reading, conflict, given, named=named)


def _given(reading: _Reading, start: int = 0) -> int | None:
    """The single candidate asserted from word ``start`` on, None where none, several, or where it is taken back."""
    asserted = reading.of(Stance.ASSERTED, start)
    if len({m.candidate for m in asserted}) != 1:
        return None
    last = asserted[-1]
    if {m.candidate for m in reading.of(Stance.LEANING, start)} - {last.candidate} and _sourced(reading.fold, last):
        return None
    denied = any(m.candidate == last.candidate for m in reading.of(Stance.DENIED, start))
    return None if denied or reading.of(Stance.DOUBTED, last.end) else last.candidate


def _sourced(fold: Sequence[str], mention: Mention) -> bool:
    """Whether a mention's own clause says where it is taken from ("coughing according to the audio")."""
    first, last = mention.start, mention.end
    while first > 0 and fold[first - 1] not in cues.BREAKS | cues.CONTRAST:
        first -= 1
    while last < len(fold) and fold[last] not in cues.BREAKS | cues.CONTRAST:
        last += 1
    return not {"according", "based", "per", "given", "judging"}.isdisjoint(fold[first:last])


def _concluded(reading: _Reading, closed: Labels) -> tuple[int | None, bool]:
    """What follows the answer's last "the answer is" or "therefore", and whether that settles the matter."""
    fold = reading.fold
    if _MARKER_WORDS.isdisjoint(fold):
        return None, False
    text = " ".join(fold)
    told = reported(fold, (), cites_text=True)
    found = [(m.start(), m.end(), strong) for p, strong in ((_STRONG, True), (_WEAK, False)) for m in p.finditer(text)]
    for start, end, strong in sorted(found, reverse=True):
        first, past = text.count(" ", 0, start), text.count(" ", 0, end) + 1
        if not _SPOILS_MARKER.isdisjoint(fold[max(0, first - 3) : first]) or told[first] in ("text", "speech"):
            continue
        given = _given(reading, past)
        if given is not None:
            return given, True
        if any(m.start >= past for m in reading.mentions):
            return None, len(reading.of(Stance.ASSERTED, past)) > 1
        if strong and past < len(fold):
            return _spelled_out(fold, first, past, closed), True
    return None, False


def _spelled_out(fold: Sequence[str], first: int, past: int, closed: Labels) -> int | None:
    """A label that a sentence cannot be searched for ("none", "other"), where it is all that follows the marker."""
    rest = Words(tuple(fold[past:]), ()).plain
    clear = cues.CUES.isdisjoint(fold[:first]) and "?" not in fold
    return closed.exact.get(bare(rest)) if clear else None


def _without_conflict(reading: _Reading, given: int | None, *, named: bool) -> Finding:
    reports = {m.candidate for m in reading.of(Stance.REPORTED)}
    if given is not None:
        asserted = reading.of(Stance.ASSERTED)[-1]
        torn = bool(reports - {given}) and _by_audio(reading, asserted)
        if torn and declines(reading.fold):
            return Finding(flagged=True, named=named)
        return Finding(None if refuses(reading.fold) else given, named=named)
    leaning = {m.candidate for m in reading.of(Stance.LEANING)}
    alone = len(leaning) == 1 and not reading.of(Stance.ASSERTED) and not reading.of(Stance.DOUBTED)
    if alone and reports <= leaning and cues.CONTRAST.isdisjoint(reading.fold) and not declines(reading.fold):
        return Finding(leaning.pop(), named=named)
    return Finding(named=named)


def _with_conflict(reading: _Reading, conflict: tuple[int, int], given: int | None, *, named: bool) -> Finding:
    """Conflict stated: flagged where nothing is asserted, the label where one plainly is, else an abstention."""
    asserted = reading.of(Stance.ASSERTED)
    if not asserted:
        return Finding(flagged=True, named=named)
    if given is None:
        return Finding(named=named)
    last = asserted[-1]
    first, past = conflict
    if last.polar and first <= last.start <= past:
        # "Yes, there is a conflict" does not answer the question that was asked.
        return Finding(named=named)
    if not _by_audio(reading, last):
        return Finding(None if declines(reading.fold) else given, named=named)
    reports = {m.candidate for m in reading.of(Stance.REPORTED)} - {given}
    return Finding(flagged=bool(reports) and last.start < past, named=named)


def _by_audio(reading: _Reading, mention: Mention) -> bool:
    """Whether an assertion is laid to the audio ("the voice sounds sad"), not made by the answer itself."""
    i = mention.start - 1
    heard = False
    while i >= 0 and reading.fold[i] not in cues.BREAKS | cues.CONTRAST | {","}:
        if reading.fold[i] in ("i", "it"):
            return False
        heard = heard or reading.fold[i] in cues.AUDIO_NOUNS
        i -= 1
    return heard
