"""SOAP in gzip, by a client that logs in with a user name and a password."""

import pyforce
from proxy import *

client = pyforce.PythonClient(serverUrl=f"{HTTP}/services/Soap/u/{VERSION}")
login = client.login("me@example.com", "any password")
assert login["serverUrl"].startswith(HTTP), login["serverUrl"]
assert login["userInfo"]["organizationId"].startswith("00D"), login
did("login")

end_session()
found = client.query("SELECT Id, Name FROM Account")
equal((found.size, len(found)), (20, 20))
did("query")

end_session()
[made] = client.create([{"type": "Account", "Name": "Made by pyforce"}])
assert made["success"], made
end_session()
site = "https://python.example/?a=1&b=2"
[changed] = client.update([{"type": "Account", "Id": made["id"], "Website": site}])
assert changed["success"], changed
equal(rest("GET", f"/sobjects/Account/{made['id']}")["Website"], site)
did("create and update")

client.logout()
equal(len(rest("GET", "/query?q=SELECT+Id+FROM+Account+LIMIT+1")["records"]), 1)
did("logout, which ends nothing")
