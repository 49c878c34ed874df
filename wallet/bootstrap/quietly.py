"""Heavy imports behind a door that already answers."""

import asyncio
import gc
import sys
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def import_quietly(work: Callable[[], T]) -> T:
    """Run heavy imports in a thread while HTTP already answers.

    The collector would walk every new object again and again, and the importing thread would hold the
    interpreter for its usual 5 ms at a time; both would be felt as latency.
    """
    interval, depth = sys.getswitchinterval(), sys.getrecursionlimit()
    gc.disable()
    sys.setswitchinterval(0.0005)
    try:
        return await asyncio.to_thread(work)
    finally:
        sys.setswitchinterval(interval)
        sys.setrecursionlimit(depth)  # py_ecc raises it to where the C stack ends first
        gc.collect()
        gc.freeze()
        gc.enable()
