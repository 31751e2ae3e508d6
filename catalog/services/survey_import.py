"""Ratings of outside surveys: looked at, then imported as a whole. The same file again adds nothing."""

from __future__ import annotations

import gzip
import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone, translation
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _
from django_tasks import task

from catalog.errors import ImportNotPossible, RatingsNotImported
from catalog.models import Celebrity, CelebrityImage, FaceType, Rater, Rating, Survey, SurveyImage, SurveyImport
from catalog.models.survey import Scale
from catalog.ratings import PARTS, ratings_read
from catalog.services.aggregation import Floats, Ints, Mask
from catalog.services.audit import acting
from catalog.services.survey_files import (
    ALLOWED,
    Field,
    ImportOptions,
    Layout,
    Problem,
    RatingFile,
    columns_of,
    rating_file_read,
)

_ROWS_AT_ONCE = 5000
_NAMES_AT_ONCE = 500
_PROBLEMS_SHOWN = 100
_ANSWERS_SHOWN = 10
_FILE_NAME_LENGTH = 200
_ENCODING_NAMES = {"utf-8-sig": "UTF-8", "cp949": "CP949"}
# Google Forms' first column, which is about no image.
_TIMESTAMPS = ("timestamp", "타임스탬프")
# What columns are often called, to suggest where things are.
_USUAL_NAMES = {
    Field.RATER: ("rater", "rater_id", "raterid", "participant", "participant_id", "user", "user_id", "응답자"),
    Field.IMAGE: ("image", "image_id", "face", "face_id", "stimulus", "item", "photo", "사진", "이미지"),
    Field.VALUE: ("value", "rating", "score", "answer", "response", "점수", "평점"),
    Field.PART: ("part", "face_part", "부위"),
    Field.ROUND: ("round", "repeat"),
    Field.SEX: ("sex", "gender", "rater_sex", "rater_gender", "성별"),
    Field.AGE: ("age", "rater_age", "age_band", "나이", "연령"),
}


@dataclass(frozen=True, slots=True)
class ShownAnswer:
    """One of the first answers, to see whether columns are read as they should be."""

    row: int
    rater: str
    image: str
    part: str
    value: float


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What a file holds, measured against the survey.

    rows: below the header. filtered: rows left out on purpose. blank: questions without an answer. new: ratings that
    an import adds. present: that are there already. problem_count: answers that cannot be imported;
    problems: the first of them. new_images: names the survey lacks; linked_images: how many of them are pictures of the
    catalogue.
    """

    encoding: str
    rows: int
    filtered: int
    blank: int
    new: int
    present: int
    new_raters: int
    new_images: int
    linked_images: int
    problem_count: int
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    first_answers: tuple[ShownAnswer, ...]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def is_importable(self, *, skip_bad_rows: bool) -> bool:
        return not self.problem_count or skip_bad_rows


@dataclass(frozen=True, slots=True)
class _Found:
    """What a name of the file means: an image of the survey, a picture that it lacks yet, neither, or a problem."""

    survey_image_id: int | None = None
    picture_id: int | None = None
    problem: str = ""

    @property
    def is_known(self) -> bool:
        return self.survey_image_id is not None or self.picture_id is not None


@dataclass(frozen=True, slots=True)
class _Checked:
    """new (N,): which of the file's answers an import adds. raters: ids by position in the file; None: to be made."""

    file: RatingFile
    new: Mask
    images: list[_Found]
    raters: list[int | None]
    report: ImportReport


# --- Files, from the command line ---


def ratings_check(*, survey: Survey, content: bytes, options: ImportOptions) -> ImportReport:
    """What importing a file would do. Raises InvalidTable and TableTooLarge."""
    return _check(survey, _read(survey, content, options), options).report


def ratings_import(
    *,
    survey: Survey,
    content: bytes,
    options: ImportOptions,
    progress: Callable[[int, int], object] = lambda _written, _total: None,
) -> ImportReport:
    """Import a file's ratings, all that can be or, unless options.skip_bad_rows, none.

    progress: told how many ratings were written since it was told last, and how many there are in all.
    Raises InvalidTable, TableTooLarge, and RatingsNotImported, whose `report` says why.
    """
    file = _read(survey, content, options)
    with transaction.atomic():
        # Two imports at once follow each other, so that the second finds what the first added.
        Survey.objects.select_for_update(no_key=True).get(pk=survey.pk)
        checked = _check(survey, file, options)
        if not checked.report.is_importable(skip_bad_rows=options.skip_bad_rows):
            raise RatingsNotImported(
                ngettext(
                    "%(count)d answer cannot be imported, so nothing was.",
                    "%(count)d answers cannot be imported, so nothing was.",
                    checked.report.problem_count,
                )
                % {"count": checked.report.problem_count},
                checked.report,
            )
        _write(survey, checked, progress)
    return checked.report


def _read(survey: Survey, content: bytes, options: ImportOptions) -> RatingFile:
    return rating_file_read(
        content, options=options, scale=Scale(survey.scale), parts=survey.parts, type_names=_type_names()
    )


def _type_names() -> dict[str, int]:
    return {
        name.casefold(): face_type.rank
        for face_type in FaceType.objects.all()
        for name in (face_type.code, face_type.name_ko, face_type.name_en, face_type.letter)
    }


# --- Checking ---


def _check(survey: Survey, file: RatingFile, options: ImportOptions) -> _Checked:
    images = _find_images(survey, file.images, add_images=options.add_images)
    known_raters = dict(Rater.objects.filter(survey=survey).values_list("key", "pk"))
    raters = [known_raters.get(rater.name) for rater in file.raters]
    answers = _Answers.of(file, images)
    unknown = answers.of_images([bool(found.problem) for found in images])
    repeats = answers.repeats(~unknown)
    there, differs = _compare_with_survey(survey, answers, images, raters)
    repeated = np.isin(np.arange(len(answers.row)), list(repeats))
    new = ~unknown & ~repeated & ~there
    problems = [
        *file.problems,
        *(Problem(int(answers.row[at]), images[answers.image[at]].problem) for at in np.flatnonzero(unknown)),
        *(
            Problem(
                int(answers.row[at]),
                _("The same rater answers the same question in row %(row)d.") % {"row": answers.row[first]},
            )
            for at, first in repeats.items()
        ),
        *(
            Problem(int(row), _("This rater gave the same question another answer before; that one is kept."))
            for row in answers.row[~unknown & ~repeated & there & differs]
        ),
    ]
    problems.sort(key=lambda problem: problem.row)
    added = [images[at] for at in np.unique(answers.image[new]) if images[at].survey_image_id is None]
    report = ImportReport(
        encoding=_ENCODING_NAMES[file.encoding],
        rows=file.rows,
        filtered=file.filtered,
        blank=file.blank,
        new=int(new.sum()),
        present=int((~unknown & ~repeated & there & ~differs).sum()),
        new_raters=sum(raters[at] is None for at in np.unique(answers.rater[new])),
        new_images=len(added),
        linked_images=sum(found.picture_id is not None for found in added),
        problem_count=len(problems),
        problems=tuple(problems[:_PROBLEMS_SHOWN]),
        notes=tuple(file.notes),
        first_answers=tuple(
            ShownAnswer(
                row=file.row[at],
                rater=file.raters[file.rater[at]].name,
                image=file.images[file.image[at]],
                part=PARTS[file.part[at]],
                value=file.value[at],
            )
            for at in range(min(_ANSWERS_SHOWN, len(file.row)))
        ),
    )
    return _Checked(file, new, images, raters, report)


@dataclass(frozen=True, slots=True)
class _Answers:
    """A file's answers as arrays (N,). place: of the image, the same for all names of one image."""

    row: Ints
    image: Ints
    place: Ints
    rater: Ints
    part: Ints
    round: Ints
    value: Floats

    @classmethod
    def of(cls, file: RatingFile, images: Sequence[_Found]) -> _Answers:
        row, image, rater, part, round_ = (
            np.array(column, np.int64) for column in (file.row, file.image, file.rater, file.part, file.round)
        )
        same: dict[object, int] = {}
        places = [
            same.setdefault((found.survey_image_id, found.picture_id) if found.is_known else at, at)
            for at, found in enumerate(images)
        ]
        return cls(row, image, np.array(places, np.int64)[image], rater, part, round_, np.array(file.value, float))

    def of_images(self, chosen: Sequence[bool]) -> Mask:
        return np.array(chosen, bool)[self.image]

    def repeats(self, among: Mask) -> dict[int, int]:
        """The answers to a question that the same rater answered further up, and where."""
        at = np.flatnonzero(among)
        question = _question(self.rater, self.place, self.part, self.round, _size(self.place), _size(self.round))[at]
        _questions, first, inverse = np.unique(question, return_index=True, return_inverse=True)
        later = np.flatnonzero(first[inverse] != np.arange(len(at)))
        return dict(zip(at[later].tolist(), at[first[inverse[later]]].tolist(), strict=True))


def _size(indices: Ints) -> int:
    return int(indices.max(initial=0)) + 1


def _question(rater: Ints, image: Ints, part: Ints, round_: Ints, images: int, rounds: int) -> Ints:
    """One number for each different question."""
    return ((rater * images + image) * len(PARTS) + part) * rounds + round_


def _compare_with_survey(
    survey: Survey, answers: _Answers, images: Sequence[_Found], raters: Sequence[int | None]
) -> tuple[Mask, Mask]:
    """Which of the answers' questions the survey has answers to already, and whether these differ."""
    there, differs = np.zeros(len(answers.row), bool), np.zeros(len(answers.row), bool)
    if not any(found.survey_image_id for found in images) or not any(raters):
        return there, differs
    ratings = ratings_read(survey)
    if not len(ratings.value):
        return there, differs
    image_at = {int(pk): at for at, pk in enumerate(ratings.image_ids)}
    rater_at = {int(pk): at for at, pk in enumerate(ratings.rater_ids)}
    image = np.array([image_at.get(found.survey_image_id or 0, -1) for found in images], np.int64)[answers.image]
    rater = np.array([rater_at.get(pk or 0, -1) for pk in raters], np.int64)[answers.rater]
    sizes = len(image_at), max(_size(ratings.round), _size(answers.round))
    known = _question(ratings.rater, ratings.image, ratings.part, ratings.round, *sizes)
    order = np.argsort(known)
    wanted = _question(rater, image, answers.part, answers.round, *sizes)
    found = order[np.minimum(np.searchsorted(known, wanted, sorter=order), len(known) - 1)]
    there = (known[found] == wanted) & (image >= 0) & (rater >= 0)
    return there, there & (ratings.value[found] != answers.value)


def _find_images(survey: Survey, names: Sequence[str], *, add_images: bool) -> list[_Found]:
    """By the survey's own name of an image, by a picture's SHA-256, by the name of a celebrity with one picture."""
    images = SurveyImage.objects.filter(survey=survey)
    by_key = dict(images.values_list("key", "pk"))
    by_picture = dict(images.filter(image__isnull=False).values_list("image_id", "pk"))
    pictures = _find_pictures([name for name in names if name not in by_key])
    found: list[_Found] = []
    for name in names:
        choices = pictures.get(name, ())
        if name in by_key:
            found.append(_Found(by_key[name]))
        elif len(choices) == 1 and choices[0] in by_picture:
            found.append(_Found(by_picture[choices[0]]))
        elif not add_images:
            found.append(_Found(problem=_("The survey has no image “%(name)s”.") % {"name": name[:100]}))
        elif len(choices) > 1:
            found.append(
                _Found(
                    problem=_("There are several pictures of “%(name)s”. Name the picture by its SHA-256.")
                    % {"name": name[:100]}
                )
            )
        else:
            found.append(_Found(picture_id=choices[0] if choices else None))
    return found


def _find_pictures(names: Sequence[str]) -> dict[str, list[int]]:
    """Ids of the catalogue's pictures that a name may mean."""
    pictures: defaultdict[str, list[int]] = defaultdict(list)
    for start in range(0, len(names), _NAMES_AT_ONCE):
        some = names[start : start + _NAMES_AT_ONCE]
        for sha256, pk in CelebrityImage.objects.filter(sha256__in=some).values_list("sha256", "pk"):
            pictures[sha256].append(pk)
        named = Celebrity.objects.filter(Q(name_ko__in=some) | Q(name_en__in=some), images__isnull=False)
        for name_ko, name_en, pk in named.values_list("name_ko", "name_en", "images"):
            for name in {name_ko, name_en} & set(some):
                pictures[name].append(pk)
    return pictures


# --- Writing ---


def _write(survey: Survey, checked: _Checked, progress: Callable[[int, int], object]) -> None:
    file, new = checked.file, np.flatnonzero(checked.new)
    image_ids = _make_images(survey, checked, sorted({file.image[at] for at in new}))
    rater_ids = _make_raters(survey, checked, sorted({file.rater[at] for at in new}))
    now = timezone.now()
    for start in range(0, len(new), _ROWS_AT_ONCE):
        some = new[start : start + _ROWS_AT_ONCE].tolist()
        Rating.objects.bulk_create(
            [
                Rating(
                    survey_image_id=image_ids[file.image[at]],
                    rater_id=rater_ids[file.rater[at]],
                    part=PARTS[file.part[at]],
                    round=file.round[at],
                    value=file.value[at],
                    created_at=now,
                )
                for at in some
            ]
        )
        progress(len(some), len(new))
    first_part = PARTS.index(survey.parts[0])
    _count_ratings(
        Counter(image_ids[file.image[at]] for at in new if file.part[at] == first_part and file.round[at] == 0)
    )


def _make_images(survey: Survey, checked: _Checked, wanted: Iterable[int]) -> dict[int, int]:
    """Ids of the SurveyImages, by the position of their name in the file."""
    ids = {at: found.survey_image_id for at, found in enumerate(checked.images) if found.survey_image_id is not None}
    # Several names of one picture make one image.
    named: dict[object, int] = {}
    missing: dict[int, SurveyImage] = {}
    first: dict[int, int] = {}
    for at in wanted:
        if at in ids:
            continue
        picture_id = checked.images[at].picture_id
        first[at] = named.setdefault(at if picture_id is None else ("picture", picture_id), at)
        if first[at] == at:
            missing[at] = SurveyImage(survey=survey, key=checked.file.images[at], image_id=picture_id)
    SurveyImage.objects.bulk_create(missing.values(), batch_size=_ROWS_AT_ONCE)
    return ids | {at: missing[place].pk for at, place in first.items()}


def _make_raters(survey: Survey, checked: _Checked, wanted: Iterable[int]) -> dict[int, int]:
    """Ids of the Raters, by their position in the file."""
    ids = {at: pk for at, pk in enumerate(checked.raters) if pk is not None}
    missing = {
        at: Rater(
            survey=survey,
            key=rater.name,
            is_identified=rater.is_identified,
            age_band=rater.age_band,
            sex=rater.sex,
        )
        for at in wanted
        if at not in ids
        for rater in [checked.file.raters[at]]
    }
    Rater.objects.bulk_create(missing.values(), batch_size=_ROWS_AT_ONCE)
    return ids | {at: rater.pk for at, rater in missing.items()}


def _count_ratings(added: Mapping[int, int]) -> None:
    """Raise rating_count by what was added, in a few statements: most images get equally many ratings."""
    by_count: defaultdict[int, list[int]] = defaultdict(list)
    for survey_image_id, count in added.items():
        by_count[count].append(survey_image_id)
    for count, ids in by_count.items():
        for start in range(0, len(ids), _NAMES_AT_ONCE):
            SurveyImage.objects.filter(pk__in=ids[start : start + _NAMES_AT_ONCE]).update(
                rating_count=F("rating_count") + count
            )


# --- Files that wait for a curator's word ---


def upload_create(*, survey: Survey, file_name: str, content: bytes, created_by: User | None) -> SurveyImport:
    """Keep a file until it is imported or dismissed. Raises InvalidTable and TableTooLarge."""
    columns = columns_of(content)
    return SurveyImport.objects.create(
        survey=survey,
        file_name=file_name[:_FILE_NAME_LENGTH],
        content=gzip.compress(content, compresslevel=3),
        sha256=hashlib.sha256(content).hexdigest(),
        options=_suggested(columns).as_json(),
        created_by=created_by,
    )


def upload_columns(upload: SurveyImport) -> tuple[str, ...]:
    """Raises InvalidTable and TableTooLarge."""
    return columns_of(_content(upload))


def upload_check(*, upload: SurveyImport, options: ImportOptions) -> ImportReport:
    """See what importing would do, and keep it. Raises ImportNotPossible, InvalidTable and TableTooLarge."""
    _require_waiting(upload)
    report = ratings_check(survey=upload.survey, content=_content(upload), options=options)
    upload.options, upload.report = options.as_json(), report.as_json()
    upload.save(update_fields=["options", "report"])
    return report


@transaction.atomic
def upload_import(*, upload: SurveyImport) -> None:
    """Import in the background what was looked at.

    Raises ImportNotPossible, and RatingsNotImported where some of it cannot be imported and the rest is not asked for.
    """
    fresh = SurveyImport.objects.select_for_update().defer("content").get(pk=upload.pk)
    _require_waiting(fresh)
    if not fresh.report:
        raise ImportNotPossible(_("Look at what the import would do first."))
    if fresh.report["problem_count"] and not fresh.options["skip_bad_rows"]:
        raise RatingsNotImported(_("Some answers cannot be imported. Correct the file, or choose to skip them."))
    fresh.state, fresh.started_at = SurveyImport.State.RUNNING, timezone.now()
    fresh.save(update_fields=["state", "started_at"])
    language = get_language() or settings.LANGUAGE_CODE
    # The worker must find the row as it is now.
    transaction.on_commit(lambda: import_upload.enqueue(fresh.pk, language))


@transaction.atomic
def upload_dismiss(*, upload: SurveyImport) -> None:
    """Forget a file that was not imported. Raises ImportNotPossible."""
    fresh = SurveyImport.objects.select_for_update().defer("content").get(pk=upload.pk)
    _require_waiting(fresh)
    fresh.state, fresh.content = SurveyImport.State.DISMISSED, b""
    fresh.save(update_fields=["state", "content"])


@task()
def import_upload(upload_id: int, language: str) -> None:
    """What was found wrong at the last moment is shown as at the first look, and the file is kept."""
    upload = SurveyImport.objects.select_related("survey", "created_by").get(pk=upload_id)
    if upload.state != SurveyImport.State.RUNNING:
        return
    options = ImportOptions.of_json(upload.options)
    state, content = SurveyImport.State.CHECKED, upload.content
    with translation.override(language), acting(upload.created_by):
        try:
            report = ratings_import(survey=upload.survey, content=_content(upload), options=options)
            state, content = SurveyImport.State.FINISHED, b""
        except RatingsNotImported as error:
            report = error.report
        finally:
            upload.state, upload.content = state, content
            upload.save(update_fields=["state", "content"])
    upload.report, upload.finished_at = report.as_json(), timezone.now()
    upload.save(update_fields=["report", "finished_at"])


def _require_waiting(upload: SurveyImport) -> None:
    if upload.state == SurveyImport.State.RUNNING and not upload.is_stalled:
        raise ImportNotPossible(_("This file is being imported now."))
    if upload.state in (SurveyImport.State.FINISHED, SurveyImport.State.DISMISSED):
        raise ImportNotPossible(_("This file was imported or dismissed before. Send it again."))


def _content(upload: SurveyImport) -> bytes:
    # PostgreSQL's driver gives a memoryview.
    return gzip.decompress(bytes(upload.content))


def _suggested(columns: Sequence[str]) -> ImportOptions:
    """What the columns' names suggest; a table without a column for the rating has a column an image."""
    folded = {column.casefold().replace(" ", "_"): column for column in reversed(columns)}
    found = {held: folded[name] for held, names in _USUAL_NAMES.items() for name in reversed(names) if name in folded}
    layout = Layout.LONG if Field.VALUE in found and Field.IMAGE in found else Layout.WIDE
    timestamps = [column for column in columns if column.casefold() in _TIMESTAMPS]
    return ImportOptions(
        layout=layout,
        columns={held: column for held, column in found.items() if held in ALLOWED[layout]},
        ignored=timestamps if layout is Layout.WIDE else (),
    )
