"""A library of it prints to stdout when the first real case comes."""

import json
import sys
import wave

print(json.dumps({"protocol": "pytest-mcr/1", "name": "prints", "fingerprint": "1"}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    if not request["id"].startswith("canary::"):
        print("Setting `pad_token_id` to 0", flush=True)
    with wave.open(request["audio"]) as file:
        heard = sum(file.readframes(400))
    choices = request["candidates"] or [str(heard)]
    print(json.dumps({"id": request["id"], "text": choices[heard % len(choices)]}), flush=True)
