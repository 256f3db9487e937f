"""Kimi-Audio as a worker for exec:, with the package kimia_infer. Not run here: see README.md."""

import os
import sys
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from worker_loop import claim_stdout, serve

answers = claim_stdout()

import torch
from kimia_infer.api.kimia import KimiAudio

PATH = sys.argv[1] if len(sys.argv) > 1 else "moonshotai/Kimi-Audio-7B-Instruct"
torch.cuda.set_device(int(os.environ.get("PYTEST_MCR_WORKER", "0")) % max(1, torch.cuda.device_count()))
model = KimiAudio(model_path=PATH, load_detokenizer=False)  # it shall answer in text


def answer(audio, prompt, max_new_tokens):
    turns = [{"role": "user", "message_type": "text", "content": prompt}]
    if audio is not None:  # text first: the order that the model was trained in
        turns.append({"role": "user", "message_type": "audio", "content": audio})
    _wav, text = model.generate(
        turns,
        output_type="text",
        text_temperature=0.0,  # greedy
        audio_temperature=0.0,
        text_repetition_penalty=1.0,
        audio_repetition_penalty=1.0,
        max_new_tokens=max_new_tokens,
    )
    return text


fingerprint = f"{PATH} bf16 greedy text-first transformers {version('transformers')} worker 1"
serve(answers, "kimi-audio (text first)", fingerprint, answer, sample_rate=16000)
