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
[deleted] = client.delete([made["id"]])
assert deleted["success"], deleted
did("create and delete")

client.logout()
equal(len(rest("GET", "/query?q=SELECT+Id+FROM+Account+LIMIT+1")["records"]), 1)
did("logout, which ends nothing")
