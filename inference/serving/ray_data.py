"""Batch work on a Ray cluster, as a Ray Data job: names go in, actors with an engine each answer.

Every node needs this code and reaches the photos: in a shared folder, or in a bucket.
"""

from __future__ import annotations

import itertools
import logging
import os
import pickle
from collections.abc import Generator, Iterable, Iterator

import pyarrow as pa
import ray
import ray.data

from inference.bulk import CHUNK, WORKERS_A_GPU, Answer, BulkJob, EngineUnavailable, in_chunks
from inference.serving.processes import ProcessPool

# Names of one execution, all that the driver ever holds; the actors of the next one start anew.
_NAMES_AT_ONCE = 200_000
_BLOCK = 8 * CHUNK
_ANSWERS = pa.schema([("name", pa.binary()), ("answer", pa.binary())])


def analyze_photos(names: Iterable[str], job: BulkJob, workers: int | None) -> Generator[tuple[str, Answer]]:
    """See inference.bulk.BulkEngine. Joins the cluster that RAY_ADDRESS names, or starts one on this machine.

    What an actor had at work when its node was lost is done again by another one.
    """
    if is_ours := not ray.is_initialized():
        try:
            ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.WARNING)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise EngineUnavailable(f"The Ray cluster cannot be reached: {error}") from error
    try:
        listed = iter(names)
        while window := list(itertools.islice(listed, _NAMES_AT_ONCE)):
            yield from _execute(window, job, workers)
    finally:
        if is_ours:
            ray.shutdown()


def _execute(names: list[str], job: BulkJob, workers: int | None) -> Iterator[tuple[str, Answer]]:
    ray.data.DataContext.get_current().enable_progress_bars = False
    cluster: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    # Actors share the GPUs evenly, and use one each at most; without any each takes a core.
    gpus = cluster.get("GPU", 0.0)
    actors = workers or int(WORKERS_A_GPU * gpus) or int(cluster["CPU"])
    blocks = [pa.table({"name": [os.fsencode(name) for name in block]}) for block in in_chunks(names, _BLOCK)]
    answered = ray.data.from_arrow(blocks).map_batches(
        _Actor,
        fn_constructor_args=(job,),
        batch_size=_BLOCK,
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=actors),
        num_cpus=None if gpus else 1,
        num_gpus=min(round(gpus / actors, 4), 1.0) if gpus else None,
    )
    for row in answered.iter_rows():
        yield os.fsdecode(row["name"]), pickle.loads(row["answer"])  # noqa: S301 - our own actor wrote it


class _Actor:
    def __init__(self, job: BulkJob) -> None:
        # A process of its own: a photo that crashes the decoder must not take the actor, which Ray would
        # start again for ever.
        self._pool = ProcessPool(job, workers=1)

    def __call__(self, block: pa.Table) -> pa.Table:
        answers = self._pool.run(map(os.fsdecode, block["name"].to_pylist()))
        rows = [(os.fsencode(name), pickle.dumps(answer)) for name, answer in answers]
        return pa.table(dict(zip(_ANSWERS.names, map(list, zip(*rows, strict=True)), strict=True)), schema=_ANSWERS)
