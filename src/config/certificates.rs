//! Certificates from files, in each form that they come in: PEM, DER and PKCS#7.

use std::{
    path::Path,
    time::{Duration, SystemTime},
};

use pkcs1::der::{
    Reader, SliceReader, Tag, Tagged,
    asn1::{AnyRef, ContextSpecific, ObjectIdentifier},
};
use rustls_pki_types::CertificateDer;
use x509_parser::parse_x509_certificate;

use super::{
    input::Input,
    key::{is_certificate, pem},
    unwrap::unwrap,
};

/// Every certificate in a file, at least one. Errors never show the content of the file, which may
/// hold a key as well.
pub(super) fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let input = Input::open(path).map_err(|error| format!("{} {error}", path.display()))?;
    read_open(path, input)
}

/// Like [`read`], for an open file.
pub(super) fn read_open(path: &Path, input: Input) -> Result<Vec<CertificateDer<'static>>, String> {
    let place = path.display();
    let bytes = input
        .read(LONGEST)
        .map_err(|error| format!("{place} {error}"))?;
    parse(&bytes).map_err(|fault| format!("{place} {fault}"))
}

/// Like [`read`], for the content of a file.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, CertificateFault> {
    let bytes = unwrap(bytes);
    let mut found = Vec::new();
    let text = str::from_utf8(&bytes).unwrap_or_default();
    for block in pem::blocks(text) {
        let is_store = matches!(block.label, "PKCS7" | "CMS" | "PKCS #7 SIGNED DATA");
        let is_one = block.label.ends_with("CERTIFICATE");
        if !is_one && !is_store {
            continue;
        }
        let before = found.len();
        let damaged = CertificateFault::Damaged(before + 1);
        match block.content() {
            Some(der) if is_store => found.extend(of_store(&der)),
            // OpenSSL's own form has trust settings after the certificate.
            Some(der) => found.extend(one_after_another(&der).next()),
            None => {}
        }
        if found.len() == before {
            return Err(damaged);
        }
    }
    if found.is_empty() {
        found.extend(one_after_another(&bytes));
    }
    if found.is_empty() {
        found.extend(of_store(&bytes));
    }
    if found.is_empty() {
        Err(CertificateFault::None)
    } else {
        Ok(found)
    }
}

/// When a certificate expires.
pub(super) fn end(certificate: &CertificateDer<'_>) -> Option<SystemTime> {
    let (_, certificate) = parse_x509_certificate(certificate).ok()?;
    let end = certificate.validity().not_after.timestamp();
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(end.try_into().ok()?))
}

/// Certificates in DER, up to anything else.
fn one_after_another(der: &[u8]) -> impl Iterator<Item = CertificateDer<'static>> {
    let mut reader = SliceReader::new(der).ok();
    std::iter::from_fn(move || {
        let der = reader.as_mut()?.tlv_bytes().ok()?;
        is_certificate(der).then(|| CertificateDer::from(der.to_vec()))
    })
}

/// The certificates of a PKCS#7 (RFC 2315 section 9.1, RFC 5652 section 5.1), which usually holds
/// nothing else.
fn of_store(der: &[u8]) -> Vec<CertificateDer<'static>> {
    signed_data(der).unwrap_or_default()
}

fn signed_data(der: &[u8]) -> Result<Vec<CertificateDer<'static>>, pkcs1::der::Error> {
    let mut content = within(SliceReader::new(der)?.decode()?)?;
    if content.decode::<ObjectIdentifier>()? != SIGNED_DATA {
        return Ok(Vec::new());
    }
    let signed: ContextSpecific<AnyRef<'_>> = content.decode()?;
    let mut signed = within(signed.value)?;
    while !signed.is_finished() {
        let part: AnyRef<'_> = signed.decode()?;
        if matches!(part.tag(), Tag::ContextSpecific { number, .. } if number.value() == 0) {
            return Ok(one_after_another(part.value()).collect());
        }
    }
    Ok(Vec::new())
}

fn within(any: AnyRef<'_>) -> Result<SliceReader<'_>, pkcs1::der::Error> {
    SliceReader::new(any.value())
}

/// The reason that there is no certificate.
#[derive(Debug, thiserror::Error)]
pub(super) enum CertificateFault {
    #[error("is damaged: certificate {0} in it cannot be read")]
    Damaged(usize),
    #[error("holds no certificate; it must be PEM, DER or PKCS#7")]
    None,
}

const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");

/// Bytes. Mozilla's authorities take 220 KB.
const LONGEST: usize = 16 * 1024 * 1024;
