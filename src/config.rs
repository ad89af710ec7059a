//! The configuration as the program uses it, after every file, variable and flag has been read.

use std::{
    env,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use rustls_pki_types::CertificateDer;
use url::Url;

use crate::{network::Proxies, salesforce::hosts};

pub use crate::salesforce::{ApiVersion, is_salesforce_host};
pub use access_log::{AccessLog, LogFormat, LogSink};
pub use admin::Admin;
pub use budget::{Amount, Budget, ClientLabel, LongCalls};
pub(crate) use certificate::Certificate;
pub use client_key::ClientKey;
pub use client_names::ClientNames;
pub use clients::Clients;
pub use credential::{Credential, JwtBearer};
pub use demo::Demo;
pub use guard::{Guard, LocalUsers};
pub use key::{KeyError, PrivateKey};
pub use limits::Limits;
pub(crate) use listen::Listener;
pub use listen::{Listen, Protocol};
pub use overrides::{KEYS, Key, Overrides, Scope};
pub(crate) use policy::METHODS;
pub use policy::{Fields, Names, Policies, Policy};
pub use problem::ConfigError;
use problem::{Origin, Problems};
pub use pubsub::PubSub;
pub use redis::Redis;
pub use reference::KeySource;
pub use sandbox::Sandbox;
pub(crate) use stamps::Stamps;
pub use tls::Tls;
pub(crate) use traces::HEADER_VARIABLES;
pub use traces::{Sampling, Traces};
pub use users::Users;

mod access_log;
pub(crate) mod admin;
mod api_version;
mod budget;
mod ca;
mod certificate;
mod certificates;
pub(crate) mod check;
mod client_key;
mod client_names;
mod clients;
mod credential;
mod demo;
mod document;
mod file;
mod fixed;
pub(crate) mod given;
mod guard;
mod host;
pub(crate) mod input;
mod key;
mod limits;
mod listen;
mod login_url;
mod look;
mod overrides;
mod ownership;
mod policy;
mod problem;
mod pubsub;
mod reach;
mod redis;
mod reference;
mod sandbox;
mod secret;
mod section;
mod source;
mod stamps;
mod state;
mod text;
mod tls;
mod traces;
mod unwrap;
mod users;
mod value;

/// Everything the program needs to run. Nothing that must be there at run time is optional.
#[derive(Debug, Clone)]
pub struct Config {
    /// At least one.
    pub orgs: Vec<Org>,
    /// Number of threads that carry requests.
    pub threads: usize,
    /// Time that a stop waits for requests in flight.
    pub grace: Duration,
    /// A `tracing` filter, such as `info` or `orgproxy=debug`.
    pub log: String,
    /// One line per request.
    pub access_log: AccessLog,
    /// Certificates that `https://` listeners show, and ask for.
    pub tls: Tls,
    /// The folder of the local certificate authority.
    pub state_dir: Option<PathBuf>,
    /// The file with the number of the process, if one is wanted.
    pub pid_file: Option<PathBuf>,
    /// If true, a change to the file, or to a file that it names, is taken without being told.
    pub watch_files: bool,
    /// Whether the process confines itself.
    pub sandbox: Sandbox,
    /// Bounds for one process.
    pub limits: Limits,
    /// Where the process itself can be asked, if it can.
    pub admin: Option<Admin>,
    /// Where spans of requests are sent, if they are.
    pub traces: Option<Traces>,
    /// Where processes for the same orgs share their sessions, if they do.
    pub redis: Option<Redis>,
    /// The proxies on the way out, which the environment names.
    pub(crate) proxies: Proxies,
    /// Environment variables that hold secrets, except those that clients show.
    pub secret_variables: Vec<String>,
    /// Files that it names, with keys, certificates and the like.
    pub(crate) named_files: Vec<PathBuf>,
    /// True if a program gives a secret.
    pub(crate) runs_commands: bool,
}

impl Config {
    /// Reads the file, or `proxy.toml` if none is named, and the `overrides`. They alone can
    /// describe an org, so `proxy.toml` may be missing.
    pub fn load(path: Option<&Path>, overrides: &Overrides) -> Result<Self, ConfigError> {
        let file = path.unwrap_or_else(|| Path::new(DEFAULT_PATH));
        match source::read(path)? {
            Some(text) => Self::from_toml(&text, file, overrides),
            None if overrides.name_an_org() => Self::from_toml("", file, overrides),
            None => Err(GETTING_STARTED.to_owned().into()),
        }
    }

    /// Like `load`, with the text of the file. `path` names it in messages; relative paths in it
    /// start in its folder.
    pub fn from_toml(text: &str, path: &Path, overrides: &Overrides) -> Result<Self, ConfigError> {
        let problems = Problems::new(path.display());
        let folder = path.parent().unwrap_or_else(|| Path::new(""));
        let config = document::parse(text, &problems).and_then(|mut document| {
            let variables = reference::Variables::of(&document);
            overrides.apply(&mut document, &problems);
            let log = document.get("access_log").map(|node| node.origin);
            let config = file::read(document, variables, folder, &problems)?;
            access_log::check(&config, path, log.unwrap_or(Origin::File), &problems);
            Some(config)
        });
        let config = proxies(config, &problems);
        problems.into_result(config)
    }

    /// The folder of the local certificate authority, and the variables that hold secrets, even if
    /// the rest of the configuration has mistakes.
    pub(crate) fn load_state_dir(
        path: Option<&Path>,
        overrides: &Overrides,
    ) -> Result<(PathBuf, Vec<String>), ConfigError> {
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

    /// The admin listener, as far as it can be read, whatever mistakes the rest has. An error if none can.
    pub(crate) fn load_admin(
        path: Option<&Path>,
        overrides: &Overrides,
    ) -> Result<Option<Admin>, ConfigError> {
        let file = path.unwrap_or_else(|| Path::new(DEFAULT_PATH));
        let folder = file.parent().unwrap_or_else(|| Path::new(""));
        let mut document = document::recover(&source::peek(path));
        overrides.apply_to_admin(&mut document);
        let known = file::read_admin(document, folder, &Problems::new(file.display()));
        if known.is_some() {
            return Ok(known);
        }
        let text =
            source::read(path).map_err(|error| ConfigError::from(error).hides_the_proxy())?;
        let has_file = text.is_some();
        let problems = Problems::new(file.display());
        let document = document::parse(&text.unwrap_or_default(), &problems);
        let admin = document.map(|mut document| {
            overrides.apply_to_admin(&mut document);
            file::read_admin(document, folder, &problems)
        });
        let admin = problems.into_result(admin);
        let admin = admin.map_err(ConfigError::hides_the_proxy)?;
        // Who has a configuration without one asks for another proxy than the demo.
        Ok(admin.or_else(|| (!has_file).then(Admin::usual)))
    }

    /// The file with the number of the process that has this configuration, as far as it can be read.
    pub(crate) fn load_pid_file(path: Option<&Path>, overrides: &Overrides) -> Option<PathBuf> {
        let file = path.unwrap_or_else(|| Path::new(DEFAULT_PATH));
        let folder = file.parent().unwrap_or_else(|| Path::new(""));
        let mut document = document::recover(&source::peek(path));
        overrides.apply_to_process(&mut document);
        file::read_pid_file(document, folder, &Problems::new(file.display()))
    }

    /// The addresses of the orgs, as far as they can be read, even if the rest of the configuration
    /// has mistakes.
    pub(crate) fn load_listeners(path: Option<&Path>, overrides: &Overrides) -> Vec<Listener> {
        let file = path.unwrap_or_else(|| Path::new(DEFAULT_PATH));
        let problems = Problems::new(file.display());
        let folder = file.parent().unwrap_or_else(|| Path::new(""));
        let mut document = document::recover(&source::peek(path));
        overrides.apply(&mut document, &problems);
        file::read_listeners(document, folder, &problems)
    }

    /// The org of this name, or the only one if none is named.
    ///
    /// # Errors
    /// The names to choose from.
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

    /// The same configuration with only the org that a command is about.
    ///
    /// # Errors
    /// Those of [`Config::org`].
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

    /// The proxies that may lead to `org`; none if it is in this process.
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
            access_log: AccessLog::default(),
            tls: Tls::default(),
            state_dir: None,
            pid_file: None,
            watch_files: true,
            sandbox: Sandbox::default(),
            limits: Limits::default(),
            admin: None,
            traces: None,
            redis: None,
            proxies: Proxies::default(),
            secret_variables: Vec::new(),
            named_files: Vec::new(),
            runs_commands: false,
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

/// One Salesforce org: where to log in, as whom, how to reach it.
#[derive(Debug, Clone, PartialEq)]
pub struct Org {
    /// The name of its table in the file; appears in logs.
    pub name: String,
    /// The addresses where clients reach it. At least one.
    pub listen: Vec<Listen>,
    /// Further names that clients may use in `Host`, lower case, without port.
    pub hosts: Vec<String>,
    /// Origin of the token endpoint, without path but for Experience Cloud sites.
    pub login_url: Url,
    /// The `aud` claim of assertions.
    pub audience: String,
    /// The user whose sessions are used unless `users` says otherwise: the `sub` claim.
    pub username: String,
    /// The flow that the proxy logs in by, with its secret.
    pub credential: Credential,
    /// Hosts besides Salesforce's own that an `instance_url` may name: `host` or `host:port`.
    pub trusted_hosts: Vec<String>,
    /// Certificate authorities trusted besides the system's.
    pub ca: Vec<CertificateDer<'static>>,
    /// If true, HTTP/2 is offered to the org by ALPN.
    pub http2: bool,
    /// Time that an unused session is assumed to live when nothing better is known.
    pub session_timeout: Duration,
    /// If true, the proxy stands in for Salesforce's hosts in tunnels that clients ask for by
    /// `CONNECT`.
    pub intercept: bool,
    /// The clients that may call, and the requests that they may send.
    pub guard: Guard,
    /// The way to the Pub/Sub API, if clients want one.
    pub pubsub: Option<PubSub>,
    /// The users that may log in to the proxy, even without the client key. Without this, anyone
    /// who may call can log in with any password.
    pub clients: Option<Clients>,
    /// The name of the clients of each listener that has one.
    pub client_names: ClientNames,
    /// What clients may ask, if that is limited.
    pub policies: Option<Policies>,
    /// If true, the org is told who calls, where its API has a place for that.
    pub name_clients: bool,
    /// The least version of the APIs that requests are sent at, whatever older one they name.
    pub minimum_api_version: Option<ApiVersion>,
    /// How much of what the org allows clients may use, if that is bounded.
    pub budget: Option<Budget>,
    /// The users that clients act as, if not all as `username`.
    pub users: Option<Users>,
    /// The demo org, if it takes the place of a real one.
    pub demo: Option<Demo>,
}

impl Org {
    /// The demo org, with every default.
    #[cfg(test)]
    #[cfg(feature = "demo")]
    pub(crate) fn at_demo(name: &str, demo: &crate::demo::Org) -> Self {
        let pem = demo.private_key_pem().as_bytes();
        let key = PrivateKey::parse("the demo's key", pem, None).unwrap();
        let credential = Credential::jwt_bearer(demo.client_id().to_owned(), key);
        let username = demo.username().to_owned();
        Self::new(name.to_owned(), demo.login_url(), username, credential)
    }

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
            // It is undocumented whether Salesforce speaks it, and HTTP/1.1 costs less here.
            http2: false,
            // The setting of a new org: see salesforce::facts::sessions.
            session_timeout: Duration::from_secs(2 * 60 * 60),
            intercept: false,
            guard: Guard::default(),
            pubsub: None,
            clients: None,
            client_names: ClientNames::default(),
            policies: None,
            name_clients: false,
            minimum_api_version: None,
            budget: None,
            users: None,
            demo: None,
        }
    }

    /// The same org as another of its users, and as no further one.
    pub(crate) fn as_user(&self, username: &str) -> Self {
        Self {
            username: username.to_owned(),
            users: None,
            ..self.clone()
        }
    }

    /// The addresses where clients reach it, those for the Pub/Sub API included.
    pub(crate) fn listens(&self) -> impl Iterator<Item = &Listen> {
        let calls = self.pubsub.iter().flat_map(|pubsub| &pubsub.listen);
        self.listen.iter().chain(calls)
    }

    /// Checks that the session may be sent to this `instance_url`: https, a Salesforce host or one
    /// of `trusted_hosts`, and nothing but the origin. The error is the reason.
    pub fn trusts(&self, url: &Url) -> Result<(), String> {
        host::check(url, &self.trusted_hosts)?;
        match url.path() {
            "" | "/" => Ok(()),
            _ => Err("must not have a path".to_owned()),
        }
    }

    /// Returns whether the org may have moved to the host of `url`: the session may be sent there,
    /// and the host is not for the pages, files and logins of all orgs.
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

    /// Returns whether a client that calls `host`, in lower case, may mean this org: it is the
    /// org's own login host, or one where users of any org of its kind log in.
    pub fn logs_in_at(&self, host: &str) -> bool {
        // Sandboxes log in at one of the two generic hosts, other orgs at the other.
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

pub(crate) const DEFAULT_PATH: &str = "proxy.toml";

/// The port where people expect a local service; Salesforce's own examples use it, too.
const PORT: u16 = 8080;

const GETTING_STARTED: &str = "\
there is no proxy.toml here. To create one, with all that a login needs, run `orgproxy init`; to \
see it work without an org, `orgproxy demo`. Or name another file with --config, or use \
--client-id, --username and --private-key";

#[cfg(test)]
#[path = "../tests/fuzz/config.rs"]
mod fuzz;
