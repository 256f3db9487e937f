"""Repair arms by name: ``gacl?lambda=0.5&tau=0.5``, ``hard-switch``, ``prompt:reason``. What each takes and needs.

An arm is asked for by name and options; options that are not given have a default, and ``--mcr-tune`` looks for the
best among a few values. Rules and their options are listed in `repair_rules`, the arithmetic is in `repair`. Imports
nothing heavy: the flags are parsed with this.
"""

from __future__ import annotations

import difflib
import functools
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from pytest_mcr.core.perturbers import NOISE, PERTURBERS, Perturbation
from pytest_mcr.core.prompt_arms import PROMPT_ARMS
from pytest_mcr.core.repair_rules import RULES, Value

PERTURBED: Final = "P "
"""Begins the name of a branch P, before perturber and amount, e.g. ``P noise 0``: the perturbed clip, with the text."""
EARLY: Final = "early exit "
"""Begins the name of DoLa's branch, before bucket and mask, e.g. ``early exit low 0.1``: J at inner layers too."""
PROMPT: Final = "prompt:"
AS_ASKED: Final = "none"
"""``prompt:none``: the run's own prompt, read as the run reads answers; what the other prompts are held against."""
STEPS_VERSION: Final = 1
"""Of free generation by a rule, in the cache's keys; raise it when the same branches may be written otherwise."""
WRITTEN: Final = "joint?decode=generate"
"""The text that the model writes without any rule; what rules in free generation are held against."""


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
    def writes(self) -> bool:
        """Whether the rule is at work in free generation, token by token, and not on candidate scores."""
        return self.options.get("decode") == "generate"

    @property
    def contrasts(self) -> bool:
        """Whether that takes other branches than J, so that only a model which shows its distributions can do it."""
        return self.writes and len(self.branches) > 1

    @property
    def passes(self) -> int:
        """Forward passes of the model that one answer takes; an answer written out counts as one."""
        return len(self.branches) or 1

    @property
    def settings(self) -> tuple[Arm, ...]:
        """The arm at every value of the options that were left open, in the order of the grid; itself without any.

        In free generation every value would have to be written anew: nothing is left open.
        """
        if self.prompt is not None or self.writes:
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
        "dola": (f"{EARLY}{options.get('bucket')} {options.get('mask', 0.0):g}",),
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


def early_exit(branch: str) -> tuple[str, float]:
    """Bucket and mask of DoLa's branch."""
    name, _, mask = branch.removeprefix(EARLY).partition(" ")
    return name, float(mask)


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
    if "decode" in known and "mask" in given and given.get("decode") != "generate":
        raise ValueError("mask beside decode=generate alone: among candidates nothing is masked")
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

    Prompts are held against the run's own prompt, rules in free generation against `WRITTEN`: these come along too.

    Raises:
        ValueError: a text is no arm.
    """
    asked = tuple(parse_arm(text) for text in texts or DEFAULT_ARMS)
    prompts = any(arm.prompt is not None for arm in asked)
    first = (*(Arm(name) for name in CONTROLS), *((Arm(f"{PROMPT}{AS_ASKED}"),) if prompts else ()))
    written = (parse_arm(WRITTEN),) if any(arm.writes for arm in asked) else ()
    return tuple(dict.fromkeys((*first, *written, *asked)))
