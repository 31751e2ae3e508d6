"""The web tier's side of the inference tier: what it sends, what it makes of answers, and of none."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from inference.client import BackendOptions
from inference.contracts import (
    Busy,
    FaceAnalysis,
    InferenceError,
    InvalidImage,
    PhotoRefused,
    PhotoTooLarge,
    RefusalReason,
    UnsupportedImage,
)
from inference.serving.breaker import CircuitBreaker
from inference.serving.protocol import (
    PROTOCOL_VERSION,
    STATUS,
    VERSION_HEADER,
    decode_analysis,
    encode,
    failure_of,
)
from inference.serving.remote import RemoteBackend
from tests.fakes import VERSIONS, FakeBackend
from tests.images import jpeg

SECRET = "known to both tiers and to nobody else"
ANALYSIS = FakeBackend().analyze(jpeg())
OURS = {VERSION_HEADER: str(PROTOCOL_VERSION)}

# Answers one request: (handler) -> None.
Answer = Callable[[BaseHTTPRequestHandler], None]


def says(status: int, body: bytes = b"", headers: dict[str, str] = OURS) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def hangs(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(1.5)


def breaks_off(handler: BaseHTTPRequestHandler) -> None:
    """As a node that is lost in the middle of an answer."""
    handler.send_response(200)
    handler.send_header(VERSION_HEADER, str(PROTOCOL_VERSION))
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"photo')
    handler.close_connection = True


analysed = says(200, encode(ANALYSIS))
# What Ray's proxies say themselves: they know nothing of the protocol's version.
refused_by_proxy = says(503, b"full", {"Retry-After": "7"})
out_of_time = says(503, encode(failure_of(Busy(9))))
lost_by_proxy = says(500, b"Internal Server Error", {})


class Tier:
    """A server that plays the inference tier: answers with what it is told, one after the other, the last for ever."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self.requests: list[dict[str, str]] = []
        self.bodies: list[bytes] = []
        tier = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_request(self) -> None:
                tier.requests.append({"": f"{self.command} {self.path}", **dict(self.headers)})
                tier.bodies.append(self.rfile.read(int(self.headers.get("Content-Length", 0))))
                answer = tier._answers.pop(0) if len(tier._answers) > 1 else tier._answers[0]
                answer(self)

            do_POST = do_GET = handle_request  # noqa: N815

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def tier() -> Iterator[Callable[..., Tier]]:
    tiers: list[Tier] = []

    def start(*answers: Answer) -> Tier:
        tiers.append(Tier(*answers))
        return tiers[-1]

    yield start
    for each in tiers:
        each.close()


def backend_of(*tiers: Tier | str, max_waiting: int = 8) -> RemoteBackend:
    urls = tuple(each if isinstance(each, str) else each.url for each in tiers)
    return RemoteBackend(BackendOptions(urls=urls, secret=SECRET, max_waiting=max_waiting))


def soon(seconds: float = 5.0) -> float:
    return time.monotonic() + seconds


def test_an_analysis_comes_back_as_it_was_made(tier):
    kept = FakeBackend().analyze(jpeg(), keep_photo=True)
    backend = backend_of(tier(says(200, encode(ANALYSIS)), says(200, encode(kept))))

    assert backend.analyze(b"a photo", deadline=soon()) == ANALYSIS
    answer = backend.analyze(b"a photo", keep_photo=True, deadline=soon())

    assert answer == kept
    assert answer.photo is not None


def test_the_tier_is_told_who_asks_in_which_version_and_for_how_long(tier):
    there = tier(analysed)

    backend_of(there).analyze(b"a photo", keep_photo=True, deadline=soon(4))

    (request,), (body,) = there.requests, there.bodies
    assert request[""] == "POST /analyze?keep_photo=true"
    assert body == b"a photo"
    assert request["Authorization"] == f"Bearer {SECRET}"
    assert request["Inference-Protocol"] == str(PROTOCOL_VERSION)
    # Half of the time, so that a second attempt has as much.
    assert 1.5 < float(request["Inference-Time-Limit"]) <= 2


@pytest.mark.parametrize(
    "error",
    [
        InvalidImage("damaged"),
        UnsupportedImage("no photo"),
        PhotoTooLarge("many pixels"),
        *(PhotoRefused(reason) for reason in RefusalReason),
    ],
    ids=lambda error: error.code,
)
def test_every_refusal_of_the_tier_is_raised_here(tier, error: InferenceError):
    there = tier(says(STATUS[type(error)], encode(failure_of(error))))

    with pytest.raises(type(error)) as raised:
        backend_of(there).analyze(b"a photo", deadline=soon())

    assert raised.value.code == error.code
    # A refusal is an answer: nobody is asked again.
    assert len(there.requests) == 1


def test_a_replica_that_needs_longer_than_its_half_of_the_time_leaves_the_rest_to_another(tier):
    there = tier(out_of_time, analysed, out_of_time)
    backend = backend_of(there)

    assert backend.analyze(b"a photo", deadline=soon(4)) == ANALYSIS
    assert [round(float(request["Inference-Time-Limit"])) for request in there.requests] == [2, 4]

    with pytest.raises(Busy) as refusal:
        backend.analyze(b"a photo", deadline=soon())
    assert refusal.value.retry_after == 9
    # The tier is full, which is no failure.
    assert refusal.value.__cause__ is None


def test_versions_are_the_tiers_own(tier):
    assert backend_of(tier(says(200, encode(VERSIONS)))).versions() == VERSIONS


@pytest.mark.parametrize("failure", [lost_by_proxy, breaks_off, says(200, b"nonsense"), says(503, b"", {})])
def test_a_lost_photo_is_sent_once_more(tier, failure: Answer):
    there = tier(failure, analysed)

    assert backend_of(there).analyze(b"a photo", deadline=soon()) == ANALYSIS
    assert there.bodies == [b"a photo", b"a photo"]


def test_a_photo_is_sent_twice_at_most(tier):
    there = tier(lost_by_proxy)

    with pytest.raises(Busy) as refusal:
        backend_of(there).analyze(b"a photo", deadline=soon())

    assert refusal.value.retry_after == 5
    assert len(there.requests) == 2


def test_the_second_attempt_goes_to_another_address(tier):
    dead, alive = tier(lost_by_proxy), tier(analysed)
    backend = backend_of(dead, alive)

    for _ in range(4):
        assert backend.analyze(b"a photo", deadline=soon()) == ANALYSIS

    # Addresses take turns; each photo that began at the dead one was sent once more.
    assert len(dead.requests) == 2
    assert len(alive.requests) == 4


def test_a_lost_address_costs_a_photo_no_attempt(tier):
    # A node was lost that had a replica and an address: the photo meets both.
    alive, gone = tier(lost_by_proxy, analysed), tier(breaks_off)

    assert backend_of(alive, gone).analyze(b"a photo", deadline=soon()) == ANALYSIS
    assert len(gone.requests) == 1


def test_an_address_that_keeps_failing_is_left_alone(tier):
    dead, alive = tier(lost_by_proxy), tier(analysed)
    backend = backend_of(dead, alive)

    for _ in range(20):
        assert backend.analyze(b"a photo", deadline=soon()) == ANALYSIS

    assert len(dead.requests) == 3


def test_photos_that_one_replica_takes_with_it_leave_the_address_in_use(tier):
    together = threading.Barrier(8)

    def lost_together(handler: BaseHTTPRequestHandler) -> None:
        together.wait(5)
        lost_by_proxy(handler)

    there = tier(*[lost_together] * 8, analysed)
    backend = backend_of(there)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: backend.analyze(b"a photo", deadline=soon()), range(8)))

    assert answers == [ANALYSIS] * 8


def test_a_full_tier_is_not_asked_twice_and_counts_as_alive(tier):
    there = tier(*[refused_by_proxy] * 8, analysed)
    backend = backend_of(there)

    for _ in range(8):
        with pytest.raises(Busy) as refusal:
            backend.analyze(b"a photo", deadline=soon())
        assert refusal.value.retry_after == 7

    assert backend.analyze(b"a photo", deadline=soon()) == ANALYSIS
    assert len(there.requests) == 9


def test_a_tier_that_is_down_is_busy_at_once():
    # A port that nobody listens on.
    gone = Tier(analysed)
    gone.close()
    backend = backend_of(gone)

    began = time.monotonic()
    with capture_logs() as logs, pytest.raises(Busy):
        backend.analyze(b"a photo", deadline=soon())

    assert time.monotonic() - began < 1
    assert logs[0]["event"] == "inference_call_failed"
    assert logs[0]["address"] == gone.url


def test_a_web_tier_starts_while_the_inference_tier_is_down():
    gone = Tier(analysed)
    gone.close()

    with capture_logs() as logs:
        backend_of(gone).warm_up()

    assert logs[-1]["event"] == "inference_not_reached"


def test_a_tier_that_hangs_costs_no_more_than_the_deadline_and_then_nothing(tier):
    backend = backend_of(tier(hangs))

    began = time.monotonic()
    for _ in range(3):
        with pytest.raises(Busy):
            backend.analyze(b"a photo", deadline=soon(0.2))
    assert time.monotonic() - began < 1.5

    # Two attempts each: the fourth would have been one too many. From here on nobody waits.
    began = time.monotonic()
    with pytest.raises(Busy):
        backend.analyze(b"a photo", deadline=soon(10))
    assert time.monotonic() - began < 0.1


def test_what_hangs_holds_only_so_many_threads(tier):
    backend = backend_of(tier(hangs), max_waiting=2)

    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(backend.analyze, b"a photo", deadline=soon(1)) for _ in range(2)]
        while backend._room._value:
            time.sleep(0.01)
        began = time.monotonic()
        with pytest.raises(Busy):
            backend.analyze(b"one more", deadline=soon(10))
        assert time.monotonic() - began < 0.1

    assert all(isinstance(each.exception(), Busy) for each in waiting)


def test_no_attempt_begins_after_the_deadline(tier):
    there = tier(analysed)

    with pytest.raises(Busy):
        backend_of(there).analyze(b"a photo", deadline=time.monotonic() - 1)

    assert there.requests == []


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (says(400, headers={VERSION_HEADER: "99"}), f"speaks protocol 99, this is {PROTOCOL_VERSION}"),
        # Even where it believes to have understood.
        (says(200, encode(ANALYSIS), {VERSION_HEADER: "99"}), f"speaks protocol 99, this is {PROTOCOL_VERSION}"),
        (says(401), "status 401"),
        (says(404, b"", {}), "status 404 from no replica"),
        (says(422, b'{"code": "no_such_code"}'), "no error has the code 'no_such_code'"),
    ],
    ids=["another version", "another version that answers", "another secret", "no application", "unknown code"],
)
def test_a_tier_that_does_not_fit_is_busy_and_the_log_says_why(tier, answer: Answer, reason: str):
    with capture_logs() as logs, pytest.raises(Busy) as refusal:
        backend_of(tier(answer)).analyze(b"a photo", deadline=soon())

    assert refusal.value.retry_after == 5
    assert {line["reason"] for line in logs} == {reason}


def test_the_log_has_neither_photo_nor_secret(tier):
    with capture_logs() as logs, pytest.raises(Busy):
        backend_of(tier(lost_by_proxy)).analyze(b"a photo", deadline=soon())

    assert logs
    assert "a photo" not in str(logs)
    assert SECRET not in str(logs)
    assert SECRET not in repr(BackendOptions(secret=SECRET))


def test_no_address_is_refused():
    with pytest.raises(ValueError, match="INFERENCE_URL"):
        RemoteBackend(BackendOptions())


def test_messages_are_those_of_this_version():
    """Fails where a message changed: then store a new one, under the next version's name."""
    stored = (Path(__file__).parent / "stored" / f"protocol-{PROTOCOL_VERSION}.json").read_bytes()

    analysis = decode_analysis(stored)

    assert isinstance(analysis, FaceAnalysis)
    assert json.loads(encode(analysis)) == json.loads(stored)


class TestCircuitBreaker:
    def test_it_admits_while_calls_succeed(self):
        breaker = CircuitBreaker(failures=2, pause=60)

        for _ in range(5):
            breaker.failed(time.monotonic())
            breaker.succeeded()

        assert breaker.admits()

    def test_failures_in_a_row_open_it(self):
        breaker = CircuitBreaker(failures=2, pause=60)

        breaker.failed(time.monotonic())
        assert breaker.admits()
        breaker.failed(time.monotonic())

        assert not breaker.admits()

    def test_failures_at_once_are_one(self):
        breaker = CircuitBreaker(failures=2, pause=60)
        began = time.monotonic()

        for _ in range(5):
            breaker.failed(began)

        assert breaker.admits()

    def test_one_caller_tries_after_each_pause(self):
        breaker = CircuitBreaker(failures=1, pause=0.05)
        breaker.failed(time.monotonic())

        time.sleep(0.06)

        assert breaker.admits()
        assert not breaker.admits()
        time.sleep(0.06)
        assert breaker.admits()

    def test_a_success_closes_it(self):
        breaker = CircuitBreaker(failures=1, pause=0.05)
        breaker.failed(time.monotonic())
        time.sleep(0.06)
        assert breaker.admits()

        breaker.succeeded()

        assert breaker.admits()
        assert breaker.admits()
