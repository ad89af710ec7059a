//! Logging in and keeping a session. Knows nothing of requests and answers.

pub use login::{Login, LoginError};
pub use session::Session;
pub use sessions::Sessions;

mod assertion;
mod login;
mod session;
mod sessions;
