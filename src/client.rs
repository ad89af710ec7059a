//! A client of a proxy in this process: what commands that ask the org do it by, so that their
//! requests go the way of every other.

use std::io;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::Full;
use hyper::{
    body::Incoming,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use tempfile::TempDir;
use tokio::{net::UnixStream, sync::oneshot};

use crate::{
    config::{Config, Guard, Listen, Org},
    server::{Server, StartupError},
};

/// A proxy for one org on a socket that nobody else finds, and a connection to it.
pub(crate) struct Client {
    requests: SendRequest<Full<Bytes>>,
    /// Dropped, it stops the proxy.
    _stop: oneshot::Sender<()>,
    _socket: TempDir,
}

impl Client {
    /// Starts the proxy as `config` has it for `org`, but for what concerns its other clients.
    ///
    /// # Errors
    /// As [`Server::bind`], or when there is no room for a socket.
    pub(crate) async fn start(config: &Config, org: &Org) -> Result<Self, ClientError> {
        let folder = tempfile::Builder::new().prefix("orgproxy-").tempdir()?;
        let socket = folder.path().join("socket");
        let org = Org {
            listen: vec![Listen::Unix(socket.clone())],
            guard: Guard {
                allow_paths: org.guard.allow_paths.clone(),
                ..Guard::default()
            },
            intercept: false,
            pubsub: None,
            clients: None,
            ..org.clone()
        };
        let config = Config {
            orgs: vec![org],
            threads: 1,
            ..config.clone()
        };
        let server = Server::bind(config).await?;
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(server.serve(async {
            // Whether it was told to or the teller is gone.
            let _ = stopped.await;
        }));
        let stream = UnixStream::connect(&socket).await?;
        let (requests, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self {
            requests,
            _stop: stop,
            _socket: folder,
        })
    }

    /// Sends `request`, whose URI is a path, and returns when the head of the answer is there.
    ///
    /// # Errors
    /// When the connection breaks: what goes wrong between the proxy and the org is an answer.
    pub(crate) async fn send(
        &mut self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, ClientError> {
        let localhost = HeaderValue::from_static("localhost");
        request.headers_mut().insert(header::HOST, localhost);
        self.requests.ready().await?;
        Ok(self.requests.send_request(request).await?)
    }
}

/// Why the proxy in this process cannot be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    #[error(transparent)]
    Startup(#[from] StartupError),
    #[error("cannot make a socket: {0}")]
    Socket(#[from] io::Error),
    #[error("the connection broke: {0}")]
    Broken(#[from] hyper::Error),
}
