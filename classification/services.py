"""Every write to classifications. API, mobile contract, pages and commands share them."""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace
from datetime import date, timedelta
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, close_old_connections, connection, transaction
from django.utils import timezone

import catalog.selectors
from catalog.models import FaceType
from catalog.selectors import Gallery
from catalog.statements import insert
from classification import photos
from classification.boards import emptied_boards_closed
from classification.counts import outcome_count
from classification.errors import CatalogueIncomplete, IdempotencyConflict, StorageUnavailable, UnderAge
from classification.models import Classification, Client, IdempotentRequest
from classification.models.classification import part_record
from classification.selectors import Answer
from inference import client as inference_client
from inference.contracts import FaceAnalysis, InvalidImage, PhotoRefused, PhotoTooLarge, UnsupportedImage
from inference.contracts import FaceType as TypeCode
from inference.scoring import judge

CELEBRITY_COUNT = 4


def classification_create(
    *,
    photo: bytes,
    birth_date: date,
    mbti: str = "",
    store_photo: bool = False,
    client: Client,
    language: str,
    idempotency_key: str = "",
    with_preview: bool = False,
) -> Answer:
    """Classify one photo and keep a record of the answer; the photo only where `store_photo`.

    A request repeated under its idempotency_key gets the first one's answer. Raises InferenceError
    for the photo, UnderAge, IdempotencyConflict, CatalogueIncomplete, CatalogError and
    StorageUnavailable; then nothing is left behind.
    """
    if _age_on(timezone.localdate(), birth_date) < settings.MIN_AGE:
        outcome_count(client=client, outcome=UnderAge.code)
        raise UnderAge
    request = _idempotent_request(idempotency_key, photo, birth_date, mbti, store_photo)
    earlier = _earlier_answer(request) if request else None
    if earlier and not with_preview:
        return earlier
    # A photo may wait for seconds, and needs no connection meanwhile; a caller's transaction does.
    if not connection.in_atomic_block:
        close_old_connections()
    try:
        analysis = inference_client.analyze(
            photo,
            keep_photo=store_photo or with_preview,
            deadline=time.monotonic() + settings.INFERENCE_TIMEOUT,
        )
    except (PhotoRefused, InvalidImage, PhotoTooLarge, UnsupportedImage) as refusal:
        outcome_count(client=client, outcome=refusal.code)
        raise
    if earlier:
        return replace(earlier, preview=analysis.photo)

    rules = catalog.selectors.rules()
    if len(rules.types) < len(TypeCode):
        raise CatalogueIncomplete
    verdict = judge(analysis.parts, analysis.calibration, rules.policy)
    face_type = rules.types[verdict.type]
    gallery = gallery_for(face_type, client, analysis)
    now = timezone.now()
    classification = Classification(
        birth_date=birth_date,
        mbti=mbti,
        type=face_type,
        borderline_with=rules.types[verdict.borderline_with] if verdict.borderline_with else None,
        score=verdict.score,
        confidence=verdict.confidence,
        parts=[part_record(part) for part in analysis.parts],
        photo_width=analysis.photo_width,
        photo_height=analysis.photo_height,
        photo_key=photos.new_key() if store_photo else "",
        celebrity_images=[image.pk for image in gallery.images],
        look_alikes=gallery.look_alikes,
        gate_version=analysis.models.gate,
        parts_version=analysis.models.parts,
        types_version=analysis.models.types,
        client=client,
        language=language,
        created_at=now,
        expires_at=now + timedelta(days=settings.RETENTION_DAYS),
    )
    try:
        _save(classification, request)
    except IntegrityError:
        # The same request, sent twice at once: the other one was faster, its answer counts.
        if request and (earlier := _earlier_answer(request)):
            return replace(earlier, preview=analysis.photo)
        raise
    if store_photo and analysis.photo is not None:
        # After the record that names it: whatever fails from here on, no photo is kept that nobody can find.
        try:
            photos.photo_save(classification.photo_key, analysis.photo)
        except StorageUnavailable:
            classification.delete()
            raise
    outcome_count(client=client, outcome=face_type.code)
    return Answer(classification, gallery.images, preview=analysis.photo)


def classification_delete(classification: Classification) -> None:
    """Erase a record and its photo; the photo first, so that a failure leaves no photo unowned."""
    if classification.photo_key:
        photos.photo_delete(classification.photo_key)
    _records_erase([classification.pk])


def expired_purge(*, batch_size: int = 500) -> int:
    """Erase every expired record and its photo; returns how many."""
    erased = 0
    while batch := list(Classification.objects.expired().order_by("expires_at")[:batch_size]):
        for classification in batch:
            if classification.photo_key:
                photos.photo_delete(classification.photo_key)
        _records_erase([classification.pk for classification in batch])
        erased += len(batch)
    return erased


def gallery_for(face_type: FaceType, client: Client, analysis: FaceAnalysis | None = None) -> Gallery:
    """The celebrity images of one answer: those most like the face first, then, where there are fewer, random ones.

    The mobile app needs four, with their bytes: a type that has fewer fills up from its neighbours, and
    CatalogueIncomplete or PictureUnavailable is raised where that is not enough. Other clients get what
    there is.
    """
    is_mobile = client == Client.MOBILE
    if analysis:
        gallery = catalog.selectors.gallery_like(
            face_type, CELEBRITY_COUNT, embedding=analysis.embedding, version=analysis.models.types
        )
        if is_mobile:
            gallery = catalog.selectors.gallery_left(gallery)
    else:
        gallery = Gallery([], 0)
    images = gallery.images
    if len(images) < CELEBRITY_COUNT and (is_mobile or not analysis):
        # As many as an answer has, so that enough are left when those that are shown already are taken away.
        others = catalog.selectors.random_images(face_type, CELEBRITY_COUNT, fill_from_neighbours=is_mobile)
        images += [image for image in others if image not in images][: CELEBRITY_COUNT - len(images)]
    if is_mobile:
        if len(images) < CELEBRITY_COUNT:
            raise CatalogueIncomplete
        for image in images:
            catalog.selectors.image_bytes(image)
    return gallery


def _records_erase(ids: list[UUID]) -> None:
    """Erase records with all that hangs on them, and the boards that nobody else is on."""
    with emptied_boards_closed(ids):
        # Whoever joins something with one of them at this moment comes first and is erased with it, or is refused.
        list(Classification.objects.select_for_update().filter(pk__in=ids).order_by("pk").values_list("pk"))
        Classification.objects.filter(pk__in=ids).delete()


def _age_on(day: date, birth_date: date) -> int:
    """Full years; someone born on 29 February turns a year older on 1 March."""
    return day.year - birth_date.year - ((day.month, day.day) < (birth_date.month, birth_date.day))


def _idempotent_request(
    key: str,
    photo: bytes,
    birth_date: date,
    mbti: str,
    store_photo: bool,  # noqa: FBT001
) -> IdempotentRequest | None:
    if not key:
        return None
    fingerprint = hashlib.sha256(photo)
    fingerprint.update(f"|{birth_date.isoformat()}|{mbti}|{store_photo}".encode())
    return IdempotentRequest(key=hashlib.sha256(key.encode()).hexdigest(), fingerprint=fingerprint.hexdigest())


def _save(classification: Classification, request: IdempotentRequest | None) -> None:
    if request is None:
        # One statement needs no transaction around it.
        insert(classification)
        return
    with transaction.atomic():
        insert(classification)
        # An expired answer no longer holds its key.
        IdempotentRequest.objects.filter(pk=request.pk, classification__expires_at__lte=timezone.now()).delete()
        request.classification = classification
        request.save(force_insert=True)


def _earlier_answer(request: IdempotentRequest) -> Answer | None:
    earlier = (
        IdempotentRequest.objects.select_related("classification__type", "classification__borderline_with")
        .filter(pk=request.key, classification__expires_at__gt=timezone.now())
        .first()
    )
    if earlier is None:
        return None
    if earlier.fingerprint != request.fingerprint:
        raise IdempotencyConflict
    classification = earlier.classification
    return Answer(classification, catalog.selectors.images_by_ids(classification.celebrity_images))
