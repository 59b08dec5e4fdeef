from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tests.support.functions import Function, archive

if TYPE_CHECKING:
    from constructs_lib.local import Emulator

SITE = f"python/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"

SOURCE = """
    import jmespath
    import both
    import only_layer

    def handler(event, context):
        return [getattr(jmespath, "WHOSE", "the runtime's"), both.WHOSE, only_layer.WHOSE]
"""


def test_the_function_comes_before_its_layer_and_the_layer_before_the_runtime(emulator: Emulator) -> None:
    assert _whose(emulator) == ["layer", "function", "layer"]


def test_gap_stock_has_the_runtime_before_the_layer_and_the_layer_before_the_function(
    stock: Emulator,
) -> None:
    assert _whose(stock) == ["the runtime's", "layer", "layer"]


def _whose(emulator: Emulator) -> list[str]:
    layer = emulator.client("lambda").publish_layer_version(
        LayerName="modules",
        Content={
            "ZipFile": archive(
                {
                    f"{SITE}/jmespath.py": "WHOSE = 'layer'",
                    "python/both.py": "WHOSE = 'layer'",
                    "python/only_layer.py": "WHOSE = 'layer'",
                },
            ),
        },
    )["LayerVersionArn"]
    function = Function(emulator, SOURCE, files={"both.py": "WHOSE = 'function'"}, layers=[layer])
    answer: list[str] = function()
    return answer
