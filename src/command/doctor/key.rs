//! The private key, and the certificate that Salesforce has of it.

use std::{fs::File, io::Read, os::unix::fs::MetadataExt, path::Path, time::SystemTime};

use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation};
use x509_parser::{certificate::X509Certificate, parse_x509_certificate, time::ASN1Time};

use super::{days, report::Check};
use crate::config::{Certificate, Credential, Org, PrivateKey};

/// Describes the key, which the configuration has read by now.
pub(super) fn private_key(org: &Org) -> Check {
    let Credential::JwtBearer(app) = &org.credential;
    let bits = app.private_key.bits();
    let Some(source) = &app.key_source else {
        return Check::passed("private_key", format!("RSA, {bits} bits"));
    };
    let mut says = format!("{source:?}, RSA, {bits} bits");
    if let Some(path) = source.file() {
        if let Some(form) = form(path) {
            says += &format!(", {form}");
        }
        if let Ok(about) = path.metadata() {
            says += &format!(", mode {:04o}", about.mode() & 0o7777);
        }
    }
    Check::passed("private_key", says)
}

/// The format, from the first line of the file, which holds nothing of the key.
fn form(path: &Path) -> Option<&'static str> {
    let mut start = [0; 32];
    let length = File::open(path).ok()?.read(&mut start).ok()?;
    let start = String::from_utf8_lossy(&start[..length]);
    let forms = [
        ("-----BEGIN RSA PRIVATE", "PKCS#1"),
        ("-----BEGIN PRIVATE", "PKCS#8"),
        ("-----BEGIN ENCRYPTED PRIVATE", "PKCS#8, encrypted"),
        ("0", "DER"),
    ];
    let mut forms = forms.into_iter();
    forms
        .find(|(begin, _)| start.starts_with(begin))
        .map(|(_, form)| form)
}

/// The certificate beside the key, and, if there is one, whether it fits; if not, what is wrong.
pub(super) fn certificate(org: &Org, now: SystemTime) -> (Check, Option<Result<(), String>>) {
    let skipped = |why| (Check::skipped("certificate", why), None);
    match Certificate::path(org) {
        None => skipped("there is none beside the key to compare it with".to_owned()),
        Some(_) => match Certificate::of(org) {
            Ok(certificate) => judge(&certificate, org, now),
            Err(error) => (Check::failed("certificate", error), None),
        },
    }
}

fn judge(
    certificate: &Certificate,
    org: &Org,
    now: SystemTime,
) -> (Check, Option<Result<(), String>>) {
    let place = certificate.path.display();
    let Ok((_, parsed)) = parse_x509_certificate(&certificate.der) else {
        let says = format!("{place} is not a certificate");
        return (Check::failed("certificate", says), None);
    };
    let now = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |age| age.as_secs().cast_signed());
    let validity = parsed.validity();
    let left = validity.not_after.timestamp() - now;
    let day = |moment: ASN1Time| moment.to_datetime().date();
    let (begin, end) = (day(validity.not_before), day(validity.not_after));
    let Credential::JwtBearer(app) = &org.credential;
    let fault = if !belongs(&parsed, &app.private_key) {
        Some((
            "does not belong to private_key".to_owned(),
            other(org, certificate),
        ))
    } else if left < 0 {
        Some((format!("expired on {end}"), RENEW.to_owned()))
    } else if validity.not_before.timestamp() > now {
        Some((format!("is not valid before {begin}"), WAIT.to_owned()))
    } else {
        None
    };
    if let Some((fault, fix)) = fault {
        let fault = format!("{place} {fault}");
        let check = Check::failed("certificate", fault.clone()).advise(fix);
        return (check, Some(Err(fault)));
    }
    let says = format!(
        "{place} belongs to the key, valid until {end}, {} bytes",
        certificate.size
    );
    let mut check = if left < SOON {
        Check::warning("certificate", format!("{says}: expires in {}", days(left)))
    } else if certificate.size > LARGEST {
        Check::warning("certificate", says)
    } else {
        Check::passed("certificate", says)
    };
    if left < SOON {
        check = check.advise(RENEW);
    }
    if certificate.size > LARGEST {
        check = check.advise(format!(
            "do: upload it as DER, because Salesforce accepts at most {LARGEST} bytes: `openssl \
             x509 -in {place} -outform der -out {}`",
            certificate.path.with_extension("der").display()
        ));
    }
    (check, Some(Ok(())))
}

/// The advice for a certificate that does not fit.
fn other(org: &Org, certificate: &Certificate) -> String {
    format!(
        "do: upload the certificate of this key (`openssl req -x509 -new -key {} -days 730 -subj \
         /CN=orgproxy -out {}` creates one), or set private_key to the key of this certificate",
        org.credential
            .key_file()
            .unwrap_or_else(|| Path::new("KEY"))
            .display(),
        certificate.path.display()
    )
}

/// Returns whether the certificate verifies what the key signs.
fn belongs(certificate: &X509Certificate<'_>, key: &PrivateKey) -> bool {
    let mut only_signature = Validation::new(Algorithm::RS256);
    only_signature.required_spec_claims.clear();
    only_signature.validate_exp = false;
    only_signature.validate_aud = false;
    let public = DecodingKey::from_rsa_der(&certificate.public_key().subject_public_key.data);
    let empty = serde_json::Map::new();
    let Some(key) = key.encoding_key() else {
        return false;
    };
    jsonwebtoken::encode(&Header::new(Algorithm::RS256), &empty, &key)
        .and_then(|signed| {
            jsonwebtoken::decode::<serde_json::Value>(signed, &public, &only_signature)
        })
        .is_ok()
}

const RENEW: &str = "do: run `orgproxy init --rotate-key`: it creates the next pair, and prints \
                     in what order to switch";

const WAIT: &str = "do: wait until then, or set the clock of this machine if it is wrong";

/// Seconds before the end of a certificate.
const SOON: i64 = 30 * 24 * 60 * 60;

/// Bytes that Salesforce accepts: [`crate::salesforce::facts::jwt_bearer`].
const LARGEST: usize = 4096;
