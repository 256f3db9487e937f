"""Small models as a user would write them, each with one fault or feature; the source of a module for ``a:b`` specs."""

SOURCE = '''
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


def raises(options):
    raise RuntimeError("weights are missing\\nsecond line")


def no_model(options):
    return object()


not_callable = 3
'''
