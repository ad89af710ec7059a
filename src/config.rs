//! The parsed, runtime truth: what the program runs on once every file, variable and flag is read.

use std::{
    env,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use rustls_pki_types::CertificateDer;
use url::Url;

use crate::{network::Proxies, salesforce::hosts};

pub use crate::salesforce::is_salesforce_host;
pub(crate) use certificate::Certificate;
pub use client_key::ClientKey;
pub use clients::Clients;
pub use credential::{Credential, JwtBearer};
pub use demo::Demo;
pub use key::{KeyError, PrivateKey};
pub(crate) use listen::Listener;
pub use listen::{Listen, Protocol};
pub use overrides::{KEYS, Key, Overrides, Scope};
pub use problem::ConfigError;
use problem::{Origin, Problems};
pub use pubsub::PubSub;
pub use reference::KeySource;
pub use tls::Tls;

mod ca;
mod certificate;
mod certificates;
pub(crate) mod check;
mod client_key;
mod clients;
mod credential;
mod demo;
mod document;
mod file;
pub(crate) mod given;
mod host;
pub(crate) mod input;
mod key;
mod listen;
mod login_url;
mod look;
mod overrides;
pub(crate) mod ownership;
mod problem;
mod pubsub;
mod reach;
mod reference;
mod secret;
mod section;
mod source;
mod state;
mod text;
mod tls;
mod unwrap;
mod value;

/// Everything the program needs to run. No field is optional that must be there at run time.
#[derive(Debug, Clone)]
pub struct Config {
    /// At least one.
    pub orgs: Vec<Org>,
    /// How many threads carry requests.
    pub threads: usize,
    /// How long a stop waits for what is in flight.
    pub grace: Duration,
    /// A `tracing` filter, such as `info` or `orgproxy=debug`.
    pub log: String,
    /// What `https://` listeners show, and ask for.
    pub tls: Tls,
    /// Where the local certificate authority is kept.
    pub state_dir: Option<PathBuf>,
    /// Bounds on what one process takes on.
    pub limits: Limits,
    /// The proxies on the way out, which the environment names.
    pub(crate) proxies: Proxies,
    /// Environment variables that hold secrets, but for those that clients show.
    pub secret_variables: Vec<String>,
}

impl Config {
    /// Reads the file, or `proxy.toml` if none is named, and what `overrides` say in its place. An
    /// org can be had from them alone, so `proxy.toml` may be missing.
    pub fn load(path: Option<&Path>, overrides: &Overrides) -> Result<Self, ConfigError> {
        let file = path.unwrap_or_else(|| Path::new(DEFAULT_PATH));
        match source::read(path)? {
            Some(text) => Self::from_toml(&text, file, overrides),
            None if overrides.name_an_org() => Self::from_toml("", file, overrides),
            None => Err(GETTING_STARTED.to_owned().into()),
        }
    }

    /// As `load`, with the text of the file. `path` names it in messages; relative paths in it
    /// start in its folder.
    pub fn from_toml(text: &str, path: &Path, overrides: &Overrides) -> Result<Self, ConfigError> {
        let problems = Problems::new(path.display());
        let folder = path.parent().unwrap_or_else(|| Path::new(""));
        let config = document::parse(text, &problems).and_then(|mut document| {
            overrides.apply(&mut document, &problems);
            file::read(document, folder, &problems)
        });
        let config = proxies(config, &problems);
        problems.into_result(config)
    }

    /// Where the local certificate authority is kept, whatever else a configuration says.
    pub fn load_state_dir(
        path: Option<&Path>,
        overrides: &Overrides,
    ) -> Result<PathBuf, ConfigError> {
        let file = path.unwrap_or_else(|| Path::new(DEFAULT_PATH));
        let text = source::read(path)?.unwrap_or_default();
        let problems = Problems::new(file.display());
        let folder = file.parent().unwrap_or_else(|| Path::new(""));
        let state_dir = document::parse(&text, &problems).and_then(|mut document| {
            overrides.apply_to_process(&mut document);
            file::read_state_dir(document, folder, &problems)
        });
        problems.into_result(state_dir)
    }

    /// Where clients reach the orgs, as far as that can be read, whatever else a configuration says.
    pub(crate) fn load_listeners(path: Option<&Path>, overrides: &Overrides) -> Vec<Listener> {
        let file = path.unwrap_or_else(|| Path::new(DEFAULT_PATH));
        let text = source::read(path).ok().flatten().unwrap_or_default();
        let problems = Problems::new(file.display());
        let folder = file.parent().unwrap_or_else(|| Path::new(""));
        let Some(mut document) = document::parse(&text, &problems) else {
            return Vec::new();
        };
        overrides.apply(&mut document, &problems);
        file::read_listeners(document, folder, &problems)
    }

    /// The org of this name, or the only one if none is named.
    ///
    /// # Errors
    /// Which there are to choose from.
    pub(crate) fn org(&self, name: Option<&str>) -> Result<&Org, ConfigError> {
        let names = || {
            let names: Vec<_> = self.orgs.iter().map(|org| org.name.as_str()).collect();
            names.join(", ")
        };
        match (name, self.orgs.as_slice()) {
            (None, [org]) => Ok(org),
            (None, _) => Err(format!("there are several orgs: {}; name one", names()).into()),
            (Some(name), [org]) if org.name != name => {
                let only = &org.name;
                let name = given::word(name);
                Err(format!("there is no org {name}; the only one is {only}").into())
            }
            (Some(name), orgs) => orgs.iter().find(|org| org.name == name).ok_or_else(|| {
                let name = given::word(name);
                format!("there is no org {name}; there are {}", names()).into()
            }),
        }
    }

    /// The same with the one org that a command is about.
    ///
    /// # Errors
    /// As [`Config::org`].
    pub(crate) fn only(self, name: Option<&str>) -> Result<Self, ConfigError> {
        let org = self.org(name)?.clone();
        Ok(Self {
            orgs: vec![org],
            ..self
        })
    }

    /// Returns whether a certificate of the local authority is shown to anybody.
    pub fn needs_local_ca(&self) -> bool {
        (self.listens_with_tls() && self.tls.identity.is_none())
            || self.orgs.iter().any(|org| org.intercept)
    }

    /// Returns whether any listener is for TLS, those for the Pub/Sub API included.
    pub(crate) fn listens_with_tls(&self) -> bool {
        let calls = self.orgs.iter().filter_map(|org| org.pubsub.as_ref());
        self.orgs
            .iter()
            .flat_map(|org| &org.listen)
            .chain(calls.flat_map(|pubsub| &pubsub.listen))
            .any(Listen::is_https)
    }

    /// The proxies that may lead to `org`. None leads to one in this process.
    pub(crate) fn proxies_to(&self, org: &Org) -> Proxies {
        match org.demo {
            Some(_) => Proxies::default(),
            None => self.proxies.clone(),
        }
    }

    /// A configuration with every default.
    pub fn new(orgs: Vec<Org>) -> Self {
        // One thread carries tens of thousands of requests a second; beyond four, threads only
        // divide the connections to the org among more pools.
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self {
            orgs,
            threads: cores.min(4),
            // Kubernetes kills after 30 s, systemd after 90 s.
            grace: Duration::from_secs(25),
            log: "info".to_owned(),
            tls: Tls::default(),
            state_dir: None,
            limits: Limits::default(),
            proxies: Proxies::default(),
            secret_variables: Vec::new(),
        }
    }
}

/// Adds the proxies that the environment names. No proxy leads to a demo org.
fn proxies(config: Option<Config>, problems: &Problems) -> Option<Config> {
    let is_demo = |config: &Config| config.orgs.iter().all(|org| org.demo.is_some());
    if config.as_ref().is_some_and(is_demo) {
        return config;
    }
    let proxies = Proxies::from_env(|name| env::var_os(name));
    let proxies = proxies.map_err(|faults| {
        for (variable, fault) in faults {
            problems.add(Origin::Variable(variable), variable, fault);
        }
    });
    Some(Config {
        proxies: proxies.ok()?,
        ..config?
    })
}

/// One Salesforce org as one user: where to log in, as whom, how to reach it.
#[derive(Debug, Clone)]
pub struct Org {
    /// The name of its table in the file; appears in logs.
    pub name: String,
    /// Where clients reach it. At least one.
    pub listen: Vec<Listen>,
    /// Further names that clients may use in `Host`, lower case, without port.
    pub hosts: Vec<String>,
    /// Origin of the token endpoint, without path but for Experience Cloud sites.
    pub login_url: Url,
    /// The `aud` claim.
    pub audience: String,
    /// The `sub` claim.
    pub username: String,
    /// How the proxy logs in.
    pub credential: Credential,
    /// Hosts besides Salesforce's own that an `instance_url` may name: `host` or `host:port`.
    pub trusted_hosts: Vec<String>,
    /// Certificate authorities trusted besides the system's.
    pub ca: Vec<CertificateDer<'static>>,
    /// Offer HTTP/2 to the org by ALPN.
    pub http2: bool,
    /// How long an unused session is taken to live when nothing better is known.
    pub session_timeout: Duration,
    /// Stand in for Salesforce's hosts in a tunnel that a client asks for by `CONNECT`.
    pub intercept: bool,
    /// Who may call, and what they may ask.
    pub guard: Guard,
    /// The way to the Pub/Sub API, if clients want one.
    pub pubsub: Option<PubSub>,
    /// Who may log in to us, without the client key, too. Without it anyone who may call, with any
    /// password.
    pub clients: Option<Clients>,
    /// The demo org in its place, if that is what it is.
    pub demo: Option<Demo>,
}

impl Org {
    /// An org with every default.
    pub fn new(name: String, login_url: Url, username: String, credential: Credential) -> Self {
        Self {
            name,
            listen: vec![Listen::loopback(PORT)],
            hosts: Vec::new(),
            audience: login_url::audience(&login_url),
            login_url,
            username,
            credential,
            trusted_hosts: Vec::new(),
            ca: Vec::new(),
            // Nobody says whether Salesforce speaks it, and HTTP/1.1 costs less here.
            http2: false,
            // What Salesforce sets in a new org: see salesforce::facts::sessions.
            session_timeout: Duration::from_secs(2 * 60 * 60),
            intercept: false,
            guard: Guard::default(),
            pubsub: None,
            clients: None,
            demo: None,
        }
    }

    /// Returns whether the session may be sent to this `instance_url`: https, a host of
    /// Salesforce's or one of `trusted_hosts`, and nothing but the origin. If not, says why.
    pub fn trusts(&self, url: &Url) -> Result<(), String> {
        host::check(url, &self.trusted_hosts)?;
        match url.path() {
            "" | "/" => Ok(()),
            _ => Err("must not have a path".to_owned()),
        }
    }

    /// Returns whether the org may be at the host of `url` now: one that the session may be sent
    /// to, and that is not for the pages, files and logins of all orgs.
    pub(crate) fn may_move_to(&self, url: &Url) -> bool {
        let mut origin = url.clone();
        origin.set_path("");
        origin.set_query(None);
        origin.set_fragment(None);
        let host = url.host_str().unwrap_or_default();
        let login = self.login_url.host_str().unwrap_or_default();
        self.trusts(&origin).is_ok()
            && !login_url::is_generic(host)
            && (hosts::is_site(login) || !hosts::is_site(host))
    }

    /// Returns whether a client that calls `host`, in lower case, wants this org in particular or
    /// whatever org it logs in to, and no other.
    pub fn logs_in_at(&self, host: &str) -> bool {
        // Sandboxes log in at one of the two that are for all, other orgs at the other.
        let is_of_the_other_kind = login_url::is_generic(host)
            && login_url::is_generic(self.audience.trim_start_matches("https://"))
            && !self.audience.ends_with(host);
        login_url::is_generic(host) && !is_of_the_other_kind
            || self.login_url.host_str() == Some(host)
    }

    /// The `aud` claim that is usual for `login_url`.
    pub(crate) fn usual_audience(&self) -> String {
        login_url::audience(&self.login_url)
    }

    /// The org's own host, if `login_url` is its My Domain.
    pub fn my_domain(&self) -> Option<&str> {
        let host = self.login_url.host_str()?;
        (is_salesforce_host(host) && !login_url::is_generic(host)).then_some(host)
    }
}

/// Who may call, and what they may ask.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    /// Listen on addresses that other machines reach. Needs `client_key`, or `tls.client_ca`.
    pub allow_remote: bool,
    /// The key that a client must show, if any.
    pub client_key: Option<ClientKey>,
    /// How a shell comes by it, within double quotes: `$(cat client.key)`.
    pub client_key_in_shell: Option<String>,
    /// Web origins that may call, such as `http://localhost:5173`.
    pub allow_origins: Vec<String>,
    /// Paths that are refused by default and allowed here, lower case, without trailing slash.
    pub allow_paths: Vec<String>,
    /// Users that may connect to a Unix socket besides our own and root.
    pub allow_uids: Vec<u32>,
}

/// Bounds on what one process takes on.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Open client connections. Beyond it new ones wait.
    pub connections: usize,
    /// Requests in flight. Beyond it new ones wait.
    pub requests: usize,
    /// Time for a client to send the head of a request, idle keep-alive included.
    pub header_read: Duration,
    /// Bytes in the head of a request.
    pub header_bytes: usize,
    /// Header lines in a request.
    pub headers: usize,
    /// Time to connect to the org: name, TCP and TLS, each.
    pub connect: Duration,
    /// Time for the org to answer.
    pub answer: Duration,
    /// Time between two pieces of a body.
    pub idle_body: Duration,
    /// Bytes a second that a client sends of a body, on the average of all the time that it is waited
    /// for but the first five times `idle_body`.
    pub body_rate: usize,
    /// Bytes of one request's body kept to send it once more.
    pub replay_bytes: usize,
    /// Bytes of all bodies together that are kept so.
    pub replay_memory: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // Far more than anybody has. What each takes is little, and what they take together is
            // bounded where it could be much.
            connections: 10_000,
            requests: 10_000,
            // Shorter than a person typing, longer than any network; idle keep-alive included.
            header_read: Duration::from_secs(30),
            // Far more than the 16 KiB that Salesforce takes, so that its own answer says so: see
            // salesforce::facts::limits.
            header_bytes: 64 * 1024,
            // As many as hyper reads without allocating.
            headers: 100,
            connect: Duration::from_secs(10),
            // Salesforce ends a request after 10 minutes; its own answer says why.
            answer: Duration::from_secs(11 * 60),
            idle_body: Duration::from_secs(2 * 60),
            // No link is as slow as that, and no client that computes its records has so few.
            body_rate: 10,
            // More than the 10 MB of a Bulk batch. For what is larger the org is asked first.
            replay_bytes: 16 * 1024 * 1024,
            replay_memory: 64 * 1024 * 1024,
        }
    }
}

const DEFAULT_PATH: &str = "proxy.toml";

/// Where people expect a local service; Salesforce's own examples use it, too.
const PORT: u16 = 8080;

const GETTING_STARTED: &str = "\
there is no proxy.toml here. To create one, with all that a login needs, run `orgproxy init`; to \
see it work without an org, `orgproxy demo`. Or name another file with --config, or use \
--client-id, --username and --private-key";
