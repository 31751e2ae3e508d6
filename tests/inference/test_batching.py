"""Requests into batches: nobody's answer is lost, late or somebody else's."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inference.batching import Batcher
from inference.contracts import Busy

PATIENCE = 20


class Doubler:
    """Doubles numbers; what it ran is on record. Where it is held, it waits for release."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.began = threading.Semaphore(0)
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.poison: dict[int, BaseException] = {}
        self.seconds = 0.0
        self._alone = threading.Lock()

    def __call__(self, numbers: Sequence[int]) -> list[int | Exception]:
        assert self._alone.acquire(blocking=False), "two batches at once"
        try:
            self.batches.append(list(numbers))
            self.began.release()
            assert self.may_go_on.wait(PATIENCE)
            time.sleep(self.seconds)
            for number in numbers:
                if number in self.poison:
                    raise self.poison[number]
            return [ValueError(str(number)) if number < 0 else 2 * number for number in numbers]
        finally:
            self._alone.release()

    @property
    def ran(self) -> list[int]:
        return [number for batch in self.batches for number in batch]


@contextmanager
def running(batcher: Batcher[int, int]) -> Iterator[Callable[..., Future[int]]]:
    """A function that asks from a thread of its own."""
    with ThreadPoolExecutor(32) as pool:

        def ask(number: int, deadline: float | None = None, is_awaited: Callable[[], bool] = lambda: True) -> int:
            with batcher.admit(deadline, is_awaited) as place:
                return place.ask(number)

        yield lambda *args, **kwargs: pool.submit(ask, *args, **kwargs)
    batcher.close()
    batcher.join(PATIENCE)


def wait_until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def waiting(batcher: Batcher[int, int]) -> int:
    return batcher._waiting


@pytest.fixture
def doubler() -> Doubler:
    return Doubler()


def test_what_comes_while_a_batch_runs_makes_the_next_one(doubler: Doubler) -> None:
    batcher = Batcher(doubler, max_batch=3, max_waiting=10)
    with running(batcher) as ask:
        doubler.may_go_on.clear()
        answers = [ask(0)]
        doubler.began.acquire()
        for number in (1, 2, 3, 4):
            answers.append(ask(number))
            wait_until(lambda number=number: waiting(batcher) == number)
        doubler.may_go_on.set()

        assert [answer.result(PATIENCE) for answer in answers] == [0, 2, 4, 6, 8]
    assert doubler.batches == [[0], [1, 2, 3], [4]]


def test_one_alone_waits_for_nobody(doubler: Doubler) -> None:
    with running(Batcher(doubler, max_batch=8, max_waiting=10)) as ask:
        assert [ask(number).result(PATIENCE) for number in (1, 2)] == [2, 4]
    assert doubler.batches == [[1], [2]]


def test_where_it_is_told_to_the_first_waits_for_company_until_the_batch_is_full(doubler: Doubler) -> None:
    with running(Batcher(doubler, max_batch=2, max_waiting=10, max_wait=PATIENCE)) as ask:
        first = ask(1)
        with pytest.raises(TimeoutError):
            first.result(0.05)
        assert ask(2).result(PATIENCE / 2) == 4
        assert first.result(PATIENCE) == 2
    assert len(doubler.batches) == 1


def test_company_that_does_not_come_is_waited_for_only_so_long(doubler: Doubler) -> None:
    with running(Batcher(doubler, max_batch=2, max_waiting=10, max_wait=0.05)) as ask:
        assert ask(1).result(PATIENCE) == 2


def test_full_line_refuses_at_once_and_says_when_to_come_again(doubler: Doubler) -> None:
    doubler.seconds = 0.6
    batcher = Batcher(doubler, max_batch=1, max_waiting=3)
    with running(batcher) as ask:
        ask(0).result(PATIENCE)
        doubler.began.acquire()
        doubler.may_go_on.clear()
        answers = [ask(1)]
        doubler.began.acquire()
        answers += [ask(number) for number in (2, 3, 4)]
        wait_until(lambda: waiting(batcher) == 3)

        started = time.monotonic()
        with pytest.raises(Busy) as refusal, batcher.admit():
            pass
        assert time.monotonic() - started < 0.3
        # Three wait, at 0.6 seconds each.
        assert refusal.value.retry_after == 2

        doubler.may_go_on.set()
        assert [answer.result(PATIENCE) for answer in answers] == [2, 4, 6, 8]


def test_those_still_preparing_count_as_waiting(doubler: Doubler) -> None:
    batcher = Batcher(doubler, max_batch=4, max_waiting=2)
    with ExitStack() as stack:
        stack.enter_context(batcher.admit())
        stack.enter_context(batcher.admit())
        with pytest.raises(Busy), batcher.admit():
            pass
    with batcher.admit() as place:
        assert place.ask(4) == 8


def test_deadline_that_cannot_be_met_is_refused_at_once(doubler: Doubler) -> None:
    doubler.seconds = 0.2
    batcher = Batcher(doubler, max_batch=1, max_waiting=100)
    with running(batcher) as ask:
        ask(0).result(PATIENCE)
        doubler.may_go_on.clear()
        waiters = [ask(number) for number in range(1, 12)]
        wait_until(lambda: waiting(batcher) == 10)

        # Ten wait, at 0.2 seconds each.
        with pytest.raises(Busy), batcher.admit(time.monotonic() + 1):
            pass
        patient = ask(99, time.monotonic() + PATIENCE)

        doubler.may_go_on.set()
        assert patient.result(PATIENCE) == 198
        assert all(waiter.result(PATIENCE) for waiter in waiters)


def test_who_waits_past_the_deadline_is_refused_then_and_never_run(doubler: Doubler) -> None:
    batcher = Batcher(doubler, max_batch=1, max_waiting=10)
    with running(batcher) as ask:
        doubler.may_go_on.clear()
        first = ask(1)
        doubler.began.acquire()

        started = time.monotonic()
        late = ask(2, started + 0.1)
        with pytest.raises(Busy):
            late.result(PATIENCE)
        assert 0.05 < time.monotonic() - started < 5

        doubler.may_go_on.set()
        assert first.result(PATIENCE) == 2
        assert ask(3).result(PATIENCE) == 6
    assert doubler.ran == [1, 3]


def test_deadline_holds_while_the_batch_runs_as_well(doubler: Doubler) -> None:
    with running(Batcher(doubler, max_batch=1, max_waiting=10)) as ask:
        doubler.may_go_on.clear()
        late = ask(1, time.monotonic() + 0.1)
        with pytest.raises(Busy):
            late.result(PATIENCE)
        doubler.may_go_on.set()
        assert ask(2).result(PATIENCE) == 4


def test_what_nobody_waits_for_any_more_is_never_run(doubler: Doubler) -> None:
    batcher = Batcher(doubler, max_batch=1, max_waiting=10)
    with running(batcher) as ask:
        doubler.may_go_on.clear()
        first = ask(1)
        doubler.began.acquire()
        is_there = True
        abandoned, kept = ask(2, None, lambda: is_there), ask(3)
        wait_until(lambda: waiting(batcher) == 2)
        is_there = False
        doubler.may_go_on.set()

        with pytest.raises(Busy):
            abandoned.result(PATIENCE)
        assert (first.result(PATIENCE), kept.result(PATIENCE)) == (2, 6)
    assert sorted(doubler.ran) == [1, 3]


def test_who_cannot_be_asked_is_taken_to_be_there(doubler: Doubler) -> None:
    def fail() -> bool:
        raise OSError

    with running(Batcher(doubler, max_batch=1, max_waiting=10)) as ask:
        assert ask(1, None, fail).result(PATIENCE) == 2


@pytest.mark.parametrize("error", [RuntimeError("poison"), MemoryError(), TimeoutError(), SystemExit(1)])
def test_one_that_breaks_its_batch_fails_alone(doubler: Doubler, error: BaseException) -> None:
    doubler.poison = {3: error}
    batcher = Batcher(doubler, max_batch=4, max_waiting=10)
    with running(batcher) as ask:
        doubler.may_go_on.clear()
        answers = {0: ask(0)}
        doubler.began.acquire()
        answers |= {number: ask(number) for number in (1, 2, 3, 4)}
        wait_until(lambda: waiting(batcher) == 4)
        doubler.may_go_on.set()

        with pytest.raises(type(error) if isinstance(error, Exception) else RuntimeError):
            answers.pop(3).result(PATIENCE)
        assert {number: answer.result(PATIENCE) for number, answer in answers.items()} == {0: 0, 1: 2, 2: 4, 4: 8}
        assert ask(5).result(PATIENCE) == 10


def test_wrong_number_of_answers_is_nobodys_answer() -> None:
    with running(Batcher(lambda numbers: [0, 0], max_batch=1, max_waiting=1)) as ask, pytest.raises(RuntimeError):
        ask(1).result(PATIENCE)


def test_closing_answers_who_was_admitted_and_then_ends_the_thread(doubler: Doubler) -> None:
    batcher = Batcher(doubler, max_batch=2, max_waiting=10)
    with batcher.admit() as early:
        batcher.close()
        with pytest.raises(Busy), batcher.admit():
            pass
        assert early.ask(1) == 2
    batcher.join(PATIENCE)
    assert not any(thread.is_alive() for thread in batcher._threads)


def test_admitted_who_never_ask_hold_up_no_end(doubler: Doubler) -> None:
    batcher = Batcher(doubler, max_batch=2, max_waiting=1)
    with suppress(KeyError), batcher.admit():
        batcher.close()
        raise KeyError
    batcher.join(PATIENCE)
    assert not any(thread.is_alive() for thread in batcher._threads)


def test_set_up_runs_first_and_in_the_same_thread(doubler: Doubler) -> None:
    threads = []
    batcher = Batcher(
        lambda numbers: [threads.append(threading.get_ident()) or 0 for _ in numbers],
        max_batch=1,
        max_waiting=1,
        set_up=lambda: threads.append(threading.get_ident()),
    )
    batcher.wait_until_set_up()
    with batcher.admit() as place:
        place.ask(1)

    assert len(threads) == 2
    assert len(set(threads)) == 1


def test_set_up_that_fails_is_told_and_nobody_is_admitted(doubler: Doubler) -> None:
    def fail() -> None:
        raise OSError("no weights")

    batcher = Batcher(doubler, max_batch=1, max_waiting=1, set_up=fail)

    with pytest.raises(OSError, match="no weights"):
        batcher.wait_until_set_up()
    with pytest.raises(Busy), batcher.admit():
        pass


REQUESTS = st.lists(
    st.tuples(
        st.floats(0, 0.01),  # when it comes
        st.floats(0, 0.004),  # what preparing takes
        st.one_of(st.just(math.inf), st.floats(0, 0.02)),  # how long it waits
        st.sampled_from(["good", "refused", "poison", "gone"]),
    ),
    max_size=24,
)


@given(
    requests=REQUESTS,
    max_batch=st.integers(1, 5),
    max_waiting=st.integers(1, 8),
    max_wait=st.sampled_from([0, 2e-3]),
    threads=st.integers(1, 3),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_each_gets_the_own_answer_or_the_own_error(
    requests: list[tuple[float, float, float, str]], max_batch: int, max_waiting: int, max_wait: float, threads: int
) -> None:
    doublers = [Doubler() for _ in range(threads)]
    for doubler in doublers:
        doubler.seconds = 0.001
        doubler.poison = {
            number: RuntimeError(str(number)) for number, (*_, fate) in enumerate(requests, 1) if fate == "poison"
        }
    batcher = Batcher(*doublers, max_batch=max_batch, max_waiting=max_waiting, max_wait=max_wait)
    most_waiting = 0

    def send(number: int) -> object:
        nonlocal most_waiting
        coming, preparing, patience, fate = requests[number - 1]
        time.sleep(coming)
        try:
            with batcher.admit(time.monotonic() + patience, lambda: fate != "gone") as place:
                most_waiting = max(most_waiting, waiting(batcher))
                time.sleep(preparing)
                return place.ask(-number if fate == "refused" else number)
        except (Busy, ValueError, RuntimeError) as error:
            return error

    with ThreadPoolExecutor(max(len(requests), 1)) as pool:
        outcomes = list(pool.map(send, range(1, len(requests) + 1)))
    batcher.close()
    batcher.join(PATIENCE)

    assert not any(thread.is_alive() for thread in batcher._threads)
    assert waiting(batcher) == 0
    assert most_waiting <= max_waiting
    assert all(len(batch) <= max_batch for doubler in doublers for batch in doubler.batches)
    for number, (outcome, (*_, fate)) in enumerate(zip(outcomes, requests, strict=True), 1):
        match fate:
            case "good":
                assert outcome == 2 * number or isinstance(outcome, Busy)
            case "refused":
                assert isinstance(outcome, Busy) or (isinstance(outcome, ValueError) and str(outcome) == f"-{number}")
            case "poison":
                assert isinstance(outcome, Busy) or (isinstance(outcome, RuntimeError) and str(outcome) == f"{number}")
            case "gone":
                assert isinstance(outcome, Busy)
                assert all(number not in doubler.ran for doubler in doublers)
