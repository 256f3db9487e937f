"""What an answer does with each candidate it names: asserts, denies, doubts it, or reports it from the text.

Every rule here errs towards not asserting: an answer that is not understood costs an abstention, never a wrong verdict.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_mcr.core.reading import cues
from pytest_mcr.core.reading.denial import denied_after, denied_before
from pytest_mcr.core.reading.doubt import doubted
from pytest_mcr.core.reading.mentions import Mention
from pytest_mcr.core.reading.reported import reported, reported_after
from pytest_mcr.core.reading.scene import Scene, Stance
from pytest_mcr.core.reading.words import is_foreign


def stances(fold: Sequence[str], mentions: Sequence[Mention], *, cites_text: bool = True) -> list[Stance]:
    """Judge each mention.

    Args:
        fold: the answer's words in normal form.
        mentions: from `find_mentions`, in order.
        cites_text: whether "the text says" reports somebody else's claim; False where the words *are* the text.
    """
    if cues.CUES.isdisjoint(fold) and not any(map(is_foreign, fold)):
        return [Stance.ASSERTED] * len(mentions)
    scene = Scene(fold, mentions, cites_text)
    told = reported(scene.fold, scene.covered, cites_text=cites_text)
    judged = [_stance(scene, mention, told) for mention in mentions]
    _spread_over_lists(scene, judged)
    return judged


def _stance(scene: Scene, mention: Mention, told: Sequence[str]) -> Stance:
    source = told[mention.start] or (reported_after(scene.fold, mention.end, scene.starts) if scene.cites_text else "")
    if source == "speech" and _is_manner(scene.fold, mention):
        source = ""
    if source in ("text", "speech"):
        return Stance.REPORTED
    for rule in (denied_before, denied_after, doubted):
        found = rule(scene, mention)
        if found is not None:
            return found
    return Stance.LEANING if source == "leaning" else Stance.ASSERTED


def _is_manner(fold: Sequence[str], mention: Mention) -> bool:
    """Whether a mention says how something is spoken ("says it in an angry tone", "says it angrily")."""
    return fold[mention.end - 1].endswith("ly") or (mention.end < len(fold) and fold[mention.end] in cues.MANNER)


def _spread_over_lists(scene: Scene, judged: list[Stance]) -> None:
    """What holds of one member of a list holds of all: "a cough, a sneeze or a laugh is not heard" denies three."""
    for first, last in _lists(scene):
        members = judged[first:last]
        for stance in (Stance.DENIED, Stance.DOUBTED):
            if stance in members:
                kept = (Stance.REPORTED, Stance.LEANING)
                judged[first:last] = [s if s in kept else stance for s in members]
                break


def _lists(scene: Scene) -> Iterator[tuple[int, int]]:
    """Runs of neighbouring mentions that "or", "nor" or "and" holds together, as first and past-the-last index."""
    first = 0
    for i in range(1, len(scene.mentions) + 1):
        if i < len(scene.mentions):
            gap = scene.fold[scene.mentions[i - 1].end : scene.mentions[i].start]
            if gap and cues.LIST_WORDS.issuperset(gap):
                continue
        whole = scene.fold[scene.mentions[first].start : scene.mentions[i - 1].end]
        if i - first > 1 and not {"or", "nor", "and"}.isdisjoint(whole):
            yield first, i
        first = i
