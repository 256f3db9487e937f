"""The grammar of ``openai:URL#MODEL[,URL...]`` and its options; knows no network."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

from pytest_mcr.errors import ModelError
from pytest_mcr.models.choices import Choice, check_options
from pytest_mcr.models.spec import Spec

EXAMPLE: Final = "openai:http://127.0.0.1:8000/v1#MODEL"
KEY: Final = "PYTEST_MCR_API_KEY"

CONCURRENCY, RETRIES, TIMEOUT, BUDGET = 16, 5, 120.0, 120.0
OPTIONS: Final[dict[str, Choice]] = {
    "concurrency": Choice(f"requests in flight at once, over all servers (default {CONCURRENCY})", metavar="N"),
    "retries": Choice(f"times a failed request is tried again (default {RETRIES})", metavar="N"),
    "timeout": Choice(f"seconds one try may take (default {TIMEOUT:g})", metavar="S"),
    "budget": Choice(
        f"seconds without an answer from any server after which nothing is tried again (default {BUDGET:g})",
        metavar="S",
    ),
    "scores": Choice(
        "candidates' log-probabilities: auto (default: if the server proves at load that it gives them), none, or "
        "prompt_logprobs (demand them)",
        ("auto", "none", "prompt_logprobs"),
    ),
    "revision": Choice("what identifies the weights that are served; answers are cached only with it"),
    "served": Choice("name that replies carry, where it is another than MODEL"),
    "system": Choice("text of a system turn before the question (default: none)"),
    "rate": Choice("Hz that clips are sent at (default: the clip's own)", metavar="HZ"),
    "limit": Choice("how room for an answer is named (default max_tokens)", ("max_tokens", "max_completion_tokens")),
}
"""Options of ``openai:``."""

_SECRET: Final = re.compile(r"key|token|secret|passw|auth|credential|signature|^sig$", re.IGNORECASE)
_LOOPBACK: Final = re.compile(r"localhost|127(\.\d+){3}|::1", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a model is served, and how it is to be asked.

    Attributes:
        urls: bases of the servers, such as ``http://127.0.0.1:8000/v1``; at least one, all different.
        model: as the servers name it.
        concurrency: requests in flight at once, over all servers.
        retries: times that a failed request is tried again.
        timeout: seconds that one try may take.
        budget: seconds without an answer from any server after which nothing is tried again.
        scores: ``auto``, ``none`` or ``prompt_logprobs``.
        revision: what the user says identifies the weights, None when not said.
        served: name that replies carry.
        system: text of the system turn, None for no such turn.
        rate: Hz that clips are sent at, None for their own.
        limit: name of the field with the room for an answer.
    """

    urls: tuple[str, ...]
    model: str
    concurrency: int
    retries: int
    timeout: float
    budget: float
    scores: str
    revision: str | None
    served: str
    system: str | None
    rate: int | None
    limit: str


def parse_target(spec: Spec) -> Target:
    """Parse an ``openai:`` spec.

    Raises:
        ModelError: a URL or option that cannot be understood, or one that holds a secret (which is not repeated).
    """
    _no_secrets(spec)
    check_options(spec, OPTIONS)
    first, sharp, rest = spec.rest.partition("#")
    model, *more = rest.split(",")
    if not sharp or not model.strip():
        raise ModelError(f"model {spec.text!r}: no #MODEL after the URL; expected e.g. {EXAMPLE}")
    urls = [_base(spec, url) for url in (first, *more)]
    twice = next((url for url in urls if urls.count(url) > 1), None)
    if twice is not None:
        raise ModelError(f"model {spec.text!r}: {twice} is given twice; give each server once")
    options = spec.options
    return Target(
        urls=tuple(urls),
        model=model,
        concurrency=concurrency_of(spec),
        retries=_whole(spec, "retries", RETRIES, 0, 100),
        timeout=_seconds(spec, "timeout", TIMEOUT),
        budget=_seconds(spec, "budget", BUDGET),
        scores=options.get("scores", "auto"),
        revision=options.get("revision"),
        served=options.get("served", model),
        system=options.get("system"),
        rate=_whole(spec, "rate", 0, 1000, 384_000) or None,
        limit=options.get("limit", "max_tokens"),
    )


def require_httpx() -> None:
    """Say how to install what this adapter needs.

    Raises:
        ModelError: httpx is not installed.
    """
    if importlib.util.find_spec("httpx") is None:
        raise ModelError("openai: httpx not installed; type: pip install 'pytest-mcr[endpoint]'")


def concurrency_of(spec: Spec) -> int:
    """Requests in flight at once, as the spec says.

    Raises:
        ModelError: it is no whole number from 1 to 4096.
    """
    return _whole(spec, "concurrency", CONCURRENCY, 1, 4096)


def is_loopback(url: str) -> bool:
    """Whether a URL leads to this machine by name."""
    return _LOOPBACK.fullmatch(urlsplit(url).hostname or "") is not None


def _no_secrets(spec: Spec) -> None:
    """A spec is recorded in the results and shown by ``ps``, so a key in it is refused before anything quotes it."""
    culprit = next((f"option {name!r}" for name in spec.options if _SECRET.search(name)), None)
    for url in spec.rest.replace("#", ",").split(","):
        if "@" in url.partition("//")[2].partition("/")[0]:
            culprit = culprit or "user name or password in a URL"
        if _SECRET.search(url.partition("?")[2]):
            culprit = culprit or "secret in a URL's query"
    if culprit is not None:
        raise ModelError(
            f"model openai:...: {culprit}: the spec is recorded in the results, so it must hold no secret; set the "
            f"environment variable {KEY} (or OPENAI_API_KEY) to the key"
        )


def _base(spec: Spec, text: str) -> str:
    def refuse(problem: str) -> ModelError:
        return ModelError(f"model {spec.text!r}: {text!r} {problem}; expected e.g. {EXAMPLE}")

    if "#" in text:
        raise refuse("names a model again; the model is named once, after the first URL")
    try:
        parts: SplitResult = urlsplit(text.strip())
        port = parts.port
    except ValueError:
        raise refuse("is not a URL") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise refuse("is not an http or https URL with a host")
    if parts.query:
        raise refuse("has a query")
    path = parts.path.rstrip("/").removesuffix("/chat/completions")
    return f"{parts.scheme}://{parts.netloc}{path or '/v1'}"


def _whole(spec: Spec, name: str, default: int, low: int, high: int) -> int:
    text = spec.options.get(name)
    if text is None:
        return default
    if not text.isdecimal() or not low <= int(text) <= high:
        raise ModelError(f"model {spec.text!r}: {name}={text!r}; expected a whole number from {low} to {high}")
    return int(text)


def _seconds(spec: Spec, name: str, default: float) -> float:
    text = spec.options.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"\d{1,6}(\.\d+)?", text) or float(text) == 0:
        raise ModelError(f"model {spec.text!r}: {name}={text!r}; expected seconds, more than 0 and less than a million")
    return float(text)
