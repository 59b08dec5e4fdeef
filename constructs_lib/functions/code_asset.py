"""The Lambda code of a service."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from aws_cdk import Annotations, Stage
from aws_cdk import aws_lambda as lambda_

from constructs_lib.functions.code_contents import HIDES_RUNTIME, check_contents, check_size, hidden_modules
from constructs_lib.functions.handler import check_handler

if TYPE_CHECKING:
    from constructs import Construct

__all__ = ["code_asset", "warn_of_hidden_runtime"]

_NOT_DEPLOYED: Final = [
    "**/__pycache__",
    "**/*.pyc",
    "**/.*",
    "**/tests",
    "**/*.in",
    "**/requirements*.txt",
    # What stands beside the code where code is the project's own folder.
    "**/cdk.out",
    "**/node_modules",
    "**/*.egg-info",
    "cdk.json",
    "cdk.context.json",
]


def code_asset(scope: Construct, code: str | Path | lambda_.Code, *, handler: str) -> lambda_.Code:
    """Give the Lambda code: ``code`` itself, or a folder without what has no business in Lambda.

    Left out are hidden files, caches, tests, virtual environments, ``node_modules``, and what the CDK itself
    reads and writes. A change of them is no change of the code.

    Args:
        scope: A construct of the app.
        code: A folder, a zip file, or the code. A relative path is relative to the working directory.
        handler: Where in ``code`` the app is.

    Raises:
        InvalidPropsError: There is no such folder or file, it has no module of ``handler``, it hides the
            runtime, or is larger than Lambda allows.

    """
    check_handler("handler", handler)
    if isinstance(code, lambda_.Code):
        return code
    path = Path(code)
    check_contents(path, handler)
    for hidden in hidden_modules(path):
        Annotations.of(scope).add_warning_v2(
            "cqrs:hiddenModule",
            f"{hidden} stands before Python's own module of that name, which everything that imports it then "
            "misses; rename it, or move it into a package",
        )
    # Not a link, which would be deployed as one, and not relative: Node.js may work in another folder.
    real = path.resolve()
    if real.is_file():
        return lambda_.Code.from_asset(str(real))
    excluded = [*_NOT_DEPLOYED, *_environments(real), *_output_of(scope, real)]
    check_size(path, excluded)
    return lambda_.Code.from_asset(str(real), exclude=excluded)


def warn_of_hidden_runtime(scope: Construct, code: lambda_.Code) -> None:
    """Warn of a ``lambda_.Code`` that may hide the runtime; what it leaves out, it does not tell."""
    if not isinstance(code, lambda_.AssetCode):
        return
    for hiding in HIDES_RUNTIME:
        if (Path(code.path) / hiding).is_file():
            Annotations.of(scope).add_warning_v2(
                "cqrs:hiddenRuntime",
                f"{Path(code.path) / hiding} hides the package 'runtime' of the layer, and no function would "
                "start; rename it, or leave it out with from_asset(exclude=...)",
            )


def _environments(folder: Path) -> list[str]:
    """Virtual environments, whatever they are called."""
    return sorted(config.parent.name for config in folder.glob("*/pyvenv.cfg"))


def _output_of(scope: Construct, folder: Path) -> list[str]:
    """Where the app is synthesized to, if that is in the folder: each result would hold the last."""
    stage = Stage.of(scope)
    output = Path(stage.asset_outdir if stage else "cdk.out").resolve()
    inside = output.is_relative_to(folder) and output not in {folder, folder / "cdk.out"}
    return [output.relative_to(folder).as_posix()] if inside else []
