"""Gives functions new code at once, without a deployment: a change is served in the next call.

CloudFormation does not know of it. So what was swapped is noted, and the next deployment gives
those functions the code that it has deployed: without that, a change that was taken back would
be no change to CloudFormation, and the function would go on with it.
"""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING, Any

from constructs_lib.local.code.code_assets import functions_of, is_same
from constructs_lib.local.service.deployed import stacks_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

    from constructs_lib.local.code.code_assets import Code, CodeAsset
    from constructs_lib.local.endpoint import Endpoint

__all__ = ["affected", "put_back", "swap"]

_NOTE = "swapped.json"


def affected(code: Code, changed: Collection[Path]) -> list[CodeAsset] | None:
    """The code that a change is all about; `None` where it takes a deployment.

    A file that is new or gone takes one, since only the app knows what it copies; so does what is
    no Python, since the app may read it; and what something else seems to be a copy of as well.
    """
    found: dict[Path, CodeAsset] = {}
    for path in changed:
        owners = [
            asset
            for asset in code.assets
            if path.is_relative_to(asset.source) and path.relative_to(asset.source) in asset.files
        ]
        if not owners or path.suffix != ".py" or not path.is_file():
            return None
        deployed = owners[0].staged / path.relative_to(owners[0].source)
        if any(_has(other, path, deployed) for other in code.others):
            return None
        # By the copy: of one folder there may be several, each without other files.
        found |= {asset.staged: asset for asset in owners}
    return list(found.values())


def _has(folder: Path, path: Path, deployed: Path) -> bool:
    """Whether a folder has a file by the end of a path, with the content that was deployed of it."""
    return any(
        is_same(folder.joinpath(*path.parts[-depth:]), deployed) for depth in range(1, len(path.parts))
    )


def swap(aws: Endpoint, assets: Iterable[CodeAsset]) -> list[str]:
    """Give each function of these assets the code as it is in the source now.

    Returns:
        The labels of the functions.

    Raises:
        SyntaxError: A file is no Python; nothing was changed.
        OSError: A file cannot be read, as one that has just gone; nothing was changed.
        ValueError: A file is no text; nothing was changed.
    """
    assets = list(assets)
    for asset in assets:
        for file in asset.files:
            path = asset.source / file
            if path.suffix == ".py":
                compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
    codes = [(asset.functions, _zip(asset.source, asset.files)) for asset in assets]
    # Before it is done: where it fails half-way, some of them have it.
    _write(aws, _read(aws) | {user for functions, _ in codes for user in functions})
    return [label for functions, code in codes for label in _put(aws, functions, code)]


def put_back(aws: Endpoint, assembly: Path) -> None:
    """Give the functions that were swapped what was deployed. To be called after a deployment.

    Those of stacks that are not deployed as the assembly says keep what they have, until they are.

    Args:
        aws: Where they are.
        assembly: The assembly of which all stacks were deployed, or some.
    """
    swapped = _read(aws)
    if not swapped:
        return
    own = [
        function for function in functions_of(assembly) if (function.stack, function.logical_id) in swapped
    ]
    deployed = {stack: _deployed_code(aws, stack) for stack in {function.stack for function in own}}
    for function in own:
        if deployed[function.stack].get(function.logical_id) == function.code:
            user = function.stack, function.logical_id
            _put(aws, [user], _archive(function.asset))
            swapped.remove(user)
    _write(aws, swapped)


def _deployed_code(aws: Endpoint, stack: str) -> dict[str, Any]:
    """What the template of a stack that is there says of the code of each resource, by logical id."""
    client = aws.client("cloudformation")
    try:
        template = client.get_template(StackName=stack)["TemplateBody"]
    except client.exceptions.ClientError:
        return {}  # there is no such stack
    resources = (json.loads(template) if isinstance(template, str) else template).get("Resources", {})
    return {logical: resource.get("Properties", {}).get("Code") for logical, resource in resources.items()}


def _read(aws: Endpoint) -> set[tuple[str, str]]:
    try:
        return {
            (stack, logical) for stack, logical in json.loads((aws.run_folder / _NOTE).read_text("utf-8"))
        }
    except (OSError, ValueError):
        return set()


def _write(aws: Endpoint, swapped: Collection[tuple[str, str]]) -> None:
    (aws.run_folder / _NOTE).write_text(json.dumps(sorted(swapped)), encoding="utf-8")


def _put(aws: Endpoint, functions: Iterable[tuple[str, str]], code: bytes) -> list[str]:
    client = aws.client("lambda")
    known = {
        (stack.name, function.logical_id): function
        for stack in stacks_of(aws)
        for function in stack.functions
    }
    found = [known[key] for key in functions if key in known]
    for function in found:
        client.update_function_code(FunctionName=function.name, ZipFile=code)
        _publish(client, function.name)
    return [function.label for function in found]


def _publish(client: Any, function: str) -> None:  # noqa: ANN401 - boto3 clients are made at run time
    """Let the aliases of a function go on to the code that it has now."""
    aliases = client.list_aliases(FunctionName=function)["Aliases"]
    if aliases:
        version = client.publish_version(FunctionName=function)["Version"]
        for alias in aliases:
            client.update_alias(FunctionName=function, Name=alias["Name"], FunctionVersion=version)


def _archive(staged: Path) -> bytes:
    """What a function gets of an asset, which is an archive already where it is a file."""
    if staged.is_file():
        return staged.read_bytes()
    return _zip(staged, (path.relative_to(staged) for path in staged.rglob("*") if path.is_file()))


def _zip(folder: Path, files: Iterable[Path]) -> bytes:
    content = io.BytesIO()
    # Times are not strict: that of a file may be before the first that an archive knows.
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive:
        for file in sorted(files):
            archive.write(folder / file, file.as_posix())
    return content.getvalue()
