"""What programs of the layer build get to know of the machine: nothing that the working directory decides.

A folder that somebody cloned must not say what is downloaded or run when it is synthesized. So uv
reads no configuration file, and of the environment only where packages are fetched from and how;
what is fetched is checked against its hash. Paths are taken where they lead out of the folder.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

__all__ = ["build_environment", "is_of_working_directory"]

# Settings of uv that say where from, as whom and how patiently. Everything else may change what is
# installed or run: versions, constraints, source builds, interpreters, programs for passwords.
_WHERE_FROM: Final = re.compile(
    r"UV_(DEFAULT_INDEX|INDEX|INDEX_URL|EXTRA_INDEX_URL|INDEX_\w+_(USERNAME|PASSWORD)|OFFLINE|NATIVE_TLS|"
    r"SYSTEM_CERTS|HTTP_TIMEOUT|HTTP_CONNECT_TIMEOUT|HTTP_RETRIES|REQUEST_TIMEOUT|CONCURRENT_\w+)"
)
_PLACES: Final = {
    "UV_CACHE_DIR",
    "UV_PYTHON_INSTALL_DIR",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
}
_OF_OTHERS: Final = re.compile(r"(UV_|PYTHON|CONDA_).*|VIRTUAL_ENV|NETRC|XDG_CONFIG_HOME")


def build_environment() -> dict[str, str]:
    """Give the variables that the programs of a build run with."""
    found = {}
    for name, value in os.environ.items():
        if name in _PLACES:
            if not is_of_working_directory(Path(value)):
                found[name] = value
        elif _WHERE_FROM.fullmatch(name) or not _OF_OTHERS.fullmatch(name):
            found[name] = value
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    found["PATH"] = os.pathsep.join(
        folder for folder in folders if folder and not is_of_working_directory(Path(folder))
    )
    return found


def is_of_working_directory(path: Path) -> bool:
    """Whether a path is one of the working directory: relative to it, or inside of it.

    Who works in their home folder, or in one above it, has everything of theirs in there.
    """
    here = Path.cwd().resolve()
    if not path.is_absolute():
        return True
    return path.resolve().is_relative_to(here) and not Path.home().resolve().is_relative_to(here)
