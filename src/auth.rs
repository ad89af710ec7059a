//! Logging in and keeping a session. Knows nothing of requests and answers.

pub(crate) use login::Login;
pub use login::LoginError;
#[cfg(test)]
pub(crate) use session::Identity;
pub(crate) use session::Session;
pub(crate) use sessions::Sessions;

mod assertion;
mod login;
mod session;
mod sessions;
