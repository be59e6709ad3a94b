"""The report of a job, as one HTML page that needs no network.

python -m function.report summary.json             a manifest on this machine
python -m function.report s3://bucket/run1/        a job's prefix, or the manifest itself; S3 as AWS_ENDPOINT_URL_S3
                                                   and the usual credentials say
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pydantic import ValidationError

from function import s3
from function.errors import FunctionError
from function.models.job_files import FOLDER, SUMMARY, JobManifest
from function.report import s3_read, write_report
from function.report.formatting import size
from hwang.sources.buckets import split_address


def main(arguments: list[str] | None = None) -> int:
    """Writes the report. Returns 0, or 1 if the manifest cannot be read: standard error says why."""
    parser = argparse.ArgumentParser(
        prog="python -m function.report",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("manifest", help="a file, the s3:// address of one, or a job's prefix that ends with a slash")
    parser.add_argument("--output", type=Path, default=Path("report.html"), help="by default report.html")
    options = parser.parse_args(arguments)
    try:
        manifest = JobManifest.model_validate_json(_data(options.manifest))
        page = write_report(manifest, s3_read(s3.client()))
        options.output.write_bytes(page)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "it"
        print(f"{options.manifest}: this is not the manifest of a job: {place}: {first['msg']}", file=sys.stderr)
        return 1
    except (OSError, ValueError, FunctionError, s3.S3Error) as error:
        print(f"{options.manifest}: {error}", file=sys.stderr)
        return 1
    print(f"{options.output}: {size(len(page))}")
    return 0


def _data(place: str) -> bytes:
    if not place.startswith("s3://"):
        return Path(place).read_bytes()
    bucket, key = split_address(place) or split_address(f"{place}/") or ("", "")
    return s3.get(s3.client(), bucket, key + FOLDER + SUMMARY if key.endswith("/") or not key else key)


if __name__ == "__main__":
    sys.exit(main())
