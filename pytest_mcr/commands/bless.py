"""Bless a run: later runs must not be worse (``pytest --mcr-baseline FOLDER``).

The run's results.json and cases.jsonl are copied beside blessings.json, so the folder can be committed as one. A run
that is INVALID, partial or stopped early cannot be blessed. One that failed a gate can, with --anyway: its failures are
recorded with the blessing and shown whenever a run is compared with it.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

from pytest_mcr.command_line import Parser
from pytest_mcr.data.results_file import CASES, RESULTS, content_digest, file_digest
from pytest_mcr.errors import OptionError
from pytest_mcr.report.results import replace_file
from pytest_mcr.report.wording import safe
from pytest_mcr.run.blessings import FILE, Blessing, blessings_text, read_blessings
from pytest_mcr.run.former_cases import FormerRun, read_run
from pytest_mcr.run.provenance import utc_now

HOME: Final = Path("blessed")
REASONS_SHOWN: Final = 3


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(
        prog="python -m pytest_mcr bless", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="results.json of the run, or its folder")
    parser.add_argument("--who", required=True, metavar="NAME", help="who blesses it")
    parser.add_argument("--why", required=True, metavar="TEXT", help="why, for those who read it later")
    parser.add_argument("--expires", metavar="YYYY-MM-DD", help="last day on which it counts (default: for ever)")
    parser.add_argument(
        "--anchor",
        action="store_true",
        help="later runs are also judged against it, so that small losses cannot add up",
    )
    parser.add_argument("--anyway", action="store_true", help="bless a run that failed; --why says why")
    parser.add_argument(
        "--to", type=Path, default=HOME, metavar="FOLDER", help=f"folder of the blessings (default: {HOME})"
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str]) -> int:
    """Run the command line.

    Raises:
        OptionError: a run that cannot be blessed, or files that cannot be read or written.
    """
    options = parse(argv)
    now = utc_now()
    texts = {flag: _text(flag, getattr(options, flag)) for flag in ("who", "why")}
    expires = _day(options.expires, now.date())
    run = read_run(options.run, whole=False)
    accepted = accepted_reasons(run, anyway=options.anyway)
    home = _home(options.to)
    file = home / FILE
    earlier = read_blessings(file) if file.exists() else ()
    name = _folder(run.results)
    digest = content_digest(run.results)
    known = next((one for one in earlier if one.digest == digest), None)
    if known is not None:
        raise OptionError(f"{run.path}: {known.who} blessed this run on {known.when.partition('T')[0]} ({file})")
    try:
        cases = copy_run(run.path.parent, run.path, home / name)
        blessing = Blessing(
            results=f"{name}/{RESULTS}",
            digest=digest,
            cases_digest=cases,
            run=str(run.results["run"].get("id")),
            model=run.model,
            verdict=str(run.results["verdict"]),
            accepted=tuple(accepted),
            when=now.isoformat(timespec="seconds"),
            expires=expires,
            anchor=options.anchor,
            **texts,
        )
        replace_file(file, blessings_text([*earlier, blessing]))
    except OSError as error:
        raise OptionError(f"{error.filename or home}: cannot be written ({error.strerror}); give --to FOLDER") from None
    sys.stdout.write(f"{said(blessing, home)}\n")
    return 0


def accepted_reasons(run: FormerRun, *, anyway: bool) -> list[str]:
    """The failures that are blessed with a run.

    Raises:
        OptionError: it is not whole, not valid, or failed and ``--anyway`` was not given.
    """
    if run.doubt is not None:
        raise OptionError(f"{run.path}: {run.doubt}; it cannot be blessed")
    reasons = [str(reason) for reason in run.results["reasons"]]
    waived = [f"waived: gate {gate['expr']}: {gate['reason']}" for gate in run.results["gates"] if "waiver" in gate]
    if run.results["verdict"] == "fail" and not anyway:
        first = safe("; ".join(reasons[:REASONS_SHOWN]), 600)
        more = f"; and {len(reasons) - REASONS_SHOWN} more" if len(reasons) > REASONS_SHOWN else ""
        raise OptionError(
            f"{run.path}: the run failed ({first}{more}); if a failed run is to be the baseline, add --anyway, and "
            "say why with --why"
        )
    return [*reasons, *waived]


def copy_run(source: Path, results: Path, target: Path) -> str:
    """Copy a run's two files.

    Returns:
        sha256 of the copied cases.

    Raises:
        OptionError: the target holds another run.
        OSError: a file cannot be written.
    """
    for origin, copy in ((results, target / RESULTS), (source / CASES, target / CASES)):
        if copy.exists() and copy.resolve() != origin.resolve() and file_digest(copy) != file_digest(origin):
            raise OptionError(f"{copy}: holds another run; give another --to FOLDER, or move it away")
    target.mkdir(parents=True, exist_ok=True)
    for origin, copy in ((results, target / RESULTS), (source / CASES, target / CASES)):
        if copy.resolve() != origin.resolve():
            shutil.copyfile(origin, copy)
    return file_digest(target / CASES)


def said(blessing: Blessing, home: Path) -> str:
    """What was done, and what to type next."""
    until = f" until {blessing.expires}" if blessing.expires else ""
    role = " as an anchor, too" if blessing.anchor else ""
    failed = "".join(f"\n  accepted with it: {safe(reason, 400)}" for reason in blessing.accepted)
    return (
        f"blessed run {safe(blessing.run, 80)} of {safe(blessing.model, 200)}{until}{role} ({home / FILE}){failed}\n"
        f"keep {home} in version control; then: pytest --mcr-model MODEL --mcr-baseline {home}"
    )


def _folder(results: Mapping[str, Any]) -> str:
    """A folder's name for a run: its id, as far as that is a plain name."""
    name = "".join(char for char in str(results["run"].get("id")) if char.isalnum() or char in "-_")
    return name[:80] or "run"


def _home(path: Path) -> Path:
    """The folder of the blessings: the one given, or that of the file given."""
    home = path.parent if path.name == FILE else path
    if home.exists() and not home.is_dir():
        raise OptionError(f"--to {path}: {home} is a file; give a folder")
    if path.suffix in (".json", ".toml") and path.name != FILE and not path.is_dir():
        raise OptionError(f"--to {path}: expected a folder, or a file called {FILE} in it")
    return home


def _text(flag: str, value: str) -> str:
    text = " ".join(value.split())
    if not text:
        raise OptionError(f"--{flag} {value!r}: expected a text that is not empty")
    return text


def _day(value: str | None, today: date) -> str | None:
    if value is None:
        return None
    try:
        day = datetime.strptime(value, "%Y-%m-%d").date()
    except ValueError:
        raise OptionError(f"--expires {value!r}: expected YYYY-MM-DD") from None
    if day < today:
        raise OptionError(f"--expires {value}: lies in the past; expected today ({today}) or later")
    return day.isoformat()
