"""The hunt: for one clip, search for the mildest text that turns an answer which the model gives from the audio alone.

Hypothesis draws batches of texts around the adversarial one and climbs towards a lower margin of the gold answer. What
is found is a finding, never a rate: a search looks for what breaks, so the share of its texts that do means nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from hypothesis import HealthCheck, Phase, Verbosity, given, target
from hypothesis import seed as seeded
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.configuration import set_hypothesis_home_dir, storage_directory

from pytest_mcr.core.case import ADVERSARIAL, Sample
from pytest_mcr.core.perturb import OPERATORS, Context, apply, base_context, levels_for, render
from pytest_mcr.core.prompts import normalize
from pytest_mcr.errors import McrError
from pytest_mcr.run.findings import Finding
from pytest_mcr.run.hunt_asker import BATCH, Answered, Asker, milder, mildness, shown
from pytest_mcr.run.hunted import Ask, Hunted, Seen
from pytest_mcr.strategies import context

__all__ = ("Ask", "Hunted", "Seen", "hunt", "turned")

SHRINKING: Final = 4
"""One in so many calls is kept for making a text that turned the answer milder."""


class _TurnedError(McrError):
    """Tells Hypothesis that a batch holds what is looked for."""


class _Over(BaseException):  # like an interrupt: Hypothesis lets it pass and draws no more
    """Nothing was found, and nothing more can be asked."""


def hunt(
    sample: Sample,
    ask: Ask,
    *,
    alone: Seen,
    fingerprint: str,
    model_calls: int,
    seconds: float | None = None,
    examples: int | None = None,
    seed: int = 0,
    known: Sequence[Finding] = (),
    again: Ask | None = None,
) -> Hunted:
    """Search for the mildest text that turns the model's answer.

    Args:
        sample: with an adversarial text.
        ask: asks the model in the adversarial condition.
        alone: what the model answers to the audio alone (branch A).
        fingerprint: of the model.
        model_calls: the most texts that are asked, replayed findings and the two of the determinism check not counted.
        seconds: a limit of time, None without; a hunt that reaches it is `truncated`, and then its result depends on
            the machine.
        examples: the most batches that Hypothesis draws; None for as many as `model_calls` may need.
        seed: of the run; a sample and a seed fix every text.
        known: former findings of this sample and model, asked first.
        again: as `ask`, for the determinism check; it must not answer from a cache. None for `ask` itself.

    Returns:
        What was found. A model that does not answer the same text alike, bit by bit, is refused.

    Raises:
        PerturbError: an operator broke its guard: our bug.
        StopRunError: the model cannot be used or trusted.
    """
    problem = _problem(sample, alone)
    if problem is not None:
        return Hunted(sample.id, refused=problem)
    label = sample.text_labels[ADVERSARIAL]
    tree = base_context(sample.texts[ADVERSARIAL], label, sample.candidates, sample.question)
    base = render(tree)
    until = float("inf") if seconds is None else time.monotonic() + seconds
    steady = again or ask
    [first], [second] = steady([base]), steady([base])
    problem = _unsteady(first, second)
    if problem is not None:
        return Hunted(sample.id, refused=problem, calls=2)
    former = [finding.rendered(label, sample.candidates) for finding in known]
    answers = ask(former) if former else []
    asker = Asker(ask, model_calls, until, known={shown(base): Answered(tree, base, first)})
    if not turned(sample, first) and model_calls > 0:  # else nothing is milder than the base text
        asker.kept = model_calls // SHRINKING
        if not _sweep(sample, tree, asker, seed):
            _search(sample, asker, alone, examples, seed)
        _descend(sample, asker)
    if asker.stopped is not None:
        raise asker.stopped
    hunted = Hunted(
        sample.id,
        replayed=tuple(f for f, seen in zip(known, answers, strict=True) if turned(sample, seen)),
        healed=tuple(f for f, s in zip(known, answers, strict=True) if s.error is None and not turned(sample, s)),
        calls=2 + len(former) + asker.calls,
        errors=sum(seen.error is not None for seen in (*answers, *(one.seen for one in asker.known.values()))),
        truncated=asker.late,
    )
    return _with_findings(hunted, sample, asker, fingerprint)


def _problem(sample: Sample, alone: Seen) -> str | None:
    """Why a clip is not searched."""
    if ADVERSARIAL not in sample.texts:
        return "it has no adversarial text"
    if ADVERSARIAL not in sample.text_labels:
        return "the label of its adversarial text is not known"
    if alone.error is not None:
        return f"the audio alone got no answer: {alone.error}"
    if alone.answer is None or normalize(alone.answer) != normalize(sample.gold):
        return f"the model is not right from the audio alone: {alone.answer or 'no label'} instead of {sample.gold}"
    return None


def _unsteady(first: Seen, second: Seen) -> str | None:
    """Relation M0: the same text again must give the same answer and the same scores, bit by bit."""
    error = first.error or second.error
    if error is not None:
        return f"the adversarial text got no answer: {error}"
    if (first.answer, first.scores) == (second.answer, second.scores):
        return None
    what = "answered" if first.answer != second.answer else "scored"
    return f"the model is not deterministic: it {what} the same text differently, so no search could shrink anything"


def turned(sample: Sample, seen: Seen) -> bool:
    """Whether an answer is another label than the gold one; an error or an unreadable answer is not."""
    return seen.error is None and seen.answer is not None and normalize(seen.answer) != normalize(sample.gold)


def _sweep(sample: Sample, base: Context, asker: Asker, seed: int) -> bool:
    """Ask the texts with a single edit, the mildest first, with half of the calls; whether one turned the answer."""
    trees = [apply(base, name, level, seed) for name in OPERATORS for level in levels_for(base, name)]
    half = (asker.calls_left - asker.kept) // 2
    for start in range(0, min(half, len(trees)), BATCH):
        if any(_follows(sample, one) for one in asker.see(trees[start : min(start + BATCH, half)])):
            return True
    return False


def _search(sample: Sample, asker: Asker, alone: Seen, examples: int | None, seed: int) -> None:
    """Draw, climb and shrink; every answer stays with the asker, which is where findings are taken from."""
    label = sample.text_labels[ADVERSARIAL]
    trees = context(sample.texts[ADVERSARIAL], label=label, labels=sample.candidates, question=sample.question)
    digest = hashlib.sha256(f"{seed}:{sample.id}".encode()).digest()

    @seeded(int.from_bytes(digest[:8]))
    @hypothesis_settings(
        backend="hypothesis",
        database=None,
        deadline=None,
        derandomize=False,
        max_examples=max(1, examples if examples is not None else 4 * asker.calls_left),
        phases=(Phase.generate, Phase.target, Phase.shrink),
        print_blob=False,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
    )
    @given(st.lists(trees, min_size=1, max_size=BATCH))
    def no_text_turns_the_answer(batch: list[Context]) -> None:
        answered = asker.see(batch)
        drops = [drop for drop in (_drop(sample, alone, one.seen) for one in answered) if drop is not None]
        if drops:
            target(max(drops), label="margin lost")
        if any(_follows(sample, one) for one in answered):
            asker.free()
            raise _TurnedError
        if asker.over and not asker.found:
            raise _Over

    with _no_files(), contextlib.suppress(_TurnedError, _Over):
        no_text_turns_the_answer()  # a text that turned it has been shrunk when this raises; the asker knows it


def _descend(sample: Sample, asker: Asker) -> None:
    """Go on from the mildest text found, edit by edit and level by level, until nothing milder turns the answer."""
    asker.free()
    while True:
        found = [one for one in asker.known.values() if _follows(sample, one)]
        if not found:
            return
        best = min(found, key=lambda one: mildness(one.text))
        trees = list(milder(best.tree))
        for start in range(0, len(trees), BATCH):
            if any(_follows(sample, one) for one in asker.see(trees[start : start + BATCH])):
                break
        else:
            return


def _follows(sample: Sample, one: Answered) -> bool:
    """Whether a text that still claims its label turned the answer."""
    return one.text.claims == "same" and turned(sample, one.seen)


@contextlib.contextmanager
def _no_files() -> Iterator[None]:
    """Keep Hypothesis from leaving its folder where pytest was started."""
    home = storage_directory(intent_to_write=False).home_directory
    with tempfile.TemporaryDirectory(prefix="mcr-hunt-") as folder:
        set_hypothesis_home_dir(folder)
        try:
            yield
        finally:
            set_hypothesis_home_dir(home)


def _drop(sample: Sample, alone: Seen, seen: Seen) -> float | None:
    """By how many nats a text lowers the margin of the gold answer over the text's: M_A - M_J."""
    before, after = _margin(sample, alone), _margin(sample, seen)
    return None if before is None or after is None else before - after


def _margin(sample: Sample, seen: Seen) -> float | None:
    scores = {normalize(label): score for label, score in (seen.scores or {}).items()}
    gold, rival = normalize(sample.gold), normalize(sample.text_labels[ADVERSARIAL])
    return scores[gold] - scores[rival] if gold in scores and rival in scores else None


def _with_findings(hunted: Hunted, sample: Sample, asker: Asker, fingerprint: str) -> Hunted:
    """The mildest text that turned the answer, of each kind."""
    mildest: dict[str, tuple[tuple[object, ...], Finding]] = {}
    for one in asker.known.values():
        text, seen = one.text, one.seen
        if not turned(sample, seen):
            continue
        assert seen.answer is not None
        finding = Finding(
            sample.id,
            sample.texts[ADVERSARIAL],
            text.text,
            text.operators,
            sample.gold,
            seen.answer,
            fingerprint,
            text.claims,
            text.position,
            text.candidates,
        )
        rank = mildness(text)
        if text.claims not in mildest or rank < mildest[text.claims][0]:
            mildest[text.claims] = (rank, finding)
    found = {claims: finding for claims, (_, finding) in mildest.items()}
    others = tuple(found[claims] for claims in ("instruction", "flipped", "void") if claims in found)
    return replace(hunted, findings=(found["same"],) if "same" in found else (), others=others)
