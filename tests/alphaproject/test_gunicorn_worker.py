"""Clients that are slow, rude or too many, against the real server: each gets its answer, nobody else waits."""

from __future__ import annotations

import http.client
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.alphaproject.http_server import (
    PATIENCE,
    Answer,
    Connection,
    Server,
    head,
    is_running,
    lines_of,
    serving,
    upload,
    wait_until_ready,
)
from tests.images import jpeg
from tests.inference.factories import make_candidate

# All in one test process: each would start a server of its own, and wait for its timeouts.
pytestmark = pytest.mark.xdist_group("gunicorn")

# More than the server has threads.
MANY = 220
MEGABYTE = 1024 * 1024
# Seconds. A client who found all threads taken would wait longer for an answer.
UPLOAD_TIMEOUT = 8


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(
        tmp_path_factory.mktemp("server"),
        WEB_CONCURRENCY="2",
        UPLOAD_TIMEOUT=str(UPLOAD_TIMEOUT),
        UPLOAD_MIN_RATE_KB="100000",
        UPLOAD_MEMORY_MB="4",
        # Other tests may have the cores.
        INFERENCE_TIMEOUT="120",
    ) as server:
        yield server


@pytest.fixture
def connect(server: Server) -> Iterator[list[Connection]]:
    """Many open connections."""
    with ExitStack() as stack:
        connections = [server.connect() for _ in range(MANY)]
        for connection in connections:
            stack.callback(connection.close)
        yield connections


def _drip(requests: dict[Connection, bytes], is_over: threading.Event) -> None:
    """Send the first bytes of each, then one at a time."""
    sent = 0
    while not is_over.wait(0.2 if sent else 0):
        for connection, request in requests.items():
            _send(connection, request[sent : sent + 1] if sent else request[:START])
        sent = sent + 1 if sent else START


def _send(connection: Connection, content: bytes) -> None:
    # Refused before all was sent.
    with suppress(OSError):
        connection.send(content)


def assert_others_are_served(server: Server) -> None:
    live = server.get("/health/live")
    photo = server.ask(upload(jpeg()))

    assert (live.status, photo.status) == (200, 422)
    assert photo.json()["code"] == "no_face"
    assert live.seconds < UPLOAD_TIMEOUT


# Of a slow request: the head of an upload and a little of its body.
START = 400
SLOW = {
    "upload": upload(jpeg(), X_Filler="x" * 100),
    "page": upload(jpeg(), "/", Accept_Language="ko"),
    "app": head("POST", "/api/RegisterResult", Content_Length="1000000") + b"x" * 1000,
    "head": head("GET", "/health/live", X_Filler="x" * 2000),
}


@pytest.fixture(scope="module")
def slow_answers(server: Server) -> dict[str, list[Answer]]:
    """What clients get that send a byte at a time, while others are served."""
    with ExitStack() as stack:
        connections = {name: [stack.enter_context(server.connect()) for _ in range(MANY)] for name in SLOW}
        is_over = threading.Event()
        requests = {each: SLOW[name] for name, many in connections.items() for each in many}
        dripping = threading.Thread(target=_drip, args=(requests, is_over))
        dripping.start()
        assert_others_are_served(server)
        answers = {name: [connection.read() for connection in many] for name, many in connections.items()}
        is_over.set()
        dripping.join(PATIENCE)
        assert all(connection.is_closed() for connection in requests)
        return answers


class TestSlowClients:
    def test_all_are_told_in_the_end(self, slow_answers: dict[str, list[Answer]]) -> None:
        answers = [answer for many in slow_answers.values() for answer in many]
        assert Counter(answer.status for answer in answers) == {408: MANY * len(SLOW)}

    def test_the_api_answers_with_a_problem(self, slow_answers: dict[str, list[Answer]]) -> None:
        assert {answer.json()["code"] for answer in slow_answers["upload"]} == {"upload_timeout"}

    def test_browsers_get_a_page_in_their_language(self, slow_answers: dict[str, list[Answer]]) -> None:
        answer = slow_answers["page"][0]
        assert answer.headers["content-type"].startswith("text/html")
        assert answer.headers["content-language"] == "ko"

    def test_the_app_gets_the_shape_it_reads(self, slow_answers: dict[str, list[Answer]]) -> None:
        answer = slow_answers["app"][0].json()
        assert (answer["human"], answer["code"]) == ("False", "upload_timeout")

    def test_who_never_ends_a_head_gets_no_body(self, slow_answers: dict[str, list[Answer]]) -> None:
        assert {answer.body for answer in slow_answers["head"]} == {b""}

    @pytest.mark.parametrize("content", [b"", b"\r\n\r\n"], ids=["nothing", "empty lines"])
    def test_clients_that_say_nothing_hold_up_nobody(
        self, server: Server, connect: list[Connection], content: bytes
    ) -> None:
        for connection in connect:
            connection.send(content)

        assert_others_are_served(server)

    def test_clients_that_hang_up_midway_leave_nothing(self, server: Server, connect: list[Connection]) -> None:
        request = upload(jpeg())
        for connection in connect:
            connection.send(request[: len(request) // 2])
            connection.close()

        assert_others_are_served(server)

    def test_clients_that_never_close_hold_up_nobody(self, server: Server, connect: list[Connection]) -> None:
        # gunicorn alone would wait two seconds for each of them, one after the other.
        for connection in connect[:40]:
            connection.send(head("GET", "/health/live", Connection="close"))

        assert_others_are_served(server)


class TestLargeBodies:
    def test_a_body_of_unknown_length_is_refused(self, server: Server) -> None:
        request = head("POST", "/api/v1/classifications/", Transfer_Encoding="chunked")
        assert server.ask(request + b"5\r\nhello\r\n").json()["code"] == "length_required"

    def test_a_body_too_large_is_refused(self, server: Server) -> None:
        answer = server.ask(upload(b"\xff\xd8\xff".ljust(30 * MEGABYTE)))
        assert (answer.status, answer.json()["code"]) == (413, "photo_too_large")

    def test_huge_bodies_that_never_come_hold_up_nobody(self, server: Server, connect: list[Connection]) -> None:
        for connection in connect:
            connection.send(head("POST", "/api/v1/classifications/", Content_Length=str(10**9)) + b"x")

        assert_others_are_served(server)

        answers = Counter(connection.read().status for connection in connect)
        assert set(answers) <= {408, 503}
        assert answers[503] > 0

    def test_where_memory_is_full_uploads_are_refused_and_later_ones_taken(self, server: Server) -> None:
        with ExitStack() as stack:
            connections = [server.connect() for _ in range(20)]
            for connection in connections:
                stack.callback(connection.close)
            request = upload(b"\xff\xd8\xff".ljust(MEGABYTE))
            senders = [threading.Thread(target=_send, args=(each, request[:-100])) for each in connections]
            for sender in senders:
                sender.start()
            answers = [connection.read() for connection in connections]
            for sender in senders:
                sender.join(PATIENCE)

        refused = [answer for answer in answers if answer.status == 503]
        assert refused
        assert {answer.json()["code"] for answer in refused} == {"busy"}
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
        assert {answer.status for answer in answers} <= {408, 503}
        assert_others_are_served(server)


class TestProtocol:
    def test_requests_on_one_connection_are_answered_in_turn(self, server: Server) -> None:
        with server.connect() as connection:
            for _ in range(2):
                connection.send(upload(jpeg()))
                assert connection.read().status == 422
                connection.send(head("GET", "/health/live"))
                assert connection.read().status == 200

    def test_requests_sent_at_once_are_answered_in_turn(self, server: Server) -> None:
        two_more = head("GET", "/api/v1/limits/") + head("GET", "/health/live", Connection="close")
        with server.connect() as connection:
            connection.send(upload(jpeg()) + two_more)

            assert connection.read().json()["code"] == "no_face"
            assert "max_photo_bytes" in connection.read().json()
            assert connection.read().json() == {"status": "ok"}
            assert connection.is_closed()

    def test_a_photo_sent_ahead_arrives_whole(self, server: Server) -> None:
        # Its first bytes come with the request before, the others later.
        with server.connect() as connection:
            connection.send(head("GET", "/health/live") + upload(jpeg() + bytes(100_000)))

            assert connection.read().status == 200
            assert connection.read().json()["code"] == "no_face"

    def test_a_client_may_ask_before_it_sends_the_body(self, server: Server) -> None:
        request = upload(jpeg(), Expect="100-continue")
        end = request.index(b"\r\n\r\n") + 4
        with server.connect() as connection:
            connection.send(request[:end])
            assert connection.read().status == 100

            connection.send(request[end:])
            answer = connection.read()
            while answer.status == 100:
                answer = connection.read()
            assert answer.json()["code"] == "no_face"

    def test_what_is_no_request_is_refused(self, server: Server) -> None:
        assert server.ask(b"\x16\x03\x01\x02\x00\r\n\r\n").status == 400
        assert server.ask(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 300_000).status in {400, 431}


def test_no_proxy_is_believed_that_is_not_configured(server: Server) -> None:
    robots = server.get("/robots.txt", X_Forwarded_Proto="https").body.decode()

    assert "http://localhost/" in robots
    assert "https://" not in robots


def test_measurements_are_those_of_all_workers(server: Server) -> None:
    key = 'http_request_seconds_count{method="GET",route="api/v1/limits/",status="200"}'
    photos = 'inference_photos_total{outcome="no_face"}'
    before = server.metrics()
    for _ in range(8):
        server.get("/api/v1/limits/")
        server.ask(upload(jpeg()))
    after = server.metrics()

    assert after[key] - before.get(key, 0) == 8
    assert after[photos] - before.get(photos, 0) == 8
    assert after["inference_photos_waiting"] == 0
    assert any(name.startswith("inference_models_info{") for name in after)


def test_a_worker_that_is_killed_is_replaced_and_the_other_answers(server: Server) -> None:
    workers = server.workers()
    assert len(workers) == 2
    is_over = threading.Event()
    outcomes: list[object] = []

    def post() -> None:
        while not is_over.is_set():
            try:
                outcomes.append(server.ask(upload(jpeg())).status)
            except (ConnectionError, http.client.HTTPException) as error:
                outcomes.append(error)

    senders = [threading.Thread(target=post) for _ in range(6)]
    for sender in senders:
        sender.start()
    time.sleep(1)
    victim = min(workers)
    os.kill(victim, signal.SIGKILL)
    answered_until_then = len(outcomes)
    end = time.monotonic() + PATIENCE
    while len(server.workers() - {victim}) < 2:
        assert time.monotonic() < end
        time.sleep(0.1)
    while len(outcomes) < answered_until_then + 20:
        assert time.monotonic() < end
        time.sleep(0.1)
    is_over.set()
    for sender in senders:
        sender.join(PATIENCE)

    interrupted = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    # Only what the killed worker had in hand is lost: its clients see the connection end without an answer.
    assert len(interrupted) <= len(senders)
    assert {outcome for outcome in outcomes if outcome not in interrupted} == {422}
    assert_others_are_served(server)


def test_stopping_answers_what_has_arrived(server: Server) -> None:
    """The last one that needs the server."""
    with ExitStack() as stack:
        connections = [stack.enter_context(server.connect()) for _ in range(6)]
        for connection in connections:
            connection.send(head("GET", "/health/live"))
            assert connection.read().status == 200
        for connection in connections:
            connection.send(upload(jpeg()))
        server.process.terminate()

        assert [connection.read().status for connection in connections] == [422] * len(connections)
    assert server.process.wait(PATIENCE) == 0


def test_nothing_of_this_was_an_error_of_ours(server: Server) -> None:
    """The log tells of all the tests."""
    lines = lines_of(server.log)

    assert lines
    assert [line for line in lines if line.get("status") == 500] == []
    unexpected = [line for line in lines if line["level"] in {"error", "critical"}]
    # The refusals that the tests asked for, and gunicorn's line about the worker that they killed.
    asked_for = ("Service Unavailable", "was sent SIGKILL")
    assert [line for line in unexpected if not any(event in line["event"] for event in asked_for)] == []


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server in which one photo is analysed and one waits."""
    with serving(
        tmp_path_factory.mktemp("small"),
        WEB_CONCURRENCY="1",
        INFERENCE_PROCESSES="1",
        INFERENCE_BATCH="1",
        INFERENCE_QUEUE="1",
        INFERENCE_TIMEOUT="120",
    ) as server:
        yield server


def wait_until_photos_are_taken(server: Server) -> None:
    end = time.monotonic() + PATIENCE
    while server.ask(upload(jpeg())).status != 422:
        assert time.monotonic() < end
        time.sleep(0.1)


class TestFullLine:
    # No client's photo is as small as one that is drawn here.
    PHOTO = jpeg() + bytes(20_000)

    @pytest.fixture
    def waiting(self, small: Server) -> Iterator[list[Connection]]:
        """Clients whose photos take all places, since the engine stands still until the test ends or goes on itself."""
        (engine,) = small.engines()
        with ExitStack() as stack:
            # No test after this one finds their photos in the line.
            stack.callback(wait_until_photos_are_taken, small)
            os.kill(engine, signal.SIGSTOP)
            stack.callback(os.kill, engine, signal.SIGCONT)
            clients: list[Connection] = []
            while True:
                client = stack.enter_context(small.connect())
                client.send(upload(self.PHOTO))
                client.socket.settimeout(1)
                try:
                    answer = client.read()
                except TimeoutError:
                    client.socket.settimeout(PATIENCE)
                    clients.append(client)
                    continue
                # Who finds a place and then no room in the line is told by the application, which gives an id.
                if "x-request-id" not in answer.headers:
                    break
            yield clients

    def test_one_more_is_refused_in_its_own_terms(self, small: Server, waiting: list[Connection]) -> None:
        answer = small.ask(upload(self.PHOTO))
        page = small.ask(upload(self.PHOTO, "/", Accept="text/html", Accept_Language="ko"))
        chosen = small.ask(upload(self.PHOTO, Accept_Language="en", Cookie="sessionid=1; django_language=ko"))
        app = small.ask(head("POST", "/api/RegisterResult", Content_Length="10000") + bytes(10_000))

        assert (answer.status, answer.json()["code"], answer.headers["retry-after"]) == (503, "busy", "1")
        assert answer.headers["content-type"] == "application/problem+json"
        assert (page.status, page.headers["content-language"]) == (503, "ko")
        assert "<html" in page.body.decode()
        assert (chosen.status, chosen.headers["content-language"]) == (503, "ko")
        assert chosen.json()["detail"] != answer.json()["detail"]
        assert (app.status, app.json()["human"], app.json()["code"]) == (503, "False", "busy")

    def test_pages_are_served_all_the_while(self, small: Server, waiting: list[Connection]) -> None:
        assert small.get("/health/live").status == 200
        assert small.get("/api/v1/limits/").status == 200

    def test_a_connection_outlives_its_refusals(self, small: Server, waiting: list[Connection]) -> None:
        with small.connect() as client:
            client.send((upload(self.PHOTO) + head("GET", "/health/live")) * 2)
            assert [client.read().status for _ in range(4)] == [503, 200, 503, 200]
            client.send(upload(self.PHOTO, Connection="close"))
            assert client.read().status == 503
            assert client.is_closed()

    def test_who_waited_is_answered_and_places_are_free_again(self, small: Server, waiting: list[Connection]) -> None:
        key = 'http_request_seconds_count{method="POST",route="none",status="503"}'
        before = small.metrics()
        small.ask(upload(self.PHOTO))
        assert small.metrics()[key] == before[key] + 1

        (engine,) = small.engines()
        os.kill(engine, signal.SIGCONT)

        assert [client.read().status for client in waiting] == [422, 422]
        assert small.ask(upload(self.PHOTO)).status == 422
        assert sum(line["requests"] for line in lines_of(small.log) if line.get("event") == "turned_away") > 0

    def test_a_request_that_cannot_be_read_is_told_so(self, small: Server, waiting: list[Connection]) -> None:
        assert (
            small.ask(b"P(ST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000\r\n\r\n" + bytes(10_000)).status
            == 400
        )


def test_a_release_under_load_refuses_nobody_and_leaves_no_engine_behind(small: Server, tmp_path: Path) -> None:
    (engine,) = small.engines()
    is_over = threading.Event()

    def keep_sending() -> Counter[int]:
        statuses: Counter[int] = Counter()
        while not is_over.is_set():
            statuses[small.ask(upload(jpeg())).status] += 1
        return statuses

    with ThreadPoolExecutor(1) as client:
        answers = client.submit(keep_sending)
        try:
            small.manage("release", "types", str(make_candidate(tmp_path)), "--activate", "--force")
            end = time.monotonic() + PATIENCE
            while is_running(engine):
                assert time.monotonic() < end
                time.sleep(0.1)
        finally:
            is_over.set()

    assert answers.result().keys() == {422}
    assert [line for line in lines_of(small.log) if line.get("event") == "releases_loaded"]
    assert len(small.engines()) == 1


def test_engines_end_with_the_worker_that_is_killed(small: Server) -> None:
    (worker,), (engine,) = small.workers(), small.engines()

    os.kill(worker, signal.SIGKILL)

    end = time.monotonic() + PATIENCE
    while is_running(engine):
        assert time.monotonic() < end
        time.sleep(0.1)
    wait_until_ready(small)
    assert small.ask(upload(jpeg())).status == 422
    assert engine not in small.engines()


def test_engines_keep_their_memory_in_huge_pages(small: Server) -> None:
    (engine,) = small.engines()

    assert b"GLIBC_TUNABLES=glibc.malloc.hugetlb=1" in Path(f"/proc/{engine}/environ").read_bytes().split(b"\0")
