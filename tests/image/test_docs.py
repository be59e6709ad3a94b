"""Events and jobs on the pages, carried out by the function in its container beside an emulated S3."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any, Final

import pytest

from local import clip as real_clip
from local.stack import Stack, docker
from tests.support.pages import Block, every_block

BUCKETS: Final = ("films", "results")
KEYS: Final = ("clip.mp4", "2024/clip.mp4")
EVENTS: Final = [block for block in every_block("json") if not block.mark]
ANSWERS: Final = [block for block in every_block("json") if block.mark == "answer"]


@pytest.fixture(scope="module")
def films(stack: Stack) -> Iterator[Stack]:
    """The stack with the buckets and videos that the pages name."""
    for bucket in BUCKETS:
        stack.s3.create_bucket(Bucket=bucket)
    for key in KEYS:
        stack.s3.put_object(Bucket="films", Key=key, Body=real_clip.fetch().read_bytes())
    yield stack
    for bucket in BUCKETS:
        for stored in stack.s3.list_objects_v2(Bucket=bucket).get("Contents", []):
            stack.s3.delete_object(Bucket=bucket, Key=stored["Key"])
        stack.s3.delete_bucket(Bucket=bucket)


@pytest.mark.parametrize("block", EVENTS, ids=str)
def test_an_event_or_a_job_of_a_page_is_carried_out(block: Block, films: Stack) -> None:
    for document in block.documents:
        if "videos" in document:
            manifest = run_job(films, document)
            assert manifest["videos"] == 1
        else:
            answer = films.invoke(document)
            assert "errorType" not in answer, (document, answer)


@pytest.mark.parametrize("block", ANSWERS, ids=str)
def test_an_answer_on_a_page_is_what_the_event_before_it_is_answered_with(block: Block, films: Stack) -> None:
    """A page may leave members out."""
    event = [each for each in EVENTS if each.page == block.page and each.line < block.line][-1].documents[-1]
    answer = films.invoke(event)
    assert block.documents == [shortened(answer, block.documents[0])]


def shortened(answer: Any, shown: Any) -> Any:
    """Return the members of the answer that are shown."""
    if isinstance(shown, dict) and isinstance(answer, dict):
        return {name: shortened(answer.get(name), value) for name, value in shown.items()}
    if isinstance(shown, list) and isinstance(answer, list):
        return [shortened(each, value) for each, value in zip(answer, shown, strict=False)]
    return answer


def run_job(stack: Stack, job: dict[str, Any]) -> dict[str, Any]:
    command = [docker(), "exec", "--interactive", stack.container("function"), "python3", "-m", "function.jobs", "-"]
    done = subprocess.run(
        [*command, "--workers", "1"], input=json.dumps(job), capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    manifest: dict[str, Any] = json.loads(done.stdout)
    return manifest
