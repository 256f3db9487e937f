"""The API key: from the environment alone, sent in one header, and cut out of whatever a server says."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from pytest_mcr.errors import ModelError
from pytest_mcr.models.endpoint_target import KEY, is_loopback

OPENAI_KEY: Final = "OPENAI_API_KEY"
HIDDEN: Final = "[API key]"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key, or none; its value is no part of its repr.

    Attributes:
        source: the environment variable that it came from, None without a key.
    """

    source: str | None
    _value: str = field(repr=False)

    def headers(self, url: str) -> dict[str, str]:
        """The header for a server; none for one that the key was not meant for.

        ``OPENAI_API_KEY`` is set on many machines for OpenAI alone, so it is not sent in the clear over a network.
        """
        if not self._value:
            return {}
        if self.source == OPENAI_KEY and urlsplit(url).scheme != "https" and not is_loopback(url):
            return {}
        return {"Authorization": f"Bearer {self._value}"}

    def hide(self, text: str) -> str:
        """The text without the key: some servers repeat it in their errors."""
        return text.replace(self._value, HIDDEN) if self._value else text

    def is_in(self, text: str) -> bool:
        """Whether a text gives the key away."""
        return bool(self._value) and self._value in text

    def advice(self, url: str) -> str:
        """What to do about a server that refused the key or its absence."""
        if self.source is None:
            return f"set the environment variable {KEY} to the server's API key"
        if not self.headers(url):
            return f"{OPENAI_KEY} is not sent over plain http to another machine; set {KEY} instead"
        return f"the key in {self.source} was refused; set {KEY} to a key that this server takes"


def key_of_environment() -> ApiKey:
    """The key in ``PYTEST_MCR_API_KEY``, else in ``OPENAI_API_KEY``.

    Raises:
        ModelError: it holds a character that no header may.
    """
    for name in (KEY, OPENAI_KEY):
        value = os.environ.get(name, "").strip()
        if value and not (value.isascii() and value.isprintable()):
            raise ModelError(f"environment variable {name}: holds a character that no API key has; copy the key again")
        if value:
            return ApiKey(name, value)
    return ApiKey(None, "")
