//! The local certificate authority. Clients that trust it accept the proxy as localhost, or as a
//! Salesforce host, over TLS.
//!
//! It has no name constraints. The names to permit change with `hosts` and My Domains, and each
//! time every client would have to trust a new authority; and many clients, those in Java among
//! them, ignore constraints on a root. Its key is in a file that only this user can read.

use std::{
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use ::aws_lc_rs::digest::{SHA256, digest};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PublicKeyData,
};
use rustls::{
    RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs},
    sign::CertifiedKey,
};
use rustls_pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime, pem::PemObject,
};
use time::OffsetDateTime;
use x509_parser::{parse_x509_certificate, time::ASN1Time};

use self::store::{Store, StoreError};

mod store;

/// A certificate authority, kept in a folder.
pub(crate) struct Authority {
    store: Store,
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
    provider: Arc<CryptoProvider>,
}

/// A certificate for some names, and its key.
#[derive(Clone)]
pub(crate) struct Leaf {
    pub(crate) key: Arc<CertifiedKey>,
    /// The time in which it does, which ends some time before clients refuse it.
    pub(crate) lasts: Range<SystemTime>,
}

/// Creates the folder of an authority, unless somebody else could lead it elsewhere.
///
/// # Errors
/// If it cannot be created, or somebody could, with what to do.
pub(crate) fn make_folder(folder: &Path) -> Result<(), AuthorityError> {
    Ok(store::make(folder)?)
}

impl Authority {
    /// Opens the one in `folder`, or creates it. If several processes open it at once, one of them
    /// creates it.
    ///
    /// # Errors
    /// A folder or file that cannot be used, with what to do.
    pub(crate) fn open(folder: &Path) -> Result<Self, AuthorityError> {
        let store = Store::open(folder)?;
        let _lock = store.lock()?;
        let pem = match store.read(KEY, true)? {
            Some(pem) => pem,
            None => {
                let pem = make(SystemTime::now())?;
                store.write(KEY, pem.as_bytes())?;
                // The certificate of an authority that is gone.
                store.remove(CERTIFICATE)?;
                pem.into_bytes()
            }
        };
        let (certificate, key) = read(&pem).map_err(|fault| fault.of(store.path(KEY)))?;
        let issuer = issuer(&certificate, key, SystemTime::now())
            .map_err(|fault| fault.of(store.path(KEY)))?;
        let shown = store.read(CERTIFICATE, false)?;
        match shown.map(|pem| CertificateDer::from_pem_slice(&pem)) {
            None => store.write(CERTIFICATE, pem_of(&certificate).as_bytes())?,
            Some(Ok(shown)) if shown == certificate => {}
            Some(_) => return Err(FileFault::NotShown.of(store.path(CERTIFICATE))),
        }
        Ok(Self {
            store,
            certificate,
            issuer,
            provider: Arc::new(aws_lc_rs::default_provider()),
        })
    }

    /// The file with the certificate for clients to trust.
    pub(crate) fn path(folder: &Path) -> PathBuf {
        folder.join(CERTIFICATE)
    }

    /// The stored certificate for all of `names`, or a new one, which is then stored, if that no
    /// longer fits.
    pub(crate) fn kept_leaf(
        &self,
        names: &[String],
        now: SystemTime,
    ) -> Result<Leaf, AuthorityError> {
        let _lock = self.store.lock()?;
        if let Some(pem) = self.store.read(LEAF, true)?
            && let Some(leaf) = self.read_leaf(&pem, names, now)
        {
            return Ok(leaf);
        }
        tracing::info!(names = names.join(", "), "making a certificate");
        let (leaf, pem) = self.make_leaf(names, now)?;
        self.store.write(LEAF, pem.as_bytes())?;
        Ok(leaf)
    }

    /// A new certificate for all of `names`, which is not stored.
    pub(crate) fn leaf(&self, names: &[String], now: SystemTime) -> Result<Leaf, AuthorityError> {
        Ok(self.make_leaf(names, now)?.0)
    }

    fn make_leaf(
        &self,
        names: &[String],
        now: SystemTime,
    ) -> Result<(Leaf, String), AuthorityError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(names)?;
        let mut name = DistinguishedName::new();
        name.push(DnType::CommonName, "orgproxy");
        params.distinguished_name = name;
        params.not_before = date(now - DAY);
        params.not_after = date(now + LEAF_LIFE);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.issuer)?;
        let pem = format!("{}{}", certificate.pem(), key.serialize_pem());
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let key = CertifiedKey::from_der(vec![certificate.into()], key, &self.provider)?;
        let leaf = Leaf {
            key: Arc::new(key),
            lasts: now - DAY..now + LEAF_LIFE - RENEWED_BEFORE,
        };
        Ok((leaf, pem))
    }

    /// The stored certificate, if a client that trusts the authority would accept it for each name
    /// until it is renewed. Otherwise the reason does not matter.
    fn read_leaf(&self, pem: &[u8], names: &[String], now: SystemTime) -> Option<Leaf> {
        let (certificate, key) = read(pem).ok()?;
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).ok()?;
        let verifier =
            WebPkiServerVerifier::builder_with_provider(roots.into(), self.provider.clone())
                .build()
                .ok()?;
        let then = (now + RENEWED_BEFORE).duration_since(SystemTime::UNIX_EPOCH);
        let then = UnixTime::since_unix_epoch(then.ok()?);
        for name in names {
            let name = ServerName::try_from(name.as_str()).ok()?;
            verifier
                .verify_server_cert(&certificate, &[], &name, &[], then)
                .ok()?;
        }
        let (_, parsed) = parse_x509_certificate(&certificate).ok()?;
        let validity = parsed.validity();
        let lasts = system_time(validity.not_before)?
            ..system_time(validity.not_after)?.checked_sub(RENEWED_BEFORE)?;
        let key = CertifiedKey::from_der(vec![certificate], key, &self.provider).ok()?;
        let key = Arc::new(key);
        lasts.contains(&now).then_some(Leaf { key, lasts })
    }
}

/// Creates a key and its self-signed certificate, in one text, so that they cannot be separated.
fn make(now: SystemTime) -> Result<String, AuthorityError> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    let mut name = DistinguishedName::new();
    name.push(
        DnType::CommonName,
        format!("orgproxy local CA {}", id(&key.subject_public_key_info())),
    );
    params.distinguished_name = name;
    // It cannot sign other authorities.
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = date(now - DAY);
    params.not_after = date(now + CA_LIFE);
    let certificate = params.self_signed(&key)?;
    Ok(format!("{}{}", certificate.pem(), key.serialize_pem()))
}

fn read(pem: &[u8]) -> Result<(CertificateDer<'static>, PrivateKeyDer<'static>), FileFault> {
    let certificate = CertificateDer::from_pem_slice(pem).map_err(|_| FileFault::Damaged)?;
    let key = PrivateKeyDer::from_pem_slice(pem).map_err(|_| FileFault::Damaged)?;
    Ok((certificate, key))
}

fn issuer(
    certificate: &CertificateDer<'_>,
    key: PrivateKeyDer<'_>,
    now: SystemTime,
) -> Result<Issuer<'static, KeyPair>, FileFault> {
    let key = KeyPair::try_from(&key).map_err(|_| FileFault::Damaged)?;
    let (_, parsed) = parse_x509_certificate(certificate).map_err(|_| FileFault::Damaged)?;
    if parsed.public_key().raw != key.subject_public_key_info() {
        return Err(FileFault::Mismatched);
    }
    let (now, validity) = (date(now).unix_timestamp(), parsed.validity());
    if validity.not_after.timestamp() < now {
        return Err(FileFault::Expired(validity.not_after.to_string()));
    }
    // No error: this clock may be the wrong one, and be set right in a moment.
    if validity.not_before.timestamp() > now {
        tracing::warn!(
            "the local authority is valid from {} only, so that clients refuse it until then: if the \
             clock is right now, it was ahead when the authority was made; {NEW}",
            validity.not_before
        );
    }
    Issuer::from_ca_cert_der(certificate, key).map_err(|_| FileFault::Damaged)
}

/// Identifies an authority in its name, and in stores that trust it: the first digits of the digest
/// of its public key.
pub(crate) fn id(public_key: &[u8]) -> String {
    let digest = digest(&SHA256, public_key);
    let digits = digest.as_ref().iter().take(4);
    digits.map(|byte| format!("{byte:02x}")).collect()
}

/// The certificate in PEM.
pub(crate) fn pem_of(certificate: &CertificateDer<'_>) -> String {
    use base64ct::{Base64, Encoding};

    let mut pem = "-----BEGIN CERTIFICATE-----\n".to_owned();
    let text = Base64::encode_string(certificate);
    for start in (0..text.len()).step_by(64) {
        pem.push_str(&text[start..text.len().min(start + 64)]);
        pem.push('\n');
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}

fn system_time(time: ASN1Time) -> Option<SystemTime> {
    let seconds = u64::try_from(time.timestamp()).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

fn date(time: SystemTime) -> OffsetDateTime {
    OffsetDateTime::from(time)
}

/// The reason that there is no local authority.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The folder, or a file in it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The content of a file.
    #[error("{0} {1}")]
    File(PathBuf, FileFault),
    /// A certificate cannot be created, such as for an invalid name.
    #[error("cannot make a certificate: {0}")]
    Make(#[from] rcgen::Error),
    /// A new certificate cannot be used.
    #[error("cannot use a certificate of the local authority: {0}")]
    Use(#[from] rustls::Error),
}

/// A fault in a file of the local authority.
#[derive(Debug, thiserror::Error)]
pub enum FileFault {
    /// The file does not hold a certificate and its key.
    #[error("is damaged: it must hold a certificate and its key; {NEW}")]
    Damaged,
    /// Parts of two authorities.
    #[error("holds a certificate and a key that do not belong together; {NEW}")]
    Mismatched,
    /// Nobody accepts its signatures any more.
    #[error("expired on {0}; {NEW}")]
    Expired(String),
    /// Not the certificate beside the key.
    #[error(
        "is not the certificate in {KEY} beside it; remove it to have it written again, and run `orgproxy trust` again"
    )]
    NotShown,
}

impl FileFault {
    fn of(self, path: PathBuf) -> AuthorityError {
        AuthorityError::File(path, self)
    }
}

const NEW: &str =
    "remove it to have a new authority created, and let clients trust that: `orgproxy trust`";

/// The authority's key with its certificate.
const KEY: &str = "ca-key.pem";

/// Its certificate alone, for clients.
const CERTIFICATE: &str = "ca.pem";

/// The certificate for the proxy's own names, with its key.
const LEAF: &str = "localhost.pem";

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const CA_LIFE: Duration = Duration::from_secs(3652 * 24 * 60 * 60);

/// Clients accept 397 days at most, some of them for any authority.
const LEAF_LIFE: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Time before its end.
const RENEWED_BEFORE: Duration = Duration::from_secs(90 * 24 * 60 * 60);

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_kept_certificate_is_renewed_before_it_expires() {
        let (_folder, authority) = authority();
        let now = SystemTime::now();
        let first = authority.kept_leaf(&names(&["localhost"]), now).unwrap();
        let later = authority
            .kept_leaf(&names(&["localhost"]), now + 274 * DAY)
            .unwrap();
        assert_eq!(later.key.cert, first.key.cert);
        let latest = authority
            .kept_leaf(&names(&["localhost"]), now + 276 * DAY)
            .unwrap();
        assert_ne!(latest.key.cert, first.key.cert);
        assert!(latest.lasts.end > now + 276 * DAY);
    }

    #[test]
    fn a_kept_certificate_of_a_time_to_come_does_not_do() {
        let (_folder, authority) = authority();
        let now = SystemTime::now();
        let leaf = |now| authority.kept_leaf(&names(&["localhost"]), now).unwrap();
        let ahead = leaf(now + 30 * DAY);
        let right = leaf(now);
        assert_ne!(right.key.cert, ahead.key.cert);
        assert!(right.lasts.contains(&now));
    }

    #[test]
    fn a_kept_certificate_does_for_fewer_names_and_not_for_others() {
        let (_folder, authority) = authority();
        let now = SystemTime::now();
        let leaf = |list: &[&str]| authority.kept_leaf(&names(list), now).unwrap().key;
        let first = leaf(&["localhost", "::1", "acme.localhost"]);
        assert_eq!(leaf(&["localhost", "::1"]).cert, first.cert);
        assert_ne!(leaf(&["localhost", "beta.localhost"]).cert, first.cert);
    }

    #[test]
    fn a_certificate_lives_no_longer_than_clients_take() {
        let (_folder, authority) = authority();
        let leaf = authority
            .leaf(&names(&["localhost"]), SystemTime::now())
            .unwrap();
        let (_, parsed) = parse_x509_certificate(&leaf.key.cert[0]).unwrap();
        let life = parsed.validity().not_after - parsed.validity().not_before;
        assert!(life.unwrap().whole_days() <= 397);
    }

    #[test]
    fn an_authority_lives_ten_years_and_is_then_said_to_be_over() {
        let pem = make(SystemTime::now() - CA_LIFE - DAY).unwrap();
        let folder = TempDir::new().unwrap();
        let store = Store::open(folder.path()).unwrap();
        store.write(KEY, pem.as_bytes()).unwrap();
        let error = Authority::open(folder.path()).err().unwrap().to_string();
        assert!(error.contains("ca-key.pem expired on"), "{error}");
        assert!(error.contains("orgproxy trust"), "{error}");
    }

    #[test]
    fn an_authority_of_a_time_to_come_is_none_that_is_refused() {
        let pem = make(SystemTime::now() + 30 * DAY).unwrap();
        let folder = TempDir::new().unwrap();
        let store = Store::open(folder.path()).unwrap();
        store.write(KEY, pem.as_bytes()).unwrap();
        assert!(Authority::open(folder.path()).is_ok());
    }

    #[test]
    fn what_does_not_belong_together_is_refused_with_the_way_out() {
        let (folder, _) = authority();
        let (other, _) = authority();
        let file = |folder: &TempDir, name| folder.path().join(name);
        let swapped = fs::read(file(&other, CERTIFICATE)).unwrap();
        fs::write(file(&folder, CERTIFICATE), &swapped).unwrap();
        let error = Authority::open(folder.path()).err().unwrap().to_string();
        assert!(error.contains("ca.pem is not the certificate"), "{error}");

        let own = fs::read_to_string(file(&folder, KEY)).unwrap();
        let key = own.find("-----BEGIN PRIVATE").unwrap();
        let mixed = [&swapped, &own.as_bytes()[key..]].concat();
        fs::write(file(&folder, KEY), mixed).unwrap();
        let error = Authority::open(folder.path()).err().unwrap().to_string();
        assert!(
            error.contains("do not belong together; remove it"),
            "{error}"
        );

        fs::write(file(&folder, KEY), "-----BEGIN").unwrap();
        let error = Authority::open(folder.path()).err().unwrap().to_string();
        assert!(error.contains("ca-key.pem is damaged"), "{error}");
    }

    #[test]
    fn what_is_missing_beside_the_key_is_written_again() {
        let (folder, first) = authority();
        fs::remove_file(folder.path().join(CERTIFICATE)).unwrap();
        let again = Authority::open(folder.path()).unwrap();
        assert_eq!(again.certificate, first.certificate);
        assert!(Authority::path(folder.path()).exists());
    }

    fn authority() -> (TempDir, Authority) {
        let folder = TempDir::new().unwrap();
        let authority = Authority::open(folder.path()).unwrap();
        (folder, authority)
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }
}
