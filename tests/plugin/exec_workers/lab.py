"""The lab model with whatever transformers this interpreter has: the public classes, greedy, one request at a time."""

import json
import os
import sys

answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

import soundfile  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from transformers import AutoProcessor, Qwen2AudioForConditionalGeneration  # noqa: E402

torch.set_num_threads(1)
folder = sys.argv[1]
processor = AutoProcessor.from_pretrained(folder)  # type: ignore[no-untyped-call]
model = Qwen2AudioForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()  # type: ignore[no-untyped-call]
rate = processor.feature_extractor.sampling_rate


def say(record: dict[str, object]) -> None:
    print(json.dumps(record), file=answers, flush=True)


version = transformers.__version__
say({"protocol": "pytest-mcr/1", "name": "lab", "fingerprint": f"transformers {version}", "sample_rate": rate})
for line in sys.stdin:
    request = json.loads(line)
    samples, heard_rate = soundfile.read(request["audio"], dtype="float32")
    assert heard_rate == rate
    content = [{"type": "audio", "audio": samples}, {"type": "text", "text": request["prompt"]}]
    text = processor.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
    )
    inputs = processor(text=text, audio=[samples], sampling_rate=rate, return_tensors="pt")
    with torch.inference_mode():
        ids = model.generate(**inputs, max_new_tokens=request["max_new_tokens"], do_sample=False, num_beams=1)
    new = ids[0, inputs["input_ids"].shape[1] :]
    say({"id": request["id"], "text": processor.tokenizer.decode(new, skip_special_tokens=True)})
