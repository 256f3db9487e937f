"""Clips in the HTML report: the worst are embedded, the others linked, and none lies outside of the dataset."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

import soundfile

from pytest_mcr.core.case import Sample
from pytest_mcr.data.audio import decode
from pytest_mcr.errors import AudioError
from pytest_mcr.models.wav import wav_bytes

CLIP_BYTES: Final = 2_000_000
"""Largest clip that is embedded."""
ALL_BYTES: Final = 9_000_000
"""All embedded clips together; base64 makes a third more of them."""
WAV_PLAYED: Final = ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT")
PLAYED: Final[Mapping[tuple[str, str], str]] = {
    ("OGG", "VORBIS"): "audio/ogg",
    ("OGG", "OPUS"): "audio/ogg",
    ("FLAC", "PCM_S8"): "audio/flac",
    ("FLAC", "PCM_16"): "audio/flac",
    ("FLAC", "PCM_24"): "audio/flac",
    ("MP3", "MPEG_LAYER_III"): "audio/mpeg",
} | {(container, subtype): "audio/wav" for container in ("WAV", "WAVEX") for subtype in WAV_PLAYED}
"""What browsers play as it is: libsndfile's container and coding, and the media type."""


@dataclass(frozen=True, slots=True)
class Clip:
    """How a reader hears a clip.

    Attributes:
        embedded: a data URL, None for a clip that is not in the file.
        link: URL of the file, relative to the report where that can work; None where the file must not be linked.
        note: why it cannot be heard, or is not embedded though it was to be; empty where all is well.
    """

    embedded: str | None
    link: str | None
    note: str = ""


class Clips:
    """The clips of a report.

    Args:
        root: of the dataset.
        folder: that the report is written to.
        worst: the samples to embed, the most wanted first, as many as there is room for.
    """

    def __init__(self, root: Path, folder: Path, worst: Iterable[Sample]) -> None:
        self._root = root.resolve()
        self._folder = folder.resolve()
        self._embedded: dict[str, str] = {}
        self._notes: dict[str, str] = {}
        left = ALL_BYTES
        for sample in worst:
            left -= self._embed(sample, left)

    @property
    def embedded(self) -> int:
        """How many clips are in the file."""
        return len(self._embedded)

    def of(self, sample: Sample) -> Clip:
        """How to hear the clip of a sample."""
        path, why = self._file(sample)
        link = None if path is None else self._url(path)
        return Clip(self._embedded.get(sample.id), link, why or self._notes.get(sample.id, ""))

    def _file(self, sample: Sample) -> tuple[Path | None, str]:
        """The clip's file inside the dataset, or why there is none."""
        path = (self._root / sample.audio).resolve()
        if not path.is_relative_to(self._root):
            return None, "not linked: the file lies outside of the dataset"
        return (path, "") if path.is_file() else (None, "the file is missing")

    def _embed(self, sample: Sample, room: int) -> int:
        """Embed a clip where it fits; the bytes that it takes."""
        path, _ = self._file(sample)
        if path is None:
            return 0
        try:
            media, content = playable(path)
        except (AudioError, OSError, soundfile.SoundFileError):
            self._notes[sample.id] = "not embedded: it cannot be decoded"
            return 0
        if len(content) > min(CLIP_BYTES, room):
            limit = CLIP_BYTES if len(content) > CLIP_BYTES else ALL_BYTES
            self._notes[sample.id] = f"not embedded: {len(content) / 1e6:.1f} MB, and the limit is {limit / 1e6:g} MB"
            return 0
        self._embedded[sample.id] = f"data:{media};base64,{base64.b64encode(content).decode('ascii')}"
        return len(content)

    def _url(self, path: Path) -> str:
        """A relative URL, which lives on when report and data are moved together; absolute where they share nothing."""
        try:
            shared = Path(os.path.commonpath([path, self._folder]))
        except ValueError:  # another drive
            return path.as_uri()
        if shared == Path(shared.anchor):
            return path.as_uri()
        return quote(os.fsencode(Path(os.path.relpath(path, self._folder)).as_posix()))


def playable(path: Path) -> tuple[str, bytes]:
    """Media type and bytes of a clip: the file's own where browsers play them, else a 16-bit WAV, mixed down to mono.

    Raises:
        AudioError: it cannot be decoded.
        OSError: it cannot be read.
        soundfile.SoundFileError: libsndfile does not know what it is.
    """
    if path.stat().st_size > 16 * CLIP_BYTES:  # however it is coded, it will not fit: do not read it
        return "", b"\0" * (CLIP_BYTES + 1)
    info = soundfile.info(path)
    media = PLAYED.get((info.format, info.subtype))
    if media is not None:
        return media, path.read_bytes()
    clip = decode(path)
    return "audio/wav", wav_bytes(clip.samples, clip.rate)
