"""Errors, logs and lifetime of a Lambda worker process.

AWS answers a failed invocation with `errorMessage`, `errorType` (the exception's class
name), `requestId` and `stackTrace`, and keeps the execution environment
(https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html). Step Functions
matches `errorType` in Retry and Catch. A result that is not JSON is a
`Runtime.MarshalError`, an import that fails a `Runtime.ImportModuleError`.

What runs while its function gets new code, or is deleted, runs to its end with the code that it has.

Stock names every error `Runtime.HandlerError`, so nothing matches by name, and kills the
worker after each, and those at work when their function changes. It also does not know when
a handler has finished logging: it waits 50 ms for a line that may come, on every call of a
handler that is silent.

Here the worker sends the name and the trace along, stays, and marks the end of an
invocation's log with a line of its own; one of old code ends after its invocation.
"""

from __future__ import annotations

import json
import queue
import threading
import time
from typing import Any

from ministack.core import lambda_runtime
from ministack.services import lambda_svc

from ..patching import replace, replace_text

__all__ = ["apply"]

_END_OF_LOG = "\x1eend-of-invocation"
_LOG_SECONDS = 1.0

_STOCK_CALL = """        try:
            result = handler_fn(event, context)
            _real_stdout.write(json.dumps({"status": "ok", "result": result}) + "\\n")
        except Exception as e:
            _real_stdout.write(json.dumps({"status": "error", "error": str(e), "trace": traceback.format_exc()}) + "\\n")
"""  # noqa: E501 - as it is there

_CALL = f"""        try:
            result = handler_fn(event, context)
            try:
                _ms_answer = json.dumps({{"status": "ok", "result": result}})
            except (TypeError, ValueError) as e:
                _ms_answer = json.dumps({{
                    "status": "error", "error": "Unable to marshal response: " + str(e),
                    "type": "Runtime.MarshalError", "stack": []}})
        except Exception as e:
            _ms_answer = json.dumps({{
                "status": "error", "error": str(e), "type": type(e).__name__,
                "stack": traceback.format_tb(e.__traceback__)[1:], "trace": traceback.format_exc()}})
        sys.stderr.write({_END_OF_LOG!r} + "\\n")
        sys.stderr.flush()
        _real_stdout.write(_ms_answer + "\\n")
"""

_STOCK_INIT = """    except Exception as e:
        _real_stdout.write(json.dumps({"status": "error", "error": str(e)}) + "\\n")
"""

_INIT = """    except Exception as e:
        traceback.print_exc()
        _ms_name, _ms_text = type(e).__name__, str(e)
        if isinstance(e, ImportError):
            _ms_text = "Unable to import module '" + module_name + "': " + _ms_text
            _ms_name = "Runtime.ImportModuleError"
        _real_stdout.write(json.dumps({"status": "error", "error": json.dumps({
            "errorMessage": _ms_text, "errorType": _ms_name, "requestId": "",
            "stackTrace": traceback.format_tb(e.__traceback__)[1:]})}) + "\\n")
"""

_INIT_FAILED = "Worker init failed: "


def apply() -> None:
    """Change the worker's program, and how the emulator talks to it."""
    where = "lambda_runtime._PYTHON_WORKER_SCRIPT"
    script = lambda_runtime._PYTHON_WORKER_SCRIPT
    script = replace_text(where, script, _STOCK_CALL, _CALL)
    script = replace_text(where, script, _STOCK_INIT, _INIT)
    lambda_runtime._PYTHON_WORKER_SCRIPT = script
    replace(
        lambda_runtime.Worker,
        "invoke",
        _invoke,
        holding=('if response.get("status") == "error":', "_drain_stderr_bounded()", "self._spawn()"),
    )
    replace(
        lambda_svc,
        "_execute_function_warm",
        _execute_function_warm,
        holding=('error_type = "Runtime.HandlerError"', "acquire_worker(", "_invoke_depth.get()"),
    )
    replace(
        lambda_runtime,
        "invalidate_worker",
        _invalidate_worker,
        holding=("kill_workers(doomed)", '"{account}:{region}:{func_name}:{qualifier}"'),
    )
    lambda_svc.invalidate_worker = _invalidate_worker  # it has the name of its own


def _invoke(
    self: Any,
    event: Any,
    request_id: str,
    *,
    trace_id: str | None = None,
    depth: int | None = None,
    durable: dict[str, str] | None = None,
    invoked_function_arn: str | None = None,
) -> dict[str, Any]:
    with self._lock:
        cold = self._proc is None or self._proc.poll() is not None
        if cold:
            self._spawn()
            self._cold = False
        timeout = self.config.get("Timeout", 30)
        envelope = {
            "event": event,
            "ctx": {
                "request_id": request_id,
                "invoked_function_arn": invoked_function_arn or self.config.get("FunctionArn", ""),
                "timeout_ms": int(float(timeout) * 1000),
                "trace_id": trace_id,
                "depth": depth,
                "durable": durable or {},
            },
        }
        answer = _ask(self._proc, envelope, timeout)
        if answer is None:
            _end(self)
            answer = {"status": "error", "error": f"Task timed out after {timeout:.2f} seconds"}
            answer["type"] = "Sandbox.Timedout"
        elif "status" not in answer:
            _end(self)
            answer = {"status": "error", "type": "Runtime.ExitError"}
            answer["error"] = "RequestId: " + request_id + " Error: Runtime exited without a response"
        return {**answer, "cold_start": cold, "log": _log_of_one_invocation(self)}


def _ask(process: Any, envelope: dict[str, Any], timeout: float) -> dict[str, Any] | None:
    """The worker's answer, an empty one where it died, `None` where it took too long."""
    box: list[dict[str, Any]] = []

    def read() -> None:
        try:
            process.stdin.write(json.dumps(envelope) + "\n")
            process.stdin.flush()
            for line in process.stdout:
                if line.startswith('{"status"'):
                    box.append(json.loads(line))
                    return
        except (OSError, ValueError):
            pass
        box.append({})

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    reader.join(timeout=timeout)
    return box[0] if box else None


def _end(worker: Any) -> None:
    process, worker._proc = worker._proc, None
    if process is not None:  # the emulator is reset meanwhile, and has ended it
        process.kill()
        process.wait()


def _log_of_one_invocation(worker: Any) -> str:
    """What the handler printed: everything up to the mark, or up to now where the worker is gone."""
    lines: list[str] = []
    deadline = time.monotonic() + (_LOG_SECONDS if worker._proc else 0.05)
    while (left := deadline - time.monotonic()) > 0:
        try:
            line = worker._stderr_queue.get(timeout=left)
        except queue.Empty:
            break
        before, mark, _ = line.partition(_END_OF_LOG)
        if before or not mark:
            lines.append(before)
        if mark:
            break
    return "\n".join(lines)


def _execute_function_warm(func: dict[str, Any], event: Any, request_id: str) -> dict[str, Any]:
    config = func.get("config") or func
    code_zip = func.get("code_zip")
    if not code_zip:
        return {"body": {"statusCode": 200, "body": "Mock response - no code deployed"}}
    name, qualifier = config.get("FunctionName", "unknown"), config.get("Version", "$LATEST")
    lambda_svc._ensure_reaper_thread()
    worker, _ = lambda_svc.acquire_worker(name, config, code_zip, qualifier=qualifier)
    if worker is None:
        throttled: dict[str, Any] = lambda_svc._throttle_response(
            reason_code="ConcurrentInvocationLimitExceeded",
            msg=f"Rate Exceeded: every worker of {name} is busy",
        )
        return throttled
    try:
        answer = worker.invoke(
            event,
            request_id,
            trace_id=lambda_svc._xray_trace_id_for_invocation(config),
            invoked_function_arn=config.get("FunctionArn", ""),
            depth=lambda_svc._invoke_depth.get(),
            durable=lambda_svc._durable_env_overlay(),
        )
    except Exception as error:  # noqa: BLE001 - whatever a start can raise is the function's failure
        return {"body": _start_error(error, request_id), "error": True, "log": _init_log(worker)}
    finally:
        lambda_svc.release_worker(worker)
        if getattr(worker, "is_of_old_code", False):
            lambda_runtime.kill_workers([worker])
    if answer["status"] == "ok":
        return {"body": answer.get("result"), "log": answer["log"]}
    body = {
        "errorMessage": answer.get("error", ""),
        "errorType": answer.get("type", "Runtime.Unknown"),
        "requestId": request_id,
        "stackTrace": answer.get("stack", []),
    }
    log = "\n".join(filter(None, [answer["log"], answer.get("trace") or answer.get("error")]))
    return {"body": body, "error": True, "log": log}


def _invalidate_worker(
    func_name: str, qualifier: str | None = None, account: str | None = None, region: str | None = None
) -> None:
    """Let no invocation begin in the workers of a function any more, and end those that are idle."""
    wanted = (account, region, func_name, qualifier)
    with lambda_runtime._lock:
        keys = [key for key in lambda_runtime._workers if _is_of(key, wanted)]
        workers = [worker for key in keys for worker in lambda_runtime._workers.pop(key)]
        idle = [worker for worker in workers if not worker.in_use]
        for worker in workers:
            worker.is_of_old_code = worker.in_use
    lambda_runtime.kill_workers(idle)


def _is_of(key: str, wanted: tuple[str | None, ...]) -> bool:
    return all(part in (None, own) for part, own in zip(wanted, key.split(":"), strict=True))


def _start_error(error: Exception, request_id: str) -> dict[str, Any]:
    text = str(error)
    if text.startswith(_INIT_FAILED + "{"):
        body: dict[str, Any] = json.loads(text.removeprefix(_INIT_FAILED))
        return {**body, "requestId": request_id}
    return {"errorMessage": text, "errorType": "Runtime.ExitError", "requestId": request_id, "stackTrace": []}


def _init_log(worker: Any) -> str:
    if worker._proc is not None:
        _end(worker)
    return _log_of_one_invocation(worker)
