"""Plain builders for catalogue rows."""

from __future__ import annotations

import hashlib
import itertools
import random
from typing import Any

from PIL import Image

from catalog.models import (
    Celebrity,
    CelebrityImage,
    FaceType,
    ImageLabel,
    PartLabel,
    Survey,
    SurveyImage,
    SurveyResult,
    SurveyResultRow,
)
from catalog.models.survey import Method, Scale
from catalog.services.images import image_publish
from inference import contracts
from tests.images import encode

_numbers = itertools.count(1)
DESCRIPTION = "One.\nTwo.\nThree."


def make_face_types() -> list[FaceType]:
    """All five, best first."""
    return [
        FaceType.objects.create(
            id=rank,
            code=code,
            letter="ΑΒΓΔΩ"[rank - 1],
            rank=rank,
            name_ko=f"{code} (ko)",
            name_en=code.capitalize(),
            description_ko=DESCRIPTION,
            description_en=DESCRIPTION,
        )
        for rank, code in enumerate(contracts.FaceType, start=1)
    ]


def make_celebrity(**fields: Any) -> Celebrity:
    number = next(_numbers)
    return Celebrity.objects.create(**({"name_ko": f"유명인 {number}", "name_en": f"Celebrity {number}"} | fields))


def make_image(face_type: FaceType | None = None, *, published: bool = False, **fields: Any) -> CelebrityImage:
    """A row whose file does not exist."""
    sha256 = hashlib.sha256(str(next(_numbers)).encode()).hexdigest()
    values = {
        "celebrity": fields.get("celebrity") or make_celebrity(),
        "face_type": face_type,
        "file": f"images/{sha256[:2]}/{sha256}.jpg",
        "width": 480,
        "height": 600,
        "sha256": sha256,
        "source": "somewhere",
        "licence": "CC0-1.0",
    } | fields
    image = CelebrityImage.objects.create(**values)
    if published:
        image_publish(images=[image])
        image.refresh_from_db()
    return image


def make_images(face_type: FaceType | None, count: int, *, published: bool = True) -> list[CelebrityImage]:
    images = [make_image(face_type) for _ in range(count)]
    if published:
        image_publish(images=images)
    return list(CelebrityImage.objects.filter(pk__in=[image.pk for image in images]).order_by("pk"))


def make_picture(image_format: str = "JPEG", *, size: tuple[int, int] = (200, 250), **options: Any) -> bytes:
    """An uploadable picture unlike all others."""
    patches = Image.frombytes("RGB", (4, 5), random.Random(next(_numbers)).randbytes(60))
    return encode(patches.resize(size), image_format, **options)


def make_result_row(image: CelebrityImage, **fields: Any) -> SurveyResultRow:
    """One survey's frozen answer for the image's whole face."""
    survey = Survey.objects.create(
        title_ko="설문", title_en="Survey", question_ko="?", question_en="?", scale=fields.pop("scale", Scale.TYPES)
    )
    result = SurveyResult.objects.create(
        survey=survey, method=Method.MEAN, data_hash="0" * 64, rating_count=1, rater_count=1
    )
    survey_image = SurveyImage.objects.create(survey=survey, image=image, key=str(image.pk))
    values: dict[str, Any] = {"part": "whole_face", "value": 2, "count": 1, "rank": 1} | fields
    return SurveyResultRow.objects.create(result=result, survey_image=survey_image, **values)


# Of a picture of 480 by 600 pixels, as make_image claims to be.
PART_BOXES = {
    "whole_face": (120.0, 120.0, 360.0, 480.0),
    "upper_face": (120.0, 200.0, 360.0, 350.0),
    "lower_face": (120.0, 350.0, 360.0, 480.0),
}


def make_label(image: CelebrityImage | None = None, face_type: FaceType | None = None, **fields: Any) -> ImageLabel:
    """A label as the auto-labeller proposes it, all parts of one type."""
    label = ImageLabel.objects.create(**({"image": image or make_image(), "doubt": 0.5} | fields))
    PartLabel.objects.bulk_create(
        PartLabel(
            label=label,
            part=part,
            **dict(zip(("x0", "y0", "x1", "y1"), box, strict=True)),
            box_source="model",
            face_type=face_type,
            type_source="model" if face_type else "",
            confidence=0.5 if face_type else None,
            model_version="types-0",
        )
        for part, box in PART_BOXES.items()
    )
    return label
