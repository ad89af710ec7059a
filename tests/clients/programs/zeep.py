"""A client that knows SOAP by the WSDL alone; it reads answers strictly."""

from pathlib import Path

import requests
import zeep
from proxy import *

PARTNER = "urn:partner.soap.sforce.com"
WSDL = Path(__file__).parent.parent / "support" / "partner.wsdl"


def main():
    session = requests.Session()
    session.verify = CA
    client = zeep.Client(
        str(WSDL),
        transport=zeep.Transport(session=session),
        settings=zeep.Settings(strict=True, xml_huge_tree=True),
    )
    works(client, HTTP)
    needs(TLS, "TLS")
    works(client, TLS)


def works(client, base):
    service = client.create_service(
        f"{{{PARTNER}}}SoapBinding", f"{base}/services/Soap/u/{VERSION}"
    )
    headers = {"_soapheaders": {"SessionHeader": {"sessionId": PLACEHOLDER}}}

    def call(operation, *arguments):
        # Headers of the answer come along, too.
        return service[operation](*arguments, **headers).body.result

    user = call("getUserInfo")
    end_session()
    equal(call("getUserInfo"), user)
    assert user.organizationId.startswith("00D") and "@" in user.userName
    did(f"{base}: getUserInfo")

    end_session()
    found = call("query", "SELECT Id, Name FROM Invoice__c")
    count = len(found.records)
    while not found.done:
        end_session()
        found = call("queryMore", found.queryLocator)
        count += len(found.records)
    equal((count, found.size), (5000, 5000))
    did(f"{base}: query and queryMore")

    end_session()
    sobject = client.get_type("{urn:sobject.partner.soap.sforce.com}sObject")
    account = sobject(type="Account", _value_1=[named("Name", "Made by zeep & WSDL")])
    [saved] = call("create", [account])
    assert saved.success, saved
    name = rest("GET", f"/sobjects/Account/{saved.id}")["Name"]
    equal(name, "Made by zeep & WSDL")
    end_session()
    [deleted] = call("delete", [saved.id])
    assert deleted.success, deleted
    did(f"{base}: create and delete")

    try:
        call("query", "SELECT Nothing FROM Account")
        raise AssertionError("a query of a field that is not there")
    except zeep.exceptions.Fault as fault:
        assert fault.code.endswith("INVALID_FIELD"), fault.code
    did(f"{base}: fault")

    login = service.login("me@example.com", "any password")
    assert login.serverUrl.startswith(f"{base}/services/Soap/u/{VERSION}/00D"), login.serverUrl
    assert login.metadataServerUrl.startswith(f"{base}/services/Soap/m/"), login
    # What an org tells of its users, it tells of them at a login, too.
    equal(login.userInfo.userName, user.userName)
    end_session()
    service = client.create_service(f"{{{PARTNER}}}SoapBinding", login.serverUrl)
    headers["_soapheaders"] = {"SessionHeader": {"sessionId": login.sessionId}}
    equal(call("getUserInfo").userId, login.userId)
    service.logout(**headers)
    equal(call("getUserInfo").userId, login.userId)
    did(f"{base}: login, and logout, which ends nothing")


def named(name, text):
    element = zeep.xsd.Element(
        f"{{urn:sobject.partner.soap.sforce.com}}{name}", zeep.xsd.String()
    )
    return zeep.xsd.AnyObject(element, text)


main()
