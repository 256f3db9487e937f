"""Errors of pytest-mcr: every message is one line that names the culprit, what was expected and what to type next."""

from __future__ import annotations

from typing import ClassVar


class McrError(Exception):
    """Base of every error that this project raises on purpose."""


class UsageError(McrError):
    """A bad option, dataset or model name: nothing was measured."""

    exit_code: ClassVar[int] = 4


class OptionError(UsageError):
    """A flag, ini value, gate expression or profile that cannot be understood."""


class DataError(UsageError):
    """A dataset that is not in the release layout, or that reaches outside its own folder."""


class ModelError(UsageError):
    """A model spec that cannot be resolved, or a model that cannot be loaded."""


class AudioError(McrError):
    """One clip that cannot be decoded or is not usable; costs its own cases only."""


class StatesError(McrError):
    """Hidden states that cannot be used: cut short on disk, no numbers, or of a clip that cannot be played."""


class ResponseError(McrError):
    """A model broke the contract of `Model.respond` (count, type or values of its answers)."""


class DeliveryError(McrError):
    """The audio did not reach the model, so nothing it says may become a score (INVALID)."""


class AdapterError(McrError):
    """The way to a model is broken for good: nothing more can be asked, and what it last said cannot be trusted."""


class ModelRaisedError(McrError):
    """A model raised while it answered; recorded as the error of its cases, never as an answer."""


class TimeUpError(McrError):
    """The time limit of the run has passed while a long test was under way; what it has found so far counts."""


class PerturbError(McrError):
    """A varied text broke the guard of its operator: a bug of ours, so that no answer to it may be counted."""


class StopRunError(McrError):
    """The run cannot go on: nothing that the model would say could become a score.

    Attributes:
        exit_code: 4 when the model cannot be used at all, 8 when it cannot be trusted.
    """

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code
