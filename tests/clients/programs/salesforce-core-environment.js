// What the sf command line is built on, where orgproxy sets it up: an org that it has logged in to by
// key is taken over by `init --from-sf`; and around a program, `orgproxy --` leads it to the org by
// its environment alone.

const assert = require("node:assert/strict");
const { execFileSync } = require("node:child_process");
const { readFileSync, writeFileSync } = require("node:fs");
const { join, resolve } = require("node:path");
process.env.SF_DISABLE_LOG_FILE = "true";
process.env.SF_DISABLE_TELEMETRY = "true";
process.env.SF_USE_GENERIC_UNIX_KEYCHAIN = "true";
const { AuthInfo, Org } = require("@salesforce/core");
const { HTTP, VERSION, did } = require("proxy");

const DEMO = "demo/proxy.toml";

async function main() {
  if (process.env.ORGPROXY_URL) {
    return within();
  }
  orgproxy("init", "--demo", "--yes", "--folder", "demo");
  await takenOver();

  const around = ["--port", "0", "--", process.execPath, "--no-warnings", __filename];
  assert.equal(orgproxy("--config", DEMO, ...around), "20 accounts\n");
  did("orgproxy -- node: the default org, without a login");
}

// Nobody has told it where the org is, nor what opens it.
async function within() {
  const org = await Org.create({});
  const connection = org.getConnection(VERSION);
  const { totalSize } = await connection.query("SELECT Id FROM Account");
  console.log(`${totalSize} accounts`);
}

async function takenOver() {
  const username = "integration@demo.example";
  const clientId = /client_id = "(\w+)"/.exec(readFileSync(DEMO, "utf8"))[1];
  const privateKeyFile = resolve("demo/demo.key");
  const authInfo = await AuthInfo.create({
    username,
    oauth2Options: { clientId, privateKeyFile, loginUrl: HTTP },
  });
  await authInfo.save();
  await authInfo.setAlias("acme");
  did("the library logs in by key");

  // The addresses of a real org, which the configuration insists on.
  const file = join(process.env.HOME, ".sfdx", `${username}.json`);
  const saved = readFileSync(file, "utf8");
  assert.ok(saved.includes(HTTP));
  writeFileSync(file, saved.replaceAll(HTTP, "https://acme.my.salesforce.com"));

  orgproxy("init", "acme", "--from-sf", "acme", "--yes", "--folder", "taken");
  const written = readFileSync("taken/proxy.toml", "utf8");
  for (const part of [
    `client_id = "${clientId}"`,
    `username = "${username}"`,
    `private_key = "${privateKeyFile}"`,
    'login_url = "https://acme.my.salesforce.com"',
  ]) {
    assert.ok(written.includes(part), `${part} is not in\n${written}`);
  }
  assert.match(orgproxy("check", "--config", "taken/proxy.toml"), /ok, for acme/);
  did("init --from-sf takes it over");
}

function orgproxy(...args) {
  return execFileSync(process.env.ORGPROXY, args, { encoding: "utf8" });
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
