"""gunicorn's threaded worker, made safe from slow clients: a thread gets a request once all of it has arrived.

Left alone, gunicorn gives a connection to a thread at its first byte, and a client that sends one byte a second keeps
that thread. Here the worker's event loop receives requests into memory, thousands at a time, and only what is too
large for memory is read by a thread, at the client's pace but no slower than a lowest one. What took too long, or finds
the memory for uploads full, reaches the application all the same: reading its body raises TimeoutError or
UploadMemoryFull, and the application answers in the caller's language.
"""

from __future__ import annotations

import os
import resource
import selectors
import socket
import struct
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import Any, cast

import structlog
from django.conf import settings
from gunicorn import glogging, util
from gunicorn.config import Config
from gunicorn.http import RequestParser
from gunicorn.workers.gthread import TConn, ThreadWorker

from alphaproject.inbox import Inbox, UploadRules
from alphaproject.refusals import Refusals
from alphaproject.uploads import UploadMemoryFull

logger = structlog.get_logger("alphaproject.serving")

_REFUSAL = b"HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_CHUNK = 1024 * 1024
# Bytes.
_SMALLER_THAN_PHOTOS = 8 * 1024
# Answers smaller than this leave their thread at once, however slowly they are read.
_SEND_BUFFER = 1024 * 1024
# Seconds to wait for a client to close its end: closing ours at once could cut off the answer.
_LINGER = 2.0
_LOOK_EVERY = 1.0


class Connection(TConn):
    """A client's connection, whose parser reads from an inbox."""

    def __init__(
        self,
        cfg: Config,
        sock: socket.socket,
        client: Any,
        server: Any,
        *,
        rules: UploadRules,
        linger: Callable[[socket.socket], None],
    ) -> None:
        super().__init__(cfg, sock, client, server)
        self._linger = linger
        seconds = struct.pack("ll", int(rules.patience), 0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, seconds)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, seconds)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        self.inbox = Inbox(sock, rules)
        self.parser: RequestParser = RequestParser(cfg, cast("socket.socket", self.inbox), client)
        self.has_place = False
        # Neither gunicorn's own set-up of the parser nor its own waiting for the first byte.
        self.initialized = self.data_ready = True

    def close(self, graceful: bool = False) -> None:  # noqa: FBT001, FBT002 - as gunicorn calls it
        if graceful:
            self._linger(self.sock)
        else:
            util.close(self.sock)


class Logger(glogging.Logger):
    """Tells of errors alone: the application logs a line for each request, and gunicorn's would be made for nobody."""

    access_log_enabled = False


class ReceivingWorker(ThreadWorker):
    """The worker. What is overridden runs in its event loop, and never waits."""

    def init_process(self) -> None:
        # Who wakes up waits until the one that runs has done: Python runs one thread at a time, and to interrupt it
        # for another only makes both wait.
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        # Every waiting client is an open file.
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.arriving: set[Connection] = set()
        self.lingering: dict[socket.socket, float] = {}
        self.held = 0
        self.streamed = 0
        self.places_taken = 0
        self.turned_away = 0
        self._look_at = 0.0
        super().init_process()

    def load_wsgi(self) -> None:
        super().load_wsgi()
        # Django is set up only now, and whatever counts belongs to this process.
        from alphaproject.metrics import request_observe  # noqa: PLC0415

        self.observe = request_observe
        self.rules = UploadRules(
            patience=settings.UPLOAD_TIMEOUT,
            lowest_rate=settings.UPLOAD_MIN_RATE,
            max_body=settings.DATA_UPLOAD_MAX_MEMORY_SIZE,
            memory=settings.UPLOAD_MEMORY,
            max_streamed=max(self.cfg.threads // 8, 1),
        )
        self.places = settings.INFERENCE_QUEUE + settings.INFERENCE_PROCESSES * settings.INFERENCE_BATCH
        self.refusals = Refusals(self.cfg, self.wsgi)

    def accept(self, listener: socket.socket) -> None:
        try:
            sock, client = listener.accept()
        except OSError:
            # Another worker was faster, or the client has gone.
            return
        self.nr_conns += 1
        server = listener.getsockname()
        self.enqueue_req(Connection(self.cfg, sock, client, server, rules=self.rules, linger=self.linger))

    def enqueue_req(self, conn: Connection) -> None:  # type: ignore[override] # all are of accept()'s making
        """A connection is new, or its next request begins."""
        conn.sock.setblocking(False)
        conn.inbox.begin(conn.parser.unreader.take_buffered())
        self.held += conn.inbox.held
        self.arriving.add(conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self.receive, conn))
        # Most of it is here by now.
        self.receive(conn)

    def receive(self, conn: Connection, _sock: object = None) -> None:
        try:
            with suppress(BlockingIOError):
                size = conn.inbox.fill()
                # A client may end its side with its last request.
                if not size and not conn.inbox.look():
                    raise ConnectionResetError
                self.held += size
            is_whole = conn.inbox.look()
        except OSError:
            self.drop(conn)
            return
        if is_whole:
            self.hand_over(conn)
        elif conn.inbox.is_head_too_long():
            self.refuse(conn, b"431 Request Header Fields Too Large")
        elif self.held > self.rules.memory:
            self.fail(conn, UploadMemoryFull())

    def hand_over(self, conn: Connection) -> None:
        """Let a thread answer, where it does not bring a photo too many."""
        if (conn.inbox.wanted or 0) > _SMALLER_THAN_PHOTOS and not conn.inbox.is_streamed and not conn.inbox.failure:
            if self.places_taken >= self.places and self.turn_away(conn):
                return
            conn.has_place = True
            self.places_taken += 1
        if conn.inbox.is_streamed:
            self.streamed += 1
            if self.streamed > self.rules.max_streamed:
                conn.inbox.failure = UploadMemoryFull()
        self._forget(conn)
        super().enqueue_req(conn)

    def turn_away(self, conn: Connection) -> bool:
        """Say that the line is full; whether that could be said. No thread wakes for it, and nothing is read."""
        answer = self.refusals.answer_to(conn.inbox.head)
        if answer is None:
            return False
        self._forget(conn)
        stays: Future[bool] = Future()
        try:
            # What a client does not take at once, it does not read.
            stays.set_result(conn.sock.send(answer) == len(answer) and not conn.inbox.is_last())
        except OSError:
            stays.set_result(False)
        self.turned_away += 1
        method = conn.inbox.head.partition(b" ")[0].decode("latin-1")
        self.observe(route=None, method=method, status=HTTPStatus.SERVICE_UNAVAILABLE, seconds=0)
        conn.inbox.skip()
        # In its turn: many requests of one client may be here.
        self.method_queue.defer(self.finish_request, conn, stays)
        return True

    def fail(self, conn: Connection, failure: TimeoutError) -> None:
        """Let a thread answer that this request is not waited for any longer."""
        conn.inbox.failure = failure
        if conn.inbox.has_head():
            self.hand_over(conn)
        elif conn.inbox.size:
            self.refuse(conn, b"408 Request Timeout")
        else:
            self.drop(conn)

    def refuse(self, conn: Connection, status: bytes) -> None:
        """Answer what the application cannot: whose head is not all here, nobody knows the language of."""
        with suppress(OSError):
            conn.sock.send(_REFUSAL % status)
        self.drop(conn, graceful=True)

    def drop(self, conn: Connection, *, graceful: bool = False) -> None:
        self._forget(conn)
        self.held -= conn.inbox.held
        self.nr_conns -= 1
        conn.close(graceful)

    def finish_request(self, conn: Connection, fs: Future[Any]) -> None:  # type: ignore[override]
        self.held -= conn.inbox.held
        self.streamed -= conn.inbox.is_streamed
        self.places_taken -= conn.has_place
        conn.has_place = False
        # gunicorn looks for the next request in its own buffer, which has the first bytes of it already.
        unreader = conn.parser.unreader
        unreader.unread(unreader.take_buffered() + conn.inbox.take_rest())
        super().finish_request(conn, fs)

    def linger(self, sock: socket.socket) -> None:
        """Close once the client has, or a little later. gunicorn would wait here, and everybody with it."""
        try:
            sock.shutdown(socket.SHUT_WR)
            sock.setblocking(False)
            self.poller.register(sock, selectors.EVENT_READ, self._drain)
        except (OSError, ValueError):
            util.close(sock)
        else:
            self.lingering[sock] = time.monotonic() + _LINGER

    def murder_pending(self) -> None:
        """Called often: end what is late."""
        now = time.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + _LOOK_EVERY
        if self.turned_away:
            logger.warning("turned_away", requests=self.turned_away)
            self.turned_away = 0
        for conn in [each for each in self.arriving if each.inbox.is_late(now)]:
            self.fail(conn, TimeoutError())
        if not self.alive:
            for conn in [each for each in self.arriving if not each.inbox.size]:
                self.drop(conn)
        for sock in [each for each, until in self.lingering.items() if now > until]:
            self._stop_lingering(sock)

    def _forget(self, conn: Connection) -> None:
        self.arriving.discard(conn)
        self.poller.unregister(conn.sock)

    def _drain(self, sock: socket.socket) -> None:
        try:
            if sock.recv(_CHUNK):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self._stop_lingering(sock)

    def _stop_lingering(self, sock: socket.socket) -> None:
        self.poller.unregister(sock)
        del self.lingering[sock]
        util.close(sock)
