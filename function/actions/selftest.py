"""The selftest action: decodes some pictures of a small clip and compares their brightness. Needs no video."""

from __future__ import annotations

import base64
from typing import Any, Final

from function.errors import Internal
from function.models.event import SelfTest
from function.models.result import SelfTestResult, as_json
from function.session import Session
from hwang import Decoder

# H.264 as hwang.Mp4Writer encodes it, without the file around it: 12 pictures of 16x16 pixels, each predicted from the
# one before. All pixels of row n are gray, of the brightness 20 + 17 n.
_CLIP: Final = base64.b64decode(
    "AAAAAWdkAAqs2V7ARAAAAwAEAAADAMo8SJZYAAAAAWjvgZ8sAAAAAWWIhAH/7P/CVf/Y9kSH1f/xAAAAAUGaIRi/4pf/CVf9Z/4HzE+p//gAAAAB"
    "QZpCGL/il/8JV/1n/gfLTN//4QAAAAFBmmMYv+KX/wlX/Wf+B8mm///gAAAAAUGahBi/4pf/CVf9Z/4Hx2Tf/4EAAAABQZqlGL/il/8JV/1n/gfA"
    "vb//gQAAAAFBmsYYv+KX/wlX/Wf+B3Yn/+EAAAABQZrnGL/il/8JV/1n/gepbP/5AAAAAUGbCBi/4pf/CVf9Z/4Hwqnv/4AAAAABQZspGL/il/8J"
    "V/1n/gfIeEP/4AAAAAFBm0oYv+KX/wlX/Wf+B8oiC//hAAAAAUGbaxi/4pf/CVf9Z/4Hy8fr/+A="
)
_ROWS: Final = (7, 0, 11, 2, 7)


def selftest(_: SelfTest, session: Session) -> dict[str, Any]:
    """Run the self-test. Raises Internal if a picture is not that of its row."""
    with Decoder(_CLIP) as decoder:
        found = decoder.frames(_ROWS, pixel_format="yuv420p")
        stats = decoder.stats
    for row, picture in zip(_ROWS, found.y, strict=True):
        if not (picture == 20 + 17 * row).all():
            raise Internal(f"the decoder is wrong: row {row} is not the picture it should be", row=row)
    result = SelfTestResult(frames_checked=len(_ROWS), samples_decoded=stats.samples_decoded)
    return as_json(result) | {"milliseconds": session.clock.milliseconds()}
