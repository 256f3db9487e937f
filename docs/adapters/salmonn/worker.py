"""SALMONN as a worker for exec:, with the code of its own repository. Not run here: see README.md."""

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from worker_loop import claim_stdout, serve

answers = claim_stdout()

parser = argparse.ArgumentParser()
parser.add_argument("repository", type=Path, help="a checkout of bytedance/SALMONN, branch salmonn")
parser.add_argument("config", type=Path, help="its configs/decode_config.yaml with your paths in it")
given = parser.parse_args()
repository, config_file = given.repository.resolve(), given.config.resolve()
sys.path.insert(0, str(repository))
os.chdir(repository)  # the configuration names files of the repository

import torch
import transformers
from config import Config
from models.salmonn import SALMONN
from transformers import WhisperFeatureExtractor
from utils import prepare_one_sample

DEVICE = torch.device(f"cuda:{int(os.environ.get('PYTEST_MCR_WORKER', '0')) % max(1, torch.cuda.device_count())}")
torch.cuda.set_device(DEVICE)  # its code says .cuda()
config = Config(argparse.Namespace(cfg_path=str(config_file), device=str(DEVICE), options=None)).config
model = SALMONN.from_config(config.model).to(DEVICE).eval()
whisper = WhisperFeatureExtractor.from_pretrained(config.model.whisper_path)


def answer(audio, prompt, max_new_tokens):
    if audio is None:
        raise ValueError("SALMONN has no way to be asked without audio")
    samples = prepare_one_sample(audio, whisper)
    turn = config.model.prompt_template.format("<Speech><SpeechHere></Speech> " + prompt.strip())
    greedy = {"max_new_tokens": max_new_tokens, "num_beams": 1, "do_sample": False, "repetition_penalty": 1.0}
    with torch.inference_mode(), torch.autocast("cuda", dtype=torch.float16):
        [text] = model.generate(samples, greedy, prompts=[turn])
    return text.replace("<s>", "").replace("</s>", "")


checkpoint = Path(config.model.ckpt)
identity = f"{checkpoint.name} {checkpoint.stat().st_size} {int(checkpoint.stat().st_mtime)}"
fingerprint = f"salmonn {identity} float16 greedy transformers {transformers.__version__} worker 1"
serve(answers, f"salmonn ({checkpoint.stem})", fingerprint, answer, sample_rate=16000)
