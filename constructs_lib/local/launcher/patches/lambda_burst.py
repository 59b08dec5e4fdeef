"""How many workers a function gets at the same time.

AWS runs up to a thousand execution environments side by side, on its own machines. Stock
starts a process for each concurrent call on this one: a burst of 200 requests is 200
interpreters. Here a function gets a few workers (`LOCAL_AWS_WORKERS`, four by default) and
a call waits for one that is free, as long as a call may take at all. On AWS a burst meets
cold starts; here it meets a queue.
"""

from __future__ import annotations

import os
import threading
import time
from typing import Any

from ministack.core import lambda_runtime
from ministack.services import lambda_svc

from ..patching import replace

__all__ = ["apply"]

_WORKERS = int(os.environ.get("LOCAL_AWS_WORKERS", "4"))
#: As long as a Lambda function may run at most.
_WAIT_SECONDS = 900.0
#: How often a waiting call looks by itself: a worker that was ended tells nobody.
_LOOK_SECONDS = 0.5

_free = threading.Condition(lambda_runtime._lock)


def apply() -> None:
    """Bound the workers of each function."""
    replace(
        lambda_runtime,
        "acquire_worker",
        _acquire_worker,
        holding=("cap = max_concurrency or _LOCAL_MAX_WORKERS", 'return None, "func_cap"'),
    )
    replace(lambda_runtime, "release_worker", _release_worker, holding=("worker.in_use = False",))
    # It has imported both by name.
    replace(lambda_svc, "acquire_worker", _acquire_worker, holding=("_LOCAL_MAX_WORKERS",))
    replace(lambda_svc, "release_worker", _release_worker, holding=("worker.in_use = False",))


def _acquire_worker(
    func_name: str,
    config: dict[str, Any],
    code_zip: bytes,
    qualifier: str = "$LATEST",
    max_concurrency: int | None = None,
) -> tuple[Any, str]:
    key = lambda_runtime._worker_key(func_name, config, qualifier)
    limit = max_concurrency or _WORKERS
    deadline = time.monotonic() + _WAIT_SECONDS
    with _free:
        while True:
            workers = lambda_runtime._workers.setdefault(key, [])
            idle = next((worker for worker in workers if not worker.in_use), None)
            if idle is not None:
                return _lease(idle), "reused"
            if len(workers) < limit:
                worker = lambda_runtime._worker_class_for(config)(func_name, config, code_zip)
                workers.append(worker)
                return _lease(worker), "spawn"
            left = deadline - time.monotonic()
            if left <= 0:
                return None, "func_cap"
            _free.wait(min(left, _LOOK_SECONDS))


def _lease(worker: Any) -> Any:
    worker.in_use = True
    worker.last_used = time.time()
    return worker


def _release_worker(worker: Any) -> None:
    if worker is None:
        return
    with _free:
        worker.in_use = False
        _free.notify_all()
