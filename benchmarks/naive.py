"""The baselines, written as published runners are and without our adapter: the processor and the model, case by case.

Qwen2-Audio's own model card renders the chat template, gives text and samples to the processor, calls ``generate``
and decodes what comes after the prompt. One case at a time is *naive*; the same on left-padded batches is *batched*.
"""

# mypy: allow-untyped-calls
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoProcessor, Qwen2AudioForConditionalGeneration

from pytest_mcr.models.protocol import Request

END = "<|im_end|>"


def use_threads(count: int) -> None:
    """Set the number of CPU threads of this process."""
    torch.set_num_threads(count)


class Naive:
    """A Qwen2-Audio in the hands of a plain script.

    Args:
        model: in inference mode.
        processor: its own.
    """

    def __init__(self, model: Any, processor: Any) -> None:
        self.model = model
        self.processor = processor
        processor.tokenizer.padding_side = "left"

    @classmethod
    def load(cls, folder: Path) -> Naive:
        """Load a checkpoint in float32 on the CPU."""
        model = Qwen2AudioForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
        return cls(model, AutoProcessor.from_pretrained(folder))

    @torch.inference_mode()
    def generate(self, requests: Sequence[Request]) -> list[str]:
        """Greedy answers, one case at a time."""
        return [self._answers([request])[0] for request in requests]

    @torch.inference_mode()
    def generate_batched(self, requests: Sequence[Request], rows: int = 32) -> list[str]:
        """Greedy answers in left-padded batches, in the order of the requests."""
        batches = (requests[at : at + rows] for at in range(0, len(requests), rows))
        return [answer for batch in batches for answer in self._answers(batch)]

    @torch.inference_mode()
    def forward(self, requests: Sequence[Request]) -> list[torch.Tensor]:
        """Logits of each prompt's next token, shape (vocabulary,), one whole forward pass a prompt.

        The head is applied to the last position alone, which is kinder to this baseline than the model's own forward.
        """
        found = []
        for request in requests:
            hidden = self.model.model(**self._inputs([request])).last_hidden_state
            found.append(self.model.lm_head(hidden[0, -1]))
        return found

    @torch.inference_mode()
    def score(self, requests: Sequence[Request]) -> list[dict[str, float]]:
        """Sum of log p in nats over each label and the end of the turn, one whole forward pass a prompt and label."""
        return [{label: self._score(request, label) for label in request.candidates} for request in requests]

    def _answers(self, requests: Sequence[Request]) -> list[str]:
        inputs = self._inputs(requests)
        limit = max(request.max_new_tokens for request in requests)
        ids = self.model.generate(**inputs, max_new_tokens=limit, do_sample=False)
        new = ids[:, inputs["input_ids"].shape[1] :]
        answers: list[str] = self.processor.batch_decode(
            new, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return answers

    def _score(self, request: Request, label: str) -> float:
        tail = self.processor.tokenizer(label + END, add_special_tokens=False)["input_ids"]
        hidden = self.model.model(**self._inputs([request], label + END)).last_hidden_state
        logits = self.model.lm_head(hidden[0, -len(tail) - 1 : -1]).float().log_softmax(-1)
        return float(sum(logits[place, token] for place, token in enumerate(tail)))

    def _inputs(self, requests: Sequence[Request], tail: str = "") -> Any:
        texts, clips = [], []
        for request in requests:
            assert request.audio is not None
            turn = [{"type": "audio", "audio_url": "clip.wav"}, {"type": "text", "text": request.prompt}]
            asked = [{"role": "user", "content": turn}]
            rendered = self.processor.apply_chat_template(asked, add_generation_prompt=True, tokenize=False)
            texts.append(rendered + tail)
            clips.append(request.audio.samples)
        rate = self.processor.feature_extractor.sampling_rate
        inputs = self.processor(text=texts, audio=clips, sampling_rate=rate, return_tensors="pt", padding=True)
        inputs = inputs.to(self.model.device)
        inputs["input_features"] = inputs["input_features"].to(self.model.dtype)
        return inputs
