"""The licence and the components of FFmpeg: computed, declared, and told apart where they differ."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

import licences
import recipe
from verify import components, licence, size

ROOT = Path(__file__).resolve().parents[3]
STAGES = ROOT / "build_stages"
X264, NOTHING, NONFREE = frozenset({"x264"}), frozenset[str](), frozenset({"x264", "nonfree"})
NEEDED = {
    "/opt/lib/libavcodec.so.63": ["libavutil.so.61", "libx264.so.164", "libdav1d.so.7", "libc.so.6"],
    "/opt/lib/libavutil.so.61": ["libc.so.6"],
    "/opt/lib/libx264.so.164": [],
    "/opt/lib/libdav1d.so.7": [],
}
DOCKERFILE = (ROOT / "Dockerfile").read_text()
ARGUMENTS = [
    {"WITH_X264": x264, "NONFREE": nonfree, "ADD_ONS": " ".join(names)}
    for x264, nonfree in itertools.product("01", repeat=2)
    for count in range(len(recipe.add_ons()) + 1)
    for names in itertools.combinations(recipe.add_ons(), count)
]
REFUSED = [
    arguments
    for arguments in ARGUMENTS
    if ("fdk-aac" in arguments["ADD_ONS"] and arguments["NONFREE"] == "0")
    or ("xvid" in arguments["ADD_ONS"] and arguments["WITH_X264"] == "0")
]
EVERY_COMBINATION = [recipe.options(arguments) for arguments in ARGUMENTS if arguments not in REFUSED]
WITHOUT_X264 = {
    path: [name for name in names if "x264" not in name] for path, names in NEEDED.items() if "x264" not in path
}


@pytest.mark.parametrize(
    ("flags", "said", "computed"),
    [
        ([], "LGPL version 2.1 or later", "LGPL-2.1-or-later"),
        (["--enable-version3"], "LGPL version 3 or later", "LGPL-3.0-or-later"),
        (["--enable-gpl"], "GPL version 2 or later", "GPL-2.0-or-later"),
        (["--enable-gpl", "--enable-version3"], "GPL version 3 or later", "GPL-3.0-or-later"),
        (["--enable-gpl", "--enable-nonfree"], "nonfree and unredistributable", "LicenseRef-FFmpeg-nonfree"),
    ],
)
def test_the_licence_is_of_the_configuration(flags: list[str], said: str, computed: str) -> None:
    assert licence.of_ffmpeg(said, ["--disable-everything", *flags]) == (computed, [])


def test_libraries_that_say_another_licence_than_their_configuration_are_a_problem() -> None:
    _, problems = licence.of_ffmpeg("LGPL version 2.1 or later", ["--enable-gpl"])
    assert problems == [
        "FFmpeg calls itself under 'LGPL version 2.1 or later'; configured as it is it is under GPL-2.0-or-later"
    ]


def test_what_is_linked_is_told_without_ffmpegs_own_and_the_bases() -> None:
    assert licence.linked(NEEDED) == ["dav1d", "x264"]
    assert licence.linked(WITHOUT_X264) == ["dav1d"]


def problems(ffmpeg: str, needed: dict[str, list[str]], switched_on: frozenset[str]) -> list[str]:
    return licence.problems(ffmpeg, recipe.load("ffmpeg", switched_on).configure, needed, switched_on)


def test_what_is_as_declared_is_no_problem() -> None:
    assert problems("GPL-2.0-or-later", NEEDED, X264) == []
    assert problems("LGPL-2.1-or-later", WITHOUT_X264, NOTHING) == []
    assert problems("LicenseRef-FFmpeg-nonfree", NEEDED, NONFREE) == []


def test_another_licence_than_declared_is_a_problem() -> None:
    assert problems("GPL-2.0-or-later", WITHOUT_X264, NOTHING) == [
        "FFmpeg is under GPL-2.0-or-later; its source.toml says LGPL-2.1-or-later"
    ]


def test_a_library_that_is_not_declared_is_a_problem() -> None:
    assert problems("LGPL-2.1-or-later", NEEDED, NOTHING) == ["FFmpeg is linked to dav1d, x264; source.toml says dav1d"]


def test_a_gpl_library_makes_the_lgpl_a_problem() -> None:
    assert "x264 is under the GPL, and FFmpeg with it in is called LGPL-2.1-or-later" in problems(
        "LGPL-2.1-or-later", NEEDED, X264
    )


def test_a_configuration_that_lacks_what_is_declared_is_a_problem() -> None:
    assert licence.problems("GPL-2.0-or-later", ["--enable-gpl"], NEEDED, X264)[0].startswith(
        "FFmpeg was configured without --disable-everything"
    )


def test_texts_and_the_offer_of_source_must_be_there(tmp_path: Path) -> None:
    missing = licence.missing_texts(tmp_path, X264)
    assert missing[:4] == [f"LICENSES has no text for {name}" for name in ("hwang", "ffmpeg", "dav1d", "x264")]
    assert len(missing) == 4 + sum(len(found.archives) for found in recipe.shipped(X264))


def test_an_offer_that_does_not_name_a_tree_is_not_enough(tmp_path: Path) -> None:
    tree = next(archive.digest for archive in recipe.load("x264").archives if archive.tree)
    offered = licences.offer(recipe.shipped(X264))
    (tmp_path / "SOURCE-OFFER.md").write_text(offered)
    assert not [line for line in licence.missing_texts(tmp_path, X264) if "OFFER" in line]
    (tmp_path / "SOURCE-OFFER.md").write_text(offered.replace(tree.partition(":")[2], ""))
    assert f"SOURCE-OFFER.md does not name the source {tree}" in licence.missing_texts(tmp_path, X264)


# The recipes.


def test_options_are_the_dockerfiles_arguments() -> None:
    assert recipe.options({}) == X264 | {"formats"} == recipe.DEFAULTS
    assert recipe.options({"WITH_X264": "0", "FORMATS": "web"}) == NOTHING
    assert recipe.options({"FORMATS": "web"}) == X264
    assert recipe.options({"WITH_X264": "1", "NONFREE": "1"}) == NONFREE | {"formats"}
    with pytest.raises(recipe.RecipeError, match="FORMATS=none: say all or web"):
        recipe.options({"FORMATS": "none"})
    with pytest.raises(recipe.RecipeError, match="WITH_X264=no: say 1 or 0"):
        recipe.options({"WITH_X264": "no"})


def test_what_is_nonfree_is_refused_unless_it_is_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for product in ("ffmpeg", "dav1d", "x264"):
        (tmp_path / product).mkdir()
        text = (STAGES / product / "source.toml").read_text()
        (tmp_path / product / "source.toml").write_text(text.replace('"--disable-doc",', '"--enable-nonfree",'))
    monkeypatch.setattr(recipe, "STAGES", tmp_path)
    with pytest.raises(recipe.RecipeError, match="NONFREE=1"):
        recipe.load("ffmpeg")
    assert "--enable-nonfree" in recipe.load("ffmpeg", NONFREE).configure


def test_without_x264_nothing_of_it_is_configured_and_the_licence_is_the_lgpl() -> None:
    arguments = " ".join(recipe.load("ffmpeg", NOTHING).configure)
    assert not re.search(r"x264|gpl|mp4", arguments)
    assert recipe.licence(NOTHING) == "Apache-2.0 AND LGPL-2.1-or-later"
    assert [found.product for found in recipe.shipped(NOTHING)] == ["ffmpeg", "dav1d"]


def dockerfiles_labels(switched_on: frozenset[str]) -> dict[str, str]:
    """Of the image that the Dockerfile's stages make for these options."""
    stages = dict(re.findall(r"^FROM \S+ AS (image\S*)\n(.*?)(?=^FROM|\n\n)", DOCKERFILE, re.MULTILINE | re.DOTALL))
    bases = {stage: base for base, stage in re.findall(r"^FROM (\S+) AS (\S+)$", DOCKERFILE, re.MULTILINE)}
    labels: dict[str, str] = {}
    stage = "image"
    while stage != "tree":
        labels = dict(re.findall(r'^LABEL (\S+?)="(.*)"$', stages[stage], re.MULTILINE)) | labels
        stage = bases[stage]
        for option, variable in recipe.FLAGS.items():
            stage = stage.replace(f"${{{variable}}}", "1" if option in switched_on else "0")
    return labels


def test_labels_are_the_computed_licence_whatever_is_switched_on() -> None:
    for switched_on in EVERY_COMBINATION:
        labels = dockerfiles_labels(switched_on)
        assert labels["org.opencontainers.image.licenses"] == recipe.licence(switched_on), switched_on
        assert (labels.get("hwang-lambda.redistributable") == "no") == ("nonfree" in switched_on)


def test_the_licence_is_the_gpl_where_anything_under_it_is_linked() -> None:
    for switched_on in EVERY_COMBINATION:
        products = recipe.shipped(switched_on)
        is_gpl = any(found.licence.startswith("GPL") for found in products[1:])
        assert ("--enable-gpl" in products[0].configure) == is_gpl == ("x264" in switched_on)
        if "nonfree" not in switched_on:
            assert recipe.licence(switched_on) == f"Apache-2.0 AND {'GPL-2.0' if is_gpl else 'LGPL-2.1'}-or-later"


def test_what_is_switched_on_is_built_after_what_it_is_linked_to_and_nothing_else_is() -> None:
    for switched_on in EVERY_COMBINATION:
        built = recipe.libraries(switched_on)
        assert set(built) - {"ogg"} == switched_on & set(recipe.add_ons()) - {"ogg"}
        assert ("ogg" in built) == bool(switched_on & {"vorbis", "theora"})
        for at, name in enumerate(built):
            assert set(recipe.load(name).links) <= set(built[:at])
        libraries = [argument for argument in recipe.load("ffmpeg", switched_on).configure if "-lib" in argument]
        assert len(libraries) == len(recipe.load("ffmpeg", switched_on).links)


def test_every_add_on_switches_on_something_and_is_off_by_default() -> None:
    plain = components.expected(recipe.DEFAULTS)
    for name in recipe.add_ons():
        switched_on = recipe.options({"ADD_ONS": name, "NONFREE": "1"})
        assert set(components.expected(switched_on)) > set(plain)
        assert name not in recipe.options({})
    assert recipe.options({"ADD_ONS": "vorbis"}) == recipe.DEFAULTS | {"vorbis", "ogg"}
    assert recipe.options({"ADD_ONS": " vpx opus  vpx "}) == recipe.DEFAULTS | {"vpx", "opus"}


def test_what_may_not_be_passed_on_is_refused_unless_the_image_may_not_be_either() -> None:
    for arguments in REFUSED:
        with pytest.raises(recipe.RecipeError):
            recipe.shipped(recipe.options(arguments))
    with pytest.raises(
        recipe.RecipeError, match=r'^ADD_ONS="fdk-aac": .* must not be passed on: say so with NONFREE=1$'
    ):
        recipe.shipped(recipe.options({"ADD_ONS": "fdk-aac"}))
    assert recipe.licence(recipe.options({"ADD_ONS": "fdk-aac", "NONFREE": "1"})) == "LicenseRef-FFmpeg-nonfree"
    with pytest.raises(recipe.RecipeError, match=r'^ADD_ONS="xvid": it is under the GPL, .* WITH_X264=1$'):
        recipe.options({"ADD_ONS": "vpx xvid", "WITH_X264": "0"})


def test_a_name_that_is_no_add_on_is_refused_with_those_there_are() -> None:
    with pytest.raises(recipe.RecipeError) as refusal:
        recipe.options({"ADD_ONS": "vpx theroa"})
    assert str(refusal.value) == f'ADD_ONS="theroa": no such add-on; there are {", ".join(recipe.add_ons())}'


def test_the_arguments_of_version_1_are_refused_with_what_replaces_them() -> None:
    for name in recipe.add_ons():
        variable = f"WITH_{name.replace('-', '_').upper()}"
        with pytest.raises(recipe.RecipeError, match=f'^{variable}=1: this argument is now ADD_ONS="{name}"$'):
            recipe.options({variable: "1"})
        assert recipe.options({variable: "0"}) == recipe.DEFAULTS
        assert re.search(rf"^ARG .*\b{variable}\b", DOCKERFILE, re.MULTILINE)


SPEEX = """
version = "1.2.1"
licence = "BSD-3-Clause"
needs = ["ogg"]

[ffmpeg]
links = ["speex"]
configure = ["--enable-libspeex"]
enable = { encoder = ["libspeex"] }

[judge]
components = ["encoder libspeex"]
large = { "/opt/lib/libspeex.so.*" = "a made-up reason" }

[[archive]]
url = "https://example.org/speex-1.2.1.tar.gz"
digest = "sha256:0"
"""


def test_another_add_on_is_another_folder_and_nothing_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for file in STAGES.rglob("source.toml"):
        (tmp_path / file.relative_to(STAGES)).parent.mkdir(parents=True)
        (tmp_path / file.relative_to(STAGES)).write_text(file.read_text())
    (tmp_path / "add-ons/speex").mkdir()
    (tmp_path / "add-ons/speex/source.toml").write_text(SPEEX)
    monkeypatch.setattr(recipe, "STAGES", tmp_path)
    switched_on = recipe.options({"ADD_ONS": "speex"})
    assert switched_on == recipe.DEFAULTS | {"speex", "ogg"}
    assert recipe.libraries(switched_on) == ("ogg", "speex")
    ffmpeg = recipe.load("ffmpeg", switched_on)
    assert {"--enable-libspeex", "--enable-encoder=libspeex", "--enable-demuxer=ogg"} <= set(ffmpeg.configure)
    assert {product.product for product in recipe.shipped(switched_on)} >= {"speex", "ogg"}
    assert "encoder libspeex" in components.expected(switched_on)
    assert "/opt/lib/libspeex.so.*" in size.reasons(switched_on)
    assert "speex" in recipe.products()  # so fetch.py takes it, and bump.py looks for newer ones
    needed = {**NEEDED, "/opt/lib/libspeex.so.1": ["libogg.so.0"], "/opt/lib/libogg.so.0": []}
    needed["/opt/lib/libavcodec.so.63"] = [*NEEDED["/opt/lib/libavcodec.so.63"], "libspeex.so.1"]
    assert licence.problems("GPL-2.0-or-later", ffmpeg.configure, needed, switched_on) == []
    assert not re.search(r"add-ons/\w", DOCKERFILE)  # which copies the folder of folders, and names none of them


def test_every_build_of_ffmpeg_is_told_the_options() -> None:
    stages = re.split(r"\n(?=FROM )", (ROOT / "Dockerfile").read_text())
    for script in (
        "add-ons.sh select",
        "add-ons.sh fetch",
        "add-ons.sh packages",
        "add-ons.sh build",
        "ffmpeg/build.sh",
        "oracle/build.sh",
        "-m verify",
    ):
        (stage,) = (text for text in stages if script in text)
        assert f"\nARG {' '.join(recipe.FLAGS.values())} ADD_ONS\n" in stage, script


# The components.


def test_the_formats_of_cameras_and_archives_can_be_left_out() -> None:
    more = set(components.expected(recipe.DEFAULTS)) - set(components.expected(X264))
    assert {"demuxer mxf", "decoder dvvideo", "parser vc1"} <= more
    configured = set(recipe.load("ffmpeg", recipe.DEFAULTS).configure) - set(recipe.load("ffmpeg", X264).configure)
    assert {"--enable-demuxer=mxf", "--enable-decoder=dvvideo", "--enable-parser=vc1"} <= configured
    assert {line.split()[0] for line in more} == {"demuxer", "decoder", "parser"}


def test_the_list_of_components_has_no_way_to_files_or_networks() -> None:
    kinds = {line.split()[0] for line in components.expected(X264)}
    assert {"decoder", "demuxer", "encoder", "muxer", "parser"} <= kinds
    assert not kinds & {"protocol", "filter"}


def test_the_list_of_components_has_what_is_configured() -> None:
    expected = components.expected(X264)
    for argument in recipe.load("ffmpeg", X264).configure:
        if found := re.fullmatch(r"--enable-(decoder|demuxer|encoder|muxer)=(\w+)", argument):
            name = {"mpegps": "mpeg"}.get(found[2], found[2])
            assert any(re.match(rf"{found[1]} (?:\S+,)?{name}(?:,|$)", line) for line in expected), argument


def test_what_an_option_brings_is_expected_with_it_alone() -> None:
    brought = set(components.expected(X264)) - set(components.expected(NOTHING))
    assert {"encoder libx264", "muxer mp4"} <= brought
    assert not [line for line in components.expected(NOTHING) if line.startswith(("encoder", "muxer"))]
