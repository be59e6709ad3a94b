"""The report of a job, as one HTML page that needs no network.

python -m function.report summary.json             a manifest on this machine
python -m function.report s3://bucket/run1/        a job's prefix, or the manifest itself; S3 as AWS_ENDPOINT_URL_S3
                                                   and the usual credentials say
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from function import s3
from function.errors import FunctionError
from function.models.job_files import FOLDER, SUMMARY
from function.report import NotAManifest, s3_read, write_report
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
        page = write_report(_document(options.manifest), s3_read(s3.client()))
        options.output.write_bytes(page)
    except (OSError, ValueError, FunctionError, s3.S3Error) as error:
        print(f"{options.manifest}: {error}", file=sys.stderr)
        return 1
    print(f"{options.output}: {size(len(page))}")
    return 0


def _document(place: str) -> Mapping[str, Any]:
    if not place.startswith("s3://"):
        data = Path(place).read_bytes()
    else:
        bucket, key = split_address(place) or split_address(f"{place}/") or ("", "")
        data = s3.get(s3.client(), bucket, key + FOLDER + SUMMARY if key.endswith("/") or not key else key)
    document = json.loads(data)
    if not isinstance(document, dict):
        raise NotAManifest("this is not the manifest of a job: it is not an object")
    return document


if __name__ == "__main__":
    sys.exit(main())
