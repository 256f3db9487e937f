"""Keys of the response cache: everything that can change an answer, hashed; equal keys mean equal questions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from operator import index
from pathlib import Path
from typing import Final

import soundfile

from pytest_mcr.data.results_file import file_digest

ENGINE: Final = 2
"""Raise it when the same request may be answered otherwise than before, or when a key or an entry is made otherwise.
2: entries hold how many tokens a label has; those of 1 are not found any more."""
DECODER: Final = 1
"""Raise it when `pytest_mcr.data.audio.decode` may make other samples, or refuse others, than before."""


def clip_key(path: Path) -> str:
    """Key of a clip before it is decoded: sha256 hex of its bytes, its suffix and the decoder's versions.

    The suffix counts because it decides how a file is checked and read: the same bytes can be whole as ``.wav`` and
    cut short as ``.mp3``.

    Raises:
        OSError: the file cannot be read.
    """
    return _key("clip", file_digest(path), path.suffix.lower(), *_decoder())


def answer_key(
    *,
    fingerprint: str,
    digest: str | None,
    sample_rate: int | None,
    samples: int | None,
    prompt: str,
    candidates: Sequence[str],
    max_new_tokens: int,
    want_scores: bool,
    path: str,
) -> str:
    """Key of an answer: sha256 hex of the whole resolved request. The request's id is no part of it.

    Args:
        fingerprint: of the model: weights, code and settings.
        digest: of the decoded clip before resampling, None for a request without audio.
        sample_rate: Hz the clip is resampled to, None when the model takes it at its own rate.
        samples: length of what is played, at the played rate, where that is not the whole clip (a crop, silence).
        prompt: the user turn's text; any string, lone surrogates included.
        candidates: in the order the model is given them.
        max_new_tokens: most tokens of the greedy answer.
        want_scores: whether the candidates are scored.
        path: how the model is asked: the shared-prefix engine, one request at a time, or by which rule beside what.
    """
    return _key(
        "answer",
        fingerprint,
        digest,
        _resampler(sample_rate),
        None if samples is None else index(samples),
        prompt,
        list(candidates),
        index(max_new_tokens),
        bool(want_scores),
        path,
    )


def proof_key(
    *,
    fingerprint: str,
    clips: Sequence[str],
    sample_rate: int | None,
    prompt: str,
    candidates: Sequence[str],
    max_new_tokens: int,
    canary: int,
) -> str:
    """Key of a canary's verdict: sha256 hex of the model and of everything it was probed with.

    Args:
        fingerprint: of the model: weights, code and settings.
        clips: `clip_key` of the probe clips, in the order they are played.
        sample_rate: Hz the clips are resampled to, None when the model takes them at their own rate.
        prompt: what is asked about each.
        candidates: in the order the model is given them.
        max_new_tokens: most tokens of an answer.
        canary: version of the canary's rules.
    """
    resampler = _resampler(sample_rate)
    return _key(
        "proof", fingerprint, list(clips), resampler, prompt, list(candidates), index(max_new_tokens), index(canary)
    )


def _key(kind: str, *parts: object) -> str:
    """Sha256 hex of the parts as JSON, in which no two lists of parts look alike.

    Escapes are off because JSON writes a lone high and a lone low surrogate with the same escapes as the one
    character that they would form; as bytes (``surrogatepass``) the two differ.
    """
    text = json.dumps([ENGINE, kind, *parts], ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@cache
def _decoder() -> tuple[object, ...]:
    return DECODER, soundfile.__version__, soundfile.__libsndfile_version__


def _resampler(sample_rate: int | None) -> tuple[object, ...] | None:
    """Rate and what resamples; the versions are read without importing scipy, which costs half a second."""
    return None if sample_rate is None else (index(sample_rate), *_arithmetic())


@cache
def _arithmetic() -> tuple[str, str]:
    return version("numpy"), version("scipy")
