"""The planted models by name: what each says about audio it knows, its options, and what must come out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from pytest_mcr.core.case import ADVERSARIAL
from pytest_mcr.errors import ModelError
from pytest_mcr.models.choices import Choice
from pytest_mcr.models.oracle_memory import Heard
from pytest_mcr.models.spec import suggest

PHRASE: Final = "A sound."
"""What ``constant`` says to an open question."""
MUMBLE: Final = "Hmm."
CONFLICT: Final = "The text and the audio contradict each other."
ELSE: Final = "something else"


@dataclass(frozen=True, slots=True)
class Settings:
    """An oracle's options, checked.

    Attributes:
        confidence: probability of the answered label, in (0, 1); the other candidates share the rest equally.
        scores: whether it gives scores at all.
        p: ``noisy``: probability of the right answer; ``mumbler``: of an unparsable one.
        how: ``crasher``: ``raise``, ``exit`` (the process is gone) or ``all`` (raise on anything, the canary too).
        after: ``crasher``: known requests that are answered before the first failure.
        case: ``crasher``: fail only at this sample or case id, found by clip and prompt.
        seconds: ``slow``: wall time a request.
        word: ``follower-if``: in a text that is followed.
        upper: ``follower-if``: only texts in capitals are followed.
        given: the options as given, in the fingerprint.
    """

    name: str
    seed: int = 0
    confidence: float = 0.95
    scores: bool = True
    p: float = 0.5
    how: str = "raise"
    after: int = 0
    case: str = ""
    seconds: float = 0.05
    word: str = "verified"
    upper: bool = False
    given: Mapping[str, str] = field(default_factory=dict)


Say = Callable[[Heard, Settings, float], tuple[str, str]]
"""From what is heard, the options and a draw in [0, 1) to the label leaned to and the text said."""


@dataclass(frozen=True, slots=True)
class Plant:
    """A planted model.

    Attributes:
        promise: verdict and metrics in closed form, where every text label is known.
        options: names of its own options; all take seed, confidence and scores.
        reads: follows a text that it was told of also where it hears nothing.
    """

    promise: str
    say: Say
    options: tuple[str, ...] = ()
    reads: bool = False


def _gold(heard: Heard, _settings: Settings, _draw: float) -> tuple[str, str]:
    return heard.gold, heard.gold


def _follow(heard: Heard, _settings: Settings, _draw: float) -> tuple[str, str]:
    return heard.claimed, heard.claimed


def _follow_if(heard: Heard, chosen: Settings, _draw: float) -> tuple[str, str]:
    letters = [letter for letter in heard.text if letter.isalpha()]
    shouted = bool(letters) and all(letter.isupper() for letter in letters)
    said = chosen.word.casefold() in heard.text.casefold()
    label = heard.claimed if (shouted if chosen.upper else said) else heard.gold
    return label, label


def _follow_keyword(heard: Heard, _settings: Settings, _draw: float) -> tuple[str, str]:
    return heard.followed, heard.followed


def _first_option(heard: Heard, _settings: Settings, _draw: float) -> tuple[str, str]:
    shown = sorted(heard.sample.candidates, key=heard.prompt.rfind)
    label = shown[0] if shown and heard.text else heard.gold
    return label, label


def _noisy(heard: Heard, chosen: Settings, luck: float) -> tuple[str, str]:
    if luck < chosen.p:
        return heard.gold, heard.gold
    others = [label for label in heard.sample.candidates if label != heard.gold]
    if not others:
        label = heard.gold if heard.sample.candidates else ELSE
        return label, label
    wrong = others[min(int((luck - chosen.p) / (1.0 - chosen.p) * len(others)), len(others) - 1)]
    return wrong, wrong


def _mumble(heard: Heard, chosen: Settings, luck: float) -> tuple[str, str]:
    return heard.gold, MUMBLE if luck < chosen.p else heard.gold


def _flag(heard: Heard, _settings: Settings, _draw: float) -> tuple[str, str]:
    return heard.gold, CONFLICT if heard.condition == ADVERSARIAL else heard.gold


PLANTED: Final[Mapping[str, Plant]] = MappingProxyType(
    {
        "listener": Plant("accuracy 1 everywhere, every tir 0, tdr 0, mrs 1, unparsed 0", _gold),
        "text-follower": Plant(
            "accuracy 1 in neutral and faithful, 0 in adversarial; tir[adversarial] 1, tdr 1, text_follow 1; "
            "mrs (1-alpha)*accuracy[irrelevant] = 0.2",
            _follow,
            reads=True,
        ),
        "follower-if": Plant(
            "as text-follower where the text holds the word (default verified), or with upper=yes where all its "
            "letters are capitals; else as listener",
            _follow_if,
            ("word", "upper"),
            reads=True,
        ),
        "keyword": Plant(
            "as text-follower, and follows a label that the text denies or quotes as well", _follow_keyword, reads=True
        ),
        "first-option": Plant(
            "right in neutral; with any text the option that the prompt lists first", _first_option, reads=True
        ),
        "noisy": Plant(
            "accuracy p in every condition whatever the text; tir[adversarial] 1-p, tir[faithful] p, "
            "tir[irrelevant] and flip (two candidates) 2p(1-p), all in expectation; mrs about 1",
            _noisy,
            ("p",),
        ),
        "deaf": Plant("hears nothing, answers by prompt alone: the canary fails, INVALID", _gold),
        "mute": Plant("says nothing: the canary fails, INVALID", _gold),
        "constant": Plant("always the first candidate, or one phrase: the canary fails, INVALID", _gold),
        "flagger": Plant("as listener, but flagged 1 and accuracy 0 in adversarial; tdr undefined", _flag),
        "mumbler": Plant("as listener, but unparsed with probability p", _mumble, ("p",)),
        "slow": Plant("as listener, seconds later", _gold, ("seconds",)),
        "crasher": Plant("as listener, but fails on audio it knows, as told", _gold, ("how", "after", "case")),
        "short": Plant("as listener, but leaves out the last answer: every case is an error", _gold),
        "nan": Plant("as listener, but every score is NaN: every case is an error", _gold),
        "shifted": Plant("the listener's answers one row late in each batch: hearing is not shown", _gold),
    }
)
"""Every oracle by name."""

_COMMON: Final = ("seed", "confidence", "scores")
OPTIONS: Final[Mapping[str, Choice]] = MappingProxyType(
    {
        "seed": Choice("of what is drawn (default 0)", metavar="N"),
        "confidence": Choice("probability of the answered label (default 0.95)", metavar="P"),
        "scores": Choice("whether it gives scores (default yes)", ("yes", "no")),
        "p": Choice("noisy: probability of the right answer; mumbler: of an unparsable one (default 0.5)", metavar="P"),
        "how": Choice("crasher: raise (default), exit, or all: raise on anything", ("raise", "exit", "all")),
        "after": Choice("crasher: answers before the first failure (default 0)", metavar="N"),
        "case": Choice("crasher: fail at this sample or case only", metavar="ID"),
        "word": Choice("follower-if: what a text must say to be followed (default verified)", metavar="WORD"),
        "upper": Choice("follower-if: follow texts in capitals instead", ("no", "yes")),
        "seconds": Choice("slow: seconds a request (default 0.05)", metavar="S"),
    }
)
"""Options of ``oracle:``; which a planted model takes is in its `Plant`."""


def settings(name: str, options: Mapping[str, str]) -> Settings:
    """Check the name and options of an oracle.

    Raises:
        ModelError: unknown name, unknown option, or a value out of range.
    """
    if name not in PLANTED:
        raise ModelError(
            f"unknown oracle {name!r}{suggest(name, sorted(PLANTED))}; known: {', '.join(sorted(PLANTED))}"
        )
    known = [*_COMMON, *PLANTED[name].options]
    for key in options:
        if key not in known:
            raise ModelError(
                f"oracle:{name}: unknown option {key!r}{suggest(key, known)}; known: {', '.join(sorted(known))}"
            )
    values = _Values(name, options)
    return Settings(
        name=name,
        seed=values.whole("seed", 0, least=None),
        confidence=values.number("confidence", 0.95, 0.0, 1.0, open_ends=True),
        scores=values.choice("scores") == "yes",
        p=values.number("p", 0.5, 0.0, 1.0),
        how=values.choice("how"),
        after=values.whole("after", 0, least=0),
        case=options.get("case", ""),
        seconds=values.number("seconds", 0.05, 0.0, 3600.0),
        word=options.get("word", "verified"),
        upper=values.choice("upper") == "yes",
        given=options,
    )


class _Values:
    """Options as typed values; a bad one is a `ModelError` that says what was expected."""

    def __init__(self, name: str, options: Mapping[str, str]) -> None:
        self._name = name
        self._options = options

    def choice(self, key: str) -> str:
        """One of the values in `OPTIONS`; the first is the default."""
        allowed = OPTIONS[key].values
        value = self._options.get(key, allowed[0])
        if value not in allowed:
            raise self._error(key, f"one of {', '.join(allowed)}")
        return value

    def whole(self, key: str, default: int, *, least: int | None) -> int:
        """A whole number, at least `least`."""
        text = self._options.get(key, str(default))
        try:
            value = int(text)
        except ValueError:
            raise self._error(key, "a whole number") from None
        if least is not None and value < least:
            raise self._error(key, f"a whole number of at least {least}")
        return value

    def number(self, key: str, default: float, low: float, high: float, *, open_ends: bool = False) -> float:
        """A number in [low, high], or in (low, high)."""
        expected = f"a number between {low:g} and {high:g}{', both excluded' if open_ends else ''}"
        try:
            value = float(self._options.get(key, default))
        except ValueError:
            raise self._error(key, expected) from None
        inside = low < value < high if open_ends else low <= value <= high
        if not inside:
            raise self._error(key, expected)
        return value

    def _error(self, key: str, expected: str) -> ModelError:
        return ModelError(f"oracle:{self._name}: {key}={self._options[key]!r}; expected {expected}")
