"""One call of ``respond``: requests are dealt to the children by clip, and each gets an answer or an error."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_mcr.models.process_clips import ClipFolder, clip_name
from pytest_mcr.models.process_lines import LineError, quoted, read_answer, read_id, request_line
from pytest_mcr.models.process_pool import Job, Pool, Seat
from pytest_mcr.models.protocol import Request, Response


class Dealer:
    """Remembers which child hears which clip, so that a child's own cache of a clip can be of use.

    Args:
        pool: of the children.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._home: dict[str | None, Seat] = {}

    def seat(self, clip: str | None) -> Seat:
        """The child for a clip; a clip that is new, or whose child is gone, goes to the one with the least to do."""
        seat = self._home.get(clip)
        if seat is None or seat.child is None:
            seat = self._home[clip] = min(self._pool.living, key=lambda one: one.load)
        return seat


class Call:
    """Asks until every request has its response.

    Args:
        pool: of the children.
        dealer: of clips to children.
        clips: folder that the clips are written to.
        requests: of this call.
    """

    def __init__(self, pool: Pool, dealer: Dealer, clips: ClipFolder, requests: Sequence[Request]) -> None:
        self._pool = pool
        self._dealer = dealer
        self._clips = clips
        self._responses: list[Response | None] = [None] * len(requests)
        self._places: dict[str, int] = {}  # of the answered, by request id
        self._open = len(requests)
        for place, request in enumerate(requests):
            clip = None if request.audio is None else clip_name(request.audio)
            dealer.seat(clip).waiting.append(Job(place, request, clip))

    def run(self) -> list[Response]:
        """Ask, in whatever order the children answer.

        Returns:
            One response a request, in order.

        Raises:
            AdapterError: a child wrote what cannot be attributed to any request.
        """
        while self._open:
            for seat in self._pool.living:
                self._feed(seat)
            if self._open:
                self._pool.turn(self._take, self._lost)
        return [response for response in self._responses if response is not None]

    def _feed(self, seat: Seat) -> None:
        """Give a child work up to its window; a request id that is with it already has to wait."""
        while seat.ready and seat.waiting and len(seat.asked) < self._pool.command.window:
            job = seat.waiting[0]
            if job.request.id in seat.asked:
                return
            seat.waiting.popleft()
            path = None
            if job.request.audio is not None and job.clip is not None:
                try:
                    path = str(self._clips.hold(job.clip, job.request.audio))
                except OSError as error:
                    self._answer(job, self._failed(job, f"its clip cannot be written ({error.strerror})"))
                    continue
            assert seat.child is not None
            if not seat.asked:
                seat.restart_clock()
            seat.asked[job.request.id] = job
            seat.child.send(request_line(job.request, path))

    def _take(self, seat: Seat, line: bytes) -> None:
        try:
            name, record = read_id(line)
        except LineError as error:
            raise self._pool.garbage(seat, str(error)) from None
        job = seat.asked.pop(name, None)
        if job is None:
            self._unasked(seat, name)
            return
        seat.restart_clock()
        self._release(job)
        try:
            response = read_answer(record, job.request.candidates)
        except LineError as error:
            response = self._failed(job, f"the child {error}; mend the worker, or see its stderr")
        self._answer(job, response)
        self._places[name] = job.place

    def _unasked(self, seat: Seat, name: str) -> None:
        place = self._places.get(name)
        if place is None:
            problem = f"answered {quoted(name)}, which it was not asked; give one answer a request, under its own id"
            raise self._pool.garbage(seat, problem)
        words = f"{name}: the child answered it twice, so neither counts; answer each request once"
        self._responses[place] = Response(None, None, f"{self._pool.command.label}: {words}")

    def _lost(self, seat: Seat, reason: str) -> None:
        """A child is gone: ask again once, then what was with it is an error and the rest goes to others."""
        for job in seat.asked.values():
            self._release(job)
        asked, waiting = list(seat.asked.values()), list(seat.waiting)
        seat.asked.clear()
        seat.waiting.clear()
        if self._pool.restart(seat):
            self._pool.notes.append(f"{self._pool.command.label}: the child {reason}; it was started once more")
            seat.waiting.extend([*asked, *waiting])
            return
        for job in asked:
            self._answer(job, self._failed(job, f"the child {reason}, the second time, so it is not started again"))
        for job in waiting:
            if self._pool.living:
                self._dealer.seat(job.clip).waiting.append(job)
            else:
                self._answer(job, self._failed(job, f"no child is left to ask; the last one {reason}"))

    def _answer(self, job: Job, response: Response) -> None:
        self._responses[job.place] = response
        self._open -= 1

    def _release(self, job: Job) -> None:
        if job.clip is not None:
            self._clips.release(job.clip)

    def _failed(self, job: Job, problem: str) -> Response:
        return Response(None, None, f"{self._pool.command.label}: {job.request.id}: {problem}")
