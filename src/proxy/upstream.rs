//! The way to the org: at most once, but for what is safe to send again.

use std::{sync::Arc, time::Duration};

use http::{Response, StatusCode, uri::Authority};
use hyper::body::Incoming;

pub(crate) use self::{connect::Connector, connections::Connections, response_body::ResponseBody};
use self::{
    connection::{Connection, SendError},
    pool::Pool,
};
use crate::{
    auth::Session,
    config::Limits,
    network::{ConnectError, ConnectFault},
    proxy::{
        delivery::Request,
        replay::{ClientFault, Replay},
    },
    watch::{Replayed, Wait},
};

mod connect;
mod connection;
mod connections;
mod http1;
mod pool;
mod response_body;

/// One thread's way to one org.
pub(crate) struct Upstream {
    pool: Arc<Pool>,
    /// The place to send to, if not the instance of the session.
    endpoint: Option<Authority>,
    /// The time for the head of a response.
    timeout: Duration,
    /// The time between two pieces of its body.
    idle: Duration,
}

impl Upstream {
    /// Leads to the instance of the session, or always to `endpoint`. Must be called on the thread
    /// that will use it: a task there sweeps the pool.
    pub(crate) fn new(
        connector: Arc<Connector>,
        endpoint: Option<Authority>,
        limits: &Limits,
    ) -> Self {
        let idle = limits.idle_body;
        Self {
            pool: Pool::new(connector, idle.min(limits.answer)),
            endpoint,
            timeout: limits.answer,
            idle,
        }
    }

    /// Sends `head` and what `body` holds with `session`. Returns when the head of the response is
    /// there, while its body still streams.
    ///
    /// A connection that the org is known to have closed while it was idle is not used. On one that
    /// turns out to be closed, a request is sent again if HTTP/2 says that nothing of it was sent,
    /// or once if nothing of a response came, and it does no harm twice or the org says that it has
    /// not begun with it. Anything else might be done twice, and is not.
    pub(crate) async fn send(
        &self,
        request: Request<'_>,
        session: &Session,
    ) -> Result<Response<ResponseBody>, Error> {
        let Request {
            head,
            body,
            exchange,
            wait,
            ..
        } = request;
        let mut has_repeated = false;
        loop {
            let connection = self.connection(session);
            let mut connection = exchange.awaits(Wait::Connection, connection).await?;
            let sending = body.send(head.splice(session)).ok_or(Error::Outgrown)?;
            exchange.is_sent();
            let response = connection.send(head, session, sending, body, self.timeout);
            let response = exchange.awaits(wait, response).await;
            let error = match response {
                Ok(response) => return self.accept(response, connection),
                Err(error) => error,
            };
            match error {
                SendError::Unsent if connection.is_reused() => {}
                SendError::Refused(_) if !has_repeated && body.fault().is_none() => {
                    has_repeated = true;
                }
                SendError::Lost(_)
                    if connection.is_reused()
                        && !has_repeated
                        && body.fault().is_none()
                        && head.may_be_repeated() =>
                {
                    // Another request may put a connection back that is just as dead.
                    has_repeated = true;
                    self.pool.clear();
                }
                error => {
                    if matches!(error, SendError::TimedOut) {
                        // The way there may have failed: nobody else is to wait for nothing.
                        self.pool.clear();
                    }
                    return Err(self.judge(error, body));
                }
            }
            exchange.is_replayed(Replayed::Connection);
        }
    }

    async fn connection(&self, session: &Session) -> Result<Box<Connection>, Error> {
        let authority = self.endpoint.as_ref().unwrap_or(&session.authority);
        Ok(self.pool.get(authority).await?)
    }

    fn accept(
        &self,
        response: Response<Option<Incoming>>,
        connection: Box<Connection>,
    ) -> Result<Response<ResponseBody>, Error> {
        // The proxy asks for no upgrade, so this is not a response to its request.
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Err(Error::Upgraded);
        }
        Ok(response.map(|body| ResponseBody::new(body, connection, self.pool.clone(), self.idle)))
    }

    fn judge(&self, error: SendError, body: &Replay) -> Error {
        match (body.fault(), error) {
            (Some(fault), _) => Error::Client(fault),
            (None, SendError::TimedOut) => Error::TimedOut(self.timeout),
            (None, SendError::Unsent) => Error::Closed("it was closed at once".to_owned()),
            (None, SendError::Refused(why) | SendError::Lost(why) | SendError::Garbled(why)) => {
                Error::Closed(why)
            }
        }
    }
}

impl From<ConnectError> for Error {
    fn from(error: ConnectError) -> Self {
        match error.why {
            ConnectFault::Exhausted(_) => Self::Exhausted(error),
            ConnectFault::Loop(_) => Self::Loop(error),
            _ => Self::Connect(error),
        }
    }
}

/// The reason why there is no response of the org.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The org, or what leads to it, cannot be reached. Nothing was sent.
    #[error(transparent)]
    Connect(ConnectError),
    /// This process has run out of what connections need. Nothing was sent.
    #[error(transparent)]
    Exhausted(ConnectError),
    /// The way to the org leads back to this process. Nothing was sent.
    #[error(transparent)]
    Loop(ConnectError),
    #[error(transparent)]
    Client(ClientFault),
    #[error("the org did not begin to respond within {}s (limits.answer)", .0.as_secs())]
    TimedOut(Duration),
    #[error(
        "the connection to the org broke before its response: {0}; the request may or may not have been carried out"
    )]
    Closed(String),
    #[error("the org switched protocols without being asked to")]
    Upgraded,
    /// It must be sent again, but the copy was too small.
    #[error(
        "the request must be sent again, but its body is larger than the copy that is kept (limits.replay_bytes, limits.replay_memory); please send it again"
    )]
    Outgrown,
}
