"""What can go wrong with a classification, apart from the photo itself (inference.contracts)."""

from __future__ import annotations

from typing import ClassVar


class ClassificationError(Exception):
    """A refusal with a stable code and an HTTP status."""

    status: ClassVar[int]
    code: ClassVar[str]


class UnderAge(ClassificationError):
    """The person is younger than this installation serves."""

    status = 422
    code = "under_age"


class ClassificationNotFound(ClassificationError):
    """No such classification for this owner: never made, expired, deleted, or someone else's."""

    status = 404
    code = "not_found"


class LengthRequired(ClassificationError):
    """The request does not say how long it is, so nobody can tell whether it is too long."""

    status = 411
    code = "length_required"


class IdempotencyConflict(ClassificationError):
    """The Idempotency-Key was used before, with another request."""

    status = 422
    code = "idempotency_conflict"


class StorageUnavailable(ClassificationError):
    """Photos can be neither stored nor erased now; trying again later can succeed."""

    status = 503
    code = "storage_unavailable"


class CatalogueIncomplete(ClassificationError):
    """The five types, or the four published images of an answer to the mobile app, are not there."""

    status = 503
    code = "catalogue_incomplete"
