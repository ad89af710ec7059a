//! Paths of the org that many tests ask for.

/// The root of the REST API.
pub(crate) const REST: &str = "/services/data/v62.0";

/// The plainest request of the REST API.
pub(crate) const LIMITS: &str = "/services/data/v62.0/limits";

/// Apex of the demo org that answers with the body that it got.
pub(crate) const ECHO: &str = "/services/apexrest/echo";

/// Apex of the demo org that answers with the length and the digest of the body that it got.
pub(crate) const SINK: &str = "/services/apexrest/sink";

/// Apex of the demo org that answers with as many bytes as `?n=` says.
pub(crate) const BYTES: &str = "/services/apexrest/bytes";

/// The OAuth endpoint that says who the user of a session is.
pub(crate) const USERINFO: &str = "/services/oauth2/userinfo";

/// SOAP, by the partner WSDL.
pub(crate) const SOAP: &str = "/services/Soap/u/62.0";

/// Jobs of the Bulk API 1.0.
pub(crate) const JOB: &str = "/services/async/67.0/job";

/// The Streaming API.
pub(crate) const COMETD: &str = "/cometd/67.0";
