"""The grants of `Sequences` allow what the runtime calls, and `issue` allows nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam

from constructs_lib import Sequences
from runtime import SequenceModule, Series
from tests.constructs.conftest import new_app, permissions
from tests.contract.test_permissions import needed
from tests.features.sequences.lab import Lab
from tests.runtime.conftest import credentials
from tests.support.service import Services

if TYPE_CHECKING:
    from collections.abc import Callable

    from constructs_lib.local import Emulator

__all__ = ["credentials"]

SERIES = (Series("plain"), Series("logged", issue_log=True), Series("invoice", gapless=True))


@pytest.fixture
def lab(emulator: Emulator) -> Lab:
    make_service = Services(emulator)
    table = make_service.table()
    return Lab(make_service(sequences_override=table), SequenceModule(SERIES), table)


def allowed(intent: str) -> set[str]:
    """What a grant allows."""
    stack = cdk.Stack(new_app(), "Test")
    role = iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    getattr(Sequences(stack, "Sequences").grants, intent)(role)
    (actions,) = permissions(stack).values()
    return actions


def called(lab: Lab, *acts: Callable[[], Any]) -> set[str]:
    """The actions on the table of sequences that some calls need."""
    lab.service.wire.clear()
    for act in acts:
        act()
    return {
        f"dynamodb:{action}"
        for call in lab.service.wire.calls
        for table, action in needed(call)
        if table == lab.table
    }


def issue(lab: Lab) -> list[Callable[[], Any]]:
    see = lab.sequences
    return [
        lambda: lab.next("plain"),
        lambda: lab.next("plain", idempotency_key="k"),
        lambda: lab.next("logged"),
        lambda: see.generate_sequence_range("plain", 5, tenant_code="acme"),
        lambda: lab.publish("invoice", publish_id="p"),
        lambda: lab.publish("invoice", sync=True),
        lambda: see.void("invoice", 1, reason="r", tenant_code="acme"),
    ]


def read(lab: Lab) -> list[Callable[[], Any]]:
    see = lab.sequences
    return [
        lambda: see.preview("plain", tenant_code="acme"),
        lambda: see.get_current_sequence("plain", tenant_code="acme"),
        lambda: see.show_sequence("plain", tenant_code="acme"),
        lambda: see.list_sequences(tenant_code="acme"),
        lambda: see.gaps("invoice", tenant_code="acme"),
    ]


def test_issue(lab: Lab) -> None:
    preview = read(lab)[0]
    assert called(lab, *issue(lab), preview) == allowed("issue")


def test_read(lab: Lab) -> None:
    called(lab, *issue(lab))
    assert called(lab, *read(lab)) == allowed("read")


def test_administer(lab: Lab) -> None:
    done = called(
        lab,
        *issue(lab),
        *read(lab),
        lambda: lab.sequences.set_sequence("plain", 900, tenant_code="acme"),
        lambda: lab.sequences.set_sequence("invoice", 900, tenant_code="acme"),
    )
    assert done == allowed("administer")
