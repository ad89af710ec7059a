//! A build without the feature `redis`, to which no configuration gives a server.

use std::{io, sync::Arc};

use rustls_pki_types::CertificateDer;
use url::Url;

/// Nothing.
pub(crate) enum Store {}

/// Nothing.
#[derive(Debug)]
pub(crate) enum Away {}

impl Store {
    pub(crate) fn new(
        _: Url,
        _: &[CertificateDer<'_>],
        _: String,
        _: String,
    ) -> io::Result<Arc<Self>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn is_up(&self) -> bool {
        match *self {}
    }

    pub(crate) fn fault(&self) -> Option<String> {
        match *self {}
    }

    #[expect(clippy::unused_async, reason = "the other one is async")]
    pub(crate) async fn check(&self) -> Result<(), String> {
        match *self {}
    }

    #[expect(clippy::unused_async, reason = "the other one is async")]
    pub(crate) async fn run(&self, _: &str, _: &str, _: &[String]) -> Result<Vec<String>, Away> {
        match *self {}
    }
}
