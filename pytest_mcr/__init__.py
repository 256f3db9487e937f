"""pytest-mcr: gate an audio-language model on what it does when audio and text disagree."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_mcr.models.protocol import Audio as Audio
    from pytest_mcr.models.protocol import Model as Model
    from pytest_mcr.models.protocol import Request as Request
    from pytest_mcr.models.protocol import Response as Response

__version__ = "0.1.0"
__all__ = ["Audio", "Model", "Request", "Response", "__version__"]


def __getattr__(name: str) -> object:
    # Lazy: pytest imports this package in every session, also where no model is asked for.
    if name in ("Audio", "Model", "Request", "Response"):
        from pytest_mcr.models import protocol

        value: object = getattr(protocol, name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
