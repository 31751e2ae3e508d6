"""What the catalogue refuses. Each error has a stable code and the HTTP status it deserves."""

from __future__ import annotations

from typing import ClassVar


class CatalogError(Exception):
    """A refusal; its message is a sentence a person can read, in the active language."""

    status: ClassVar[int]
    code: ClassVar[str]


class UnknownType(CatalogError):
    """There is no face type of that code."""

    status = 404
    code = "not_found"


class InvalidPicture(CatalogError):
    """The bytes are no readable picture, or one that is too small to show."""

    status = 400
    code = "invalid_image"


class PictureTooLarge(CatalogError):
    """More bytes or more pixels than are accepted."""

    status = 413
    code = "photo_too_large"


class DuplicateImage(CatalogError):
    """The same picture is in the catalogue already."""

    status = 409
    code = "duplicate_image"


class IncompleteImage(CatalogError):
    """A published image would lack its type, source or licence."""

    status = 409
    code = "incomplete_image"


class PolicyInUse(CatalogError):
    """The active scoring policy cannot be deleted."""

    status = 409
    code = "policy_in_use"
