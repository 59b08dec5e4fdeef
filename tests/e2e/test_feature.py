"""A user's own feature, deployed: its queue, route, operation, verb and metric."""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.polling import wait_until
from tests.support.program import Program

if TYPE_CHECKING:
    from tests.e2e.deployment import Deployment

ROOT = Path(__file__).parents[2]
VERB = """
from constructs_lib.cli import ExitCode, Result, Line, Verb, VerbGroup

def paid(context):
    found = context.operator.ask("showPaid", tenant=context.options.of, code=context.options.code)
    return Result(found, [Line("paid")], code=ExitCode.FINE if found["paid"] else ExitCode.ATTENTION)

def arguments(parser):
    parser.add_argument("of", metavar="TENANT")
    parser.add_argument("code", metavar="CODE")

GROUP = VerbGroup(name="billing", summary="what tenants have paid", verbs=(
    Verb(name="paid", summary="tell whether a bill is paid", run=paid, add_arguments=arguments),
))
"""


def install(folder: Path) -> None:
    """Install the package with the verb, as pip does: by its files."""
    (folder / "billing_verbs.py").write_text(VERB)
    metadata = folder / "billing_verbs-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: billing_verbs\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[cdk_cqrs.cli]\nbilling = billing_verbs:GROUP\n")


def test_a_feature_of_the_services_own_is_deployed_with_all_that_it_brings(
    deployment: Deployment, tmp_path: Path
) -> None:
    install(tmp_path)
    environment = {
        **deployment.emulator.environment,
        "CQRS_FUNCTION_NAME": deployment.outputs["OperatorFunctionName"],
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]),
    }
    code = f"B{uuid.uuid4().hex[:10]}"
    cqrs = Program(environment)

    def asked() -> tuple[int, str]:
        with cqrs.start("billing", "paid", deployment.tenant, code, "--json") as running:
            out, err = running.communicate(timeout=120)
        return running.returncode, out or err

    assert deployment.request("GET", f"/billing/{code}").json() == {"paid": False}
    ended, said = asked()
    assert (ended, json.loads(said)) == (1, {"paid": False}), said

    url = deployment.outputs["PaymentsQueueUrl"]
    body = json.dumps({"tenant": deployment.tenant, "code": code})
    deployment.emulator.client("sqs").send_message(QueueUrl=url, MessageBody=body)
    wait_until(lambda: deployment.row("note", "data", code), seconds=30)

    assert deployment.request("GET", f"/billing/{code}").json() == {"paid": True}
    ended, said = asked()
    assert (ended, json.loads(said)) == (0, {"paid": True}), said
    counted = [one for one in deployment.metrics("worker") if "BillsPaid" in one]
    assert counted
    assert {(one["module"], *one["BillsPaid"]) for one in counted} == {("billing", 1.0)}
