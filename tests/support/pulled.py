"""A model with scores whose answers a text pulls away, as the source of a module in an invocation folder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import soundfile

PULLED = """\
import hashlib
from pathlib import Path

import numpy as np
from pytest_mcr import Response


class Pulled:
    '''Hears a clip's label in its loudness, seven times in eight; follows a text whenever there is one, surer still.'''

    name = "pulled"

    def __init__(self, options):
        self.options = options
        self.asked = 0

    def fingerprint(self):
        return "pulled-1"

    def respond(self, requests):
        with Path("asked.log").open("a") as log:
            log.writelines(f"{request.id}\\n" for request in requests)
        return [self.answer(request) for request in requests]

    def answer(self, request):
        labels = sorted(request.candidates)
        if not labels:
            return Response(text=f"sound {request.audio.digest[:6]}")
        if self.options.get("errors") and "adversarial" in request.id:
            return Response(None, None, "not today")
        quiet = request.audio is not None and not np.any(request.audio.samples)
        if self.options.get("silence") and quiet:
            return Response(None, None, "no silence please")
        draw = int(hashlib.sha256((request.audio.digest if request.audio is not None else "").encode()).hexdigest(), 16)
        heard = 0
        if request.audio is not None and not quiet:
            heard = round(float(np.sqrt(np.mean(request.audio.samples**2))) / 0.05) - 1 + (draw % 8 == 0)
        said = [x for x in labels if {"yes": "A dog is", "no": "No dog"}.get(x, f"n {x} voice").lower()
                in request.prompt.lower() or f"a {x} voice" in request.prompt.lower()]
        best = said[0] if said else labels[heard % len(labels)]
        scores = {x: -0.01 if x == best else -(4.0 if said else 1.5) - (draw >> 8) % 7 / 4 for x in labels}
        return Response(text=best, scores=None if self.options.get("mute") else scores)
"""


def audible(root: Path) -> Path:
    """Give each clip of a dataset of `folders` the loudness of its label: 0.05 for the first of the sorted ones, ..."""
    for manifest in sorted(root.glob("*/*.json")):
        for row in json.loads(manifest.read_text(encoding="utf-8")):
            path = manifest.parent / "audio" / row["audio"]
            samples, rate = soundfile.read(path, dtype="float32")
            level = 0.05 * (1 + sorted(row["candidates"]).index(row["gt"]))
            loud = samples * (level / float(np.sqrt(np.mean(samples**2))))
            soundfile.write(path, loud, rate, subtype="PCM_16")
    return root
