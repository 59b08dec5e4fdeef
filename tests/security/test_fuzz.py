"""The API, fuzzed from its own OpenAPI document: what it says is what it does, whatever it is sent."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.faults.scale import scaled
from tests.security.target import ADMIN, MARKER, Target, claims_of, plant
from tests.support.gateway import Gateway

if TYPE_CHECKING:
    from schemathesis import Case

SEED = int(os.environ.get("CQRS_SEED", "20261121"))
BEARER = "eyJhbGciOiJSUzI1NiJ9.planted-bearer-token.signature"
#: An answer is not longer than a page of what was sent.
LONGEST = 2_000_000
#: Values of path parameters for which there is something.
THERE: dict[str, Any] = {"sk": "A1", "id": "A1", "version": 1, "name": "note"}
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module", autouse=True)
def planted(target: Target) -> None:
    for mode in GenerationMode:
        plant(target, f"fuzz-{mode.value}", THERE["sk"], marker="one's own")
    plant(target, "secret", THERE["sk"])


def fuzz(target: Target, operation: Any, mode: GenerationMode) -> dict[int, int]:
    """Requests to one operation; how many answers of each status there were."""
    gateway = Gateway(target.app, claims_of(f"fuzz-{mode.value}", ADMIN))
    counts: dict[int, int] = {}
    anything = operation.as_strategy(generation_mode=mode)
    names = {parameter.name for parameter in operation.path_parameters}
    there = {name: value for name, value in THERE.items() if name in names}
    on_what_is_there = anything
    if there:
        headers = {"If-Match": "*"} if operation.method != "get" else None
        on_what_is_there = operation.as_strategy(generation_mode=mode, path_parameters=there, headers=headers)

    @seed(SEED)
    @settings(
        max_examples=scaled(8, 200),
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=st.one_of(anything, on_what_is_there))
    def attack(case: Case) -> None:
        case.headers["authorization"] = f"Bearer {BEARER}"
        answer = case.call(app=gateway)
        counts[answer.status_code] = counts.get(answer.status_code, 0) + 1
        case.validate_response(answer, checks=CHECKS)
        text = f"{answer.headers} {answer.text}"
        assert BEARER not in text
        assert MARKER not in text
        assert "Traceback" not in text
        assert '"status":5' not in text  # of one command of many
        assert ".py" not in text
        assert len(answer.content) < LONGEST

    attack()
    return counts


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_the_api_keeps_its_word(target: Target, mode: GenerationMode) -> None:
    api = schemathesis.openapi.from_dict({**target.document, "servers": [{"url": "/"}]})
    operations = [found.ok() for found in api.get_all_operations()]
    counts = {operation.label: fuzz(target, operation, mode) for operation in operations}
    print(f"seed {SEED} (CQRS_SEED), {mode.value}: {counts}")  # noqa: T201 - for whoever repeats it
    assert set(counts) == {str(route) for route in target.routes}
    reached = {status for found in counts.values() for status in found}
    assert any(status < 300 for status in reached)
    if mode is GenerationMode.NEGATIVE:
        assert 400 in reached
