//! The key that signs assertions, kept up with the file that holds it, so that a new one needs no
//! restart.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jsonwebtoken::EncodingKey;

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
    /// time, if a command gives the passphrase. Once there is another, the old one is wiped.
    pub(super) fn current(&self) -> Option<Arc<EncodingKey>> {
        let held = self.held();
        let Some(source) = changed(held.source.as_ref()) else {
            return held.key.encoding_key();
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
                note_change(org, Some(&source));
                // The configuration has a clone of it.
                mem::replace(&mut held.key, key).wipe();
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
        held.key.encoding_key()
    }

    /// Says so if this is not the key that `before` signed with.
    pub(super) fn note_change_from(&self, before: &Self) {
        let (held, former) = (self.held(), before.held());
        if held.key != former.key {
            note_change(&self.org, held.source.as_ref());
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn note_change(org: &str, source: Option<&KeySource>) {
    let place = source.map_or_else(String::new, |source| format!(" in {source:?}"));
    tracing::info!(
        org,
        "the key{place} has changed; the new one is used from now on"
    );
}

fn changed(source: Option<&KeySource>) -> Option<KeySource> {
    source?.changed()
}
