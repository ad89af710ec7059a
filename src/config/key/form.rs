//! The kind of a DER document, judged by its outline.

use pkcs1::der::{Decode, Reader, SliceReader, Tag, Tagged, asn1::AnyRef};

pub(super) enum Form {
    /// An RSA private key.
    Pkcs1,
    /// A private key of any algorithm.
    Pkcs8,
    /// PKCS#8, encrypted.
    Encrypted,
    /// An EC private key as SEC 1 has it.
    Ec,
    /// X.509, or a certificate request.
    Certificate,
    PublicKey,
    /// PKCS#12, or Java's own format.
    KeyStore,
    Unknown,
}

impl Form {
    pub(super) fn of(der: &[u8]) -> Self {
        if der.starts_with(JAVA_KEY_STORE) {
            return Self::KeyStore;
        }
        match outline(der).unwrap_or_default().as_slice() {
            [Tag::Integer, Tag::Integer] => Self::PublicKey,
            [Tag::Integer, Tag::Integer, Tag::Integer, ..] => Self::Pkcs1,
            [Tag::Integer, Tag::Sequence, Tag::OctetString, ..] => Self::Pkcs8,
            [Tag::Integer, Tag::Sequence] | [Tag::Integer, Tag::Sequence, Tag::Sequence] => {
                Self::KeyStore
            }
            [Tag::Integer, Tag::OctetString, ..] => Self::Ec,
            [Tag::Sequence, Tag::OctetString] => Self::Encrypted,
            [Tag::Sequence, Tag::BitString] => Self::PublicKey,
            [Tag::Sequence, Tag::Sequence, Tag::BitString] => Self::Certificate,
            _ => Self::Unknown,
        }
    }
}

/// The tags within the outermost sequence.
fn outline(der: &[u8]) -> Result<Vec<Tag>, pkcs1::der::Error> {
    let document = AnyRef::from_der(der)?;
    let mut reader = SliceReader::new(document.value())?;
    let mut tags = Vec::new();
    while !reader.is_finished() {
        tags.push(AnyRef::decode(&mut reader)?.tag());
    }
    Ok(tags)
}

const JAVA_KEY_STORE: &[u8] = &[0xfe, 0xed, 0xfe, 0xed];
