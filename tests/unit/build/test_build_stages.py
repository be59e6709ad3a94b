"""The recipes: facts that are complete and written once."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

import recipe
from maintain import upstream

ROOT = Path(__file__).resolve().parents[3]
STAGES = ROOT / "build_stages"
PRODUCTS = list(recipe.products())


@pytest.mark.parametrize("product", PRODUCTS)
def test_every_source_is_pinned(product: str) -> None:
    facts = recipe.load(product)
    assert facts.version
    assert facts.licence
    assert facts.archives
    for archive in facts.archives:
        assert re.fullmatch(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}|git-tree:[0-9a-f]{40}", archive.digest)
        assert all(url.startswith("https://") for url in archive.urls)


@pytest.mark.parametrize("product", PRODUCTS)
def test_every_pin_has_a_place_where_newer_versions_are_listed(product: str) -> None:
    facts = recipe.facts(product)
    if "of" not in facts:
        rule = upstream.Rule(**facts["upstream"])
        assert rule.place.startswith("https://")
        assert bool(rule.entry) + bool(rule.tag) + bool(rule.branch) == 1
        assert rule.branch or rule.admits(facts["version"])


def test_ffmpeg_has_the_fixes_of_its_series() -> None:
    """Whether what is compiled has open CVE records is the judge's to compute: test_advisories.py."""
    assert re.fullmatch(r"9\.0\.(?:[2-9]|\d\d)", recipe.load("ffmpeg").version)


def test_the_shipped_ffmpeg_has_no_way_to_files_or_networks() -> None:
    arguments = recipe.load("ffmpeg").configure
    assert {"--disable-everything", "--disable-network", "--disable-avdevice", "--disable-autodetect"} <= set(arguments)
    assert not [argument for argument in arguments if "protocol" in argument or "nonfree" in argument]


def test_the_oracle_is_built_of_the_shipped_sources_and_components() -> None:
    shipped, oracle = recipe.load("ffmpeg"), recipe.load("oracle")
    assert oracle.archives == shipped.archives
    assert set(shipped.configure) < set(oracle.configure)


def test_versions_and_hashes_stand_in_the_recipes_alone() -> None:
    texts = {path: path.read_text() for path in [ROOT / "Dockerfile", *STAGES.rglob("build.sh"), *STAGES.glob("*.sh")]}
    for product in PRODUCTS:
        facts = recipe.load(product)
        for needle in {facts.version, *(archive.digest.partition(":")[2] for archive in facts.archives)}:
            assert not [path.name for path, text in texts.items() if needle in text], f"{product}: {needle}"


def test_the_dockerfile_needs_no_frontend_and_defaults_to_lambdas_base() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert "# syntax" not in text
    base = r"^ARG LAMBDA_BASE=public\.ecr\.aws/lambda/python:3\.13(?:@sha256:[0-9a-f]{64})?$"
    assert re.search(base, text, re.MULTILINE)
    stages = re.findall(r"^FROM .* AS (\S+)$", text, re.MULTILINE)
    assert stages[-1] == "function"
    assert {"test", "bundle", "layer", "wheel"} <= set(stages)


def test_no_image_ships_without_the_judges_stamp() -> None:
    stages = re.split(r"\n(?=FROM )", (ROOT / "Dockerfile").read_text())
    bases = {found[2]: (found[1], text) for text in stages if (found := re.match(r"FROM (\S+) AS (\S+)", text))}
    assert "COPY --link --from=stamp /stamp /" in bases["image"][1]
    beside = "COPY --from=verified /opt/share/hwang-lambda/verified.json /opt/share/hwang-lambda/vex.json"
    assert beside in bases["stamp"][1]
    assert bases["function"][0] == bases["test"][0] == "image"
    judged, tree = bases["verified"][1], bases["tree"][1]
    assert bases["verified"][0] == "tree"
    assert "python3 -B -m verify / /base /compiled /opt/share/hwang-lambda/verified.json" in judged
    assert "--mount=type=bind,from=compiled,source=/,target=/compiled" in judged
    assert "\nRUN" not in tree  # nothing is made there, it is only laid out
    after = bases["image"][1].replace("COPY --link --from=stamp", "")
    assert not re.search(r"^(COPY|ADD|RUN)", after, re.MULTILINE)


def test_a_new_advisory_does_not_compile_ffmpeg_again() -> None:
    """A stage that mounts a folder is built again for any file in it."""
    (stage,) = re.findall(
        r"^FROM compiler AS ffmpeg\n(.*?)\n\n", (ROOT / "Dockerfile").read_text(), re.MULTILINE | re.DOTALL
    )
    mounts = re.findall(r"source=(build_stages/\S+?),", stage)
    assert mounts == ["build_stages/ffmpeg/source.toml", "build_stages/ffmpeg/build.sh"]


@pytest.mark.parametrize(
    "script",
    [
        *(p.relative_to(STAGES) for p in STAGES.glob("*/build.sh") if p.parent.name not in {"rehearsal", "standin"}),
        Path("add-ons.sh build"),
        Path("hwang/sanitized.sh"),
        Path("function/finish.sh"),
    ],
)
def test_compilation_has_no_network(script: Path) -> None:
    instructions = re.split(r"\n(?=[A-Z]+ )", (ROOT / "Dockerfile").read_text())
    runs = [text for text in instructions if text.startswith("RUN") and f"{script}" in text]
    assert runs
    assert all("--network=none" in text for text in runs)


def test_locks_hold_what_is_declared() -> None:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    for group, declared in groups.items():
        lock = (ROOT / f"requirements/{group}.txt").read_text()
        locked = {name.lower() for name in re.findall(r"^([A-Za-z0-9._-]+)==", lock, re.MULTILINE)}
        assert {re.split(r"[=<>\[]", name)[0] for name in declared} <= locked, group


@pytest.mark.parametrize(
    "script", [p.relative_to(ROOT) for p in sorted([*ROOT.glob("local/*.sh"), *STAGES.rglob("*.sh")])]
)
def test_shell_scripts_parse_and_stop_at_errors(script: Path) -> None:
    subprocess.run(["bash", "-n", ROOT / script], check=True)
    text = (ROOT / script).read_text()
    own_options = re.search(r"^set -e?uo pipefail$", text, re.MULTILINE)
    assert own_options or "lib.sh" in text or text.startswith("#!/bin/sh") or script.name in ("within.sh", "lib.sh")
