// What `orgproxy init` writes, read by the library with which the Salesforce CLI deploys: it must
// find every component by its folder and suffix, and make of it what an org is sent.

const { execFileSync } = require("node:child_process");
const { deepEqual, equal } = require("node:assert").strict;
const { readdirSync } = require("node:fs");
const { ComponentSet, MetadataConverter } = require("@salesforce/source-deploy-retrieve");

const EXTERNAL_CLIENT_APP = [
  "ExternalClientApplication:orgproxy_main",
  "ExtlClntAppConfigurablePolicies:orgproxy_main_defaultPolicy",
  "ExtlClntAppGlobalOauthSettings:orgproxy_main_glbloauth",
  "ExtlClntAppOauthConfigurablePolicies:orgproxy_main_oauth_defaultPolicy",
  "ExtlClntAppOauthSettings:orgproxy_main_oauth",
];

function init(folder, ...flags) {
  const args = ["init", "--yes", "--username", "me@example.com", "--folder", folder, ...flags];
  execFileSync(process.env.ORGPROXY, args);
  return `${folder}/salesforce/main`;
}

async function holds(source, expected) {
  const components = ComponentSet.fromSource(source);
  const names = components.getSourceComponents().toArray();
  deepEqual(names.map(({ type, fullName }) => `${type.name}:${fullName}`).sort(), expected);

  const converter = new MetadataConverter();
  const { packagePath } = await converter.convert(components, "metadata", {
    type: "directory",
    outputDirectory: `${source}-converted`,
  });
  const files = readdirSync(packagePath, { recursive: true, withFileTypes: true });
  const count = files.filter((file) => file.isFile()).length;
  equal(count, expected.length + 1, "each file, and package.xml");
  console.log(`${source}: ${expected.length} components`);
}

(async () => {
  const external = init("external");
  await holds(`${external}/access`, ["PermissionSet:orgproxy_main"]);
  await holds(`${external}/app`, EXTERNAL_CLIENT_APP);

  const connected = init("connected", "--connected-app");
  await holds(`${connected}/access`, ["PermissionSet:orgproxy_main"]);
  await holds(`${connected}/app`, ["ConnectedApp:orgproxy_main"]);
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
