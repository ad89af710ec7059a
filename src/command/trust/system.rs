//! The system's store of trusted authorities.

use std::{
    fs,
    io::{Seek, Write},
    path::{Path, PathBuf},
};

use rustix::process::geteuid;

use super::{Root, TrustError, put, run, run_with};
use crate::system::terminal;

/// A folder of additional authorities, and the program to run when it has changed.
pub(super) struct Store {
    folder: &'static str,
    extension: &'static str,
    /// The program and its arguments after a file was added.
    update: &'static [&'static str],
    /// The same after a file was removed.
    update_gone: &'static [&'static str],
    /// A folder of programs that update other stores, such as Java's. `update_gone` does not run
    /// them.
    hooks: Option<&'static str>,
}

impl Store {
    /// See update-ca-certificates(8).
    pub(super) const DEBIAN: Self = Self {
        folder: "/usr/local/share/ca-certificates",
        extension: "crt",
        update: &["update-ca-certificates"],
        // Otherwise it leaves dangling links.
        update_gone: &["update-ca-certificates", "--fresh"],
        hooks: Some("/etc/ca-certificates/update.d"),
    };

    /// See update-ca-trust(8).
    pub(super) const RED_HAT: Self = Self {
        folder: "/etc/pki/ca-trust/source/anchors",
        extension: "pem",
        update: &["update-ca-trust", "extract"],
        update_gone: &["update-ca-trust", "extract"],
        hooks: None,
    };

    /// The commands that do it by hand.
    pub(super) fn commands(&self, certificate: &str, alias: &str) -> String {
        let file = self.file(alias);
        format!(
            "sudo install -m 644 {certificate} {} && sudo {}",
            file.display(),
            self.update.join(" ")
        )
    }

    fn of_this_system() -> Option<&'static Self> {
        [&Self::DEBIAN, &Self::RED_HAT]
            .into_iter()
            .find(|store| Path::new(store.folder).is_dir())
    }

    fn file(&self, alias: &str) -> PathBuf {
        Path::new(self.folder).join(format!("{alias}.{}", self.extension))
    }
}

pub(super) fn add(root: &Root) -> Result<String, TrustError> {
    check_root(root, "--system")?;
    if cfg!(target_os = "macos") {
        let copy = root.copy()?;
        run(root.command("security").args(MAC_ADD).arg(copy.path()))?;
        return Ok(format!("the system now trusts {}", root.path.display()));
    }
    let store = store(root)?;
    let file = store.file(&root.alias);
    put(&file, Some(root.pem().as_bytes()))?;
    // With some umasks it is readable by this user alone until then.
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    fs::set_permissions(&file, mode).map_err(|error| TrustError::File(file.clone(), error))?;
    run(root.command(store.update[0]).args(&store.update[1..]))?;
    Ok(format!(
        "the system now trusts {}, copied to {}",
        root.path.display(),
        file.display()
    ))
}

pub(super) fn remove(root: &Root) -> Result<String, TrustError> {
    check_root(root, "--system --undo")?;
    if cfg!(target_os = "macos") {
        let copy = root.copy()?;
        run(root.command("security").args(MAC_REMOVE).arg(copy.path()))?;
    } else {
        let store = store(root)?;
        let file = store.file(&root.alias);
        if !file.exists() {
            return Ok(format!("the system did not trust {}", root.path.display()));
        }
        put(&file, None)?;
        run(root
            .command(store.update_gone[0])
            .args(&store.update_gone[1..]))?;
        for hook in store.hooks.into_iter().flat_map(programs) {
            // In the way that the system's own script reports a removed authority.
            let mut line =
                tempfile::tempfile().map_err(|error| TrustError::File(hook.clone(), error))?;
            writeln!(line, "-/etc/ssl/certs/{}.pem", root.alias)
                .and_then(|()| line.rewind())
                .map_err(|error| TrustError::File(hook.clone(), error))?;
            run_with(&mut root.command(&hook), line.into())?;
        }
    }
    Ok(format!(
        "the system no longer trusts {}",
        root.path.display()
    ))
}

/// The programs in `folder`, in the order in which they are run.
fn programs(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut programs: Vec<_> = entries.map(|entry| entry.path()).collect();
    programs.retain(|path| path.is_file());
    programs.sort_unstable();
    programs
}

/// Refuses to go on without root; its message names the folder, because `sudo` would look in root's
/// home.
fn check_root(root: &Root, what: &str) -> Result<(), TrustError> {
    let folder = root.path.parent().unwrap_or(&root.path);
    if geteuid().is_root() {
        Ok(())
    } else {
        Err(TrustError::NotRoot(format!(
            "{what} --state-dir {}",
            terminal::quoted_path(folder)
        )))
    }
}

fn store(root: &Root) -> Result<&'static Store, TrustError> {
    Store::of_this_system().ok_or_else(|| TrustError::UnknownSystem(root.path.clone()))
}

/// Arguments of security(1), before the certificate.
pub(super) const MAC_ADD: [&str; 6] = [
    "add-trusted-cert",
    "-d",
    "-r",
    "trustRoot",
    "-k",
    "/Library/Keychains/System.keychain",
];
const MAC_REMOVE: [&str; 2] = ["remove-trusted-cert", "-d"];
