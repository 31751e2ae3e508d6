"""The schema's examples: every answer has one, each is valid, and the API really answers so."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client as HttpClient
from pytest_django import Settings
from rest_framework.throttling import ScopedRateThrottle

from catalog.models import FaceType
from classification.api import examples
from classification.api.documentation import example_of
from classification.api.views import ClassificationCreateView
from classification.problems import PROBLEM_MEDIA_TYPE, status_of
from inference.contracts import Busy, RefusalReason
from tests.classification.api_schema import Content, Json, api_schema, contents, faults
from tests.classification.conftest import PostPhoto
from tests.fakes import FakeBackend

# A picture has no example in JSON.
SHOWN_AS_THEY_ARE = ("image/png",)


@pytest.fixture(scope="module")
def schema() -> Json:
    return api_schema()


@pytest.fixture(scope="module")
def described(schema: Json) -> list[Content]:
    return [content for content in contents(schema) if content.media_type not in SHOWN_AS_THEY_ARE]


def shape_of(value: Any) -> Any:
    """The keys and kinds of a value; of a list, those of its first element."""
    if isinstance(value, dict):
        return {key: shape_of(each) for key, each in value.items()}
    if isinstance(value, list):
        return [shape_of(value[0])] if value else []
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


# --- Of every operation ---


def test_every_answer_and_every_request_has_an_example(described: list[Content]) -> None:
    assert len(described) > 50
    assert [str(content) for content in described if not content.examples] == []


def test_every_good_answer_is_described(schema: Json) -> None:
    undescribed = [
        f"{method.upper()} {path} {status}"
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
        for status, answer in operation["responses"].items()
        if not answer["description"]
    ]

    assert undescribed == []


def test_every_example_is_valid(schema: Json, described: list[Content]) -> None:
    assert [
        fault
        for content in described
        for example in content.examples.values()
        for fault in faults(schema, content, example["value"])
    ] == []


def test_validation_finds_what_is_wrong_with_an_example(schema: Json, described: list[Content]) -> None:
    (answer,) = [
        content for content in described if (content.operation, content.status) == ("GET /api/v1/types/{code}/", "200")
    ]
    for wrong in (
        examples.ALPHA | {"rank": "first"},
        examples.ALPHA | {"colour": "gold"},
        {key: value for key, value in examples.ALPHA.items() if key != "name"},
        examples.ALPHA | {"code": "sigma"},
    ):
        assert faults(schema, answer, wrong)


def test_every_refusal_has_the_status_of_its_code(described: list[Content]) -> None:
    refusals = [content for content in described if content.status >= "400"]
    assert refusals
    for content in refusals:
        for example in content.examples.values():
            code = example["value"]["code"]
            assert str(status_of(code)) == content.status, f"{content}: {code}"
            assert f"`{code}`" in content.description, f"{content}: {code}"


def test_every_refusal_is_a_problem_document(described: list[Content]) -> None:
    kinds = {(content.operation, content.media_type) for content in described if content.status >= "400"}

    assert [
        operation for operation, kind in kinds if kind != PROBLEM_MEDIA_TYPE and "/api/Register" not in operation
    ] == []


# --- What the API really answers ---


def test_answers_are_shaped_as_their_examples(client: HttpClient, post_photo: PostPhoto) -> None:
    created = post_photo().json()
    owner = {"Authorization": f"Bearer {created['owner_token']}"}
    # A borderline answer has a type where others have null.
    example = examples.CREATED_CLASSIFICATION | {"borderline_with": created["borderline_with"] and examples.GAMMA}

    assert shape_of(created) == shape_of(example)
    read = client.get(f"/api/v1/classifications/{created['id']}/", headers=owner).json()
    assert read.keys() == examples.CLASSIFICATION.keys()
    assert client.get("/api/v1/limits/").json() == examples.LIMITS
    assert client.get("/api/v1/types/").json()[0] == examples.ALPHA
    celebrities = client.get("/api/v1/types/alpha/celebrities/").json()
    assert shape_of(celebrities["results"][0]) == shape_of(examples.CELEBRITY)


def test_mobile_answers_are_shaped_as_their_examples(post_mobile: PostPhoto, engine: FakeBackend) -> None:
    answer = post_mobile().json()
    assert {key: answer[key] for key in ("human", "male_type", "dsc")} == {
        key: examples.MOBILE_RESULT[key] for key in ("human", "male_type", "dsc")
    }
    assert answer.keys() == examples.MOBILE_RESULT.keys()

    engine.refuses_with = RefusalReason.NO_FACE

    assert post_mobile().json() == examples.MOBILE_NO_RESULT


Provoke = Callable[[PostPhoto, FakeBackend, HttpClient, Settings], Any]


def refused_with(reason: RefusalReason) -> Provoke:
    def provoke(post: PostPhoto, engine: FakeBackend, client: HttpClient, settings: Settings) -> Any:
        engine.refuses_with = reason
        return post()

    return provoke


def busy(post: PostPhoto, engine: FakeBackend, client: HttpClient, settings: Settings) -> Any:
    engine.fails_with = Busy()
    return post()


def conflict(post: PostPhoto, engine: FakeBackend, client: HttpClient, settings: Settings) -> Any:
    post(headers={"Idempotency-Key": "a key"})
    return post(headers={"Idempotency-Key": "a key"}, mbti="ENFP")


def throttled(post: PostPhoto, engine: FakeBackend, client: HttpClient, settings: Settings) -> Any:
    class OnceADay(ScopedRateThrottle):
        THROTTLE_RATES = {"classify": "1/day"}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ClassificationCreateView, "throttle_classes", [OnceADay])
        post()
        return post()


def no_catalogue(post: PostPhoto, engine: FakeBackend, client: HttpClient, settings: Settings) -> Any:
    FaceType.objects.filter(code="omega").update(rank=5)
    FaceType.objects.get(code="omega").images.all().delete()
    FaceType.objects.get(code="omega").delete()
    return post()


def no_storage(post: PostPhoto, engine: FakeBackend, client: HttpClient, settings: Settings) -> Any:
    broken = {"photos": settings.STORAGES["photos"] | {"OPTIONS": {"location": "/dev/null/nowhere"}}}
    settings.STORAGES = settings.STORAGES | broken
    return post(store_photo="true")


class Stalled:
    """A body that stops on its way."""

    def read(self, *_: int) -> bytes:
        raise TimeoutError

    readline = read


PROVOKED: dict[str, Provoke] = {
    **{reason.value: refused_with(reason) for reason in RefusalReason},
    "under_age": lambda post, *_: post(birth_date="2025-05-04"),
    "invalid": lambda post, *_: post(birth_date=None),
    "invalid_image": lambda post, *_: post(b""),
    "unsupported_image": lambda post, *_: post(b"GIF89a" + bytes(100)),
    "photo_too_large": lambda post, _engine, _client, settings: post(bytes(settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)),
    "length_required": lambda post, *_: post(headers={"Transfer-Encoding": "chunked"}),
    "upload_timeout": lambda _post, _engine, client, _settings: client.generic(
        "POST",
        "/api/v1/classifications/",
        b"--x",
        content_type="multipart/form-data; boundary=x",
        **{"wsgi.input": Stalled()},
    ),
    "unsupported_media_type": lambda _post, _engine, client, _settings: client.post(
        "/api/v1/classifications/", "{}", content_type="application/json"
    ),
    "idempotency_conflict": conflict,
    "throttled": throttled,
    "busy": busy,
    "catalogue_incomplete": no_catalogue,
    "storage_unavailable": no_storage,
    "not_authenticated": lambda _post, _engine, client, _settings: client.get(
        f"/api/v1/classifications/{examples.CLASSIFICATION['id']}/"
    ),
    "not_found": lambda _post, _engine, client, _settings: client.get(
        f"/api/v1/classifications/{examples.CLASSIFICATION['id']}/", headers={"Authorization": "Bearer wrong"}
    ),
}
CODES_OF_PHOTOS = {
    "POST /api/v1/classifications/",
    "GET /api/v1/classifications/{classification_id}/",
    "DELETE /api/v1/classifications/{classification_id}/",
}


@pytest.mark.parametrize("code", PROVOKED)
def test_refusal_reads_as_its_example(
    code: str, post_photo: PostPhoto, engine: FakeBackend, client: HttpClient, settings: Settings
) -> None:
    response = PROVOKED[code](post_photo, engine, client, settings)

    assert response.json() == example_of(code, {"birth_date": ["This field is required."]})
    assert response.status_code == status_of(code)
    assert response["Content-Type"] == PROBLEM_MEDIA_TYPE
    assert ("Retry-After" in response) == (code in {"busy", "throttled"})


def test_every_refusal_of_a_photo_was_provoked(described: list[Content]) -> None:
    codes = {
        example["value"]["code"]
        for content in described
        if content.operation in CODES_OF_PHOTOS and content.status >= "400"
        for example in content.examples.values()
    }

    assert codes == set(PROVOKED)


# --- The schema itself ---


def test_schema_is_served_in_english_and_kept_a_while(client: HttpClient, db: None) -> None:
    response = client.get("/api/v1/schema/?format=json", headers={"Accept-Language": "ko"})

    assert response.status_code == 200
    assert "max-age=3600" in response["Cache-Control"]
    served = json.loads(response.content)
    assert served["info"] == api_schema()["info"]
    refusals = served["paths"]["/api/v1/limits/"]["get"]["responses"]
    assert refusals["200"]["description"] == "What holds here."
    problem = served["paths"]["/api/v1/types/{code}/"]["get"]["responses"]["404"]["content"][PROBLEM_MEDIA_TYPE]
    assert re.match(r"[ -~]+$", problem["examples"]["NotFound"]["value"]["detail"])
