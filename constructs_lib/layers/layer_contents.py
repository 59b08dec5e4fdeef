"""What a Lambda layer of Python packages consists of, and its identity."""

from __future__ import annotations

import hashlib
import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from constructs_lib.errors import BundlingError
from constructs_lib.functions.python_runtime import python_version

if TYPE_CHECKING:
    from aws_cdk import aws_lambda as lambda_

__all__ = ["LayerContents", "lock_lines", "runtime_package", "source_files"]

# Part of every hash: raise it when the same input gives other contents.
_FORMAT: Final = "1"

# Of the runtime: what tests of a service use, and no function.
_NOT_SHIPPED: Final = "testing"


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerContents:
    """Locked requirements, and perhaps a package of one's own, for one platform."""

    requirements: Path
    """Requirements with a hash for each package."""

    architecture: lambda_.Architecture
    """Processor of the functions."""

    python_runtime: lambda_.Runtime
    """Python of the functions."""

    from_source: tuple[str, ...] = ()
    """Packages that may be built from their source, by code of theirs that runs here."""

    package: Path | None = None
    """Folder of a Python package that is copied in. None for none."""

    @property
    def python_version(self) -> str:
        """The version of Python, such as "3.13"."""
        return python_version(self.python_runtime)

    @property
    def runs_on_amazon_linux_2(self) -> bool:
        """Whether Lambda's C library is an old one; each later Python runs on Amazon Linux 2023."""
        return self.python_version == "3.11"

    @property
    def platform(self) -> str:
        """The platform that wheels must be made for, as uv names it."""
        processor = {"arm64": "aarch64"}.get(self.architecture.name, self.architecture.name)
        return f"{processor}-{'manylinux2014' if self.runs_on_amazon_linux_2 else 'manylinux_2_28'}"

    @property
    def requirements_hash(self) -> str:
        """Identity of the installed requirements: the same on every machine."""
        built = [f"from source: {name}" for name in sorted(self.from_source)]
        return _hash(_FORMAT, self.platform, self.python_version, *lock_lines(self.requirements), *built)

    @property
    def asset_hash(self) -> str:
        """Identity of the whole contents: the same on every machine.

        It depends on nothing but the lock, the package's source and the platform: not on
        times, on the order of files, on comments or on compiled files.
        """
        parts = [self.requirements_hash]
        if self.package is not None:
            for path in source_files(self.package):
                parts += [path.as_posix(), _content_hash(self.package / path)]
        return _hash(*parts)


def lock_lines(requirements: Path) -> list[str]:
    """Give the requirements of a lock file, one a line, sorted, without comments."""
    joined = re.sub(r"\\\r?\n", " ", requirements.read_text(encoding="utf-8-sig"))
    lines = (re.sub(r"(^|\s)#.*", "", line).split() for line in joined.splitlines())
    return sorted(
        " ".join(sorted(words, key=lambda word: word if word.startswith("--hash") else ""))
        for words in lines
        if words
    )


def runtime_package() -> Path:
    """Find the folder of the package ``runtime``, in a checkout or in an installation.

    Raises:
        BundlingError: Another package of this name hides it.

    """
    spec = importlib.util.find_spec("runtime")
    folders = [Path(folder) for folder in (spec.submodule_search_locations or [])] if spec else []
    for folder in folders:
        if (folder / "contract.py").is_file():
            return folder
    msg = (
        f"the package 'runtime' of cdk-cqrs was not found, got {folders or 'none'}; "
        "rename the folder that hides it, or install cdk-cqrs again"
    )
    raise BundlingError(msg)


def source_files(package: Path) -> list[Path]:
    """Give the files of a package that a layer ships, relative to it and sorted.

    Caches and hidden files stay out, and so does what is for tests: the folder ``testing``.
    """
    files = (path.relative_to(package) for path in package.rglob("*") if path.is_file())
    shipped = (path for path in files if not _is_by_product(path) and path.parts[0] != _NOT_SHIPPED)
    return sorted(shipped, key=Path.as_posix)


def _is_by_product(path: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.parts)
    return hidden or "__pycache__" in path.parts or path.suffix == ".pyc"


def _content_hash(path: Path) -> str:
    # A checkout on Windows has other line ends.
    return hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()


def _hash(*parts: str) -> str:
    digest = hashlib.sha256()
    for part in parts:
        # The length keeps ("ab", "c") apart from ("a", "bc").
        digest.update(f"{len(part)}:{part}".encode())
    return digest.hexdigest()
