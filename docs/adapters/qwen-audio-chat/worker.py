"""Qwen-Audio-Chat (the first one, not Qwen2-Audio) as a worker for exec:. Not run here: see README.md."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from worker_loop import claim_stdout, serve

answers = claim_stdout()

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.generation import GenerationConfig

REPO = sys.argv[1] if len(sys.argv) > 1 else "Qwen/Qwen-Audio-Chat"
REVISION = sys.argv[2] if len(sys.argv) > 2 else "main"
DEVICE = f"cuda:{int(os.environ.get('PYTEST_MCR_WORKER', '0')) % max(1, torch.cuda.device_count())}"

tokenizer = AutoTokenizer.from_pretrained(REPO, revision=REVISION, trust_remote_code=True)
model = AutoModelForCausalLM.from_pretrained(
    REPO, revision=REVISION, trust_remote_code=True, device_map=DEVICE, bf16=True
).eval()

# The checkpoint's own settings sample (top_p 0.5) and know its chat format; only the choice of tokens is ours.
settings = GenerationConfig.from_pretrained(REPO, revision=REVISION, trust_remote_code=True)
settings.do_sample = False
settings.num_beams = 1
settings.repetition_penalty = 1.0
settings.top_k, settings.top_p, settings.temperature = None, None, None


def answer(audio, prompt, max_new_tokens):
    parts = [{"text": prompt}] if audio is None else [{"audio": audio}, {"text": prompt}]
    settings.max_new_tokens = max_new_tokens
    model.generation_config = settings
    query = tokenizer.from_list_format(parts)
    with torch.inference_mode():
        text, _history = model.chat(tokenizer, query=query, history=None, generation_config=settings)
    return text


versions = f"transformers {transformers.__version__} torch {torch.__version__}"
fingerprint = f"{REPO}@{REVISION} bf16 greedy {versions} worker 1"
serve(answers, "qwen-audio-chat", fingerprint, answer, sample_rate=16000)
