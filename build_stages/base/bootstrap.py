"""Runs a handler under the runtime interface client, with the import order of Lambda's base image.

The client comes from this directory, because a script's own directory is searched first. Only then the function's own
directories are put in front, for the handler, and child processes get PYTHONPATH.
"""

from __future__ import annotations

import os
import site
import sys
import sysconfig

from awslambdaric import __main__ as client

TASK, RUNTIME = os.environ["LAMBDA_TASK_ROOT"], os.environ["LAMBDA_RUNTIME_DIR"]


def main() -> None:
    if "PYTHONPATH" not in os.environ:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        front = [
            f"/opt/python/lib/python{version}/site-packages",
            "/opt/python",
            sysconfig.get_path("purelib"),
            RUNTIME,
        ]
        sys.path[:] = front + [place for place in sys.path if place not in front]
        os.environ["PYTHONPATH"] = RUNTIME
    sys.path.insert(0, TASK)
    site.addsitedir(TASK)
    client.main(["awslambdaric", os.environ["_HANDLER"]])


if __name__ == "__main__":
    main()
