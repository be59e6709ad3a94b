# Frames out of videos on AWS Lambda: the function's image, and everything else that ships.
# Facts (versions, hashes, flags) are in build_stages/**/source.toml, methods in build.sh beside them.
ARG LAMBDA_BASE=public.ecr.aws/lambda/python:3.13
ARG BUILD_BASE=${LAMBDA_BASE}
# 0 leaves out the encoder of clips, which is under the GPL.
ARG WITH_X264=1
# web leaves out the formats of cameras, editors, archives and earlier years.
ARG FORMATS=all
# 1 allows what FFmpeg calls nonfree. Nobody may be given such an image.
ARG NONFREE=0
# Names of add-ons, such as "vpx opus": docs/add-ons.md.
ARG ADD_ONS=""

# Archives for a build without internet: --build-context sources=DIRECTORY
FROM scratch AS sources

FROM ${BUILD_BASE} AS fetcher
ARG HWANG_STAND_IN=
ENTRYPOINT []
WORKDIR /build_stages
COPY build_stages/online.sh build_stages/recipe.py build_stages/fetch.py build_stages/download.py build_stages/git_tree.py ./

FROM fetcher AS nasm-source
COPY build_stages/nasm/source.toml nasm/
RUN --mount=type=cache,id=hwang-sources,target=/cache --mount=type=bind,from=sources,target=/sources \
    --mount=type=secret,id=ca,target=/run/ca.crt \
    ./online.sh python3 fetch.py nasm /source --cache /cache --cache /sources

FROM fetcher AS x264-source-1
COPY build_stages/x264/source.toml x264/
RUN --mount=type=cache,id=hwang-sources,target=/cache --mount=type=bind,from=sources,target=/sources \
    --mount=type=secret,id=ca,target=/run/ca.crt \
    ./online.sh python3 fetch.py x264 /source --cache /cache --cache /sources

FROM fetcher AS x264-source-0
RUN mkdir /source
FROM x264-source-${WITH_X264} AS x264-source

FROM fetcher AS dav1d-source
COPY build_stages/dav1d/source.toml dav1d/
RUN --mount=type=cache,id=hwang-sources,target=/cache --mount=type=bind,from=sources,target=/sources \
    --mount=type=secret,id=ca,target=/run/ca.crt \
    ./online.sh python3 fetch.py dav1d /source --cache /cache --cache /sources

FROM fetcher AS ffmpeg-source
COPY build_stages/ffmpeg/source.toml ffmpeg/
RUN --mount=type=cache,id=hwang-sources,target=/cache --mount=type=bind,from=sources,target=/sources \
    --mount=type=secret,id=ca,target=/run/ca.crt \
    ./online.sh python3 fetch.py ffmpeg /source --cache /cache --cache /sources

# The folders of the add-ons that are switched on, and then their sources.
FROM fetcher AS add-ons-recipes
ARG WITH_X264 FORMATS NONFREE ADD_ONS
# Arguments of version 1: they are refused, and the message names ADD_ONS.
ARG WITH_FDK_AAC WITH_LAME WITH_OGG WITH_OPUS WITH_THEORA WITH_VORBIS WITH_VPX WITH_XVID
COPY build_stages/add-ons.sh ./
COPY build_stages/add-ons add-ons
RUN mkdir /add-ons && ./add-ons.sh select

FROM fetcher AS add-ons-source
ARG WITH_X264 FORMATS NONFREE ADD_ONS
COPY build_stages/add-ons.sh ./
COPY --from=add-ons-recipes /add-ons add-ons
RUN --mount=type=cache,id=hwang-sources,target=/cache --mount=type=bind,from=sources,target=/sources \
    --mount=type=secret,id=ca,target=/run/ca.crt \
    mkdir /source && ./online.sh ./add-ons.sh fetch

# The compiler and the build tools: the only stage on the way to a library that uses the network.
FROM ${BUILD_BASE} AS compiler
ENTRYPOINT []
WORKDIR /build_stages
RUN --mount=type=bind,source=build_stages/online.sh,target=online.sh \
    --mount=type=bind,source=build_stages/system_packages.py,target=system_packages.py \
    --mount=type=bind,source=build_stages/packages.toml,target=packages.toml \
    --mount=type=secret,id=ca,target=/run/ca.crt \
    ./online.sh python3 system_packages.py compile
# The system's programs run without the libraries of Lambda's Python, which broke them before. Python keeps its own.
RUN mkdir libpython && for library in /var/lang/lib/libpython3*; do [ ! -e "$library" ] || ln -s "$library" libpython/; done \
    && python3 -c 'import sysconfig; print(sysconfig.get_path("purelib"))' >site-packages
ENV LD_LIBRARY_PATH=/build_stages/libpython
RUN --mount=type=bind,source=build_stages/online.sh,target=online.sh \
    --mount=type=bind,source=requirements/build.txt,target=build.txt \
    --mount=type=secret,id=ca,target=/run/ca.crt \
    ./online.sh pip3 install --quiet --no-cache-dir --require-hashes --requirement build.txt
# The time of all files: midnight (UTC) of the version's release, as CHANGELOG.md has it.
ENV SOURCE_DATE_EPOCH=1795996800
COPY build_stages/recipe.py build_stages/lib.sh ./

FROM compiler AS nasm
RUN --network=none --mount=type=bind,from=nasm-source,source=/source,target=/source \
    --mount=type=bind,source=build_stages/nasm,target=nasm \
    nasm/build.sh

FROM compiler AS x264-1
COPY --link --from=nasm /opt /opt
RUN --network=none --mount=type=bind,from=x264-source,source=/source,target=/source \
    --mount=type=bind,source=build_stages/x264,target=x264 \
    x264/build.sh
FROM compiler AS x264-0
RUN mkdir -p /opt /ship/lib
FROM x264-${WITH_X264} AS x264

FROM compiler AS dav1d
COPY --link --from=nasm /opt /opt
RUN --network=none --mount=type=bind,from=dav1d-source,source=/source,target=/source \
    --mount=type=bind,source=build_stages/dav1d,target=dav1d \
    dav1d/build.sh

# The add-ons, one after the other. Without any, nothing is in this stage.
FROM compiler AS add-ons
ARG WITH_X264 FORMATS NONFREE ADD_ONS
COPY --link --from=nasm /opt /opt
COPY build_stages/add-ons.sh ./
COPY --from=add-ons-recipes /add-ons add-ons
RUN --mount=type=bind,source=build_stages/online.sh,target=online.sh \
    --mount=type=bind,source=build_stages/system_packages.py,target=system_packages.py \
    --mount=type=secret,id=ca,target=/run/ca.crt \
    ./online.sh ./add-ons.sh packages
RUN --network=none --mount=type=bind,from=add-ons-source,source=/source,target=/source \
    mkdir -p /opt /ship/lib && ./add-ons.sh build

FROM compiler AS ffmpeg
ARG WITH_X264 FORMATS NONFREE ADD_ONS
COPY --link --from=x264 /opt /opt
COPY --link --from=dav1d /opt /opt
COPY --link --from=add-ons /opt /opt
RUN --network=none --mount=type=bind,from=ffmpeg-source,source=/source,target=/source \
    --mount=type=bind,source=build_stages/ffmpeg/source.toml,target=ffmpeg/source.toml \
    --mount=type=bind,from=add-ons-recipes,source=/add-ons,target=add-ons \
    --mount=type=bind,source=build_stages/ffmpeg/build.sh,target=ffmpeg/build.sh \
    ffmpeg/build.sh

# Lists of FFmpeg's compiled objects, for the judge. They do not ship.
FROM scratch AS compiled
COPY --from=ffmpeg /ship/compiled /

# hwang: our own C++ over the libraries above.
FROM compiler AS hwang-source
COPY --link --from=ffmpeg /opt /opt
WORKDIR /hwang
COPY pyproject.toml LICENSE ./
COPY docs/hwang.md docs/
COPY hwang hwang
# The result must not depend on the umask of the checkout.
RUN --network=none chmod -R u=rwX,go=rX .

FROM hwang-source AS hwang
RUN --network=none --mount=type=bind,source=build_stages/hwang/build.sh,target=/build_stages/hwang/build.sh \
    /build_stages/hwang/build.sh

# Third-party packages where pip puts them: pinned and whole, but for their tests and type stubs.
FROM compiler AS packages
RUN --mount=type=bind,source=build_stages/online.sh,target=online.sh \
    --mount=type=bind,source=requirements/function.txt,target=function.txt \
    --mount=type=secret,id=ca,target=/run/ca.crt \
    ./online.sh pip3 install --quiet --no-cache-dir --no-compile --ignore-installed --no-warn-script-location \
    --require-hashes --requirement function.txt --root /installed --report /packages.json
RUN --network=none --mount=type=bind,source=build_stages/function,target=function \
    function/finish.sh /installed

# hwang beside them, and the function's own code as it lies below /var/task.
FROM compiler AS code
COPY --from=hwang /ship/installed /installed
COPY function /installed/var/task/function
RUN --network=none --mount=type=bind,source=build_stages/function,target=function \
    site=/installed$(cat site-packages) && cp function/search_path.py "$site" && echo 'import search_path' >"$site/search_path.pth" \
    && function/finish.sh /installed

# The licence texts of everything compiled in, and where its source is: BSD and GPL require both.
FROM add-ons-source AS licences
COPY build_stages/ffmpeg/source.toml ffmpeg/
COPY build_stages/dav1d/source.toml dav1d/
COPY build_stages/x264/source.toml x264/
COPY --from=x264-source /source /source/x264
COPY --from=dav1d-source /source /source/dav1d
COPY --from=ffmpeg-source /source /source/ffmpeg
RUN --network=none --mount=type=bind,source=build_stages/licences.py,target=licences.py \
    --mount=type=bind,source=build_stages/source-offer.md,target=source-offer.md \
    python3 licences.py /source /licences
COPY LICENSE NOTICE /licences/hwang/

# The bill of materials, and the versions for a quick look.
FROM licences AS papers
COPY pyproject.toml /
COPY requirements/build.txt /requirements/
RUN --network=none --mount=type=bind,from=packages,source=/,target=/packages \
    --mount=type=bind,source=build_stages/sbom.py,target=sbom.py \
    python3 sbom.py /source /packages /papers

# Every library that ships, under its loader name.
FROM scratch AS libraries
COPY --from=x264 /ship/lib /opt/lib
COPY --from=dav1d /ship/lib /opt/lib
COPY --from=add-ons /ship/lib /opt/lib
COPY --from=ffmpeg /ship/lib /opt/lib
COPY --from=licences /licences /opt/share/hwang-lambda/LICENSES

# Everything that is added to the base, a directory for each layer. With one time and plain modes the same files are the
# same layers.
FROM compiler AS layers
COPY --from=libraries /opt /layers/libraries/opt
COPY --from=packages /installed /layers/packages
COPY --from=code /installed /layers/code
COPY --from=papers /papers /layers/papers/opt/share/hwang-lambda
RUN --network=none chmod -R u=rwX,go=rX /layers && find /layers -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +

# The Lambda base with these layers.
FROM ${LAMBDA_BASE} AS base
FROM base AS tree
COPY --link --from=layers /layers/libraries /
COPY --link --from=layers /layers/packages /
COPY --link --from=layers /layers/code /
COPY --link --from=layers /layers/papers /

# The judge of that tree. Without its stamp there is no image.
FROM tree AS verified
ARG HWANG_STAND_IN=
ARG WITH_X264 FORMATS NONFREE ADD_ONS
WORKDIR /build_stages
RUN --network=none --mount=type=bind,from=base,source=/,target=/base \
    --mount=type=bind,from=compiled,source=/,target=/compiled \
    --mount=type=bind,source=build_stages,target=/build_stages \
    python3 -B -m verify / /base /compiled /opt/share/hwang-lambda/verified.json

FROM compiler AS stamp
COPY --from=verified /opt/share/hwang-lambda/verified.json /opt/share/hwang-lambda/vex.json /opt/share/hwang-lambda/files.sha256 \
    /stamp/opt/share/hwang-lambda/
RUN --network=none find /stamp -exec touch --date="@$SOURCE_DATE_EPOCH" {} +

# The licence label, as the judge computes it. x264 brings the GPL; no add-on under the GPL is built without x264.
FROM tree AS image-gpl-0
LABEL org.opencontainers.image.licenses="Apache-2.0 AND LGPL-2.1-or-later"
FROM tree AS image-gpl-1
LABEL org.opencontainers.image.licenses="Apache-2.0 AND GPL-2.0-or-later"
FROM image-gpl-${WITH_X264} AS image-nonfree-0
FROM image-nonfree-0 AS image-nonfree-1
LABEL org.opencontainers.image.licenses="LicenseRef-FFmpeg-nonfree"
LABEL hwang-lambda.redistributable="no"

FROM image-nonfree-${NONFREE} AS image
COPY --link --from=stamp /stamp /
# The event that ecr_push.py sends to a new version before it gets traffic.
LABEL hwang-lambda.smoke='{"action": "selftest"}'
CMD ["function.handler.handler"]

# The ffmpeg and ffprobe programs of the same sources, for the tests only.
FROM compiler AS oracle
ARG WITH_X264 FORMATS NONFREE ADD_ONS
COPY --link --from=x264 /opt /opt
COPY --link --from=dav1d /opt /opt
COPY --link --from=add-ons /opt /opt
RUN --network=none --mount=type=bind,from=ffmpeg-source,source=/source,target=/source \
    --mount=type=bind,source=build_stages/ffmpeg/source.toml,target=ffmpeg/source.toml \
    --mount=type=bind,from=add-ons-recipes,source=/add-ons,target=add-ons \
    --mount=type=bind,source=build_stages/oracle,target=oracle \
    oracle/build.sh

# A program that encodes with the image's libraries, for the tests of the add-ons only.
FROM ffmpeg AS encode-program
RUN --network=none --mount=type=bind,source=tests/image/encode.c,target=encode.c \
    cc -O2 -Wall -Werror -I/opt/include encode.c -o /encode -L/opt/lib -Wl,-rpath-link,/opt/lib \
    -lavformat -lavcodec -lavutil -lm

FROM scratch AS encode
COPY --from=encode-program /encode /

# The same tree plus the tests: they decode with the libraries that ship.
FROM image AS test
WORKDIR /var/task
RUN --mount=type=bind,source=build_stages/online.sh,target=/online.sh \
    --mount=type=bind,source=requirements/test.txt,target=/test.txt \
    --mount=type=secret,id=ca,target=/run/ca.crt \
    /online.sh pip3 install --quiet --no-cache-dir --require-hashes --requirement /test.txt
COPY --link --from=oracle /ship/bin /usr/local/bin
COPY --chmod=0755 pyproject.toml ./
COPY --chmod=0755 local local
COPY --chmod=0755 tests tests
ENV HWANG_ORACLE=/usr/local/bin/ffmpeg
ENTRYPOINT ["python3", "-m", "pytest"]
CMD ["tests/decoder"]

# The decoder with sanitizers, for the fuzz runs. It never ships.
FROM hwang AS sanitized
WORKDIR /build_stages
RUN --mount=type=bind,source=build_stages/online.sh,target=online.sh \
    --mount=type=bind,source=build_stages/system_packages.py,target=system_packages.py \
    --mount=type=bind,source=build_stages/hwang/packages.toml,target=packages.toml \
    --mount=type=secret,id=ca,target=/run/ca.crt \
    ./online.sh python3 system_packages.py sanitize
RUN --network=none --mount=type=bind,source=build_stages/hwang/sanitized.sh,target=hwang/sanitized.sh \
    hwang/sanitized.sh

# The same tree with that decoder, which is given damaged videos without end.
FROM test AS fuzz
COPY --link --from=sanitized /sanitized/lib /opt/sanitizers
COPY --link --from=sanitized /sanitized/task/hwang /var/task/hwang
ENTRYPOINT ["python3", "-m", "tests.fuzz"]
CMD []

# The benchmark's lower bound: the least that a program over the same libraries needs.
FROM ffmpeg AS bench-limit
RUN --network=none --mount=type=bind,source=bench/limit,target=limit limit/build.sh

# The decoders that hwang is compared with, each in an environment of its own.
FROM ${BUILD_BASE} AS bench-peer
ENTRYPOINT []
WORKDIR /build
COPY bench/peers/install.sh build_stages/online.sh ./

FROM bench-peer AS bench-pyav
RUN --mount=type=bind,source=requirements/bench-pyav.txt,target=bench-pyav.txt \
    --mount=type=secret,id=ca,target=/run/ca.crt \
    ./online.sh ./install.sh pyav

FROM bench-peer AS bench-decord
RUN --mount=type=bind,source=requirements/bench-decord.txt,target=bench-decord.txt \
    --mount=type=secret,id=ca,target=/run/ca.crt \
    ./online.sh ./install.sh decord

FROM bench-peer AS bench-opencv
RUN --mount=type=bind,source=requirements/bench-opencv.txt,target=bench-opencv.txt \
    --mount=type=secret,id=ca,target=/run/ca.crt \
    ./online.sh ./install.sh opencv

FROM bench-peer AS bench-torchcodec
RUN --mount=type=bind,source=requirements/bench-torchcodec.txt,target=bench-torchcodec.txt \
    --mount=type=secret,id=ca,target=/run/ca.crt \
    ./online.sh ./install.sh torchcodec

FROM bench-peer AS bench-ffmpeg
RUN --mount=type=bind,source=bench/peers/ffmpeg.sh,target=ffmpeg.sh \
    --mount=type=bind,source=bench/peers/packages.toml,target=packages.toml \
    --mount=type=bind,source=build_stages/system_packages.py,target=system_packages.py \
    --mount=type=secret,id=ca,target=/run/ca.crt \
    ./online.sh ./ffmpeg.sh

# The harness that runs the contenders and draws the plot.
FROM bench-peer AS bench-harness
RUN --mount=type=bind,source=requirements/bench.txt,target=bench-harness.txt \
    --mount=type=secret,id=ca,target=/run/ca.crt \
    ./online.sh ./install.sh harness

FROM image AS bench
COPY --link --from=bench-torchcodec /bench /bench
COPY --link --from=bench-ffmpeg /ffmpeg /bench/torchcodec/ffmpeg
COPY --link --from=bench-pyav /bench /bench
COPY --link --from=bench-decord /bench /bench
COPY --link --from=bench-opencv /bench /bench
COPY --link --from=bench-harness /bench /bench
COPY --link --from=bench-limit /ship/bench /bench
WORKDIR /bench/tree
COPY --chmod=0755 local local
COPY --chmod=0755 tests tests
COPY --chmod=0755 bench bench
ENTRYPOINT ["/bench/harness/bin/python", "-m", "bench"]
CMD []

# An emulated AWS (S3, ECR, Lambda, Step Functions) for local runs and tests.
FROM ${BUILD_BASE} AS cloud
RUN --mount=type=bind,source=build_stages/online.sh,target=/online.sh \
    --mount=type=bind,source=requirements/cloud.txt,target=/cloud.txt \
    --mount=type=secret,id=ca,target=/run/ca.crt \
    /online.sh pip3 install --quiet --no-cache-dir --require-hashes --requirement /cloud.txt
ENV GATEWAY_PORT=4566
ENTRYPOINT ["ministack"]

# An S3 server that verifies signatures, conditions and checksums, behind the fault tests' proxy.
FROM ${BUILD_BASE} AS s3
RUN --mount=type=bind,source=build_stages/online.sh,target=/online.sh \
    --mount=type=bind,source=requirements/s3.txt,target=/s3.txt \
    --mount=type=secret,id=ca,target=/run/ca.crt \
    /online.sh pip3 install --quiet --no-cache-dir --require-hashes --requirement /s3.txt
ENTRYPOINT ["weed"]

# A browser that opens the report's page, without network.
FROM ${BUILD_BASE} AS browser
WORKDIR /browser
RUN --mount=type=bind,source=build_stages/online.sh,target=online.sh \
    --mount=type=bind,source=build_stages/system_packages.py,target=system_packages.py \
    --mount=type=bind,source=tests/browser/packages.toml,target=packages.toml \
    --mount=type=secret,id=ca,target=/run/ca.crt \
    ./online.sh python3 system_packages.py browser
COPY --chmod=0755 tests/browser/drive.py ./
ENTRYPOINT ["python3", "drive.py"]

# For a Zip function: the flat tree of packages, lib/ and the handler, as one archive.
FROM compiler AS bundle-archive
COPY --from=packages /installed /installed
COPY --from=code /installed /installed
COPY --from=libraries /opt /tree
RUN --network=none mv /installed/var/task/* "/installed$(cat site-packages)"/* /tree
COPY --from=papers /papers /tree/share/hwang-lambda
COPY --from=stamp /stamp/opt /tree
RUN --network=none --mount=type=bind,source=build_stages/archive.py,target=archive.py \
    python3 archive.py /tree /hwang-lambda-bundle.zip

FROM scratch AS bundle
COPY --from=bundle-archive /hwang-lambda-bundle.zip /

# For other functions: hwang, its libraries and numpy as a Lambda layer.
FROM compiler AS layer-archive
COPY --from=packages /installed /installed
COPY --from=code /installed /installed
COPY --from=libraries /opt /tree
RUN --network=none mkdir /tree/python && site=/installed$(cat site-packages) \
    && mv "$site"/hwang "$site"/hwang-*.dist-info "$site"/numpy "$site"/numpy.libs "$site"/numpy-*.dist-info /tree/python
RUN --network=none --mount=type=bind,source=build_stages/archive.py,target=archive.py \
    python3 archive.py /tree /hwang-lambda-layer.zip

FROM scratch AS layer
COPY --from=layer-archive /hwang-lambda-layer.zip /

# For any machine of this architecture: hwang with its libraries and their licences inside.
FROM hwang-source AS wheel-repaired
RUN --mount=type=bind,source=build_stages/online.sh,target=/online.sh \
    --mount=type=bind,source=requirements/wheel.txt,target=/wheel.txt \
    --mount=type=secret,id=ca,target=/run/ca.crt \
    /online.sh pip3 install --quiet --no-cache-dir --require-hashes --requirement /wheel.txt
COPY --from=licences /licences LICENSES
ARG WITH_X264 FORMATS NONFREE ADD_ONS
RUN --network=none --mount=type=bind,source=build_stages/wheel,target=/build_stages/wheel \
    --mount=type=bind,source=build_stages/ffmpeg/source.toml,target=/build_stages/ffmpeg/source.toml \
    --mount=type=bind,from=add-ons-recipes,source=/add-ons,target=/build_stages/add-ons \
    /build_stages/wheel/build.sh

FROM scratch AS wheel
COPY --from=wheel-repaired /wheels /

# The default target is the function's image.
FROM image AS function
