"""Whether an answer leaves a candidate that it names open: a question, a condition, one of several."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_mcr.core.reading import cues
from pytest_mcr.core.reading.mentions import Mention
from pytest_mcr.core.reading.scene import Scene, Stance
from pytest_mcr.core.reading.words import is_foreign


def doubted(scene: Scene, mention: Mention) -> Stance | None:
    """Look for a question, a condition, an alternative, or a script that no rule here can read."""
    fold = scene.fold
    first, last = _segment(scene, mention)
    asked = last < len(fold) and fold[last] == "?"
    conditional = any(fold[i] in cues.CONDITIONALS and i not in scene.covered for i in range(first, last))
    own_script = any(map(is_foreign, fold[mention.start : mention.end]))
    unreadable = not own_script and any(map(is_foreign, fold))
    crossed = cues.CROSS in fold[first:last]
    if (
        asked
        or conditional
        or unreadable
        or crossed
        or _is_unsettled(scene, first, mention)
        or _is_alternative(scene, mention)
    ):
        return Stance.DOUBTED
    return None


def _segment(scene: Scene, mention: Mention) -> tuple[int, int]:
    """The part of a mention's sentence between contrasting words, as first and past-the-last index."""
    fold = scene.fold
    first, last = mention.start, mention.end
    while first > 0 and fold[first - 1] not in cues.BREAKS and fold[first - 1] not in cues.CONTRAST:
        first -= 1
    while last < len(fold) and fold[last] not in cues.BREAKS and (fold[last] not in cues.CONTRAST):
        last += 1
    return first, last


def _is_unsettled(scene: Scene, first: int, mention: Mention) -> bool:
    fold = scene.fold
    if fold[mention.end : mention.end + 1] == (cues.LIKENESS,):
        return True
    for i in range(mention.start - 1, first - 1, -1):
        if fold[i] == "," and fold[i + 1] in cues.RELEASES:
            return False
        if i not in scene.covered and _unsettles(fold, i):
            return True
    return False


def _unsettles(fold: Sequence[str], i: int) -> bool:
    pair = cues.UNSETTLED_PAIRS.get(fold[i])
    return fold[i] in cues.UNSETTLED or (pair is not None and tuple(fold[i + 1 : i + 2]) == (pair,))


def _is_alternative(scene: Scene, mention: Mention) -> bool:
    """Whether an "or" puts something else beside a mention."""
    fold = scene.fold
    for step, at in ((-1, mention.start - 1), (1, mention.end)):
        i = at
        while 0 <= i < len(fold) and fold[i] in cues.FILLERS | {","}:
            i += step
        if 0 <= i < len(fold) and fold[i] in cues.ALTERNATIVES and i not in scene.covered:
            return not _same_beyond(scene, mention, i, step)
    return False


def _same_beyond(scene: Scene, mention: Mention, i: int, step: int) -> bool:
    i += step
    while 0 <= i < len(scene.fold) and scene.fold[i] in cues.FILLERS:
        i += step
    other = next((m for m in scene.mentions if m.start <= i < m.end), None)
    return other is not None and other.candidate == mention.candidate
