"""Labels proposed by the models, for people to review."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import structlog
from django.contrib.auth.models import AbstractBaseUser
from django.core.files.storage import storages
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from catalog.errors import STORAGE_ERRORS
from catalog.models import CelebrityImage, FaceType, ImageLabel, Job, JobRow, PartLabel
from catalog.models.celebrities import CelebrityImageQuerySet
from catalog.models.jobs import Outcome
from catalog.models.labels import LabelSource, LabelState
from catalog.services.analysis import analyse_many, refusal_sentence
from catalog.services.embeddings import embedding_of, embeddings_set
from catalog.services.jobs import is_in_state, job_create, job_set_state, pending_rows, rows_finish
from catalog.services.labels import UNKNOWN_DOUBT
from inference.contracts import FaceAnalysis, FacePart, InferenceError, PhotoRefused

logger = structlog.get_logger(__name__)

_BY_MODEL = ("", LabelSource.MODEL)
_IMAGES_AT_ONCE = 16


def unlabelled_images() -> CelebrityImageQuerySet:
    """Images that neither a person nor the auto-labeller has looked at."""
    return CelebrityImage.objects.filter(
        Q(label=None) | Q(label__state=LabelState.PROPOSED, label__analysed_at=None)
    ).order_by("pk")


def unreviewed_images() -> CelebrityImageQuerySet:
    """Images that no person has looked at, whether or not the auto-labeller has."""
    return CelebrityImage.objects.filter(Q(label=None) | Q(label__state=LabelState.PROPOSED)).order_by("pk")


@transaction.atomic
def labels_propose(*, answers: Mapping[int, FaceAnalysis | PhotoRefused]) -> set[int]:
    """Propose part boxes and types for images, by their ids; the ids of those that got a proposal.

    What a person or a survey said of a part stays, and so does a label that was reviewed. An image that the
    gate refuses goes to review too, as the most doubtful: the gate errs, and only people reject.
    A constant number of queries, however many images there are.
    """
    known = set(CelebrityImage.objects.filter(pk__in=answers).values_list("pk", flat=True))
    ImageLabel.objects.bulk_create(
        [ImageLabel(image_id=pk, doubt=UNKNOWN_DOUBT) for pk in answers if pk in known], ignore_conflicts=True
    )
    labels = list(
        ImageLabel.objects.filter(image__in=known, state=LabelState.PROPOSED)
        .order_by("pk")
        .select_for_update()
        .prefetch_related("parts")
    )
    types = {face_type.code: face_type for face_type in FaceType.objects.all()}
    changed: list[PartLabel] = []
    now = timezone.now()
    for label in labels:
        answer = answers[label.image_id]
        label.version += 1
        label.analysed_at = now
        parts = {part.part: part for part in label.parts.all()}
        if isinstance(answer, PhotoRefused):
            label.refusal = answer.reason.value
            label.doubt = UNKNOWN_DOUBT
            continue
        label.refusal = ""
        proposed = [_proposal(label, parts, answer, part, types) for part in FacePart]
        label.doubt = _doubt(answer, proposed)
        changed += proposed
    PartLabel.objects.bulk_create(
        changed,
        update_conflicts=True,
        unique_fields=["label", "part"],
        update_fields=[
            *("x0", "y0", "x1", "y1", "box_source"),
            *("face_type", "type_source", "confidence", "model_version"),
        ],
    )
    ImageLabel.objects.bulk_update(labels, ["version", "analysed_at", "refusal", "doubt"])
    return {label.image_id for label in labels}


def _proposal(
    label: ImageLabel,
    parts: Mapping[str, PartLabel],
    answer: FaceAnalysis,
    name: FacePart,
    types: Mapping[str, FaceType],
) -> PartLabel:
    analysis = next(part for part in answer.parts if part.part == name)
    part = parts.get(name) or PartLabel(label=label, part=name.value)
    if part.box_source in _BY_MODEL:
        box = analysis.box
        part.x0, part.y0 = max(box.x0, 0), max(box.y0, 0)
        part.x1, part.y1 = min(box.x1, answer.photo_width), min(box.y1, answer.photo_height)
        part.box_source = LabelSource.MODEL
    if part.type_source in _BY_MODEL:
        part.face_type = types[analysis.type]
        part.type_source = LabelSource.MODEL
        part.confidence = max(analysis.probabilities)
    part.model_version = answer.models.types
    return part


def _doubt(answer: FaceAnalysis, parts: Sequence[PartLabel]) -> float:
    """1 less the probability that the proposal holds: that this is a face, that its parts lie in these boxes, and that
    its whole is of that type.

    A box or a type that a person or a survey gave is beyond doubt.
    """
    certainty = answer.face.score
    if any(part.box_source == LabelSource.MODEL for part in parts):
        certainty *= answer.box_confidence
    whole_face = parts[0]
    if whole_face.type_source == LabelSource.MODEL:
        certainty *= whole_face.confidence or 0
    return min(max(1 - certainty, 0.0), 1.0)


def autolabel_create(*, images: CelebrityImageQuerySet, created_by: AbstractBaseUser | None) -> Job:
    """A job that proposes labels for images; reviewed ones among them keep theirs."""
    rows = (
        JobRow(number=number, name=key, image_id=pk)
        for number, (pk, key) in enumerate(images.values_list("pk", "file").iterator(), start=1)
    )
    return job_create(kind=Job.Kind.AUTOLABEL, state=Job.State.RUNNING, rows=rows, created_by=created_by)


class AutolabelWorker:
    """Proposes labels for a job's images. An image that cannot be read or analysed does not stop the others."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def step(self) -> bool:
        if not is_in_state(self._job, Job.State.RUNNING):
            return False
        rows = pending_rows(self._job, _IMAGES_AT_ONCE)
        if not rows:
            job_set_state(job=self._job, state=Job.State.FINISHED, expected=Job.State.RUNNING)
            return False
        contents = {row: content for row in rows for content in [_content_of(row)] if content is not None}
        answers = dict(zip(contents, analyse_many(list(contents.values())), strict=True))
        proposable = {
            row.image_id: answer for row, answer in answers.items() if isinstance(answer, FaceAnalysis | PhotoRefused)
        }
        labelled = labels_propose(answers=proposable)  # type: ignore[arg-type]
        embeddings_set({pk: embedding_of(answer) for pk, answer in proposable.items() if pk is not None})
        for row in rows:
            row.outcome, row.message = _outcome(row, answers.get(row), labelled)
        rows_finish(job=self._job, rows=rows)
        return True


def _content_of(row: JobRow) -> bytes | None:
    if row.image is None:
        return None
    try:
        with storages["catalog"].open(row.image.file) as file:
            content: bytes = file.read()
    except STORAGE_ERRORS as error:
        logger.warning("picture_unreadable", image=row.image_id, exc_info=error)
        return None
    return content


def _outcome(row: JobRow, answer: FaceAnalysis | InferenceError | None, labelled: set[int]) -> tuple[Outcome, str]:
    if answer is None:
        return Outcome.FAILED, _("The picture cannot be read.") if row.image_id else _("The image was deleted.")
    if isinstance(answer, InferenceError) and not isinstance(answer, PhotoRefused):
        return Outcome.FAILED, _("The models could not analyse the picture: %(code)s") % {"code": answer.code}
    if row.image_id not in labelled:
        return Outcome.PRESENT, _("Somebody reviewed the label; it stays as it is.")
    if isinstance(answer, PhotoRefused):
        return Outcome.REFUSED, refusal_sentence(answer.reason)
    return Outcome.LABELLED, ""
