"""What the catalogue refuses. Each error has a stable code and the HTTP status it deserves."""

from __future__ import annotations

from typing import ClassVar

from botocore.exceptions import BotoCoreError, ClientError

# What a folder and a bucket raise when they cannot be reached, or lack a file.
STORAGE_ERRORS = (OSError, BotoCoreError, ClientError)


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


class PictureUnavailable(CatalogError):
    """A published picture cannot be read from the storage now."""

    status = 503
    code = "storage_unavailable"


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
