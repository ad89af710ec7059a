//! A trust store as Java reads it: PKCS#12 (RFC 7292) with certificates only, in clear and without a
//! password, since there is nothing secret in it.

use rustls_pki_types::CertificateDer;
use x509_parser::parse_x509_certificate;
use yasna::{DERWriter, Tag, construct_der, models::ObjectIdentifier};

/// A trust store with `roots`.
pub(super) fn store_of(roots: &[CertificateDer<'_>]) -> Vec<u8> {
    let bags = construct_der(|writer| {
        writer.write_sequence_of(|writer| {
            for (number, root) in roots.iter().enumerate() {
                write_bag(writer.next(), number, root);
            }
        });
    });
    let contents = construct_der(|writer| {
        writer.write_sequence_of(|writer| write_data(writer.next(), &bags));
    });
    construct_der(|writer| {
        writer.write_sequence(|writer| {
            writer.next().write_u8(VERSION);
            write_data(writer.next(), &contents);
        });
    })
}

/// The certificates in a Java key store that has them in clear: JKS, and PKCS#12 from Java 18 on.
/// None if it is encrypted.
pub(super) fn certificates_in(store: &[u8]) -> Vec<CertificateDer<'static>> {
    let mut found = Vec::new();
    let mut rest = store;
    while let Some(at) = memchr::memmem::find(rest, &LONG_SEQUENCE) {
        rest = &rest[at..];
        match parse_x509_certificate(rest) {
            Ok((after, _)) => {
                let length = rest.len() - after.len();
                found.push(CertificateDer::from(rest[..length].to_vec()));
                rest = after;
            }
            Err(_) => rest = &rest[1..],
        }
    }
    found
}

/// A `ContentInfo` of type `data`.
fn write_data(writer: DERWriter<'_>, content: &[u8]) {
    writer.write_sequence(|writer| {
        writer.next().write_oid(&oid(DATA));
        let writer = writer.next();
        writer.write_tagged(Tag::context(0), |writer| writer.write_bytes(content));
    });
}

/// A `SafeBag` with a certificate. The last attribute makes Java trust it.
fn write_bag(writer: DERWriter<'_>, number: usize, root: &[u8]) {
    writer.write_sequence(|writer| {
        writer.next().write_oid(&oid(CERTIFICATE_BAG));
        writer.next().write_tagged(Tag::context(0), |writer| {
            writer.write_sequence(|writer| {
                writer.next().write_oid(&oid(X509_CERTIFICATE));
                let writer = writer.next();
                writer.write_tagged(Tag::context(0), |writer| writer.write_bytes(root));
            });
        });
        writer.next().write_set_of(|writer| {
            writer.next().write_sequence(|writer| {
                writer.next().write_oid(&oid(FRIENDLY_NAME));
                let name = format!("root-{number}");
                let writer = writer.next();
                writer.write_set_of(|writer| writer.next().write_bmp_string(&name));
            });
            writer.next().write_sequence(|writer| {
                writer.next().write_oid(&oid(TRUSTED_KEY_USAGE));
                let writer = writer.next();
                writer.write_set_of(|writer| writer.next().write_oid(&oid(ANY_KEY_USAGE)));
            });
        });
    });
}

fn oid(numbers: &[u64]) -> ObjectIdentifier {
    ObjectIdentifier::from_slice(numbers)
}

/// The version of `PFX`.
const VERSION: u8 = 3;

/// The first bytes of a certificate of more than 255 bytes.
const LONG_SEQUENCE: [u8; 2] = [0x30, 0x82];

const DATA: &[u64] = &[1, 2, 840, 113_549, 1, 7, 1];
const CERTIFICATE_BAG: &[u64] = &[1, 2, 840, 113_549, 1, 12, 10, 1, 3];
const X509_CERTIFICATE: &[u64] = &[1, 2, 840, 113_549, 1, 9, 22, 1];
const FRIENDLY_NAME: &[u64] = &[1, 2, 840, 113_549, 1, 9, 20];

/// Oracle's, which `sun.security.pkcs12.PKCS12KeyStore` looks for.
const TRUSTED_KEY_USAGE: &[u64] = &[2, 16, 840, 1, 113_894, 746_875, 1, 1];
const ANY_KEY_USAGE: &[u64] = &[2, 5, 29, 37, 0];

#[cfg(test)]
#[cfg(feature = "demo")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_put_in_is_found_in_it() {
        let [one, two] = [
            crate::demo::Org::start().await.unwrap(),
            crate::demo::Org::start().await.unwrap(),
        ]
        .map(|org| org.ca_der());
        let roots = [one, two];
        let store = store_of(&roots);
        assert_eq!(certificates_in(&store), roots);
        // JKS has the certificates among other data.
        let [before, between] = [&b"\xfe\xed\xfe\xed\x30\x82"[..], b"\x30\x82\x01"];
        let jks = [before, &roots[0], between, &roots[1]].concat();
        assert_eq!(certificates_in(&jks), roots);
        for nothing in [&b""[..], b"\x30\x82", &store[..40]] {
            assert!(certificates_in(nothing).is_empty());
        }
    }
}
