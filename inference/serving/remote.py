"""The models on other machines, reached over HTTP (docs/ray.md). Needs neither torch nor Ray.

An address that keeps failing is left alone for a while, and a photo whose replica is lost, hangs or runs out of time is
sent once more, to another address where there is one: an analysis changes nothing, so twice is as good as once. An
address that is lost itself costs no attempt. A photo that then has no answer is refused as Busy, and the log says why.
"""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import ClassVar, TypeVar

import structlog
import urllib3

from inference.client import BackendOptions
from inference.contracts import Busy, FaceAnalysis, InferenceError, ModelVersions
from inference.serving.breaker import PAUSE_SECONDS, CircuitBreaker
from inference.serving.protocol import (
    ANALYZE_PATH,
    MODELS_PATH,
    PROTOCOL_VERSION,
    STATUS,
    TIME_LIMIT_HEADER,
    VERSION_HEADER,
    MessageError,
    decode_analysis,
    decode_error,
    decode_versions,
)

logger = structlog.get_logger(__name__)

Answer = TypeVar("Answer")

# A photo that kills what takes it takes no third.
_ATTEMPTS = 2
# A node that dies takes one replica, and its others moments later: time not to meet them.
_PAUSE_SECONDS = 0.25
_CONNECT_SECONDS = 2.0
# Background work sets no deadline; it can wait, but not for ever.
_UNHURRIED_SECONDS = 60.0
_VERSIONS_SECONDS = 5.0


class AttemptFailed(Exception):
    """One address gave no answer of this protocol; another may."""


class _OutOfTime(Exception):
    """A replica needs longer than this attempt has. busy: what it said."""

    def __init__(self, busy: Busy) -> None:
        super().__init__(str(busy))
        self.busy = busy


@dataclass(frozen=True, slots=True)
class _Address:
    url: str
    breaker: CircuitBreaker = field(default_factory=CircuitBreaker)


class RemoteBackend:
    """Asks the inference tier. Safe for any number of threads; a pool keeps their connections open."""

    loads_weights: ClassVar[bool] = False

    def __init__(self, options: BackendOptions) -> None:
        if not options.urls:
            raise ValueError("INFERENCE_URL names no address")
        self._addresses = [_Address(url.rstrip("/")) for url in options.urls]
        self._turn = itertools.count()
        self._room = threading.BoundedSemaphore(options.max_waiting)
        self._http = urllib3.PoolManager(
            num_pools=len(self._addresses),
            maxsize=options.max_waiting,
            retries=False,
            headers={"Authorization": f"Bearer {options.secret}", VERSION_HEADER: str(PROTOCOL_VERSION)},
        )

    def analyze(self, photo: bytes, *, keep_photo: bool = False, deadline: float | None = None) -> FaceAnalysis:
        # However slowly the tier answers, it holds no more of this process's threads.
        if not self._room.acquire(blocking=False):
            raise Busy
        try:
            path = f"{ANALYZE_PATH}?keep_photo=true" if keep_photo else ANALYZE_PATH
            return self._ask("POST", path, decode_analysis, deadline, photo)
        finally:
            self._room.release()

    def warm_up(self) -> None:
        """Reach the inference tier once. Where it is down, the web tier starts all the same: pages need no models."""
        try:
            self.versions()
        except InferenceError as error:
            logger.warning("inference_not_reached", exc_info=error)

    def versions(self) -> ModelVersions:
        return self._ask("GET", MODELS_PATH, decode_versions, time.monotonic() + _VERSIONS_SECONDS)

    def _ask(
        self,
        method: str,
        path: str,
        decode: Callable[[bytes], Answer],
        deadline: float | None,
        body: bytes | None = None,
    ) -> Answer:
        attempts, busy = 0, Busy(math.ceil(PAUSE_SECONDS))
        cause: AttemptFailed | None = None
        for address in self._twice_in_turn():
            if attempts == _ATTEMPTS:
                break
            if not address.breaker.admits():
                continue
            if attempts:
                time.sleep(min(_PAUSE_SECONDS, max(_left(deadline) / 2, 0)))
            began, left = time.monotonic(), _left(deadline)
            if left <= 0:
                break
            # What hangs must leave the second attempt as much time as it had.
            seconds = left / (_ATTEMPTS - attempts)
            try:
                answer = decode(self._call(address, method, path, seconds, body))
            except (AttemptFailed, MessageError, urllib3.exceptions.HTTPError) as error:
                address.breaker.failed(began)
                logger.warning("inference_call_failed", address=address.url, reason=str(error) or type(error).__name__)
                cause = AttemptFailed(f"{address.url}: {error}")
                attempts += not _is_out_of_reach(error)
            except _OutOfTime as error:
                address.breaker.succeeded()
                attempts, busy = attempts + 1, error.busy
            except InferenceError:
                address.breaker.succeeded()
                raise
            else:
                address.breaker.succeeded()
                return answer
        raise busy from cause

    def _twice_in_turn(self) -> list[_Address]:
        """Whom to ask. Where there is one address alone, other replicas are behind it."""
        first = next(self._turn) % len(self._addresses)
        return (self._addresses[first:] + self._addresses[:first]) * 2

    def _call(self, address: _Address, method: str, path: str, seconds: float, body: bytes | None) -> bytes:
        """The body of an answer with an analysis.

        Raises the InferenceError that was answered, _OutOfTime where a replica was busy, else AttemptFailed.
        """
        response = self._http.request(
            method,
            address.url + path,
            body=body,
            headers={**self._http.headers, TIME_LIMIT_HEADER: f"{seconds:.3f}"},
            timeout=urllib3.Timeout(connect=min(_CONNECT_SECONDS, seconds), read=seconds),
            redirect=False,
        )
        version = response.headers.get(VERSION_HEADER)
        if version is None:
            # Not from a replica: what stands before them has refused the photo, or lost the replica that had it.
            if response.status == HTTPStatus.SERVICE_UNAVAILABLE and "Retry-After" in response.headers:
                raise Busy(_seconds(response.headers["Retry-After"]))
            raise AttemptFailed(f"status {response.status} from no replica")
        if version != str(PROTOCOL_VERSION):
            raise AttemptFailed(f"speaks protocol {version[:10]}, this is {PROTOCOL_VERSION}")
        if response.status == HTTPStatus.OK:
            return response.data
        if response.status not in STATUS.values():
            raise AttemptFailed(f"status {response.status}")
        error = decode_error(response.data)
        raise _OutOfTime(error) if isinstance(error, Busy) else error


def _left(deadline: float | None) -> float:
    return _UNHURRIED_SECONDS if deadline is None else deadline - time.monotonic()


def _is_out_of_reach(error: Exception) -> bool:
    """Whether the address itself is lost, rather than what is behind it."""
    return isinstance(error, urllib3.exceptions.HTTPError) and not isinstance(
        error, urllib3.exceptions.ReadTimeoutError
    )


def _seconds(retry_after: str) -> int:
    return int(retry_after) if retry_after.isdecimal() else 1
