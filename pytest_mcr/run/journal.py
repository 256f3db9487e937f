"""The journal: one line a case on disk while the run goes on, so that memory stays flat and nothing done is lost."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO


class Journal:
    """Append-only JSON lines, found again by key; the last line of a key wins.

    Args:
        path: file to write; its folder is made on the first line, so that a run without cases leaves no trace.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[bytes] | None = None
        self._offsets: dict[str, tuple[int, int]] = {}

    def __len__(self) -> int:
        return len(self._offsets)

    def __contains__(self, key: str) -> bool:
        return key in self._offsets

    def append(self, key: str, record: Mapping[str, object]) -> None:
        """Write one record.

        Raises:
            ValueError: a number is NaN or infinite, which JSON cannot hold.
        """
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("w+b")
        line = json.dumps(record, ensure_ascii=False, allow_nan=False).encode("utf-8") + b"\n"
        start = self._file.seek(0, os.SEEK_END)
        self._file.write(line)
        self._file.flush()
        self._offsets[key] = (start, len(line))

    def read(self, key: str) -> dict[str, object]:
        """Read a record back.

        Raises:
            KeyError: the key was never written.
        """
        start, length = self._offsets[key]
        assert self._file is not None
        self._file.seek(start)
        record: dict[str, object] = json.loads(self._file.read(length))
        return record

    def publish(self, target: Path, keys: Iterable[str]) -> None:
        """Write the records of `keys` that exist to `target`, in one atomic step, and drop the journal."""
        staged = target.with_name(f".{target.name}.new")
        target.parent.mkdir(parents=True, exist_ok=True)
        with staged.open("wb") as out:
            for key in keys:
                if key in self._offsets and self._file is not None:
                    start, length = self._offsets[key]
                    self._file.seek(start)
                    out.write(self._file.read(length))
        staged.replace(target)
        if self._file is not None:
            self._file.close()
            self._file = None
            self.path.unlink()
