"""The file of a calibration head: plain JSON, checked key by key when it is read: anybody may have written it.

A head with a probe has a second file beside it (`head_tensors`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from pytest_mcr.core.clusters import Floats
from pytest_mcr.core.features import FEATURES
from pytest_mcr.core.head import TARGETS, Fitted, Target
from pytest_mcr.core.head_probe import PROBE, Probe
from pytest_mcr.core.logistic import Logistic
from pytest_mcr.errors import OptionError
from pytest_mcr.report.results import replace_bytes, replace_file
from pytest_mcr.run.head_tensors import beside, digest, packed, probe_from, read_tensors

SCHEMA: Final = "pytest-mcr.head/1"
LARGEST: Final = 64 * 2**20
"""Bytes of a file that are read; digests of 100,000 clips take a tenth of it."""
HUGE: Final = 1e9
"""Bound of every mean, scale and weight; products of more would overflow."""
MAKE: Final = "make it again with python -m pytest_mcr.train.calibration_head"


@dataclass(frozen=True, slots=True)
class HeadFile:
    """Saved heads, with what they may be applied to.

    Attributes:
        heads: by target.
        temperature: of temperature scaling on the same dev clips.
        threshold: probability of conflict at which an answer is taken from branch A; None where no budget allows any.
        fingerprint: of the model that was asked.
        model: its name.
        template: of the prompts, with ``version``.
        version: of the template.
        answer: the answer mode.
        data: digest of the dataset.
        dev_clips: digests of the recordings that were learned from.
        dev_groups: their clusters.
        facts: everything else that is worth keeping: seed, versions, what was measured.
    """

    heads: Mapping[Target, Fitted]
    temperature: float | None
    threshold: float | None
    fingerprint: str
    model: str
    template: str
    version: int
    answer: str
    data: str
    dev_clips: frozenset[str]
    dev_groups: frozenset[str]
    facts: Mapping[str, Any]

    @property
    def probes(self) -> dict[str, Probe]:
        """The heads' probes, by target."""
        return {target: head.probe for target, head in self.heads.items() if head.probe is not None}

    def to_json(self) -> dict[str, Any]:
        """The content of the file."""
        return {
            "schema": SCHEMA,
            "model": {"name": self.model, "fingerprint": self.fingerprint},
            "protocol": {"template": self.template, "version": self.version, "answer": self.answer},
            "data": {"digest": self.data},
            "temperature": self.temperature,
            "threshold": self.threshold,
            "heads": {target: _packed(head, self._tensors()) for target, head in self.heads.items()},
            "dev_clips": sorted(self.dev_clips),
            "dev_groups": sorted(self.dev_groups),
            "facts": dict(self.facts),
        }

    def _tensors(self) -> str | None:
        return digest(packed(self.probes)) if self.probes else None


def _packed(head: Fitted, tensors: str | None) -> dict[str, Any]:
    probe = head.probe
    return {
        "features": list(head.features),
        "means": head.model.means.tolist(),
        "scales": head.model.scales.tolist(),
        "weights": head.model.weights.tolist(),
        "intercept": head.model.intercept,
        "prevalence": head.prevalence,
        "rows": head.rows,
    } | ({} if probe is None else {
        "probe": {"layer": probe.layer, "intercept": probe.model.intercept, "width": probe.width, "tensors": tensors}
    })  # fmt: skip


def head_text(head: HeadFile) -> str:
    """The file's text; numbers as they are, so that what is read back is the same head."""
    return json.dumps(head.to_json(), ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def save_head(path: Path, head: HeadFile) -> list[Path]:
    """Write a head, its probes first: without its tensors a head's file would be of no use.

    Returns:
        The files.

    Raises:
        OSError: one cannot be written.
    """
    files = [path]
    if head.probes:
        content = packed(head.probes)
        files.append(beside(path))
        replace_bytes(files[1], content)
    replace_file(path, head_text(head))
    return files


def read_head(path: Path) -> HeadFile:
    """Read a file and check all of it.

    Raises:
        OptionError: one line that names the file, the key, what was expected and what to type.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise OptionError(f"{path}: cannot be read ({error.strerror}); name the --out of a former fit") from error
    if len(content) > LARGEST:
        raise OptionError(f"{path}: larger than {LARGEST // 2**20} MB, so it is no calibration head; {MAKE}")
    try:
        loaded = json.loads(content.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise OptionError(f"{path}: is not JSON ({error}); {MAKE}") from error
    return _Reader(path, loaded).head()


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


class _Reader:
    """Takes values out of an untrusted tree by dotted key."""

    def __init__(self, path: Path, loaded: object) -> None:
        self.path = path
        self.loaded = loaded
        self.tensors: Mapping[str, Floats] | None = None

    def refuse(self, key: str, expected: str, got: object) -> OptionError:
        """The error for a key, its value cut short."""
        shown = json.dumps(got, ensure_ascii=True, default=str)
        shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
        return OptionError(f"{self.path}: {key} is {shown}; expected {expected}; {MAKE}")

    def take(self, key: str) -> Any:
        """The value under a dotted key.

        Raises:
            OptionError: there is none.
        """
        value, done = self.loaded, ""
        for name in key.split("."):
            if not isinstance(value, dict):
                raise self.refuse(done or "the whole file", "an object", value)
            done = f"{done}.{name}" if done else name
            if name not in value:
                raise OptionError(f"{self.path}: {done} is missing; {MAKE}")
            value = value[name]
        return value

    def text(self, key: str) -> str:
        value = self.take(key)
        if not isinstance(value, str):
            raise self.refuse(key, "a text", value)
        return value

    def number(self, key: str, low: float = -math.inf, high: float = math.inf) -> float:
        value = self.take(key)
        return self.as_number(key, value, low, high)

    def as_number(self, key: str, value: object, low: float = -math.inf, high: float = math.inf) -> float:
        within = "" if (low, high) == (-math.inf, math.inf) else f" from {low:g} to {high:g}"
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.refuse(key, f"a finite number{within}", value)
        try:
            number = float(value)
        except OverflowError:
            raise self.refuse(key, f"a finite number{within}", value) from None
        if not math.isfinite(number) or not low <= number <= high:
            raise self.refuse(key, f"a finite number{within}", value)
        return number

    def maybe(self, key: str, low: float, high: float) -> float | None:
        return None if self.take(key) is None else self.number(key, low, high)

    def whole(self, key: str, low: int) -> int:
        value = self.take(key)
        if isinstance(value, bool) or not isinstance(value, int) or value < low:
            raise self.refuse(key, f"a whole number from {low}", value)
        return value

    def texts(self, key: str) -> list[str]:
        value = self.take(key)
        if not isinstance(value, list):
            raise self.refuse(key, "a list of texts", value)
        for place, item in enumerate(value):
            if not isinstance(item, str):
                raise self.refuse(f"{key}[{place}]", "a text", item)
        return value

    def numbers(self, key: str, count: int, low: float = -HUGE) -> Floats:
        value = self.take(key)
        if not isinstance(value, list) or len(value) != count:
            raise self.refuse(key, f"a list of {count} numbers, one a feature", value)
        return np.array([self.as_number(f"{key}[{place}]", item, low, HUGE) for place, item in enumerate(value)])

    def head(self) -> HeadFile:
        schema = self.take("schema")
        if schema != SCHEMA:
            raise self.refuse("schema", f'"{SCHEMA}"', schema)
        heads = self.take("heads")
        if not isinstance(heads, dict) or not heads or not set(heads) <= set(TARGETS):
            raise self.refuse("heads", f"an object with {' or '.join(TARGETS)}", heads)
        facts = self.take("facts")
        if not isinstance(facts, dict):
            raise self.refuse("facts", "an object", facts)
        return HeadFile(
            heads={target: self.fitted(target) for target in TARGETS if target in heads},
            temperature=self.maybe("temperature", 1e-6, 1e6),
            threshold=self.maybe("threshold", 0.0, 1.0),
            fingerprint=self.text("model.fingerprint"),
            model=self.text("model.name"),
            template=self.text("protocol.template"),
            version=self.whole("protocol.version", 0),
            answer=self.text("protocol.answer"),
            data=self.text("data.digest"),
            dev_clips=frozenset(self.texts("dev_clips")),
            dev_groups=frozenset(self.texts("dev_groups")),
            facts=facts,
        )

    def fitted(self, target: Target) -> Fitted:
        key = f"heads.{target}"
        packed_head = self.take(key)
        probe = self.probe(target) if isinstance(packed_head, dict) and "probe" in packed_head else None
        names = self.texts(f"{key}.features")
        known = list(FEATURES) if probe is None else [*FEATURES, PROBE]
        for place, name in enumerate(names):
            if name not in known or name in names[:place]:
                raise self.refuse(f"{key}.features[{place}]", f"one of {', '.join(known)}, once", name)
        if probe is not None and (not names or names[-1] != PROBE):
            raise self.refuse(f"{key}.features", f"a list that ends in {PROBE}", names)
        model = Logistic(
            means=self.numbers(f"{key}.means", len(names)),
            scales=self.numbers(f"{key}.scales", len(names), 1e-12),
            weights=self.numbers(f"{key}.weights", len(names)),
            intercept=self.number(f"{key}.intercept", -HUGE, HUGE),
        )
        prevalence = self.number(f"{key}.prevalence", 1e-9, 1 - 1e-9)
        return Fitted(target, tuple(names), model, prevalence, self.whole(f"{key}.rows", 1), probe)

    def probe(self, target: Target) -> Probe:
        key = f"heads.{target}.probe"
        layer, width = self.whole(f"{key}.layer", 0), self.whole(f"{key}.width", 1)
        intercept = self.number(f"{key}.intercept", -HUGE, HUGE)
        if self.tensors is None:
            self.tensors = read_tensors(self.path, self.text(f"{key}.tensors"), MAKE)
        found = probe_from(self.tensors, target, layer, intercept, frozenset(self.texts("dev_clips")))
        if isinstance(found, str):
            raise OptionError(f"{beside(self.path)}: {found}; {MAKE}")
        if found.width != width:
            raise self.refuse(f"{key}.width", f"{found.width}, as the tensors have", width)
        return found
