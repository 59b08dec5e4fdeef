"""What happens to a service around a reconciliation: the pipeline's work, and the end state."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from runtime import reconcile
from runtime.entry.worker import Worker
from runtime.model.keys import get_sort_key_version, remove_sort_key_version
from tests.support.checker import check_invariants
from tests.support.recorder import Recorder
from tests.support.service import PK

if TYPE_CHECKING:
    from runtime.pipeline.reconcile import Reconciled
    from tests.support.service import Service

__all__ = ["NOW", "Recorder", "check_all_is_done", "everything", "execution", "reconcile_all", "work"]

NOW = timedelta(0)


def work(service: Service, action: str, version: int, sk: str = "A1", **extra: Any) -> dict[str, Any]:
    reference = {"module": "todo", "pk": PK, "sk": sk, "version": version, **extra}
    context = {"Execution": {"Id": f"arn:{sk}@{version}"}}
    return Worker({"todo": service.module}).run({"action": action, "input": reference, "context": context})


def execution(service: Service, version: int, sk: str = "A1", *, parks: tuple[str, ...] = ()) -> None:
    """What the state machine does about one version; the handlers in ``parks`` use up their retries."""
    results = []
    for name in work(service, "apply", version, sk)["handlers"]:
        more = {"error": "RuntimeError", "cause": "down"} if name in parks else {}
        action = "park" if name in parks else "handle"
        results.append(work(service, action, version, sk, handler=name, **more))
    if results:
        work(service, "finish", version, sk, results=results)


def reconcile_all(service: Service, **options: Any) -> list[Reconciled]:
    """Every page of a reconciliation."""
    pages = [reconcile(service.module, **{"older_than": NOW, **options})]
    while pages[-1].resume_token:
        options["resume_from"] = pages[-1].resume_token
        pages.append(reconcile(service.module, **{"older_than": NOW, **options}))
    return pages


def everything(service: Service) -> dict[str, Any]:
    """Every row of the module, its cursors too."""
    rows = service.rows(service.tables.sync) if service.tables.has_sync_table else []
    return {**service.everything(), "sync": {(row["pk"], row["sk"]): row for row in rows}}


def check_all_is_done(service: Service, recorder: Recorder | None = None) -> None:
    """Every command is applied, finished and seen by every handler, in order."""
    check_invariants(service)
    rows = everything(service)
    latest: dict[str, int] = defaultdict(int)
    for (_, sk), row in rows["command"].items():
        assert row["status"] == "finish:FINISHED", f"{sk} is {row.get('status')}"
        base = remove_sort_key_version(sk)
        latest[base] = max(latest[base], get_sort_key_version(sk))
    if recorder is None:
        return
    assert {sk: row["version"] for (_, sk), row in rows["sync"].items()} == {
        f"Recorder#{base}": version for base, version in latest.items()
    }
    for base, version in latest.items():
        seen = [get_sort_key_version(sk) for sk in recorder.seen if remove_sort_key_version(sk) == base]
        first_times = list(dict.fromkeys(seen))
        assert first_times == list(range(1, version + 1)), f"{base} was seen as {seen}"
