"""Asks the functions of a service whether their code fits the stack, and tells CloudFormation.

This file is the code of a function, as it stands: it imports what Lambda itself has, so that it answers
whatever is wrong with the service's code and layers.
"""

from __future__ import annotations

import json
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

ANSWER = 120  # seconds that a function has to answer
PATIENCE = 60  # seconds until new rights work everywhere, and what is new or changed is ready
PAUSE = 3  # seconds between two tries: nothing tells when that is
AGAIN = (
    "AccessDeniedException",
    "EC2AccessDeniedException",
    "EC2ThrottledException",
    "EC2UnexpectedException",
    "ENINotReadyException",
    "KMSAccessDeniedException",
    "ResourceConflictException",
    "ResourceNotReadyException",
    "ServiceException",
)
# What fails an import at every time: no new right, and no network, mends it.
FINAL = (
    "AttributeError",
    "ImportError",
    "KeyError",
    "LookupError",
    "ModuleNotFoundError",
    "NameError",
    "Runtime.HandlerNotFound",
    "Runtime.ImportModuleError",
    "Runtime.MalformedHandlerName",
    "Runtime.UserCodeSyntaxError",
    "SyntaxError",
    "TypeError",
)
BUSY = "TooManyRequestsException"
LONGEST = 4000  # bytes; CloudFormation takes 4096


def handler(event: dict[str, Any], _context: object) -> None:
    """Check what is new; whatever is old, or goes, is past checking."""
    problems: list[str] = []
    if event["RequestType"] == "Create":
        functions = event["ResourceProperties"]["Functions"]
        with ThreadPoolExecutor(len(functions)) as pool:
            answers = list(pool.map(ask, functions.values()))
        for problem in sorted({problem for answer in answers for problem in answer}):
            kinds = [kind for kind, answer in zip(functions, answers, strict=True) if problem in answer]
            problems.append(f"{problem} (says {', '.join(kinds)})")
    print(json.dumps({"problems": problems}))  # noqa: T201 - Lambda's log
    answer = {
        "Status": "FAILED" if problems else "SUCCESS",
        "Reason": "; ".join(problems)[:LONGEST] or "the code fits the stack",
        "PhysicalResourceId": event.get("PhysicalResourceId") or event["LogicalResourceId"],
        **{name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")},
    }
    while len(body := json.dumps(answer).encode()) > LONGEST:
        answer["Reason"] = answer["Reason"][:-1]
    url = event["ResponseURL"]  # CloudFormation's own
    request = urllib.request.Request(url, body, {"Content-Type": ""}, method="PUT")  # noqa: S310
    urllib.request.urlopen(request, timeout=30).close()  # noqa: S310


def ask(name: str) -> list[str]:
    """What is wrong with one function, in sentences."""
    # Repeated here, where it is known what to repeat, and for how long.
    config = Config(read_timeout=ANSWER, retries={"total_max_attempts": 1})
    client = boto3.client("lambda", config=config)
    end = time.monotonic() + PATIENCE
    while True:
        problems, is_final = ask_once(client, name)
        if is_final or time.monotonic() >= end:
            return problems
        time.sleep(PAUSE)


def ask_once(client: Any, name: str) -> tuple[list[str], bool]:  # noqa: ANN401 - of boto3, which has no types
    """What is wrong with one function now, and whether that stays so."""
    try:
        answer = client.invoke(FunctionName=name, Payload=b'{"operation": "check"}')
        found = json.loads(answer["Payload"].read())
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code == BUSY:
            return [], False  # no capacity, or switched off: that says nothing of the code
        return [f"{code}: {error.response['Error'].get('Message')}"], code not in AGAIN
    except (BotoCoreError, OSError, ValueError) as error:
        return [f"no answer: {error}"], False  # where it was ANSWER seconds, PATIENCE is over
    if "FunctionError" in answer:
        kind = found.get("errorType", "Error")
        return [f"{kind}: {found.get('errorMessage', 'no message')}"], kind in FINAL
    if not isinstance(found, dict) or "problems" not in found:
        return ["no answer to the operation 'check': the handler must be a CqrsApp"], True
    return [str(problem) for problem in found["problems"]], True
