"""A child for the tests of ``exec:``, well behaved or not as its first argument says; the standard library alone."""

import json
import os
import signal
import subprocess
import sys
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Change = Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]]

behaviour, *rest = sys.argv[1:]
state = Path(rest[0]) if rest else Path()  # a file that outlives a crash
HELLO = {"protocol": "pytest-mcr/1", "name": "test-child", "fingerprint": "1"}


def say(record: dict[str, Any]) -> None:
    print(json.dumps(record), flush=True)


def first_life() -> bool:
    """Whether this is the first child of the test."""
    if state.exists():
        return False
    state.touch()
    return True


def answer(request: dict[str, Any]) -> dict[str, Any]:
    heard = "silence"
    if request["audio"]:
        with wave.open(request["audio"]) as file:
            pcm = file.readframes(file.getnframes())
            heard = f"{file.getframerate()} Hz {file.getnchannels()}x{8 * file.getsampwidth()} {pcm[:4].hex()}"
    return {"id": request["id"], "text": f"{request['prompt']} {heard}"}


def requests() -> Iterator[dict[str, Any]]:
    return (json.loads(line) for line in sys.stdin)


def serve(change: Change = lambda record, request: record) -> None:
    for request in requests():
        say(change(answer(request), request))


def hello(**more: object) -> None:
    say({**HELLO, **more})


def grandchild() -> None:
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    Path(rest[0]).write_text(str(subprocess.Popen([sys.executable, "-c", code]).pid))


match behaviour:
    case "good":
        hello()
        serve()
    case "who":
        hello()
        serve(lambda record, request: {**record, "text": f"{os.environ['PYTEST_MCR_WORKER']}:{os.getpid()}"})
    case "paths":
        hello()
        serve(lambda record, request: {**record, "text": request["audio"]})
    case "echo":
        hello()
        serve(lambda record, request: {**record, "text": json.dumps(request)})
    case "hello":
        print(rest[0], flush=True)
        serve()
    case "replies":  # each argument is a line for the request; {id} stands for its id
        hello()
        for request in requests():
            for line in rest:
                print(line.replace("{id}", request["id"]), flush=True)
    case "exits-at-start":
        print("no weights here", file=sys.stderr)
        sys.exit(3)
    case "one-loads":
        if os.environ["PYTEST_MCR_WORKER"] == "0":
            time.sleep(600)
        sys.exit(3)
    case "silent-at-start":
        time.sleep(600)
    case "crashes-once":
        hello()
        once = first_life()
        for count, request in enumerate(requests()):
            if once and count == 2:
                os.kill(os.getpid(), signal.SIGSEGV)
            say(answer(request))
    case "crashes-on":
        hello()
        for request in requests():
            if request["id"] == rest[0]:
                print("Traceback: CUDA error\nout of luck", file=sys.stderr, flush=True)
                sys.exit(9)
            say(answer(request))
    case "hangs-once":
        hello()
        once = first_life()
        for request in requests():
            if once:
                time.sleep(600)
            say(answer(request))
    case "slow":
        hello()
        for request in requests():
            time.sleep(float(rest[0]))
            say(answer(request))
    case "hangs":
        hello()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        next(iter(requests()))
        time.sleep(600)
    case "closes-stdout":
        hello()
        sys.stdin.readline()
        os.close(1)
        time.sleep(600)
    case "changes":
        hello(fingerprint=str(first_life()))
        next(iter(requests()))
        sys.exit(1)
    case "differ":
        hello(fingerprint=os.environ["PYTEST_MCR_WORKER"])
        serve()
    case "noise-on-stderr":
        print("x" * 79 + "\n" * 1, file=sys.stderr, end="")
        for _ in range(131_072):  # 10 MB
            sys.stderr.write("x" * 79 + "\n")
        sys.stderr.flush()
        hello()
        serve(lambda record, request: (sys.stderr.write("y" * 500_000 + "\n"), record)[1])
    case "huge-line":
        hello()
        serve(lambda record, request: {**record, "text": "z" * int(rest[0])})
    case "endless-line":
        hello()
        next(iter(requests()))
        while True:
            sys.stdout.write("z" * 100_000)
    case "reverse":
        hello()
        for line in reversed([sys.stdin.readline() for _ in range(int(rest[0]))]):
            say(answer(json.loads(line)))
        serve()
    case "reads-late":
        hello()
        time.sleep(0.3)
        serve()
    case "slow-exit":
        hello()
        serve()
        time.sleep(float(rest[1]))
        state.write_text("left by itself")
    case "ignores-everything":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        hello()
        serve()
        while True:
            time.sleep(600)
    case "grandchild":
        grandchild()
        hello()
        serve()
    case "grandchild-of-a-crash":
        grandchild()
        hello()
        next(iter(requests()))
        sys.exit(1)
    case "rate":
        hello(sample_rate=int(rest[0]))
        serve()
