"""The guide for developers: what it says is what the API does."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client as HttpClient
from pytest_django.live_server_helper import LiveServer

from classification.api.guide import EXAMPLE_SERVER
from classification.models import Classification
from tests.classification.api_schema import Json, api_schema, contents
from tests.fakes import FakeBackend
from tests.images import jpeg

DOCS = Path(settings.BASE_DIR) / "docs"
PATHS = re.compile(r"/api/(?:v1/(?:[\w/{}$._-]|\\\(\w+\))*|RegisterResult)", re.ASCII)


@pytest.fixture(scope="module")
def schema() -> Json:
    return api_schema()


@pytest.fixture(scope="module")
def codes(schema: Json) -> set[str]:
    return {
        example["value"]["code"]
        for content in contents(schema)
        if content.status >= "400"
        for example in content.examples.values()
    }


def text_of(name: str) -> str:
    return (DOCS / f"{name}.md").read_text()


def blocks(language: str, name: str = "api") -> list[str]:
    """The code of one language in a document."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text_of(name), re.MULTILINE | re.DOTALL)


def is_path_of(schema: Json, path: str) -> bool:
    """Whether an address, with placeholders in any language's spelling, is one of the API's."""
    plain = re.sub(r"\$\w+|\\\(\w+\)|\{\w+\}", "*", path)
    known = {re.sub(r"\{\w+\}", "*", each) for each in schema["paths"]}
    return plain in known | {"/api/v1/", "/api/v1/schema/", "/api/v1/docs/reference/"}


def properties(schema: Json, component: str) -> Json:
    found: Json = schema["components"]["schemas"][component]["properties"]
    return found


def snake(name: str) -> str:
    return re.sub(r"([A-Z])", lambda match: f"_{match[1].lower()}", name)


@pytest.mark.parametrize("name", ["api", "api.ko", "api_changelog", "api_changelog.ko"])
def test_every_address_in_the_documents_exists(schema: Json, name: str) -> None:
    addresses = PATHS.findall(text_of(name))

    assert addresses
    assert [address for address in addresses if not is_path_of(schema, address)] == []


@pytest.mark.parametrize("name", ["api", "api.ko"])
def test_every_code_is_told_with_its_status_and_no_other(schema: Json, codes: set[str], name: str) -> None:
    told = dict(re.findall(r"^\| `(\w+)` \| (\d{3}) \|", text_of(name), re.MULTILINE))

    assert set(told) == codes
    statuses = {
        example["value"]["code"]: content.status
        for content in contents(schema)
        if content.status >= "400"
        for example in content.examples.values()
    }
    assert told == statuses


def test_both_languages_show_the_same_code() -> None:
    fences = [re.findall(r"^```.*?^```$", text_of(name), re.MULTILINE | re.DOTALL) for name in ("api", "api.ko")]

    assert fences[0] == fences[1]
    assert len(fences[0]) > 5


@pytest.mark.parametrize("name", ["api_changelog", "api_changelog.ko"])
def test_changelog_begins_with_the_version_of_the_schema_and_tells_of_every_operation(schema: Json, name: str) -> None:
    versions = re.findall(r"^## (\S+)$", text_of(name), re.MULTILINE)
    ours = {path for path in schema["paths"] if path.startswith("/api/v1/")}

    assert versions[0] == schema["info"]["version"]
    assert versions == sorted(versions, reverse=True)
    assert [path for path in ours if f"{path}`" not in text_of(name)] == []


def test_example_of_a_problem_is_the_schemas(schema: Json) -> None:
    (block,) = blocks("json")
    problem = json.loads(block)
    shown = [
        example["value"]
        for content in contents(schema)
        if (content.operation, content.status) == ("POST /api/v1/classifications/", "422")
        for example in content.examples.values()
    ]

    assert problem in shown


def test_fields_of_the_form_are_told_and_no_others(schema: Json) -> None:
    section = text_of("api").partition("## Sending a photo")[2].partition("## ")[0]

    assert set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == set(properties(schema, "PhotoUploadRequest"))


# --- Dart and Swift ---


def test_dart_reads_and_sends_only_what_exists(schema: Json, codes: set[str]) -> None:
    (code,) = blocks("dart")
    sent = set(re.findall(r"fields\['(\w+)'\]|fromPath\('(\w+)'", code))
    upload = properties(schema, "PhotoUploadRequest")
    answers = (
        properties(schema, "CreatedClassification") | properties(schema, "FaceType") | properties(schema, "Problem")
    )

    assert {name for names in sent for name in names if name} <= set(upload)
    read = set(re.findall(r"\b(?:body|result|type|between)\['(\w+)'\]", code))
    assert read >= {"owner_token", "borderline_with", "code"}
    assert read <= set(answers)
    assert set(re.findall(r"case '(\w+)'(?: \|\| '(\w+)')?", code)) == {("busy", "throttled")}
    assert {"busy", "throttled"} <= codes
    headers = {each.lower() for each in re.findall(r"headers\['([\w-]+)'\]", code)}
    assert headers == {"accept-language", "idempotency-key", "retry-after"}


def test_dart_uses_the_methods_that_the_addresses_have(schema: Json) -> None:
    (code,) = blocks("dart")

    assert re.search(r"MultipartRequest\('POST', Uri\.parse\('\$server/api/v1/classifications/'\)\)", code)
    assert "post" in schema["paths"]["/api/v1/classifications/"]
    assert re.search(r"http\.delete\(\s*Uri\.parse\('\$server/api/v1/classifications/\$id/'\)", code)
    assert "delete" in schema["paths"]["/api/v1/classifications/{classification_id}/"]


SWIFT_TYPES = {
    "String": "string",
    "Double": "number",
    "URL": "string",
    "[Double]": "array",
    "[Part]": "array",
    "[GalleryEntry]": "array",
    "Bool": "boolean",
}


def test_swift_decodes_what_the_schema_describes(schema: Json) -> None:
    (code,) = blocks("swift")
    structs = dict(re.findall(r"^struct (\w+): Decodable.*?\{\n(.*?)^\}", code, re.MULTILINE | re.DOTALL))

    assert set(structs) == {"FaceType", "Part", "GalleryEntry", "CreatedClassification", "Problem"}
    for name, body in structs.items():
        component = schema["components"]["schemas"][name]
        for field, kind in re.findall(r"let (\w+): (\S+)", body):
            described = component["properties"][snake(field)]
            is_optional = kind.endswith("?")
            # What may be missing or null must be optional.
            is_always_there = snake(field) in component["required"] and not described.get("nullable")
            assert is_always_there or is_optional, f"{name}.{field}"
            if "type" in described:
                assert SWIFT_TYPES[kind.rstrip("?")] == described["type"], f"{name}.{field}"


def test_swift_sends_only_what_exists(schema: Json, codes: set[str]) -> None:
    (code,) = blocks("swift")

    assert set(re.findall(r'name=\\"(\w+)\\"', code)) <= set(properties(schema, "PhotoUploadRequest"))
    assert set(re.findall(r'"(\w+)"', code.partition("guard [")[2].partition("]")[0])) == {"busy", "throttled"} & codes


# --- The shell's examples, run ---


@pytest.mark.skipif(shutil.which("curl") is None and os.environ.get("CI") != "true", reason="curl is not installed")
def test_shell_examples_work(live_server: LiveServer, catalogue: None, engine: FakeBackend, tmp_path: Path) -> None:
    (tmp_path / "face.jpg").write_bytes(jpeg())
    environment = {"PATH": os.environ["PATH"], "SERVER": live_server.url}

    def run(script: str) -> tuple[str, Json]:
        """The status, and the body."""
        script = script.replace(EXAMPLE_SERVER, live_server.url).replace("curl ", "curl -sS -w '\\n%{http_code}' ", 1)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=tmp_path, env=environment, check=True, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        body, _, status = done.stdout.rpartition("\n")
        return status, json.loads(body) if body else {}

    create, read, erase, repeat = blocks("sh")
    status, created = run(create)
    assert status == "201"
    environment |= {"id": created["id"], "owner_token": created["owner_token"]}

    assert run(read) == ("200", {key: value for key, value in created.items() if key != "owner_token"})
    assert run(erase) == ("204", {})
    assert run(read)[0] == "404"

    first, again = run(repeat), run(repeat)
    assert first == again
    assert first[0] == "201"
    assert Classification.objects.count() == 1


# --- The page ---


@pytest.mark.parametrize(("language", "title"), [("en", "Sending again safely"), ("ko", "안심하고 다시 보내기")])
def test_page_shows_guide_and_changelog_in_the_readers_language(
    client: HttpClient, db: None, language: str, title: str
) -> None:
    page = client.get("/api/v1/docs/", headers={"Accept-Language": language}).content.decode()

    assert title in page
    assert 'id="dart"' in page
    assert 'id="swift"' in page
    assert "1.0.0" in page
    # The examples call this server.
    assert EXAMPLE_SERVER not in page
    assert "http://testserver" in page
    anchors = re.findall(r'<li><a href="#([^"]+)">', page)
    assert len(anchors) > 8
    assert [anchor for anchor in anchors if f'id="{anchor}"' not in page] == []


def test_page_asks_nothing_of_others_and_runs_no_script_of_its_own(client: HttpClient, db: None) -> None:
    response = client.get("/api/v1/docs/")

    assert "unsafe" not in response["Content-Security-Policy"]
    page = response.content.decode()
    assert re.findall(r'<(?:script|img|link)[^>]+(?:src|href)="(https?:)?//(?!testserver)', page) == []


def test_reference_is_served_from_here(client: HttpClient, db: None) -> None:
    page = client.get("/api/v1/docs/reference/").content.decode()
    script = client.get("/api/v1/docs/reference/?script=")

    assert re.findall(r'(?:src|href)="(https?:)?//', page) == []
    assert "/api/v1/schema/" in script.content.decode()
