"""A survey's ratings as arrays, to compute with."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from catalog.models import Rater, Rating, Survey, SurveyImage
from catalog.services.aggregation import Floats, Ints, Mask, Votes
from inference.contracts import FacePart

PARTS = tuple(part.value for part in FacePart)
_PART_INDEX = {part: index for index, part in enumerate(PARTS)}
_ROWS_AT_ONCE = 20_000


@dataclass(frozen=True, slots=True)
class SurveyRatings:
    """N ratings of I images by R raters, images and raters in the order of their keys.

    image, rater, part, round (N,): indices of images, raters and PARTS; 0 the first time. value (N,).
    image_ids, image_keys, gold (I,): of the SurveyImages; gold is NaN where no right answer is known.
    rater_ids, rater_keys, identified, age_bands, sexes (R,).
    """

    image: Ints
    rater: Ints
    part: Ints
    round: Ints
    value: Floats
    image_ids: Ints
    image_keys: tuple[str, ...]
    gold: Floats
    rater_ids: Ints
    rater_keys: tuple[str, ...]
    identified: Mask
    age_bands: tuple[str, ...]
    sexes: tuple[str, ...]

    def votes(self, part: str, kept: Mask | None = None) -> Votes:
        """The first answers about one part of images that get a type; kept (N,): only some of them."""
        chosen = (self.part == PARTS.index(part)) & (self.round == 0) & np.isnan(self.gold[self.image])
        return self._votes(self.image, chosen if kept is None else chosen & kept, len(self.image_ids))

    def votes_of_all_parts(self, *, repeats: bool = False) -> Votes:
        """The first answers about everything, or the repeats; an item is a part of an image: I x 3 of them."""
        chosen = self.round > 0 if repeats else self.round == 0
        return self._votes(self.image * len(PARTS) + self.part, chosen, len(self.image_ids) * len(PARTS))

    def _votes(self, item: Ints, chosen: Mask, items: int) -> Votes:
        return Votes(item[chosen], self.rater[chosen], self.value[chosen], items, len(self.rater_ids))

    def hash(self) -> str:
        """SHA-256 of the ratings, the same in every database and whatever their order."""
        digest = hashlib.sha256()
        for keys, used in ((self.image_keys, self.image), (self.rater_keys, self.rater)):
            for index in np.unique(used):
                digest.update(keys[index].encode())
                digest.update(b"\n")
        # Numbered among those that have ratings: an image without one changes nothing.
        columns = [np.unique(column, return_inverse=True)[1] for column in (self.image, self.rater)]
        order = np.lexsort((self.value, self.round, self.part, *columns))
        for column in (*columns, self.part, self.round):
            digest.update(column[order].astype("<i8").tobytes())
        digest.update(self.value[order].astype("<f8").tobytes())
        return digest.hexdigest()


def ratings_read(survey: Survey) -> SurveyRatings:
    """All of a survey's ratings, in one streamed query, one for its images and one for its raters."""
    rows = (
        Rating.objects.filter(survey_image__survey=survey)
        .values_list("survey_image_id", "rater_id", "part", "round", "value")
        .iterator(chunk_size=_ROWS_AT_ONCE)
    )
    # Before images and raters, so that whatever a rating refers to is there.
    image_id, rater_id, part, round_, value = _columns(rows)
    images = sorted(
        SurveyImage.objects.filter(survey=survey).values_list("key", "pk", "gold_value"), key=lambda row: row[0]
    )
    raters = sorted(
        Rater.objects.filter(survey=survey).values_list("key", "pk", "is_identified", "age_band", "sex"),
        key=lambda row: row[0],
    )
    image_keys, image_ids, gold = _transposed(images, 3)
    rater_keys, rater_ids, identified, age_bands, sexes = _transposed(raters, 5)
    image_ids_array, rater_ids_array = (np.array(ids, np.int64) for ids in (image_ids, rater_ids))
    image, has_image = _indices(image_id, image_ids_array)
    rater, has_rater = _indices(rater_id, rater_ids_array)
    # Deleted since the ratings were read.
    there = has_image & has_rater
    return SurveyRatings(
        image=image[there],
        rater=rater[there],
        part=part[there],
        round=round_[there],
        value=value[there],
        image_ids=image_ids_array,
        image_keys=image_keys,
        gold=np.array([np.nan if right is None else right for right in gold], float),
        rater_ids=rater_ids_array,
        rater_keys=rater_keys,
        identified=np.array(identified, bool),
        age_bands=age_bands,
        sexes=sexes,
    )


def _columns(rows: Iterator[tuple[int, int, str, int, float]]) -> tuple[Ints, Ints, Ints, Ints, Floats]:
    chunks: list[tuple[Any, ...]] = []
    while chunk := list(islice(rows, _ROWS_AT_ONCE)):
        image_id, rater_id, part, round_, value = zip(*chunk, strict=True)
        parts = [_PART_INDEX[name] for name in part]
        chunks.append(
            (*(np.array(ids, np.int64) for ids in (image_id, rater_id, parts, round_)), np.array(value, float))
        )
    if not chunks:
        none = np.array([], np.int64)
        return none, none, none, none, np.array([], float)
    image_ids, rater_ids, part_indices, rounds, values = (
        np.concatenate(column) for column in zip(*chunks, strict=True)
    )
    return image_ids, rater_ids, part_indices, rounds, values


def _transposed(rows: Iterable[tuple[Any, ...]], width: int) -> tuple[tuple[Any, ...], ...]:
    return tuple(zip(*rows, strict=True)) or ((),) * width


def _indices(ids: Ints, known: Ints) -> tuple[Ints, Mask]:
    """Where each of `ids` stands in `known`, and whether it does."""
    if not len(known):
        return np.zeros(len(ids), np.int64), np.zeros(len(ids), bool)
    order = np.argsort(known)
    place = order[np.minimum(np.searchsorted(known, ids, sorter=order), len(known) - 1)]
    return place, known[place] == ids
