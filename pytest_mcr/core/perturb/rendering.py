"""From the tree to the text: the claims are worded, put together and spelled, and what is left of them is said."""

from __future__ import annotations

from random import Random
from typing import Final

from pytest_mcr.core.perturb import banks
from pytest_mcr.core.perturb.guards import check
from pytest_mcr.core.perturb.parse import kind_of
from pytest_mcr.core.perturb.spans import mentioned, plain_words
from pytest_mcr.core.perturb.surface import DESTROYING, SURFACES
from pytest_mcr.core.perturb.tree import NONE, Claim, Claims, Context, Edit, Piece, Rendered, Wording, spoken
from pytest_mcr.core.reading.words import key

_I: Final = ("I", "OK", "TV")
_ATTEMPTS: Final = 20


def render(context: Context) -> Rendered:
    """The text of a tree, with what it claims.

    Raises:
        PerturbError: the text breaks a guard, which is a bug of ours.
    """
    whole = compose(context)
    spelled, damaged = _spell(context, whole)
    rendered = Rendered(
        text=context.head + spoken(spelled) + context.foot,
        claims=_claims(context, damaged=damaged),
        operators=tuple(map(str, context.edits)),
        position=context.position,
        candidates=context.candidates,
        label=context.label,
    )
    check(
        context, rendered, plain=context.head + spoken(whole) + context.foot, bearing=_bearing(whole), damaged=damaged
    )
    return rendered


def compose(context: Context) -> Wording:
    """The text before its spelling is touched, without the fixed parts of a complete prompt."""
    claims: Wording = ()
    for number, claim in enumerate(context.claims):
        last = number + 1 == len(context.claims)
        claims += _worded(context, claim) + ((Piece(claim.gap),) if claim.gap and not last else ())
    gap = context.claims[-1].gap
    filler = " ".join(context.filler)
    lead, tail = context.lead, context.tail
    if context.order == "claim-first" and spoken(lead).rstrip().endswith(":"):
        parts = [(*lead, *claims), tail, (Piece(filler),)]
    elif context.order == "claim-first":
        parts = [claims, lead, tail, (Piece(filler),)]
    elif context.order == "claim-last":
        parts = [lead, tail, (Piece(filler),), claims]
    else:
        closing = (Piece(gap), *tail) if gap else tail
        parts = [(*lead, *claims, *closing), (Piece(filler),)]
    return _wrapped(context, _joined(parts) if context.order != NONE or filler else parts[0])


def _joined(parts: list[Wording]) -> Wording:
    made: Wording = ()
    for part in parts:
        if not spoken(part).strip():
            continue
        gap = made and not made[-1].text[-1:].isspace() and not part[0].text[:1].isspace()
        made = (_stopped(made) if made else made) + ((Piece(" "),) if gap else ()) + part
    *before, last = made
    return (*before, Piece(last.text.rstrip(), last.protected))


def _framed(frame: str, slot: str, inner: Wording, **words: str) -> Wording:
    """A frame of a bank around pieces. Its words are protected: they say what the whole claims."""
    before, _, after = frame.partition("{" + slot + "}")
    edges = [before, after]
    for name, word in words.items():
        edges = [edge.replace("{" + name + "}", word) for edge in edges]
    return tuple(piece for piece in (Piece(edges[0], True), *inner, Piece(edges[1], True)) if piece.text)


def _worded(context: Context, claim: Claim) -> Wording:
    wording = _core(context, claim)
    if claim.negated:
        wording = _framed(banks.NEGATION, "claim", _inside(wording))
    if claim.hedge != NONE:
        wording = _framed(banks.HEDGES[claim.hedge], "claim", _inside(wording))
    if claim.quotation != NONE:
        quoted = tuple(Piece(p.text.replace('"', "'"), p.protected) for p in wording)
        wording = (*_framed(banks.QUOTATIONS[claim.quotation], "claim", _without_stop(quoted)), Piece("."))
    if claim.authority != NONE:
        wording = _framed(banks.AUTHORITIES[claim.authority], "claim", wording)
    return wording if claim.copies == 1 else _stopped(wording) + (Piece(" "), *_stopped(wording)) * (claim.copies - 1)


def _stopped(wording: Wording) -> Wording:
    """A sentence that another one can follow."""
    return (*wording, Piece(".")) if spoken(wording).rstrip()[-1:].isalnum() else wording


def _core(context: Context, claim: Claim) -> Wording:
    """The sentence itself, the bank's sentence in its place, or a translation."""
    label = context.label
    if label is None:
        return claim.wording
    kind = kind_of(context.labels)
    if claim.language != NONE:
        word = banks.TRANSLATED[" ".join(key(label))][claim.language]
        return _framed(banks.TRANSLATIONS[claim.language][kind], "label", (Piece(word, True),))
    if claim.frame == NONE:
        return claim.wording
    frame = banks.PASSIVES[kind] if claim.frame == "passive" else banks.PARAPHRASES[kind][int(claim.frame) - 1]
    before, _, after = frame.partition("{label}")
    return Piece(before), Piece(label, True), Piece(after)


def _inside(wording: Wording) -> Wording:
    """A sentence in the middle of another: its first word in lower case unless it is a name or an abbreviation."""
    first, *rest = wording
    word = first.text.split()[0] if first.text.split() else ""
    if word in _I or word.startswith("I'") or not word[:1].isupper() or not (word[1:].islower() or len(word) == 1):
        return wording
    return Piece(first.text[:1].lower() + first.text[1:], first.protected), *rest


def _without_stop(wording: Wording) -> Wording:
    *before, last = wording
    bare = last.text.rstrip(".")
    return (*before, Piece(bare, last.protected)) if bare else tuple(before)


def _wrapped(context: Context, wording: Wording) -> Wording:
    if context.reliability != NONE:
        wording = _framed(banks.RELIABILITIES[context.reliability], "text", wording)
    if context.frame_language != NONE:
        wording = _framed(banks.CODE_SWITCHES[context.frame_language], "text", wording)
    if context.wrapper != NONE and context.label is not None:
        frame = banks.INJECTIONS[context.wrapper].replace("{{", "{").replace("}}", "}")
        if context.wrapper == "json":
            wording = tuple(Piece(_escaped(piece.text), piece.protected) for piece in wording)
        else:
            wording = _stopped(wording)
        wording = _framed(frame, "text", wording, label=context.label)
    return wording


def _escaped(text: str) -> str:
    line = "".join(" " if c < " " else c for c in text)  # an escaped line break would grow into the word behind it
    return line.replace("\\", "\\\\").replace('"', '\\"')


def _spell(context: Context, wording: Wording) -> tuple[Wording, bool]:
    """The spelled text, and whether words that bear the answer were destroyed."""
    damaged = False
    for name in SURFACES:
        for edit in context.surface:
            if edit.operator != name:
                continue
            changed = _spelled(context, wording, edit)
            damaged |= _named(context, changed) != _named(context, wording) or _bearing(changed) != _bearing(wording)
            wording = changed
    return wording, damaged


def _spelled(context: Context, wording: Wording, edit: Edit) -> Wording:
    """One edit of the spelling; it is drawn again, or left, where by chance it would name or hide a label.

    "i_ fear" hides the fear in "is fear", as in "I fear that".
    """
    for attempt in range(_ATTEMPTS):
        rng = Random(f"{edit.operator}|{edit.seed}|{context.text}" + (f"|{attempt}" if attempt else ""))
        changed = SURFACES[edit.operator](wording, edit.level, rng, context.labels)
        now, before = _named(context, changed), _named(context, wording)
        if now == before or (now < before and (edit.operator, edit.level) in DESTROYING):
            return changed
    return wording


def _named(context: Context, wording: Wording) -> frozenset[str]:
    return mentioned(spoken(wording), context.labels)


def _bearing(wording: Wording) -> tuple[str, ...]:
    """The words of the protected pieces."""
    return tuple(word for piece in wording if piece.protected for word in plain_words(piece.text))


def _claims(context: Context, *, damaged: bool) -> Claims:
    if context.label is None:
        return "same"  # nothing, as before
    if damaged:
        return "void"
    if context.wrapper != NONE:
        return "instruction"
    if context.reliability == "known-wrong" or any(claim.quotation != NONE for claim in context.claims):
        return "void"
    if any(claim.negated for claim in context.claims):
        return "flipped" if len(context.labels) == 2 else "void"
    return "same"
