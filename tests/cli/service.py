"""A function with the interface of the operator function and no tables: for what is about the transport."""

from __future__ import annotations

#: Pages of each segment of the module `order`, and modules.
PAGES = 12

SOURCE = f"""
import os
import time

PAGES = {PAGES}
MODULES = [
    {{"name": "order", "mode": "workflow", "handlers": ["Names", "Totals"], "rows": 25_000}},
    {{"name": "memo", "mode": "inline", "handlers": [], "rows": None}},
]
HEALTH = {{"deadLetters": None, "notificationQueue": 0, "failedRecords": 0, "executions": None}}


def handler(event, context):
    operation = event.pop("operation")
    if operation == "modules":
        return {{"modules": MODULES}}
    if operation == "health":
        return HEALTH
    return globals()[operation](**event)


def page_of(segment, totalSegments, resumeToken, module):
    number = int(resumeToken or 0)
    last = number + 1 == (PAGES if module == "order" else 1)
    key = {{"pk": f"{{module}}#acme", "sk": f"{{segment}}/{{totalSegments}}-{{number}}"}}
    return key, None if last else str(number + 1)


def reconcile(
    module, segment, totalSegments, resumeToken=None, dryRun=False, olderThan=900, limit=100,
    trustFinished=None
):
    with open(os.environ["TRACE"], "a") as trace:
        trace.write("asked\\n")
    time.sleep(olderThan / 1000)
    key, following = page_of(segment, totalSegments, resumeToken, module)
    entry = {{**key, "version": 1, "problem": "notApplied", "status": None, "createdAt": f"limit {{limit}}"}}
    entry |= {{}} if trustFinished is None else {{"status": f"trusting {{trustFinished}}"}}
    done = 0 if dryRun else 1
    failed = [{{**key, "version": 1, "error": "Boom"}}] if limit == 13 else []
    if limit == 14 and resumeToken == "3":
        raise RuntimeError("page 3 cannot be read")
    return {{
        "found": [entry], "applied": done, "handled": 0, "finished": done, "handedOver": 0,
        "failed": failed, "scanned": 100, "resumeToken": following,
    }}


def parked(module, segment, totalSegments, resumeToken=None, limit=100):
    entry = {{"pk": "order#acme", "sk": "A1", "version": 1, "parkedVersion": 2, "skipped": []}}
    entry |= {{"parkedAt": "2026-11-28T12:00:00.000Z", "error": "ValueError: no name"}}
    found = [entry | {{"handler": name}} for name in ("Totals", "OldTotals")]
    if module != "order" or segment:
        found = []
    return {{"parked": found, "scanned": 0, "resumeToken": None}}


def behind(module, segment, totalSegments, resumeToken=None, limit=100):
    entry = {{"pk": "order#acme", "sk": "A1", "version": 1, "latestVersion": 3}}
    entries = [
        entry | {{"handler": "Names", "parkedVersion": None, "isGone": False}},
        entry | {{"handler": "Totals", "parkedVersion": 2, "isGone": False}},
        entry | {{"handler": "OldNames", "parkedVersion": None, "isGone": True}},
        entry | {{"handler": "OldTotals", "parkedVersion": 2, "isGone": True}},
    ]
    found = entries if module == "order" and segment == 0 else []
    return {{"behind": found, "scanned": len(found), "resumeToken": None}}


def resync(
    module, segment, totalSegments, handlers=None, resumeToken=None, dryRun=False, limit=100, unseenOnly=None
):
    key, following = page_of(segment, totalSegments, resumeToken, module)
    answer = {{"rows": 10 if unseenOnly is None else 7, "scanned": 10, "resumeToken": following}}
    return answer | {{"failed": [{{**key, "handler": "Names", "error": "Boom"}}]}} if limit == 13 else answer


def show(module, pk, sk):
    entry = {{"status": "finish:FINISHED", "createdAt": "2026-11-28T12:00:00.000Z", "createdBy": "ann"}}
    entry |= {{"source": None, "syncMode": None, "requestId": "r-1", "history": False, "applied": True}}
    versions = [entry | {{"version": 12, "earlierLife": True}}, entry | {{"version": 13}}]
    data = {{"version": 13, "updatedAt": "2026-11-28T12:00:00.000Z", "updatedBy": "ann"}}
    answer = {{"pk": pk, "sk": sk, "data": data, "versions": versions, "cursors": [], "executions": []}}
    if sk == "many":
        answer["earlier"] = 11
    if sk == "expired":
        answer["data"] = None
    if sk == "new":
        answer |= {{"data": None, "versions": [entry | {{"version": 1, "applied": False}}]}}
    return answer


def drop(module, pk, sk, handler, dryRun):
    if handler == "Names":
        message = "Names is a handler of order; use redrive or skip"
        return {{"error": {{"type": "BadRequestError", "message": message}}}}
    return {{
        "handler": handler, "done": [], "skipped": None, "parkedVersion": 2,
        "error": "ValueError: no name", "dryRun": dryRun,
    }}


def redrive(module, pk, sk, handler, dryRun):
    if sk == "crash":
        raise KeyError("no such thing")
    if sk == "none":
        return None
    if handler in ("Names", "Totals"):
        return {{
            "handler": handler, "done": [2, 3], "skipped": None, "parkedVersion": 2 if dryRun else None,
            "error": "ValueError: no name" if dryRun else None, "dryRun": dryRun,
        }}
    message = f"handler: must be one of Names, Totals, got {{handler!r}}"
    return {{"error": {{"type": "InvalidInputError", "message": message}}}}


def skip(module, pk, sk, handler, dryRun):
    return {{
        "handler": handler, "done": [6], "skipped": 5, "parkedVersion": 5 if dryRun else None,
        "error": "ValueError: \\x1b[2J[bold]no name" if dryRun else None, "dryRun": dryRun,
    }}
"""
