"""The flags of the dominance suite: how far a text that varies, or the layers it passes, decide an answer."""

from __future__ import annotations

from pytest_mcr.glue.option import Option
from pytest_mcr.glue.values import integer, layer_spec, number, switch

DOMINANCE = (
    Option(
        "--mcr-examples",
        "N",
        "dominance suite: varied texts a clip, of a declared design of operators and levels (default 8)",
        integer(1),
        8,
    ),
    Option(
        "--mcr-dominance-samples",
        "M",
        "dominance suite: clips a task, the first of a seeded order (default 10; gates need 100 in all)",
        integer(1),
        10,
    ),
    Option(
        "--mcr-hunt",
        "",
        "search long for the mildest text that turns an answer which the model gets right from the audio alone: every "
        "clip of the dominance suite, 400 texts each (default: 2 clips a task, 60 texts each); adds the suite",
        switch,
        False,
        alone=True,
    ),
    Option(
        "--mcr-hunt-seconds",
        "S",
        "end the search after S seconds in each process and mark it truncated (default: only the number of texts "
        "bounds it, so that a seed gives the same findings every time)",
        number(1, 1e9),
    ),
    Option(
        "--mcr-fail-on-finding",
        "",
        "a text that turns an answer fails its test (default: it is a result)",
        switch,
        False,
        alone=True,
    ),
    Option(
        "--mcr-layers",
        "all|every:4|16,32",
        "look into these layers of a local model: logit lens, attention knockout and patching on the dominance "
        "suite's clips (default: none); and those of the awareness suite (default: half and whole depth)",
        layer_spec,
    ),
)
