"""No request counts, sets, voids or sees the counters of another tenant, whatever it is spelled like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from runtime import CqrsApp, SequenceModule, Series, sequence_routes
from runtime.testing import MemoryApp
from tests.security.attacks import malformed_claims, tenant_spellings
from tests.security.target import MARKER

if TYPE_CHECKING:
    from collections.abc import Iterator

VICTIM, OWN = "kiss", "globex"
ROUTES: tuple[tuple[str, str, Any], ...] = (
    ("POST", "/sequences/log", None),
    ("GET", "/sequences/log/preview", None),
    ("GET", "/sequences/log", None),
    ("PUT", "/sequences/log/none", {"no": 99}),
    ("POST", "/sequences/log/1/void", {"reason": "r"}),
    ("POST", "/sequences/plain", None),
    ("POST", "/sequences/branch", {"codes": [f"{MARKER}"]}),
    ("GET", "/sequences/branch/preview", None),
    ("GET", "/sequences/branch", None),
)
#: Of the routes that read one counter; the others know no such parameter.
PARAMS = {"code1": MARKER}


@pytest.fixture(scope="module")
def sequences() -> SequenceModule:
    roles = ("clerk",)
    return SequenceModule(
        [
            Series("log", issue_log=True, roles=roles),
            Series("plain", roles=roles),
            Series("branch", format="%%code1%%-%%no%%", codes=1, roles=roles),
        ]
    )


@pytest.fixture(scope="module")
def memory(sequences: SequenceModule) -> Iterator[MemoryApp]:
    with MemoryApp(CqrsApp(modules=[], features=[sequences], routes=[sequence_routes(sequences)])) as made:
        for tenant in (VICTIM, "common"):
            for _ in range(3):
                sequences.generate_sequence_item("log", tenant_code=tenant)
                sequences.generate_sequence_item("branch", codes=[MARKER], tenant_code=tenant)
        yield made


def of_victims(memory: MemoryApp) -> list[Any]:
    store: Any = memory.resources.store
    rows = store.rows(memory.resources.settings.sequences_table)
    return [row for row in rows if row["pk"].partition("#")[2] in {VICTIM, "common"}]


@pytest.mark.parametrize("spelling", [*tenant_spellings(VICTIM)])
@pytest.mark.parametrize("roles", [[], ["clerk"]], ids=["nobody", "clerk"])
def test_no_header_leads_to_another_tenant(memory: MemoryApp, spelling: str, roles: list[str]) -> None:
    before = of_victims(memory)
    header = tenant_spellings(VICTIM)[spelling]
    for tenant in (OWN, None):
        eve = memory.client(
            tenant=tenant, user="eve", roles=roles if tenant else [], headers={"x-tenant-code": header}
        )
        for method, path, body in ROUTES:
            answer = eve.request(method, path, json=body, params=PARAMS)
            assert answer.status in {200, 201, 400, 403}
            assert VICTIM not in answer.text or header != VICTIM
            if answer.status in {200, 201} and header.lower() in {VICTIM, "common"}:
                pytest.fail(f"{method} {path} of {header} answers {answer.text}")
    assert of_victims(memory) == before


@pytest.mark.parametrize("name", [*malformed_claims(VICTIM, OWN)])
def test_no_claim_leads_to_another_tenant(memory: MemoryApp, name: str) -> None:
    before = of_victims(memory)
    eve = memory.client(tenant=OWN, user="eve", claims=malformed_claims(VICTIM, OWN)[name])
    for headers in ({}, {"x-tenant-code": VICTIM}, {"x-tenant-code": "common"}):
        for method, path, body in ROUTES:
            answer = eve.request(method, path, json=body, headers=headers, params=PARAMS)
            assert answer.status in {400, 401, 403}, (method, path, answer.text)
    assert of_victims(memory) == before


@pytest.mark.parametrize(
    "part",
    [
        f"x%23{VICTIM}",
        f"log%23{MARKER}",
        "log%2523x",
        "..",
        "%2e%2e",
        "log%00",
        "log%0a",
        "l" * 300,
        "lo\u0261",
        "LOG",
        " log",
    ],
)
def test_no_path_leads_to_another_counter(memory: MemoryApp, part: str) -> None:
    store: Any = memory.resources.store
    table = memory.resources.settings.sequences_table
    before = list(store.rows(table))
    clerk = memory.client(tenant=OWN, user="eve", roles=["clerk"], global_roles=["system_admin"])
    for method, path, body in (
        ("POST", f"/sequences/{part}", None),
        ("GET", f"/sequences/{part}/preview", None),
        ("PUT", f"/sequences/{part}/none", {"no": 99}),
        ("PUT", f"/sequences/log/{part}", {"no": 99}),
        ("POST", f"/sequences/log/{part}/void", {"reason": "r"}),
    ):
        answer = clerk.request(method, quote(path, safe="/%#"), json=body)
        assert answer.status in {400, 403, 404, 405}, (method, path, answer.text)
    assert list(store.rows(table)) == before


@pytest.mark.parametrize(
    "code", [f"A#{VICTIM}", "A@1", "", " A", "\u0000", "A\n", "x" * 65, "\ud800", f"none#{MARKER}"]
)
def test_no_code_leads_to_another_counter(memory: MemoryApp, code: str) -> None:
    store: Any = memory.resources.store
    table = memory.resources.settings.sequences_table
    before = list(store.rows(table))
    clerk = memory.client(tenant=OWN, user="eve", roles=["clerk"])
    assert clerk.post("/sequences/branch", {"codes": [code]}).status == 400
    assert list(store.rows(table)) == before


def test_a_clerk_counts_in_their_own_tenant_alone(memory: MemoryApp) -> None:
    before = of_victims(memory)
    clerk = memory.client(tenant=OWN, user="eve", roles=["clerk"])
    number = clerk.post("/sequences/branch", {"codes": [MARKER]}).json()
    assert number["id"] == f"SEQ#{OWN}#branch#{MARKER}#none"
    assert [item["no"] for item in clerk.get("/sequences/branch").json()["items"]] == [number["no"]]
    assert of_victims(memory) == before
