"""A Lambda layer with the packages that an application needs."""

from __future__ import annotations

from pathlib import Path

from aws_cdk import RemovalPolicy
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from constructs_lib.errors import InvalidPropsError
from constructs_lib.functions.python_runtime import default_python_runtime
from constructs_lib.layers.bundling import bundled_layer
from constructs_lib.layers.layer_contents import LayerContents, lock_lines
from constructs_lib.props.checks import check_removal_policy
from constructs_lib.props.strict_props import strict_props

__all__ = ["DependenciesLayer"]

_HOW_TO_LOCK = "uv pip compile --universal --generate-hashes requirements.in -o requirements.txt"


class DependenciesLayer(Construct):
    """A Lambda layer with the packages of a lock file, and their bytecode.

    It is built as `RuntimeLayer` is: with uv, without Docker, for the functions' processor
    and Python, from wheels only. Each package is checked against its hash.

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
        removal_policy: What happens to a version of the layer that is replaced. Defaults to
            DESTROY.

    Raises:
        InvalidPropsError: ``requirements`` is missing or empty, or has a package without
            a hash.
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
        removal_policy: RemovalPolicy = RemovalPolicy.DESTROY,
    ) -> None:
        super().__init__(scope, construct_id)
        check_removal_policy("removal_policy", removal_policy)
        path = Path(requirements)
        _check_locked(path)
        contents = LayerContents(
            requirements=path.absolute(),
            architecture=architecture,
            python_runtime=python_runtime or default_python_runtime(),
        )
        self.layer_version = bundled_layer(
            self,
            "Layer",
            contents,
            description=f"packages of {path.name}, Python {contents.python_version}, {architecture.name}",
            removal_policy=removal_policy,
        )


def _check_locked(path: Path) -> None:
    if not path.is_file():
        msg = f"requirements must be a file, got {str(path)!r}; make it: {_HOW_TO_LOCK}"
        raise InvalidPropsError(msg)
    packages = [line for line in lock_lines(path) if not line.startswith("-")]
    if not packages:
        msg = f"requirements must name a package, got none in {str(path)!r}; leave the layer out"
        raise InvalidPropsError(msg)
    for line in packages:
        if "--hash=" not in line:
            msg = f"requirements must have a hash for each package, got {line!r}; make it: {_HOW_TO_LOCK}"
            raise InvalidPropsError(msg)
