"""It drops the scheme that it is told and speaks https only."""

import os
import time

import requests
from proxy import *

# The bulk clients look once in five seconds how a job stands; and they take the function with them.
time.sleep = lambda _seconds, sleep=time.sleep: sleep(0.05)
from simple_salesforce import Salesforce, SalesforceLogin

needs(TLS, "TLS")
# Its metadata client takes it from there only.
os.environ["REQUESTS_CA_BUNDLE"] = CA

session = requests.Session()
session.verify = CA
sf = Salesforce(
    instance_url=TLS,
    session_id=PLACEHOLDER,
    session=session,
    version=VERSION,
)

equal(sf.query("SELECT Id, Name FROM Account")["totalSize"], 20)
assert sf.api_usage["api-usage"].total > 0
did("query")

with session_ends_after(1, session):
    found = sf.query_all("SELECT Id, Name FROM Invoice__c ORDER BY Name")
equal(len({record["Id"] for record in found["records"]}), 5000)
did("query_all, of several batches")

made = sf.Account.create({"Name": "Made by Python"})
end_session()
sf.Account.update(made["id"], {"Website": "https://python.example"})
account = sf.Account.get(made["id"])
equal((account["Name"], account["Website"]), ("Made by Python", "https://python.example"))
sf.Account.delete(made["id"])
equal(sf.query("SELECT Id FROM Account WHERE Name = 'Made by Python'")["totalSize"], 0)
did("create, update, get and delete")

end_session()
equal(sf.restful("sobjects/Account/describe")["name"], "Account")
equal(sf.apexecute("echo", method="POST", data={"some": "thing"}), {"some": "thing"})
did("describe and Apex REST")

# After the job is made; after its batch is sent; …
for requests_before in (1, 2, 3):
    with session_ends_after(requests_before, session):
        results = sf.bulk.Account.insert([{"Name": f"Bulk {n}"} for n in range(3)])
    assert all(result["success"] for result in results), results
did("Bulk 1 insert")

with session_ends_after(2, session):
    rows = sf.bulk.Account.query("SELECT Id, Name FROM Account WHERE Name LIKE 'Bulk %'")
equal(len(rows), 9)
did("Bulk 1 query")

for requests_before in (1, 2):
    with session_ends_after(requests_before, session):
        [job] = sf.bulk2.Account.insert(records=[{"Name": f"Bulk 2 {n}"} for n in range(4)])
    equal((int(job["numberRecordsProcessed"]), int(job["numberRecordsFailed"])), (4, 0))
equal(sf.bulk2.Account.get_successful_records(job["job_id"]).count("Bulk 2 "), 4)
did("Bulk 2 insert")

with session_ends_after(2, session):
    pages = list(sf.bulk2.Invoice__c.query("SELECT Id, Name FROM Invoice__c", max_records=2000))
equal(sum(page.count("INV-") for page in pages), 5000)
did("Bulk 2 query, of several pages")

kinds = [kind.xmlName for kind in sf.mdapi.describe_metadata().metadataObjects]
assert "CustomObject" in kinds, kinds
end_session()
query = sf.mdapi.ListMetadataQuery(type="CustomObject")
assert "Invoice__c" in [file.fullName for file in sf.mdapi.list_metadata([query])]
end_session()
equal(sf.mdapi.CustomObject.read("Invoice__c").fullName, "Invoice__c")
did("metadata")

session_id, instance = SalesforceLogin(
    username="me@example.com",
    password="any",
    security_token="any",
    scratch_url=TLS,
    session=session,
    sf_version="59.0",
)
again = Salesforce(instance=instance, session_id=session_id, session=session, version=VERSION)
equal(again.query("SELECT COUNT() FROM Contact")["totalSize"], 50)
did("login by SOAP")
