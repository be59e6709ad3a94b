"""Memory of the caller's own as numpy arrays that share it: numpy, the buffer protocol, DLPack."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwang import _core
from hwang.picture import Arrays, PictureLayout, Planes


def arrays_of(out: Any, layout: PictureLayout, count: int) -> Arrays:
    """Return `out` as the arrays that `count` pictures fill, without a copy. Planes may be any three objects.

    Raises ValueError unless the memory is the processor's, writable, C-contiguous, and of their shape and dtype. A
    buffer of one dimension need only have as many elements.
    """
    several = len(layout.shapes) > 1
    if several and not (isinstance(out, tuple | list) and len(out) == len(layout.shapes)):
        raise ValueError(f"out must be hwang.Planes, or {len(layout.shapes)} objects, not {type(out).__name__}")
    memory = out if several else (out,)
    planes = [_array_of(one, (count, *shape)) for one, shape in zip(memory, layout.shapes, strict=True)]
    arrays = Planes(*planes) if several else planes[0]
    layout.check("out", arrays, count)
    return arrays


def _array_of(memory: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    if isinstance(memory, np.ndarray):
        return memory
    try:
        array = _core.shared_array(memory)
    except TypeError:
        array = None
    if array is None:
        raise ValueError(
            "out must be a numpy array, or writable memory of the processor's with the buffer protocol or DLPack, such "
            f"as a torch tensor on the CPU, not a {type(memory).__name__}"
        )
    return array.reshape(shape) if array.ndim == 1 and array.size == np.prod(shape) else array
