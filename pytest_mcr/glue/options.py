"""The only place that reads pytest's configuration: one table of flags, one function, one frozen `Settings`.

A flag wins over its ini twin, ini over the default.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, Literal

import pytest

from pytest_mcr.errors import OptionError
from pytest_mcr.glue.flags import HELP, OPTIONS
from pytest_mcr.glue.option import Option
from pytest_mcr.glue.values import DEFAULT_SUITES
from pytest_mcr.run.settings import Settings

SEQUENTIAL_SUITES = ("bench", "confidence")
GROUP: Final = "audio-language models: audio-text conflict (pytest-mcr)"
"""The title of the flags in ``pytest --help``."""


def add_options(parser: pytest.Parser) -> None:
    """Declare all flags and their ini twins; no I/O, no clock."""
    group = parser.getgroup("mcr", GROUP)
    for option in OPTIONS:
        if option.alone:
            group.addoption(option.flag, dest=option.dest, action="store_true", default=None, help=option.help)
        else:
            group.addoption(
                option.flag,
                dest=option.dest,
                metavar=option.metavar,
                action="append" if option.repeat else "store",
                default=None,
                help=option.help,
            )
        kind: Literal["linelist", "string"] = "linelist" if option.repeat else "string"
        parser.addini(option.dest, option.help, type=kind, default=None)


def model_spec(config: pytest.Config) -> str:
    """The model asked for; empty when the plugin is off."""
    flag = config.getoption("mcr_model", None)
    spec = flag if flag is not None else config.getini("mcr_model")
    return str(spec or "").strip()


def wants_listing(config: pytest.Config) -> bool:
    """Whether the user asks which models there are."""
    return model_spec(config) == HELP


def settings_of(config: pytest.Config) -> Settings:
    """Resolve flag, ini and default of every option.

    Raises:
        OptionError: naming the flag or ini key, the value and what was expected.
    """
    values: dict[str, Any] = {option.dest.removeprefix("mcr_"): value_of(config, option) for option in OPTIONS}
    shorthands = (*values.pop("min_accuracy"), *values.pop("max_tir"), *values.pop("min_mrs"))
    replacing = (*values.pop("gate"), *shorthands)
    invocation_dir = config.invocation_params.dir
    cache, suites = values.pop("cache"), values.pop("suite")
    if values["hunt"] and "dominance" not in suites:
        suites = (*suites, "dominance")
    if (values["mitigation"] or values["tune"]) and "mitigation" not in suites:
        suites = (*suites, "mitigation")
    if values["early_stop"]:
        unasked = suites is DEFAULT_SUITES and not values["hunt"]  # the default itself, not the same words typed
        suites = SEQUENTIAL_SUITES if unasked else sequential_suites(suites)
    if values["tier"] is not None and values["limit"] is not None:
        both = f"--mcr-tier {values['tier']} and --mcr-limit {values['limit']}"
        raise OptionError(f"{both} both say how many samples a task are asked; give one of them")
    if values["early_stop"] and values["baseline"] is not None:
        raise OptionError(
            f"--mcr-early-stop and --mcr-baseline {values['baseline']}: a comparison's bounds hold for a number of "
            "clips that is fixed beforehand; give one of them, e.g. --mcr-tier gate --mcr-baseline"
        )
    return Settings(
        invocation_dir=invocation_dir,
        model=values.pop("model"),
        suites=suites,
        gates=replacing or None,
        add_gates=values.pop("add_gate"),
        data=under(invocation_dir, values.pop("data")),
        out=under(invocation_dir, values.pop("out")),
        html=under(invocation_dir, values.pop("html")),
        markdown=under(invocation_dir, values.pop("markdown")),
        calibration=under(invocation_dir, values.pop("calibration")),
        baseline=under(invocation_dir, values.pop("baseline")),
        cache=None if str(cache) == "off" else under(invocation_dir, cache),
        **values,
    )


def sequential_suites(suites: tuple[str, ...]) -> tuple[str, ...]:
    """The suites of a run that may end early: what the benchmark's own cases give.

    Raises:
        OptionError: a suite that comes after the benchmark and would be cut off.
    """
    later = [name for name in suites if name not in SEQUENTIAL_SUITES]
    if later or "bench" not in suites:
        raise OptionError(
            f"--mcr-early-stop runs the benchmark alone, not the suites {', '.join(later or suites)}; type "
            f"--mcr-suite {','.join(SEQUENTIAL_SUITES)}, or drop --mcr-early-stop"
        )
    return suites


def under(root: Path, path: Path | None) -> Path | None:
    """Take a relative path from `root`; absolute and None stay."""
    return None if path is None else root / path


def value_of(config: pytest.Config, option: Option) -> Any:
    """The value of one option: flag, else ini, else default."""
    given, source = config.getoption(option.dest, None), option.flag
    if given is None:
        given, source = config.getini(option.dest), f"ini key {option.dest}"
    if given is None or given == "" or given == []:
        return option.default
    texts: Iterable[str] = given if option.repeat else (given,)
    parsed = tuple(parse(option, source, str(text).strip()) for text in texts)
    return parsed if option.repeat else parsed[0]


def parse(option: Option, source: str, text: str) -> Any:
    """Parse one given text; a `ValueError` becomes one line that names the culprit."""
    try:
        return option.parse(text)
    except ValueError as error:
        raise OptionError(f"{source} {text!r}: expected {error}; see pytest --help, under {GROUP!r}") from None


def wants_plan(config: pytest.Config) -> bool:
    """Whether the user asks what a run would be; without a model only the flag itself asks, an ini default does not."""
    option = next(option for option in OPTIONS if option.dest == "mcr_plan")
    return bool(value_of(config, option) if model_spec(config) else config.getoption(option.dest, None))


def addopts(config: pytest.Config) -> list[str]:
    """The command line options of the ini file."""
    return list(config.getini("addopts"))


def is_collect_only(config: pytest.Config) -> bool:
    """Whether pytest was asked to list tests and run none."""
    return bool(config.getoption("collectonly", False))


def is_worker(config: pytest.Config) -> bool:
    """Whether this process is a worker of xdist."""
    return hasattr(config, "workerinput")


def worker_name(config: pytest.Config) -> str:
    """The name that xdist gave this worker, ``main`` without xdist."""
    return str(getattr(config, "workerinput", {}).get("workerid", "main"))


def dist_mode(config: pytest.Config) -> str:
    """The distribution mode of xdist; ``no`` without xdist."""
    return str(config.getoption("dist", "no") or "no")


def verbosity(config: pytest.Config) -> int:
    """The verbosity of pytest, negative under ``-q``."""
    return int(config.getoption("verbose", 0))


def captures(config: pytest.Config) -> bool:
    """Whether pytest keeps what tests print off the screen."""
    return str(config.getoption("capture", "fd")) in ("fd", "sys")


def workers(config: pytest.Config) -> int:
    """How many xdist workers were asked for, 0 without any."""
    count = config.getoption("numprocesses", None)
    return count if isinstance(count, int) else len(config.getoption("tx", None) or [])
