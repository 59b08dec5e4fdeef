"""Who says that it calls AWS: the same for every call of a client, and told once.

botocore makes the text of the User-Agent header anew for each call, which is a tenth of what a call takes;
one that it is given, it sends as it is, with its own version behind it.
"""

from __future__ import annotations

import os
import re
import sys
from functools import cache
from typing import Final

__all__ = ["user_agent"]

_PRODUCT: Final = "cdk-cqrs/0.1.0"
_APP_ID: Final = "AWS_SDK_UA_APP_ID"
_ENVIRONMENT: Final = "AWS_EXECUTION_ENV"
#: What no name in the header may have, see botocore.
_FOREIGN: Final = re.compile(r"[^\w!$%&'*+.^`|~,-]", re.ASCII)


@cache
def user_agent() -> str:
    """The library and its version, Python's, the function's runtime, and the app's id where it has one.

    >>> user_agent().partition("/")[0]
    'cdk-cqrs'
    """
    version = ".".join(map(str, sys.version_info[:3]))
    words = [_PRODUCT, f"lang/python#{version}"]
    for prefix, variable in (("exec-env", _ENVIRONMENT), ("app", _APP_ID)):
        if value := os.environ.get(variable):
            words.append(f"{prefix}/{_FOREIGN.sub('-', value)}")
    return " ".join(words)
