"""Clients that send photos over HTTP with aiohttp, in a process of their own, and what they saw.

`run` starts the process and waits for it. Clients of a closed loop each wait for their answer before they send again;
an open loop sends at random instants (a Poisson process) whatever the answers, as people do, and counts from the
instant at which a request was due.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from itertools import cycle, islice
from math import inf, nan
from multiprocessing import get_context
from typing import Any

import aiohttp

ANSWERED = (HTTPStatus.OK, HTTPStatus.CREATED)
_TIMEOUT = aiohttp.ClientTimeout(total=60)


@dataclass(frozen=True, slots=True)
class Form:
    """A photo as browsers send it."""

    body: bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one measurement saw; requests of the warm-up count nowhere.

    milliseconds: of each answered photo. statuses: of all requests; 0 where there was no answer at all.
    client_share: the processor time of the clients, as a share of one core.
    """

    seconds: float
    milliseconds: list[float]
    statuses: Counter[int]
    client_share: float

    @property
    def photos_per_second(self) -> float:
        return len(self.milliseconds) / self.seconds

    def percentile(self, percent: int) -> float:
        """Not a number where too little was answered."""
        if len(self.milliseconds) < 2:
            return nan
        return statistics.quantiles(self.milliseconds, n=100, method="inclusive")[percent - 1]

    @property
    def refused(self) -> str:
        """All other answers by their status, for people."""
        others = {status: count for status, count in self.statuses.items() if status not in ANSWERED}
        return ", ".join(f"{count} x {status or 'no answer'}" for status, count in sorted(others.items())) or "none"


def closed(url: str, forms: Sequence[Form], clients: int, *, warm_up: float, seconds: float) -> Outcome:
    """`clients` that each send their next photo when they have their answer."""
    return _in_own_process(_Run(url, forms, warm_up, seconds), clients=clients)


def opened(url: str, forms: Sequence[Form], rate: float, *, warm_up: float, seconds: float) -> Outcome:
    """Photos at random instants, `rate` a second on average, whatever becomes of those before."""
    return _in_own_process(_Run(url, forms, warm_up, seconds), rate=rate)


def counted(url: str, forms: Sequence[Form], clients: int, *, requests: int) -> Outcome:
    """So many requests by `clients` of a closed loop, however long they take."""
    return _in_own_process(_Run(url, forms, warm_up=0, seconds=inf), clients=clients, requests=requests)


@dataclass(frozen=True, slots=True)
class _Run:
    url: str
    forms: Sequence[Form]
    warm_up: float
    seconds: float


def _in_own_process(run: _Run, **how: Any) -> Outcome:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_measure, run, **how).result()


def _measure(run: _Run, *, clients: int = 0, rate: float = 0.0, requests: int | None = None) -> Outcome:
    return asyncio.run(_Clients(run, requests).measure(clients, rate))


class _Clients:
    def __init__(self, run: _Run, requests: int | None) -> None:
        self._run = run
        self._forms = islice(cycle(run.forms), requests)
        self._milliseconds: list[float] = []
        self._statuses: Counter[int] = Counter()
        self._begin = self._end = 0.0

    async def measure(self, clients: int, rate: float) -> Outcome:
        self._begin = time.perf_counter() + self._run.warm_up
        self._end = self._begin + self._run.seconds
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=_TIMEOUT) as session:
            started, processor = time.perf_counter(), time.process_time()
            if rate:
                await self._send_at(session, rate)
            else:
                await asyncio.gather(*(self._keep_sending(session) for _ in range(clients)))
            elapsed = time.perf_counter() - started
            share = (time.process_time() - processor) / elapsed
        return Outcome(min(self._run.seconds, elapsed), self._milliseconds, self._statuses, share)

    async def _keep_sending(self, session: aiohttp.ClientSession) -> None:
        while (now := time.perf_counter()) < self._end and (form := next(self._forms, None)):
            await self._send(session, form, due=now)

    async def _send_at(self, session: aiohttp.ClientSession, rate: float) -> None:
        due, instants = time.perf_counter(), random.Random(0)
        async with asyncio.TaskGroup() as sending:
            while (due := due + instants.expovariate(rate)) < self._end:
                await asyncio.sleep(max(due - time.perf_counter(), 0))
                sending.create_task(self._send(session, next(self._forms), due))

    async def _send(self, session: aiohttp.ClientSession, form: Form, due: float) -> None:
        status = 0
        try:
            async with session.post(
                self._run.url, data=form.body, headers={"Content-Type": form.content_type}
            ) as response:
                await response.read()
                status = response.status
        except (aiohttp.ClientError, TimeoutError):
            pass
        self._count(status, due, time.perf_counter())

    def _count(self, status: int, due: float, now: float) -> None:
        """By when the answer came: what was under way at either end is counted where it belongs."""
        if self._begin <= now <= self._end:
            self._statuses[status] += 1
            if status in ANSWERED:
                self._milliseconds.append((now - due) * 1000)
