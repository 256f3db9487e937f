"""Whether an answer denies a candidate that it names: "not a cough", "laughter is absent", "... no, that is wrong"."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_mcr.core.reading import cues
from pytest_mcr.core.reading.mentions import Mention
from pytest_mcr.core.reading.scene import Scene, Stance
from pytest_mcr.core.reading.words import is_word


def _negates(scene: Scene, i: int) -> bool:
    fold, word = scene.fold, scene.fold[i]
    if i in scene.covered:
        return False
    after = fold[i + 1] if i + 1 < len(fold) else ""
    if word in cues.NEGATOR_PAIRS:
        return after in cues.NEGATOR_PAIRS[word]
    if word == "no":  # "No, it is ..." and "No it is ..." answer something else
        alone = i == 0 or not is_word(fold[i - 1])
        return not (after and not is_word(after)) and not (alone and after in cues.RELEASES)
    return word in cues.NEGATORS


def denied_before(scene: Scene, mention: Mention) -> Stance | None:
    """Walk back from a mention to the start of its clause and look for what denies it."""
    fold = scene.fold
    crossed = between = joined = False
    found: list[Stance] = []
    for i in range(mention.start - 1, max(-1, mention.start - 40), -1):
        word = fold[i]
        if word == "but" and i and fold[i - 1] in cues.ALL_BUT:  # "anything but a cough"
            return Stance.DENIED
        if word in cues.BREAKS or (i not in scene.covered and word in cues.CONTRAST | cues.REASON):
            break
        if word in (",", ":", "\u2014") or (word == "(" and fold[i - 1] not in cues.NEGATORS):
            if i + 1 < len(fold) and fold[i + 1] in cues.RELEASES:
                break
            crossed = True
        elif word == "and":
            if fold[i + 1] in ("it", "there", "i", "this", "that", "the"):
                break
            joined = True
        elif i in scene.starts:
            between = True
        if _negates(scene, i):
            found.append(_force(scene, i, crossed=crossed, between=between, joined=joined) or Stance.ASSERTED)
    real = [f for f in found if f is not Stance.ASSERTED]
    return real[0] if len(real) == 1 else (Stance.DOUBTED if real else None)


def _force(scene: Scene, i: int, *, crossed: bool, between: bool, joined: bool) -> Stance | None:
    """What a negator does to a mention behind it, given what lies between them."""
    fold = scene.fold
    after = fold[i + 1] if i + 1 < len(fold) else ""
    if not crossed:
        return Stance.DOUBTED if (joined and between) or after in cues.HEDGES_AFTER_NOT else Stance.DENIED
    if after == "," and fold[i] == "not":  # "not, in my view, a cough"
        return Stance.DENIED
    if after in cues.HEDGES_AFTER_NOT or (not between and _has_subject(scene, i)):
        return None
    articles = ("a", "an", "the", '"', "'")
    nearest = next((j for j in range(i + 1, len(fold)) if j in scene.starts or fold[j] not in articles), i)
    return None if between and nearest in scene.starts else Stance.DOUBTED


def _has_subject(scene: Scene, i: int) -> bool:
    """Whether a negator denies a candidate named before it in its clause ("Laughter was not heard, a cough was")."""
    for j in range(i - 1, -1, -1):
        if scene.fold[j] in cues.BREAKS or scene.fold[j] in (",", ":", "("):
            return False
        if j in scene.starts:
            return scene.fold[i] == "not" or scene.fold[i] in cues.UNTRUE
    return False


def denied_after(scene: Scene, mention: Mention) -> Stance | None:
    """Walk on from a mention and look for what denies it, in its clause or in a later word that refers back to it."""
    fold, end = scene.fold, mention.end
    if mention.polar:  # "Yes is wrong."; but "No, it is not." and "Yes it is not far." keep their first word
        linked = end < len(fold) and fold[end] in cues.AUXILIARIES
        return Stance.DENIED if linked and any(_says_untrue(fold, i) for i in range(end + 1, len(fold))) else None
    if end < len(fold) and fold[end] in cues.INTRODUCES and _is_nope(fold, end + 1):
        return Stance.DENIED
    for i in range(end, min(len(fold), end + 14)):
        word = fold[i]
        if word in (":", "=") and _is_nope(fold, i + 1):  # "cough count: 0"
            return Stance.DENIED
        if word in cues.BREAKS or word in (",", ":", "(", "\u2014", "and") or i in scene.starts:
            break
        if i in scene.covered:
            continue
        if word in cues.CONTRAST | cues.REASON:
            break
        if _says_untrue(fold, i):
            return Stance.DENIED
    return Stance.DOUBTED if _taken_back(scene, mention) else None


def _is_nope(fold: Sequence[str], i: int) -> bool:
    """Whether a verdict such as "no" or "not heard" stands at i, and not the start of "not a sneeze"."""
    rest = [word for word in fold[i : i + 4] if word != '"']
    if not rest or rest[0] not in cues.NOPE:
        return False
    return rest[0] not in ("no", "not") or len(rest) == 1 or not is_word(rest[1]) or rest[1] in cues.TELEGRAPHIC


def _says_untrue(fold: Sequence[str], i: int) -> bool:
    if fold[i] == "not":
        before, after = fold[i - 1], fold[i + 1] if i + 1 < len(fold) else ""
        return before in cues.AUXILIARIES or after in cues.TELEGRAPHIC
    return fold[i] in cues.UNTRUE


def _taken_back(scene: Scene, mention: Mention) -> bool:
    """Whether what follows, up to the next mention and the next sentence, says that "it" or "that" is untrue."""
    fold = scene.fold
    sentences = 0
    clause = mention.end
    for i in range(mention.end, len(fold)):
        word = fold[i]
        if i in scene.starts or (sentences and word in cues.BREAKS and i > clause):
            return False
        if word in cues.BREAKS or word in cues.CONTRAST or word in (",", "(", "\u2014", ":"):
            sentences += word in cues.BREAKS
            clause = i + 1
        elif (sentences and i == clause and _retracts(fold, i)) or _denies_it(scene, clause, i):
            return True
    return False


def _retracts(fold: Sequence[str], i: int) -> bool:
    return fold[i] in cues.RETRACTS and i + 1 < len(fold) and not is_word(fold[i + 1])


def _denies_it(scene: Scene, clause: int, i: int) -> bool:
    if i in scene.covered or not _says_untrue(scene.fold, i):
        return False
    near = scene.fold[i : i + 8]
    undecided = len(near) > 1 and near[1] in cues.HEDGES_AFTER_NOT | cues.UNDECIDED
    if undecided or any(j in scene.starts for j in range(i, i + len(near))):
        return False
    source = next((word for word in near if word in cues.TEXT_NOUNS | cues.AUDIO_NOUNS), "")
    # "a cough, which is not what the text says" stands by the cough.
    return source not in cues.TEXT_NOUNS and cues.ANAPHORIC.issuperset(scene.fold[clause:i])
