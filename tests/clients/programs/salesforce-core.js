// What the sf command line and its plugins are built on.

const assert = require("node:assert/strict");
process.env.SF_DISABLE_LOG_FILE = "true";
process.env.SF_DISABLE_TELEMETRY = "true";
process.env.SF_USE_GENERIC_UNIX_KEYCHAIN = "true";
const { AuthInfo, Connection, Org } = require("@salesforce/core");
const { HTTP, PLACEHOLDER, TLS, VERSION, did, endSession } = require("proxy");

async function main() {
  const urls = TLS ? [HTTP, TLS] : [HTTP];
  for (const url of urls) {
    await works(url);
  }
  assert.ok(TLS, "the proxy does not listen for TLS");
}

async function works(url) {
  const accessTokenOptions = { accessToken: PLACEHOLDER, instanceUrl: url, loginUrl: url };
  const authInfo = await AuthInfo.create({ accessTokenOptions });
  assert.match(authInfo.getUsername(), /@/);
  did(`${url}: AuthInfo`);

  const connection = await Connection.create({ authInfo });
  connection.setApiVersion(VERSION);
  await endSession();
  const found = await connection.query("SELECT Id, Name FROM Invoice__c", { autoFetch: true, maxFetch: 5000 });
  assert.equal(found.records.length, 5000);
  assert.match(await connection.retrieveMaxApiVersion(), /^\d+\.0$/);
  did(`${url}: query`);

  const org = await Org.create({ connection });
  assert.equal(org.getUsername(), authInfo.getUsername());
  await endSession();
  const made = await connection.sobject("Account").create({ Name: "Made by core" });
  await endSession();
  assert.ok((await connection.sobject("Account").destroy(made.id)).success);
  did(`${url}: create and destroy`);

  await endSession();
  const described = await connection.metadata.list([{ type: "CustomObject" }]);
  assert.ok(described.some((object) => object.fullName === "Invoice__c"));
  await endSession();
  assert.equal((await connection.identity()).username, authInfo.getUsername());
  did(`${url}: metadata and identity`);
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
