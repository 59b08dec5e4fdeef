"""CQRS and event sourcing on DynamoDB: what runs in the functions.

Names are loaded on first use, so that a function imports what it needs and nothing else.
They stand in `__init__.pyi`.
"""

from runtime.init_phase import begin_init_phase

begin_init_phase()

import lazy_loader  # noqa: E402 - the phase begins before anything else is imported

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
