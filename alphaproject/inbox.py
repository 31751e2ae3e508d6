"""What has arrived of a request, before a thread takes it."""

from __future__ import annotations

import re
import socket
import time
from dataclasses import dataclass

HEAD_END = b"\r\n\r\n"
LONGEST_HEAD = 64 * 1024
_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,18})[ \t]*\r\n", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE)
_CLOSES = re.compile(rb"\r\nconnection:[ \t]*close[ \t]*\r\n", re.IGNORECASE)
_EXPECTS_CONTINUE = re.compile(rb"\r\nexpect:[ \t]*100-continue[ \t]*\r\n", re.IGNORECASE)
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class UploadRules:
    """What a request may take to arrive.

    patience: seconds in which a small one must be here, and in which every client must send something.
    lowest_rate: bytes a second; a large one gets as much more time. max_body: bytes; a larger body is not received
    into memory but read by a thread. memory: bytes of all requests that a worker holds at once. max_streamed: of the
    larger bodies at once.
    """

    patience: float
    lowest_rate: float
    max_body: int
    memory: int
    max_streamed: int


class Inbox:
    """A connection's socket as gunicorn's parser sees it: what has arrived already comes first."""

    def __init__(self, sock: socket.socket, rules: UploadRules) -> None:
        self._sock = sock
        self._rules = rules
        self.begin(b"")

    def begin(self, received: bytes) -> None:
        """Expect the next request, of which these bytes are here.

        size: bytes that have come. held: those of them that came into memory before a thread took the request.
        """
        self._began = self._newest = time.monotonic()
        self.received = bytearray(received)
        self.size = self.held = len(received)
        self._taken = 0
        self._searched = 0
        self.head = b""
        self.wanted: int | None = None
        self.is_streamed = False
        self.failure: TimeoutError | None = None

    def fill(self) -> int:
        """Take what the socket has, without waiting; how many bytes. 0: the client has gone."""
        chunk = self._sock.recv(_CHUNK)
        self.received += chunk
        self.held += len(chunk)
        self._count(len(chunk))
        return len(chunk)

    def look(self) -> bool:
        """Whether the request's end is here, or it is one that is not to be waited for."""
        if self.wanted is None:
            end = self.received.find(HEAD_END, self._searched)
            self._searched = max(len(self.received) - len(HEAD_END), 0)
            if end < 0:
                return False
            self._read_head(bytes(self.received[: end + len(HEAD_END)]))
        return self.is_streamed or self.size >= (self.wanted or 0)

    def has_head(self) -> bool:
        return self.wanted is not None

    def is_last(self) -> bool:
        """Whether the client wants its connection closed after this request."""
        return bool(_CLOSES.search(self.head)) or b" HTTP/1.1\r\n" not in self.head

    def skip(self) -> None:
        """Let nobody read this request, all of which is here."""
        self._taken = self.wanted or 0

    def is_head_too_long(self) -> bool:
        return self.wanted is None and self.size > LONGEST_HEAD

    def is_late(self, now: float) -> bool:
        rules = self._rules
        return now > min(self._newest, self._began + self.size / rules.lowest_rate) + rules.patience

    def recv(self, size: int) -> bytes:
        """What the parser and the application read, in a thread."""
        if self._taken < len(self.received):
            with memoryview(self.received) as received:
                chunk = bytes(received[self._taken : self._taken + size])
            self._taken += len(chunk)
            if self._taken == len(self.received):
                self.received, self._taken = bytearray(), 0
            return chunk
        if self.failure:
            raise self.failure
        if not self.is_streamed:
            # All of it was here: what asks for more, such as the parser after an empty line, must not wait for it.
            return b""
        if self.is_late(time.monotonic()):
            raise TimeoutError
        try:
            chunk = self._sock.recv(size)
        except BlockingIOError as error:
            # What the socket's own time limit is told by.
            raise TimeoutError from error
        self._count(len(chunk))
        return chunk

    def take_rest(self) -> bytes:
        """What is here of the next request."""
        rest = bytes(self.received[self._taken :])
        self.received, self._taken = bytearray(), 0
        return rest

    def gettimeout(self) -> float | None:
        return self._sock.gettimeout()

    def settimeout(self, seconds: float | None) -> None:
        self._sock.settimeout(seconds)

    def _count(self, size: int) -> None:
        self.size += size
        self._newest = time.monotonic()

    def _read_head(self, head: bytes) -> None:
        self.head = head
        length = _CONTENT_LENGTH.search(head)
        body = int(length[1]) if length else 0
        self.wanted = len(head) + body
        self.is_streamed = body > self._rules.max_body or bool(_CHUNKED.search(head))
        if not self.is_streamed and self.size < self.wanted and _EXPECTS_CONTINUE.search(head):
            self._sock.send(_CONTINUE)
