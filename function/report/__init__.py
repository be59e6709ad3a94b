"""What a job did, as one HTML page to look at."""

from function.report.manifest import NotAManifest
from function.report.page import write_report
from function.report.reading import Read, Unreadable, s3_read

__all__ = ["NotAManifest", "Read", "Unreadable", "s3_read", "write_report"]
