"""Audio Flamingo 2 as a worker for exec:, with the code of its own repository. Not run here: see README.md."""

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from worker_loop import claim_stdout, serve

answers = claim_stdout()

# A checkout's inference_HF_pretrained folder, with the hub repository's files (safe_ckpt/, clap_ckpt/) beside it.
folder = Path(sys.argv[1]).resolve()
sys.path.insert(0, str(folder))
os.chdir(folder)

import torch
import transformers
import yaml
from inference import load_audio  # windows of 30 s, as it was trained
from safetensors.torch import load_file
from src.factory import create_model_and_transforms

DEVICE = torch.device(f"cuda:{int(os.environ.get('PYTEST_MCR_WORKER', '0')) % max(1, torch.cuda.device_count())}")
config = yaml.safe_load(Path("configs/inference.yaml").read_text())
training, clap = config["train_config"], config["clap_config"]
model, tokenizer = create_model_and_transforms(
    **config["model_config"],
    clap_config=clap,
    use_local_files=training["offline"],
    gradient_checkpointing=training["gradient_checkpointing"],
    freeze_lm_embeddings=training["freeze_lm_embeddings"],
)
chunks = sorted(json.loads(Path("safe_ckpt/metadata.json").read_text()))
weights = {}
for chunk in chunks:
    weights.update(load_file(f"safe_ckpt/{chunk}.safetensors"))
missing, unexpected = model.load_state_dict(weights, strict=False)
print(f"{len(missing)} keys missing, {len(unexpected)} unexpected", file=sys.stderr)
model = model.to(DEVICE).eval()


def answer(audio, prompt, max_new_tokens):
    if audio is None:
        raise ValueError("Audio Flamingo 2 has no way to be asked without audio")
    clips, mask = load_audio(audio, clap)
    # Its own script writes the question in lower case; the benchmark's prompt stays as it is.
    ids = tokenizer(f"<audio>{prompt.strip()}{tokenizer.sep_token}", return_tensors="pt")["input_ids"]
    if ids.shape[1] > 512:
        raise ValueError(f"the prompt has {ids.shape[1]} tokens, the model was trained on 512")
    with torch.inference_mode():
        output = model.generate(
            audio_x=clips.unsqueeze(0).to(DEVICE),
            audio_x_mask=mask.unsqueeze(0).to(DEVICE),
            lang_x=ids.to(DEVICE),
            eos_token_id=tokenizer.eos_token_id,
            max_new_tokens=max_new_tokens,
            do_sample=False,
            num_beams=1,
        )[0]
    text = tokenizer.decode(output).split(tokenizer.sep_token)[-1]
    for token in (tokenizer.eos_token, tokenizer.pad_token, "<|endofchunk|>"):
        text = text.replace(token, "")
    return text


size = sum(Path(f"safe_ckpt/{chunk}.safetensors").stat().st_size for chunk in chunks)
name = config["model_config"]["lang_encoder_path"].rpartition("/")[2]
fingerprint = f"audio-flamingo-2 {name} {size} greedy transformers {transformers.__version__} worker 1"
serve(answers, f"audio-flamingo-2 ({name})", fingerprint, answer, sample_rate=16000)
