//! Asking the admin listener of a running proxy.

use std::{io, time::Duration};

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, Limited};
use tokio::net::{TcpStream, UnixStream};

use super::connection::{Connection, Streamed};
use crate::{
    cli::ConfigArgs,
    config::{Admin, Config, ConfigError, Listen, admin::PORT},
    server::SERVER,
    system::escape,
};

/// The admin listener of a proxy that may be running.
pub(super) struct Target {
    /// None if the configuration has none.
    listen: Option<Listen>,
}

/// What it said.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

/// Why it said nothing that can be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreachable {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("the configuration has none")]
    Off,
    #[error("something else answers there")]
    Foreign,
    #[error("it is of another version of orgproxy than this one")]
    Version,
    /// In the words of the proxy.
    #[error("{0}")]
    Refused(String),
    #[error("no answer within {} s", .0.as_secs())]
    Late(Duration),
}

impl Unreachable {
    /// Returns whether there is no orgproxy that could be asked.
    pub(super) fn is_of_nobody(&self) -> bool {
        matches!(self, Self::Io(_) | Self::Off | Self::Foreign)
    }
}

impl Target {
    /// The one at `url`; else that of the configuration, of which nothing else is read; without a
    /// file, where the demo has it.
    pub(super) fn of(url: Option<&Admin>, source: &ConfigArgs) -> Result<Self, ConfigError> {
        let admin = match url {
            Some(admin) => Some(admin.clone()),
            None => {
                let file = source.config();
                Config::load_admin(file.as_deref(), &source.overrides)?
            }
        };
        Ok(Self {
            listen: admin.map(|admin| admin.listen),
        })
    }

    /// # Errors
    /// Nobody answers in time, or something else does.
    pub(super) async fn ask(&self, path: &'static str) -> Result<Reply, Unreachable> {
        self.send(Method::GET, path, TIMEOUT).await
    }

    /// # Errors
    /// Nobody answers within `timeout`, or something else does.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &'static str,
        timeout: Duration,
    ) -> Result<Reply, Unreachable> {
        let asked = tokio::time::timeout(timeout, self.send_patiently(method, path));
        asked.await.unwrap_or(Err(Unreachable::Late(timeout)))
    }

    async fn send_patiently(
        &self,
        method: Method,
        path: &'static str,
    ) -> Result<Reply, Unreachable> {
        let listen = self.listen.as_ref().ok_or(Unreachable::Off)?;
        if let Listen::Unix(socket) = listen {
            let stream = UnixStream::connect(socket).await?;
            return exchange(Connection::new(stream).await, method, path).await;
        }
        let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in listen.addresses() {
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    return exchange(Connection::new(stream).await, method, path).await;
                }
                Err(error) => failure = error,
            }
        }
        Err(failure.into())
    }

    /// The reason for a person, with what to do.
    pub(super) fn describe(&self, error: &Unreachable) -> String {
        let place = self.listen.as_ref().map(|listen| format!(" at {listen}"));
        let place = place.unwrap_or_default();
        let remedy = match error {
            Unreachable::Version => "ask it with the orgproxy that runs there".to_owned(),
            Unreachable::Refused(_) => "or run this as its user".to_owned(),
            Unreachable::Late(_) => "see in its log what it waits for, or restart it".to_owned(),
            Unreachable::Io(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                "run this as root or as the user that orgproxy runs as, or add this user to \
                 admin.allow_users"
                    .to_owned()
            }
            Unreachable::Io(_) | Unreachable::Off | Unreachable::Foreign => {
                let start = match error {
                    Unreachable::Io(_) => "start it if it does not run; ",
                    _ => "",
                };
                format!(
                    "{start}if the proxy runs, turn its admin listener on ([admin] listen = \
                     \"127.0.0.1:{PORT}\" in proxy.toml, or --admin-listen), or say where it is \
                     (--url); it stays where it was at the start, whatever the file says now"
                )
            }
        };
        format!("cannot ask the admin listener{place}: {error}; {remedy}")
    }
}

async fn exchange(
    connection: hyper::Result<Connection>,
    method: Method,
    path: &'static str,
) -> Result<Reply, Unreachable> {
    let broken = |error: hyper::Error| Unreachable::Io(io::Error::other(error));
    let body: Streamed = Empty::<Bytes>::new()
        .map_err(|never| match never {})
        .boxed_unsync();
    let request = Request::builder().method(method).uri(path);
    let request = request.body(body).map_err(io::Error::other)?;
    let mut connection = connection.map_err(broken)?;
    let response = connection.send(request).await.map_err(broken)?;
    if response
        .headers()
        .get(header::SERVER)
        .is_none_or(|server| server != SERVER)
    {
        return Err(Unreachable::Foreign);
    }
    let status = response.status();
    let body = Limited::new(response.into_body(), LONGEST).collect().await;
    let body = body.map_err(io::Error::other)?.to_bytes();
    if status == StatusCode::FORBIDDEN {
        let words = String::from_utf8_lossy(&body);
        let words = words.trim().trim_start_matches("orgproxy: ");
        return Err(Unreachable::Refused(escape::line(words).into_owned()));
    }
    Ok(Reply { status, body })
}

/// For a listener on this machine to answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Thousands of orgs.
const LONGEST: usize = 16 * 1024 * 1024;
