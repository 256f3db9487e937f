"""A worker for `--mcr-model "exec:python template_worker.py"`: copy it, and put your model into Model.

It needs the standard library alone, and runs as it stands: it answers by loudness, so that the canary passes.
"""

import array
import json
import os
import sys
import wave


class Model:
    name = "loudness"
    fingerprint = "loudness-1"  # change it with the weights, the code or the decoding: cached answers hang on it
    sample_rate = None  # or 16000: clips then arrive at this rate

    def __init__(self):
        pass  # load your model here

    def answer(self, samples, rate, request):
        """Return the answer's text. samples: floats in [-1, 1], mono, at rate Hz; None for a question without audio."""
        if samples is None:
            loudness = 0.0
        else:
            loudness = sum(sample * sample for sample in samples) / len(samples)
            loudness += sum(abs(sample) for sample in samples[:1000])  # so that two clips hardly ever agree
        if not request["candidates"]:
            return f"a sound of loudness {loudness:.9f}"
        # Decode greedily, at most request["max_new_tokens"] tokens, from request["prompt"] as it stands.
        return request["candidates"][int(loudness * 1e6) % len(request["candidates"])]


def read(path):
    with wave.open(path) as file:  # always 16 bit, mono
        rate, pcm = file.getframerate(), array.array("h", file.readframes(file.getnframes()))
    return [sample / 32768 for sample in pcm], rate


def main():
    answers = os.fdopen(os.dup(1), "w")  # stdout belongs to the protocol:
    os.dup2(2, 1)  # whatever a library prints goes to stderr
    model = Model()
    hello = {"protocol": "pytest-mcr/1", "name": model.name, "fingerprint": model.fingerprint}
    print(json.dumps({**hello, "sample_rate": model.sample_rate}), file=answers, flush=True)
    for line in sys.stdin:  # its end means stop
        request = json.loads(line)
        samples, rate = read(request["audio"]) if request["audio"] else (None, None)
        try:
            answer = {"id": request["id"], "text": model.answer(samples, rate, request)}
        except Exception as error:  # costs this case alone; an error is never scored
            answer = {"id": request["id"], "error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
