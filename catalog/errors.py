"""What the catalogue refuses. Each error has a stable code and the HTTP status it deserves."""

from __future__ import annotations

from typing import Any, ClassVar

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


class InvalidText(CatalogError):
    """A text that the mobile app could not show."""

    status = 400
    code = "invalid"


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


class SurveyNotFound(CatalogError):
    """No survey has that link."""

    status = 404
    code = "not_found"


class SurveyNotOpen(CatalogError):
    """The survey does not take ratings yet."""

    status = 403
    code = "survey_not_open"


class SurveyClosed(CatalogError):
    """The survey takes no ratings any more."""

    status = 403
    code = "survey_closed"


class RaterUnknown(CatalogError):
    """No rater of this survey has that secret."""

    status = 403
    code = "rater_unknown"


class NotInSurvey(CatalogError):
    """The survey does not ask about that image, or not about that part of it."""

    status = 404
    code = "not_in_survey"


class RatingOffScale(CatalogError):
    """The survey's scale has no such value."""

    status = 400
    code = "rating_off_scale"


class AnsweredOtherwise(CatalogError):
    """The rater gave this question another answer, which the new one does not know of."""

    status = 409
    code = "answered_otherwise"


class ImageRefused(CatalogError):
    """The gate finds no usable face in the picture."""

    status = 422
    code = "image_refused"


class SimilarImage(CatalogError):
    """The catalogue has a picture that looks the same."""

    status = 409
    code = "similar_image"


class ModelsBusy(CatalogError):
    """The models cannot take the picture now."""

    status = 503
    code = "busy"


class InvalidArchive(CatalogError):
    """The archive is none, is damaged or encrypted, or holds what no archive of pictures holds."""

    status = 400
    code = "invalid_archive"


class ArchiveTooLarge(CatalogError):
    """More files, or more bytes once unpacked, than are accepted."""

    status = 413
    code = "archive_too_large"


class InvalidTable(CatalogError):
    """The table is missing, cannot be read, or lacks a column."""

    status = 400
    code = "invalid_table"


class JobNotReady(CatalogError):
    """The job is not in the state in which that can be done."""

    status = 409
    code = "job_not_ready"


class LabelChanged(CatalogError):
    """Somebody else changed the label meanwhile."""

    status = 409
    code = "label_changed"


class SecondReviewerNeeded(CatalogError):
    """Whoever disputed a label cannot settle it."""

    status = 403
    code = "second_reviewer_needed"


class InvalidLabel(CatalogError):
    """A box lies outside its picture, a part or its type is unknown, or an accepted label lacks something."""

    status = 422
    code = "invalid_label"


class NothingToUndo(CatalogError):
    """The step was undone already, or others followed it."""

    status = 409
    code = "nothing_to_undo"


class NoRatings(CatalogError):
    """There is nothing to aggregate."""

    status = 409
    code = "no_ratings"


class MethodNeedsCategories(CatalogError):
    """That method counts categories, and the survey's scale has none."""

    status = 400
    code = "method_needs_categories"


class InvalidCut(CatalogError):
    """Shares or cut points that cannot make five types."""

    status = 400
    code = "invalid_cut"


class NothingToCompare(CatalogError):
    """The two results have no image in common."""

    status = 409
    code = "nothing_to_compare"


class NothingToPublish(CatalogError):
    """The result is about no picture of the catalogue."""

    status = 409
    code = "nothing_to_publish"


class ResultPublished(CatalogError):
    """The result is published already."""

    status = 409
    code = "result_published"


class ResultNotPublished(CatalogError):
    """Only a published result can be taken back."""

    status = 409
    code = "result_not_published"


class LabelsChanged(CatalogError):
    """Somebody changed what the result gave, so taking it back would lose that."""

    status = 409
    code = "labels_changed"


class TableTooLarge(CatalogError):
    """More bytes than are imported at once."""

    status = 413
    code = "table_too_large"


class RatingsNotImported(CatalogError):
    """The file has rows that cannot be imported, so none was. report: an ImportReport, where the file was just read."""

    status = 400
    code = "ratings_not_imported"

    def __init__(self, message: str, report: Any = None) -> None:
        super().__init__(message)
        self.report = report


class SurveyWithoutImages(CatalogError):
    """A survey that asks about no picture cannot be opened."""

    status = 409
    code = "survey_without_images"


class ImportNotPossible(CatalogError):
    """The import is running, or over."""

    status = 409
    code = "import_not_possible"
