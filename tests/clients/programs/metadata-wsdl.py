"""What `orgproxy init` writes for an org to deploy, against the schema in Salesforce's own WSDL of
the Metadata API, which simple-salesforce carries."""

import os
import subprocess
from importlib.resources import files
from pathlib import Path

from lxml import etree

XSD = "{http://www.w3.org/2001/XMLSchema}"
KINDS = {
    (): {
        "ExternalClientApplication",
        "ExtlClntAppConfigurablePolicies",
        "ExtlClntAppGlobalOauthSettings",
        "ExtlClntAppOauthConfigurablePolicies",
        "ExtlClntAppOauthSettings",
        "PermissionSet",
    },
    ("--connected-app",): {"ConnectedApp", "PermissionSet"},
}


def schema():
    wsdl = files("simple_salesforce").joinpath("metadata.wsdl").read_bytes()
    xsd = etree.fromstring(wsdl).find(f".//{XSD}schema")
    # It has the types, but elements only for what the API's calls are made of.
    for kind in xsd.findall(f"{XSD}complexType"):
        name = kind.get("name")
        etree.SubElement(xsd, f"{XSD}element", name=name, type=f"tns:{name}")
    # Written and read again, so that it has the prefixes of what is around it.
    return etree.XMLSchema(etree.fromstring(etree.tostring(xsd)))


def init(folder, flags):
    command = [os.environ["ORGPROXY"], "init", "--yes", "--username", "me@example.com"]
    subprocess.run([*command, "--folder", folder, *flags], check=True, stdout=subprocess.DEVNULL)
    return {path: etree.parse(path) for path in sorted(Path(folder).rglob("*-meta.xml"))}


schema = schema()
for number, (flags, kinds) in enumerate(KINDS.items()):
    documents = init(f"package-{number}", flags)
    found = set()
    for path, document in documents.items():
        schema.assertValid(document)
        found.add(etree.QName(document.getroot()).localname)
        # A schema that takes everything would say nothing.
        etree.SubElement(document.getroot(), document.getroot().tag, None)
        assert not schema.validate(document), path
        print(f"valid: {path.name}")
    assert found == kinds, found
