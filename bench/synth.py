"""Synthesis: the demo's app beside an empty app with the same imports, and a service of sixty modules.

Beside them an app that does nothing but include the template that the demo's app has written: what the CDK
takes for that template, whoever makes it.

    .venv/bin/python -m bench.synth [--rounds N]

The app alone, without the CDK CLI, each time in a process of its own; taken in turns, and CPU is that of the
process and of its jsii kernel. Sixty modules are those of docs/guide/your-account.md: with handlers, by
`nested_alarms=True`. Calls are those of Node.js, one by one in `python -m bench.jsii_calls APP`.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from bench.figures import finish, parser_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_ROOT: Final = Path(__file__).parents[1]
BUDGET: Final = 1.3
_EMPTY: Final = """
import aws_cdk as cdk
from constructs_lib import CqrsModule, CqrsStack

app = cdk.App()
cdk.CfnWaitConditionHandle(cdk.Stack(app, "Todo"), "Handle")
app.synth()
"""
_INCLUDED: Final = """
import aws_cdk as cdk
from aws_cdk.cloudformation_include import CfnInclude
from constructs_lib import CqrsModule, CqrsStack

app = cdk.App()
CfnInclude(cdk.Stack(app, "Todo"), "Template", template_file="todo.json")
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
    modules=[CqrsModule(f"m{number:02}", data_sync=True) for number in range(60)],
    code=".",
    handler="many.app",
    check_code=False,
    nested_alarms=True,
)
app.synth()
"""


def _environment(folder: Path) -> dict[str, str]:
    context = json.loads((_ROOT / "cdk.json").read_text(encoding="utf-8"))["context"]
    return {
        **os.environ,
        "PYTHONPATH": str(_ROOT),
        "CDK_OUTDIR": str(folder / "out"),
        "CDK_CONTEXT_JSON": json.dumps({**context, "architecture": "x86_64"}),
    }


def _run(command: Sequence[str | Path], script: Path, folder: Path) -> str:
    """Run an app; what it prints."""
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, *command, str(script)],
        cwd=_ROOT if script.parent == _ROOT else folder,
        env=_environment(folder),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(done.stderr[-3000:])
    return done.stdout


def _calls(script: Path, folder: Path) -> int:
    """How often an app calls Node.js."""
    return sum(json.loads(_run(["-m", "bench.jsii_calls"], script, folder)).values())


def _seconds(script: Path, folder: Path) -> float:
    """CPU of a synthesis, in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    _run([], script, folder)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _write_template(folder: Path) -> None:
    """Write the template of the app that was synthesized last as one to be included."""
    template = json.loads((folder / "out" / "Todo.template.json").read_text(encoding="utf-8"))
    del template["Parameters"]["BootstrapVersion"], template["Rules"]  # the CDK adds them by itself
    (folder / "todo.json").write_text(json.dumps(template), encoding="utf-8")


def measured(rounds: int) -> dict[str, Any]:
    """The seconds of each app, and of the demo's by those of the empty one."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "empty.py").write_text(_EMPTY, encoding="utf-8")
        (folder / "included.py").write_text(_INCLUDED, encoding="utf-8")
        (folder / "many.py").write_text(_SIXTY, encoding="utf-8")
        apps = {"demo": _ROOT / "app.py", "empty": folder / "empty.py", "included": folder / "included.py"}
        found: dict[str, list[float]] = {app: [] for app in apps}
        for turn in range(rounds + 1):
            for app, script in apps.items():
                spent = _seconds(script, folder)
                if turn:
                    found[app].append(spent)
                elif app == "demo":  # the first one builds the layers, and warms the disk
                    _write_template(folder)
        apps["sixty"] = folder / "many.py"
        sixty = _seconds(apps["sixty"], folder)
        calls = {app: _calls(script, folder) for app, script in apps.items()}
        template = (folder / "out" / "Many.template.json").read_text(encoding="utf-8")
    ratios = {
        app: [one / empty for one, empty in zip(found[app], found["empty"], strict=True)]
        for app in ("demo", "included")
    }
    return {
        **{f"{app}_s": statistics.median(seconds) for app, seconds in found.items()},
        "ratio": statistics.median(ratios["demo"]),
        "included_ratio": statistics.median(ratios["included"]),
        "ratios": ratios,
        "budget": BUDGET,
        "calls": calls,
        "sixty_modules_s": sixty,
        "sixty_modules_resources": len(json.loads(template)["Resources"]),
        "sixty_modules_kb": len(template) / 1000,
    }


def main() -> None:
    """Print what was measured."""
    parser = parser_of("synth", __doc__)
    parser.add_argument("--rounds", type=int, default=8, help="syntheses of each app (default: %(default)s)")
    options = parser.parse_args()
    finish(parser, options, measured(options.rounds), table)


def table(figures: Mapping[str, Any]) -> Iterator[str]:
    """The demo and sixty modules, by an empty app."""
    empty, demo, included, sixty = (
        figures[name] for name in ("empty_s", "demo_s", "included_s", "sixty_modules_s")
    )
    calls = figures["calls"]
    size = (
        f"{figures['sixty_modules_resources']} resources, a template of {figures['sixty_modules_kb']:.0f} KB"
    )
    of_demo = f"{demo:.1f} | {figures['ratio']:.2f} | {figures['budget']} | {calls['demo']:,}"
    yield "| synthesis | CPU, s | by the empty app | budget | calls of Node.js |"
    yield "| --- | ---: | ---: | ---: | ---: |"
    yield f"| an empty app with the same imports | {empty:.1f} | 1 | - | {calls['empty']:,} |"
    yield f"| the demo: a service of one module | {of_demo} |"
    of_included = f"{included:.1f} | {figures['included_ratio']:.2f} | - | {calls['included']:,}"
    yield f"| nothing but the demo's template, by `CfnInclude` | {of_included} |"
    yield f"| sixty modules: {size} | {sixty:.1f} | {sixty / empty:.2f} | - | {calls['sixty']:,} |"


if __name__ == "__main__":
    main()
