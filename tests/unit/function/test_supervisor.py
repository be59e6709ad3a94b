"""Real worker processes that work, fail, die, hang and linger; the supervisor answers in time and goes on."""

from __future__ import annotations

import json
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from function.errors import BadRequest, DeadlineExceeded, OutputUnavailable, WorkerCrashed
from function.runtime import supervisor
from function.runtime.supervisor import Supervisor

LONG = 100.0
_SLOW = "slow"
known: dict[str, list[dict[str, Any]]] = {}  # in a worker: what it was told of the objects that others left


def known_keys() -> list[str]:
    return [one["entry"]["key"] for entries in known.values() for one in entries]


def work(connection: Connection, memory: int | None, loads: bool) -> None:  # noqa: ARG001
    """Does what the event says."""
    with suppress(EOFError):
        while True:
            message = json.loads(connection.recv_bytes())
            match message.get("event"):
                case {"die_unseen_once": marker} if not Path(marker).exists():
                    Path(marker).touch()
                    os._exit(1)
            connection.send_bytes(json.dumps({"beat": {}}).encode())
            for told in _does(message, memory):
                connection.send_bytes(json.dumps(told).encode())


def _does(message: dict[str, Any], memory: int | None) -> Iterator[dict[str, Any]]:
    known.update(message.get("leftovers", {}))
    if "event" not in message:
        time.sleep(max(0.0, message["until"] - time.monotonic()) if _SLOW in known_keys() else 0)
        left = {run: len(entries) for run, entries in known.items() if _SLOW in known_keys()}
        yield {"left": left, "undone": [run for run in known if run not in left]}
        return
    match message["event"]:
        case "who" | {"die_unseen_once": _}:
            yield {"beat": {"done": 7}}
            yield {"result": {"pid": os.getpid(), "memory": memory, "run": message["run"]}}
        case "known":
            yield {"result": {"known": known_keys()}, "undone": list(known)}
        case {"leave": key}:
            error = {"code": "DeadlineExceeded", "message": "late", "detail": {"objects_left": 1}, "retryable": True}
            yield {"error": error, "left": [{"entry": {"key": key}}]}
        case "files":
            links = [link for link in Path("/proc/self/fd").iterdir() if link.exists()]
            yield {"result": {"open": [str(link.readlink()) for link in links]}}
        case "refuse":
            yield {"error": {"code": "BadRequest", "message": "no", "detail": {"a": 1}, "retryable": False}}
        case {"begin": file, "then": signal_number}:
            for bucket in ("films", "more") if file == "in_both" else ("films",):
                yield {"journal": {"entry": {"bucket": bucket, "key": file}}}
                yield {"journal": {"entry": {"bucket": bucket, "key": file, "version_id": "v1"}}}
            os.kill(os.getpid(), signal_number)
        case {"apply": name, "then": then}:
            yield {"beat": {"apply": name, "rows": [0, 1]}}
            yield from _does({"event": then}, memory)
        case {"hold": seconds}:
            time.sleep(seconds)
            yield {"result": {"held": seconds}}
        case {"die": signal_number}:
            os.kill(os.getpid(), signal_number)
        case {"exit": status}:
            os._exit(status)
        case "leave":
            error = {"code": "OutputUnavailable", "message": "stuck", "detail": {}, "retryable": True}
            yield {"error": error, "gone": True}
            os._exit(0)
        case "linger":
            while True:
                yield {"beat": {"done": 7}}
                time.sleep(0.01)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Supervisor]:
    monkeypatch.setattr(supervisor, "_POLL_SECONDS", 0.25)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    running = Supervisor(work, 512 << 20)
    running.start()
    yield running
    running.stop()


def test_requests_are_done_by_one_process_that_is_not_this_one(watched: Supervisor) -> None:
    first, second = watched.run("who", LONG), watched.run("who", LONG)
    assert first["pid"] == second["pid"] != os.getpid()
    assert first["run"] != second["run"]
    assert 400 << 20 < first["memory"] < 512 << 20


def test_a_worker_has_no_file_of_this_process(watched: Supervisor, tmp_path: Path) -> None:
    with (tmp_path / "secret").open("w"):
        watched.stop()
        watched.start()
        assert not any("secret" in name for name in watched.run("files", LONG)["open"])


def test_an_error_comes_as_it_was_raised(watched: Supervisor) -> None:
    with pytest.raises(BadRequest, match="no") as caught:
        watched.run("refuse", LONG)
    assert (caught.value.detail, caught.value.retryable) == ({"a": 1}, False)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGTERM])
def test_a_worker_that_is_killed_is_replaced(number: signal.Signals, watched: Supervisor) -> None:
    before = watched.run("who", LONG)["pid"]
    with pytest.raises(WorkerCrashed, match=number.name):
        watched.run({"die": number}, LONG)
    assert watched.run("who", LONG)["pid"] != before


def test_a_worker_that_ends_is_replaced(watched: Supervisor) -> None:
    with pytest.raises(WorkerCrashed, match="status 3"):
        watched.run({"exit": 3}, LONG)
    assert watched.run("who", LONG)


def test_a_worker_that_gives_up_says_why_and_is_replaced(watched: Supervisor) -> None:
    before = watched.run("who", LONG)["pid"]
    with pytest.raises(OutputUnavailable, match="stuck"):
        watched.run("leave", LONG)
    assert watched.run("who", LONG)["pid"] != before


def test_a_worker_that_has_died_between_requests_costs_none(watched: Supervisor) -> None:
    pid = watched.run("who", LONG)["pid"]
    os.kill(pid, signal.SIGKILL)
    time.sleep(0.05)
    assert watched.run("who", LONG)["pid"] != pid


def test_a_request_that_a_dying_worker_never_saw_is_done_by_the_next(watched: Supervisor, tmp_path: Path) -> None:
    before = watched.run("who", LONG)["pid"]
    marker = tmp_path / "died"
    assert watched.run({"die_unseen_once": str(marker)}, LONG)["pid"] != before
    assert marker.exists()


def test_a_worker_that_is_stopped_is_replaced_long_before_the_time_is_up(watched: Supervisor) -> None:
    pid = watched.run("who", LONG)["pid"]
    os.kill(pid, signal.SIGSTOP)
    start = time.monotonic()
    with pytest.raises(WorkerCrashed, match="did not answer"):
        watched.run("x" * 4_000_000, LONG)  # more than a pipe holds
    assert time.monotonic() - start < 5
    assert watched.run("who", LONG)["pid"] != pid


def test_a_worker_that_does_not_stop_in_time_is_ended(watched: Supervisor) -> None:
    start = time.monotonic()
    with pytest.raises(DeadlineExceeded) as caught:
        watched.run("linger", 2.0)
    assert caught.value.detail == {"done": 7}
    assert time.monotonic() - start < 2 - supervisor.ANSWER_SECONDS
    assert watched.run("who", LONG)


def test_what_a_dead_worker_began_is_taken_back_by_the_next(watched: Supervisor) -> None:
    with pytest.raises(WorkerCrashed) as caught:
        watched.run({"begin": "part1.npy", "then": signal.SIGKILL}, LONG)
    assert "objects_left" not in caught.value.detail
    assert watched.run("known", LONG) == {"known": ["part1.npy"]}
    os.kill(watched.run("who", LONG)["pid"], signal.SIGKILL)
    time.sleep(0.05)
    assert watched.run("known", LONG) == {"known": []}  # the next has nothing more to do


def test_equal_keys_of_two_buckets_are_two_objects(watched: Supervisor) -> None:
    with pytest.raises(WorkerCrashed):
        watched.run({"begin": "in_both", "then": signal.SIGKILL}, LONG)
    assert watched.run("known", LONG) == {"known": ["in_both", "in_both"]}


def test_what_is_not_taken_back_in_time_is_told_and_left_to_the_next_workers(watched: Supervisor) -> None:
    start = time.monotonic()
    with pytest.raises(WorkerCrashed) as caught:
        watched.run({"begin": _SLOW, "then": signal.SIGKILL}, 2.0)
    assert time.monotonic() - start < 2 - supervisor.ANSWER_SECONDS
    assert caught.value.detail["objects_left"] == 1
    pid = watched.run("who", LONG)["pid"]
    os.kill(pid, signal.SIGKILL)
    time.sleep(0.05)
    start = time.monotonic()
    assert watched.run("known", LONG) == {"known": [_SLOW]}
    assert time.monotonic() - start < 0.5  # the request does not wait for it
    watched.stop()
    watched.start()
    assert watched.run("known", LONG) == {"known": []}


def test_what_a_living_worker_leaves_is_told_to_the_next_only_if_it_dies(watched: Supervisor) -> None:
    with pytest.raises(DeadlineExceeded) as caught:
        watched.run({"leave": "x"}, LONG)
    assert caught.value.detail == {"objects_left": 1}
    assert watched.run("known", LONG) == {"known": []}
    watched.stop()
    watched.start()
    assert watched.run("known", LONG) == {"known": ["x"]}


def test_temporary_files_of_a_dead_worker_go(watched: Supervisor, tmp_path: Path) -> None:
    (tmp_path / "hwang-left").mkdir()
    (tmp_path / "other").mkdir()
    with pytest.raises(WorkerCrashed):
        watched.run({"die": signal.SIGKILL}, LONG)
    assert {path.name for path in tmp_path.iterdir()} == {"other"}


def test_nothing_is_left_of_a_worker_that_is_stopped(watched: Supervisor) -> None:
    pid = watched.run("who", LONG)["pid"]
    watched.stop()
    assert not Path(f"/proc/{pid}").exists()


# Own code, which may take its time, and may end the process.


@pytest.mark.parametrize(
    ("end", "said"), [({"die": signal.SIGSEGV}, "SIGSEGV in embed"), ({"exit": 3}, "status 3 in embed")]
)
def test_what_own_code_ends_names_it_and_its_rows(watched: Supervisor, end: dict[str, Any], said: str) -> None:
    with pytest.raises(WorkerCrashed, match=said) as caught:
        watched.run({"apply": "embed", "then": end}, LONG)
    assert caught.value.detail.items() >= {"apply": "embed", "rows": [0, 1]}.items()
    assert watched.run("who", LONG)


def test_own_code_may_hold_the_process_until_the_deadline(watched: Supervisor) -> None:
    """Without a sign of life: a loop in C, or a long import."""
    start = time.monotonic()
    assert watched.run({"apply": "embed", "then": {"hold": 2.5}}, LONG) == {"held": 2.5}
    assert time.monotonic() - start > 2
    with pytest.raises(DeadlineExceeded) as caught:
        watched.run({"apply": "embed", "then": {"hold": 60}}, 3.0)
    assert caught.value.detail["apply"] == "embed"
    assert watched.run("who", LONG)


@pytest.fixture
def loading(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Supervisor]:
    monkeypatch.setattr(supervisor, "_POLL_SECONDS", 0.25)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("LOADING", str(tmp_path / "loading"))
    running = Supervisor(loads_and_works, loads=True)
    yield running
    running.stop()


def loads_and_works(connection: Connection, memory: int | None, loads: bool) -> None:
    """Loads as the file LOADING says: seconds, or `die`."""
    if loads:
        how = Path(os.environ["LOADING"]).read_text()
        if how == "die":
            os.kill(os.getpid(), signal.SIGSEGV)
        time.sleep(float(how))
        connection.send_bytes(json.dumps({"loaded": True}).encode())
    work(connection, memory, loads)


def test_loading_belongs_to_the_start(loading: Supervisor, tmp_path: Path) -> None:
    (tmp_path / "loading").write_text("0.5")
    start = time.monotonic()
    loading.start()
    loading.wait_until_loaded(LONG)
    assert time.monotonic() - start > 0.4
    start = time.monotonic()
    assert loading.run("who", LONG)
    assert time.monotonic() - start < 0.4


def test_a_request_waits_for_what_loads_longer_than_a_start_may_take(loading: Supervisor, tmp_path: Path) -> None:
    (tmp_path / "loading").write_text("2.5")
    loading.start()
    loading.wait_until_loaded(0.1)
    assert loading.run("who", LONG)


def test_code_that_cannot_be_loaded_harms_no_other_request(loading: Supervisor, tmp_path: Path) -> None:
    (tmp_path / "loading").write_text("die")
    loading.start()
    loading.wait_until_loaded(LONG)
    assert loading.run("who", LONG)
    with pytest.raises(WorkerCrashed):
        loading.run({"die": signal.SIGSEGV}, LONG)
    assert loading.run("who", LONG)
