"""Load a checkpoint's model and processor through transformers' own auto classes, on one device, in one dtype."""

# mypy: allow-untyped-calls
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
import transformers
from jinja2 import TemplateError
from safetensors import SafetensorError
from transformers.utils import logging as transformers_logging

from pytest_mcr.errors import ModelError
from pytest_mcr.models.hf_marks import count_unmarked
from pytest_mcr.models.hf_mistral import needs_mistral, speaks_mistral
from pytest_mcr.models.hf_processor import listener
from pytest_mcr.models.hf_remote import own_model_class, refusal
from pytest_mcr.models.hf_settle import NO_ADAPTER, settle, speaking_part

DTYPES: Final = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
UNLOADABLE: Final = (OSError, ValueError, ImportError, RuntimeError, KeyError, TypeError, SafetensorError)
"""What transformers raises about a checkpoint that it cannot load."""
OPTIONAL: Final = ("torchvision", "torchaudio", "pillow")
"""Packages that some families' processors need; torchvision and torchaudio must fit the installed torch."""
UNTEMPLATED: Final = "it has no chat template, so it takes no question; expected chat_template.jinja"
_MARK: Final = "MCRANSWER"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A loaded checkpoint.

    Attributes:
        model: the part that hears and speaks, in inference mode.
        family: ``config.model_type`` of the checkpoint.
        audio_token_id: placeholder of one audio embedding.
        turn_end: token id that closes the assistant's turn in the chat template.
        stops: token ids that end an answer.
        pad: a token id to fill masked places with.
    """

    model: Any
    processor: Any
    family: str
    device: torch.device
    dtype: torch.dtype
    audio_token_id: int
    turn_end: int
    stops: frozenset[int]
    pad: int


def load_checkpoint(
    folder: Path,
    *,
    device: str,
    dtype: str,
    attention: str | None,
    trust_remote_code: bool = False,
    adapter: Path | None = None,
) -> Checkpoint:
    """Load a checkpoint, safetensors only and, unless told otherwise, without its code.

    Args:
        folder: already inspected.
        device: ``auto`` (CUDA where there is one), ``cpu``, ``cuda`` or ``cuda:N``.
        dtype: ``auto`` is bfloat16 on CUDA and float32 on a CPU.
        attention: ``attn_implementation``; None for transformers' choice.
        trust_remote_code: Python code that the checkpoint brings along may run.
        adapter: folder of a LoRA adapter to put on it, inspected; None for none.

    Raises:
        ModelError: it cannot be loaded, has no audio input, or the adapter does not fit it.
    """
    where = choose_device(device)
    number = DTYPES[dtype] if dtype != "auto" else torch.bfloat16 if where.type == "cuda" else torch.float32
    unloadable = Exception if trust_remote_code else UNLOADABLE  # a checkpoint's own code may raise anything
    try:
        with _quiet():
            config = transformers.AutoConfig.from_pretrained(folder, trust_remote_code=trust_remote_code)
            part = speaking_part(config)
            # Before the processor: "no such family" says more than "no such file".
            auto = _auto_class(part, folder, trust_remote_code=trust_remote_code)
            processor = transformers.AutoProcessor.from_pretrained(folder, trust_remote_code=trust_remote_code)
            processor = count_unmarked(processor)
            model = settle(_load_model(auto, folder, part, number, attention), folder, adapter)
    except unloadable as error:
        if not trust_remote_code and "trust_remote_code" in str(error):
            raise refusal(folder, "transformers has no class of its own for a part of it") from error
        reason = " ".join(str(error).split())[:300]
        about_attention = attention is not None and "attention" in reason.casefold()
        advice = f"; leave attn={attention} out" if about_attention else _install(error)
        raise ModelError(
            f"{folder}: transformers {transformers.__version__} cannot load it: {reason}{advice}"
        ) from error
    if listener(processor) is None or not hasattr(processor, "apply_chat_template"):
        raise ModelError(f"{folder}: its {type(processor).__name__} takes no audio; expected an audio-language model")
    if not (speaks_mistral(processor) or _template(processor)):
        raise ModelError(f"{folder}: {needs_mistral(folder) or UNTEMPLATED}")
    model = model.to(where).eval()
    if number is torch.float32:  # TF32 would round float32 products to 10 bits of mantissa
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
    tokenizer = processor.tokenizer
    turn_end = end_of_turn(processor)
    return Checkpoint(
        model=model,
        processor=processor,
        family=str(config.model_type),
        device=where,
        dtype=number,
        audio_token_id=_audio_token_id(folder, model.config, processor),
        turn_end=turn_end,
        stops=_stops(model, tokenizer) | {turn_end},
        pad=turn_end if tokenizer.pad_token_id is None else int(tokenizer.pad_token_id),
    )


def choose_device(device: str) -> torch.device:
    """The device by its name.

    Raises:
        ModelError: no such device here.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        where = torch.device(device)
    except RuntimeError:
        raise ModelError(f"--mcr-device {device}: expected auto, cpu, cuda or cuda:N") from None
    count = torch.cuda.device_count() if where.type == "cuda" else 1
    if where.type not in ("cpu", "cuda") or (where.index or 0) >= count:
        raise ModelError(
            f"--mcr-device {device}: torch {torch.__version__} sees {count} such devices; type: --mcr-device cpu"
        )
    return where


def end_of_turn(processor: Any) -> int:
    """The special token that the chat template writes after an assistant's answer, else the tokenizer's end token.

    Raises:
        ModelError: there is neither.
    """
    tokenizer = processor.tokenizer
    for content in () if speaks_mistral(processor) else (_MARK, [{"type": "text", "text": _MARK}]):
        turns = [
            {"role": "user", "content": [{"type": "text", "text": "?"}]},
            {"role": "assistant", "content": content},
        ]
        try:
            rendered = str(processor.apply_chat_template(turns, tokenize=False))
        except (TemplateError, TypeError, ValueError, KeyError):
            continue  # templates differ in the form of an assistant's content
        _, found, tail = rendered.rpartition(_MARK)
        ids = tokenizer(tail, add_special_tokens=False)["input_ids"] if found and tail else []
        if ids and ids[0] in tokenizer.added_tokens_decoder:
            return int(ids[0])
    if tokenizer.eos_token_id is None:
        raise ModelError("the checkpoint's tokenizer has no end-of-turn token; set eos_token in tokenizer_config.json")
    return int(tokenizer.eos_token_id)


def _auto_class(config: Any, folder: Path, *, trust_remote_code: bool) -> Any:
    own = own_model_class(config, folder) if trust_remote_code else None
    if own is not None:
        return own
    # Audio Flamingo 3 and Music Flamingo are mapped as sequence-to-sequence models only.
    for auto in (transformers.AutoModelForMultimodalLM, transformers.AutoModelForSeq2SeqLM):
        if type(config) in auto._model_mapping:
            return auto
    raise ValueError(f"family {config.model_type} is no audio-language model of this transformers")


def _load_model(auto: Any, folder: Path, config: Any, dtype: torch.dtype, attention: str | None) -> Any:
    chosen: dict[str, Any] = {
        "dtype": dtype, "use_safetensors": True, "trust_remote_code": False, "adapter_kwargs": dict(NO_ADAPTER),
    }  # fmt: skip
    if attention is not None:
        chosen["attn_implementation"] = attention
    model, report = auto.from_pretrained(folder, config=config, output_loading_info=True, **chosen)
    if report["missing_keys"]:  # transformers would fill them with random numbers and a log line
        missing = sorted(report["missing_keys"])
        raise ValueError(f"{len(missing)} of its weights are missing, e.g. {missing[0]}")
    return model


def _install(error: Exception) -> str:
    """What to type where an optional package is missing."""
    text = str(error).lower()
    missing = isinstance(error, ImportError) or "missing optional dependencies" in text
    packages = [name for name in OPTIONAL if missing and name in text]
    return f"; type: pip install {' '.join(packages)}" if packages else ""


def _template(processor: Any) -> Any:
    return getattr(processor, "chat_template", None) or getattr(processor.tokenizer, "chat_template", None)


def _audio_token_id(folder: Path, config: Any, processor: Any) -> int:
    nested = [getattr(config, name, None) for name in ("audio_config", "thinker_config", "text_config")]
    for holder in (config, *nested, processor):
        for name in ("audio_token_id", "audio_token_index"):
            value = getattr(holder, name, None)
            if isinstance(value, int):
                return value
    if (token := getattr(processor, "audio_token", None)) is not None:
        return int(processor.tokenizer.convert_tokens_to_ids(token))
    raise ModelError(f"{folder}: neither config nor processor names an audio token; expected an audio-language model")


def _stops(model: Any, tokenizer: Any) -> frozenset[int]:
    found: set[int] = set() if tokenizer.eos_token_id is None else {int(tokenizer.eos_token_id)}
    ends = model.generation_config.eos_token_id
    if ends is not None:
        found.update(int(token) for token in (ends if isinstance(ends, list) else [ends]))
    return frozenset(found)


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars while weights load: they would be drawn into a test report."""
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if bars:
            transformers_logging.enable_progress_bar()
