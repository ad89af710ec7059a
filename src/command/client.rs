//! A client of a proxy in this process, for commands that ask the org: so their requests go the
//! same way as all others.

use std::{env, io, path::PathBuf, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tempfile::TempDir;
use tokio::{net::UnixStream, sync::oneshot};

use super::connection::{Connection, Streamed};
use crate::{
    config::{AccessLog, Config, Guard, Limits, Listen, Org},
    server::{Server, StartupError},
};

/// A proxy for one org on a private socket, and a connection to it.
pub(crate) struct Client {
    connection: Connection,
    /// Stops the proxy when dropped.
    _stop: oneshot::Sender<()>,
}

impl Client {
    /// Starts the proxy as `config` describes it for `org`, without the settings for other clients.
    ///
    /// # Errors
    /// Those of [`Server::bind`], or when there is no place for a socket.
    pub(crate) async fn start(config: &Config, org: &Org) -> Result<Self, ClientError> {
        let folder = folder_for_socket()?;
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
            users: None,
            ..org.clone()
        };
        let config = Config {
            orgs: vec![org],
            threads: 1,
            access_log: AccessLog::default(),
            admin: None,
            traces: None,
            limits: Limits {
                header_read: LONGEST_PAUSE,
                ..config.limits.clone()
            },
            ..config.clone()
        };
        let server = Server::bind(config).await?;
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(server.serve(async {
            // Either it was asked to stop, or nobody is left to ask.
            let _ = stopped.await;
        }));
        let stream = UnixStream::connect(&socket).await?;
        // Nobody else is to connect, and nothing is to stay behind if the program is killed.
        drop(folder);
        Ok(Self {
            connection: Connection::new(stream).await?,
            _stop: stop,
        })
    }

    /// Sends `request`, whose URI is a path, and returns when the head of the response is there.
    ///
    /// # Errors
    /// When the connection breaks. What goes wrong between the proxy and the org is a response.
    pub(crate) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, ClientError> {
        let request = request.map(|body| body.map_err(|never| match never {}).boxed_unsync());
        self.stream(request).await
    }

    /// Like [`Client::send`], for a body of any size.
    pub(crate) async fn stream(
        &mut self,
        request: Request<Streamed>,
    ) -> Result<Response<Incoming>, ClientError> {
        Ok(self.connection.send(request).await?)
    }
}

/// A folder that only this user may enter, in the first place that can have one. Paths of sockets
/// must be short, and those of temporary folders are not everywhere.
fn folder_for_socket() -> io::Result<TempDir> {
    let mut places = vec![env::temp_dir()];
    places.extend(env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from));
    places.extend(["/tmp", "/dev/shm"].map(PathBuf::from));
    let mut failure = io::Error::other("the names of all temporary folders are too long");
    for place in places {
        if place.as_os_str().len() > LONGEST_PLACE {
            continue;
        }
        match tempfile::Builder::new()
            .prefix("orgproxy-")
            .tempdir_in(place)
        {
            Ok(folder) => return Ok(folder),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// The reason that the proxy in this process cannot be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    #[error(transparent)]
    Startup(#[from] StartupError),
    #[error("cannot create a socket: {0}; set TMPDIR to a writable folder")]
    Socket(#[from] io::Error),
    #[error("the connection broke: {0}")]
    Broken(#[from] hyper::Error),
}

/// In bytes: the path of a socket in it must fit into 108 (unix(7)).
const LONGEST_PLACE: usize = 80;

/// Between two requests, because whoever reads the output may take their time.
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 60 * 60);
