"""The service's OpenAPI document, made from the fields."""

from typing import Any

from pipeline.core.settings.modality import part
from pipeline.service.predictor import Predictor

MODEL = {"model_version": {"type": "string"}, "model_digest": {"type": "string"}}
FINDING = {
    "row": {"type": "integer"},
    "field": {"type": "string"},
    "expected": {"type": "string"},
    "found": {"type": "string"},
    "hint": {"type": "string"},
}
ERRORS = {
    "400": "The body is no JSON, or no row",
    "401": "The bearer token is missing or wrong, where one is set",
    "413": "The body or the number of rows is over the limit",
    "415": "The content type is not application/json",
    "422": "A row breaks the contract; the findings name its fields",
    "503": "Too many rows wait; try again after the seconds of Retry-After",
}


def openapi(predictor: Predictor, version: str) -> dict[str, Any]:
    """The document, OpenAPI 3.1."""
    example = predictor.example()
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"{predictor.project}: predictions",
            "version": version or predictor.digest[:12],
            "description": "Rows are cleaned as training rows were and must keep the same "
            f"contract. {decided_by(predictor)}Model {predictor.digest}.",
        },
        "paths": {
            "/predict": {
                "post": operation(
                    "Predict one row or many",
                    {"oneOf": [ref("Row"), rows_of(predictor)]},
                    {"one": {"value": example}, "many": {"value": [example]}},
                    {"oneOf": [ref("Prediction"), ref("Predictions")]},
                )
            },
            "/explain": {
                "post": operation(
                    "What each field of a row contributed",
                    ref("Row"),
                    {"one": {"value": example}},
                    ref("Explanation"),
                )
            },
            "/card": {"get": page("The model card")},
            "/schema": {"get": {"summary": "The fields", "responses": {"200": plain("Fields")}}},
            "/": {"get": page("A page with a form")},
        },
        "components": {
            "schemas": schemas(predictor),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }


def decided_by(predictor: Predictor) -> str:
    """What is said where decisions are by group."""
    columns = " and ".join(predictor.policy.columns)
    if not columns:
        return ""
    return f"Decisions are by thresholds for each group by {columns}: every row must give its own. "


def schemas(predictor: Predictor) -> dict[str, Any]:
    prediction, unit = predictor.answers.properties(), predictor.answers.unit
    fields = predictor.fields
    return {
        "Row": {
            "type": "object",
            "properties": {field.name: field.schema for field in fields},
            "required": [field.name for field in fields if field.required or field.decides],
            "additionalProperties": False,
        },
        "Prediction": fixed({**prediction, **MODEL}),
        "Predictions": fixed({"predictions": many(fixed(prediction)), **MODEL}),
        "Explanation": fixed(
            {
                **prediction,
                "reference": {"type": "string", "description": "What the row is compared with"},
                **explained(part(predictor.modality, "evaluation.explanation").KIND, unit),
                "unit": {"const": unit},
                **MODEL,
            }
        ),
        "Error": fixed({"error": {"type": "string"}, "findings": many(fixed(FINDING))}),
    }


def explained(kind: str, unit: str) -> dict[str, Any]:
    """The keys of an explanation that depend on how a row is shown."""
    part_of = {"type": "number", "description": f"In {unit}"}
    text = {"type": "string"}
    if kind == "columns":
        of_field = {"field": text, "value": {}, "contribution": part_of}
        return {"contributions": many(fixed(of_field))}
    if kind == "picture":
        png = {**text, "description": "PNG in base64"}
        of_region = {"region": text, "attribution": part_of}
        parts = {
            "pictures": many(fixed({"name": text, "png": png})),
            "attributions": many(fixed(of_region)),
            "notes": many(text),
        }
    else:
        parts = {"tokens": many(fixed({"token": text, "attribution": part_of}))}
    return {"kind": {"const": kind}, **parts}


def operation(summary: str, body: Any, examples: Any, answer: Any) -> dict[str, Any]:
    errors = {
        status: {"description": words, "content": {"application/json": {"schema": ref("Error")}}}
        for status, words in ERRORS.items()
    }
    return {
        "summary": summary,
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": body, "examples": examples}},
        },
        "responses": {
            "200": {
                "description": summary,
                "content": {"application/json": {"schema": answer}},
            },
            **errors,
        },
    }


def rows_of(predictor: Predictor) -> dict[str, Any]:
    return {**many(ref("Row")), "minItems": 1, "maxItems": predictor.limits.max_rows}


def page(summary: str) -> dict[str, Any]:
    answer = {"description": summary, "content": {"text/html": {}}}
    return {"summary": summary, "responses": {"200": answer}}


def plain(summary: str) -> dict[str, Any]:
    return {"description": summary, "content": {"application/json": {}}}


def fixed(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def many(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
