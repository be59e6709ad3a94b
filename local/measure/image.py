"""The image: what it adds to the base, how soon a new container answers, and a warm request beside ffmpeg."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from local import clip, demo
from local.collection import RECIPES
from local.measure import IMAGE, Number
from local.stack import ROOT, Stack, docker, emulated, first_answer, output, run_python

ROUNDS = 15
STARTS = 10
# What ffmpeg takes for the same frames without doing anything with them, timed where it runs.
NULL_DECODE = f"""
import subprocess, time
start = time.perf_counter()
subprocess.run("ffmpeg -v error -nostdin -i /clips/{clip.NAME} -map 0:v -frames:v 100 -f null -".split(), check=True)
print(time.perf_counter() - start)
"""
SIZES = """
import json, pathlib, sysconfig
def size(*paths):
    return sum(file.stat().st_size for path in paths for file in [path, *path.rglob("*")] if file.is_file())
parts = {file.name: size(file) for file in sorted(pathlib.Path("/opt/lib").iterdir())}
parts |= {"hwang (extension)": size(*pathlib.Path(sysconfig.get_path("purelib"), "hwang").glob("_core*.so"))}
added = json.loads(pathlib.Path("/opt/share/hwang-lambda/verified.json").read_text())["added"]["bytes"]
print(json.dumps({"compiled": parts, "packages": added - sum(parts.values())}))
"""
# Own code that returns at once, and a reduction that does little, over the same small frames in turn.
APPLY = """
import json, os, statistics, sys, time
with open("/tmp/own.py", "w") as file:
    file.write("import numpy\\ndef nothing(frames, rows, seconds): return numpy.zeros(len(rows))\\n")
sys.path.insert(0, "/tmp")
os.environ["HWANG_APPLY"] = "nothing=own:nothing"
from function import s3
from function.runtime import dispatch
from function.session import Session

def seconds(**more):
    event = {"video": sys.argv[1], "frames": "all", "size": {"max_side": 224}, "format": "inline", **more}
    start = time.perf_counter()
    dispatch.run(event, Session(s3.late_client(), local_files=True))
    return time.perf_counter() - start

taken = [(seconds(apply="nothing"), seconds(reduce="min")) for _ in range(21)]
print(json.dumps([statistics.median(one) for one in zip(*taken)]))
"""
# CPU time of several results in one request, by that of the most expensive one alone; S3 is in memory.
OUTPUTS = """
import json, resource, sys
sys.path.append("/tree")
from function.runtime import dispatch
from function.session import Session
from tests.support.fakes3 import FakeS3

def seconds(frames, **form):
    before = resource.getrusage(resource.RUSAGE_SELF)
    dispatch.run({"video": "/video.mp4", "frames": frames, **form}, Session(FakeS3(), local_files=True))
    after = resource.getrusage(resource.RUSAGE_SELF)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

outputs = [{"output": f"s3://out/{side}/", "size": {"max_side": side}} for side in (640, 320, 160)]
outputs.append({"output": "s3://out/sheet.jpg"})
requests = [*outputs, {"outputs": outputs}]
ratios = []
for frames in json.loads(sys.argv[1]):
    *alone, together = (min(times) for times in zip(*([seconds(frames, **one) for one in requests] for _ in range(7))))
    ratios.append(together / max(alone))
print(json.dumps(ratios))
"""
EMPTY = "def handler(event, context):\n    return {}\n"
IMPORT = """
import json, statistics, subprocess, sys, time
seconds = []
for _ in range(15):
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import function.handler, os; os._exit(0)"], check=True)
    seconds.append(time.perf_counter() - start)
print(json.dumps(statistics.median(seconds)))
"""


def measure() -> Iterator[Number]:
    """Sizes, a warm request, and starts."""
    yield from _sizes()
    yield from _warm()
    yield from _starts()
    yield _apply()
    yield from _outputs()


def _sizes() -> Iterator[Number]:
    found = json.loads(run_python(IMAGE, SIZES))
    compiled, packages = sum(found["compiled"].values()), found["packages"]
    yield Number("image: added to Lambda's base, uncompressed", (compiled + packages) / 1e6, "MB", 150)
    what = "image: compiled by us, stripped (FFmpeg, x264, dav1d, hwang)"
    yield Number(what, compiled / 1e6, "MB", 16, guarded=True)


def _warm() -> Iterator[Number]:
    """The demo's request and ffmpeg's decode of the same frames in turn, each in its container with Lambda's limits."""
    stack = Stack("hwang-demo")
    stack.up()
    demo.upload(stack)
    limits = ["--read-only", "--tmpfs", "/tmp", "--memory", "3008m", "--user", "993:990"]  # noqa: S108 - Lambda's own
    mount = ["--volume", f"{clip.fetch()}:/clips/{clip.NAME}:ro", "--entrypoint", "sleep"]
    container = output(docker(), "run", "--rm", "--detach", *limits, *mount, "hwang-lambda:test", "600")
    ours, theirs = [], []
    try:
        stack.ask(demo.SUM)
        for _ in range(ROUNDS):
            ours.append(stack.ask(demo.SUM)[1])
            theirs.append(float(output(docker(), "exec", container, "python3", "-c", NULL_DECODE)))
    finally:
        output(docker(), "rm", "--force", container)
    mine, reference = statistics.median(ours), statistics.median(theirs)
    yield Number("warm request: the sum of 100 frames of 1280x720 in S3", mine * 1000, "ms")
    yield Number("… ÷ the time of `ffmpeg -f null` for the same frames of a local file", mine / reference, "x", 1.5)


def _starts() -> Iterator[Number]:
    """Measure the time to a new container's answer, beside an empty handler on the same base, and Python's part."""
    with tempfile.TemporaryDirectory() as folder:
        empty = Path(folder) / "empty.py"
        empty.write_text(EMPTY)
        nothing = ["--volume", f"{empty}:/var/task/empty.py:ro", IMAGE, "empty.handler"]
        ours, theirs = [], []
        for _ in range(STARTS):
            ours.append(_first_answer({"action": "selftest"}, IMAGE))
            theirs.append(_first_answer({}, *nothing))
    mine = statistics.median(ours)
    yield Number("cold start: `docker run` to the first answer", mine * 1000, "ms")
    what = "… ÷ that of an empty handler in the same image"
    yield Number(what, mine / statistics.median(theirs), "x", 2)
    imported = float(run_python(IMAGE, IMPORT, options=("--env", "AWS_REGION=us-east-1")))
    yield Number("start of Python and import of the handler", imported * 1000, "ms", 250, guarded=True)


def _apply() -> Number:
    """Measure the cost of own code that does nothing."""
    mount = ("--volume", f"{clip.fetch()}:/{clip.NAME}:ro", "--env", "AWS_REGION=us-east-1")
    own, reduction = json.loads(run_python(IMAGE, APPLY, f"/{clip.NAME}", options=mount))
    what = "`apply` of an empty function ÷ the time of `reduce: min`"
    return Number(what, own / reduction, "x", 1.03, guarded=True)


def _outputs() -> Iterator[Number]:
    """Measure the cost of three sizes and a sheet of one decode."""
    video = next(one for one in RECIPES if one.size == (1920, 1080) and one.gop == 48).make()
    mount = ("--volume", f"{video}:/video.mp4:ro", "--volume", f"{ROOT}:/tree:ro", "--env", "AWS_REGION=us-east-1")
    kinds = {"a frame a second": {"every_seconds": 1}, "key frames": {"keyframes": True}, "every frame": "0:120"}
    ratios = json.loads(run_python(IMAGE, OUTPUTS, json.dumps([*kinds.values()]), options=mount))
    for name, ratio in zip(kinds, ratios, strict=True):
        what = f"640, 320, 160 px and a sheet of 1080p H.264, {name}: CPU time ÷ that of the most expensive one alone"
        yield Number(what, ratio, "x", 1.2 if name == "a frame a second" else None)  # of others little is decoding


def _first_answer(event: dict[str, str], *image: str) -> float:
    """Seconds from `docker run` to the answer. Raises StackError if it is an error, or none comes."""
    limits = ["--read-only", "--tmpfs", "/tmp", "--memory", "1769m", "--env", "AWS_REGION=us-east-1"]  # noqa: S108
    start = time.perf_counter()
    with emulated(*limits, *image) as url:
        first_answer(url, event)
        return time.perf_counter() - start
