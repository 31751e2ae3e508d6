"""The API's schema as tests read it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.utils import translation
from drf_spectacular.generators import SchemaGenerator
from openapi_schema_validator import OAS30ReadValidator, OAS30WriteValidator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Content:
    """What one request or answer of an operation holds. status: empty of a request."""

    operation: str
    status: str
    description: str
    media_type: str
    schema: Json
    examples: Json

    def __str__(self) -> str:
        return f"{self.operation} {self.status or 'request'} {self.media_type}"


def api_schema() -> Json:
    with translation.override("en"):
        schema: Json = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return schema


def contents(schema: Json) -> Iterator[Content]:
    """Of every operation, best answers first."""
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            name = f"{method.upper()} {path}"
            bodies = {"": operation.get("requestBody", {})} | operation["responses"]
            for status, body in bodies.items():
                for media_type, content in body.get("content", {}).items():
                    yield Content(
                        name,
                        str(status),
                        body.get("description", ""),
                        media_type,
                        content["schema"],
                        content.get("examples", {}),
                    )


def faults(schema: Json, content: Content, value: Any) -> list[str]:
    """What is wrong with a value by the schema; a field that it does not know is wrong too."""
    validator_class = OAS30ReadValidator if content.status else OAS30WriteValidator
    resource = Resource.from_contents(_strict(schema), default_specification=DRAFT4)
    registry: Registry[Any] = Registry().with_resource("urn:api", resource)
    validator = validator_class(_addressed(content.schema), registry=registry)
    return [f"{content}: {error.json_path}: {error.message}" for error in validator.iter_errors(value)]


def _strict(schema: Json) -> Json:
    strict = copy.deepcopy(schema)
    for component in strict["components"]["schemas"].values():
        if "properties" in component:
            component.setdefault("additionalProperties", False)
    return _addressed(strict)  # type: ignore[no-any-return]


def _addressed(node: Any) -> Any:
    """References of the schema's own, from wherever they stand."""
    if isinstance(node, dict):
        return {key: f"urn:api{value}" if key == "$ref" else _addressed(value) for key, value in node.items()}
    return [_addressed(each) for each in node] if isinstance(node, list) else node
