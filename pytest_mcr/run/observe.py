"""From a response to an observation: the answer, its verdict and its confidence."""

from __future__ import annotations

import math
from collections.abc import Mapping

from pytest_mcr.core.answers import Match, read_answer
from pytest_mcr.core.case import NEUTRAL, PLACEBO, Case, Observation, Outcome, Verdict
from pytest_mcr.models.protocol import Response


def observe(
    case: Case,
    condition: str,
    prompt: str,
    response: Response,
    digest: str,
    seconds: float,
    *,
    cached: bool,
    by_score: bool,
    per_token: bool = False,
) -> Observation:
    """Judge one response.

    Args:
        case: the case that was asked; for the placebo control its neutral case.
        condition: the condition the prompt was rendered in.
        prompt: what the model was asked.
        response: what it said, contract already checked.
        digest: of the decoded audio; the cluster unless the data names one.
        seconds: share of the chunk's wall time.
        cached: the response comes from an earlier run.
        by_score: answer with the best-scored candidate instead of the text.
        per_token: confidence is that of scores divided by their tokens.
    """
    sample = case.sample
    scores = dict(response.scores) if response.scores is not None and sample.candidates else None
    lengths = None if scores is None else response.lengths
    error = response.error or missing(response, scores, by_score=by_score)
    text_label = None if condition in (NEUTRAL, PLACEBO) else case.text_label
    if error:
        match = Match(None, Verdict.ERROR)
    elif by_score and scores is not None:
        match = match_label(best_of(scores, sample.candidates), sample.gold, text_label)
    else:
        match = read_answer(
            response.text or "", candidates=sample.candidates, gold=sample.gold, text_label=text_label, prompt=prompt
        )
    return Observation(
        id=f"{sample.id}-{condition}",
        task=sample.task,
        sample=sample.id,
        source_id=sample.source_id,
        condition=condition,
        audio=sample.audio,
        prompt=prompt,
        gold=sample.gold,
        text_label=text_label,
        answer=match.answer,
        raw=response.text,
        verdict=match.verdict,
        confidence=None if error else confidence(per_length(scores, lengths) if per_token else scores, match.answer),
        scores=None if error else scores,
        seconds=seconds,
        cached=cached,
        error=error,
        cluster=sample.split_group or digest,
        candidates=sample.candidates,
        lengths=None if error or lengths is None else dict(lengths),
    )


def missing(response: Response, scores: Mapping[str, float] | None, *, by_score: bool) -> str | None:
    """Say what the answer mode needs and the response lacks."""
    if by_score and scores is None:
        return "--mcr-answer score needs scores of a closed candidate set, and the model gave none for this case"
    if not by_score and response.text is None:
        return "the model gave scores but no text; use --mcr-answer score"
    return None


def match_label(answer: str, gold: str, text_label: str | None) -> Match:
    """The verdict of an answer that is a candidate for sure."""
    if answer == gold:
        return Match(answer, Verdict.AUDIO)
    return Match(answer, Verdict.TEXT if answer == text_label else Verdict.OTHER)


def best_of(scores: Mapping[str, float], candidates: tuple[str, ...]) -> str:
    """The best-scored candidate; the first shown of equals."""
    return max(candidates, key=lambda candidate: scores[candidate])


def confidence(scores: Mapping[str, float] | None, answer: str | None) -> float | None:
    """Softmax over the candidates' scores at the given answer, in [0, 1]; None without scores or answer."""
    if scores is None or answer is None or answer not in scores:
        return None
    top = max(scores.values())
    return math.exp(scores[answer] - top) / math.fsum(math.exp(value - top) for value in scores.values())


def per_length(scores: Mapping[str, float] | None, lengths: Mapping[str, int] | None) -> dict[str, float] | None:
    """Mean log p of a token by candidate, in nats: a score over the tokens that it is summed over.

    Brown et al. (arXiv 2005.14165, 2.4) compare candidates of different length by it. None without scores or counts.
    """
    if scores is None or lengths is None:
        return None
    return {label: score / lengths[label] for label, score in scores.items()}


def log_loss(scores: Mapping[str, float] | None, gold: str) -> float | None:
    """-log p of the gold answer in nats, finite for finite scores; None without scores of it."""
    if scores is None or gold not in scores:
        return None
    top = max(scores.values())
    return top - scores[gold] + math.log(math.fsum(math.exp(value - top) for value in scores.values()))


def brier(scores: Mapping[str, float] | None, gold: str) -> float | None:
    """Sum over the candidates of (p - [gold])^2, in [0, 2] (Brier, 1950); None without scores of the gold answer."""
    if scores is None or gold not in scores:
        return None
    return math.fsum(((confidence(scores, label) or 0.0) - (label == gold)) ** 2 for label in scores)


def outcome_of(observation: Observation) -> Outcome:
    """What the metrics keep of an observation."""
    scores = observation.scores
    return Outcome(
        sample=observation.sample,
        task=observation.task,
        condition=observation.condition,
        cluster=observation.cluster,
        gold=observation.gold,
        text_label=observation.text_label,
        answer=observation.answer,
        verdict=observation.verdict,
        confidence=observation.confidence,
        best=best_of(scores, observation.candidates) if scores and observation.candidates else None,
        k=len(observation.candidates),
        log_loss=log_loss(scores, observation.gold),
        brier=brier(scores, observation.gold),
    )
