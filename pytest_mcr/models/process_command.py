"""``exec:COMMAND?OPTIONS`` as a checked value: words, options, and a program that can be found."""

from __future__ import annotations

import math
import os
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pytest_mcr.errors import ModelError
from pytest_mcr.models.choices import Choice, check_options
from pytest_mcr.models.spec import Spec

SHOWN: Final = 60
"""Characters of a command that a message repeats."""


@dataclass(frozen=True, slots=True)
class Command:
    """A child's command and the limits that it runs under.

    Attributes:
        text: the command as given.
        argv: its words; the first is the program's path.
        cwd: folder that it is started in.
        workers: children that share the requests.
        window: requests a child is given before it has answered the first of them.
        start: seconds from its start to its first line.
        timeout: seconds without an answer while at least one request is with it.
    """

    text: str
    argv: tuple[str, ...]
    cwd: Path
    workers: int = 1
    window: int = 8
    start: float = 600.0
    timeout: float = 300.0

    @property
    def label(self) -> str:
        """The adapter's name in messages."""
        short = self.text if len(self.text) <= SHOWN else self.text[: SHOWN - 3] + "..."
        return f"exec:{short}"


OPTIONS: Final = {
    "workers": Choice("children that share the clips (default 1)", metavar="N"),
    "window": Choice("requests that a child is given ahead of its answers (default 8)", metavar="N"),
    "start": Choice("seconds that a child has until its first line (default 600)", metavar="S"),
    "timeout": Choice("seconds without any answer after which a child is killed (default 300)", metavar="S"),
}
"""What may follow the question mark."""
_MOST: Final = {"workers": 256, "window": 4096}
_DAY: Final = 86_400.0


def read_command(spec: Spec, invocation_dir: Path) -> Command:
    """Check a spec: options, words and program. Nothing is started.

    Args:
        spec: of scheme ``exec``.
        invocation_dir: the child's working folder; a program with a separator in its name is looked for from here.

    Raises:
        ModelError: one line that names the culprit and what to type instead.
    """
    if os.name == "nt":
        raise ModelError(f"model {spec.text!r}: exec: needs POSIX pipes and signals; run it on Linux, macOS or in WSL")
    for key, value in spec.options.items():
        if key not in OPTIONS and any(letter.isspace() for letter in value):
            raise ModelError(
                f"model {spec.text!r}: what follows the last question mark was read as an option {key!r}; if it "
                "belongs to the command, end the spec with an option of ours: ...?workers=1"
            )
    check_options(spec, OPTIONS)
    limits = {key: _number(spec, key) for key in spec.options}
    try:
        words = shlex.split(spec.rest)
    except ValueError as error:
        raise ModelError(
            f"model {spec.text!r}: the command cannot be split into words ({error}); mend its quotes"
        ) from None
    if not words:
        raise ModelError(f"model {spec.text!r}: no command after exec:; expected e.g. exec:python worker.py")
    words = [str(Path(word).expanduser()) if word.startswith("~/") else word for word in words]
    program = _find(spec, words[0], invocation_dir)
    command = Command(spec.rest.strip(), (program, *words[1:]), invocation_dir)
    return Command(
        command.text,
        command.argv,
        command.cwd,
        workers=int(limits.get("workers", command.workers)),
        window=int(limits.get("window", command.window)),
        start=limits.get("start", command.start),
        timeout=limits.get("timeout", command.timeout),
    )


def _number(spec: Spec, key: str) -> float:
    text, most = spec.options[key], _MOST.get(key)
    try:
        value = float(text) if most is None else int(text)
    except ValueError:
        value = math.nan
    if not (0.1 if most is None else 1) <= value <= (most or _DAY):
        expected = f"seconds, 0.1 to {_DAY:.0f}" if most is None else f"a whole number, 1 to {most}"
        raise ModelError(f"model {spec.text!r}: {key}={text!r}; expected {expected}")
    return value


def _find(spec: Spec, program: str, invocation_dir: Path) -> str:
    """The program's path, links kept: a virtual environment's python is one."""
    if os.sep not in program:
        found = shutil.which(program)
        if found is None:
            raise ModelError(
                f"model {spec.text!r}: the program {program!r} is not on PATH; "
                "install it or give its path, e.g. exec:./env/bin/python worker.py"
            )
        return str(Path(found).absolute())
    path = invocation_dir / program
    if not path.is_file():
        raise ModelError(f"model {spec.text!r}: there is no program {path}; check the path (no shell expands it)")
    if not os.access(path, os.X_OK):
        raise ModelError(f"model {spec.text!r}: {path} is not executable; start it with its interpreter, or chmod +x")
    return str(path)
