"""Synthesis: the demo's app beside an empty app with the same imports, and a service of sixty modules.

    .venv/bin/python -m bench.synth [--rounds N]

The app alone, without the CDK CLI, each time in a process of its own; taken in turns, and CPU is that of the
process and of its jsii kernel. Sixty modules are those of docs/guide/your-account.md.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from bench.output import add_output, finish

_ROOT: Final = Path(__file__).parents[1]
BUDGET: Final = 1.3
_EMPTY: Final = """
import aws_cdk as cdk
from constructs_lib import CqrsModule, CqrsStack

app = cdk.App()
cdk.CfnWaitConditionHandle(cdk.Stack(app, "Todo"), "Handle")
app.synth()
"""
_SIXTY: Final = """
import aws_cdk as cdk
from constructs_lib import CqrsModule, CqrsStack

app = cdk.App(context={"aws:cdk:bundling-stacks": []})
CqrsStack(
    app,
    "Many",
    app_name="many",
    modules=[CqrsModule(f"m{number:02}") for number in range(60)],
    code=".",
    handler="many.app",
    check_code=False,
    nested_alarms=True,
)
app.synth()
"""


def _seconds(script: Path, folder: Path) -> float:
    """CPU of a synthesis, in seconds."""
    context = json.loads((_ROOT / "cdk.json").read_text(encoding="utf-8"))["context"]
    environment = {
        **os.environ,
        "PYTHONPATH": str(_ROOT),
        "CDK_OUTDIR": str(folder / "out"),
        "CDK_CONTEXT_JSON": json.dumps({**context, "architecture": "x86_64"}),
    }
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, str(script)],
        cwd=_ROOT if script.parent == _ROOT else folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(done.stderr[-3000:])
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measured(rounds: int) -> dict[str, Any]:
    """The seconds of each app, and of the demo's by those of the empty one."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "empty.py").write_text(_EMPTY, encoding="utf-8")
        (folder / "many.py").write_text(_SIXTY, encoding="utf-8")
        apps = {"empty": folder / "empty.py", "demo": _ROOT / "app.py"}
        found: dict[str, list[float]] = {app: [] for app in apps}
        for turn in range(rounds + 1):
            for app, script in apps.items():
                spent = _seconds(script, folder)
                if turn:  # the first one builds the layers, and warms the disk
                    found[app].append(spent)
        sixty = _seconds(folder / "many.py", folder)
        template = (folder / "out" / "Many.template.json").read_text(encoding="utf-8")
    ratios = [demo / empty for demo, empty in zip(found["demo"], found["empty"], strict=True)]
    return {
        "empty_s": statistics.median(found["empty"]),
        "demo_s": statistics.median(found["demo"]),
        "ratio": statistics.median(ratios),
        "ratios": ratios,
        "budget": BUDGET,
        "sixty_modules_s": sixty,
        "sixty_modules_resources": len(json.loads(template)["Resources"]),
        "sixty_modules_kb": len(template) / 1000,
    }


def main() -> None:
    """Print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="syntheses of each app (default: %(default)s)")
    add_output(parser, "synth")
    options = parser.parse_args()
    found = measured(options.rounds)
    size = f"{found['sixty_modules_resources']} resources, a template of {found['sixty_modules_kb']:.0f} KB"
    empty, demo, sixty = found["empty_s"], found["demo_s"], found["sixty_modules_s"]
    table = [
        "| synthesis | CPU, s | by the empty app | budget |",
        "| --- | ---: | ---: | ---: |",
        f"| an empty app with the same imports | {empty:.1f} | 1 | - |",
        f"| the demo: a service of one module | {demo:.1f} | {found['ratio']:.2f} | {BUDGET} |",
        f"| sixty modules: {size} | {sixty:.1f} | {sixty / empty:.2f} | - |",
    ]
    finish(table, found, options.output)


if __name__ == "__main__":
    main()
