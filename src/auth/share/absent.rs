//! A build without the feature `redis`, to which no configuration gives a server.

use std::sync::Arc;

use super::{
    login::{Login, LoginError},
    session::Session,
};
use crate::{config, network::Store};

/// Nothing.
pub(crate) enum Share {}

impl Share {
    pub(crate) fn new(store: &Arc<Store>, _: &config::Org) -> Option<Self> {
        match **store {}
    }

    pub(crate) fn place(&self) -> &str {
        match *self {}
    }

    #[expect(clippy::unused_async, reason = "the other one is async")]
    pub(in crate::auth) async fn log_in(
        &self,
        _: &Login,
        _: Option<&Session>,
    ) -> Result<Session, LoginError> {
        match *self {}
    }
}
