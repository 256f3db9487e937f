"""Repair arms by name: ``gacl?lambda=0.5&tau=0.5``, ``hard-switch``, ``prompt:reason``. What each takes and needs.

An arm is asked for by name and options; options that are not given have a default, and ``--mcr-tune`` looks for the
best among a few values. The arithmetic itself is in `repair`. Imports nothing heavy: the flags are parsed with this.
"""

from __future__ import annotations

import difflib
import functools
import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from pytest_mcr.core.perturbers import NOISE, PERTURBERS, Perturbation
from pytest_mcr.core.prompt_arms import PROMPT_ARMS

Value = float | str
PERTURBED: Final = "P "
"""Begins the name of a branch P, before perturber and amount, e.g. ``P noise 0``: the perturbed clip, with the text."""
PROMPT: Final = "prompt:"
AS_ASKED: Final = "none"
"""``prompt:none``: the run's own prompt, read as the run reads answers; what the other prompts are held against."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One option of an arm.

    Attributes:
        default: where it is not given.
        low: least number; ignored for words.
        high: largest number.
        open_low: the least number itself is too little.
        words: the words that it may be; empty for a number.
        grid: what ``--mcr-tune`` tries; empty: it is no matter of tuning.
    """

    default: Value
    low: float = 0.0
    high: float = math.inf
    open_low: bool = False
    words: tuple[str, ...] = ()
    grid: tuple[Value, ...] = ()

    def parse(self, text: str) -> Value:
        """The value of a text.

        Raises:
            ValueError: what is expected.
        """
        if self.words:
            if text in self.words:
                return text
            raise ValueError(f"one of {', '.join(self.words)}")
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (self.low < value if self.open_low else self.low <= value) or not value <= min(self.high, 1e9):
            least = f"above {self.low:g}" if self.open_low else f"of at least {self.low:g}"
            most = f" and at most {self.high:g}" if math.isfinite(self.high) else ""
            raise ValueError(f"a number {least}{most}")
        return value


@dataclass(frozen=True, slots=True)
class Rule:
    """A way to combine the candidate scores of some branches.

    Attributes:
        about: one line for help.
        parameters: by name, in the order in which they are written.
    """

    about: str
    parameters: Mapping[str, Parameter]


_WEIGHT: Final = (0.25, 0.5, 1.0, 2.0)
_SILENCE: Final = Parameter("silence", words=("silence", "none"))

RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        "joint": Rule("J: the answer as it is", {}),
        "hard-switch": Rule("A: the text is never looked at; the line to beat", {}),
        "self-gated": Rule(
            "A where its two best are kappa nats apart, else J",
            {"kappa": Parameter(1.0, grid=(0.25, 0.5, 1.0, 2.0, 4.0))},
        ),
        "pmi": Rule(
            "J - beta 0, or A - beta 0 (of=audio): takes off what is answered to silence",
            {"beta": Parameter(1.0, grid=_WEIGHT), "of": Parameter("joint", words=("joint", "audio"))},
        ),
        "contextual": Rule(
            "J - beta (T - 0): takes off the text's own vote",
            {"beta": Parameter(1.0, grid=_WEIGHT), "without": _SILENCE},
        ),
        "aad": Rule(
            "J + alpha (J - T): audio-aware decoding (arXiv 2506.07233); T over silence, or without=none for no audio",
            {"alpha": Parameter(1.0, grid=_WEIGHT), "without": _SILENCE},
        ),
        "acd": Rule(
            "J + alpha (J - P): audio-contrastive decoding, P the perturbed clip with the text; snr in dB for noise, "
            "strength for the other perturbers",
            {
                "alpha": Parameter(1.0, grid=(0.25, 0.5, 1.0, 1.25)),
                "perturber": Parameter(NOISE, words=tuple(PERTURBERS)),
                "snr": Parameter(0.0, low=-40.0, high=40.0),
                "strength": Parameter(0.5, high=1.0),
            },
        ),
        "gacl": Rule(
            "J + w (A - J), w = lambda R_A N_out within [0, 1] (arXiv 2606.05161)",
            {
                "lambda": Parameter(0.5, grid=(0.5, 1.0, 1.25, 2.0)),
                "tau": Parameter(0.5, open_low=True, grid=(0.5, 1.0, 1.5)),
                "norm": Parameter(
                    "softmax", words=("softmax", "center", "zscore"), grid=("softmax", "center", "zscore")
                ),
                "gates": Parameter("both", words=("both", "margin", "outcome", "none")),
                "bound": Parameter("yes", words=("yes", "no")),
            },
        ),
    }
)
"""Every rule on candidate scores."""
DEFAULT_ARMS: Final = ("self-gated", "pmi", "contextual", "aad", "gacl")
"""What the suite compares unless ``--mcr-mitigation`` names arms; `CONTROLS` always come along."""
CONTROLS: Final = ("joint", "hard-switch")


@dataclass(frozen=True, slots=True)
class Arm:
    """A rule with its options, or a prompt.

    Attributes:
        name: of `RULES`, or ``prompt:NAME``.
        given: the options that were given, in the rule's order.
    """

    name: str
    given: tuple[tuple[str, Value], ...] = ()

    @property
    def text(self) -> str:
        """The arm as it is written, e.g. ``gacl?lambda=0.5``."""
        return self.name + "?" * bool(self.given) + "&".join(f"{key}={_written(value)}" for key, value in self.given)

    @property
    def prompt(self) -> str | None:
        """The name of a prompt arm, None for a rule on scores."""
        return self.name.removeprefix(PROMPT) if self.name.startswith(PROMPT) else None

    @property
    def options(self) -> Mapping[str, Value]:
        """All options, defaults included; empty for a prompt."""
        return _options(self)

    def number(self, key: str) -> float:
        """The option of that name."""
        return float(self.options[key])

    @property
    def branches(self) -> tuple[str, ...]:
        """The branches whose scores the rule combines, as `repair_cases` names them; empty for a prompt."""
        return _branches(self)

    @property
    def passes(self) -> int:
        """Forward passes of the model that one answer takes; an answer written out counts as one."""
        return len(self.branches) or 1

    @property
    def settings(self) -> tuple[Arm, ...]:
        """The arm at every value of the options that were left open, in the order of the grid; itself without any."""
        if self.prompt is not None:
            return (self,)
        known = RULES[self.name].parameters
        given = dict(self.given)
        free = [key for key, one in known.items() if one.grid and key not in given]
        found = []
        for values in itertools.product(*(known[key].grid for key in free)):
            chosen = given | dict(zip(free, values, strict=True))
            found.append(Arm(self.name, tuple((key, chosen[key]) for key in known if key in chosen)))
        return tuple(found)


@functools.cache
def _options(arm: Arm) -> Mapping[str, Value]:
    known = {} if arm.prompt is not None else RULES[arm.name].parameters
    return MappingProxyType({key: one.default for key, one in known.items()} | dict(arm.given))


@functools.cache
def _branches(arm: Arm) -> tuple[str, ...]:
    options = arm.options
    silent = options.get("without") == "none"
    needed = {
        "joint": ("joint",),
        "hard-switch": ("audio",),
        "self-gated": ("joint", "audio"),
        "pmi": (str(options.get("of")), "silence"),
        "contextual": ("joint", *(("text_alone", "nothing") if silent else ("text", "silence"))),
        "aad": ("joint", "text_alone" if silent else "text"),
        "acd": ("joint", _perturbed(options)),
        "gacl": ("joint", "audio"),
    }
    return needed.get(arm.name, ())


def _perturbed(options: Mapping[str, Value]) -> str:
    name = str(options.get("perturber", NOISE))
    if name != NOISE and not PERTURBERS[name].strength:
        return f"{PERTURBED}{name}"
    return f"{PERTURBED}{name} {options.get('snr' if name == NOISE else 'strength', 0.0):g}"


def perturbation(branch: str, seed: int) -> Perturbation:
    """What is done to the clip in a branch P.

    Args:
        branch: as `Arm.branches` names it.
        seed: of the run.
    """
    name, _, amount = branch.removeprefix(PERTURBED).partition(" ")
    return Perturbation(name, float(amount or 0), seed)


def _written(value: Value) -> str:
    return f"{value:g}" if isinstance(value, float) else value


def names() -> tuple[str, ...]:
    """Every arm that can be asked for."""
    return (*RULES, *(f"{PROMPT}{name}" for name in PROMPT_ARMS))


def parse_arm(text: str) -> Arm:
    """Read an arm.

    Args:
        text: ``NAME`` or ``NAME?key=value&key=value``.

    Raises:
        ValueError: what is expected in its place.
    """
    name, mark, tail = text.strip().partition("?")
    if name not in names():
        close = difflib.get_close_matches(name, names(), n=1)
        raise ValueError(f"one of {', '.join(names())}" + (f" (did you mean {close[0]}?)" if close else ""))
    known = RULES[name].parameters if name in RULES else {}
    given: dict[str, Value] = {}
    for part in tail.split("&") if mark else ():
        key, sign, value = part.partition("=")
        if not known:
            raise ValueError(f"{name!r} without options")
        if not sign or key not in known:
            raise ValueError(f"an option of {name}, KEY=VALUE with KEY one of {', '.join(known)}, in place of {part!r}")
        if key in given:
            raise ValueError(f"option {key} once")
        try:
            given[key] = known[key].parse(value)
        except ValueError as error:
            raise ValueError(f"for {key} {error}, in place of {value!r}") from None
    arm = Arm(name, tuple((key, given[key]) for key in known if key in given))
    _check_perturber(arm)
    return arm


def _check_perturber(arm: Arm) -> None:
    """Refuse an amount that the perturber does not have: it would be recorded and change nothing."""
    perturber = str(arm.options.get("perturber", NOISE))
    amounts = {"snr": perturber == NOISE, "strength": PERTURBERS[perturber].strength}
    idle = next((key for key, known in amounts.items() if not known and key in dict(arm.given)), None)
    if idle is not None:
        raise ValueError(f"no {idle} with perturber={perturber}, which has none")


def arms_of(texts: tuple[str, ...]) -> tuple[Arm, ...]:
    """The arms of a run, each once: `CONTROLS` first, then those asked for, or the default ones.

    Prompts are held against the run's own prompt, which comes along where there are any.

    Raises:
        ValueError: a text is no arm.
    """
    asked = tuple(parse_arm(text) for text in texts or DEFAULT_ARMS)
    prompts = any(arm.prompt is not None for arm in asked)
    first = (*(Arm(name) for name in CONTROLS), *((Arm(f"{PROMPT}{AS_ASKED}"),) if prompts else ()))
    return tuple(dict.fromkeys((*first, *asked)))
