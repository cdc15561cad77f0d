"""The report on a job: what its journal tells, as a page for people, and as CSV and JSON for programs."""

from cognito_async.bulk.report.content import Report as Report
from cognito_async.bulk.report.content import Run as Run
from cognito_async.bulk.report.exports import write_csv as write_csv
from cognito_async.bulk.report.exports import write_json as write_json
from cognito_async.bulk.report.page import write_html as write_html
