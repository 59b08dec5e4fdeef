"""What tests of a service need: the whole app in memory. It is not in the layer.

`MemoryApp` runs an app without AWS, Docker and environment variables; `StoreContract` is what each
adapter of the store has to pass, `ProviderContract` what each provider of events has to. As fixtures
of pytest: ``runtime.testing.pytest_plugin``.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
