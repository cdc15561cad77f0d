"""Reports on a job: an HTML page for people, CSV and JSON for programs.

report = Report.read("users.journal")
write_html(report, "report.html")
"""

from cognito_async.bulk.journal import Run
from cognito_async.bulk.report.exports import write_csv, write_html, write_json
from cognito_async.bulk.report.model import Report

__all__ = ["Report", "Run", "write_csv", "write_html", "write_json"]
