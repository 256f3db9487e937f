"""A chat completion server on loopback, real HTTP, that misbehaves on demand."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import numpy as np
import soundfile

from pytest_mcr.data.audio import noise
from pytest_mcr.models.protocol import Request

MODEL: Final = "served-model"


@dataclass(frozen=True)
class Asked:
    """A request as the server got it."""

    number: int
    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def parts(self) -> list[dict[str, Any]]:
        turns = [turn for turn in self.body["messages"] if turn["role"] == "user"]
        found: list[dict[str, Any]] = turns[-1]["content"]
        return found

    @property
    def prompt(self) -> str:
        return "".join(part["text"] for part in self.parts if part["type"] == "text")

    @property
    def wav(self) -> bytes | None:
        for part in self.parts:
            if part["type"] == "input_audio":
                return base64.b64decode(part["input_audio"]["data"], validate=True)
        return None


def heard(wav: bytes | None, prompt: str) -> str:
    """An answer that only this clip and this question have."""
    samples = b"" if wav is None else soundfile.read(io.BytesIO(wav), dtype="int16")[0].tobytes()
    return hashlib.sha256(samples + prompt.encode()).hexdigest()[:12]


def answer(asked: Asked) -> str:
    return heard(asked.wav, asked.prompt)


def completion(text: str | None, **changes: Any) -> dict[str, Any]:
    """The body of a chat completion."""
    message = {"role": "assistant", "content": text, **changes.pop("message", {})}
    choice = {"index": 0, "message": message, "finish_reason": changes.pop("finish_reason", "stop")}
    return {"id": "1", "object": "chat.completion", "created": 1, "model": MODEL, "choices": [choice], **changes}


FAILURE_WORDS: Final = "internal failure words"
PASSING: Final = ("429", "500", "503", "drop", "half", "not json", "no choices", "null content", "array", "hang")
"""Faults that another try may get past."""


class Server:
    """A server in threads of its own.

    Args:
        answer: makes the text of an answer, or a whole body.
        fault: names the fault of a request, None for none; sees chat completions only.
        models: ids that ``GET /models`` lists, None for a server without it.
        port: to listen on; 0 for any that is free.
        words: of its errors.

    Attributes:
        asked: chat completions so far, in the order of their arrival.
    """

    def __init__(
        self,
        answer: Callable[[Asked], str | dict[str, Any]] = answer,
        fault: Callable[[Asked], str | None] = lambda asked: None,
        models: list[str] | None = None,
        port: int = 0,
        words: str = FAILURE_WORDS,
    ) -> None:
        self.words = words
        self.answer = answer
        self.fault = fault
        self.models = models
        self.asked: list[Asked] = []
        self.most_at_once = 0
        self._now = 0
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._connections: set[socket.socket] = set()
        self._http = Http(port, self)
        self.port = int(self._http.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}/v1"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *error: object) -> None:
        self.die()

    def die(self) -> None:
        """Close the port and every connection at once."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    @property
    def open_connections(self) -> int:
        with self._lock:
            return len(self._connections)


class Http(ThreadingHTTPServer):
    """The listening socket of a `Server`."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, port: int, owner: Server) -> None:
        self.owner = owner
        super().__init__(("127.0.0.1", port), Handler)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Http

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each reply waits 40 ms for an acknowledgement

    @property
    def owner(self) -> Server:
        return self.server.owner

    def setup(self) -> None:
        super().setup()
        with self.owner._lock:
            self.owner._connections.add(self.connection)

    def finish(self) -> None:
        with self.owner._lock:
            self.owner._connections.discard(self.connection)
        with suppress(OSError):
            super().finish()

    def handle(self) -> None:
        with suppress(OSError):
            super().handle()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def do_GET(self) -> None:
        if self.owner.models is None:
            self.reply(404, {"error": {"message": "no such path"}})
        else:
            self.reply(200, {"object": "list", "data": [{"id": name} for name in self.owner.models]})

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        with self.owner._lock:
            self.owner._now += 1
            self.owner.most_at_once = max(self.owner.most_at_once, self.owner._now)
            asked = Asked(len(self.owner.asked), self.path, dict(self.headers.items()), json.loads(raw))
            self.owner.asked.append(asked)
        try:
            self.respond(asked, self.owner.fault(asked))
        finally:
            with self.owner._lock:
                self.owner._now -= 1

    def respond(self, asked: Asked, fault: str | None) -> None:
        made = self.owner.answer(asked)
        body = made if isinstance(made, dict) else completion(made)
        if fault is None:
            self.reply(200, body)
        elif fault in BODIES:
            self.reply(200, BODIES[fault](body))
        elif fault.isdecimal():
            extra = {"Retry-After": "0"} if fault == "429" else {}
            self.reply(int(fault), {"error": {"message": self.owner.words}}, extra)
        else:
            getattr(self, fault.replace(" ", "_").replace("-", "_"))(body)

    def reply(self, status: int, body: object, extra: dict[str, str] | None = None) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in (extra or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def busy(self, body: object) -> None:
        self.reply(429, {"error": {"message": FAILURE_WORDS}}, {"Retry-After": "1"})

    def busy_date(self, body: object) -> None:
        until = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
        self.reply(429, {"error": {"message": FAILURE_WORDS}}, {"Retry-After": until})

    def redirect(self, body: object) -> None:
        self.reply(307, b"", {"Location": "http://elsewhere.invalid/v1/chat/completions?x=1"})

    def drop(self, body: object) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def half(self, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2])
        self.drop(body)

    def hang(self, body: object) -> None:
        self.owner._stopping.wait(30)
        self.close_connection = True

    def drip(self, body: object) -> None:
        """A byte now and then, so that no single read takes long."""
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        for at in range(len(data)):
            if self.owner._stopping.wait(0.1):
                break
            self.wfile.write(data[at : at + 1])

    def slow(self, body: object) -> None:
        time.sleep(0.2)
        self.reply(200, body)


def _changed(**changes: Any) -> Callable[[Any], object]:
    return lambda body: {**body, **changes}


def _choice(**changes: Any) -> Callable[[Any], object]:
    return lambda body: {**body, "choices": [{**body["choices"][0], **changes}]}


BODIES: Final[dict[str, Callable[[Any], object]]] = {
    "not json": lambda body: FAILURE_WORDS.encode(),
    "array": lambda body: [body],
    "no choices": _changed(choices=[]),
    "two choices": lambda body: {**body, "choices": body["choices"] * 2},
    "null content": _choice(message={"role": "assistant", "content": None}),
    "list content": _choice(message={"role": "assistant", "content": [FAILURE_WORDS]}),
    "no message": _choice(message=None),
    "content filter": _choice(finish_reason="content_filter"),
    "unfinished": _choice(finish_reason=None),
    "length": _choice(finish_reason="length"),
    "refusal": _choice(message={"role": "assistant", "content": FAILURE_WORDS, "refusal": FAILURE_WORDS}),
    "other model": _changed(model="another-model"),
    "no model": _changed(model=None),
    "main": _changed(model=f"{MODEL}@main"),
    "error body": lambda body: {"error": {"message": FAILURE_WORDS}},
}
"""Bodies of replies with status 200, by fault."""


def requests(count: int, clips: int | None = None, candidates: tuple[str, ...] = ()) -> list[Request]:
    """Questions about different clips of noise, four about each unless said otherwise."""
    heard = [noise(0.02, 8000, seed) for seed in range(clips or -(-count // 4))]
    return [
        Request(f"AQA-{n // 4:04d}-{n % 4}", heard[n % len(heard)], f"question {n}", candidates, 16, bool(candidates))
        for n in range(count)
    ]


def expected(request: Request) -> str:
    """What `answer` says to a request."""
    if request.audio is None:
        return heard(None, request.prompt)
    whole = np.clip(np.rint(request.audio.samples.astype(np.float64) * 32768), -32768, 32767).astype(np.int16)
    return hashlib.sha256(whole.tobytes() + request.prompt.encode()).hexdigest()[:12]
