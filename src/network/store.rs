//! The way to Redis, where several processes share their sessions and what their budgets count.
//!
//! While Redis is away or slow, or refuses to write, each process goes on alone, as it does without
//! Redis.

use std::{
    io,
    sync::{Arc, Weak},
    time::Duration,
};

use arc_swap::ArcSwapOption;
use percent_encoding::percent_decode_str;
use pkcs8::der::pem::{LineEnding, encode_string};
use redis::{
    AsyncConnectionConfig, Client, FromRedisValue, RedisError, Script, ScriptInvocation,
    TlsCertificates, aio::MultiplexedConnection,
};
use rustls_pki_types::CertificateDer;
use tokio::time::{sleep, timeout};
use url::Url;
use zeroize::Zeroizing;

use crate::system::quote::{quoted, without};

/// The way to Redis of all orgs of this process.
pub(crate) struct Store {
    client: Client,
    /// For messages.
    name: String,
    prefix: String,
    /// As it is in the URL, and as Redis knows it. Empty if there is none.
    passwords: [Zeroizing<String>; 2],
    link: tokio::sync::Mutex<Option<MultiplexedConnection>>,
    /// Why it cannot be used, while it cannot.
    fault: ArcSwapOption<String>,
}

/// Redis does not answer, not in time, or with an error.
#[derive(Debug)]
pub(crate) struct Away;

impl Store {
    /// The way to the server at `url`, which messages call `name`. It is trusted if `ca` says so, or
    /// the system if that is empty. The names of all keys begin with `prefix`.
    ///
    /// # Errors
    /// If its certificate authorities cannot be used.
    pub(crate) fn new(
        url: Url,
        ca: &[CertificateDer<'_>],
        name: String,
        prefix: String,
    ) -> io::Result<Arc<Self>> {
        let passwords = passwords(&url);
        let client = if ca.is_empty() {
            Client::open(url)
        } else {
            let pem =
                |der: &_| encode_string("CERTIFICATE", LineEnding::LF, AsRef::<[u8]>::as_ref(der));
            let pem = ca.iter().map(pem).collect::<Result<String, _>>();
            let certificates = TlsCertificates {
                client_tls: None,
                root_cert: Some(pem.map_err(io::Error::other)?.into_bytes()),
            };
            Client::build_with_tls(url, certificates)
        };
        Ok(Arc::new(Self {
            client: client.map_err(|error| io::Error::other(describe(&error, &passwords)))?,
            name,
            prefix,
            passwords,
            link: tokio::sync::Mutex::default(),
            fault: ArcSwapOption::empty(),
        }))
    }

    /// Returns whether it could be used when it was last asked.
    pub(crate) fn is_up(&self) -> bool {
        self.fault.load().is_none()
    }

    /// Why it cannot be used, on one line, such as `does not answer: Connection refused`. `None` if it can.
    pub(crate) fn fault(&self) -> Option<String> {
        self.fault.load().as_deref().cloned()
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Has Redis run a script that has to do with one key, and returns texts.
    pub(crate) async fn run(
        self: &Arc<Self>,
        script: &str,
        key: &str,
        arguments: &[String],
    ) -> Result<Vec<String>, Away> {
        let script = Script::new(script);
        let mut script = script.prepare_invoke();
        script.key(key).arg(arguments);
        self.invoke(&script).await
    }

    /// Has Redis run a script. While it is away, nobody waits for it.
    pub(crate) async fn invoke<T>(
        self: &Arc<Self>,
        script: &ScriptInvocation<'_>,
    ) -> Result<T, Away>
    where
        T: FromRedisValue,
    {
        if !self.is_up() {
            return Err(Away);
        }
        let fault = match self.in_time(self.ask(script)).await {
            Ok(reply) => return Ok(reply),
            Err(fault) => fault,
        };
        let fault = Arc::new(fault);
        if self.fault.swap(Some(fault.clone())).is_none() {
            // Else it would go on reading what comes too late, however much that is.
            self.link.lock().await.take();
            let name = &self.name;
            tracing::warn!("{name} {fault}; this process goes on alone");
            tokio::spawn(wait_for(Arc::downgrade(self)));
        }
        Err(Away)
    }

    /// Finds out whether it can be used: one that is full, or read-only, answers as well.
    ///
    /// # Errors
    /// If it cannot, as [`Store::fault`] has it.
    pub(crate) async fn check(&self) -> Result<(), String> {
        self.in_time(self.try_it()).await
    }

    async fn ask<T: FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> Result<T, RedisError> {
        let mut link = self.link.lock().await;
        let connection = match &*link {
            Some(connection) => connection.clone(),
            None => link.insert(self.connect().await?).clone(),
        };
        drop(link);
        script.invoke_async(&mut { connection }).await
    }

    /// Has it write something for a moment.
    async fn try_it(&self) -> Result<(), RedisError> {
        let mut connection = self.connect().await?;
        let script = Script::new("redis.call('SET', KEYS[1], '', 'PX', ARGV[1])");
        let mut script = script.prepare_invoke();
        let life = INTERVAL.as_millis().to_string();
        script.key(format!("{}:trial", self.prefix)).arg(life);
        script.invoke_async::<()>(&mut connection).await?;
        *self.link.lock().await = Some(connection);
        Ok(())
    }

    async fn connect(&self) -> Result<MultiplexedConnection, RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE));
        let client = &self.client;
        client
            .get_multiplexed_async_connection_with_config(&config)
            .await
    }

    /// What Redis says to `asked`, or what is wrong.
    async fn in_time<T>(
        &self,
        asked: impl Future<Output = Result<T, RedisError>>,
    ) -> Result<T, String> {
        let error = match timeout(PATIENCE, asked).await {
            Ok(Ok(reply)) => return Ok(reply),
            Ok(Err(error)) => error,
            Err(_) => return Err(format!("does not answer: nothing within {PATIENCE:?}")),
        };
        let what = if is_silence(&error) {
            "does not answer"
        } else {
            "cannot be used"
        };
        Err(format!("{what}: {}", describe(&error, &self.passwords)))
    }
}

fn passwords(url: &Url) -> [Zeroizing<String>; 2] {
    let written = url.password().unwrap_or_default();
    let meant = percent_decode_str(written).decode_utf8_lossy();
    [written.to_owned(), meant.into_owned()].map(Zeroizing::new)
}

/// Tries until Redis can be used again.
async fn wait_for(store: Weak<Store>) {
    loop {
        sleep(INTERVAL).await;
        let Some(store) = store.upgrade() else { return };
        match store.check().await {
            Ok(()) => {
                tracing::info!("{} answers again, so no process goes on alone", store.name);
                return store.fault.store(None);
            }
            Err(fault) => store.fault.store(Some(Arc::new(fault))),
        }
    }
}

/// Returns whether Redis has said nothing, rather than that it cannot or will not.
fn is_silence(error: &RedisError) -> bool {
    error.is_io_error() || error.is_timeout() || error.is_connection_dropped()
}

/// The error for a log, on one line. What Redis says may have anything in it, but no secret.
fn describe(error: &RedisError, passwords: &[Zeroizing<String>; 2]) -> String {
    let [written, meant] = passwords;
    quoted(&without(
        &[written.as_str(), meant.as_str()],
        &error.to_string(),
    ))
}

/// For Redis to answer, connecting included. A login takes about as long.
const PATIENCE: Duration = Duration::from_millis(500);

/// Between two tries to reach it while it is away.
const INTERVAL: Duration = Duration::from_secs(1);
