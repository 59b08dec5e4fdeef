from .clients import (
    Email as Email,
)
from .clients import (
    Execution as Execution,
)
from .clients import (
    MemoryResources as MemoryResources,
)
from .clients import (
    Message as Message,
)
from .clock import Clock as Clock
from .handler_scenario import HandlerScenario as HandlerScenario
from .handlers import WatchedHandler as WatchedHandler
from .memory_app import MemoryApp as MemoryApp
from .provider_contract import ProviderContract as ProviderContract
from .requests import (
    Answer as Answer,
)
from .requests import (
    Client as Client,
)
from .scenario import Scenario as Scenario
from .store_contract import (
    StoreContract as StoreContract,
)
from .store_contract import (
    TwoTables as TwoTables,
)
