"""The models on other machines, reached over HTTP (docs/ray.md). Needs neither torch nor Ray.

An address that keeps failing is left alone for a while, and a call that fails is made once more, at another address
where there is one: an analysis changes nothing, so twice is as good as once. A photo that then has no answer is
refused as Busy, and the log says why.
"""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections.abc import Callable, Iterator
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

_ATTEMPTS = 2
_CONNECT_SECONDS = 2.0
# Background work sets no deadline; it can wait, but not for ever.
_UNHURRIED_SECONDS = 60.0
_VERSIONS_SECONDS = 5.0


class AttemptFailed(Exception):
    """One address gave no answer of this protocol; another may."""


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
        cause: AttemptFailed | None = None
        for address, seconds in self._attempts(deadline):
            try:
                answer = decode(self._call(address, method, path, seconds, body))
            except (AttemptFailed, MessageError, urllib3.exceptions.HTTPError) as error:
                address.breaker.failed()
                logger.warning("inference_call_failed", address=address.url, reason=str(error) or type(error).__name__)
                cause = AttemptFailed(f"{address.url}: {error}")
            except InferenceError:
                address.breaker.succeeded()
                raise
            else:
                address.breaker.succeeded()
                return answer
        raise Busy(math.ceil(PAUSE_SECONDS)) from cause

    def _attempts(self, deadline: float | None) -> Iterator[tuple[_Address, float]]:
        """Whom to ask, and for how many seconds: what hangs must leave the second attempt as much time as it had."""
        first = next(self._turn) % len(self._addresses)
        # Where there is one address alone, other replicas are behind it.
        order = (self._addresses[first:] + self._addresses[:first]) * _ATTEMPTS
        admitted = (address for address in order if address.breaker.admits())
        for number, address in enumerate(itertools.islice(admitted, _ATTEMPTS)):
            left = _UNHURRIED_SECONDS if deadline is None else deadline - time.monotonic()
            if left <= 0:
                return
            yield address, left / (_ATTEMPTS - number)

    def _call(self, address: _Address, method: str, path: str, seconds: float, body: bytes | None) -> bytes:
        """The body of an answer with an analysis. Raises the InferenceError that was answered, else AttemptFailed."""
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
            if response.status == HTTPStatus.SERVICE_UNAVAILABLE:
                raise Busy(_seconds(response.headers.get("Retry-After")))
            raise AttemptFailed(f"status {response.status} from no replica")
        if version != str(PROTOCOL_VERSION):
            raise AttemptFailed(f"speaks protocol {version[:10]}, this is {PROTOCOL_VERSION}")
        if response.status == HTTPStatus.OK:
            return response.data
        if response.status not in STATUS.values():
            raise AttemptFailed(f"status {response.status}")
        raise decode_error(response.data)


def _seconds(retry_after: str | None) -> int:
    return int(retry_after) if retry_after and retry_after.isdecimal() else 1
