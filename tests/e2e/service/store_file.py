"""Where the read models are."""

from __future__ import annotations

import os

# Read as the code is imported, as the address of a database may be: in every function of the stack.
STORE_FILE = os.environ["STORE_FILE"]
