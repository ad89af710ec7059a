//! The private key that signs assertions: every form in which one is kept, and what is wrong with
//! those that are not it.

use std::{
    fmt::{self, Debug, Formatter},
    ops::RangeInclusive,
    sync::Arc,
};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use pkcs1::{ObjectIdentifier, RsaPrivateKeyRef, der::Decode};
use pkcs8::{EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef, pkcs5};
use zeroize::Zeroizing;

mod form;
mod pem;

use form::Form;

/// An RSA key of at least 2048 bits that is known to sign.
#[derive(Clone)]
pub struct PrivateKey {
    key: Arc<EncodingKey>,
    bits: usize,
}

impl PrivateKey {
    /// Reads a key from PEM or DER: PKCS#1, PKCS#8, and both encrypted. `place` is what messages
    /// call where the bytes came from.
    pub fn parse(place: &str, bytes: &[u8], passphrase: Option<&[u8]>) -> Result<Self, KeyError> {
        parse(bytes, passphrase).map_err(|fault| KeyError {
            place: place.to_owned(),
            fault,
        })
    }

    /// What `jsonwebtoken` signs with.
    pub fn encoding_key(&self) -> &EncodingKey {
        &self.key
    }

    /// The length of the modulus.
    pub fn bits(&self) -> usize {
        self.bits
    }

    /// Takes PKCS#1, checks that it is long enough and that it signs.
    fn new(pkcs1: &[u8]) -> Result<Self, KeyFault> {
        let numbers = RsaPrivateKeyRef::from_der(pkcs1).map_err(|_| KeyFault::Malformed)?;
        let bits = bits(numbers.modulus.as_bytes());
        if !LENGTHS.contains(&bits) {
            return Err(KeyFault::Length(bits));
        }
        let key = EncodingKey::from_rsa_der(pkcs1);
        jsonwebtoken::encode(&Header::new(Algorithm::RS256), &(), &key)
            .map_err(|_| KeyFault::DoesNotSign)?;
        Ok(Self {
            key: Arc::new(key),
            bits,
        })
    }
}

impl Debug for PrivateKey {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Why something is not a usable key.
#[derive(Debug, thiserror::Error)]
#[error("{place} {fault}")]
pub struct KeyError {
    place: String,
    fault: KeyFault,
}

#[derive(Debug, thiserror::Error)]
enum KeyFault {
    #[error("is a certificate, which is for Salesforce; give the private key that it was made for")]
    Certificate,
    #[error("is a public key; give the private key that it was made from")]
    PublicKey,
    #[error(
        "is a Java or PKCS#12 key store; take the key out with `openssl pkcs12 -nocerts -in FILE -out server.key` (a JKS file first with `keytool -importkeystore -deststoretype pkcs12`)"
    )]
    KeyStore,
    #[error(
        "is {0}, but Salesforce takes plain RSA only; make one with `openssl genrsa -out server.key 2048`"
    )]
    OtherAlgorithm(&'static str),
    #[error("is in OpenSSH's format; make an RSA key with `openssl genrsa -out server.key 2048`")]
    OpenSsh,
    #[error(
        "is an RSA key of {0} bits, but it must have 2048 to 8192; make one with `openssl genrsa -out server.key 2048`"
    )]
    Length(usize),
    #[error(
        "is encrypted; add passphrase = {{ file = … }} (or env, command, credential) beside it, as in private_key = {{ file = \"server.key\", passphrase = {{ env = \"KEY_PASSPHRASE\" }} }}"
    )]
    NoPassphrase,
    #[error("does not open with this passphrase")]
    WrongPassphrase,
    #[error(
        "is encrypted in a way that is not supported ({0}); convert it with `openssl pkcs8 -topk8 -v2 aes256 -in FILE -out server.key`"
    )]
    UnsupportedEncryption(String),
    #[error(
        "holds no whole private key: expected PEM from -----BEGIN to -----END, or DER; it may be cut off or damaged"
    )]
    Malformed,
    #[error("is damaged: it reads as an RSA key, but its numbers do not belong together")]
    DoesNotSign,
}

fn parse(bytes: &[u8], passphrase: Option<&[u8]>) -> Result<PrivateKey, KeyFault> {
    // PEM starts with text; DER and the key stores are binary from the second byte on.
    let Ok(text) = str::from_utf8(bytes) else {
        return parse_der(bytes, passphrase);
    };
    // Line ends often survive in environment variables as two characters.
    let text = Zeroizing::new(text.replace("\\n", "\n"));
    let blocks = pem::blocks(&text);
    let Some(block) = blocks
        .iter()
        .find(|block| block.label.ends_with("PRIVATE KEY"))
        .or_else(|| blocks.first())
    else {
        return Err(KeyFault::Malformed);
    };
    match block.label {
        "PRIVATE KEY" | "ENCRYPTED PRIVATE KEY" => parse_der(&block.der(passphrase)?, passphrase),
        "RSA PRIVATE KEY" if block.is_encrypted() => {
            PrivateKey::new(&block.der(passphrase)?).map_err(decrypted)
        }
        "RSA PRIVATE KEY" => PrivateKey::new(&block.der(passphrase)?),
        "EC PRIVATE KEY" => Err(KeyFault::OtherAlgorithm("an EC key")),
        "DSA PRIVATE KEY" => Err(KeyFault::OtherAlgorithm("a DSA key")),
        "OPENSSH PRIVATE KEY" => Err(KeyFault::OpenSsh),
        "CERTIFICATE" | "TRUSTED CERTIFICATE" | "CERTIFICATE REQUEST" => Err(KeyFault::Certificate),
        "PUBLIC KEY" | "RSA PUBLIC KEY" => Err(KeyFault::PublicKey),
        _ => Err(KeyFault::Malformed),
    }
}

fn parse_der(der: &[u8], passphrase: Option<&[u8]>) -> Result<PrivateKey, KeyFault> {
    match Form::of(der) {
        Form::Pkcs1 => PrivateKey::new(der),
        Form::Pkcs8 => parse_pkcs8(der),
        Form::Encrypted => parse_encrypted(der, passphrase.ok_or(KeyFault::NoPassphrase)?),
        Form::Ec => Err(KeyFault::OtherAlgorithm("an EC key")),
        Form::Certificate => Err(KeyFault::Certificate),
        Form::PublicKey => Err(KeyFault::PublicKey),
        Form::KeyStore => Err(KeyFault::KeyStore),
        Form::Unknown => Err(KeyFault::Malformed),
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

fn parse_encrypted(der: &[u8], passphrase: &[u8]) -> Result<PrivateKey, KeyFault> {
    let info = EncryptedPrivateKeyInfoRef::from_der(der)
        .map_err(|_| KeyFault::UnsupportedEncryption("not PBES2".to_owned()))?;
    let der = info.decrypt(passphrase).map_err(|error| match error {
        pkcs8::Error::EncryptedPrivateKey(pkcs5::Error::DecryptFailed) => KeyFault::WrongPassphrase,
        pkcs8::Error::EncryptedPrivateKey(error) => {
            KeyFault::UnsupportedEncryption(error.to_string())
        }
        _ => KeyFault::WrongPassphrase,
    })?;
    parse_pkcs8(der.as_bytes()).map_err(decrypted)
}

/// What was decrypted with a wrong passphrase can look well padded by chance, but it is no key.
fn decrypted(fault: KeyFault) -> KeyFault {
    match fault {
        KeyFault::Malformed => KeyFault::WrongPassphrase,
        fault => fault,
    }
}

/// The length of a modulus, which DER may write with leading zeros.
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

/// Salesforce's least (S§1.4), and the most that aws-lc signs with.
const LENGTHS: RangeInclusive<usize> = 2048..=8192;
