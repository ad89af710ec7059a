//! Flags and environment variables, which override the file.

use std::{
    collections::BTreeMap,
    fmt::{self, Debug, Formatter},
};

use super::{
    document::{Node, Table, Value},
    given,
    problem::{Origin, Problems},
};

/// Values from flags and environment variables, not yet parsed.
#[derive(Clone, Default)]
pub struct Overrides(BTreeMap<&'static str, (&'static Key, Origin, String)>);

/// A key that can be given as a flag and as an environment variable.
#[derive(Debug)]
pub struct Key {
    /// The name in the file, with `tls_`, `admin_` or `traces_` before it for those of `[tls]`,
    /// `[admin]` and `[traces]`.
    pub name: &'static str,
    /// The flag, with its dashes.
    pub flag: &'static str,
    /// The environment variable.
    pub variable: &'static str,
    /// The table in the file.
    pub scope: Scope,
    /// The description for `--help`.
    pub help: &'static str,
}

/// The table that a key belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// No table: the top of the file.
    Process,
    /// `[org.NAME]`
    Org,
    /// `[tls]`
    Tls,
    /// `[admin]`
    Admin,
    /// `[traces]`
    Traces,
    /// `[limits]`
    Limits,
}

impl Key {
    /// The name in its table.
    pub fn in_file(&self) -> &'static str {
        match self.scope {
            Scope::Tls => self.name.trim_start_matches("tls_"),
            Scope::Admin => self.name.trim_start_matches("admin_"),
            Scope::Traces => self.name.trim_start_matches("traces_"),
            _ => self.name,
        }
    }
}

impl Overrides {
    /// Sets a value from a flag, which overrides one from the environment.
    pub fn set_flag(&mut self, key: &'static Key, value: String) {
        let origin = Origin::Flag(key.flag);
        self.0.insert(key.name, (key, origin, value));
    }

    /// Sets a value from an environment variable. An empty one counts as unset.
    pub fn set_variable(&mut self, key: &'static Key, value: String) {
        if !value.is_empty() {
            let origin = Origin::Variable(key.variable);
            self.0.entry(key.name).or_insert((key, origin, value));
        }
    }

    /// Returns whether they describe an org, at least in part, so that the file may be missing.
    pub(super) fn name_an_org(&self) -> bool {
        ["client_id", "username", "private_key"]
            .iter()
            .any(|name| self.0.contains_key(name))
    }

    /// As `apply`, for what `[admin]` has.
    pub(super) fn apply_to_admin(&self, document: &mut Table) {
        for (key, origin, value) in self.0.values() {
            if key.scope == Scope::Admin
                && let Some(admin) = table(document, "admin")
            {
                let value = Value::Raw(value.clone());
                let origin = *origin;
                admin.insert(key.in_file().to_owned(), Node { value, origin });
            }
        }
    }

    /// Like `apply`, for the keys at the top of the file.
    pub(super) fn apply_to_process(&self, document: &mut Table) {
        for (key, origin, value) in self.0.values() {
            if key.scope == Scope::Process {
                let value = Value::Raw(value.clone());
                let origin = *origin;
                document.insert(key.name.to_owned(), Node { value, origin });
            }
        }
    }

    /// Puts every value into its place in the document.
    pub(super) fn apply(&self, document: &mut Table, problems: &Problems) {
        for (key, origin, value) in self.0.values() {
            let home = match key.scope {
                Scope::Process => Some(&mut *document),
                Scope::Limits => table(document, "limits"),
                Scope::Tls => table(document, "tls"),
                Scope::Admin => table(document, "admin"),
                Scope::Traces => table(document, "traces"),
                Scope::Org => match only_org(document) {
                    Ok(org) => org,
                    Err(message) => {
                        problems.add(*origin, key.name, message);
                        None
                    }
                },
            };
            // If the file has something else there, reading it reports that.
            if let Some(home) = home {
                let value = Value::Raw(value.clone());
                let origin = *origin;
                home.insert(key.in_file().to_owned(), Node { value, origin });
            }
        }
    }
}

/// Omits the values: a private key may be among them.
impl Debug for Overrides {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

/// The key of this name, if it can be overridden.
pub(super) fn key(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.in_file() == name)
}

fn only_org(document: &mut Table) -> Result<Option<&mut Table>, String> {
    let Some(orgs) = table(document, "org") else {
        return Ok(None);
    };
    if orgs.len() > 1 {
        let names: Vec<_> = orgs.keys().map(|name| given::word(name)).collect();
        return Err(format!(
            "is for a single org, but the file has {}; change it in the file",
            names.join(", ")
        ));
    }
    let name = orgs
        .keys()
        .next()
        .map_or("default", String::as_str)
        .to_owned();
    Ok(table(orgs, &name))
}

/// The table of this name, created if there is none.
fn table<'a>(parent: &'a mut Table, name: &str) -> Option<&'a mut Table> {
    let node = parent.entry(name.to_owned()).or_insert_with(|| Node {
        value: Value::Table(Table::new()),
        origin: Origin::File,
    });
    match &mut node.value {
        Value::Table(table) => Some(table),
        _ => None,
    }
}

/// Every key that can be overridden: the same name in all three places.
pub const KEYS: &[Key] = &[
    Key {
        name: "client_id",
        flag: "--client-id",
        variable: "ORGPROXY_CLIENT_ID",
        scope: Scope::Org,
        help: "Consumer key of the app",
    },
    Key {
        name: "username",
        flag: "--username",
        variable: "ORGPROXY_USERNAME",
        scope: Scope::Org,
        help: "The user to log in as",
    },
    Key {
        name: "private_key",
        flag: "--private-key",
        variable: "ORGPROXY_PRIVATE_KEY",
        scope: Scope::Org,
        help: "File with the private key that belongs to the app's certificate",
    },
    Key {
        name: "login_url",
        flag: "--login-url",
        variable: "ORGPROXY_LOGIN_URL",
        scope: Scope::Org,
        help: "Where to log in: login.salesforce.com, test.salesforce.com, a My Domain or an Experience Cloud site",
    },
    Key {
        name: "audience",
        flag: "--audience",
        variable: "ORGPROXY_AUDIENCE",
        scope: Scope::Org,
        help: "The aud claim, if the one derived from login_url is wrong",
    },
    Key {
        name: "listen",
        flag: "--listen",
        variable: "ORGPROXY_LISTEN",
        scope: Scope::Org,
        help: "Addresses to listen on, such as localhost:8080, https://localhost:8443 or unix:/run/orgproxy.sock, separated by commas",
    },
    Key {
        name: "port",
        flag: "--port",
        variable: "ORGPROXY_PORT",
        scope: Scope::Org,
        help: "Port to listen on, 0 for any free port",
    },
    Key {
        name: "hosts",
        flag: "--hosts",
        variable: "ORGPROXY_HOSTS",
        scope: Scope::Org,
        help: "Names that clients may use for the proxy besides localhost, separated by commas",
    },
    Key {
        name: "trusted_hosts",
        flag: "--trusted-hosts",
        variable: "ORGPROXY_TRUSTED_HOSTS",
        scope: Scope::Org,
        help: "Hosts that the session may be sent to besides Salesforce's, separated by commas",
    },
    Key {
        name: "ca_file",
        flag: "--ca-file",
        variable: "ORGPROXY_CA_FILE",
        scope: Scope::Org,
        help: "File with certificate authorities to trust besides the system's: PEM, DER or PKCS#7",
    },
    Key {
        name: "http2",
        flag: "--http2",
        variable: "ORGPROXY_HTTP2",
        scope: Scope::Org,
        help: "Offer HTTP/2 to the org",
    },
    Key {
        name: "session_timeout",
        flag: "--session-timeout",
        variable: "ORGPROXY_SESSION_TIMEOUT",
        scope: Scope::Org,
        help: "How long an unused session is assumed to live",
    },
    Key {
        name: "intercept",
        flag: "--intercept",
        variable: "ORGPROXY_INTERCEPT",
        scope: Scope::Org,
        help: "Stand in for Salesforce's hosts when a client uses this proxy as its HTTPS proxy",
    },
    Key {
        name: "name_clients",
        flag: "--name-clients",
        variable: "ORGPROXY_NAME_CLIENTS",
        scope: Scope::Org,
        help: "Tell the org in its call options who calls, for its event log ApiTotalUsage",
    },
    Key {
        name: "threads",
        flag: "--threads",
        variable: "ORGPROXY_THREADS",
        scope: Scope::Process,
        help: "Threads that handle requests",
    },
    Key {
        name: "grace",
        flag: "--grace",
        variable: "ORGPROXY_GRACE",
        scope: Scope::Process,
        help: "How long a stop waits for requests in flight",
    },
    Key {
        name: "log",
        flag: "--log",
        variable: "ORGPROXY_LOG",
        scope: Scope::Process,
        help: "What to log, such as info or orgproxy=debug",
    },
    Key {
        name: "access_log",
        flag: "--access-log",
        variable: "ORGPROXY_ACCESS_LOG",
        scope: Scope::Process,
        help: "Where to write a line per request: off, stderr, journald or a path",
    },
    Key {
        name: "access_log_format",
        flag: "--access-log-format",
        variable: "ORGPROXY_ACCESS_LOG_FORMAT",
        scope: Scope::Process,
        help: "How to write it: text or json",
    },
    Key {
        name: "access_log_bytes",
        flag: "--access-log-bytes",
        variable: "ORGPROXY_ACCESS_LOG_BYTES",
        scope: Scope::Process,
        help: "Bytes in a file of these lines before the next one is begun",
    },
    Key {
        name: "access_log_keep",
        flag: "--access-log-keep",
        variable: "ORGPROXY_ACCESS_LOG_KEEP",
        scope: Scope::Process,
        help: "Older files of these lines to keep",
    },
    Key {
        name: "state_dir",
        flag: "--state-dir",
        variable: "ORGPROXY_STATE_DIR",
        scope: Scope::Process,
        help: "Folder for the local certificate authority",
    },
    Key {
        name: "tls_certificate",
        flag: "--tls-certificate",
        variable: "ORGPROXY_TLS_CERTIFICATE",
        scope: Scope::Tls,
        help: "PEM file with the certificate of https:// listeners, and its chain",
    },
    Key {
        name: "tls_private_key",
        flag: "--tls-private-key",
        variable: "ORGPROXY_TLS_PRIVATE_KEY",
        scope: Scope::Tls,
        help: "File with the private key of that certificate",
    },
    Key {
        name: "tls_client_ca",
        flag: "--tls-client-ca",
        variable: "ORGPROXY_TLS_CLIENT_CA",
        scope: Scope::Tls,
        help: "PEM file with the authorities for client certificates, which are then required",
    },
    Key {
        name: "admin_listen",
        flag: "--admin-listen",
        variable: "ORGPROXY_ADMIN_LISTEN",
        scope: Scope::Admin,
        help: "Where to ask for status, metrics and probes, such as 127.0.0.1:9180 or unix:/run/admin.sock; off if not given",
    },
    Key {
        name: "traces_endpoint",
        flag: "--traces-endpoint",
        variable: "ORGPROXY_TRACES_ENDPOINT",
        scope: Scope::Traces,
        help: "Collector to send spans of requests to, by OTLP over HTTP, such as http://127.0.0.1:4318; or off",
    },
    Key {
        name: "traces_sample",
        flag: "--traces-sample",
        variable: "ORGPROXY_TRACES_SAMPLE",
        scope: Scope::Traces,
        help: "Share of the traces to send that begin here, from 0 to 1",
    },
    Key {
        name: "traces_service_name",
        flag: "--traces-service-name",
        variable: "ORGPROXY_TRACES_SERVICE_NAME",
        scope: Scope::Traces,
        help: "Name of this service in traces",
    },
    Key {
        name: "traces_ca_file",
        flag: "--traces-ca-file",
        variable: "ORGPROXY_TRACES_CA_FILE",
        scope: Scope::Traces,
        help: "File with certificate authorities to trust for the collector besides the system's",
    },
    Key {
        name: "connections",
        flag: "--connections",
        variable: "ORGPROXY_CONNECTIONS",
        scope: Scope::Limits,
        help: "Open client connections",
    },
    Key {
        name: "requests",
        flag: "--requests",
        variable: "ORGPROXY_REQUESTS",
        scope: Scope::Limits,
        help: "Requests in flight",
    },
    Key {
        name: "header_read",
        flag: "--header-read",
        variable: "ORGPROXY_HEADER_READ",
        scope: Scope::Limits,
        help: "Time for a client to send the head of a request",
    },
    Key {
        name: "header_bytes",
        flag: "--header-bytes",
        variable: "ORGPROXY_HEADER_BYTES",
        scope: Scope::Limits,
        help: "Bytes in the head of a request",
    },
    Key {
        name: "headers",
        flag: "--headers",
        variable: "ORGPROXY_HEADERS",
        scope: Scope::Limits,
        help: "Header lines in a request",
    },
    Key {
        name: "connect",
        flag: "--connect",
        variable: "ORGPROXY_CONNECT",
        scope: Scope::Limits,
        help: "Time to connect to the org",
    },
    Key {
        name: "answer",
        flag: "--answer",
        variable: "ORGPROXY_ANSWER",
        scope: Scope::Limits,
        help: "Time for the org to answer",
    },
    Key {
        name: "idle_body",
        flag: "--idle-body",
        variable: "ORGPROXY_IDLE_BODY",
        scope: Scope::Limits,
        help: "Time between two pieces of a body",
    },
    Key {
        name: "body_rate",
        flag: "--body-rate",
        variable: "ORGPROXY_BODY_RATE",
        scope: Scope::Limits,
        help: "Bytes per second that a client must send of a body, in the long run",
    },
    Key {
        name: "replay_bytes",
        flag: "--replay-bytes",
        variable: "ORGPROXY_REPLAY_BYTES",
        scope: Scope::Limits,
        help: "Bytes of one request body kept to send it again",
    },
    Key {
        name: "replay_memory",
        flag: "--replay-memory",
        variable: "ORGPROXY_REPLAY_MEMORY",
        scope: Scope::Limits,
        help: "Bytes of all such bodies together",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_the_same_name_in_all_three_places() {
        for key in KEYS {
            assert_eq!(key.flag, format!("--{}", key.name.replace('_', "-")));
            let variable = format!("ORGPROXY_{}", key.name.to_uppercase());
            assert_eq!(key.variable, variable);
        }
    }

    #[test]
    fn values_are_not_in_the_debug_output() {
        let mut overrides = Overrides::default();
        overrides.set_variable(&KEYS[2], "-----BEGIN".to_owned());
        assert_eq!(format!("{overrides:?}"), r#"["private_key"]"#);
    }
}
