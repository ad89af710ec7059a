//! Logging in and keeping a session. Knows nothing of requests.

pub(crate) use access::Access;
pub(crate) use diagnosis::{About, Diagnosis};
pub(crate) use login::Login;
pub use login::LoginError;
pub(crate) use session::{Identity, Session};
pub(crate) use sessions::Sessions;
pub(crate) use sessions::status::{SessionState, Status};
pub(crate) use share::Share;

mod access;
pub(crate) mod assertion;
mod diagnosis;
mod key;
mod login;
mod session;
mod sessions;
#[cfg_attr(not(feature = "redis"), path = "auth/share/absent.rs")]
mod share;
mod token_response;
