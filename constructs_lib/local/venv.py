"""The emulator's own virtual environment: made once, then found by a hash and used offline.

It is apart from the project's for two reasons. The emulator pins its botocore, and the
project need not. And Lambda functions run on the emulator's interpreter and see its
packages: from an environment of their own they cannot borrow what the project has
installed, so a package that a layer forgot is noticed before AWS notices it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from filelock import FileLock

from constructs_lib.local.errors import NoSpaceError, SetupFailedError, is_disk_full

__all__ = ["DEFAULT_FOLDER", "REQUIREMENTS", "ensure_venv"]

#: Where everything local goes unless told otherwise, under the working directory.
DEFAULT_FOLDER = Path(".local-aws")

#: The locked packages of the emulator.
REQUIREMENTS = Path(__file__).with_name("requirements.txt")

_READY = ".ready"


def ensure_venv(folder: Path = DEFAULT_FOLDER) -> Path:
    """Make the emulator's environment, or find the one that was made before.

    It is built from the running interpreter, since Lambda functions run on the same Python
    for which their layer was built. The folder's name holds a hash of the Python version
    and the locked requirements, so a new lock gets a new environment and an old one is never
    half changed.

    Args:
        folder: The parent of the environment; it is made where it is missing.

    Returns:
        The path of the environment's Python.

    Raises:
        SetupFailedError: The packages could not be installed.
        NoSpaceError: The disk is full.
    """
    target = folder.resolve() / f"venv-{_key()}"
    python = target / "bin" / "python"
    if (target / _READY).exists():
        return python
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # Two processes may start at once, such as the workers of a parallel test run.
        with FileLock(target.parent / ".venv.lock"):
            if not (target / _READY).exists():
                _build(target, python)
    except OSError as error:
        if is_disk_full(error):
            raise NoSpaceError(folder) from error
        raise SetupFailedError(str(error)) from error
    return python


def _key() -> str:
    version = f"{sys.implementation.cache_tag}-{sys.version_info.micro}-{sys.base_prefix}"
    digest = hashlib.sha256(version.encode() + REQUIREMENTS.read_bytes())
    return f"{sys.version_info.major}.{sys.version_info.minor}-{digest.hexdigest()[:12]}"


def _build(target: Path, python: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    uv = _uv()
    _run(uv, "venv", "--quiet", "--no-project", "--python", sys.executable, str(target))
    _run(
        uv, "pip", "install", "--quiet", "--require-hashes", "--compile-bytecode",
        "--python", str(python), "--requirements", str(REQUIREMENTS),
    )  # fmt: skip
    (target / _READY).touch()


def _uv() -> str:
    try:
        from uv import find_uv_bin  # noqa: PLC0415 - only the first run needs it

        return find_uv_bin()
    except (ImportError, FileNotFoundError) as error:
        raise SetupFailedError(str(error)) from error


def _run(*command: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)  # noqa: S603 - our own arguments
    if done.returncode:
        if "No space left" in done.stderr:
            raise NoSpaceError(REQUIREMENTS)
        raise SetupFailedError(" ".join(done.stderr.split())[-400:])
