"""The OpenAPI 3.1 document, made from the Action tables: every body, answer and error of every operation.

It holds what the JSON mount does and nothing else; a handler's return annotation is its answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from app import __version__
from app.web import answer, openapi_answers
from app.web.action import Action
from app.web.bodies import YAML
from app.web.forms import URLENCODED
from app.web.gate import needed_scope
from app.web.openapi_answers import answer_types
from app.web.streams import ByteStream, EventStream, Text

REF = "#/components/schemas/{model}"
ABSENT = ("default", None)  # that nothing was sent is no value that could be


def document(actions: Iterable[Action], base_url: str) -> dict[str, Any]:
    rows = [a for a in actions if a.on_api]
    schemas = _Schemas(rows)
    shared = openapi_answers.components()
    paths: dict[str, dict[str, Any]] = {}
    for row in rows:
        paths.setdefault(answer.API + row.path, {})[row.method.lower()] = _operation(row, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Lattice",
            "version": __version__,
            "description": "A control plane for GPU compute.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": base_url}],
        "paths": paths,
        "components": {
            **shared,
            "schemas": {**schemas.components, **shared["schemas"]},
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "An API key: `lk_…`."},
                "session": {"type": "apiKey", "in": "cookie", "name": "lattice_session"},
            },
        },
    }


class _Schemas:
    """JSON schemas of all bodies and answers, made together so that each shape has one name."""

    def __init__(self, rows: list[Action]) -> None:
        bodies = {r.body for r in rows if r.body}
        adapters = {r.name: _adapter(r) for r in rows}
        inputs: list[tuple[Any, JsonSchemaMode, TypeAdapter[Any]]] = [
            (f"answer.{name}", "serialization", adapter) for name, adapter in adapters.items() if adapter
        ]
        inputs += [(f"body.{b.__name__}", "validation", TypeAdapter(b)) for b in bodies]
        found, definitions = TypeAdapter.json_schemas(inputs, ref_template=REF)
        self._found = {name: schema for (name, _), schema in found.items()}
        self.components: dict[str, Any] = definitions.get("$defs", {})

    def answer(self, row: Action) -> dict[str, Any] | None:
        """None where the answer is not JSON."""
        return self._found.get(f"answer.{row.name}")

    def body(self, row: Action) -> dict[str, Any]:
        assert row.body is not None
        return self._found[f"body.{row.body.__name__}"]


def _adapter(row: Action) -> TypeAdapter[Any] | None:
    kinds = answer_types(row)
    if kinds & {type(None), Text, EventStream, ByteStream}:
        return None
    (kind,) = kinds
    return TypeAdapter(kind)


def _operation(row: Action, schemas: _Schemas) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": row.name,
        "summary": _summary(row),
        "tags": [row.path.split("/")[1]],
        "parameters": [*_path_parameters(row), *_parameters(row.query, "query"), *_header_parameters(row)],
        "responses": openapi_answers.responses(row, schemas.answer(row)),
        "security": [{}] if row.public else [{"key": []}, {"session": []}],
    }
    scope = needed_scope(row)
    if scope is not None:
        operation["x-required-scope"] = scope.value
    if row.role is not None:
        operation["x-required-role"] = row.role.value
    if row.body is not None:
        operation["requestBody"] = _request_body(row, schemas)
    return operation


def _summary(row: Action) -> str:
    return row.summary or row.name.replace("_", " ").capitalize().replace("api", "API")


def _path_parameters(row: Action) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", row.path)
    ]


def _parameters(model: type[BaseModel] | None, place: str) -> list[dict[str, Any]]:
    """Those of a query or of header fields."""
    if model is None:
        return []
    schema = model.model_json_schema(ref_template=REF)
    required = set(schema.get("required", ()))
    return [
        {
            "name": name.title() if place == "header" else name,
            "in": place,
            "required": name in required,
            "schema": _inlined({k: v for k, v in property_.items() if k != "description" and (k, v) != ABSENT}, schema),
            **({"description": property_["description"]} if "description" in property_ else {}),
        }
        for name, property_ in schema.get("properties", {}).items()
    ]


def _inlined(schema: Any, root: dict[str, Any]) -> Any:
    """Query schemas are small: put their definitions where they are used."""
    if isinstance(schema, list):
        return [_inlined(s, root) for s in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(root["$defs"][schema["$ref"].rsplit("/", 1)[-1]], root)
    return {k: _inlined(v, root) for k, v in schema.items() if k != "title"}


def _header_parameters(row: Action) -> list[dict[str, Any]]:
    own = _parameters(row.headers, "header")
    if row.method == "POST" and row.status == 201:
        key = {"type": "string", "maxLength": 200}
        own.append({"name": "Idempotency-Key", "in": "header", "required": False, "schema": key})
    return own


def _request_body(row: Action, schemas: _Schemas) -> dict[str, Any]:
    content: dict[str, Any] = {"application/json": {"schema": schemas.body(row)}}
    if row.yaml is not None:
        content[YAML] = {"schema": {"type": "string"}}
    if row.forms:
        content[URLENCODED] = {"schema": schemas.body(row)}
    return {"required": row.body_required, "content": content}
