"""Requests arrive in pieces of any size, and are complete when they are."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alphaproject.inbox import Inbox, UploadRules
from alphaproject.uploads import UploadMemoryFull
from tests.alphaproject.http_server import head

RULES = UploadRules(patience=10.0, lowest_rate=100.0, max_body=1000, memory=10_000, max_streamed=1)


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The client's end of a connection and the server's."""
    client, server = socket.socketpair()
    server.setblocking(False)
    with client, server:
        yield client, server


@given(
    body=st.binary(max_size=1000),
    name=st.sampled_from(["Content-Length", "content-length", "CONTENT-LENGTH"]),
    cuts=st.lists(st.integers(0, 1200), max_size=6),
    following=st.sampled_from([b"", b"GET /next HTTP/1.1\r\n"]),
)
@settings(max_examples=60, deadline=None)
def test_a_request_is_complete_with_its_last_byte_and_not_before(
    body: bytes, name: str, cuts: list[int], following: bytes
) -> None:
    request = head("POST", "/", **{name: str(len(body))}) + body
    places = sorted({cut for cut in cuts if cut < len(request)} | {0})
    pieces = [request[start:end] for start, end in zip(places, [*places[1:], len(request)], strict=True)]
    client, server = socket.socketpair()
    with client, server:
        inbox = Inbox(server, RULES)
        for piece in pieces[:-1]:
            client.sendall(piece)
            if piece:
                assert inbox.fill() == len(piece)
            assert not inbox.look()
        client.sendall(pieces[-1] + following)
        inbox.fill()

        assert inbox.look()
        read = b""
        while len(read) < len(request):
            read += inbox.recv(min(64, len(request) - len(read)))
        assert read == request
        assert inbox.take_rest() == following


@pytest.mark.parametrize(
    "headers", [{"Content-Length": "1001"}, {"Transfer-Encoding": "chunked"}, {"transfer-encoding": "gzip, chunked"}]
)
def test_what_is_too_large_or_of_unknown_length_is_left_to_a_thread(
    ends: tuple[socket.socket, socket.socket], headers: dict[str, str]
) -> None:
    client, server = ends
    inbox = Inbox(server, RULES)
    client.sendall(head("POST", "/", **headers))
    inbox.fill()

    assert inbox.look()
    assert inbox.is_streamed


@pytest.mark.parametrize(("size", "seconds"), [(1, 10.0), (500, 15.0), (900, 19.0)])
def test_a_large_request_gets_more_time(
    ends: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch, size: int, seconds: float
) -> None:
    clock = 1000.0
    monkeypatch.setattr("alphaproject.inbox.time.monotonic", lambda: clock)
    client, server = ends
    inbox = Inbox(server, RULES)
    client.sendall(bytes(size))
    clock += 9.0
    inbox.fill()

    # The rate, or the silence since: whichever is over first.
    assert not inbox.is_late(1000.0 + min(seconds, 19.0) - 0.1)
    assert inbox.is_late(1000.0 + min(seconds, 19.0) + 0.1)


def test_silence_ends_a_request_however_much_of_it_came(
    ends: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = 1000.0
    monkeypatch.setattr("alphaproject.inbox.time.monotonic", lambda: clock)
    client, server = ends
    inbox = Inbox(server, RULES)
    client.sendall(bytes(60_000))
    while inbox.size < 60_000:
        inbox.fill()

    assert not inbox.is_late(1009.9)
    assert inbox.is_late(1010.1)


@pytest.mark.parametrize("failure", [TimeoutError(), UploadMemoryFull()])
def test_what_came_is_read_before_the_failure(ends: tuple[socket.socket, socket.socket], failure: TimeoutError) -> None:
    client, server = ends
    inbox = Inbox(server, RULES)
    client.sendall(head("POST", "/", Content_Length="10") + b"half")
    inbox.fill()
    inbox.look()
    inbox.failure = failure

    assert inbox.recv(4096).endswith(b"half")
    with pytest.raises(type(failure)):
        inbox.recv(1)


def test_nothing_beyond_the_request_is_waited_for(ends: tuple[socket.socket, socket.socket]) -> None:
    client, server = ends
    server.setblocking(True)
    inbox = Inbox(server, RULES)
    client.sendall(b"\r\n\r\n")
    inbox.fill()

    assert inbox.look()
    assert inbox.recv(100) == b"\r\n\r\n"
    assert inbox.recv(100) == b""
