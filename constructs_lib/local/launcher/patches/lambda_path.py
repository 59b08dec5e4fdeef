"""The order in which a function finds its modules.

AWS: first the function's own folder, then those of its layers
(`/opt/python/lib/python3.x/site-packages` and `/opt/python`), then what the managed runtime
carries, boto3 among it
(https://docs.aws.amazon.com/lambda/latest/dg/python-package.html, "search path").

Stock puts the layers before the function, and a layer's `site-packages` behind the
packages of the emulator, so that a layer cannot bring a newer boto3.
"""

from __future__ import annotations

from ministack.core import lambda_runtime

from ..patching import replace_text

__all__ = ["apply"]

_CODE_FIRST = "    sys.path.insert(0, code_dir)\n"

_STOCK_SITE = "                        _site.addsitedir(_sp)\n"

_SITE = """                        _ms_known = list(sys.path)
                        _site.addsitedir(_sp)
                        _ms_added = [entry for entry in sys.path if entry not in _ms_known]
                        sys.path[:] = _ms_added + _ms_known
"""

_COMPLETE = "    # After sys.path is complete"


def apply() -> None:
    """Change where the worker's program puts the folders."""
    where = "lambda_runtime._PYTHON_WORKER_SCRIPT"
    script = lambda_runtime._PYTHON_WORKER_SCRIPT
    script = replace_text(where, script, _CODE_FIRST, "")
    script = replace_text(where, script, _STOCK_SITE, _SITE)
    lambda_runtime._PYTHON_WORKER_SCRIPT = replace_text(where, script, _COMPLETE, _CODE_FIRST + _COMPLETE)
