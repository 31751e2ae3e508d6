"""POST /api/v1/classifications/"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography.fernet import Fernet
from django.core.files.storage import storages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError, connection
from django.test import Client as HttpClient
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from PIL import Image
from pytest_django import Settings
from rest_framework.throttling import ScopedRateThrottle

from catalog.models import CelebrityImage, FaceType
from catalog.services.images import image_unpublish
from classification import photos
from classification.api.uploads import refuse_oversized
from classification.api.views import ClassificationCreateView
from classification.models import Classification, IdempotentRequest
from inference.contracts import Busy, FaceAnalysis, PhotoTooLarge, RefusalReason
from inference.contracts import FaceType as TypeCode
from tests.classification.conftest import PostPhoto
from tests.fakes import FakeBackend
from tests.images import draw_photo, encode, jpeg


def stored_photos() -> list[Path]:
    return [path for path in Path(storages["photos"].location).rglob("*") if path.is_file()]  # type: ignore[attr-defined]


def test_answer_holds_everything_a_client_shows(post_photo: PostPhoto, engine: FakeBackend) -> None:
    engine.sees = TypeCode.DELTA

    response = post_photo(mbti="estj")

    assert response.status_code == 201
    answer = response.json()
    assert answer["type"] == {
        "code": "delta",
        "letter": "Δ",
        "rank": 4,
        "name": "Delta",
        "description": FaceType.objects.get(code="delta").description("en"),
    }
    assert 20 < answer["score"] <= 48
    assert 0 < answer["confidence"] <= 1
    assert [part["part"] for part in answer["parts"]] == ["whole_face", "upper_face", "lower_face"]
    for part in answer["parts"]:
        assert part["type"] == "delta"
        assert sum(part["probabilities"]) == pytest.approx(1)
        x0, y0, x1, y1 = part["box"]
        assert 0 <= x0 < x1 <= 300
        assert 0 <= y0 < y1 <= 400
    assert len({image["image_url"] for image in answer["celebrities"]}) == 4
    assert answer["model"] == {"gate": "gate-0", "parts": "parts-0", "types": "types-0"}
    assert answer["owner_token"]


def test_record_keeps_what_was_answered(post_photo: PostPhoto, settings: Settings) -> None:
    settings.RETENTION_DAYS = 7
    before = timezone.now()

    answer = post_photo(mbti="INTP", headers={"Accept-Language": "ko"}).json()

    record = Classification.objects.get(pk=UUID(answer["id"]))
    assert str(record.birth_date) == "1996-05-04"
    assert record.mbti == "INTP"
    assert record.score == answer["score"]
    assert record.parts == answer["parts"]
    assert record.type.code == answer["type"]["code"]
    assert (record.gate_version, record.parts_version, record.types_version) == ("gate-0", "parts-0", "types-0")
    assert record.client == "api"
    assert record.language == "ko"
    assert before <= record.created_at <= timezone.now()
    assert record.expires_at - record.created_at == timedelta(days=7)


def test_photo_is_not_kept_without_consent(post_photo: PostPhoto) -> None:
    post_photo()

    assert Classification.objects.get().photo_key == ""
    assert stored_photos() == []


def test_photo_is_kept_with_consent_encrypted_and_without_metadata(post_photo: PostPhoto) -> None:
    exif = Image.Exif()
    exif[0x0110] = "a telling camera model"
    photo = encode(draw_photo(), "JPEG", exif=exif)
    assert b"telling" in photo

    post_photo(photo, store_photo="true")

    key = Classification.objects.get().photo_key
    (stored,) = stored_photos()
    assert stored.name == key
    assert not stored.read_bytes().startswith(b"\xff\xd8")
    kept = photos.photo_read(key)
    assert kept.startswith(b"\xff\xd8")
    assert b"telling" not in kept
    assert b"Exif" not in kept


def test_type_and_texts_come_in_the_callers_language(post_photo: PostPhoto) -> None:
    korean = post_photo(headers={"Accept-Language": "ko-KR,ko;q=0.9"}).json()
    english = post_photo(headers={"Accept-Language": "en-GB"}).json()
    other = post_photo(headers={"Accept-Language": "fr"}).json()

    beta = FaceType.objects.get(code="beta")
    assert korean["type"]["name"] == beta.name_ko
    assert english["type"]["name"] == other["type"]["name"] == beta.name_en


def test_type_with_few_images_answers_with_what_it_has(post_photo: PostPhoto) -> None:
    beta = CelebrityImage.objects.of_type(FaceType.objects.get(code="beta"))
    image_unpublish(images=list(beta[:3]))

    celebrities = post_photo().json()["celebrities"]

    assert len(celebrities) == 2
    assert all(image["attribution"].startswith("beta") for image in celebrities)


@pytest.mark.parametrize("reason", RefusalReason)
def test_photo_is_refused_only_for_its_reason(
    post_photo: PostPhoto, engine: FakeBackend, reason: RefusalReason
) -> None:
    assert post_photo(store_photo="true").status_code == 201
    kept = stored_photos()

    engine.refuses_with = reason
    english = post_photo(store_photo="true", headers={"Accept-Language": "en"})
    korean = post_photo(store_photo="true", headers={"Accept-Language": "ko"})

    assert english.status_code == korean.status_code == 422
    assert english["Content-Type"] == "application/problem+json"
    assert english.json()["code"] == korean.json()["code"] == reason.value
    assert english.json()["detail"].isascii()
    assert not korean.json()["detail"].isascii()
    assert english.json()["advice"]
    # Only the accepted upload left a record and a photo.
    assert Classification.objects.count() == 1
    assert stored_photos() == kept


def test_age_limit_is_the_only_reason_to_refuse_a_child(post_photo: PostPhoto, settings: Settings) -> None:
    settings.MIN_AGE = 14
    today = timezone.localdate()
    fourteen_today = today.replace(year=today.year - 14, day=min(today.day, 28))

    assert post_photo(birth_date=fourteen_today.isoformat()).status_code == 201
    refusal = post_photo(birth_date=(fourteen_today + timedelta(days=29)).isoformat())

    assert refusal.status_code == 422
    assert refusal.json()["code"] == "under_age"
    assert Classification.objects.count() == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("photo", None),
        ("birth_date", None),
        ("birth_date", ""),
        ("birth_date", "04.05.1996"),
        ("birth_date", "1996-02-30"),
        ("birth_date", "2999-01-01"),
        ("birth_date", "1899-12-31"),
        ("mbti", "ABCD"),
        ("mbti", "ESTJX"),
        ("store_photo", "perhaps"),
    ],
)
def test_bad_field_is_named_and_leaves_nothing(
    post_photo: PostPhoto, engine: FakeBackend, field: str, value: str | None
) -> None:
    response = post_photo(**{field: value})

    assert response.status_code == 400
    assert response.json()["code"] == "invalid"
    assert list(response.json()["errors"]) == [field]
    assert engine.photos_analysed == 0
    assert not Classification.objects.exists()


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 400, "invalid_image"),
        (b"just some text", 415, "unsupported_image"),
        (b"GIF89a" + bytes(100), 415, "unsupported_image"),
        (b"%PDF-1.7\n" + bytes(100), 415, "unsupported_image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "unsupported_image"),
        (b"<!doctype html><title>photo.jpg</title>", 415, "unsupported_image"),
        (jpeg()[: len(jpeg()) // 2], 400, "invalid_image"),
        (encode(Image.new("1", (50_000, 50_000)), "PNG"), 413, "photo_too_large"),
        (encode(Image.new("1", (8_000, 8_000)), "PNG"), 413, "photo_too_large"),
    ],
    ids=["empty", "text", "gif", "pdf", "svg", "html", "truncated", "bomb", "64 megapixels"],
)
def test_file_that_is_no_photo_is_refused(post_photo: PostPhoto, content: bytes, status: int, code: str) -> None:
    refusal = post_photo(content, store_photo="true")

    assert refusal.status_code == status
    assert refusal.json()["code"] == code
    assert refusal.json()["detail"]
    assert not Classification.objects.exists()
    assert stored_photos() == []


def test_photo_is_refused_from_the_byte_above_the_limit(post_photo: PostPhoto, settings: Settings) -> None:
    # Bytes behind the end of a JPEG do not matter to a decoder.
    largest = jpeg().ljust(settings.MAX_PHOTO_BYTES, b"\0")

    assert post_photo(largest).status_code == 201
    refusal = post_photo(largest + b"\0")

    assert refusal.status_code == 413
    assert refusal.json()["code"] == "photo_too_large"


def test_upload_beyond_every_limit_is_refused_before_it_is_parsed(
    post_photo: PostPhoto, engine: FakeBackend, settings: Settings
) -> None:
    refusal = post_photo(bytes(settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1))

    assert refusal.status_code == 413
    assert refusal.json()["code"] == "photo_too_large"
    assert engine.photos_analysed == 0


def test_busy_engine_is_answered_with_a_time_to_retry(post_photo: PostPhoto, engine: FakeBackend) -> None:
    engine.fails_with = Busy(retry_after=7)

    response = post_photo()

    assert response.status_code == 503
    assert response["Retry-After"] == "7"
    assert response.json()["code"] == "busy"
    assert not Classification.objects.exists()


def test_json_instead_of_a_form_is_an_unsupported_media_type(client: HttpClient, engine: FakeBackend) -> None:
    response = client.post("/api/v1/classifications/", "{}", content_type="application/json")

    assert response.status_code == 415
    assert response.json()["code"] == "unsupported_media_type"


def test_broken_form_is_invalid(client: HttpClient, engine: FakeBackend) -> None:
    response = client.post("/api/v1/classifications/", b"rubbish", content_type="multipart/form-data")

    assert response.status_code == 400
    assert response.json()["code"] == "invalid"


def test_empty_catalogue_is_said_and_leaves_nothing(client: HttpClient, engine: FakeBackend, db: None) -> None:
    response = client.post(
        "/api/v1/classifications/", {"photo": SimpleUploadedFile("p.jpg", jpeg()), "birth_date": "1996-05-04"}
    )

    assert response.status_code == 503
    assert response.json()["code"] == "catalogue_incomplete"
    assert not Classification.objects.exists()


def test_storage_failure_is_said_and_leaves_no_record(
    post_photo: PostPhoto, settings: Settings, tmp_path: Path
) -> None:
    a_file = tmp_path / "not a folder"
    a_file.touch()
    storages_with_fault = dict(settings.STORAGES)
    storages_with_fault["photos"] = settings.STORAGES["photos"] | {"OPTIONS": {"location": a_file}}
    settings.STORAGES = storages_with_fault

    assert post_photo(store_photo="false").status_code == 201
    response = post_photo(store_photo="true")

    assert response.status_code == 503
    assert response.json()["code"] == "storage_unavailable"
    assert str(tmp_path) not in response.content.decode()
    assert Classification.objects.count() == 1


def test_request_repeated_under_its_key_gets_the_first_answer(post_photo: PostPhoto, engine: FakeBackend) -> None:
    first = post_photo(headers={"Idempotency-Key": "a key"}, store_photo="true")
    again = post_photo(headers={"Idempotency-Key": "a key"}, store_photo="true")
    other = post_photo(headers={"Idempotency-Key": "another key"}, store_photo="true")

    assert again.status_code == 201
    assert again.json() == first.json()
    assert other.json()["id"] != first.json()["id"]
    assert engine.photos_analysed == 2
    assert len(stored_photos()) == 2


@pytest.mark.parametrize(
    "change",
    [{"birth_date": "1990-01-01"}, {"mbti": "ENFP"}, {"store_photo": "true"}, {"photo": jpeg(200, 260)}],
    ids=["birth date", "MBTI", "consent", "photo"],
)
def test_key_reused_for_another_request_is_refused(post_photo: PostPhoto, change: dict[str, Any]) -> None:
    post_photo(headers={"Idempotency-Key": "a key"})

    refusal = post_photo(headers={"Idempotency-Key": "a key"}, **change)

    assert refusal.status_code == 422
    assert refusal.json()["code"] == "idempotency_conflict"


def test_key_of_an_expired_answer_is_free_again(post_photo: PostPhoto) -> None:
    first = post_photo(headers={"Idempotency-Key": "a key"}).json()
    now = timezone.now()
    Classification.objects.update(created_at=now - timedelta(days=2), expires_at=now)

    again = post_photo(headers={"Idempotency-Key": "a key"})

    assert again.status_code == 201
    assert again.json()["id"] != first["id"]


@pytest.mark.django_db(transaction=True)
def test_photo_that_waits_for_the_models_holds_no_connection(
    post_photo: PostPhoto, engine: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What only PostgreSQL has; a thread's first connection takes it on.
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", 0)
    is_held = []

    def analyze(*args: Any, **options: Any) -> FaceAnalysis:
        is_held.append(connection.connection is not None)
        return FakeBackend.analyze(engine, *args, **options)

    monkeypatch.setattr(engine, "analyze", analyze)

    def post() -> int:
        # Its key is looked for first.
        status: int = post_photo(headers={"Idempotency-Key": "a key"}).status_code
        connection.close()
        return status

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(post).result() == 201
    assert is_held == [False]


def test_slower_twin_of_a_request_gets_the_faster_ones_answer(post_photo: PostPhoto, engine: FakeBackend) -> None:
    analyze = engine.analyze
    answers = []

    def analyze_while_the_twin_finishes(
        photo: bytes, *, keep_photo: bool = False, deadline: float | None = None
    ) -> Any:
        engine.analyze = analyze  # type: ignore[method-assign]
        answers.append(post_photo(headers={"Idempotency-Key": "a key"}, store_photo="true"))
        return analyze(photo, keep_photo=keep_photo)

    engine.analyze = analyze_while_the_twin_finishes  # type: ignore[method-assign]
    slower = post_photo(headers={"Idempotency-Key": "a key"}, store_photo="true")

    (faster,) = answers
    assert slower.status_code == faster.status_code == 201
    assert slower.json() == faster.json()
    assert Classification.objects.count() == IdempotentRequest.objects.count() == 1
    assert len(stored_photos()) == 1


def test_number_of_queries_does_not_depend_on_the_catalogue(post_photo: PostPhoto) -> None:
    # The day's first answer begins its count.
    post_photo()
    with CaptureQueriesContext(connection) as with_five_images:
        post_photo()
    beta = CelebrityImage.objects.of_type(FaceType.objects.get(code="beta"))
    image_unpublish(images=list(beta[:1]))

    with CaptureQueriesContext(connection) as with_four_images:
        post_photo()

    assert len(with_five_images) == len(with_four_images) <= 10


def test_answer_is_no_caches(post_photo: PostPhoto) -> None:
    assert "no-store" in post_photo()["Cache-Control"]


def test_body_of_unknown_length_is_refused(post_photo: PostPhoto, engine: FakeBackend) -> None:
    refusal = post_photo(headers={"Transfer-Encoding": "chunked"})

    assert refusal.status_code == 411
    assert refusal.json()["code"] == "length_required"
    assert engine.photos_analysed == 0


def test_body_that_is_too_large_is_read_to_its_end(settings: Settings) -> None:
    # A client that is answered while it still sends sees a broken connection instead.
    body = bytes(settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)
    request = RequestFactory().post("/api/v1/classifications/", body, content_type="application/octet-stream")

    with pytest.raises(PhotoTooLarge):
        refuse_oversized(request)

    assert request.read() == b""


def test_photo_is_not_kept_when_its_record_is_not(post_photo: PostPhoto) -> None:
    def refuse_the_record(execute: Any, sql: str, *arguments: Any) -> Any:
        if sql.startswith("INSERT INTO") and "classification_classification" in sql:
            raise OperationalError
        return execute(sql, *arguments)

    with connection.execute_wrapper(refuse_the_record):
        response = post_photo(store_photo="true")

    assert response.status_code == 503
    assert response.json()["code"] == "busy"
    assert stored_photos() == []


def test_kept_photo_is_for_its_owner_on_the_disk_too(post_photo: PostPhoto) -> None:
    post_photo(store_photo="true")

    (stored,) = stored_photos()
    assert stored.stat().st_mode & 0o077 == 0
    assert stored.parent.stat().st_mode & 0o077 == 0


def test_photo_kept_under_an_older_key_can_still_be_read(post_photo: PostPhoto, settings: Settings) -> None:
    post_photo(store_photo="true")
    settings.PHOTO_ENCRYPTION_KEYS = [Fernet.generate_key().decode(), *settings.PHOTO_ENCRYPTION_KEYS]

    assert photos.photo_read(Classification.objects.get().photo_key).startswith(b"\xff\xd8")


def test_throttle_answers_with_a_time_to_retry(post_photo: PostPhoto, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ClassificationCreateView, "throttle_classes", [ScopedRateThrottle])
    monkeypatch.setattr(ScopedRateThrottle, "THROTTLE_RATES", {"classify": "1/min"})

    assert post_photo(headers={"X-Forwarded-For": "203.0.113.1"}).status_code == 201
    # No proxy is trusted, so nobody gets another allowance by naming another address.
    response = post_photo(headers={"X-Forwarded-For": "203.0.113.2"})

    assert response.status_code == 429
    assert response.json()["code"] == "throttled"
    assert 0 < int(response["Retry-After"]) <= 60
