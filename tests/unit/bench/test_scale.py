"""Jobs at scale: the steps around the Map Run, what is measured and assumed, what it costs, and the page."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import pytest

from bench.scale import __main__ as command
from bench.scale import costs, grid, report
from bench.scale.assumptions import Limits, assumptions
from bench.scale.binding import Binding
from bench.scale.costs import Costs
from bench.scale.job import Outcome, Scenario, map_limits, run

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs/scale.md"
LIMITS = Limits.documented()
MANIFEST = {
    "job": "s3://bucket/results/run1/",
    "videos": 3,
    "ended": 1764000100.0,
    "timeline": [
        {
            "part": part,
            "attempts": attempts,
            "started": 1764000000.0,
            "ended": 1764000000.0 + seconds,
            "predicted_seconds": 30.0,
            "bytes_read": 1000,
            "requests": 12,
            "frames": 40,
            "pieces": 2,
        }
        for part, attempts, seconds in ((0, 1, 31.5), (1, 2, 70.0), (2, 1, 28.0))
    ],
    "results": [
        {"part": part, "output": ["s3://bucket/a"], "objects": objects}
        for part, objects in ((0, 1), (0, 20), (1, 1), (2, 1))
    ],
}


def outcome(*arguments: float, **more: bool) -> Outcome:
    return run(Scenario(*arguments, **more), Costs.read(), LIMITS)  # type: ignore[arg-type]


def test_every_limit_is_an_assumption_with_a_source() -> None:
    named = {entry.name: entry for entry in assumptions()}
    assert set(named) == {field.name for field in fields(Limits)}
    for entry in named.values():
        assert entry.kind in ("documented", "reported", "measured", "ours", "assumed")
        assert entry.source.startswith("https://") or (ROOT / entry.source).exists(), entry.source
        assert entry.says


def test_the_same_scenario_has_the_same_outcome() -> None:
    assert outcome(2000, 500, 30) == outcome(2000, 500, 30)


def test_the_waits_are_the_wall_time() -> None:
    found = outcome(3000, 1000, 10)
    assert sum(found.waits.values()) == pytest.approx(found.seconds)
    assert found.seconds > found.ideal_seconds


def test_longer_and_more_parts_take_longer() -> None:
    walls = [outcome(*numbers).seconds for numbers in ((1000, 100, 10), (1000, 100, 30), (3000, 100, 30))]
    assert walls == sorted(walls)


def test_more_parts_than_a_job_has_are_several_jobs() -> None:
    limits = replace(LIMITS, parts_of_a_job=1000)
    found = run(Scenario(2500, 1000, 10), Costs.read(), limits)
    assert found.jobs == 3
    assert found.steps["gather"] < run(Scenario(2500, 1000, 10), Costs.read(), LIMITS).steps["gather"]


def test_several_map_runs_start_children_side_by_side_up_to_the_accounts_rate() -> None:
    rates = [map_limits(Scenario(1, 10_000, 30), jobs, LIMITS).start_rate for jobs in (1, 2, 10)]
    assert rates == [100, 200, 300]
    fewer = replace(LIMITS, transition_rate=400)
    assert map_limits(Scenario(1, 10_000, 30), 10, fewer).start_rate == 200
    assert map_limits(Scenario(1, 10_000, 30, "express"), 10, LIMITS).start_rate == 6000


def test_gathering_reads_a_result_of_each_part_over_all_connections() -> None:
    found = run(Scenario(4000, 1000, 10), Costs.read(), replace(LIMITS, gathering_seconds=0))
    assert found.steps["gather"] == pytest.approx(4000 * 0.05 / LIMITS.gather_connections, rel=0.3)
    assert found.waits[Binding.GATHER] == found.steps["gather"]


def test_what_outlasts_a_hard_limit_is_told() -> None:
    slow = replace(LIMITS, request_seconds=5.0)
    assert "gather takes" in " ".join(run(Scenario(3000, 1000, 10), Costs.read(), slow).broken)
    assert "a child takes" in " ".join(run(Scenario(20, 10, 290, "express"), Costs.read(), LIMITS).broken)
    assert outcome(2000, 500, 30).broken == ()


def test_the_cost_is_that_of_the_work_by_hand() -> None:
    found = outcome(2000, 500, 30)
    compute = found.work_seconds * LIMITS.memory_mb / 1024 * 0.0000166667
    assert compute < found.cost.lambda_dollars < 1.05 * compute
    assert found.cost.step_functions_dollars == pytest.approx(2000 * 2 * 25e-6, rel=0.05)
    requests = found.map.gets * 0.4e-6 + found.map.puts * 5e-6
    assert requests < found.cost.s3_dollars < 1.1 * requests


def test_an_object_for_each_frame_is_more_writes_and_no_more_frames() -> None:
    plain, images = outcome(500, 100, 30), outcome(500, 100, 30, images=True)
    assert images.frames == plain.frames
    assert images.map.puts >= images.frames > plain.map.puts


def test_drawn_parts_are_as_long_as_is_asked() -> None:
    measured = Costs.read()
    for seconds in (10, 60):
        found = grid.Setting("", 100, "standard").of(2000, seconds)
        mean = run(found, measured, LIMITS).work_seconds / 2000
        assert 0.8 * seconds < mean < 1.5 * seconds


def test_costs_come_from_the_manifest_of_a_job() -> None:
    measured = costs.measured(MANIFEST)
    assert [(s.seconds, s.gets, s.puts, s.frames) for s in measured.samples] == [(31.5, 12, 23, 40), (28.0, 12, 2, 40)]
    assert measured.date == "2025-11-24"
    assert "run1" in measured.how
    with pytest.raises(ValueError, match="no part"):
        costs.measured({**MANIFEST, "timeline": []})


def test_measured_costs_are_kept_and_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest, file = tmp_path / "_manifest.json", tmp_path / "costs.json"
    manifest.write_text(json.dumps(MANIFEST))
    monkeypatch.setattr(command, "COSTS", file)
    assert command.main(["--measure-from", str(manifest)]) == 0
    assert Costs.read(file) == costs.measured(MANIFEST)


def test_the_page_has_what_the_simulation_says() -> None:
    page, measured = PAGE.read_text(), Costs.read()
    assert measured.how in page
    for setting in grid.SETTINGS:
        for scenario in grid.table(setting, grid.PARTS[:1]):
            assert f"| {' | '.join(report.row(run(scenario, measured, LIMITS)))} |" in page
    assert report.assumed().markdown() in page
    assert (PAGE.parent / "scale.png").read_bytes().startswith(b"\x89PNG")


def test_a_page_of_small_jobs_is_whole() -> None:
    sizes, measured = (200, 400, 800), Costs.read()
    outcomes = {scenario: run(scenario, measured, LIMITS) for scenario in grid.everything(sizes, between=())}
    page = report.markdown(outcomes, measured, LIMITS, sizes)
    assert page.count("\n| 400 |") == len(grid.SETTINGS) * len(grid.PART_SECONDS)
    assert "{" not in page


@pytest.mark.parametrize(
    ("seconds", "told"), [(0.4, "0 s"), (119, "119 s"), (150, "2 min"), (7100, "118 min"), (9000, "2.5 h")]
)
def test_times_are_told_as_a_person_does(seconds: float, told: str) -> None:
    assert report.span(seconds) == told
