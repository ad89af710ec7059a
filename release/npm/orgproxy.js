#!/usr/bin/env node
// Starts the program, which is in the package of this platform, and stands for it: arguments, input and
// output are the program's, signals reach it, and it ends as the program ends.
"use strict";

const { spawn } = require("node:child_process");
const { constants } = require("node:os");
const { isatty } = require("node:tty");

const packages = Object.keys(require("./package.json").optionalDependencies);
const wanted = `@orgproxy/${process.platform}-${process.arch}`;

function find() {
  try {
    return require.resolve(`${wanted}/bin/orgproxy`);
  } catch {
    const known = packages.map((name) => name.split("/")[1]).join(" and ");
    console.error(
      packages.includes(wanted)
        ? `orgproxy: ${wanted}, which has the program, was not installed. npm leaves it out with ` +
            "--omit=optional, and by a lock file of another platform. " +
            "Try: npm install --include=optional orgproxy"
        : `orgproxy: there is no program for ${process.platform} on ${process.arch}, only for ${known}. ` +
            "It can be built with Rust: cargo install orgproxy",
    );
    process.exit(1);
  }
}

const child = spawn(find(), process.argv.slice(2), { stdio: "inherit" });

// A terminal sends these to the program as well, which takes a second one for impatience.
const byTerminal = [0, 1, 2].some((stream) => isatty(stream)) ? ["SIGINT", "SIGQUIT"] : [];
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR2"]) {
  process.on(signal, () => byTerminal.includes(signal) || child.kill(signal));
}

// npx ends at SIGTERM, and so does its shell, which hands it on to nobody.
if (process.env.npm_command === "exec") {
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    child.kill("SIGTERM");
  }, 500);
}

child.on("error", (error) => {
  console.error(`orgproxy: cannot start ${child.spawnfile}: ${error.message}`);
  process.exit(1);
});
child.on("exit", (code, signal) => {
  if (!signal) process.exit(code);
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
  // Unless it has ended by that, as for a signal that Node keeps.
  setTimeout(() => process.exit(128 + constants.signals[signal]), 100);
});
