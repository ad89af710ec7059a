//! The key that signs assertions, kept up with the file that holds it, so that a new one needs no
//! restart.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::config::{self, Credential, KeySource, PrivateKey};

/// The key of one org, and where it came from.
pub(super) struct Key {
    org: String,
    held: Mutex<Held>,
}

struct Held {
    key: PrivateKey,
    /// The place where `key` was read.
    source: Option<KeySource>,
    /// The same as it was when it was last looked at, which may not have been of any use.
    seen: Option<KeySource>,
}

impl Key {
    pub(super) fn of(org: &config::Org) -> Self {
        let Credential::JwtBearer(app) = &org.credential;
        Self {
            org: org.name.clone(),
            held: Mutex::new(Held {
                key: app.private_key.clone(),
                source: app.key_source.clone(),
                seen: app.key_source.clone(),
            }),
        }
    }

    /// Returns whether the file is not the one that was last looked at. Costs a look at its inode.
    pub(super) fn has_changed(&self) -> bool {
        changed(self.held().seen.as_ref()).is_some()
    }

    /// The key to sign with: what the file holds, or the last good one that it held. May take its
    /// time, if a command gives the passphrase.
    pub(super) fn current(&self) -> PrivateKey {
        let held = self.held();
        let Some(source) = changed(held.source.as_ref()) else {
            return held.key.clone();
        };
        // Not while it is held, since others only want to know whether it has changed.
        drop(held);
        let read = source.read();
        let org = self.org.as_str();
        let mut held = self.held();
        let is_new = changed(held.seen.as_ref()).is_some();
        held.seen = Some(source.clone());
        match read {
            Ok(key) => {
                tracing::info!(
                    org,
                    "the key in {source:?} has changed; the new one is used from now on"
                );
                held.key = key;
                held.source = Some(source);
            }
            // It is tried again at the next login, since what was missing may be there by then, but
            // reported once.
            Err(error) if is_new => tracing::warn!(
                org,
                "the key has changed but cannot be used, so the old one is kept: {error}"
            ),
            Err(_) => {}
        }
        held.key.clone()
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn changed(source: Option<&KeySource>) -> Option<KeySource> {
    source?.changed()
}
