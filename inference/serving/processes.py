"""Batch work on this machine: a process for each core, or two for each GPU, with an engine of its own."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from inference.bulk import WORKERS_A_GPU, Answer, BulkJob, Crashed, EngineUnavailable, in_chunks

# The environment of a process with models. Their large tensors come and go with each batch: in huge pages, which the
# process keeps, that costs a sixteenth less time in all. A large photo's pixels still go back to the system.
_KEPT = {"hugetlb": 1, "mmap_threshold": 64 * 1024 * 1024, "trim_threshold": 256 * 1024 * 1024}
ALLOCATOR = {"GLIBC_TUNABLES": ":".join(f"glibc.malloc.{name}={value}" for name, value in _KEPT.items())}
# One chunk is analysed while the next one is read and decoded.
_CHUNKS_AHEAD = 2
# A worker that says nothing for so long hangs.
STALLED_AFTER = 180.0
_READY = "ready"


def analyze_photos(names: Iterable[str], job: BulkJob, workers: int | None) -> Generator[tuple[str, Answer]]:
    """See inference.bulk.BulkEngine."""
    with closing(ProcessPool(job, workers or WORKERS_A_GPU * count_gpus() or job.cores)) as pool:
        yield from pool.run(names)


def count_gpus() -> int:
    """How many torch finds: asked in another process, since this one needs no torch. Raises EngineUnavailable."""
    process, connection = start(_count_gpus)
    try:
        if not connection.poll(STALLED_AFTER):
            raise EngineUnavailable("The GPUs' driver does not answer.")
        return int(connection.recv())
    except EOFError as error:
        raise EngineUnavailable("A process died while it looked for GPUs.") from error
    finally:
        end(process, connection)


class ProcessPool:
    """Processes with an engine each; this one needs no torch.

    One that dies or hangs is replaced. Its photos are tried again, each alone; one of which a process dies again is
    Crashed.
    """

    def __init__(self, job: BulkJob, workers: int) -> None:
        self._job = job
        self._suspects: deque[str] = deque()
        self._workers = [_Worker(job, number) for number in range(workers)]

    def run(self, names: Iterable[str]) -> Iterator[tuple[str, Answer]]:
        """Each name with its answer. Raises EngineUnavailable."""
        chunks = in_chunks(names)
        while True:
            self._hand_out(chunks)
            busy = [worker for worker in self._workers if worker.chunks]
            if not busy:
                return
            wait([worker.connection for worker in busy], timeout=1.0)
            for worker in busy:
                yield from self._answers_of(worker)

    def close(self) -> None:
        for worker in self._workers:
            worker.end()

    def _hand_out(self, chunks: Iterator[list[str]]) -> None:
        for worker in self._workers:
            if self._suspects and not worker.chunks:
                worker.take([self._suspects.popleft()], is_suspect=True)
            while not worker.has_suspect and len(worker.chunks) < _CHUNKS_AHEAD and (chunk := next(chunks, None)):
                worker.take(chunk)

    def _answers_of(self, worker: _Worker) -> Iterator[tuple[str, Answer]]:
        try:
            while worker.connection.poll():
                yield from worker.receive()
        except (EOFError, OSError):
            yield from self._replace(worker)
            return
        if worker.is_stalled:
            yield from self._replace(worker)

    def _replace(self, worker: _Worker) -> Iterator[tuple[str, Answer]]:
        if not worker.is_ready:
            raise EngineUnavailable("A process died while it loaded the models; there may be too little memory.")
        worker.end()
        self._workers[self._workers.index(worker)] = _Worker(self._job, worker.number)
        left = [name for chunk in worker.chunks for name in chunk]
        if worker.has_suspect:
            yield left[0], Crashed("The process that analysed it died, twice.")
        else:
            self._suspects.extend(left)


class _Worker:
    """A process, and the chunks of names it has not answered yet."""

    def __init__(self, job: BulkJob, number: int) -> None:
        self.number = number
        self.chunks: deque[list[str]] = deque()
        self.has_suspect = False
        self.is_ready = False
        self._heard_at = time.monotonic()
        self._process, self.connection = start(_work, job, number)

    @property
    def is_stalled(self) -> bool:
        # Loading the models may take any time: the machine may be slow, or busy.
        return self.is_ready and bool(self.chunks) and time.monotonic() > self._heard_at + STALLED_AFTER

    def take(self, names: list[str], *, is_suspect: bool = False) -> None:
        self.has_suspect = is_suspect
        if not self.chunks:
            self._heard_at = time.monotonic()
        self.chunks.append(names)
        try:
            self.connection.send(names)
        except OSError:
            # It died just now; receiving tells.
            return

    def receive(self) -> Iterator[tuple[str, Answer]]:
        """The next message: what became of the oldest chunk. Raises EOFError or OSError where the process died."""
        message = self.connection.recv()
        self._heard_at = time.monotonic()
        if isinstance(message, str):
            if message != _READY:
                raise EngineUnavailable(message)
            self.is_ready = True
            return
        names = self.chunks.popleft()
        self.has_suspect = False
        yield from zip(names, message, strict=True)

    def end(self) -> None:
        end(self._process, self.connection)


def start(work: Callable[..., None], *args: object) -> tuple[BaseProcess, Connection]:
    """A process that does `work`, and this end of a pipe, whose other end is the first thing it is called with."""
    # A fresh interpreter: forks of a process with threads can hang, and CUDA survives none.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(theirs, *args), daemon=True)
    # Ctrl-C is for the parent alone; a blocked signal stays so in the new process. What multiprocessing starts with the
    # first one would unblock it.
    resource_tracker.ensure_running()
    for name, value in ALLOCATOR.items():
        os.environ.setdefault(name, value)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    theirs.close()
    return process, ours


def end(process: BaseProcess, connection: Connection) -> None:
    connection.close()
    # It has nothing to lose, and may hang.
    process.kill()
    process.join()


def _count_gpus(connection: Connection) -> None:
    import torch  # noqa: PLC0415 - which only this process needs

    connection.send(torch.cuda.device_count())


def _work(connection: Connection, job: BulkJob, number: int) -> None:
    """The process: analyse what comes, until the other end closes, as it also does when the parent is killed."""
    try:
        from inference.serving.bulk import PhotoAnalyzer, device_of  # noqa: PLC0415 - torch, which only this needs

        analyzer = PhotoAnalyzer(job, device_of(number))
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent says so
        connection.send(f"The models could not be loaded: {error}")
        return
    begun: deque[Any] = deque()
    try:
        connection.send(_READY)
        while True:
            while not begun or (len(begun) < _CHUNKS_AHEAD and connection.poll()):
                names: Sequence[str] = connection.recv()
                begun.append(analyzer.begin(names))
            connection.send(analyzer.finish(begun.popleft()))
    except (EOFError, OSError):
        return
