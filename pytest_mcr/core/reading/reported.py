"""Which words of an answer are somebody else's claim: what the text says, or what a voice in the clip says."""

from __future__ import annotations

from collections.abc import Collection, Container, Sequence

from pytest_mcr.core.reading import cues


def reported(fold: Sequence[str], covered: Collection[int], *, cites_text: bool) -> list[str]:
    """Mark each word with the source it is attributed to.

    Args:
        fold: the answer's words in normal form.
        covered: positions of words that name a candidate or belong to an idiom; they are no cues.
        cites_text: whether mentions of a text are citations of it.

    Returns:
        For each word "text", "speech", "leaning" (adopted on the strength of the text) or "".
    """
    out = [""] * len(fold)
    if (cues.TEXT_NOUNS | cues.SPEAKING).isdisjoint(fold):
        return out
    quotes = _quotes(fold)
    state, seen, quoted = "", False, False
    for i in range(len(fold)):
        if i in quotes:
            quoted = not quoted
            seen = seen or not quoted
            if not quoted and fold[i - 1] in cues.BREAKS and state:
                state = ""
        elif quoted and state:
            seen = seen or i in covered
        elif _ends(fold, i, state, seen=seen):
            state, seen = "", False
        elif i in covered:
            seen = True
        else:
            cue = _cue(fold, i, state, cites_text=cites_text)
            if cue:
                state, seen = cue, False
        out[i] = state
    return out


def _quotes(fold: Sequence[str]) -> frozenset[int]:
    for mark in ('"', "'"):
        at = [i for i, word in enumerate(fold) if word == mark]
        if at and len(at) % 2 == 0:
            return frozenset(at)
    return frozenset()


def _ends(fold: Sequence[str], i: int, state: str, *, seen: bool) -> bool:
    """Whether somebody else's claim ends before word i."""
    word = fold[i]
    if word in cues.BREAKS or word in cues.CONTRAST:
        return True
    if state == "speech" and word in cues.UNQUOTES:
        return True
    return bool(state) and seen and word in cues.LINKS and _own_clause(fold, i + 1, wide=word != "and")


def _own_clause(fold: Sequence[str], i: int, *, wide: bool) -> bool:
    """Whether a clause of the answer's own voice begins at word i."""
    word, following = (*fold[i : i + 1], "")[0], fold[i + 1 : i + 4]
    if word in ("i", "my", "we"):
        return True
    if word in ("the", "this", "its", "in", "from", "based", "according", "what"):
        nouns = cues.AUDIO_NOUNS | cues.ANSWERS | (cues.PEOPLE if wide else set()) | {"i"}
        return not nouns.isdisjoint(following)
    return wide and word in cues.RELEASES | cues.ANSWERS


def _cue(fold: Sequence[str], i: int, state: str, *, cites_text: bool) -> str:
    if fold[i] in cues.TEXT_NOUNS:
        return _text_cue(fold, i) if cites_text else ""
    if not cites_text and (fold[i] in cues.WRITING or not cues.TEXT_NOUNS.isdisjoint(fold[max(0, i - 3) : i])):
        return ""
    if not state and fold[i] in cues.SPEAKING and not _is_own_voice(fold, i):
        return "speech"
    return ""


def _is_own_voice(fold: Sequence[str], i: int) -> bool:
    """Whether the speaking verb at i belongs to the answer itself or to the clip as a whole ("the audio says")."""
    if not cues.OWN_VOICE.isdisjoint(fold[max(0, i - 4) : i]) or fold[max(0, i - 1)] == "as":
        return True
    device = next((j for j in range(i - 1, max(-1, i - 3), -1) if fold[j] in cues.DEVICES), None)
    return device is not None and cues.INSIDE.isdisjoint(fold[max(0, device - 2) : device])


def _text_cue(fold: Sequence[str], i: int) -> str:
    before, after = list(fold[max(0, i - 4) : i]), list(fold[i + 1 : i + 6])
    if after[:1] and after[0] == ":":
        return "text"
    if _with_audio(before, after) or (not cues.AGREES.isdisjoint(before) and "not" not in before):
        return ""
    if not cues.JUDGED.isdisjoint(after[:3]):
        return ""
    stop = next((j for j, w in enumerate(after) if w in cues.BREAKS or w == ","), len(after))
    tells = not cues.TELLING.isdisjoint(after[:stop])
    if not cues.DISMISSING.isdisjoint(before):
        return "text" if tells else ""
    if not cues.LEANING.isdisjoint(before):
        return "leaning"
    closes = stop == 0 and "in" not in before and not _tells_later(fold, i + 1)
    return "" if closes or not after else "text"


def _tells_later(fold: Sequence[str], comma: int) -> bool:
    """Whether a text speaks after an aside ("the text, on the other hand, suggests")."""
    aside = list(fold[comma + 1 : comma + 10])
    if fold[comma : comma + 1] != (",",) or "," not in aside:
        return False
    end = aside.index(",")
    return not cues.TELLING.isdisjoint(aside[:2] + aside[end + 1 : end + 3])


def _with_audio(before: Sequence[str], after: Sequence[str]) -> bool:
    """Whether the text is named together with the audio ("the audio and the text both")."""
    if "and" in before[-3:] and not cues.AUDIO_NOUNS.isdisjoint(before):
        return True
    return after[:1] == ["and"] and not cues.AUDIO_NOUNS.isdisjoint(after[1:4])


def reported_after(fold: Sequence[str], end: int, starts: Container[int]) -> str:
    """The source that is named after a mention ending before word ``end`` ("the laughter in the text")."""
    for i in range(end, min(len(fold), end + 9)):
        word = fold[i]
        if word in cues.BREAKS or word in cues.CONTRAST or word in (",", ":", "(", "\u2014", "and") or i in starts:
            return ""
        if word in cues.TEXT_NOUNS:
            between = fold[end:i]
            if not cues.AGREES.isdisjoint(between) and "not" not in between:
                return ""
            return "leaning" if not (cues.LEANING - {"from", "by"}).isdisjoint(between) else "text"
    return ""
