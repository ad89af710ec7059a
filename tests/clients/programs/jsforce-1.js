// The line of jsforce before 2.0, which most scripts still use.
const assert = require("node:assert/strict");
const jsforce = require("jsforce-1");
const { HTTP, VERSION, did, endSession } = require("proxy");

async function main() {
  const conn = new jsforce.Connection({ loginUrl: HTTP, version: VERSION });
  const user = await conn.login("me@example.com", "any password");
  assert.equal(conn.instanceUrl, HTTP);
  assert.match(user.organizationId, /^00D/);
  did("login");

  await endSession();
  assert.equal((await conn.query("SELECT Id, Name FROM Account")).totalSize, 20);
  await endSession();
  const accounts = conn.sobject("Account");
  const made = await accounts.create([{ Name: "One" }, { Name: "Two" }]);
  assert.deepEqual(made.map((result) => result.success), [true, true]);
  assert.ok((await accounts.destroy(made[0].id)).success);
  did("query, create and destroy");

  await endSession();
  const all = await conn.describeGlobal();
  assert.ok(all.sobjects.every((object) => object.urls.layouts && object.mergeable === false));
  await endSession();
  assert.ok((await conn.search("FIND {Lovelace} RETURNING Contact(Id)")).searchRecords.length > 0);
  assert.ok((await conn.tooling.executeAnonymous("System.debug(1);")).success);
  await endSession();
  assert.equal((await conn.metadata.list([{ type: "ReportFolder" }])).fullName, "Billing");
  did("describe, search, tooling and metadata");

  const job = conn.bulk.createJob("Account", "insert");
  await endSession();
  const inserted = await new Promise((done, fail) => {
    const batch = job.createBatch();
    batch.on("error", fail).on("queue", () => batch.poll(50, 20000)).on("response", done);
    batch.execute([{ Name: "Bulk a" }, { Name: "Bulk b" }]);
  });
  assert.deepEqual(inserted.map((result) => result.success), [true, true]);
  await endSession();
  await job.close();
  did("Bulk 1");

  await conn.logout();
  await endSession();
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
