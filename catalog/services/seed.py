"""A fresh catalogue that makes a working product, with no real person's picture in it."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from django.db import transaction

from catalog.defaults import GUIDANCE_TEXTS, TYPE_TEXTS
from catalog.models import Celebrity, CelebrityImage, FaceType, Guidance, ScoringPolicy
from catalog.portraits import PORTRAIT_COUNT, draw_portrait
from catalog.services.images import image_of, image_publish, images_complete, lock_galleries
from catalog.services.pictures import picture_from_upload, picture_store
from inference import contracts
from inference.scoring import DEFAULT_POLICY

SAMPLE_SOURCE = "Drawn by Alpha Project"
SAMPLE_LICENCE = "CC0-1.0"
SAMPLE_ATTRIBUTION = "Alpha Project, CC0 1.0"


@dataclass(frozen=True, slots=True)
class SeedOutcome:
    """How many rows were missing and have been added."""

    face_types: int
    guidance: int
    policies: int
    images: int


def catalog_seed() -> SeedOutcome:
    """Add what a fresh catalogue lacks; existing rows stay as they are, whoever edited them."""
    with transaction.atomic():
        face_types = _add_face_types()
        guidance = _add_guidance()
        policies = _add_policy()
    images_complete()
    return SeedOutcome(face_types=face_types, guidance=guidance, policies=policies, images=_add_samples())


def _add_face_types() -> int:
    known = set(FaceType.objects.values_list("code", flat=True))
    missing = [
        FaceType(
            id=text.id,
            code=text.code,
            letter=text.letter,
            rank=rank,
            name_ko=text.name_ko,
            name_en=text.name_en,
            description_ko="\n".join(text.sentences_ko),
            description_en="\n".join(text.sentences_en),
        )
        for rank, text in enumerate(TYPE_TEXTS, start=1)
        if text.code not in known
    ]
    FaceType.objects.bulk_create(missing, ignore_conflicts=True)
    return len(missing)


def _add_guidance() -> int:
    known = set(Guidance.objects.values_list("code", flat=True))
    missing = [Guidance(**asdict(text)) for text in GUIDANCE_TEXTS if text.code not in known]
    Guidance.objects.bulk_create(missing, ignore_conflicts=True)
    return len(missing)


def _add_policy() -> int:
    if ScoringPolicy.objects.exists():
        return 0
    weights, factors, thresholds = DEFAULT_POLICY.weights, DEFAULT_POLICY.factors, DEFAULT_POLICY.thresholds
    ScoringPolicy.objects.create(
        name="Default",
        is_active=True,
        **{f"weight_{part}": weight for part, weight in weights.items()},
        **{f"factor_{code}": factor for code, factor in zip(contracts.FaceType, factors, strict=True)},
        **{f"threshold_{code}": above for code, above in zip(contracts.FaceType, thresholds, strict=False)},
    )
    return 1


def _add_samples() -> int:
    """Draw the samples, for a catalogue without anybody: samples that a curator deleted do not come back."""
    if Celebrity.objects.exists():
        return 0
    pictures = [picture_from_upload(draw_portrait(number)) for number in range(PORTRAIT_COUNT)]
    for picture in pictures:
        picture_store(picture)
    with transaction.atomic():
        lock_galleries()
        # Two processes may start on one fresh database.
        if Celebrity.objects.exists():
            return 0
        celebrities = Celebrity.objects.bulk_create(
            Celebrity(name_ko=f"견본 {number:02}", name_en=f"Sample {number:02}", is_sample=True)
            for number in range(1, PORTRAIT_COUNT + 1)
        )
        face_types = list(FaceType.objects.best_first())
        images = CelebrityImage.objects.bulk_create(
            image_of(
                picture,
                celebrity=celebrity,
                face_type=face_types[index % len(face_types)],
                source=SAMPLE_SOURCE,
                licence=SAMPLE_LICENCE,
                attribution=SAMPLE_ATTRIBUTION,
            )
            for index, (celebrity, picture) in enumerate(zip(celebrities, pictures, strict=True))
        )
        image_publish(images=images)
    return len(images)
