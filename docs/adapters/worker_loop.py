"""The protocol's loop for the worked examples: one model, one question at a time. The standard library alone.

Call `claim_stdout` before anything that may print is imported, then `serve`.
"""

import json
import os
import sys


def claim_stdout():
    """Keep stdout for answers: whatever else prints goes to stderr from now on."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return answers


def serve(answers, name, fingerprint, answer, sample_rate=None):
    """Answer until stdin ends.

    Args:
        answers: from `claim_stdout`.
        name: of the model, for people.
        fingerprint: of weights, code and settings.
        answer: a function of (path of a 16-bit mono WAV file or None, prompt, max_new_tokens) that returns the text.
        sample_rate: Hz that the files shall have, None for each clip's own.
    """
    say(answers, {"protocol": "pytest-mcr/1", "name": name, "fingerprint": fingerprint, "sample_rate": sample_rate})
    for line in sys.stdin:
        request = json.loads(line)
        try:
            text = answer(request["audio"], request["prompt"], request["max_new_tokens"])
            record = {"id": request["id"], "text": text.strip()}
        except Exception as error:  # costs this case alone; an error is never scored
            record = {"id": request["id"], "error": f"{type(error).__name__}: {error}"}
        say(answers, record)


def say(answers, record):
    """Write one line."""
    print(json.dumps(record), file=answers, flush=True)
