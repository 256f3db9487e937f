"""Load a folder in the MCR-BENCH release layout: task files and `lstat` only, no audio is opened.

``ROOT/<TASK>/<TASK>.json`` with the audio beside it. Whatever is wrong with the data is a `DataError` of one line.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pytest_mcr.core.case import Sample
from pytest_mcr.core.prompts import normalize
from pytest_mcr.data.dataset import Dataset, Kind
from pytest_mcr.data.labels import resolve, spelled
from pytest_mcr.data.locate import Locator, Place
from pytest_mcr.data.manifest import find_tasks, read_list, show
from pytest_mcr.data.records import REQUIRED, TEXT_CONDITIONS, Record, parse
from pytest_mcr.data.shipped import fixture
from pytest_mcr.errors import DataError

MOST_CLOSED: Final = 20
"""With more different gold answers than this in a file that names no candidates, the questions are open-ended."""
RELEASE_COUNTS: Final = {"AQA": 1000, "SER": 1000, "VSC": 1000}
"""Samples a task of MCR-BENCH (arXiv 2508.15407)."""
DIGEST_VERSION: Final = "pytest-mcr.dataset/1"


def load(root: Path) -> Dataset:
    """Read a data folder.

    Args:
        root: folder in the release layout.

    Returns:
        All samples of all tasks. ``kind`` is ``release`` when the tasks, their counts and their conditions are those
        of MCR-BENCH; that the clips are the published ones cannot be verified without a copy of them, so the digest
        stands beside it in every result.

    Raises:
        DataError: anything that is not in the release layout, or lies outside `root`.
    """
    locator = Locator(root)
    digest = hashlib.sha256(DIGEST_VERSION.encode())
    samples: list[Sample] = []
    for task, file in find_tasks(root).items():
        raw = read_list(file)
        records = [parse(value, str(file), task, position) for position, value in enumerate(raw)]
        _check_together(records, raw, file)
        places = [locator.find(record.audio, task, record.where) for record in records]
        for record, place in zip(records, places, strict=True):
            digest.update(_canonical(task, record, place))
        samples += _samples(task, records, places, file)
    found = tuple(samples)
    return Dataset(root, _kind(root, found), digest.hexdigest(), found)


def _canonical(task: str, record: Record, place: Place) -> bytes:
    """One line of canonical JSON a record: everything that can change a number, and nothing about the machine."""
    facts = [
        task, record.id, record.source_id, place.audio, place.size, record.gold, record.question, record.texts,
        record.candidates, record.text_labels, record.source, record.split_group,
    ]  # fmt: skip
    return b"\n" + json.dumps(facts, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def _kind(root: Path, samples: Sequence[Sample]) -> Kind:
    if _is_mini(root):
        return "mini"
    counts = Counter(sample.task for sample in samples)
    full = all(len(sample.texts) == len(TEXT_CONDITIONS) for sample in samples)
    return "release" if counts == RELEASE_COUNTS and full else "custom"


def _is_mini(root: Path) -> bool:
    try:
        return root.resolve() == fixture("mini-mcr").resolve()
    except DataError:  # an installation without the embedded benchmark still measures other data
        return False


def _check_together(records: Sequence[Record], raw: Sequence[object], file: Path) -> None:
    """Check what needs the whole file: ids are unique, and a condition is in all records or in none."""
    seen: dict[str, Record] = {}
    for record in records:
        if record.source_id is None:
            continue
        first = seen.setdefault(record.source_id, record)
        if first is not record:
            raise DataError(f"{record.where}: this id is also that of {first.id}; give each record its own")
    for condition in TEXT_CONDITIONS:
        lacking = [record for record in records if condition not in record.texts]
        if not lacking:
            continue
        if len(lacking) < len(records):
            have = f"{len(records) - len(lacking)} of {len(records)} records"
            fix = "add it to all, or remove it from all to leave the condition out"
            raise DataError(f"{lacking[0].where}: key {show(condition)} is missing, but {have} have it; {fix}")
        _check_spelling(condition, raw, file)


def _check_spelling(condition: str, raw: Sequence[object], file: Path) -> None:
    """A whole condition must not vanish because its key is misspelt."""
    known = {*REQUIRED, *TEXT_CONDITIONS}
    keys = sorted({key for record in raw if isinstance(record, dict) for key in record} - known)
    near = difflib.get_close_matches(condition, [key.strip().casefold() for key in keys], n=1, cutoff=0.75)
    if near:
        key = next(key for key in keys if key.strip().casefold() == near[0])
        raise DataError(f"{file}: key {show(key)} is unknown; rename it to {show(condition)} in all records")


def _samples(task: str, records: Sequence[Record], places: Sequence[Place], file: Path) -> list[Sample]:
    complete = _complete(records, file)
    closed = _gold_set(records)
    samples = []
    for record, place in zip(records, places, strict=True):
        candidates = closed if record.candidates is None else record.candidates
        gold = spelled(record.gold, candidates)
        if gold is None:
            expected = f"expected one of its candidates {show(list(candidates))}"
            raise DataError(f'{record.where}: key "gt" holds {show(record.gold)}; {expected}')
        samples.append(
            Sample(
                id=record.id,
                task=task,
                audio=place.audio,
                question=record.question,
                gold=gold,
                texts=record.texts,
                candidates=candidates,
                text_labels=resolve(record, candidates, gold, complete=complete),
                complete=complete,
                source_id=record.source_id,
                source=record.source,
                split_group=record.split_group,
                where=record.where,
            )
        )
    return samples


def _gold_set(records: Sequence[Record]) -> tuple[str, ...]:
    """The file's gold answers, sorted, each in its first spelling; empty (open-ended) above `MOST_CLOSED`."""
    spellings: dict[str, str] = {}
    for record in records:
        spellings.setdefault(normalize(record.gold), record.gold)
    return tuple(spellings[key] for key in sorted(spellings)) if len(spellings) <= MOST_CLOSED else ()


def _complete(records: Sequence[Record], file: Path) -> bool:
    """Whether the texts of a task are complete prompts (they contain the question), rather than descriptions.

    One answer for the task, ``irrelevant`` included: the conditions of a sample may differ in the text line alone, and
    a bare text in a task of complete prompts would be a prompt without a question.
    """
    bare: list[str] = []
    whole: list[str] = []
    for condition in TEXT_CONDITIONS:
        having = [record for record in records if condition in record.texts]
        count = sum(normalize(record.question) in normalize(record.texts[condition]) for record in having)
        if 0 < count < len(having):
            fix = "put the question into all of them (complete prompts) or into none (descriptions)"
            raise DataError(f"{file}: {count} of {len(having)} {condition} texts contain their question; {fix}")
        if having:
            (whole if count else bare).append(condition)
    if bare and whole:
        found = f"the {', '.join(whole)} texts contain their question and the {', '.join(bare)} texts do not"
        raise DataError(f"{file}: {found}; the conditions of a task must all be complete prompts, or all descriptions")
    return bool(whole)
