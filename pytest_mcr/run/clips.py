"""The clips of a dataset: known by the hash of their bytes, decoded only when a model is to hear them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pytest_mcr.data.audio import decode, resample, resampled_length
from pytest_mcr.models.protocol import Audio
from pytest_mcr.run.cache import ResponseCache
from pytest_mcr.run.cache_key import clip_key


@dataclass(frozen=True, slots=True)
class Clip:
    """What is known of a clip without its samples.

    Attributes:
        digest: of the decoded audio.
        samples: at `rate`.
        rate: Hz, the file's own.
        key: of the file's bytes, None without a cache.
    """

    digest: str
    samples: int
    rate: int
    key: str | None = None

    def played(self, rate: int | None) -> int:
        """Samples at a model's rate in Hz; None is the file's own."""
        return resampled_length(self.samples, self.rate, rate or self.rate)

    def to_text(self) -> str:
        """The clip as the cache keeps it."""
        return f"{self.digest}:{self.samples}:{self.rate}"

    @classmethod
    def from_text(cls, text: str, key: str) -> Clip:
        """The clip that `to_text` wrote."""
        digest, samples, rate = text.split(":")
        return cls(digest, int(samples), int(rate), key)


class Clips:
    """Opens the clips of one dataset for one model.

    Args:
        root: of the dataset; paths are relative to it.
        rate: Hz that the model wants, None for each file's own.
        cache: remembers digests by file, None for none.
    """

    def __init__(self, root: Path, rate: int | None, cache: ResponseCache | None) -> None:
        self._root = root
        self.rate = rate
        self._cache = cache

    def key(self, path: str) -> str | None:
        """Hash of a file and the decoder; None without a cache, or where the file cannot be read."""
        if self._cache is None:
            return None
        try:
            return clip_key(self._root / path)
        except OSError:
            return None  # decoding it will say why

    def recall(self, key: str | None) -> Clip | None:
        """The clip, if an earlier run decoded these very bytes."""
        text = None if key is None or self._cache is None else self._cache.digest_of(key)
        return None if key is None or text is None else Clip.from_text(text, key)

    def decode(self, path: str, key: str | None) -> tuple[Audio, Clip]:
        """Decode a clip and bring it to the model's rate.

        Raises:
            AudioError: it cannot be read or decoded.
        """
        whole = decode(self._root / path)
        clip = Clip(whole.digest, len(whole.samples), whole.rate, key)
        return resample(whole, self.rate or whole.rate), clip

    def size(self, path: str) -> int:
        """Bytes of a file, 0 where it cannot be looked at; a stand-in for its length."""
        try:
            return (self._root / path).stat().st_size
        except OSError:
            return 0
