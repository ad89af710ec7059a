//! Salesforce's behaviour on the wire, as far as this program relies on it, with sources.
//!
//! Comments elsewhere cite these modules, which hold nothing but text:
//!
//! - [`jwt_bearer`]: the request of a login: its claims, audiences, and certificate
//! - [`token_response`]: the response to it
//! - [`login_refusals`]: refusals of the token endpoint, and what causes them
//! - [`sessions`]: what a session looks like, how long it lives, and who shares it
//! - [`expiry`]: how each API family shows that a session is dead
//! - [`families`]: the APIs, their paths, and where each takes the session
//! - [`soap_login`]: `login()` of the SOAP API: its end, its faults, and its messages
//! - [`clients`]: what clients require of a server that stands in for Salesforce
//! - [`limits`]: limits, timeouts, and the headers that report them
//! - [`hosts`]: where Salesforce serves its APIs
//! - [`session_endpoints`]: paths that hand out a session, show one, or end one
//! - [`timeline`]: changes with a date
//!
//! # Sources
//!
//! A link to Salesforce's pages means that the fact is documented. A link to a repository means that
//! public code relies on it. *Observed* means that somebody reported or measured it, and that it may
//! hold for their org only. *Not captured* means that nobody has published the exact form of something
//! that the code has to cope with. What has no source is common knowledge among Salesforce developers
//! that no page confirms. None of this was verified against an org for this program.

pub(crate) mod clients;
pub(crate) mod expiry;
pub(crate) mod families;
pub(crate) mod hosts;
pub(crate) mod jwt_bearer;
pub(crate) mod limits;
pub(crate) mod login_refusals;
pub(crate) mod session_endpoints;
pub(crate) mod sessions;
pub(crate) mod soap_login;
pub(crate) mod timeline;
pub(crate) mod token_response;
