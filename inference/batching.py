"""Single requests into batches: many threads ask, one or a few run what they ask for.

A request is admitted, prepared by its own thread and queued; a batching thread takes as many as are queued when
it is free. What cannot be answered in time is refused at once, and what nobody waits for any more is never run.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Generic, TypeVar, cast

import structlog

from inference import telemetry
from inference.contracts import Busy

logger = structlog.get_logger(__name__)

Item = TypeVar("Item")
Answer = TypeVar("Answer")
Run = Callable[[Sequence[Item]], Sequence[Answer | Exception]]

# The newest batch's share in the average time of an item.
_NEWEST = 0.2
_LONGEST_RETRY = 60


def _always() -> bool:
    return True


class Place(Generic[Item, Answer]):
    """One admitted request's place in the line."""

    def __init__(self, batcher: Batcher[Item, Answer], deadline: float, is_awaited: Callable[[], bool]) -> None:
        self._batcher = batcher
        self._deadline = deadline
        self._is_awaited = is_awaited
        self.is_waiting = True
        self.item: Item | None = None
        self.queued_at = math.inf
        self.answer: Future[Answer] = Future()

    def ask(self, item: Item) -> Answer:
        """Have the item run in a batch. Raises the item's own error, and Busy where the deadline passes first."""
        self.item = item
        self._batcher.enqueue(self)
        try:
            return self.answer.result(self.seconds_left())
        except TimeoutError:
            # The item's own error may be a TimeoutError as well.
            if self.answer.done():
                return self.answer.result()
            self.answer.cancel()
            raise self._batcher.busy() from None

    def seconds_left(self) -> float | None:
        """Until the deadline; 0 once it has passed, None without one."""
        return None if math.isinf(self._deadline) else max(self._deadline - time.monotonic(), 0.0)

    def reason_not_to_run(self) -> str | None:
        if self.seconds_left() == 0:
            return "late"
        try:
            return None if self._is_awaited() else "abandoned"
        except Exception:
            logger.exception("is_awaited_failed")
            return None


class Batcher(Generic[Item, Answer]):
    """Runs items in batches, in threads of its own.

    runs: one or more that do the same work. Each gives one answer or one exception for each item, in their order, and
        is only ever called by one thread, its own. Where it raises, or gives another number of answers, its items run
        again one by one: each fails only of itself.
    set_up: called in each of those threads before anything runs.
    max_batch: items run at once. max_waiting: requests that are admitted and not yet in a batch.
    max_wait: seconds that the first item of a batch that is not full waits for company.
    """

    def __init__(
        self,
        *runs: Run[Item, Answer],
        max_batch: int,
        max_waiting: int,
        max_wait: float = 0.0,
        set_up: Callable[[], None] = lambda: None,
    ) -> None:
        self._set_up = set_up
        self._max_batch = max_batch
        self._max_waiting = max_waiting
        self._max_wait = max_wait
        self._queue: deque[Place[Item, Answer]] = deque()
        self._waiting = 0
        self._seconds_an_item = 0.0
        self._is_closed = False
        self._changed = threading.Condition()
        self._set_ups: list[Future[None]] = [Future() for _ in runs]
        self._threads = [
            threading.Thread(target=self._serve, args=own, name="batching", daemon=True)
            for own in zip(runs, self._set_ups, strict=True)
        ]
        for thread in self._threads:
            thread.start()

    def wait_until_set_up(self) -> None:
        """Return once all threads run items. Raises what set_up raised; then nothing ever runs."""
        for each in self._set_ups:
            each.result()

    @contextmanager
    def admit(
        self, deadline: float | None = None, is_awaited: Callable[[], bool] = _always
    ) -> Iterator[Place[Item, Answer]]:
        """A place in the line, for as long as the context lasts.

        deadline: of time.monotonic(). is_awaited: whether somebody waits for the answer; asked right before the run.
        Raises Busy where the line is full, or so long that the deadline would pass.
        """
        place = Place(self, math.inf if deadline is None else deadline, is_awaited)
        with self._changed:
            left = place.seconds_left()
            is_late = left is not None and left <= self._expected_wait()
            if is_late or self._is_closed or self._waiting >= self._max_waiting:
                telemetry.NOT_RUN.labels("late" if is_late else "full").inc()
                raise self.busy()
            self._waiting += 1
            telemetry.WAITING.inc()
        try:
            yield place
        finally:
            with self._changed:
                self._leave(place)

    def enqueue(self, place: Place[Item, Answer]) -> None:
        """Queue an admitted request that has its item now."""
        with self._changed:
            place.queued_at = time.monotonic()
            self._queue.append(place)
            self._changed.notify_all()

    def busy(self) -> Busy:
        """The refusal, with the time after which today's line should be done."""
        return Busy(retry_after=min(max(math.ceil(self._expected_wait()), 1), _LONGEST_RETRY))

    def close(self) -> None:
        """Admit nobody from now on; who is admitted still gets an answer, then the threads end."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def join(self, timeout: float | None = None) -> None:
        """Wait for the threads' end, after close()."""
        for thread in self._threads:
            thread.join(timeout)

    def _expected_wait(self) -> float:
        return self._waiting * self._seconds_an_item

    def _leave(self, place: Place[Item, Answer]) -> None:
        if place.is_waiting:
            place.is_waiting = False
            self._waiting -= 1
            telemetry.WAITING.dec()
            if self._is_closed:
                # The threads may have waited for this one before they end.
                self._changed.notify_all()

    def _serve(self, run: Run[Item, Answer], is_set_up: Future[None]) -> None:
        try:
            self._set_up()
        except BaseException as error:  # noqa: BLE001 - it is raised where somebody waits for it
            is_set_up.set_exception(error)
            self.close()
        else:
            is_set_up.set_result(None)
        while batch := self._next_batch():
            self._answer(run, batch)
            # The next one may be long in coming; these photos must not stay in memory until then.
            del batch

    def _next_batch(self) -> list[Place[Item, Answer]]:
        """What to run next, as soon as there is something; nothing once nothing can come any more."""
        with self._changed:
            while True:
                self._changed.wait_for(lambda: self._queue or (self._is_closed and not self._waiting))
                if not self._queue:
                    return []
                self._wait_for_company()
                # Another thread may have taken all of it meanwhile: then this batch is empty, and the wait begins anew.
                batch: list[Place[Item, Answer]] = []
                while self._queue and len(batch) < self._max_batch:
                    place = self._queue.popleft()
                    self._leave(place)
                    # False where the one who asked has given up; from here on, nobody can.
                    if place.answer.set_running_or_notify_cancel() and self._is_worth_running(place):
                        batch.append(place)
                if batch:
                    return batch

    def _wait_for_company(self) -> None:
        if self._max_wait > 0:
            self._changed.wait_for(
                lambda: not self._queue or len(self._queue) >= self._max_batch or self._is_closed,
                timeout=self._queue[0].queued_at + self._max_wait - time.monotonic(),
            )

    def _is_worth_running(self, place: Place[Item, Answer]) -> bool:
        reason = place.reason_not_to_run()
        if reason is None:
            return True
        telemetry.NOT_RUN.labels(reason).inc()
        place.answer.set_exception(self.busy())
        return False

    def _answer(self, run: Run[Item, Answer], batch: Sequence[Place[Item, Answer]]) -> None:
        started = time.monotonic()
        try:
            answers = run([cast("Item", place.item) for place in batch])
            if len(answers) != len(batch):
                raise RuntimeError(f"expected {len(batch)} answers, got {len(answers)}")  # noqa: TRY301
        except BaseException as error:  # noqa: BLE001 - whatever it was, the thread must live on
            self._answer_one_by_one(run, batch, error)
            return
        self._measure(len(batch), time.monotonic() - started)
        for place, answer in zip(batch, answers, strict=True):
            if isinstance(answer, Exception):
                place.answer.set_exception(answer)
            else:
                place.answer.set_result(answer)

    def _answer_one_by_one(
        self, run: Run[Item, Answer], batch: Sequence[Place[Item, Answer]], error: BaseException
    ) -> None:
        if len(batch) == 1:
            batch[0].answer.set_exception(error if isinstance(error, Exception) else RuntimeError("the run was ended"))
            return
        logger.warning("batch_failed", size=len(batch), exc_info=error)
        for place in batch:
            if self._is_worth_running(place):
                self._answer(run, [place])

    def _measure(self, size: int, seconds: float) -> None:
        telemetry.BATCH_SIZE.observe(size)
        telemetry.BATCH_SECONDS.observe(seconds)
        newest = seconds / (size * len(self._threads))
        weight = _NEWEST if self._seconds_an_item else 1.0
        self._seconds_an_item += weight * (newest - self._seconds_an_item)
