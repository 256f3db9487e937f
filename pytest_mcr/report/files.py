"""The report files that a run was asked for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from pytest_mcr.errors import OptionError
from pytest_mcr.report.results import check_folder, replace_file
from pytest_mcr.run.record import RunRecord
from pytest_mcr.run.settings import Settings

STEP_SUMMARY: Final = "GITHUB_STEP_SUMMARY"
"""GitHub Actions names here a file of Markdown that it shows with the job."""


def check_files(settings: Settings) -> None:
    """Refuse, before anything is measured, report files that cannot be written.

    Raises:
        OptionError: naming the flag and the path.
    """
    if settings.markdown is not None:
        check_file("--mcr-markdown", settings.markdown)
    if settings.html is not None:
        check_file("--mcr-html", settings.html, "report.html")
        if find_spec("jinja2") is None:
            raise OptionError(f'--mcr-html {settings.html}: needs jinja2; type: pip install "pytest-mcr[report]"')


def check_file(flag: str, path: Path, example: str = "report.md") -> None:
    """Refuse a file that is a folder, or that lies where nothing can be written."""
    if path.is_dir():
        raise OptionError(f"{flag} {path}: is a folder; give a file, e.g. {path / example}")
    check_folder(flag, path.parent)


def write_files(record: RunRecord, settings: Settings, environment: Mapping[str, str] = os.environ) -> None:
    """Write the reports that were asked for, each in one atomic step; append to the summary of a GitHub job.

    Raises:
        OptionError: a file cannot be written.
    """
    summary = environment.get(STEP_SUMMARY)
    if settings.markdown is None and not summary:
        return
    from pytest_mcr.report.markdown import markdown  # only where a report is wanted

    text = markdown(record)
    if settings.markdown is not None:
        with_folder("--mcr-markdown", settings.markdown, text)
    if summary:
        try:
            with Path(summary).open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(f"{text}\n")
        except OSError as error:
            raise OptionError(
                f"${STEP_SUMMARY} {summary}: cannot be written ({error.strerror}); unset it or name a file"
            ) from error


def shows_points(settings: Settings, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether a report is wanted that shows the nine points of green runs, too; the terminal does so for red ones."""
    return settings.markdown is not None or settings.html is not None or bool(environment.get(STEP_SUMMARY))


def with_folder(flag: str, path: Path, text: str) -> None:
    """Write a file and the folders above it.

    Raises:
        OptionError: naming the flag and the path.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, text)
    except OSError as error:
        raise OptionError(f"{flag} {path}: cannot be written ({error.strerror}); give another file") from error
