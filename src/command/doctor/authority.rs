//! The local certificate authority, and whether this machine trusts it.

use std::path::Path;

use rustix::fs::{Access, access};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use x509_parser::parse_x509_certificate;

use super::report::Check;
use crate::{
    config::{Config, Listen, Org},
    local_ca::Authority,
};

/// Returns nothing if `org` does not show a certificate of it to anybody.
pub(super) fn check(config: &Config, org: &Org) -> Option<Check> {
    let calls = org.pubsub.iter().flat_map(|pubsub| &pubsub.listen);
    let mut listens = org.listen.iter().chain(calls);
    let is_secure = listens.any(Listen::is_https);
    let is_needed = is_secure && config.tls.identity.is_none() || org.intercept;
    let folder = config.state_dir.as_ref().filter(|_| is_needed)?;
    let path = Authority::path(folder);
    let place = path.display();
    if !path.exists() && !can_be_made(folder) {
        let says = format!("{place} cannot be created by this user");
        return Some(Check::failed("local_authority", says).advise(ELSEWHERE));
    }
    if !path.exists() {
        let says = format!("{place} does not exist yet: it is created at the first start");
        return Some(Check::warning("local_authority", says).advise(TRUST));
    }
    let Ok(certificate) = CertificateDer::from_pem_file(&path) else {
        let says = format!("{place} cannot be read, or is not a certificate");
        return Some(Check::failed("local_authority", says).advise(AGAIN));
    };
    let Ok((_, parsed)) = parse_x509_certificate(&certificate) else {
        let says = format!("{place} is not a certificate");
        return Some(Check::failed("local_authority", says).advise(AGAIN));
    };
    let end = parsed.validity().not_after.to_datetime().date();
    if !parsed.validity().is_valid() {
        let says = format!("{place} expired on {end}");
        return Some(Check::failed("local_authority", says).advise(AGAIN));
    }
    let system = rustls_native_certs::load_native_certs().certs;
    Some(if system.contains(&certificate) {
        Check::passed(
            "local_authority",
            format!("{place}, valid until {end}; this system trusts it"),
        )
    } else {
        Check::warning(
            "local_authority",
            format!("{place}, valid until {end}; this system does not trust it"),
        )
        .advise(TRUST)
    })
}

/// Returns whether this user can create what is missing of `folder`, and write there.
fn can_be_made(folder: &Path) -> bool {
    let there = folder.ancestors().find(|folder| folder.exists());
    there.is_some_and(|there| {
        there.is_dir() && access(there, Access::WRITE_OK | Access::EXEC_OK).is_ok()
    })
}

const ELSEWHERE: &str = "do: set state_dir to a folder where this user may write, or remove it";

const TRUST: &str = "do: `orgproxy trust` shows what each client needs, and `sudo orgproxy trust \
     --system` installs it";

const AGAIN: &str = "do: `orgproxy trust` says what to remove, and creates a new one";
