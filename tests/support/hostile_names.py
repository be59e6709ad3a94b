"""Names that objects in S3 may have, and that a page must show as nothing but names."""

from __future__ import annotations

from typing import Final

HOSTILE_NAMES: Final = (
    "s3://footage/<script>alert(1)</script>.mp4",
    's3://footage/"><img src=https://evil.example/x.png onerror=alert(1)>.mp4',
    "s3://footage/'onmouseover='alert(1)'.mp4",
    "s3://footage/</title></style><style>*{display:none}</style>.mp4",
    "s3://footage/]]><!--.mp4",
    "s3://footage/{{ 7 * 7 }}{% raw %}.mp4",
    "s3://footage/&lt;b&gt;&amp;.mp4",
    "s3://footage/\N{RIGHT-TO-LEFT OVERRIDE}4pm.exe.mp4",
    "s3://footage/סרט-ראשון.mp4",
    "s3://footage/line\nbreak\r\ttab\0nul.mp4",
    "s3://footage/👩‍🚀 emoji 🎬.mp4",
    "s3://footage/" + "long" * 250 + ".mp4",
    "s3://footage/" + "ﷺ" * 300 + ".mp4",
    "s3://footage/lone \ud800 surrogate.mp4",
    "s3://footage/",
    "https://user:secret@host.example/clip.mp4?X-Amz-Signature=secret#secret",
    "javascript:alert(1)",
    "",
)
