"""The stack of the end-to-end tests with sessions of one tenant: whole commands, and what the roles did."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from constructs_lib.local import Emulator
from tests.e2e.deployment import command, deploy, pk
from tests.support.emulator import FOLDER, WAIT_SCALE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.deployment import Deployment

TENANTS = ("acme", "globex")
MODULES = ("note", "memo", "task")


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with Emulator(folder=FOLDER, wait_scale=WAIT_SCALE, iam=True) as emulator:
        store = tmp_path_factory.mktemp("store") / "store.db"
        yield deploy(emulator, store, tenant_sessions="true")


def test_every_row_of_a_request_is_reached_in_a_session_of_its_tenant(deployment: Deployment) -> None:
    for tenant in TENANTS:
        deployment.tenant, deployment.token = tenant, deployment.sign_in(tenant)
        for module in MODULES:
            assert deployment.publish(module, "A1").status_code == 200
            assert deployment.read(module, "A1").status_code == 200
            deployment.wait_for(module, "A1@1")
            assert deployment.publish(module, "A1", 1, sync=True).status_code == 200
        other = command("note", "B1", 0, next(name for name in TENANTS if name != tenant))
        assert deployment.post("/note/publish", other).status_code == 403
        foreign = {"pk": pk("note", "initech"), "sk": "A1"}
        assert deployment.post("/note/read", foreign).status_code == 403

    seen = [
        (decision["principal"].split("/")[1:], decision["action"], decision["allowed"])
        for decision in deployment.emulator.iam_decisions()
        if "Api" in decision["principal"] or "TenantSessions" in decision["principal"]
    ]
    assert {action for _, action, allowed in seen if not allowed} == set()
    own = {action for (role, _), action, _ in seen if "TenantSessions" not in role}
    assert not any(action.startswith(("dynamodb:", "s3:")) for action in own)
    sessions = {name for (role, name), _, _ in seen if "TenantSessions" in role}
    assert sessions == set(TENANTS)
