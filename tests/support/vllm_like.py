"""A chat completion as vLLM shapes it, computed by the lab model: for the fields that OpenAI's servers do not have.

Shapes after vLLM's ``ChatCompletionRequest`` and ``ChatCompletionResponse``: ``return_token_ids`` adds
``prompt_token_ids`` and the choice's ``token_ids`` (the end-of-turn token included), ``prompt_logprobs`` a list with
null first and then a mapping by token id. Every token is computed by a whole forward pass, without any cache.
"""

from __future__ import annotations

import io
import threading
from pathlib import Path
from typing import Any

import soundfile
import torch
from transformers import AutoProcessor, Qwen2AudioForConditionalGeneration

from tests.support.endpoints import Asked, completion


class LabAnswers:
    """Answers of a checkpoint.

    Args:
        folder: of the checkpoint.
    """

    def __init__(self, folder: Path) -> None:
        self._processor = AutoProcessor.from_pretrained(folder)  # type: ignore[no-untyped-call]
        self._model = Qwen2AudioForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
        self._model.eval()  # type: ignore[no-untyped-call]
        self._end = int(self._model.generation_config.eos_token_id)
        self._lock = threading.Lock()

    def __call__(self, asked: Asked) -> dict[str, Any]:
        with self._lock, torch.inference_mode():
            return self._complete(asked)

    def _complete(self, asked: Asked) -> dict[str, Any]:
        body = asked.body
        inputs = self._inputs(asked)
        prompt: list[int] = inputs.pop("input_ids")[0].tolist()
        written, steps = self._write(prompt, inputs, int(body["max_tokens"]))
        ended = written[-1] == self._end
        text = self._processor.tokenizer.decode(written[:-1] if ended else written, skip_special_tokens=True)
        made = completion(text, finish_reason="stop" if ended else "length", model=body["model"])
        if body.get("logprobs"):
            made["choices"][0]["logprobs"] = {
                "content": [self._token(token, step) for token, step in zip(written, steps, strict=True)]
            }
        if body.get("return_token_ids"):
            made["choices"][0]["token_ids"] = written
            made["prompt_token_ids"] = prompt
        if body.get("prompt_logprobs") is not None:
            made["prompt_logprobs"] = self._read(prompt, inputs, int(body["prompt_logprobs"]))
        return made

    def _inputs(self, asked: Asked) -> dict[str, Any]:
        turns, clips = [], []
        for turn in asked.body["messages"]:
            if isinstance(turn["content"], str):
                turns.append({"role": turn["role"], "content": [{"type": "text", "text": turn["content"]}]})
                continue
            parts = [{"type": "audio"} if part["type"] == "input_audio" else part for part in turn["content"]]
            turns.append({"role": turn["role"], "content": parts})
        if asked.wav is not None:
            samples, rate = soundfile.read(io.BytesIO(asked.wav), dtype="float32")
            assert rate == self._processor.feature_extractor.sampling_rate
            clips.append(samples)
        text = self._processor.apply_chat_template(
            turns, tokenize=False, add_generation_prompt=asked.body.get("add_generation_prompt", True)
        )
        clip = {"audio": clips, "sampling_rate": 16_000} if clips else {}
        made: dict[str, Any] = dict(self._processor(text=text, return_tensors="pt", **clip))
        made.pop("attention_mask", None)
        return made

    def _log_probabilities(self, ids: list[int], inputs: dict[str, Any]) -> torch.Tensor:
        logits = self._model(input_ids=torch.tensor([ids]), attention_mask=torch.ones(1, len(ids)), **inputs).logits[0]
        return torch.log_softmax(logits.double(), -1)

    def _write(self, prompt: list[int], inputs: dict[str, Any], room: int) -> tuple[list[int], list[torch.Tensor]]:
        written: list[int] = []
        steps: list[torch.Tensor] = []
        while len(written) < room and (not written or written[-1] != self._end):
            steps.append(self._log_probabilities([*prompt, *written], inputs)[-1])
            written.append(int(steps[-1].argmax()))
        return written, steps

    def _read(self, prompt: list[int], inputs: dict[str, Any], top: int) -> list[dict[str, Any] | None]:
        rows = self._log_probabilities(prompt, inputs)
        read: list[dict[str, Any] | None] = [None]
        for place in range(1, len(prompt)):
            row = rows[place - 1]
            tokens = dict.fromkeys([prompt[place], *row.topk(top).indices.tolist()])
            read.append({str(token): self._entry(token, row) for token in tokens})
        return read

    def _entry(self, token: int, row: torch.Tensor) -> dict[str, Any]:
        rank = int((row > row[token]).sum()) + 1
        return {"logprob": float(row[token]), "rank": rank, "decoded_token": self._processor.tokenizer.decode([token])}

    def _token(self, token: int, row: torch.Tensor) -> dict[str, Any]:
        return {"token": self._processor.tokenizer.decode([token]), "logprob": float(row[token]), "bytes": None,
                "top_logprobs": []}  # fmt: skip
