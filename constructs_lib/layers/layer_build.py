"""Building the contents of a Lambda layer on this machine: with uv, without Docker."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import uv

from constructs_lib.errors import BundlingError
from constructs_lib.layers.build_environment import build_environment
from constructs_lib.layers.layer_contents import source_files
from constructs_lib.quotas.package_size import MOST_UNPACKED_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from constructs_lib.layers.layer_contents import LayerContents

__all__ = [
    "check_unpacked_size",
    "compile_bytecode",
    "copy_package",
    "find_interpreter",
    "install_requirements",
]

# Where Lambda unpacks a layer: what tracebacks show.
_LAMBDA_ROOT: Final = "/opt"
# What importlib.metadata needs, and the licences. The rest records this machine.
_KEPT_METADATA: Final = frozenset({"METADATA", "entry_points.txt", "licenses", "LICENSE", "LICENSE.txt"})
_LAST_LINES: Final = 15


def install_requirements(contents: LayerContents, folder: Path) -> None:
    """Install the locked requirements into ``folder``, for the functions' platform.

    Raises:
        BundlingError: uv is missing, or it could not install them.

    """
    result = _run_uv(
        [
            *("pip", "install", "--target", str(folder)),
            *("--python", sys.executable, "--link-mode", "copy", "--no-progress"),
            *("--python-platform", contents.platform, "--python-version", contents.python_version),
            *("--only-binary", ":all:", "--require-hashes", "--no-deps"),
            *(part for name in contents.from_source for part in ("--no-binary", name)),
            *("--requirements", str(contents.requirements)),
        ]
    )
    if result.returncode != 0:
        msg = (
            f"the packages of {contents.requirements.name} could not be installed for "
            f"{contents.platform} and Python {contents.python_version}{_old_platform_hint(contents)}; "
            f"uv said:\n{_end_of(result.stderr)}"
        )
        raise BundlingError(msg)
    _remove_by_products(folder)


def check_unpacked_size(folder: Path, requirements: Path) -> None:
    """Refuse more than Lambda unpacks.

    Raises:
        BundlingError: What was installed into ``folder`` from ``requirements`` is too large.

    """
    size = sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())
    if size > MOST_UNPACKED_BYTES:
        msg = (
            f"a layer must have at most {MOST_UNPACKED_BYTES} bytes, code and other layers included, got "
            f"{size} of {requirements}; leave packages out that the functions do not need"
        )
        raise BundlingError(msg)


def copy_package(package: Path, folder: Path) -> Path:
    """Copy the source of a package into ``folder``, and give its new place."""
    target = folder / package.name
    for path in source_files(package):
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(package / path, target / path)
    return target


def find_interpreter(version: str) -> Path | None:
    """Find a Python of ``version``, such as "3.13", to compile for it; None where there is none.

    It is one of the machine's, never one of the working directory's.
    """
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        return Path(sys.executable)
    # uv also looks into `.venv` of the folder that it is called in, and of those above.
    root = Path(Path.cwd().anchor)
    result = _run_uv(["python", "find", "--no-python-downloads", "--no-project", version], folder=root)
    return Path(result.stdout.strip()) if result.returncode == 0 else None


def compile_bytecode(interpreter: Path, folder: Path, *, root: Path) -> None:
    """Compile the modules below ``folder`` so that Lambda needs not do it at each cold start.

    Deployment sets the date of each file to 1980, which makes ordinary bytecode look out
    of date. Bytecode with an unchecked hash is used as it is.

    Args:
        interpreter: A Python of the functions' version.
        folder: What to compile.
        root: What Lambda unpacks to /opt.

    Raises:
        BundlingError: The interpreter does not run.

    """
    # A file that does not compile (a template, say) stays as it is; Python says so on import.
    command = [
        *(str(interpreter), "-I", "-m", "compileall", "-qq"),
        *("--invalidation-mode", "unchecked-hash", "-s", str(root), "-p", _LAMBDA_ROOT, str(folder)),
    ]
    result = _run(command)
    if result.returncode != 0 and not any(folder.rglob("*.pyc")):
        msg = f"{interpreter} could not compile the layer's modules; it said:\n{_end_of(result.stderr)}"
        raise BundlingError(msg)


def _old_platform_hint(contents: LayerContents) -> str:
    if not contents.runs_on_amazon_linux_2:
        return ""
    return " (Lambda runs it on Amazon Linux 2, for which newer packages have no wheels: use 3.12 or newer)"


def _end_of(output: str) -> str:
    return "\n".join(output.strip().splitlines()[-_LAST_LINES:])


def _remove_by_products(folder: Path) -> None:
    """Remove what differs between machines, and what a function does not use."""
    # Console scripts start with the path of this machine's Python.
    _remove([folder / "bin", folder / ".lock", *folder.rglob("__pycache__")])
    for metadata in folder.glob("*.dist-info"):
        _remove(path for path in metadata.iterdir() if path.name not in _KEPT_METADATA)


def _remove(paths: Iterable[Path]) -> None:
    for path in list(paths):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _run_uv(arguments: Sequence[str], *, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    try:
        program = uv.find_uv_bin()
    except FileNotFoundError as error:
        msg = "uv was not found; install it again: pip install --force-reinstall uv"
        raise BundlingError(msg) from error
    return _run([program, *arguments, "--no-config"], folder)


def _run(command: Sequence[str], folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # noqa: S603 - our own command, no shell
            command,
            cwd=folder,
            env=build_environment(),
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except OSError as error:
        msg = f"{command[0]} does not start ({error}); install it again"
        raise BundlingError(msg) from error
