"""The OpenAPI documents are whole, and say what the validators do."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.doors import FakeDaemon
from wallet.api.agent import agent_rows
from wallet.api.openapi import openapi
from wallet.api.owner import owner_rows
from wallet.api.routes import Needs, Row

DOOR = FakeDaemon().door(frozenset())
DOORS = {"agent": agent_rows(DOOR), "owner": owner_rows(DOOR)}


def walk(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for child in node.values():
            yield from walk(child)
    elif isinstance(node, list):
        for child in node:
            yield from walk(child)


def resolve(document: dict[str, Any], reference: str) -> Any:
    found: Any = document
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


@pytest.fixture(params=DOORS)
def rows(request: pytest.FixtureRequest) -> Any:
    return DOORS[request.param]


@pytest.fixture
def document(rows: list[Row]) -> dict[str, Any]:
    return openapi("x", "1", rows)


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    references = [node["$ref"] for node in walk(document) if isinstance(node.get("$ref"), str)]

    assert references
    assert all(resolve(document, reference) for reference in references)


def test_every_route_is_described_once(document: dict[str, Any], rows: list[Row]) -> None:
    described = {
        (method.upper(), path) for path, item in document["paths"].items() for method in item
    }
    identifiers = [
        op["operationId"] for item in document["paths"].values() for op in item.values()
    ]

    assert document["openapi"] == "3.1.0"
    assert described == {(row.method, row.path) for row in rows}
    assert len(set(identifiers)) == len(identifiers)


def test_path_parameters_and_credentials_are_declared(
    document: dict[str, Any], rows: list[Row]
) -> None:
    schemes = document["components"]["securitySchemes"]
    for row in rows:
        operation = document["paths"][row.path][row.method.lower()]
        declared = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
        assert declared == set(re.findall(r"{(\w+)}", row.path))
        assert {name for choice in operation["security"] for name in choice} <= set(schemes)
        assert bool(operation["security"]) is (
            row.needs not in (Needs.NOTHING, Needs.SOCKET, Needs.OPERATION_PROVES)
        )


def test_no_body_takes_keys_it_does_not_know(document: dict[str, Any]) -> None:
    bodies = [
        operation["requestBody"]["content"]["application/json"]["schema"]
        for item in document["paths"].values()
        for operation in item.values()
        if "requestBody" in operation
    ]

    for body in bodies:
        schema = resolve(document, body["$ref"])
        assert schema["additionalProperties"] is False
        assert not any("_" in name for name in schema["properties"])


def test_a_payment_is_described_as_it_is_read() -> None:
    document = openapi("x", "1", DOORS["agent"])
    send = document["paths"]["/v1/transactions/send"]["post"]
    schema = resolve(
        document, send["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    )

    assert set(schema["properties"]) == {"to", "amount", "humanAmount", "memo", "network", "type"}
    assert schema["required"] == ["to"]
    assert schema["oneOf"] == [{"required": ["amount"]}, {"required": ["humanAmount"]}]
    assert send["requestBody"]["required"] is True
    assert {p["name"] for p in send["parameters"]} == {"Idempotency-Key", "Prefer"}
    assert "201" in send["responses"]


def test_numbers_of_a_query_have_their_bounds(document: dict[str, Any]) -> None:
    parameters = [
        parameter
        for item in document["paths"].values()
        for operation in item.values()
        for parameter in operation.get("parameters", [])
        if parameter["schema"].get("type") == "integer"
    ]

    assert parameters
    assert all({"minimum", "maximum"} <= parameter["schema"].keys() for parameter in parameters)


def test_a_map_takes_no_key_beside_its_pattern() -> None:
    maps = [n for n in walk(openapi("x", "1", DOORS["owner"])) if "patternProperties" in n]

    assert len(maps) > 3
    assert all(node["additionalProperties"] is False for node in maps)


@pytest.mark.parametrize(("name", "kinds"), [("PutPolicy", 13), ("PutStopRule", 5)])
def test_the_bodies_of_rules_are_described(name: str, kinds: int) -> None:
    schemas = openapi("x", "1", DOORS["owner"])["components"]["schemas"]
    bodies = schemas[name]["properties"]["rules"]["anyOf"]

    assert len(bodies) == kinds
    assert all(body["additionalProperties"] is False for body in bodies)


@pytest.mark.parametrize("what", ["balance", "assets"])
def test_the_answer_over_all_networks_is_described_beside_the_one_over_one(what: str) -> None:
    document = openapi("x", "1", DOORS["agent"])
    answer = document["paths"][f"/v1/wallet/{what}"]["get"]["responses"]["200"]
    shapes = answer["content"]["application/json"]["schema"]["oneOf"]

    both = [set(resolve(document, shape["$ref"])["properties"]) for shape in shapes]
    assert "network" in both[0]
    assert "environment" in both[1]
