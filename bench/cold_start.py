"""Cold starts: the init phase of each function as deployed, beside boto3 that makes the clients it uses.

    .venv/bin/python -m bench.cold_start [--rounds N] [--modules]

Each start is a process of its own: the Python of the local AWS, which has boto3 as Lambda has, with the code
and the layers that `cdk synth` writes for examples/todo, and with the variables of the function. Taken in
turns; CPU is that of the process, less that of an interpreter that does nothing.
"""

from __future__ import annotations

import json
import os
import re
import resource
import statistics
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from bench.figures import finish, parser_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_ROOT: Final = Path(__file__).parents[1]
#: What each function calls in its ordinary life; the notifier, which calls nothing, beside a first client.
CLIENTS: Final = {
    "api": ("dynamodb",),
    "stream": ("stepfunctions",),
    "worker": ("dynamodb", "sns"),
    "notifier": ("dynamodb",),
    "operator": ("dynamodb", "stepfunctions"),
}
#: The most that it may take of what boto3 takes.
BUDGETS: Final = {"api": 1.5, "stream": 1.2, "worker": 1.2, "notifier": 0.6, "operator": 1.2}
_INIT: Final = "import main; main.app"
_TOP: Final = 12


class Deployed:
    """What `cdk synth` writes of examples/todo.

    Args:
        folder: Where it is written to.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        context = {**json.loads((_ROOT / "cdk.json").read_text())["context"], "architecture": "x86_64"}
        environment = {"CDK_OUTDIR": str(folder), "CDK_CONTEXT_JSON": json.dumps(context)}
        subprocess.run([sys.executable, "app.py"], cwd=_ROOT, check=True, env={**os.environ, **environment})
        template = next(path for path in folder.glob("*.template.json") if "Resources" in path.read_text())
        self._resources: dict[str, Any] = json.loads(template.read_text())["Resources"]
        self.functions = dict(self._functions())

    def _functions(self) -> Iterator[tuple[str, tuple[dict[str, str], list[Path]]]]:
        layers = {
            name: self._asset(found["Properties"]["Content"]["S3Key"])
            for name, found in self._resources.items()
            if found["Type"] == "AWS::Lambda::LayerVersion"
        }
        for found in self._resources.values():
            properties = found["Properties"] if found["Type"] == "AWS::Lambda::Function" else {}
            variables = properties.get("Environment", {}).get("Variables", {})
            kind = variables.get("CQRS_FUNCTION")
            if kind not in CLIENTS or properties.get("Handler") != "main.app":
                continue
            path = [self._asset(properties["Code"]["S3Key"])]
            path += [layers[layer["Ref"]] / "python" for layer in properties["Layers"]]
            yield kind, ({name: _text(value) for name, value in variables.items()}, path)

    def _asset(self, key: str) -> Path:
        return self._folder / ("asset." + key.removesuffix(".zip"))


def _text(value: object) -> str:
    return value if isinstance(value, str) else "arn:aws:states:us-east-1:000000000000:stateMachine:x"


def _start(source: str, variables: dict[str, str], path: list[Path], *flags: str) -> tuple[float, str]:
    """CPU of a process in milliseconds, and what it says on standard error."""
    python = next((_ROOT / ".local-aws").glob("venv-*/bin/python"))
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(map(str, path)),
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_LAMBDA_FUNCTION_NAME": "f",
        **variables,
    }
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    # The code of a function cannot be written to, and has no bytecode; nor is the current folder (-P) there.
    done = subprocess.run(  # noqa: S603 - our own code
        [str(python), "-s", "-P", "-B", *flags, "-c", source],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    if done.returncode:
        sys.exit(done.stderr[-3000:])
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return used * 1000, done.stderr


def ratios(deployed: Deployed, rounds: int) -> dict[str, dict[str, float]]:
    """For each function the milliseconds of its init phase, those of boto3, and one by the other."""
    cases: dict[tuple[str, str], tuple[str, dict[str, str], list[Path]]] = {("", "nothing"): ("pass", {}, [])}
    for kind, (variables, path) in deployed.functions.items():
        cases[kind, "init"] = (_INIT, variables, path)
        made = "; ".join(f"boto3.client({name!r})" for name in CLIENTS[kind])
        cases[kind, "boto3"] = (f"import boto3; {made}", {}, [])
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for _ in range(rounds + 1):
        for case, (source, variables, path) in cases.items():
            found[case].append(_start(source, variables, path)[0])
    nothing = statistics.median(found["", "nothing"][1:])  # the first round warms the disk
    spent = {case: statistics.median(values[1:]) - nothing for case, values in found.items()}
    return {
        kind: {
            "init_ms": spent[kind, "init"],
            "boto3_ms": spent[kind, "boto3"],
            "ratio": spent[kind, "init"] / spent[kind, "boto3"],
            "budget": BUDGETS[kind],
        }
        for kind in deployed.functions
    }


def imports(deployed: Deployed, kind: str) -> dict[str, float]:
    """Milliseconds of each package that a function imports, its own time; the slowest first."""
    variables, path = deployed.functions[kind]
    spent: dict[str, float] = defaultdict(float)
    for line in _start(_INIT, variables, path, "-X", "importtime")[1].splitlines():
        if found := re.match(r"import time:\s+(\d+) \|\s+\d+ \|\s*(\S+)", line):
            parts = found[2].split(".")
            spent[".".join(parts[: 2 if parts[0] == "runtime" else 1])] += int(found[1]) / 1000
    return dict(sorted(spent.items(), key=lambda entry: -entry[1])[:_TOP])


def main() -> None:
    """Print the table."""
    parser = parser_of("cold_start", __doc__)
    parser.add_argument("--rounds", type=int, default=5, help="starts of each kind (default: %(default)s)")
    parser.add_argument("--modules", action="store_true", help="what each function imports, too")
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        deployed = Deployed(Path(folder))
        found = ratios(deployed, options.rounds)
        spent = {kind: imports(deployed, kind) for kind in deployed.functions} if options.modules else {}
    finish(parser, options, {"starts": found, "imports": spent}, table)


def table(figures: Mapping[str, Any]) -> Iterator[str]:
    """Each function beside boto3; and what it imports, where that was asked for."""
    yield "| function | init, ms | boto3, ms | ratio | budget |"
    yield "| --- | ---: | ---: | ---: | ---: |"
    for kind, of in figures["starts"].items():
        yield (
            f"| {kind} | {of['init_ms']:.0f} | {of['boto3_ms']:.0f} | {of['ratio']:.2f} | {of['budget']} |"
        )
    for kind, packages in figures["imports"].items():
        yield ""
        yield f"{kind}: " + ", ".join(f"{name} {ms:.0f}" for name, ms in packages.items())


if __name__ == "__main__":
    main()
