"""Proof that the model hears: the canary on clips of this dataset, live, or as an earlier run found it."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_mcr.core.case import NEUTRAL
from pytest_mcr.core.prompts import Template, render
from pytest_mcr.data.dataset import Dataset
from pytest_mcr.errors import AudioError
from pytest_mcr.models.protocol import Audio
from pytest_mcr.run.answers import Answers
from pytest_mcr.run.cache import ResponseCache
from pytest_mcr.run.cache_key import proof_key
from pytest_mcr.run.canary import CANARY_VERSION, TEXT_ROUNDS, Canary, run_canary
from pytest_mcr.run.subsets import seeded


class Proof:
    """The canary of one model on one dataset.

    Args:
        dataset: whose clips are played.
        answers: of the model.
        cache: keeps a passed canary, None for none.
        template: of the prompt.
        tokens: room for an answer.
        seed: of the clips' order.
    """

    def __init__(
        self,
        dataset: Dataset,
        answers: Answers,
        cache: ResponseCache | None,
        template: Template,
        tokens: int,
        seed: int,
    ) -> None:
        self._answers = answers
        self._cache = cache
        self._tokens = tokens
        closed = next((sample for sample in dataset.samples if sample.candidates), None)
        self._sample = closed or dataset.samples[0]
        self._prompt = render(template, self._sample, NEUTRAL)
        paths = {sample.audio for sample in dataset.samples}
        self._order = sorted(paths, key=lambda path: seeded(seed, "canary", path))

    def live(self) -> Canary:
        """Run the canary; a pass is kept."""
        model = self._answers.model
        clips = [] if getattr(model, "recorded", False) else list(self._clips())
        canary = run_canary(model, clips, self._prompt, self._sample.candidates, self._tokens)
        if self._cache is not None and canary.verdict == "pass":
            self._cache.prove(self._key(), canary.detail)
        return canary

    def kept(self) -> Canary | None:
        """What an earlier run found for the same model on the same clips, None if nothing."""
        detail = None if self._cache is None else self._cache.proof(self._key())
        if detail is None:
            return None
        return Canary("pass", f"{detail}; found by an earlier run, as all answers so far were in the cache")

    def _key(self) -> str:
        files = [self._answers.clips.key(path) or "" for path in self._order[: TEXT_ROUNDS[-1]]]
        return proof_key(
            fingerprint=self._answers.fingerprint,
            clips=files,
            sample_rate=self._answers.clips.rate,
            prompt=self._prompt,
            candidates=self._sample.candidates,
            max_new_tokens=self._tokens,
            canary=CANARY_VERSION,
        )

    def _clips(self) -> Iterator[Audio]:
        """Up to 32 different clips; undecodable ones are left for their own cases to report."""
        digests: set[str] = set()
        for path in self._order:
            if len(digests) == TEXT_ROUNDS[-1]:
                return
            try:
                audio, _ = self._answers.clips.decode(path, None)
            except AudioError:
                continue
            if audio.digest not in digests:
                digests.add(audio.digest)
                yield audio
