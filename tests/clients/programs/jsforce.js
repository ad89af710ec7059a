const assert = require("node:assert/strict");
const jsforce = require("jsforce");
const { HTTP, PLACEHOLDER, VERSION, did, endSession, once } = require("proxy");

async function main() {
  const conn = new jsforce.Connection({
    instanceUrl: HTTP,
    accessToken: PLACEHOLDER,
    version: VERSION,
  });
  await rest(conn);
  await bulk(conn);
  await metadata(conn);
  await soap(conn);
  await logins();
  await streaming(conn);
}

async function rest(conn) {
  let ended = null;
  const query = conn.query("SELECT Id, Name FROM Invoice__c", { autoFetch: true, maxFetch: 5000 });
  let count = 0;
  query.on("record", () => {
    count += 1;
    ended ??= endSession();
  });
  await Promise.all([new Promise((end, fail) => query.on("end", end).on("error", fail)), query]);
  await ended;
  assert.equal(count, 5000);
  assert.ok(conn.limitInfo.apiUsage.used > 0);
  did("query with autofetch");

  await endSession();
  const accounts = conn.sobject("Account");
  const made = await accounts.create({ Name: "Made by jsforce" });
  await endSession();
  await accounts.update({ Id: made.id, Website: "https://js.example" });
  const account = await accounts.retrieve(made.id);
  assert.equal(account.Website, "https://js.example");
  assert.ok((await accounts.destroy(made.id)).success);
  did("create, update, retrieve and destroy");

  await endSession();
  const several = await accounts.create([{ Name: "One of two" }, { Name: "Two of two" }]);
  assert.deepEqual(several.map((result) => result.success), [true, true]);
  assert.equal((await conn.describe("Account")).name, "Account");
  assert.equal((await conn.sobject("Contact").find({ LastName: "Hopper" }, ["Id"])).length > 0, true);
  assert.match((await conn.identity()).organization_id, /^00D/);
  did("collections, describe, find and identity");
}

async function bulk(conn) {
  conn.bulk.pollInterval = 50;
  const job = conn.bulk.createJob("Account", "insert");
  await job.open();
  await endSession();
  const batch = job.createBatch();
  const queued = new Promise((done, fail) => batch.on("queue", done).on("error", fail));
  batch.execute([{ Name: "Bulk a" }, { Name: "Bulk b" }]);
  await queued;
  await endSession();
  const inserted = new Promise((done, fail) => batch.on("response", done).on("error", fail));
  batch.poll(50, 20000);
  assert.deepEqual((await inserted).map((result) => result.success), [true, true]);
  await endSession();
  await job.close();
  did("Bulk 1 insert");

  const rows = await (await conn.bulk.query("SELECT Id, Name FROM Invoice__c")).toArray();
  assert.equal(rows.length, 5000);
  did("Bulk 1 query");

  conn.bulk2.pollInterval = 50;
  const ingest = conn.bulk2.createJob({ operation: "insert", object: "Account" });
  await ingest.open();
  await endSession();
  await ingest.uploadData([{ Name: "Bulk 2 a" }, { Name: "Bulk 2 b" }]);
  await endSession();
  await ingest.close();
  await ingest.poll(50, 20000);
  await endSession();
  const results = await ingest.getAllResults();
  assert.equal(results.successfulResults.length, 2);
  assert.equal(results.failedResults.length, 0);
  did("Bulk 2 insert");

  await endSession();
  const found = await (await conn.bulk2.query("SELECT Id, Name FROM Invoice__c")).toArray();
  assert.equal(found.length, 5000);
  did("Bulk 2 query");
}

async function metadata(conn) {
  await endSession();
  const objects = await conn.metadata.list([{ type: "CustomObject" }]);
  assert.ok(objects.some((object) => object.fullName === "Invoice__c"));
  await endSession();
  const described = await conn.metadata.describe();
  assert.ok(described.metadataObjects.some((kind) => kind.xmlName === "CustomObject"));
  await endSession();
  assert.equal((await conn.metadata.read("CustomObject", "Invoice__c")).fullName, "Invoice__c");
  did("metadata list, describe and read");
}

async function soap(conn) {
  await endSession();
  const user = await conn.soap.getUserInfo();
  assert.match(user.organizationId, /^00D/);
  await endSession();
  assert.ok((await conn.soap.getServerTimestamp()).timestamp);
  did("SOAP");
}

async function logins() {
  const bySoap = new jsforce.Connection({ loginUrl: HTTP, version: VERSION });
  const user = await bySoap.login("me@example.com", "any password");
  assert.equal(bySoap.instanceUrl, HTTP);
  assert.match(user.organizationId, /^00D/);
  await endSession();
  assert.equal((await bySoap.query("SELECT Id FROM Account")).done, true);
  await bySoap.logout();

  const oauth2 = { loginUrl: HTTP, clientId: "any", clientSecret: "any" };
  const byOauth = new jsforce.Connection({ oauth2, version: VERSION });
  await byOauth.login("me@example.com", "any password");
  assert.equal(byOauth.instanceUrl, HTTP);
  await endSession();
  assert.equal((await byOauth.query("SELECT COUNT() FROM Contact")).totalSize, 50);

  const byCredentials = new jsforce.Connection({ oauth2, version: VERSION });
  await byCredentials.authorize({ grant_type: "client_credentials" });
  assert.equal(byCredentials.instanceUrl, HTTP);
  assert.equal((await byCredentials.query("SELECT COUNT() FROM Contact")).totalSize, 50);
  await byCredentials.logout();
  assert.equal((await byOauth.query("SELECT COUNT() FROM Contact")).totalSize, 50);
  did("login by SOAP, by OAuth, authorize, and logout, which ends nothing");
}

async function streaming(conn) {
  const heard = [];
  const [first, firstHeard] = once();
  const [second, secondHeard] = once();
  const subscription = conn.streaming.topic("Accounts").subscribe((message) => {
    heard.push(message.sobject.Name);
    (heard.length === 1 ? firstHeard : secondHeard)();
  });
  await subscription;

  await conn.sobject("Account").create({ Name: "Heard of" });
  await first;
  // While the client waits in a long poll.
  await endSession();
  await conn.sobject("Account").create({ Name: "Heard of later" });
  await second;
  assert.deepEqual(heard, ["Heard of", "Heard of later"]);
  subscription.cancel();
  did("streaming");
}

main().then(
  // The streaming client would go on for ever.
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
