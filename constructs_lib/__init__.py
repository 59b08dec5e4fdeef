"""AWS CDK constructs for CQRS and event sourcing on DynamoDB.

Names are loaded on first use, as `constructs_lib.local` and `constructs_lib.cli` need neither
the CDK nor Node.js. They stand in `__init__.pyi`.
"""

import lazy_loader

from .runtime_package import check_runtime_package

check_runtime_package()

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
