from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from botocore.config import Config

from tests.support.functions import Function

if TYPE_CHECKING:
    from constructs_lib.local import Emulator

CALLS = 12

SLOW = """
    import os
    import time

    def handler(event, context):
        time.sleep(0.2)
        return [os.getpid(), os.path.realpath(__file__)]
"""


def test_a_burst_shares_a_few_workers_and_every_call_is_answered(emulator: Emulator) -> None:
    answers = _burst(emulator)

    assert len(answers) == CALLS
    assert 2 <= len({worker for worker, _ in answers}) <= 4


def test_all_workers_of_a_function_share_its_files(emulator: Emulator) -> None:
    answers = _burst(emulator)

    assert len({worker for worker, _ in answers}) > 1
    assert len({file for _, file in answers}) == 1


def test_gap_stock_starts_a_worker_for_each_call_and_unpacks_its_files_for_it(stock: Emulator) -> None:
    answers = _burst(stock)
    workers = {worker for worker, _ in answers}

    assert len(workers) > 4
    assert len({file for _, file in answers}) == len(workers)


def _burst(emulator: Emulator) -> list[tuple[int, str]]:
    function = Function(emulator, SLOW)
    function.client = emulator.client("lambda", config=Config(max_pool_connections=CALLS))
    with ThreadPoolExecutor(CALLS) as pool:
        return [tuple(answer) for answer in pool.map(lambda _: function(), range(CALLS))]
