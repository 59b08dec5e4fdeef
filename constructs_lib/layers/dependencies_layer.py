"""A Lambda layer with the packages that an application needs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aws_cdk import RemovalPolicy
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from constructs_lib.errors import InvalidPropsError
from constructs_lib.functions.python_runtime import default_python_runtime
from constructs_lib.layers.bundling import bundled_layer
from constructs_lib.layers.layer_contents import LayerContents, lock_lines
from constructs_lib.props.checks import check_removal_policy
from constructs_lib.props.strict_props import strict_props

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["DependenciesLayer"]

# Where packages are, and what holds anyway.
_OPTION: Final = re.compile(
    r"(-i|--index-url|--extra-index-url|--only-binary)[ =]\S+|--require-hashes|--prefer-binary"
)
_HOW_TO_LOCK = "uv pip compile --universal --generate-hashes requirements.in -o requirements.txt"


class DependenciesLayer(Construct):
    """A Lambda layer with the packages of a lock file, and their bytecode.

    It is built as `RuntimeLayer` is: with uv, without Docker, for the functions' processor
    and Python, from wheels only. Each package is checked against its hash. Neither configuration
    files nor what lies in the working directory says what is installed; `docs/security.md` tells
    which variables say where from.

    Example:
        >>> packages = DependenciesLayer(self, "Packages", requirements="requirements.txt")
        >>> function = lambda_.Function(self, "Worker", layers=[packages.layer_version], ...)

    Args:
        scope: Parent construct.
        construct_id: Id within ``scope``.
        requirements: Path of a file that names every package, with version and hashes.
        architecture: Processor of the functions that use the layer. Defaults to ARM64.
        python_runtime: Python of the functions that use the layer. Defaults to the Python
            that synthesizes.
        build_from_source: Names of packages that have no wheel and may be built on this machine,
            which runs code of theirs, and of what they ask for to be built: unlike themselves, that
            is not locked. Defaults to none: what has no wheel is refused.
        removal_policy: What happens to a version of the layer that is replaced. Defaults to
            DESTROY.

    Raises:
        InvalidPropsError: ``requirements`` is missing or empty, has a package without
            a hash, or says more than packages and where they are; or ``build_from_source`` names
            a package that is not in it.
        BundlingError: The layer cannot be built; uv's own words are in the message.

    """

    @strict_props
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        requirements: str | Path,
        architecture: lambda_.Architecture = lambda_.Architecture.ARM_64,
        python_runtime: lambda_.Runtime | None = None,
        build_from_source: Sequence[str] = (),
        removal_policy: RemovalPolicy = RemovalPolicy.DESTROY,
    ) -> None:
        super().__init__(scope, construct_id)
        check_removal_policy("removal_policy", removal_policy)
        path = Path(requirements)
        _check_locked(path, build_from_source)
        contents = LayerContents(
            requirements=path.absolute(),
            architecture=architecture,
            python_runtime=python_runtime or default_python_runtime(),
            from_source=tuple(build_from_source),
        )
        self.layer_version = bundled_layer(
            self,
            "Layer",
            contents,
            description=f"packages of {path.name}, Python {contents.python_version}, {architecture.name}",
            removal_policy=removal_policy,
        )


def _check_locked(path: Path, from_source: Sequence[str]) -> None:
    if not path.is_file():
        msg = f"requirements must be a file, got {str(path)!r}; make it: {_HOW_TO_LOCK}"
        raise InvalidPropsError(msg)
    lines = lock_lines(path)
    for line in lines:
        if line.startswith("-") and not _OPTION.fullmatch(line):
            msg = f"requirements must have no option that changes what is built, got {line!r}; take it out"
            raise InvalidPropsError(msg)
    packages = [line for line in lines if not line.startswith("-")]
    if not packages:
        msg = f"requirements must name a package, got none in {str(path)!r}; leave the layer out"
        raise InvalidPropsError(msg)
    for line in packages:
        if "--hash=" not in line:
            msg = f"requirements must have a hash for each package, got {line!r}; make it: {_HOW_TO_LOCK}"
            raise InvalidPropsError(msg)
        name = _name(line)
        if "/" in line.partition(";")[0] and ".whl" not in line and name not in map(_name, from_source):
            msg = (
                f"requirements must have wheels only, got {line!r}; name it in build_from_source to let code "
                "of its run here"
            )
            raise InvalidPropsError(msg)
    if unknown := sorted({*map(_name, from_source)} - {*map(_name, packages)}):
        msg = f"build_from_source must be names of packages in requirements, got {unknown}; take them out"
        raise InvalidPropsError(msg)


def _name(line: str) -> str:
    """Name of the package in a line, as it is compared."""
    words = [word for word in line.split() if not word.startswith("--")]
    return re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", " ".join(words), maxsplit=1)[0]).lower()
