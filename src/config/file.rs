//! `proxy.toml`: its tables and keys, and the values of each.

use std::path::{Path, PathBuf};

use super::{
    Admin, Config, Credential, JwtBearer, Org, PORT, access_log, admin, api_version, budget, ca,
    client_names, demo,
    document::{Node, Table, Value},
    given, guard, limits,
    listen::{Listen, Listener, unite},
    login_url, policy,
    problem::{Origin, Problems},
    pubsub,
    reach::{self, Reach},
    redis,
    reference::{self, Variables},
    sandbox,
    section::Section,
    state, text,
    tls::{self, Tls},
    traces::{self, HEADER_VARIABLES},
    users, value,
};

/// Turns a document into a configuration; returns nothing if an org is incomplete. All mistakes go
/// to `problems`. Paths start in `folder`. The secrets of `variables` are for nobody else.
pub(super) fn read(
    document: Table,
    variables: Variables,
    folder: &Path,
    problems: &Problems,
) -> Option<Config> {
    let mut config = Config::new(Vec::new());
    config.secret_variables = variables.hidden;
    config.named_files = reference::files(&document, folder);
    config.runs_commands = reference::has_commands(&document);
    // Lines for a collector may hold a secret as well.
    let withheld = [variables.all, HEADER_VARIABLES.map(str::to_owned).to_vec()].concat();
    let mut root = Section::new(document, problems).withholding(withheld);
    root.read_into("threads", &mut config.threads, threads);
    root.read_into("grace", &mut config.grace, value::wait);
    root.read_into("log", &mut config.log, value::log);
    config.access_log = access_log::read(&mut root, folder);
    config.tls = tls::read(root.child("tls"), folder);
    config.state_dir = state_dir(&mut root, folder);
    let is_state_dir_given = root.get("state_dir").is_some();
    config.pid_file = root.read("pid_file", |path| value::place(path, folder));
    root.read_into("watch_files", &mut config.watch_files, value::flag);
    config.sandbox = sandbox::read(&mut root, config.runs_commands);
    config.limits = limits::read(root.child("limits"));
    let (admin, admin_origin) = admin::read(root.child("admin"), folder);
    config.traces = traces::read(root.child("traces"), folder, problems);
    config.redis = redis::read(root.child("redis"), folder);

    let orgs = root.child("org").tables("");
    if orgs.is_empty() {
        let message = "no org; add a table [org.main] with client_id, username and private_key";
        problems.add(Origin::File, "org", message);
    }
    root.finish();

    let mut reaches = Vec::new();
    // Every org is read before giving up, so that every mistake is found.
    let orgs: Vec<_> = orgs
        .into_iter()
        .map(|(name, section)| org(name, section, folder, &config.tls, &mut reaches))
        .collect();
    let all: Vec<_> = reaches.iter().flat_map(|it| it.listen.clone()).collect();
    for reach in &mut reaches {
        unite(&mut reach.listen, &all);
    }
    reach::check(&reaches, problems);
    if let Some(admin) = &admin {
        admin::check(admin, admin_origin, &reaches, problems);
    }
    config.admin = admin;
    config.orgs = orgs.into_iter().collect::<Option<_>>()?;
    for org in &mut config.orgs {
        unite(&mut org.listen, &all);
        if let Some(pubsub) = &mut org.pubsub {
            unite(&mut pubsub.listen, &all);
        }
    }
    client_names::check(&config.orgs, problems);
    users::check(&config, problems);
    if config.needs_local_ca() && config.state_dir.is_none() && !is_state_dir_given {
        problems.add(Origin::File, "state_dir", state::MISSING);
    }
    Some(config)
}

fn threads(value: &Value) -> Result<usize, String> {
    match value::count(value)? {
        threads @ 1..=64 => Ok(threads),
        threads => Err(format!("must be 1 to 64, not {threads}")),
    }
}

/// Like [`read`], for the state folder and the variables that hold secrets only.
pub(super) fn read_state_dir(
    document: Table,
    folder: &Path,
    problems: &Problems,
) -> Option<(PathBuf, Vec<String>)> {
    let variables = Variables::of(&document);
    let mut root = Section::new(document, problems);
    let is_given = root.get("state_dir").is_some();
    let state_dir = state_dir(&mut root, folder);
    if state_dir.is_none() && !is_given {
        problems.add(Origin::File, "state_dir", state::MISSING);
    }
    Some((state_dir?, variables.all))
}

/// Like [`read`], for the file with the number of the process only.
pub(super) fn read_pid_file(
    document: Table,
    folder: &Path,
    problems: &Problems,
) -> Option<PathBuf> {
    Section::new(document, problems).read("pid_file", |path| value::place(path, folder))
}

/// As [`read`], of nothing but the admin listener.
pub(super) fn read_admin(document: Table, folder: &Path, problems: &Problems) -> Option<Admin> {
    let mut root = Section::new(document, problems);
    admin::read(root.child("admin"), folder).0
}

/// Like [`read`], for the addresses of the orgs only.
pub(super) fn read_listeners(document: Table, folder: &Path, problems: &Problems) -> Vec<Listener> {
    let orgs = Section::new(document, problems).child("org").tables("");
    let are_several = orgs.len() > 1;
    let of_org = |(org, mut section): (String, Section<'_>)| {
        let listens = listen(&mut section, folder, |_| true);
        let hosts = section.list("hosts", text::host).unwrap_or_default();
        let intercepts = section.read("intercept", value::flag).unwrap_or_default();
        let host = hosts.into_iter().next().filter(|_| are_several);
        listens.into_iter().map(move |listen| Listener {
            org: org.clone(),
            host: host.clone().unwrap_or_else(|| listen.host()),
            listen,
            intercepts,
        })
    };
    orgs.into_iter().flat_map(of_org).collect()
}

fn state_dir(root: &mut Section<'_>, folder: &Path) -> Option<PathBuf> {
    match root.get("state_dir") {
        Some(_) => root.read("state_dir", |path| value::place(path, folder)),
        None => state::default_dir(),
    }
}

fn org(
    name: String,
    mut section: Section<'_>,
    folder: &Path,
    tls: &Tls,
    reaches: &mut Vec<Reach>,
) -> Option<Org> {
    if !text::is_name(&name) {
        section.complain(
            "must consist of letters, digits, - and _, because it names the org in \
                          logs",
        );
    }
    let client_id = section.require("client_id", "\"3MVG9…\", the app's consumer key", |id| {
        text::token(id, EXAMPLE_CLIENT_ID)
    });
    let username = section.require(
        "username",
        "\"name@example.com\", the user to log in as",
        |name| text::token(name, EXAMPLE_USERNAME),
    );
    let private_key = reference::private_key(&mut section, folder);

    let demo = section.read("demo", demo::parse).flatten();
    for key in ["login_url", "audience"] {
        if demo.is_some() && section.get(key).is_some() {
            section.problem(
                key,
                "is not for the demo org, whose address is known only when it starts; remove it",
            );
        }
    }
    let trusted_hosts = section
        .list("trusted_hosts", text::trusted_host)
        .unwrap_or_default();
    let login_url = if demo.is_some() {
        demo::NOWHERE.parse().ok()
    } else if section.get("login_url").is_some() {
        section.read("login_url", |url| login_url::parse(url, &trusted_hosts))
    } else {
        login_url::PRODUCTION.parse().ok()
    };
    let audience = section.read("audience", |audience| text::token(audience, ""));
    let ca = section.read("ca_file", |path| {
        ca::read(&value::file(path, folder)?, ca::Signed::Servers)
    });

    let (guard, asks) = guard::read(section.child("guard"), folder);
    let is_open = guard.allow_remote;
    let may_be_remote =
        |listen: &Listen| is_open && (asks || listen.is_https() && tls.asks_for_certificate);
    let listen = listen(&mut section, folder, may_be_remote);
    let hosts = section.list("hosts", text::host).unwrap_or_default();
    reaches.push(Reach {
        name: given::word(&name),
        listen: listen.clone(),
        listen_origin: section.origin("listen"),
        hosts: hosts.clone(),
        hosts_origin: section.origin("hosts"),
        is_alone: false,
    });

    let pubsub = pubsub::read(
        &name,
        section.child("pubsub"),
        folder,
        may_be_remote,
        &trusted_hosts,
        reaches,
    );
    let clients = section
        .get("clients")
        .is_some()
        .then(|| reference::clients(section.child("clients"), folder));

    let listens = listen
        .iter()
        .chain(pubsub.iter().flat_map(|pubsub| &pubsub.listen));
    let listens: Vec<_> = listens.cloned().collect();
    let client_names = client_names::read(section.child("client_names"), &listens, folder);
    let policies = policy::read(&mut section, &name, clients.as_ref(), &client_names);

    let budget = budget::read(section.child("budget"), clients.as_ref(), &client_names);
    let users = section.get("users").is_some().then(|| {
        let (section, clients) = (section.child("users"), clients.as_ref());
        users::read(
            section,
            username.as_deref(),
            clients,
            &client_names,
            &listens,
        )
    });

    let http2 = section.read("http2", value::flag);
    let session_timeout = section.read("session_timeout", value::time);
    let intercept = section.read("intercept", value::flag);
    let name_clients = section.read("name_clients", value::flag);
    let minimum_api_version = section.read("minimum_api_version", api_version::minimum);
    section.finish();

    let (private_key, key_source) = private_key?;
    let credential = Credential::JwtBearer(JwtBearer {
        client_id: client_id?,
        private_key,
        key_source: Some(key_source),
    });
    let mut org = Org::new(name, login_url?, username?, credential);
    org.demo = demo;
    if let Some(audience) = audience {
        org.audience = audience;
    }
    org.listen = listen;
    org.hosts = hosts;
    org.trusted_hosts = trusted_hosts;
    org.ca = ca.unwrap_or_default();
    org.http2 = http2.unwrap_or(org.http2);
    org.session_timeout = session_timeout.unwrap_or(org.session_timeout);
    org.intercept = intercept.unwrap_or(org.intercept);
    org.name_clients = name_clients.unwrap_or(org.name_clients);
    org.minimum_api_version = minimum_api_version;
    org.guard = guard;
    org.pubsub = pubsub;
    org.clients = clients;
    org.client_names = client_names;
    org.budget = budget;
    org.users = users;
    org.policies = policies;
    Some(org)
}

/// The addresses where an org listens: only those that its guard allows.
pub(super) fn listen(
    section: &mut Section<'_>,
    folder: &Path,
    may_be_remote: impl Fn(&Listen) -> bool,
) -> Vec<Listen> {
    let mut listen = section
        .list("listen", |address| {
            Listen::parse(value::text(address)?, &value::folder(address, folder))
        })
        .unwrap_or_else(|| vec![Listen::loopback(PORT)]);
    if matches!(section.get("listen"), Some(Node { value: Value::List(list), .. }) if list.is_empty())
    {
        section.problem("listen", "must name at least one address");
    }
    if let Some(port) = section.read_override("port", value::whole) {
        set_port(section, &mut listen, port);
    }
    for address in listen.iter().filter(|address| !address.is_local()) {
        if !may_be_remote(address) {
            section.problem("listen", format!(
                "{address} is open to other machines, and anyone who reaches it would act as the \
                 org's user; listen on 127.0.0.1, or set guard.allow_remote = true and \
                 guard.client_key (or tls.client_ca for https://)"
            ));
        }
    }
    listen
}

fn set_port(section: &Section<'_>, listen: &mut [Listen], port: u16) {
    let mut addresses: Vec<_> = listen
        .iter_mut()
        .filter(|listen| listen.address().is_some())
        .collect();
    match addresses.as_mut_slice() {
        [address] => address.set_port(port),
        addresses => section.problem(
            "port",
            format!(
                "is for a single TCP address, but there are {}; use --listen instead",
                addresses.len()
            ),
        ),
    }
}

/// The placeholders in the `proxy.toml` that comes with the source.
const EXAMPLE_CLIENT_ID: &str = "3MVG9-REPLACE-ME";
const EXAMPLE_USERNAME: &str = "replace.me@example.com";
