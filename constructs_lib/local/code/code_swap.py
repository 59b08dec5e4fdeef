"""Gives functions new code at once, without a deployment: a change is served in the next call.

CloudFormation does not know of it. So what was swapped is noted, and the next deployment gives
those functions the code that it has deployed: without that, a change that was taken back would
be no change to CloudFormation, and the function would go on with it.
"""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING

from constructs_lib.local.code.code_assets import users_of
from constructs_lib.local.service.deployed import stacks_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

    from constructs_lib.local.code.code_assets import CodeAsset
    from constructs_lib.local.endpoint import Endpoint

__all__ = ["affected", "put_back", "swap"]

_NOTE = "swapped.json"


def affected(assets: Collection[CodeAsset], changed: Collection[Path]) -> list[CodeAsset] | None:
    """The code that a change is all about; `None` where it takes a deployment.

    A file that is new or gone takes one, since only the app knows what it copies; and so does
    what is no Python, since the app may read it.
    """
    found: dict[Path, CodeAsset] = {}
    for path in changed:
        owners = [
            asset
            for asset in assets
            if path.is_relative_to(asset.source) and path.relative_to(asset.source) in asset.files
        ]
        if not owners or path.suffix != ".py" or not path.is_file():
            return None
        found |= {asset.source: asset for asset in owners}
    return list(found.values())


def swap(aws: Endpoint, assets: Iterable[CodeAsset]) -> list[str]:
    """Give each function of these assets the code as it is in the source now.

    Returns:
        The labels of the functions.

    Raises:
        SyntaxError: A file is no Python; nothing was changed.
    """
    assets = list(assets)
    for asset in assets:
        for file in asset.files:
            path = asset.source / file
            if path.suffix == ".py":
                compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
    labels = []
    for asset in assets:
        labels += _put(aws, asset.functions, _zip(asset.source, asset.files))
    note = aws.run_folder / _NOTE
    swapped = {tuple(entry) for entry in _read(note)} | {user for asset in assets for user in asset.functions}
    note.write_text(json.dumps(sorted(swapped)), encoding="utf-8")
    return labels


def put_back(aws: Endpoint, assembly: Path) -> None:
    """Give the functions that were swapped what was deployed. To be called after a deployment.

    Args:
        aws: Where they are.
        assembly: The assembly that was deployed.
    """
    note = aws.run_folder / _NOTE
    swapped = {tuple(entry) for entry in _read(note)}
    if not swapped:
        return
    for staged, users in users_of(assembly).items():
        if own := [user for user in users if user in swapped]:
            files = [path.relative_to(staged) for path in staged.rglob("*") if path.is_file()]
            _put(aws, own, _zip(staged, files))
    note.unlink(missing_ok=True)


def _read(note: Path) -> list[list[str]]:
    try:
        found: list[list[str]] = json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return found


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
    return [function.label for function in found]


def _zip(folder: Path, files: Iterable[Path]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(files):
            archive.write(folder / file, file.as_posix())
    return content.getvalue()
