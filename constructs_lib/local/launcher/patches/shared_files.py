"""One copy of a function's and a layer's files for all workers.

On AWS they are mounted, read-only, and a start does not copy them. Stock unpacks the code
and every layer anew for each worker: a layer of 70 MB costs a second and 70 MB of disk each
time, and each worker compiles its modules again. Here an archive is unpacked once, and a
worker gets a link to it.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
import types
import zipfile
from pathlib import Path
from typing import Any

from ministack.core import lambda_runtime

from ..patching import replace

__all__ = ["apply"]

_lock = threading.Lock()


def apply() -> None:
    """Show the module that starts workers another `zipfile`."""
    spawn = lambda_runtime.Worker._spawn
    replace(
        lambda_runtime.Worker,
        "_spawn",
        spawn,
        holding=("zf.extractall(code_dir)", "lzf.extractall(layer_dir)", "os.makedirs(code_dir)"),
    )
    lambda_runtime.zipfile = types.SimpleNamespace(
        ZipFile=_SharedZip,
        BadZipFile=zipfile.BadZipFile,
        LargeZipFile=zipfile.LargeZipFile,
        # The emulator catches it by this name, which the standard library does not have.
        LargeFileError=zipfile.LargeZipFile,
    )


class _SharedZip(zipfile.ZipFile):
    def extractall(self, path: Any = None, members: Any = None, pwd: bytes | None = None) -> None:
        """Make `path`, an empty folder, a link to the one place where this archive is unpacked."""
        if path is None or members is not None or not self.filename:
            super().extractall(path, members, pwd)
            return
        with open(self.filename, "rb") as file:  # noqa: PTH123 - hashlib wants a file
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        home = Path(tempfile.gettempdir()) / "unpacked" / digest
        with _lock:
            if not home.exists():
                home.parent.mkdir(exist_ok=True)
                fresh = tempfile.mkdtemp(dir=home.parent)
                super().extractall(fresh)
                Path(fresh).rename(home)
        os.rmdir(path)  # noqa: PTH106
        os.symlink(home, path)  # noqa: PTH211
