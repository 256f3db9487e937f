"""Errors of pytest-mcr: every message is one line that names the culprit, what was expected and what to type next."""

from __future__ import annotations


class McrError(Exception):
    """Base of every error that this project raises on purpose."""


class UsageError(McrError):
    """A bad option, dataset or model name: nothing was measured (exit code 4)."""


class OptionError(UsageError):
    """A flag, ini value, gate expression or profile that cannot be understood."""


class DataError(UsageError):
    """A dataset that is not in the release layout, or that reaches outside its own folder."""


class ModelError(UsageError):
    """A model spec that cannot be resolved, or a model that cannot be loaded."""


class AudioError(McrError):
    """One clip that cannot be decoded or is not usable; costs its own cases only."""


class ResponseError(McrError):
    """A model broke the contract of `Model.respond` (count, type or values of its answers)."""


class DeliveryError(McrError):
    """The audio did not reach the model, so nothing it says may become a score (INVALID)."""
