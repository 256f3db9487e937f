from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from pytest_mcr.models.endpoint_servers import FAILURES, PAUSE, Servers, preference

URLS = st.lists(st.integers(1, 999).map(lambda n: f"http://host{n}/v1"), min_size=1, max_size=8, unique=True)
DIGESTS = st.text("0123456789abcdef", min_size=8, max_size=8)


class Clock:
    """A clock that stands still until it is moved."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def fail(servers: Servers, url: str, times: int) -> None:
    for _ in range(times):
        servers.breakers[url].begin()
        servers.failed(url, "HTTP 500", alive=False)


@given(URLS, DIGESTS, st.data())
def test_the_order_is_the_clip_s_own_whatever_the_order_of_servers(
    urls: list[str], digest: str, data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(urls))
    assert preference(digest, urls) == preference(digest, shuffled)
    assert sorted(preference(digest, urls)) == sorted(urls)


@given(URLS, DIGESTS, st.data())
def test_without_a_server_only_its_clips_move(urls: list[str], digest: str, data: st.DataObject) -> None:
    gone = data.draw(st.sampled_from(urls))
    assert preference(digest, [url for url in urls if url != gone]) == [
        url for url in preference(digest, urls) if url != gone
    ]


def test_clips_spread_evenly() -> None:
    urls = [f"http://host{n}/v1" for n in range(4)]
    first = Counter(preference(f"clip {n}", urls)[0] for n in range(4000))
    assert all(850 < count < 1150 for count in first.values()), first


@given(URLS, DIGESTS)
def test_a_clip_stays_where_it_is_while_its_server_answers(urls: list[str], digest: str) -> None:
    servers = Servers(urls, 60, Clock())
    home = preference(digest, urls)[0]
    for _ in range(20):
        assert servers.pick(digest, {}) == home
        servers.answered(home)


@given(URLS, DIGESTS)
def test_another_try_goes_to_the_next_server(urls: list[str], digest: str) -> None:
    servers = Servers(urls, 60, Clock())
    tries: Counter[str] = Counter()
    for _ in range(2 * len(urls)):
        url = servers.pick(digest, tries)
        assert url is not None
        tries[url] += 1
    assert set(tries.values()) == {2}
    assert list(tries) == preference(digest, urls)


def test_a_failing_server_is_left_alone_then_tried_by_one_request() -> None:
    clock = Clock()
    servers = Servers(["a", "b"], 60, clock)
    digest = next(str(n) for n in range(100) if preference(str(n), ["a", "b"])[0] == "a")
    fail(servers, "a", FAILURES - 1)
    assert servers.pick(digest, {}) == "a"
    fail(servers, "a", 1)
    assert servers.pick(digest, {}) == "b"
    clock.now += PAUSE
    assert servers.pick(digest, {}) == "a"
    servers.breakers["a"].begin()
    assert servers.trying
    assert servers.pick(digest, {}) == "b", "one request tries the server, the others wait for its outcome"
    servers.failed("a", "HTTP 500", alive=False)
    assert servers.pick(digest, {}) == "b"
    clock.now += PAUSE
    servers.breakers["a"].begin()
    servers.answered("a")
    assert servers.pick(digest, {}) == "a"


def test_a_trial_that_we_gave_up_leaves_room_for_another() -> None:
    clock = Clock()
    servers = Servers(["a"], 60, clock)
    fail(servers, "a", FAILURES)
    assert servers.pick("", {}) is None
    assert servers.pause() == PAUSE
    clock.now += PAUSE
    servers.breakers["a"].begin()
    assert servers.pick("", {}) is None
    servers.breakers["a"].forget()
    assert servers.pick("", {}) == "a"


def test_an_answer_in_between_keeps_a_server_in_use() -> None:
    servers = Servers(["a"], 60, Clock())
    for _ in range(10):
        fail(servers, "a", FAILURES - 1)
        servers.answered("a")
    assert servers.pick("", {}) == "a"


def test_asking_to_wait_is_no_failure_of_the_server_but_counts_as_silence() -> None:
    clock = Clock()
    servers = Servers(["a"], 60, clock)
    for _ in range(10 * FAILURES):
        servers.breakers["a"].begin()
        servers.failed("a", "HTTP 429", alive=True)
    assert servers.pick("", {}) == "a"
    clock.now += 59
    assert servers.patience == 1
    clock.now += 10
    assert servers.patience == 0
    assert "HTTP 429" in servers.complaint()
    servers.answered("a")
    assert servers.patience == 60


@given(st.lists(st.tuples(st.sampled_from(["answer", "fail", "busy"]), st.floats(0, 30)), max_size=40))
def test_patience_is_the_budget_less_the_silence(events: list[tuple[str, float]]) -> None:
    clock = Clock()
    servers = Servers(["a"], 60, clock)
    silent: float | None = None
    for event, seconds in events:
        servers.breakers["a"].begin()
        if event == "answer":
            servers.answered("a")
            silent = None
        else:
            servers.failed("a", "why", alive=event == "busy")
            silent = clock.now if silent is None else silent
        clock.now += seconds
        assert servers.patience == max(0.0, 60 - (0 if silent is None else clock.now - silent))
