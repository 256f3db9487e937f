"""What travels on a report: builtins only, because execnet accepts nothing else."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from pytest_mcr.core.case import Observation, Verdict
from pytest_mcr.run.batch_audit import packed
from pytest_mcr.run.process import Process
from pytest_mcr.run.run import Result

PAYLOAD = "mcr"
"""Attribute of a call report that carries the payload."""

RECORD_KEYS = (
    "id", "task", "sample", "source_id", "condition", "audio", "prompt", "gold", "text_label", "answer", "raw",
    "verdict", "confidence", "scores", "seconds", "cached", "error",
)  # fmt: skip
"""Keys of a line of ``cases.jsonl``, in order."""


def to_wire(result: Result, process: Process | None, worker: str) -> dict[str, Any]:
    """The payload of a case: its observation, its control's, its audit, and what is new about its process."""
    payload: dict[str, Any] = {"case": pack(result.observation)}
    if result.placebo is not None:
        payload["placebo"] = pack(result.placebo)
    if result.audit is not None:
        payload["audit"] = plain(packed(result.audit))
    if result.calibrated is not None:
        payload["calibration"] = plain(result.calibrated.to_json())
    if process is not None:
        payload["process"] = pack_process(process, worker)
    return payload


def probe_to_wire(found: dict[str, Any], process: Process | None, worker: str) -> dict[str, Any]:
    """The payload of a test of the dominance suite: what it found, by kind, and what is new about its process."""
    payload = {kind: plain(part) for kind, part in found.items()}
    if process is not None:
        payload["process"] = pack_process(process, worker)
    return payload


def pack_process(process: Process, worker: str) -> dict[str, Any]:
    """Facts of a process as builtins; `worker` tells processes apart."""
    return {
        "worker": worker,
        "model": plain(process.model),
        "canary": None if process.canary is None else process.canary.to_json(),
        "seconds": dict(process.seconds),
        "notes": [plain(line) for line in process.notes],
        "plain": process.plain,
    }


def pack(observation: Observation) -> dict[str, Any]:
    """An observation as builtins."""
    return {field.name: plain(getattr(observation, field.name)) for field in fields(observation)}


def unpack(packed: dict[str, Any]) -> Observation:
    """The observation of a payload."""
    values = dict(packed)
    values["verdict"] = Verdict(values["verdict"])
    values["candidates"] = tuple(values["candidates"])
    return Observation(**values)


def record_of(packed: dict[str, Any], calibration: dict[str, Any] | None = None) -> dict[str, Any]:
    """The line of ``cases.jsonl`` of a payload; ``lengths`` where the model says them, ``calibrated`` by a head."""
    record = {key: packed[key] for key in RECORD_KEYS}
    if packed["lengths"] is not None:
        record["lengths"] = packed["lengths"]
    return record if calibration is None else record | {"calibrated": calibration["confidence"]}


def plain(value: Any) -> Any:
    """Turn a value into builtins that survive UTF-8: models may return lone surrogates and numpy numbers."""
    if value is None or isinstance(value, (bool, bytes)):
        return value
    if isinstance(value, str):
        return str(value).encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, dict) or hasattr(value, "items"):
        return {plain(str(key)): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, int):
        return int(value)
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:  # a scalar of numpy or torch
        return plain(value.item())
    if hasattr(value, "__float__"):
        return float(value)
    return plain(str(value))
