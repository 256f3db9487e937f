"""Never opens the file: answers by the prompt alone, with scores."""

import json
import sys
import zlib

print(json.dumps({"protocol": "pytest-mcr/1", "name": "deaf", "fingerprint": "1"}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    choices = request["candidates"] or ["a dog barking"]
    chosen = zlib.crc32(request["prompt"].encode()) % len(choices)
    scores = {label: 0.0 if place == chosen else -5.0 for place, label in enumerate(choices)}
    answer = {"id": request["id"], "text": choices[chosen]}
    print(json.dumps({**answer, "scores": scores} if request["want_scores"] else answer), flush=True)
