//! How sessions of one org are had: by logins, or from other processes.

use std::sync::Arc;

#[cfg(test)]
use futures_util::future::BoxFuture;

use super::{
    login::{Login, LoginError},
    session::Session,
    share::Share,
};

/// The way to a session.
pub(crate) struct Access {
    pub(super) login: Login,
    /// What other processes have, if they share.
    share: Option<Share>,
    /// The user, for the log, if it is not the org's own.
    user: Option<Arc<str>>,
    /// What comes of it where there is no network.
    #[cfg(test)]
    script: Option<Script>,
}

/// A login that is made up.
#[cfg(test)]
type Script = Box<dyn Fn() -> BoxFuture<'static, Result<Session, LoginError>> + Send + Sync>;

impl Access {
    /// By `login`, or by what is in `share`.
    pub(crate) fn new(login: Login, share: Option<Share>) -> Self {
        Self {
            login,
            share,
            user: None,
            #[cfg(test)]
            script: None,
        }
    }

    /// By `script`, in place of `login`.
    #[cfg(test)]
    #[cfg(feature = "demo")]
    pub(super) fn scripted(
        login: Login,
        script: impl Fn() -> BoxFuture<'static, Result<Session, LoginError>> + Send + Sync + 'static,
    ) -> Self {
        Self {
            script: Some(Box::new(script)),
            ..Self::new(login, None)
        }
    }

    /// The same, for a `user` who is not the org's own.
    pub(crate) fn of_user(self, user: Arc<str>) -> Self {
        Self {
            user: Some(user),
            ..self
        }
    }

    /// The user, if it is not the org's own.
    pub(super) fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// Gets a session other than `useless`.
    ///
    /// # Errors
    /// Those of a login.
    pub(super) async fn session(&self, useless: Option<&Session>) -> Result<Session, LoginError> {
        #[cfg(test)]
        if let Some(script) = &self.script {
            return script().await;
        }
        match &self.share {
            Some(share) => share.log_in(&self.login, useless).await,
            None => self.login.login().await,
        }
    }
}
