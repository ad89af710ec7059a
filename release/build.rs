//! Finds out which commit is built, for `orgproxy --version`.

use std::{env, fs, path::Path, process::Command};

fn main() {
    println!("cargo::rerun-if-changed=release/build.rs");
    println!("cargo::rerun-if-env-changed=ORGPROXY_COMMIT");
    // Tests need none, and would be built anew with each commit.
    let is_release = env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let given = env::var("ORGPROXY_COMMIT").ok();
    let commit = given
        .or_else(of_crate)
        .or_else(|| is_release.then(of_repository).flatten());
    println!(
        "cargo::rustc-env=ORGPROXY_COMMIT={}",
        commit.unwrap_or_default()
    );
    println!(
        "cargo::rustc-env=ORGPROXY_TARGET={}",
        env::var("TARGET").unwrap_or_default()
    );
}

/// The commit that cargo has put into a crate: `{"git":{"sha1":"…"},…}`.
fn of_crate() -> Option<String> {
    let text = fs::read_to_string(".cargo_vcs_info.json").ok()?;
    let (_, rest) = text.split_once("\"sha1\"")?;
    let commit = rest.split('"').nth(1)?;
    Some(commit.to_owned())
}

/// The commit that is checked out, if this folder is a repository of its own.
fn of_repository() -> Option<String> {
    let here = fs::canonicalize(".").ok()?;
    let top = git(&["rev-parse", "--show-toplevel"])?;
    if fs::canonicalize(top).ok()? != here {
        return None;
    }
    // What changes with the commit, and with what is not committed.
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"])?;
    for path in [log.as_str(), "src", "Cargo.toml", "Cargo.lock"] {
        if Path::new(path).exists() {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    let commit = git(&["rev-parse", "HEAD"])?;
    let changes = git(&["status", "--porcelain", "--untracked-files=no"])?;
    let suffix = if changes.is_empty() {
        ""
    } else {
        ", with changes"
    };
    Some(commit + suffix)
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
