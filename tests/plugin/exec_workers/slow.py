"""Passes the canary, then takes its time for every answer."""

import json
import os
import sys
import time
import wave
from pathlib import Path

print(json.dumps({"protocol": "pytest-mcr/1", "name": "slow", "fingerprint": "1"}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    if not request["id"].startswith("canary::"):
        Path(os.environ["BUSY"]).touch()
        time.sleep(0.5)
    with wave.open(request["audio"]) as file:
        heard = sum(file.readframes(400))
    choices = request["candidates"] or [str(heard)]
    print(json.dumps({"id": request["id"], "text": choices[heard % len(choices)]}), flush=True)
