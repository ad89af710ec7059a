//! A private key and its certificate.

use aws_lc_rs::rand;
use pkcs8::{LineEnding, PrivateKeyInfoRef, pkcs5::pbes2};
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_RSA_SHA256, RsaKeySize, SerialNumber};
use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

use crate::config::PrivateKey;

/// An RSA key in PKCS#8, and a self-signed certificate of it.
pub(super) struct Pair {
    pub(super) key_pem: Zeroizing<String>,
    pub(super) bits: usize,
    pub(super) certificate_pem: String,
    /// The last day of the certificate, such as 2027-01-31.
    pub(super) valid_until: String,
}

impl Pair {
    /// Creates a pair for the org `name`. `bits` is 2048, 3072 or 4096.
    ///
    /// # Errors
    /// When the library fails, or creates a certificate that Salesforce would not accept.
    pub(super) fn make(
        name: &str,
        bits: &str,
        days: u16,
        passphrase: Option<&[u8]>,
    ) -> Result<Self, String> {
        let size = match bits {
            "2048" => RsaKeySize::_2048,
            "4096" => RsaKeySize::_4096,
            _ => RsaKeySize::_3072,
        };
        let now = OffsetDateTime::now_utc();
        let end = now + Duration::days(days.into());
        let (key_pem, certificate_pem) =
            make(name, size, now, end, passphrase).map_err(|error| error.to_string())?;
        if certificate_pem.len() > LARGEST_CERTIFICATE {
            return Err(format!(
                "the certificate has {} bytes, but Salesforce accepts at most \
                 {LARGEST_CERTIFICATE}",
                certificate_pem.len()
            ));
        }
        // The proxy will read it in the same way.
        let key = PrivateKey::parse("the new key", key_pem.as_bytes(), passphrase)
            .map_err(|error| error.to_string())?;
        Ok(Self {
            bits: key.bits(),
            key_pem,
            certificate_pem,
            valid_until: end.date().to_string(),
        })
    }
}

fn make(
    name: &str,
    size: RsaKeySize,
    now: OffsetDateTime,
    end: OffsetDateTime,
    passphrase: Option<&[u8]>,
) -> Result<(Zeroizing<String>, String), Box<dyn std::error::Error>> {
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, size)?;
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, format!("orgproxy {name}"));
    // The clock of the org may be behind.
    params.not_before = now - Duration::minutes(5);
    params.not_after = end;
    // Positive, and without a leading zero (RFC 5280 section 4.1.2.2).
    let mut serial = random::<16>()?;
    serial[0] = serial[0] & 0x7f | 0x40;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    let certificate = params.self_signed(&key)?;

    let key_pem = match passphrase {
        None => Zeroizing::new(key.serialize_pem()),
        Some(passphrase) => {
            let parameters = pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(
                ROUNDS,
                &random::<16>()?,
                random()?,
            )?;
            PrivateKeyInfoRef::try_from(key.serialized_der())?
                .encrypt_with_params(parameters, passphrase)?
                .to_pem("ENCRYPTED PRIVATE KEY", LineEnding::LF)?
        }
    };
    Ok((key_pem, certificate.pem()))
}

/// A new consumer key: 64 random hexadecimal digits. The Metadata API wants 8 to 256 letters and
/// digits for connected apps.
///
/// # Errors
/// When the system does not provide random numbers.
pub(super) fn client_id() -> Result<String, String> {
    let bytes = random::<32>().map_err(|error| error.to_string())?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn random<const N: usize>() -> Result<[u8; N], aws_lc_rs::error::Unspecified> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes)?;
    Ok(bytes)
}

/// Bytes; larger uploads are refused: [`crate::salesforce::facts::jwt_bearer`].
const LARGEST_CERTIFICATE: usize = 4096;

/// Iterations of PBKDF2 with HMAC-SHA-256, as OWASP recommends.
const ROUNDS: u32 = 600_000;
