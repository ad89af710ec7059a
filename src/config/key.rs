//! Private keys in every form in which they are kept, and the errors for anything else.

use std::{
    fmt::{self, Debug, Formatter},
    ops::RangeInclusive,
    sync::Arc,
};

use arc_swap::ArcSwapOption;
use aws_lc_rs::hmac;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use pkcs1::{ObjectIdentifier, RsaPrivateKeyRef, der::Decode};
use pkcs8::{EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef, pkcs5};
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls_pki_types::PrivateKeyDer;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

mod form;
pub(super) mod pem;

use form::Form;

use super::{look::Look, unwrap::unwrap};

/// An RSA key of at least 2048 bits that is known to sign.
#[derive(Clone)]
pub struct PrivateKey {
    /// The same one in all clones, so that it can be wiped in all of them.
    key: Arc<ArcSwapOption<EncodingKey>>,
    public: Arc<DecodingKey>,
    bits: usize,
    secret: Arc<Zeroizing<Vec<u8>>>,
}

impl PrivateKey {
    /// Reads a key from PEM or DER: PKCS#1, PKCS#8, and both encrypted. `place` names the source of
    /// the bytes in messages.
    pub fn parse(place: &str, bytes: &[u8], passphrase: Option<&[u8]>) -> Result<Self, KeyError> {
        open(bytes, passphrase)
            .and_then(|opened| opened.read(Self::from_opened))
            .map_err(|fault| fault.at(place))
    }

    fn from_opened(form: Form, der: &[u8]) -> Result<Self, KeyFault> {
        match form {
            Form::Pkcs1 => Self::new(der),
            Form::Pkcs8 => parse_pkcs8(der),
            form => Err(form.fault()),
        }
    }

    /// The key that `jsonwebtoken` signs with, unless it has been replaced since.
    pub fn encoding_key(&self) -> Option<Arc<EncodingKey>> {
        self.key.load_full()
    }

    /// Wipes the key in all clones of this. What follows from it stays.
    pub(crate) fn wipe(&self) {
        self.key.store(None);
    }

    /// Returns what follows from the key, without the key itself.
    pub(crate) fn without_key(&self) -> Self {
        Self {
            key: Arc::default(),
            ..self.clone()
        }
    }

    /// The public key, which verifies signatures by this key.
    pub fn decoding_key(&self) -> &DecodingKey {
        &self.public
    }

    /// The length of the modulus.
    pub fn bits(&self) -> usize {
        self.bits
    }

    /// A secret that is derived from the key, the same for every form of it, and reveals nothing of
    /// it.
    pub(crate) fn secret(&self) -> &[u8] {
        &self.secret
    }

    /// Takes PKCS#1, and checks that it is long enough and can sign.
    fn new(pkcs1: &[u8]) -> Result<Self, KeyFault> {
        let numbers = RsaPrivateKeyRef::from_der(pkcs1).map_err(|_| KeyFault::Malformed)?;
        let bits = bits(numbers.modulus.as_bytes());
        if !LENGTHS.contains(&bits) {
            return Err(KeyFault::Length(bits));
        }
        let key = EncodingKey::from_rsa_der(pkcs1);
        jsonwebtoken::encode(&Header::new(Algorithm::RS256), &(), &key)
            .map_err(|_| KeyFault::DoesNotSign)?;
        let secret = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, pkcs1), SECRET_LABEL);
        let public = DecodingKey::from_rsa_raw_components(
            numbers.modulus.as_bytes(),
            numbers.public_exponent.as_bytes(),
        );
        Ok(Self {
            key: Arc::new(ArcSwapOption::from_pointee(key)),
            public: Arc::new(public),
            bits,
            secret: Arc::new(Zeroizing::new(secret.as_ref().to_vec())),
        })
    }
}

/// The same numbers, in whatever form they were kept.
impl PartialEq for PrivateKey {
    fn eq(&self, other: &Self) -> bool {
        self.secret.ct_eq(&other.secret).into()
    }
}

impl Eq for PrivateKey {}

impl Debug for PrivateKey {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Reads a key for TLS: like [`PrivateKey::parse`], of any algorithm and length that TLS supports.
pub(super) fn parse_any(
    place: &str,
    bytes: &[u8],
    passphrase: Option<&[u8]>,
) -> Result<PrivateKeyDer<'static>, KeyError> {
    let read = |form, der: &[u8]| {
        let key = match form {
            Form::Pkcs1 => PrivateKeyDer::Pkcs1(der.to_vec().into()),
            Form::Pkcs8 => PrivateKeyDer::Pkcs8(der.to_vec().into()),
            Form::Ec => PrivateKeyDer::Sec1(der.to_vec().into()),
            form => return Err(form.fault()),
        };
        match any_supported_type(&key) {
            Ok(_) => Ok(key),
            Err(_) => Err(KeyFault::NotForTls),
        }
    };
    open(bytes, passphrase)
        .and_then(|opened| opened.read(read))
        .map_err(|fault| fault.at(place))
}

/// The reason that something is not a usable key.
#[derive(Debug, thiserror::Error)]
#[error("{place} {fault}")]
pub struct KeyError {
    place: String,
    fault: KeyFault,
}

#[derive(Debug, thiserror::Error)]
enum KeyFault {
    #[error("is a certificate, which is for Salesforce; use the private key that it belongs to")]
    Certificate,
    #[error("is a public key; use the private key that it belongs to")]
    PublicKey,
    #[error(
        "is a Java or PKCS#12 key store; extract the key with `openssl pkcs12 -nocerts -in FILE -out server.key` (a JKS file first with `keytool -importkeystore -deststoretype pkcs12`)"
    )]
    KeyStore,
    #[error(
        "is {0}, but Salesforce accepts only plain RSA; create one with `openssl genrsa -out server.key 2048`"
    )]
    OtherAlgorithm(&'static str),
    #[error("is in OpenSSH's format; create an RSA key with `openssl genrsa -out server.key 2048`")]
    OpenSsh,
    #[error(
        "is an RSA key of {0} bits, but it must have 2048 to 8192; create one with `openssl genrsa -out server.key 2048`"
    )]
    Length(usize),
    #[error(
        "is encrypted; add passphrase = {{ file = … }} (or env, command, credential) beside it, as in private_key = {{ file = \"server.key\", passphrase = {{ env = \"KEY_PASSPHRASE\" }} }}"
    )]
    NoPassphrase,
    #[error("cannot be decrypted with this passphrase")]
    WrongPassphrase,
    #[error(
        "is encrypted in a way that is not supported ({0}); convert it with `openssl pkcs8 -topk8 -v2 aes256 -in FILE -out server.key`"
    )]
    UnsupportedEncryption(String),
    #[error(
        "does not hold a complete private key: expected PEM from -----BEGIN to -----END, or DER; it may be cut off or damaged"
    )]
    Malformed,
    #[error("does not hold a readable private key, but looks like {0}; {advice}", advice = .0.advice())]
    Looks(Look),
    #[error("is damaged: it has the form of an RSA key, but its numbers do not match")]
    DoesNotSign,
    #[error(
        "is not a key that TLS can use here; use an RSA key of 2048 to 8192 bits, an EC key (P-256, P-384, P-521) or an Ed25519 key"
    )]
    NotForTls,
}

impl KeyFault {
    fn at(self, place: &str) -> KeyError {
        KeyError {
            place: place.to_owned(),
            fault: self,
        }
    }
}

/// A key without its wrappings.
struct Opened {
    form: Form,
    der: Zeroizing<Vec<u8>>,
    /// If true, a passphrase has decrypted it, perhaps a wrong one.
    decrypted: bool,
}

impl Opened {
    fn plain(der: Zeroizing<Vec<u8>>) -> Self {
        Self {
            form: Form::of(&der),
            der,
            decrypted: false,
        }
    }

    fn read<T>(self, read: impl FnOnce(Form, &[u8]) -> Result<T, KeyFault>) -> Result<T, KeyFault> {
        match read(self.form, &self.der) {
            // A wrong passphrase can yield valid padding by chance, but not a key.
            Err(KeyFault::Malformed | KeyFault::NotForTls) if self.decrypted => {
                Err(KeyFault::WrongPassphrase)
            }
            read => read,
        }
    }
}

impl Form {
    /// The fault of a document of this form where a plain RSA key is wanted.
    fn fault(self) -> KeyFault {
        match self {
            Self::Ec => KeyFault::OtherAlgorithm("an EC key"),
            Self::Certificate => KeyFault::Certificate,
            Self::PublicKey => KeyFault::PublicKey,
            Self::KeyStore => KeyFault::KeyStore,
            Self::Pkcs1 | Self::Pkcs8 | Self::Encrypted | Self::Unknown => KeyFault::Malformed,
        }
    }
}

/// Returns whether these bytes are DER of a key, or of something that is mistaken for one.
pub(super) fn is_der(bytes: &[u8]) -> bool {
    !matches!(Form::of(bytes), Form::Unknown)
}

/// Returns whether these bytes are a certificate in DER.
pub(super) fn is_certificate(bytes: &[u8]) -> bool {
    matches!(Form::of(bytes), Form::Certificate)
}

/// Unwraps a key from PEM, DER and encryption.
fn open(bytes: &[u8], passphrase: Option<&[u8]>) -> Result<Opened, KeyFault> {
    let bytes = unwrap(bytes);
    // PEM starts with text; DER and the key stores are binary from the second byte on.
    let Ok(text) = str::from_utf8(&bytes) else {
        return open_der(bytes, passphrase);
    };
    open_pem(text, passphrase).map_err(|fault| match (fault, Look::of(text)) {
        (KeyFault::Malformed, Some(look)) => KeyFault::Looks(look),
        (fault, _) => fault,
    })
}

fn open_pem(text: &str, passphrase: Option<&[u8]>) -> Result<Opened, KeyFault> {
    let blocks = pem::blocks(text);
    let Some(block) = blocks
        .iter()
        .find(|block| block.label.ends_with("PRIVATE KEY"))
        .or_else(|| blocks.first())
    else {
        return Err(KeyFault::Malformed);
    };
    match block.label {
        "PRIVATE KEY" | "ENCRYPTED PRIVATE KEY" => open_der(block.der(passphrase)?, passphrase),
        "RSA PRIVATE KEY" | "EC PRIVATE KEY" => Ok(Opened {
            form: match block.label {
                "EC PRIVATE KEY" => Form::Ec,
                _ => Form::Pkcs1,
            },
            der: block.der(passphrase)?,
            decrypted: block.is_encrypted(),
        }),
        "DSA PRIVATE KEY" => Err(KeyFault::OtherAlgorithm("a DSA key")),
        "OPENSSH PRIVATE KEY" => Err(KeyFault::OpenSsh),
        "CERTIFICATE" | "TRUSTED CERTIFICATE" | "CERTIFICATE REQUEST" => Err(KeyFault::Certificate),
        "PUBLIC KEY" | "RSA PUBLIC KEY" => Err(KeyFault::PublicKey),
        _ => Err(KeyFault::Malformed),
    }
}

fn open_der(der: Zeroizing<Vec<u8>>, passphrase: Option<&[u8]>) -> Result<Opened, KeyFault> {
    match Form::of(&der) {
        Form::Encrypted => decrypt(&der, passphrase.ok_or(KeyFault::NoPassphrase)?),
        _ => Ok(Opened::plain(der)),
    }
}

fn parse_pkcs8(der: &[u8]) -> Result<PrivateKey, KeyFault> {
    let info = PrivateKeyInfoRef::from_der(der).map_err(|_| KeyFault::Malformed)?;
    match info.algorithm.oid {
        pkcs1::ALGORITHM_OID => PrivateKey::new(info.private_key.as_bytes()),
        RSA_PSS => Err(KeyFault::OtherAlgorithm("an RSA-PSS key")),
        EC => Err(KeyFault::OtherAlgorithm("an EC key")),
        ED25519 => Err(KeyFault::OtherAlgorithm("an Ed25519 key")),
        DSA => Err(KeyFault::OtherAlgorithm("a DSA key")),
        _ => Err(KeyFault::OtherAlgorithm("a key of another algorithm")),
    }
}

fn decrypt(der: &[u8], passphrase: &[u8]) -> Result<Opened, KeyFault> {
    let info = EncryptedPrivateKeyInfoRef::from_der(der)
        .map_err(|_| KeyFault::UnsupportedEncryption("not PBES2".to_owned()))?;
    let der = info.decrypt(passphrase).map_err(|error| match error {
        pkcs8::Error::EncryptedPrivateKey(pkcs5::Error::DecryptFailed) => KeyFault::WrongPassphrase,
        pkcs8::Error::EncryptedPrivateKey(error) => {
            KeyFault::UnsupportedEncryption(error.to_string())
        }
        _ => KeyFault::WrongPassphrase,
    })?;
    Ok(Opened {
        form: Form::Pkcs8,
        der: Zeroizing::new(der.as_bytes().to_vec()),
        decrypted: true,
    })
}

/// The length of a modulus in bits; DER may write it with leading zeros.
fn bits(modulus: &[u8]) -> usize {
    let significant = modulus.iter().skip_while(|byte| **byte == 0);
    let leading = significant
        .clone()
        .next()
        .map_or(0, |byte| byte.leading_zeros());
    significant.count() * 8 - leading as usize
}

const RSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const DSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10040.4.1");

/// Other secrets from the same key would have other labels.
const SECRET_LABEL: &[u8] = b"orgproxy: placeholders, 1";

/// The least that is usual with Salesforce, and the most that aws-lc can sign with.
const LENGTHS: RangeInclusive<usize> = 2048..=8192;

#[cfg(test)]
#[path = "../../tests/fuzz/keys.rs"]
mod fuzz;
