"""The typed client that `make client` generates from the schema, before a running server.

It is generated in the test run, so it cannot be out of date, and none of it has to be kept in the repository.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml
from django.conf import settings
from pytest_django.live_server_helper import LiveServer

from classification.models import Classification
from inference.contracts import FacePart, RefusalReason
from tests.classification.api_schema import api_schema
from tests.fakes import FakeBackend
from tests.images import jpeg

PACKAGE = "alpha_project_client"
BORN = date(1996, 5, 4)

Import = Callable[[str], Any]


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the client's package, which can be imported from there."""
    folder = tmp_path_factory.mktemp("client")
    (folder / "schema.yaml").write_text(yaml.safe_dump(api_schema()))
    generate = [
        Path(sys.executable).with_name("openapi-python-client"), "generate", "--fail-on-warning", "--overwrite",
        "--path", folder / "schema.yaml",
        "--config", Path(settings.BASE_DIR) / "deploy" / "client.yaml",
        "--output-path", folder / "client",
    ]  # fmt: skip
    done = subprocess.run(generate, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder / "client")
        yield folder / "client"
        for name in [name for name in sys.modules if name.split(".")[0] == PACKAGE]:
            del sys.modules[name]


@pytest.fixture
def part_of(generated: Path) -> Import:
    """A module of the client by its name in the package."""
    return lambda name: importlib.import_module(f"{PACKAGE}{name and f'.{name}'}")


@pytest.fixture
def connect(part_of: Import, live_server: LiveServer) -> Iterator[Callable[..., Any]]:
    """A client of the server; an owner's, where there is a token. All are closed in the end."""
    with ExitStack() as stack:

        def connect(*, token: str = "", language: str = "en") -> Any:
            headers = {"Accept-Language": language}
            package = part_of("")
            client = (
                package.AuthenticatedClient(live_server.url, token=token, headers=headers)
                if token
                else package.Client(live_server.url, headers=headers)
            )
            return stack.enter_context(client)

        yield connect


@pytest.fixture
def classify(part_of: Import, connect: Callable[..., Any], catalogue: None, engine: FakeBackend) -> Callable[..., Any]:
    """Classify a drawn photo by the client; the answer as it parsed it."""

    def classify(*, photo: bytes | None = None, key: str = "", language: str = "en", **fields: Any) -> Any:
        file = part_of("types").File(BytesIO(photo or jpeg()), "photo.jpg", "image/jpeg")
        upload = part_of("models").PhotoUploadRequest(photo=file, **({"birth_date": BORN} | fields))
        return part_of("api.v1.classifications_create").sync(
            client=connect(language=language), body=upload, **({"idempotency_key": key} if key else {})
        )

    return classify


def test_result_is_made_read_and_erased(
    part_of: Import, classify: Callable[..., Any], connect: Callable[..., Any]
) -> None:
    models, v1 = part_of("models"), "api.v1.classifications"
    created = classify(mbti=models.MbtiEnum.INFJ, store_photo=True)

    assert isinstance(created, models.CreatedClassification)
    assert isinstance(created.id, UUID)
    assert created.type_.code is models.FaceTypeCode.BETA
    assert [part.part.value for part in created.parts] == list(FacePart)
    assert len(created.celebrities) == 4
    record = Classification.objects.get(pk=created.id)
    assert (record.birth_date, record.mbti, bool(record.photo_key)) == (BORN, "INFJ", True)
    assert created.expires_at == record.expires_at

    owner = connect(token=created.owner_token)
    read = part_of(f"{v1}_retrieve").sync(created.id, client=owner)
    assert isinstance(read, models.Classification)
    assert (read.id, read.score, read.type_) == (created.id, created.score, created.type_)

    erased = part_of(f"{v1}_destroy").sync_detailed(created.id, client=owner)
    assert erased.status_code == 204
    assert not Classification.objects.exists()
    gone = part_of(f"{v1}_retrieve").sync(created.id, client=owner)
    assert isinstance(gone, models.Problem)
    assert gone.code == "not_found"


def test_repeated_request_gets_the_first_answer(classify: Callable[..., Any]) -> None:
    photo = jpeg()

    first, again = classify(photo=photo, key="a key"), classify(photo=photo, key="a key")

    assert again == first
    assert Classification.objects.count() == 1


def test_refused_photo_is_a_problem_with_code_and_sentences(
    part_of: Import, classify: Callable[..., Any], engine: FakeBackend
) -> None:
    engine.refuses_with = RefusalReason.FACE_COVERED

    problem = classify(language="ko")

    assert isinstance(problem, part_of("models").Problem)
    assert (problem.status, problem.code) == (422, "face_covered")
    assert problem.detail == "얼굴 일부가 가려져 있어요."
    assert problem.advice


def test_field_that_is_wrong_is_named(part_of: Import, classify: Callable[..., Any]) -> None:
    problem = classify(birth_date=date(2999, 1, 1))

    assert isinstance(problem, part_of("models").Problem)
    assert problem.code == "invalid"
    assert list(problem.errors.to_dict()) == ["birth_date"]


def test_strangers_token_opens_nothing(
    part_of: Import, classify: Callable[..., Any], connect: Callable[..., Any]
) -> None:
    mine, other = classify(), classify()

    answer = part_of("api.v1.classifications_destroy").sync(mine.id, client=connect(token=other.owner_token))

    assert answer.code == "not_found"
    assert Classification.objects.count() == 2


def test_types_limits_and_celebrities_are_read(part_of: Import, connect: Callable[..., Any], catalogue: None) -> None:
    client = connect()

    types = part_of("api.v1.types_list").sync(client=client)
    limits = part_of("api.v1.limits_retrieve").sync(client=client)
    page = part_of("api.v1.types_celebrities_list").sync("alpha", client=client, page_size=2)

    assert [face_type.letter for face_type in types] == list("ΑΒΓΔΩ")
    assert limits.retention_days == 30
    assert len(page.results) == 2
    assert page.next_


def test_client_is_typed(generated: Path) -> None:
    """The guide's own example, with a mistake in it, is found by mypy."""
    guide = (Path(settings.BASE_DIR) / "docs" / "api.md").read_text()
    example = guide.partition("```python\n")[2].partition("```")[0]
    script = generated / "example.py"

    def mypy(code: str) -> str:
        script.write_text(code)
        check = [sys.executable, "-m", "mypy", "--follow-imports=silent", "--config-file=", "--strict", script.name]
        return subprocess.run(check, cwd=generated, check=False, capture_output=True, text=True, timeout=300).stdout

    assert "Success" in mypy(example)
    assert '"owner"' in mypy(example.replace("answer.owner_token", "answer.owner"))
