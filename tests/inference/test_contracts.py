"""What crosses from process to process arrives as it was sent."""

from __future__ import annotations

import pickle

import pytest

from inference.bulk import Crashed
from inference.contracts import (
    Busy,
    InferenceError,
    InvalidImage,
    PhotoRefused,
    PhotoTooLarge,
    RefusalReason,
    UnsupportedImage,
)

ERRORS = [
    InvalidImage("the photo is empty"),
    UnsupportedImage("not a JPEG, PNG or WebP"),
    PhotoTooLarge("2 bytes, at most 1"),
    Busy(retry_after=7),
    Crashed("the process died"),
    *map(PhotoRefused, RefusalReason),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.code)
def test_an_error_arrives_with_all_that_it_says(error: InferenceError) -> None:
    # Twice: a photo's answer may come by way of another process.
    arrived = pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(error))))

    assert type(arrived) is type(error)
    assert (arrived.code, arrived.args, vars(arrived), str(arrived)) == (
        error.code,
        error.args,
        vars(error),
        str(error),
    )


def test_every_error_is_among_them() -> None:
    assert {type(error) for error in ERRORS} == set(InferenceError.__subclasses__())
