"""Compares the CPU that two images' libraries need for the same frames: what another compiler makes of them.

python -m local.measure_libraries IMAGE OTHER [ROUNDS]

Both sets of libraries run below the Python of IMAGE, in turns, on one thread; the least user time of all rounds counts.
docs/decisions/compiler.md has what came of it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import imageio_ffmpeg

from local import clip
from local.stack import docker

CLIPS = {
    "h264.mp4": ["libx264"],
    "h264-444.mp4": ["libx264", "-pix_fmt", "yuv444p"],
    "h264-10bit.mp4": ["libx264", "-pix_fmt", "yuv420p10le"],
    "hevc.mp4": ["libx265", "-preset", "fast"],
    "hevc-10bit.mp4": ["libx265", "-preset", "fast", "-pix_fmt", "yuv420p10le"],
    "vp9.webm": ["libvpx-vp9", "-cpu-used", "5", "-b:v", "2M"],
    "av1.mp4": ["libsvtav1", "-preset", "9"],
    "prores.mov": ["prores_ks"],
    "ffv1.mkv": ["ffv1", "-level", "3"],
    "mpeg2.ts": ["mpeg2video", "-b:v", "6M", "-bf", "2"],
    "mpeg4.avi": ["mpeg4", "-b:v", "4M"],
    "mjpeg.mov": ["mjpeg", "-q:v", "4"],
}
DECODE = """
import hwang, json, pathlib, resource
found = {}
for path in sorted(pathlib.Path("/clips").iterdir()):
    decoder = hwang.Decoder(path, threads=1)
    for name, options in ("gray8", {"pixel_format": "gray8"}), ("rgb24", {}), ("small", {"max_side": 256}):
        times = []
        for _ in range(5):
            before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
            decoder.frames(range(40), **options)
            times.append(resource.getrusage(resource.RUSAGE_SELF).ru_utime - before)
        found[f"{path.name} {name}"] = min(times)
print(json.dumps(found))
"""


def make_clips(folder: Path) -> None:
    for name, coding in CLIPS.items():
        encode = [
            imageio_ffmpeg.get_ffmpeg_exe(),
            "-loglevel",
            "error",
            "-i",
            str(clip.fetch()),
            "-an",
            "-frames:v",
            "40",
        ]
        subprocess.run([*encode, "-c:v", *coding, str(folder / name)], check=True, capture_output=True)


def copy_libraries(image: str, folder: Path) -> Path:
    container = subprocess.run([docker(), "create", image], capture_output=True, text=True, check=True).stdout.strip()
    try:
        subprocess.run([docker(), "cp", f"{container}:/opt/lib", str(folder)], check=True, capture_output=True)
    finally:
        subprocess.run([docker(), "rm", container], check=True, capture_output=True)
    return folder


def main(image: str, other: str, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        clips = Path(scratch) / "clips"
        clips.mkdir()
        make_clips(clips)
        libraries = [copy_libraries(name, Path(scratch) / f"{number}") for number, name in enumerate((image, other))]
        times: dict[str, tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
        for _ in range(rounds):
            for number, folder in enumerate(libraries):
                mounts = [
                    "--volume",
                    f"{folder}:/opt/lib:ro",
                    "--volume",
                    f"{clips}:/clips:ro",
                    "--entrypoint",
                    "python3",
                ]
                command = [docker(), "run", "--rm", "--network", "none", *mounts, image, "-c", DECODE]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                for name, seconds in json.loads(done.stdout).items():
                    times[name][number].append(seconds)
        for name, (one, two) in times.items():
            print(f"{name:24} {min(one):7.3f} s {min(two):7.3f} s  {min(two) / min(one):5.2f}")


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) == 4 else 5)
