//! The credential that the proxy presents to the token endpoint.

use std::path::Path;

use super::{KeySource, PrivateKey};

/// A flow that logs in to an org, with what it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// The JWT bearer flow (RFC 7523).
    JwtBearer(JwtBearer),
}

impl Credential {
    /// The JWT bearer flow with a key that no configuration names.
    pub fn jwt_bearer(client_id: String, private_key: PrivateKey) -> Self {
        Self::JwtBearer(JwtBearer {
            client_id,
            private_key,
            key_source: None,
        })
    }

    /// The consumer key of the app that the proxy logs in through.
    pub fn client_id(&self) -> &str {
        let Self::JwtBearer(app) = self;
        &app.client_id
    }

    /// A secret that follows from the credential, and reveals nothing of it.
    pub(crate) fn secret(&self) -> &[u8] {
        let Self::JwtBearer(app) = self;
        app.private_key.secret()
    }

    /// The same for what has to know it and never logs in: without the key itself.
    pub(crate) fn without_key(&self) -> Self {
        let Self::JwtBearer(app) = self;
        Self::JwtBearer(JwtBearer {
            private_key: app.private_key.without_key(),
            ..app.clone()
        })
    }

    /// The file that holds the private key, if one does.
    pub(crate) fn key_file(&self) -> Option<&Path> {
        let Self::JwtBearer(app) = self;
        app.key_source.as_ref()?.file()
    }
}

/// The app whose assertions log in, and the key that signs them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwtBearer {
    /// The consumer key: the `iss` claim.
    pub client_id: String,
    /// Signs the assertion.
    pub private_key: PrivateKey,
    /// The source of the private key, if it is from a configuration.
    pub key_source: Option<KeySource>,
}
