// Holds documents (JSON on standard input) against the types of the Prometheus Operator.
//
// Its validators take no notice of fields that they do not know, such as misspelt ones. So each field is
// replaced in turn by what no field may be: where nobody minds, nobody knows it.

import { text } from "node:stream/consumers";

const MODELS = "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1";

let faults = 0;
for (const document of JSON.parse(await text(process.stdin))) {
  const { [document.kind]: Kind } = await import(`${MODELS}/${document.kind}`);
  const fault = (it) => {
    try {
      new Kind(it).validate();
    } catch (error) {
      return error.message;
    }
  };
  const report = (message) => {
    console.log(`${document.kind} ${document.metadata.name}: ${message}`);
    faults += 1;
  };
  const message = fault(document);
  if (message) report(message);
  for (const path of paths(document)) {
    if (!fault(changed(document, path))) report(`no such field: ${path.join(".")}`);
  }
}
process.exit(faults ? 1 : 0);

function paths(value, path = []) {
  if (value === null || typeof value !== "object") return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    const here = [...path, key];
    // The model says itself what it is.
    return here.length === 1 && ["apiVersion", "kind"].includes(key) ? [] : [here, ...paths(inner, here)];
  });
}

function changed(document, path) {
  const copy = structuredClone(document);
  const place = path.slice(0, -1).reduce((inner, key) => inner[key], copy);
  place[path.at(-1)] = [[{}]];
  return copy;
}
