"""The flag of the confidence suite."""

from __future__ import annotations

from pytest_mcr.core.stated import SCORES, parse_method
from pytest_mcr.glue.option import Option

CONFIDENCE = (
    Option(
        "--mcr-confidence",
        "scores|scores:per-token|sample:K|verbal",
        "where confidence comes from: the candidates' scores (default), or these divided by their tokens; the share of "
        "K drawn answers that are the given one, for a model of your own with a method respond_sampled; or a second "
        "question that asks for a number from 0 to 100",
        lambda text: str(parse_method(text)),
        SCORES,
    ),
)
