"""Bulk 1 in XML and CSV, with no header but `X-SFDC-Session`."""

import csv
import io

from proxy import *
from salesforce_bulk import SalesforceBulk

bulk = SalesforceBulk(sessionId=PLACEHOLDER, host=HTTP, API_version=VERSION)

job = bulk.create_insert_job("Account", contentType="CSV")
end_session()
batch = bulk.post_batch(job, io.BytesIO(b"Name\nMade in bulk\nMade in bulk\n"))
end_session()
bulk.wait_for_batch(job, batch, timeout=20, sleep_interval=0.05)
end_session()
bulk.close_job(job)
results = bulk.get_batch_results(batch, job)
equal([result.success for result in results], ["true", "true"])
did("insert")

job = bulk.create_query_job("Account", contentType="CSV")
batch = bulk.query(job, "SELECT Id, Name FROM Account WHERE Name = 'Made in bulk'")
end_session()
bulk.close_job(job)
bulk.wait_for_batch(job, batch, timeout=20, sleep_interval=0.05)
rows = []
end_session()
for result in bulk.get_all_results_for_query_batch(batch, job):
    rows += csv.DictReader(io.TextIOWrapper(io.BytesIO(result.read()), "utf-8"))
equal([row["Name"] for row in rows], ["Made in bulk", "Made in bulk"])
did("query")
