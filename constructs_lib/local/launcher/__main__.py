"""Starts the launcher by its path, with no other file of this package on the import path.

It runs in the emulator's own environment, where neither `constructs_lib` nor its
dependencies are installed. Putting this folder on the import path would show it to
everything that the emulator imports; loading the package by its path does not.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

NAME = "local_aws_launcher"
folder = Path(__file__).resolve().parent
sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != folder]
spec = importlib.util.spec_from_file_location(
    NAME,
    folder / "__init__.py",
    submodule_search_locations=[str(folder)],
)
if spec is None or spec.loader is None:
    message = f"{folder} is not a package"
    raise SystemExit(message)
package = importlib.util.module_from_spec(spec)
sys.modules[NAME] = package
spec.loader.exec_module(package)
importlib.import_module(f"{NAME}.main").main()
