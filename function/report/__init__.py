"""The report of a job: one HTML page to look at."""

from function.report.page import write_report
from function.report.pictures import Read, Unreadable, s3_read

__all__ = ["Read", "Unreadable", "s3_read", "write_report"]
