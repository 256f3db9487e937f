"""Is a sound file whole? libsndfile decodes what is left of a cut WAV or Ogg file and says nothing, so look first.

FLAC needs no help: its decoder stops with an error.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

UNKNOWN_LENGTH: Final = 0x7FFF0000
"""From here on a WAV length is a placeholder: programs that write to a pipe cannot know it (2 GiB of a clip)."""
OGG_LAST_PAGE: Final = 4
MPEG1, LAYER3 = 3, 1
BITRATES: Final = {
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""kbit/s of layer III by header index, for MPEG 1 and for MPEG 2 and 2.5 (ISO 11172-3 and 13818-3)."""
RATES: Final = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
"""Hz by version bits and header index."""


def announced_end(path: Path) -> str | None:
    """Compare a file's size with what its own structure announces.

    Returns:
        What is wrong, for a message; None when nothing is, or when the format tells nothing.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size == 0:
            return "is an empty file (0 bytes)"
        magic = file.read(4)
        if magic in (b"RIFF", b"RIFX"):
            return _wav_end(file, size, ">I" if magic == b"RIFX" else "<I")
        if magic == b"OggS":
            return _ogg_end(file, size)
        if path.suffix.lower() == ".mp3" and any(end > size for end, _ in _mp3_frames(file, size)):
            return "cut short (its last frame is incomplete)"
    return None


def _wav_end(file: BinaryIO, size: int, word: str) -> str | None:
    """Walk the chunks of a RIFF file up to the sample data (Multimedia Programming Interface 1.0, 1991)."""
    position = 12
    while position + 8 <= size:
        file.seek(position)
        name, length = file.read(4), struct.unpack(word, file.read(4))[0]
        position += 8
        if name == b"data":
            held = size - position
            cut = held < length < UNKNOWN_LENGTH
            return f"cut short (its header announces {length} bytes of samples, {held} are there)" if cut else None
        position += length + length % 2
    return None


def _ogg_end(file: BinaryIO, size: int) -> str | None:
    """Walk the pages of an Ogg file: the last one must be whole and marked as the end (RFC 3533, section 6)."""
    position, flags = 0, 0
    while position + 27 <= size:
        file.seek(position)
        header = file.read(27)
        if header[:4] != b"OggS":
            break
        lengths = file.read(header[26])
        position += 27 + len(lengths) + sum(lengths)
        flags = header[5]
        if position > size or len(lengths) < header[26]:
            return "cut short (its last Ogg page is incomplete)"
    return None if flags & OGG_LAST_PAGE else "cut short (its last Ogg page is not marked as the end)"


def mp3_samples(path: Path) -> int:
    """Samples a channel in the unbroken run of frames at the start of an mp3 file; 0 for any other file.

    Without a header frame that counts them, libsndfile guesses the number from the first frame's bit rate and reads
    no further, so a variable-rate file can lose its end.
    """
    if path.suffix.lower() != ".mp3":
        return 0
    with path.open("rb") as file:
        return sum(samples for _, samples in _mp3_frames(file, os.fstat(file.fileno()).st_size))


def _mp3_frames(file: BinaryIO, size: int) -> Iterator[tuple[int, int]]:
    """End offset and number of samples of each layer III frame, after an ID3v2 tag, up to what is no frame."""
    file.seek(0)
    tag = file.read(10)
    position = 0
    if tag[:3] == b"ID3" and len(tag) == 10:
        position = 10 + (tag[6] << 21 | tag[7] << 14 | tag[8] << 7 | tag[9])
    while position + 4 <= size:
        file.seek(position)
        header: int = struct.unpack(">I", file.read(4))[0]
        version, layer = header >> 19 & 3, header >> 17 & 3
        bitrate, rate = header >> 12 & 15, header >> 10 & 3
        if header >> 21 != 0x7FF or layer != LAYER3 or version == 1 or bitrate in (0, 15) or rate == 3:
            return
        samples = 1152 if version == MPEG1 else 576
        kbits, hertz = BITRATES[version == MPEG1][bitrate], RATES[version][rate]
        position += samples * kbits * 125 // hertz + (header >> 9 & 1)
        yield position, samples
