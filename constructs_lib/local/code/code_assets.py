"""The code of functions in a cloud assembly: which folder it was copied from, and who runs it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

__all__ = ["CodeAsset", "code_assets", "users_of"]

_FUNCTION = "AWS::Lambda::Function"


@dataclass(frozen=True, slots=True)
class CodeAsset:
    """A folder of code that functions run.

    Attributes:
        staged: The copy in the assembly.
        source: The folder that it was copied from.
        files: Its files, relative to either folder.
        functions: Name of the stack and logical id of each function that runs it.
    """

    staged: Path
    source: Path
    files: frozenset[Path]
    functions: tuple[tuple[str, str], ...]


def code_assets(assembly: Path, tree: Collection[Path]) -> list[CodeAsset]:
    """The code of an assembly whose source is known for sure.

    The assembly has copies and does not say of what, and what was left out of a copy only the
    app knows. So a source is a folder that has each file of the copy with the same content; where
    two folders have them, neither is taken.

    Args:
        assembly: The folder `cdk.out`.
        tree: The files among which sources are looked for.
    """
    users, nested = users_of(assembly), _nested(assembly)
    found = []
    for staged, functions in users.items():
        if staged in nested or not staged.is_dir():
            continue
        files = frozenset(path.relative_to(staged) for path in staged.rglob("*") if path.is_file())
        sources = _sources(staged, files, tree)
        if len(sources) == 1:
            found.append(CodeAsset(staged, sources.pop(), files, tuple(functions)))
    return found


def users_of(assembly: Path) -> dict[Path, list[tuple[str, str]]]:
    """Name of the stack and logical id of the functions that run each asset, but for nested stacks."""
    users: dict[Path, list[tuple[str, str]]] = {}
    for manifest in _own_files(assembly, "manifest.json"):
        artifacts = json.loads(manifest.read_text(encoding="utf-8")).get("artifacts", {})
        for name, artifact in artifacts.items():
            if artifact["type"] == "aws:cloudformation:stack":
                properties = artifact.get("properties", {})
                stack = properties.get("stackName", name)
                for logical, asset in _functions(manifest.parent / properties["templateFile"]):
                    users.setdefault(asset, []).append((stack, logical))
    return users


def _nested(assembly: Path) -> set[Path]:
    """The assets that a nested stack uses: what it is called is not known before it is deployed."""
    templates = _own_files(assembly, ".nested.template.json")
    return {asset for template in templates for _, asset in _functions(template)}


def _own_files(assembly: Path, suffix: str) -> Iterator[Path]:
    """Files of the assembly, and of those in it, but none of what the app's authors wrote."""
    for folder, folders, files in os.walk(assembly):
        folders[:] = [name for name in folders if not name.startswith("asset.")]
        yield from (Path(folder, name) for name in files if name.endswith(suffix))


def _functions(template: Path) -> Iterator[tuple[str, Path]]:
    """Logical id and asset of each function of a template whose code is an asset."""
    resources: dict[str, Any] = json.loads(template.read_text(encoding="utf-8")).get("Resources", {})
    for logical, resource in resources.items():
        metadata = resource.get("Metadata", {})
        if resource["Type"] == _FUNCTION and metadata.get("aws:asset:property") == "Code":
            yield logical, (template.parent / metadata["aws:asset:path"]).resolve()


def _sources(staged: Path, files: frozenset[Path], tree: Collection[Path]) -> set[Path]:
    if not files:
        return set()
    # The deepest file has the fewest namesakes.
    probe = max(files, key=lambda path: (len(path.parts), path.name))
    depth = len(probe.parts)
    folders = {path.parents[depth - 1] for path in tree if path.parts[-depth:] == probe.parts}
    return {folder for folder in folders if all(_is_same(folder / file, staged / file) for file in files)}


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.stat().st_size == other.stat().st_size and one.read_bytes() == other.read_bytes()
    except OSError:
        return False
