"""Passes the canary, then hangs, deaf to SIGTERM and to the end of its stdin."""

import json
import os
import signal
import sys
import time
import wave
from pathlib import Path

signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(json.dumps({"protocol": "pytest-mcr/1", "name": "hangs", "fingerprint": "1"}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    if not request["id"].startswith("canary::"):
        Path(os.environ["BUSY"]).touch()
        time.sleep(600)
    with wave.open(request["audio"]) as file:
        heard = sum(file.readframes(400))
    choices = request["candidates"] or [str(heard)]
    print(json.dumps({"id": request["id"], "text": choices[heard % len(choices)]}), flush=True)
