"""Other processes, as callers have them."""

from __future__ import annotations

import copy
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def there_and_back(item: T) -> T:
    """What comes back of an object that was sent to another process."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(copy.copy, item).result(timeout=60)
