"""Writers of own code's results: an array, an array with rows and times, lines of JSON, a part of the answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from function.errors import ApplyFailed
from function.frames.own_code import Values, to_json
from function.models.formats import FORMATS, Format, Writer
from function.models.places import Output
from function.models.result import Inline, Written
from function.output.arrays import Stream, inline, write_npy, write_npz
from function.output.publish import Publication


@dataclass(frozen=True)
class Results:
    """A function's results on their way to the output, in the order of `rows`, which are those asked for.

    `parts` follow each other; each is an array [n, …] or a list of n JSON values.
    """

    function: str
    rows: NDArray[np.int64]
    seconds: Sequence[float]
    parts: Iterator[Values]

    def array(self) -> Stream:
        """Return arrays as one. Raises ApplyFailed for JSON values."""
        first = next(self.parts)
        if isinstance(first, list):
            message = f"apply: {self.function} returns JSON values, which are written as {_LINES}"
            raise ApplyFailed(message, apply=self.function)
        parts: Any = chain([first], self.parts)  # all are as the first is
        return Stream((len(self.rows), *first.shape[1:]), first.dtype, parts)


def write_applied(publication: Publication, output: Output, written_as: Format, results: Results) -> list[Written]:
    """Write the results as one object and describe it."""
    return [WRITERS[FORMATS[written_as].writer](publication, output.key, results)]


def inline_applied(results: Results) -> Inline | list[Any]:
    """Return the results for the answer: an array in base64, or JSON values."""
    first = next(results.parts)
    again = Results(results.function, results.rows, results.seconds, chain([first], results.parts))
    return list(chain.from_iterable(again.parts)) if isinstance(first, list) else inline(again.array())


def _write_array(publication: Publication, key: str, results: Results) -> Written:
    return write_npy(publication, key, results.array())


def _write_archive(publication: Publication, key: str, results: Results) -> Written:
    """A .npz with `rows` int64 [N], `timestamps` float64 [N] and `values` [N, …]."""
    small = {"rows": results.rows, "timestamps": np.asarray(results.seconds, np.float64)}
    return write_npz(publication, key, small, MEMBER, results.array())


def _write_lines(publication: Publication, key: str, results: Results) -> Written:
    """A JSON object on each line: row, seconds (null in a raw stream), value."""
    writer = publication.open(key, None, FORMATS[_LINES].content_type)
    places = zip(results.rows.tolist(), results.seconds, strict=True)
    for part in results.parts:
        for value in part.tolist() if isinstance(part, np.ndarray) else part:
            row, seconds = next(places)
            line = {"row": row, "seconds": None if math.isnan(seconds) else seconds, "value": value}
            try:
                writer.write(to_json(line).encode() + b"\n")
            except (ValueError, TypeError) as error:
                message = f"apply: {results.function} returned what JSON has not for row {row}: {error}"
                raise ApplyFailed(message, apply=results.function, rows=[row]) from None
    return writer.close()


MEMBER: Final = "values"
_LINES: Final[Format] = next(name for name, facts in FORMATS.items() if facts.writer == "lines")
WRITERS: Final[dict[Writer, Callable[[Publication, str, Results], Written]]] = {
    "array": _write_array,
    "archive": _write_archive,
    "lines": _write_lines,
}
