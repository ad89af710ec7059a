// What a client of the proxy is told, and what all of them do.

const assert = require("node:assert/strict");

// http://127.0.0.1:PORT
const HTTP = process.env.PROXY;

// https://localhost:PORT
const TLS = process.env.PROXY_TLS;

const PLACEHOLDER = process.env.PLACEHOLDER;

const VERSION = "62.0";

// Tells of a step that is done.
function did(what) {
  console.log(what);
}

// Has the org end the session that the proxy uses, behind its back as far as it knows.
async function endSession() {
  const answer = await fetch(`${HTTP}/services/apexrest/demo/session`, { method: "DELETE" });
  const { ended } = await answer.json();
  assert.ok(ended >= 1, "there was no session to end");
}

// A promise of the first call of the second.
function once() {
  let resolve;
  const promise = new Promise((done) => (resolve = done));
  return [promise, resolve];
}

module.exports = { HTTP, PLACEHOLDER, TLS, VERSION, did, endSession, once };
