//! What Redis keeps: sealed with a key that is derived from the org's private key.

use std::time::{Duration, SystemTime};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    hkdf::{HKDF_SHA256, KeyType, Prk, Salt},
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{auth::session::Generation, config};

/// Seals and opens the sessions of one org and user.
pub(super) struct Seal {
    key: RandomizedNonceKey,
    /// Sealed values are for this place only.
    place: String,
}

/// A session as it is shared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Shared {
    pub(super) token: String,
    pub(super) instance_url: String,
    pub(super) org_id: Option<String>,
    pub(super) user_id: Option<String>,
    pub(super) scope: Option<String>,
    /// Seconds since 1970.
    pub(super) issued: u64,
    /// The same; when it ends whatever happens, if that is known.
    pub(super) expires: Option<u64>,
}

impl Seal {
    /// That of `org`, for the names of keys that begin with `prefix`. None if there is no cryptography
    /// to be had.
    pub(super) fn new(org: &config::Org, prefix: &str) -> Option<Self> {
        let salt = Salt::new(HKDF_SHA256, b"orgproxy shared session 2");
        let root = salt.extract(org.credential.secret());
        // None of them has a line end.
        let owner = [
            org.login_url.as_str(),
            org.credential.client_id(),
            &org.username,
        ]
        .join("\n");
        let place: [u8; 16] = derive(&root, &[b"place\n", owner.as_bytes()])?;
        let key: Zeroizing<[u8; 32]> =
            Zeroizing::new(derive(&root, &[b"key\n", owner.as_bytes()])?);
        let place = hex(&place);
        Some(Self {
            key: RandomizedNonceKey::new(&AES_256_GCM, &*key).ok()?,
            // The braces keep all keys of it on one node of a cluster.
            place: format!("{prefix}:{{{place}}}"),
        })
    }

    /// What the names of its keys begin with: equal for all who hold the same private key and log in as
    /// the same user.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// Seals a session as that of its generation: as another, nobody can open it.
    pub(super) fn close(&self, session: &Shared, of: &Generation) -> Option<Vec<u8>> {
        let mut text = Zeroizing::new(serde_json::to_vec(session).ok()?);
        let aad = Aad::from(self.name(of));
        let nonce = self.key.seal_in_place_append_tag(aad, &mut *text).ok()?;
        Some([&nonce.as_ref()[..], &text[..]].concat())
    }

    /// What was sealed as that of its generation; `None` if somebody else did, or changed it.
    pub(super) fn open(&self, sealed: &[u8], of: &Generation) -> Option<Shared> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let nonce = Nonce::from(nonce);
        let mut text = Zeroizing::new(sealed.to_vec());
        let aad = Aad::from(self.name(of));
        let text = self.key.open_in_place(nonce, aad, &mut text).ok()?;
        serde_json::from_slice(text).ok()
    }

    fn name(&self, of: &Generation) -> String {
        let Generation { epoch, number } = of;
        format!("{}\n{number}\n{epoch}", self.place)
    }
}

impl Shared {
    /// Returns whether it may live still at `now`, if it does for `idle` after its last use.
    pub(super) fn may_live(&self, now: SystemTime, idle: Duration) -> bool {
        let age = seconds(now).saturating_sub(self.issued);
        age < idle.as_secs() && self.expires.is_none_or(|end| seconds(now) < end)
    }

    /// The time that is left of its life, if its end is known.
    pub(super) fn left(&self, now: SystemTime) -> Option<Duration> {
        let end = self.expires?;
        Some(Duration::from_secs(end.saturating_sub(seconds(now))))
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Since 1970.
pub(super) fn seconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

fn derive<const N: usize>(root: &Prk, info: &[&[u8]]) -> Option<[u8; N]> {
    struct Bytes<const N: usize>;

    impl<const N: usize> KeyType for Bytes<N> {
        fn len(&self) -> usize {
            N
        }
    }

    let mut bytes = [0; N];
    let expanded = root.expand(info, Bytes::<N>).ok()?;
    expanded.fill(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Credential, Org, PrivateKey};

    #[test]
    fn what_one_seals_another_with_the_same_key_and_user_opens() {
        let pem = pem();
        let session = session();
        let sealed = seal(&pem, "a@example.com")
            .close(&session, &first())
            .unwrap();
        assert_eq!(
            seal(&pem, "a@example.com").open(&sealed, &first()).as_ref(),
            Some(&session)
        );
        // Each time in another way.
        let again = seal(&pem, "a@example.com")
            .close(&session, &first())
            .unwrap();
        assert_ne!(sealed, again);
        for part in [&session.token, &session.instance_url] {
            assert_eq!(memchr::memmem::find(&sealed, part.as_bytes()), None);
        }
    }

    #[test]
    fn nobody_else_opens_it_and_no_bit_of_it_can_be_changed() {
        let (pem, other) = (pem(), pem());
        let own = seal(&pem, "a@example.com");
        let sealed = own.close(&session(), &first()).unwrap();
        for stranger in [seal(&pem, "b@example.com"), seal(&other, "a@example.com")] {
            assert_ne!(stranger.place(), own.place());
            assert_eq!(stranger.open(&sealed, &first()), None);
        }
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(own.open(&changed, &first()), None, "{at}");
            assert_eq!(own.open(&sealed[..at], &first()), None, "{at}");
        }
    }

    #[test]
    fn a_session_cannot_be_passed_off_as_that_of_another_login() {
        let own = seal(&pem(), "a@example.com");
        let sealed = own.close(&session(), &first()).unwrap();
        assert!(own.open(&sealed, &first()).is_some());
        for (epoch, number) in [("e", 2), ("f", 1), ("", 1), ("e\n1", 1)] {
            let epoch = epoch.to_owned();
            let other = Generation { epoch, number };
            assert_eq!(own.open(&sealed, &other), None, "{other:?}");
        }
    }

    #[test]
    fn what_may_be_dead_is_not_taken() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let idle = Duration::from_secs(7200);
        let shared = session();
        assert!(shared.may_live(at(1_000), idle));
        assert!(shared.may_live(at(4_599), idle));
        assert!(!shared.may_live(at(4_600), idle));
        assert_eq!(shared.left(at(4_000)), Some(Duration::from_secs(600)));
        let sliding = Shared {
            expires: None,
            ..shared
        };
        assert!(sliding.may_live(at(8_199), idle));
        assert!(!sliding.may_live(at(8_200), idle));
        // A clock that is behind is not a reason.
        assert!(sliding.may_live(at(0), idle));
    }

    fn first() -> Generation {
        Generation {
            epoch: "e".to_owned(),
            number: 1,
        }
    }

    fn session() -> Shared {
        Shared {
            token: "00DAc00000xyzAB!AQ4AQFa".to_owned(),
            instance_url: "https://acme.my.salesforce.com".to_owned(),
            org_id: Some("00DAc00000xyzABCDE".to_owned()),
            user_id: None,
            scope: Some("api".to_owned()),
            issued: 1_000,
            expires: Some(4_600),
        }
    }

    fn pem() -> String {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
        key.serialize_pem()
    }

    fn seal(pem: &str, username: &str) -> Seal {
        let key = PrivateKey::parse("a key", pem.as_bytes(), None).unwrap();
        let credential = Credential::jwt_bearer("3MVG9".to_owned(), key);
        let url = "https://login.salesforce.com".parse().unwrap();
        let org = Org::new("main".to_owned(), url, username.to_owned(), credential);
        Seal::new(&org, "orgproxy").unwrap()
    }
}
