//! The authorities that a Java runtime trusts, in a key store of its own.

use std::{env, path::Path, process::Command};

use super::{Root, TrustError, run};
use crate::system::children::KEYSTORE_PASSWORD;

pub(super) fn add(root: &Root, store: &Path) -> Result<String, TrustError> {
    if has(root, store)? {
        return Ok(format!("{} already trusts it", store.display()));
    }
    let copy = root.copy()?;
    let mut keytool = keytool("-importcert", root, store);
    run(keytool.arg("-noprompt").arg("-file").arg(copy.path()))?;
    Ok(format!(
        "{} now trusts {}, as {}",
        store.display(),
        root.path.display(),
        root.alias
    ))
}

pub(super) fn remove(root: &Root, store: &Path) -> Result<String, TrustError> {
    if !has(root, store)? {
        return Ok(format!("{} did not trust it", store.display()));
    }
    run(&mut keytool("-delete", root, store))?;
    Ok(format!(
        "{} no longer trusts {}",
        store.display(),
        root.path.display()
    ))
}

/// Returns whether the store has an entry for the local authority.
fn has(root: &Root, store: &Path) -> Result<bool, TrustError> {
    // keytool would create one that trusts nobody else.
    if !store.is_file() {
        return Err(TrustError::NoKeyStore(store.to_owned()));
    }
    match run(&mut keytool("-list", root, store)) {
        Ok(()) => Ok(true),
        Err(TrustError::Failed(_, _, said)) if said.contains(&root.alias) => Ok(false),
        Err(error) => Err(error),
    }
}

fn keytool(what: &str, root: &Root, store: &Path) -> Command {
    let password = env::var_os(KEYSTORE_PASSWORD).unwrap_or_else(|| CHANGE_IT.into());
    let mut command = root.command("keytool");
    // Other users do not see the environment.
    command
        .arg(what)
        .args(["-alias", &root.alias])
        .arg("-keystore")
        .arg(store)
        .args(["-storepass:env", KEYSTORE_PASSWORD])
        .env(KEYSTORE_PASSWORD, password);
    command
}

/// The password that Java comes with.
const CHANGE_IT: &str = "changeit";
