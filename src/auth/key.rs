//! The key that signs assertions, kept up with the file that holds it, so that a new one needs no
//! restart.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::config::{self, KeySource, PrivateKey};

/// The key of one org, and where it came from.
pub(super) struct Key {
    org: String,
    held: Mutex<Held>,
}

struct Held {
    key: PrivateKey,
    source: Option<KeySource>,
}

impl Key {
    pub(super) fn of(org: &config::Org) -> Self {
        Self {
            org: org.name.clone(),
            held: Mutex::new(Held {
                key: org.private_key.clone(),
                source: org.key_source.clone(),
            }),
        }
    }

    /// Whether the file is not the one that was last looked at. Costs a look at its inode.
    pub(super) fn has_changed(&self) -> bool {
        let held = self.held();
        held.source
            .as_ref()
            .is_some_and(|source| source.changed().is_some())
    }

    /// The key to sign with: what the file holds, or the last good one that it held.
    pub(super) fn current(&self) -> PrivateKey {
        let held = self.held();
        let Some(source) = held.source.as_ref().and_then(KeySource::changed) else {
            return held.key.clone();
        };
        // Not while it is held: a command for the passphrase may take its time.
        drop(held);
        let read = source.read();
        let org = self.org.as_str();
        let mut held = self.held();
        match read {
            Ok(key) => {
                tracing::info!(
                    org,
                    "the key in {source:?} has changed, and is used from now on"
                );
                held.key = key;
            }
            Err(error) => tracing::warn!(
                org,
                "the key has changed to what cannot be used, so the old one is kept: {error}"
            ),
        }
        // It counts as seen however it went, so that this is told once.
        held.source = Some(source);
        held.key.clone()
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
