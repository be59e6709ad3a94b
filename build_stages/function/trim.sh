#!/usr/bin/env bash
# Third-party packages without what a function never uses, and with their bytecode: the image's root is read-only.
#
#   trim.sh DIRECTORY
set -euo pipefail
cd "$1"

# Tests, type stubs, headers, static libraries; numpy's Fortran binding generator.
find . -depth -type d \( -name tests -o -name test -o -path './numpy/_core/include' -o -path './numpy/f2py' \) -exec rm -rf {} +
find . -type f \( -name '*.pyi' -o -name '*.pxd' -o -name '*.a' -o -name '*.h' \) -delete
# Service models of the one AWS service that is called, and of those that hand out credentials for it.
find botocore/data -mindepth 1 -maxdepth 1 -type d ! -name s3 ! -name sts ! -name sso ! -name sso-oidc ! -name signin -exec rm -rf {} +
rm -rf boto3/examples boto3/data bin
# What only tests and other programs of numpy use; the interface of pydantic's former version.
rm -rf numpy/_core/lib numpy/_pyinstaller pydantic/v1
rm -f numpy/_core/_simd.*.so numpy/_core/_*_tests.*.so
# AVIF is no output format here, and its library is as large as the rest of Pillow's.
rm -f PIL/_avif.*.so pillow.libs/libavif-*.so* PIL/_imagingtk.*.so

python3 -m compileall -q --invalidation-mode unchecked-hash .
du -sk -- * | sort -rn | head -n 12
