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


class LinkNotFound(ClassificationError):
    """No such link to a result: it is incomplete, or its result is expired or deleted."""

    status = 404
    code = "link_not_found"


class LinkRevoked(ClassificationError):
    """The owner has withdrawn this link."""

    status = 410
    code = "link_revoked"


class PhotoNotStored(ClassificationError):
    """The owner did not let us keep the photo, so there is none to show."""

    status = 409
    code = "photo_not_stored"


class InvitationNotFound(ClassificationError):
    """No such invitation: the link is incomplete, was withdrawn, or went with its result."""

    status = 404
    code = "invitation_not_found"


class InvitationTaken(ClassificationError):
    """Somebody else joined by this invitation, which is for one."""

    status = 409
    code = "invitation_taken"


class ComparisonNotFound(ClassificationError):
    """No such comparison for this person: not begun, ended, expired, or other people's."""

    status = 404
    code = "comparison_not_found"


class SameResult(ClassificationError):
    """A result cannot be compared with itself."""

    status = 422
    code = "same_result"


class TooManyComparisons(ClassificationError):
    """This result takes part in as many comparisons or boards as one may."""

    status = 422
    code = "too_many_comparisons"


class BoardNotFound(ClassificationError):
    """No such board: the link is incomplete, or it was closed, left by all, or has expired."""

    status = 404
    code = "board_not_found"


class BoardFull(ClassificationError):
    """All seats are taken."""

    status = 409
    code = "board_full"


class NicknameTaken(ClassificationError):
    """Somebody on this board has this nickname."""

    status = 409
    code = "nickname_taken"


class NotAllowed(ClassificationError):
    """Only the board's owner, or the member, may do this."""

    status = 403
    code = "permission_denied"
