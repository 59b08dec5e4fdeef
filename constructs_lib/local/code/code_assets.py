"""The code of functions in a cloud assembly: which folder it was copied from, and who runs it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

__all__ = ["Code", "CodeAsset", "FunctionCode", "code_assets", "functions_of", "is_same"]

_FUNCTION = "AWS::Lambda::Function"


@dataclass(frozen=True, slots=True)
class FunctionCode:
    """A function whose code is an asset.

    Attributes:
        stack: Name of its stack.
        logical_id: Its name in the template.
        asset: The copy in the assembly: a folder, or a file where it is an archive.
        code: What the template says of it.
    """

    stack: str
    logical_id: str
    asset: Path
    code: dict[str, Any]


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


@dataclass(frozen=True, slots=True)
class Code:
    """The code in an assembly.

    Attributes:
        assets: Folders whose source is known, and that only functions run whose names are known.
        others: Every other folder of the assembly that is deployed.
    """

    assets: tuple[CodeAsset, ...]
    others: tuple[Path, ...]


def code_assets(assembly: Path, tree: Collection[Path]) -> Code:
    """The code of an assembly, and of what it was copied where that is known for sure.

    The assembly has copies and does not say of what, and what was left out of a copy only the
    app knows. So a source is a folder that has each file of the copy with the same content; where
    two folders have them, neither is taken.

    Args:
        assembly: The folder `cdk.out`.
        tree: The files among which sources are looked for.
    """
    users: dict[Path, list[tuple[str, str]]] = {}
    for function in functions_of(assembly):
        users.setdefault(function.asset, []).append((function.stack, function.logical_id))
    more = _used_otherwise(assembly)
    found, others = [], []
    for staged in sorted(users.keys() | more | _published(assembly)):
        if not staged.is_dir():
            continue
        files = frozenset(path.relative_to(staged) for path in staged.rglob("*") if path.is_file())
        sources = set() if staged in more or staged not in users else _sources(staged, files, tree)
        if len(sources) == 1:
            found.append(CodeAsset(staged, sources.pop(), files, tuple(users[staged])))
        else:
            others.append(staged)
    return Code(tuple(found), tuple(others))


def functions_of(assembly: Path) -> list[FunctionCode]:
    """The functions whose code is an asset, but for those of nested stacks."""
    return [
        FunctionCode(stack, logical, asset, resource["Properties"]["Code"])
        for stack, template in _stacks(assembly)
        for logical, resource, asset in _assets_in(template)
        if _is_code(resource)
    ]


def is_same(one: Path, other: Path) -> bool:
    """Whether both are files with the same content."""
    try:
        return one.stat().st_size == other.stat().st_size and one.read_bytes() == other.read_bytes()
    except OSError:
        return False


def _stacks(assembly: Path) -> Iterator[tuple[str, Path]]:
    """Name and template of each stack."""
    for folder, name, artifact in _artifacts(assembly, "aws:cloudformation:stack"):
        properties = artifact.get("properties", {})
        yield properties.get("stackName", name), folder / properties["templateFile"]


def _used_otherwise(assembly: Path) -> set[Path]:
    """The assets of which more is made than code of functions, such as layers.

    What a nested stack is made of is among them: what it is called is not known before it is deployed.
    """
    nested = {
        asset
        for template in _own_files(assembly, ".nested.template.json")
        for _, _, asset in _assets_in(template)
    }
    return nested | {
        asset
        for _, template in _stacks(assembly)
        for _, resource, asset in _assets_in(template)
        if not _is_code(resource)
    }


def _published(assembly: Path) -> set[Path]:
    """All that is uploaded, whatever for."""
    published = set()
    for folder, _, artifact in _artifacts(assembly, "cdk:asset-manifest"):
        manifest = json.loads((folder / artifact["properties"]["file"]).read_text(encoding="utf-8"))
        for file in manifest.get("files", {}).values():
            if path := file["source"].get("path"):
                published.add((folder / path).resolve())
    return published


def _artifacts(assembly: Path, kind: str) -> Iterator[tuple[Path, str, dict[str, Any]]]:
    """Folder, name and content of each entry of one kind in the assembly's manifests."""
    for manifest in _own_files(assembly, "manifest.json"):
        artifacts = json.loads(manifest.read_text(encoding="utf-8")).get("artifacts", {})
        for name, artifact in artifacts.items():
            if artifact["type"] == kind:
                yield manifest.parent, name, artifact


def _own_files(assembly: Path, suffix: str) -> Iterator[Path]:
    """Files of the assembly, and of those in it, but none of what the app's authors wrote."""
    for folder, folders, files in os.walk(assembly):
        folders[:] = [name for name in folders if not name.startswith("asset.")]
        yield from (Path(folder, name) for name in files if name.endswith(suffix))


def _assets_in(template: Path) -> Iterator[tuple[str, dict[str, Any], Path]]:
    """Logical id, resource and asset of each resource of a template that is made of one."""
    resources: dict[str, Any] = json.loads(template.read_text(encoding="utf-8")).get("Resources", {})
    for logical, resource in resources.items():
        if path := resource.get("Metadata", {}).get("aws:asset:path"):
            yield logical, resource, (template.parent / path).resolve()


def _is_code(resource: dict[str, Any]) -> bool:
    return (resource["Type"], resource["Metadata"].get("aws:asset:property")) == (_FUNCTION, "Code")


def _sources(staged: Path, files: frozenset[Path], tree: Collection[Path]) -> set[Path]:
    if not files:
        return set()
    # The deepest file has the fewest namesakes.
    probe = max(files, key=lambda path: (len(path.parts), path.name))
    depth = len(probe.parts)
    folders = {path.parents[depth - 1] for path in tree if path.parts[-depth:] == probe.parts}
    return {folder for folder in folders if all(is_same(folder / file, staged / file) for file in files)}
