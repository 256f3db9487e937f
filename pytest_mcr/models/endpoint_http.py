"""HTTP to the servers: one try of one request, and what its failure means. The only home of httpx."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from pytest_mcr.models.endpoint_key import ApiKey
from pytest_mcr.models.endpoint_reply import model_ids, words
from pytest_mcr.models.endpoint_retry import is_retried, retry_after
from pytest_mcr.models.endpoint_target import Target, is_loopback

LARGEST: Final = 64 * 2**20
"""Bytes that a reply may have; the log-probabilities of a prompt of 100,000 tokens have a sixth of that."""


class HttpError(Exception):
    """A try that failed; the message is one line without the server's URL.

    Attributes:
        status: of the reply, None when there was none.
        again: another try is worth it.
        asked: seconds that the server asked to wait.
    """

    def __init__(self, message: str, *, status: int | None, again: bool, asked: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.again = again
        self.asked = asked

    @property
    def alive(self) -> bool:
        """Whether the server itself is well: it gave its own answer about this request, or asked to wait."""
        return self.status is not None and self.status < 500


@dataclass(frozen=True, slots=True)
class Got:
    """A whole reply."""

    status: int
    headers: httpx.Headers
    content: bytes


class Wire:
    """Connections to the servers of a model, kept open from call to call; belongs to one event loop.

    Redirects are not followed: they would carry the key, and the audio, to a place that nobody named.

    Args:
        target: where to.
        key: goes into a header.
    """

    def __init__(self, target: Target, key: ApiKey) -> None:
        self._target = target
        self._key = key
        self._clients = {url: self._client(url) for url in target.urls}

    async def complete(self, url: str, body: Mapping[str, Any]) -> bytes:
        """Post a chat completion.

        Returns:
            The body of the reply with status 200.

        Raises:
            HttpError: any other outcome, a reply cut short included.
        """
        content = json.dumps(body, ensure_ascii=True).encode()
        got = await self._send(url, "POST", "/chat/completions", content, self._target.timeout)
        if got.status == 200:
            return got.content
        raise await self._refused(url, got)

    async def models(self, url: str, seconds: float) -> Got:
        """Ask which models a server has.

        Raises:
            HttpError: it does not answer.
        """
        return await self._send(url, "GET", "/models", b"", min(seconds, self._target.timeout))

    async def close(self) -> None:
        """Close all connections."""
        for client in self._clients.values():
            await client.aclose()

    def _client(self, url: str) -> httpx.AsyncClient:
        most = self._target.concurrency
        return httpx.AsyncClient(
            headers={"Accept": "application/json", "Accept-Encoding": "identity", **self._key.headers(url)},
            limits=httpx.Limits(max_connections=most + 1, max_keepalive_connections=most + 1),
            timeout=httpx.Timeout(self._target.timeout),
            follow_redirects=False,
            verify=urlsplit(url).scheme == "https",  # certificates take long to read, and http has none
            trust_env=not is_loopback(url),  # a proxy cannot reach this machine's loopback
        )

    async def _send(self, url: str, method: str, path: str, content: bytes, seconds: float) -> Got:
        try:
            # httpx limits each read; this limits the whole, against a server that sends a byte now and then.
            async with asyncio.timeout(seconds):
                return await self._exchange(url, method, path, content)
        except (TimeoutError, httpx.TimeoutException):
            raise HttpError(f"no answer within {seconds:g} s", status=None, again=True) from None
        except httpx.ConnectError as error:
            raise HttpError(f"cannot connect ({_line(error)})", status=None, again=True) from None
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise HttpError(f"the connection broke ({_line(error)})", status=None, again=True) from None
        except httpx.InvalidURL as error:
            raise HttpError(f"not a URL ({_line(error)})", status=None, again=False) from None

    async def _exchange(self, url: str, method: str, path: str, content: bytes) -> Got:
        headers = {"Content-Type": "application/json"} if content else {}
        received = bytearray()
        async with self._clients[url].stream(method, url + path, content=content or None, headers=headers) as response:
            async for part in response.aiter_bytes():
                received += part
                if len(received) > LARGEST:
                    raise HttpError(f"the reply is larger than {LARGEST >> 20} MB", status=None, again=True)
        return Got(response.status_code, response.headers, bytes(received))

    async def _refused(self, url: str, got: Got) -> HttpError:
        status = got.status
        said = words(self._key.hide(got.content.decode("utf-8", "replace")).encode())
        message = f"HTTP {status}" + (f": {said}" if said else "")
        if status in (401, 403):
            message += f"; {self._key.advice(url)}"
        elif status == 404:
            message += await self._what_it_has(url)
        elif status == 413:
            message += "; send clips at a lower rate (?rate=16000), or raise what the server takes"
        elif 300 <= status < 400:
            message = (
                f"HTTP {status}: redirects to {_host(got.headers)}, which is not followed; name that server instead"
            )
        asked = retry_after(got.headers.get("Retry-After"), datetime.now(UTC))
        return HttpError(message, status=status, again=is_retried(status), asked=asked)

    async def _what_it_has(self, url: str) -> str:
        """After a 404: what there is instead, as far as the server says."""
        model = self._target.model
        try:
            got = await self.models(url, 10.0)
        except HttpError:
            return f"; is {url} right, and does the server have {model!r}?"
        names = [str(entry["id"]) for entry in model_ids(got.content)]
        if got.status != 200 or not names:
            return f"; is {url} right, and does the server have {model!r}?"
        shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
        return f"; asked for model {model!r}, the server has {self._key.hide(shown)}"


def _line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text or type(error).__name__


def _host(headers: httpx.Headers) -> str:
    """Scheme and host of a redirect; its path and query may hold anything."""
    try:
        parts = urlsplit(headers.get("Location", ""))
        return f"{parts.scheme}://{parts.hostname}" if parts.hostname else "another path"
    except ValueError:
        return "elsewhere"
