"""Judges the finished image: a problem ends the build, and without problems the findings are the image's stamp.

python3 -m verify ROOT BASE COMPILED STAMP     ROOT is the image, BASE is its base, COMPILED lists FFmpeg's objects

docs/build.md says what is proved and what the stamp holds. The answers to CVE records are written beside the stamp.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections import Counter
from pathlib import Path
from typing import Any, get_args

import recipe
from verify import advisories, components, dynamic_linking, forbidden_files, hardening, licence, packages, size
from verify.added_files import compare
from verify.components import Libraries
from verify.elf import Elf
from verify.packages import SITE

LIBRARIES = "/opt/lib"
CORE = f"{SITE}/hwang/_core.abi3.so"
LICENSES = "/opt/share/hwang-lambda/LICENSES"
SBOM = "/opt/share/hwang-lambda/sbom.cdx.json"
ANSWERS = "vex.json"
SUMS = "files.sha256"


def judge(root: Path, base: Path, compiled: Path) -> tuple[dict[str, Any], dict[str, Any], str, list[str]]:
    """Return the stamp, the answers to CVE records, the sums of all files, and all problems."""
    switched_on, is_stand_in = recipe.options(), bool(os.environ.get("HWANG_STAND_IN"))
    addition = compare(root, base)
    elves = addition.elves
    ours = {path: elf for path, elf in elves.items() if path == CORE or path.startswith(f"{LIBRARIES}/")}
    others = {path: elf for path, elf in elves.items() if path not in ours}
    ffmpeg = Libraries.load(root / LIBRARIES[1:])
    built = advisories.Compiled.load(compiled, ffmpeg.version())
    known = advisories.load()
    verdicts = [advisories.judge(record, built) for record in known.records]
    states = Counter(verdict.state for verdict in verdicts)

    loaded, wrong = dynamic_linking.load(elves)
    wrong += dynamic_linking.too_new(elves, loaded, is_stand_in=is_stand_in)
    wrong += dynamic_linking.replaceable(ours)
    computed, disagreement = licence.of_ffmpeg(ffmpeg.licence(), ffmpeg.configuration())
    reasons = size.reasons(switched_on)
    large, unexplained = size.large(addition, reasons)
    wrong += disagreement
    wrong += hardening.problems(ours)
    wrong += hardening.exported(CORE, elves[CORE], frozenset({"PyInit__core"}))
    wrong += components.problems(ffmpeg, switched_on)
    wrong += advisories.problems(verdicts, built)
    needs = {path: elf.needed for path, elf in ours.items()}
    wrong += licence.problems(computed, ffmpeg.configuration(), needs, switched_on)
    wrong += licence.missing_texts(root / LICENSES[1:], switched_on)
    wrong += forbidden_files.problems(addition)
    wrong += packages.problems(addition) + packages.wrong_imports(addition)
    wrong += unexplained + size.too_much(addition, switched_on)
    wrong += size.idle(addition, reasons) if switched_on == recipe.DEFAULTS else []
    stamp = {
        "verified": "hwang-lambda 1",
        "architecture": platform.machine(),
        "base": "stand-in" if is_stand_in else platform.freedesktop_os_release()["PRETTY_NAME"],
        "licence": recipe.licence(switched_on),
        "redistributable": "nonfree" not in switched_on,
        "ffmpeg": {
            "version": ffmpeg.version(),
            "licence": ffmpeg.licence(),
            "configuration": ffmpeg.configuration(),
            "components": len(ffmpeg.components()),
        },
        "cve": {"as_of": str(known.as_of), "known": len(verdicts)}
        | {state: states[state] for state in get_args(advisories.State)},
        "versions": {product.product: product.version for product in recipe.shipped(switched_on)},
        "needs": dynamic_linking.highest(version for elf in elves.values() for version in elf.versions_needed),
        "libraries": _libraries(ours, others, loaded),
        "added": {"bytes": addition.bytes, "files": len(addition.files)},
        "large": large,
    }
    bill = json.loads((root / SBOM[1:]).read_text())
    return stamp, advisories.vex(known, verdicts, bill, built.version), addition.sums(), wrong


def _libraries(ours: dict[str, Elf], others: dict[str, Elf], loaded: dict[str, Path]) -> dict[str, Any]:
    """Return the stamp's part about libraries. Those of third parties, `others`, only have to load."""
    added = {str(elf.path.resolve()) for elf in (*ours.values(), *others.values())}
    return {
        "compiled_here": sorted(ours),
        "from_packages": len(others),
        "from_packages_without": {rule: len(paths) for rule, paths in hardening.lacking(others).items()},
        "of_the_base": sorted(name for name, path in loaded.items() if str(path.resolve()) not in added),
    }


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=1) + "\n"


def main(root: Path, base: Path, compiled: Path, stamp: Path) -> None:
    """Write the stamp and the answers, or end with all problems."""
    found, answers, sums, wrong = judge(root, base, compiled)
    if wrong:
        sys.exit("\n".join(["verify: the image is not what it should be:", *(f"  {problem}" for problem in wrong)]))
    for name, text in ((stamp.name, _text(found)), (ANSWERS, _text(answers)), (SUMS, sums)):
        file = stamp.with_name(name)
        file.write_text(text)
        file.chmod(0o644)
    added = found["added"]
    print(f"verify: {added['files']} files, {added['bytes']:,} bytes added, FFmpeg {found['ffmpeg']['version']}")
    print(f"verify: {found['licence']}, needs {', '.join(found['needs'].values())}")


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    main(*map(Path, sys.argv[1:]))
