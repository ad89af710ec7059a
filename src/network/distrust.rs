//! The reason that a host's TLS is not trusted, in plain words, and what to do.

use std::{io, time::Duration};

use rustls::{CertificateError, Error, InvalidMessage};
use time::OffsetDateTime;

use crate::system::chain;

/// Describes why a handshake failed.
pub(super) fn describe(error: &io::Error) -> String {
    let fault = error.get_ref().and_then(|inner| inner.downcast_ref());
    let (reason, advice) = match fault {
        Some(Error::InvalidCertificate(fault)) => of_certificate(fault),
        Some(Error::InvalidMessage(InvalidMessage::InvalidContentType)) => {
            let reason = "it answered with something other than TLS, such as plain HTTP".to_owned();
            (reason, PORT)
        }
        Some(Error::PeerIncompatible(_) | Error::AlertReceived(_)) => (
            format!("it does not agree to TLS 1.2 or 1.3 ({error})"),
            "it must support TLS 1.2 or newer",
        ),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            let reason = "it closed the connection during the TLS handshake".to_owned();
            (reason, PORT)
        }
        _ => (
            format!("the TLS handshake failed: {}", chain::causes(error)),
            PORT,
        ),
    };
    format!("{reason}; {advice}")
}

fn of_certificate(fault: &CertificateError) -> (String, &'static str) {
    use CertificateError as E;
    match fault {
        E::UnknownIssuer => (
            "its certificate is by an unknown issuer, which no trusted authority vouches for"
                .to_owned(),
            "if a proxy on the way inspects TLS, set ca_file to its certificate",
        ),
        E::Expired => ("its certificate has expired".to_owned(), CLOCK),
        E::ExpiredContext { not_after, .. } => (
            format!("its certificate has expired{}", on(not_after.as_secs())),
            CLOCK,
        ),
        E::NotValidYet => ("its certificate is not valid yet".to_owned(), CLOCK),
        E::NotValidYetContext { not_before, .. } => (
            format!(
                "its certificate is not valid yet, but will be{}",
                on(not_before.as_secs())
            ),
            CLOCK,
        ),
        E::NotValidForName => ("its certificate is for another name".to_owned(), NAME),
        E::NotValidForNameContext {
            expected,
            presented,
        } => {
            let expected = expected.to_str();
            let names = match presented.as_slice() {
                [] => "for no name at all".to_owned(),
                names => {
                    let names: Vec<_> = names.iter().map(|name| plain(name)).collect();
                    format!("only for {}", names.join(", "))
                }
            };
            let reason = format!("its certificate is not valid for the name {expected}, {names}");
            (reason, NAME)
        }
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => (
            "its certificate is not one for servers, by its extended key usage".to_owned(),
            RENEW,
        ),
        E::BadSignature => (
            "a signature of its certificate or its key is wrong, or by a key that is too short \
             (RSA needs 2048 bits)"
                .to_owned(),
            RENEW,
        ),
        E::UnsupportedSignatureAlgorithmContext { .. }
        | E::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => (
            "its certificate is signed in a way that is too weak or not supported, such as with \
             SHA-1"
                .to_owned(),
            RENEW,
        ),
        // The library has no name of its own for it.
        other if other.to_string().contains("CaUsedAsEndEntity") => (
            "its certificate is that of an authority, not of a server".to_owned(),
            RENEW,
        ),
        other => (format!("its certificate is invalid: {other}"), RENEW),
    }
}

/// The name in `DnsName("name")`.
fn plain(name: &str) -> &str {
    name.split('"').nth(1).unwrap_or(name)
}

/// The day, if a calendar has it.
fn on(seconds: u64) -> String {
    OffsetDateTime::UNIX_EPOCH
        .checked_add(time::Duration::try_from(Duration::from_secs(seconds)).unwrap_or_default())
        .map_or_else(String::new, |time| format!(" on {}", time.date()))
}

const PORT: &str = "check the host and its port, and whether a firewall on the way interrupts TLS";

const NAME: &str = "check the name, and that it resolves to the right address (/etc/hosts)";

const CLOCK: &str = "check the clock of this machine; if it is right, the host must renew its \
                     certificate";

const RENEW: &str = "the host must get another certificate";
