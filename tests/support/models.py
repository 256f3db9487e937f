"""Small models as a user would write them, each with one fault or feature; the source of a module for ``a:b`` specs."""

SOURCE = '''
import threading
import time

import numpy as np

from pytest_mcr import Response
from pytest_mcr.models.oracle import Oracle


class Listener(Oracle):
    """A perfect listener under another name, to be spoilt by the classes below."""

    def __init__(self, options):
        super().__init__("listener", {})
        self.name = type(self).__name__

    def respond(self, requests):
        answers = super().respond(requests)
        return [self.spoil(request, answer) for request, answer in zip(requests, answers)]

    def spoil(self, request, answer):
        return answer

    def only(self, request, *cases):
        return any(request.id.startswith(case) for case in cases)


class RaisesOnOne(Listener):
    """Fails on one case, alone or in a batch."""

    def respond(self, requests):
        if any(request.id == "AQA-0003-faithful" for request in requests):
            raise ValueError("bad clip\\nand a second line")
        return super().respond(requests)


class RaisesOnBatches(Listener):
    """Out of memory on more than one request."""

    def respond(self, requests):
        if len(requests) > 1 and not requests[0].id.startswith("canary::"):
            raise MemoryError("batch of %d" % len(requests))
        return super().respond(requests)


class Recovers(Listener):
    """Fails on one case as often as ``times`` says, then answers."""

    def __init__(self, options):
        super().__init__(options)
        self.left = int(options["times"])

    def spoil(self, request, answer):
        if request.id != "AQA-0003-faithful" or not self.left:
            return answer
        self.left -= 1
        return Response(None, None, "not yet")


class ErrorsOnFour(Listener):
    def spoil(self, request, answer):
        bad = self.only(request, *("AQA-%04d-neutral" % n for n in range(4)))
        return Response(None, None, "no answer") if bad else answer


class MumblesOnFour(Listener):
    def spoil(self, request, answer):
        bad = self.only(request, *("AQA-%04d-neutral" % n for n in range(4)))
        return Response("Hmm.", answer.scores) if bad else answer


class WrongTypes(Listener):
    """Breaks the contract in a different way in each of four cases."""

    def spoil(self, request, answer):
        broken = {
            "AQA-0001-neutral": "yes",
            "AQA-0002-faithful": Response(3, None),
            "AQA-0003-adversarial": Response(None, None),
            "AQA-0004-irrelevant": Response("yes", {"yes": 0.0}),
        }
        return broken.get(request.id, answer)


class NotASequence(Listener):
    def respond(self, requests):
        answers = super().respond(requests)
        return answers if requests[0].id.startswith("canary::") else iter(answers)


class SaysTheSame(Listener):
    """Hears the canary, then always says one thing."""

    def spoil(self, request, answer):
        return answer if request.id.startswith("canary::") else Response("yes", None)


class Surrogates(Listener):
    """A lone surrogate, rich markup, a terminal escape and a non-breaking space around the answer."""

    def spoil(self, request, answer):
        return Response("[bold red]\\ud800 \\x1b[31m %s[/]\\u00a0" % answer.text, answer.scores)


class NumpyNumbers(Listener):
    def spoil(self, request, answer):
        if answer.scores is None:
            return answer
        return Response(answer.text, {label: np.float32(score) for label, score in answer.scores.items()})


class Mutates(Listener):
    """Scribbles over everything that it is given, and keeps a hand on what it gave."""

    given = []

    def respond(self, requests):
        answers = super().respond(requests)
        for request in requests:
            assert request.audio.samples.any(), "somebody else's silence"
            request.audio.samples[:] = 0
        for old in self.given:
            old.clear()
        self.given = [answer.scores for answer in answers if isinstance(answer.scores, dict)]
        requests.reverse()
        return answers


class Follows(Oracle):
    """Follows the text, in markup and escapes."""

    name = "Follows"

    def __init__(self, options):
        super().__init__("text-follower", {})

    def respond(self, requests):
        return [Response("[red]\x1b[31m %s[/red]" % answer.text, answer.scores) for answer in super().respond(requests)]


class Recorded(Listener):
    recorded = True


class TextOnly(Listener):
    """Gives no scores."""

    def spoil(self, request, answer):
        return Response(answer.text)


class CountsLoads(Listener):
    """Says on stderr when it is loaded and closed."""

    def __init__(self, options):
        super().__init__(options)
        with open("loads.txt", "a") as log:
            log.write("load %s\\n" % dict(options))

    def close(self):
        with open("loads.txt", "a") as log:
            log.write("close\\n")


class Kept(Listener):
    """Its answers may be cached; says in asked.txt what it is asked, and takes a while if told to."""

    cacheable = True

    def __init__(self, options):
        super().__init__(options)
        self.options = options

    def fingerprint(self):
        return "kept %s" % self.options.get("version", "1")

    def respond(self, requests):
        time.sleep(float(self.options.get("seconds", 0)) * len(requests))
        with open("asked.txt", "a") as log:
            log.write("".join(request.id + "\\n" for request in requests))
        return super().respond(requests)

    def spoil(self, request, answer):
        if self.only(request, "AQA-0001-neutral"):
            return Response(None, None, "not today") if self.options.get("errors") else Response("Hmm.", answer.scores)
        return answer


class Batched(Listener):
    """Has a plain path beside its batches, which differs as the options say."""

    dtype = "float32"

    def __init__(self, options):
        super().__init__(options)
        self.options = options
        self.cacheable = "cacheable" in options

    def respond_plain(self, requests):
        assert len(requests) == 1
        (answer,) = self.respond(requests)
        label, *others = sorted(answer.scores)
        scores = {**answer.scores, label: answer.scores[label] + float(self.options.get("drift", 0))}
        wrong = self.options.get("flips") and self.only(*requests, "AQA-000")
        return [Response("maybe" if wrong else answer.text, scores)]


class Ahead(Listener):
    """Takes its time, and says in threads.txt where it is told of clips to come."""

    def prefetch(self, audio):
        with open("threads.txt", "a") as log:
            log.write("%s %s\\n" % (threading.current_thread().name.partition("_")[0], audio.digest))

    def respond(self, requests):
        time.sleep(0.1)
        return super().respond(requests)


def raises(options):
    raise RuntimeError("weights are missing\\nsecond line")


def no_model(options):
    return object()


not_callable = 3
'''
