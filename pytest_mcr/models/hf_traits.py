"""How a loaded model is run, as the results record it."""

from __future__ import annotations

from typing import Final

import torch

from pytest_mcr.models.hf_inputs import Inputs
from pytest_mcr.models.prefix_answers import Answerer

DECODING: Final = (
    "do_sample", "temperature", "top_p", "top_k", "num_beams", "repetition_penalty", "no_repeat_ngram_size",
    "suppress_tokens", "begin_suppress_tokens",
)  # fmt: skip
"""Settings of a checkpoint's generation config that greedy decoding sets aside."""
KERNELS: Final = ("flash", "mem_efficient", "cudnn", "math")
"""What torch may choose from for attention on a GPU."""


def engine_traits(answerer: Answerer, inputs: Inputs, lanes: int) -> dict[str, object]:
    """What was found about the model, and what computes: builtins."""
    return {
        "continuation": answerer.way,
        "reason": answerer.found.reason,
        "shares_batches": inputs.shares_batches,
        "tokenizes_apart": inputs.tokenizes_apart,
        "narrows_window": answerer.decoder.network.window is not None,
        "last_layer": "everywhere" if answerer.decoder.network.tail is None else "where it is read",
        "lanes": lanes,
        "head": "chosen places" if answerer.decoder.network.headless else "the model's own",
        "tf32": torch.backends.cuda.matmul.allow_tf32 or torch.backends.cudnn.allow_tf32,
        "sdp_kernels": [name for name in KERNELS if getattr(torch.backends.cuda, f"{name}_sdp_enabled")()],
    }
