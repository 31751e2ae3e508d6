"""How alike two faces are: the cosine between their embeddings, here a plain product of vectors of length 1."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

# Half precision moves a cosine by less than 0.001, far less than two photos of one person do.
_STORED = np.dtype("<f2")


@dataclass(frozen=True, slots=True)
class Candidate:
    """An image that might be shown. vector: as vector_of() made it."""

    image_id: int
    celebrity_id: int
    vector: bytes


def vector_of(embedding: Sequence[float]) -> bytes:
    """An embedding (128,) as it is stored, in 256 bytes."""
    return np.asarray(embedding, _STORED).tobytes()


def most_alike(candidates: Sequence[Candidate], embedding: Sequence[float], count: int) -> list[int]:
    """Ids of the `count` images most like a face, the most alike first; fewer where there are fewer.

    Each celebrity comes once, until there are no others left.
    """
    if not candidates:
        return []
    vectors = np.frombuffer(b"".join(candidate.vector for candidate in candidates), _STORED)
    likeness = vectors.reshape(len(candidates), -1).astype(np.float32) @ np.asarray(embedding, np.float32)
    ranked = [candidates[index] for index in np.argsort(-likeness, kind="stable")]
    return [candidate.image_id for candidate in _each_celebrity_first(ranked)][:count]


def _each_celebrity_first(ranked: Iterable[Candidate]) -> list[Candidate]:
    first: dict[int, Candidate] = {}
    again: list[Candidate] = []
    for candidate in ranked:
        if candidate.celebrity_id in first:
            again.append(candidate)
        else:
            first[candidate.celebrity_id] = candidate
    return [*first.values(), *again]
