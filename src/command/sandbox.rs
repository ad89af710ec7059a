//! What `run` confines itself to: the files, folders and ports of its configuration.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use super::CommandError;
use crate::{
    config::{Config, Listen, LogSink, Org, Redis, Sandbox},
    local_ca,
    system::{
        folder, program,
        sandbox::{self, Reach},
    },
};

/// What became of it, for the log that begins later.
pub(super) enum Entered {
    Wholly,
    /// But for one thing.
    But(String),
    Not(String),
    /// As it was asked for.
    Off,
}

/// Confines this process as `config` says, which was read from `file`, for good. To be called while
/// there is no other thread but those that end with the start.
///
/// # Errors
/// If it must be confined and cannot, or is already, to less than it needs.
pub(super) fn enter(config: &Config, file: &Path) -> Result<Entered, CommandError> {
    if sandbox::confined().is_some() {
        let mistakes = mistakes(config);
        return if mistakes.is_empty() {
            Ok(Entered::Wholly)
        } else {
            Err(CommandError::Other(mistakes.join("\n")))
        };
    }
    match (config.sandbox, config.runs_commands) {
        (Sandbox::Off, _) => return Ok(Entered::Off),
        (Sandbox::Auto, true) => return Ok(Entered::Not(COMMANDS.to_owned())),
        _ => {}
    }
    if config.needs_local_ca() {
        // What is not there cannot be named in a rule; whoever needs it reports what is wrong.
        let _ = config.state_dir.as_deref().map(local_ca::make_folder);
    }
    let mut reach = needs(config);
    if let Some(path) = in_root(&reach) {
        let reason = format!(
            "{} would be made in the root folder, and whoever may do that may do anything; name a path \
             in another folder",
            path.display()
        );
        return match config.sandbox {
            Sandbox::On => Err(CommandError::Other(format!(
                "cannot enter the sandbox: {reason}; or set sandbox = \"auto\""
            ))),
            _ => Ok(Entered::Not(reason)),
        };
    }
    let beside = folders(file);
    let usual = ["RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"].map(env::var_os);
    let usual = usual.iter().flatten().flat_map(env::split_paths);
    // Where a reload is most likely to put another.
    reach.sockets.extend(beside.iter().cloned().chain(usual));
    reach.read.extend(beside);
    // It may be needed after a reload.
    let state = config.state_dir.iter();
    reach
        .write
        .extend(state.filter_map(|folder| folder.canonicalize().ok()));
    reach.read.extend(of_the_system());
    if let Some(ports) = &mut reach.connect {
        ports.extend(USUAL_PORTS);
    }
    let left_out = reach.connect.is_none();
    match sandbox::enter(reach) {
        Ok(()) if left_out => Ok(Entered::But(open_ports(config).to_owned())),
        Ok(()) => Ok(Entered::Wholly),
        Err(error) if config.sandbox == Sandbox::On => {
            let message = format!("cannot enter the sandbox: {error}; or set sandbox = \"auto\"");
            Err(CommandError::Other(message))
        }
        Err(error) => Ok(Entered::Not(error.to_string())),
    }
}

impl Entered {
    /// Says in the log what became of it.
    pub(super) fn report(&self) {
        match self {
            Self::Wholly => tracing::debug!("confined to the files and ports of the configuration"),
            Self::But(reason) => {
                tracing::info!(
                    "confined to the files of the configuration, not to ports: {reason}"
                );
            }
            Self::Not(reason) => tracing::warn!("no sandbox: {reason}"),
            Self::Off => {}
        }
    }
}

/// Why `config` cannot be taken by a process in the sandbox; nothing if it can, or this one is not in
/// one.
pub(super) fn mistakes(config: &Config) -> Vec<String> {
    let Some(reach) = sandbox::confined() else {
        return Vec::new();
    };
    let mut lacks = reach.lacks(&needs(config));
    if config.runs_commands {
        lacks.push("running a command for a secret".to_owned());
    }
    let mistake = |lack| format!("{lack} {}", sandbox::BEYOND);
    lacks.into_iter().map(mistake).collect()
}

/// In a line, whether a proxy of this configuration would be confined, if it would not.
pub(super) fn remark(config: &Config) -> Option<String> {
    let is_left_out = config.sandbox == Sandbox::Auto && config.runs_commands;
    is_left_out.then(|| format!("no sandbox: {COMMANDS}"))
}

/// What `config` names.
fn needs(config: &Config) -> Reach {
    let read = config.named_files.iter().flat_map(|file| folders(file));
    let files = config.pid_file.iter().chain(match &config.access_log.sink {
        Some(LogSink::File(path)) => Some(path),
        _ => None,
    });
    let listens = config.orgs.iter().flat_map(Org::listens);
    let listens = listens.chain(config.admin.iter().map(|admin| &admin.listen));
    let sockets = listens.filter_map(|listen| match listen {
        Listen::Unix(path) => Some(path),
        _ => None,
    });
    let mut write: Vec<_> = files.flat_map(|path| folders(path)).collect();
    let state = config.state_dir.iter().filter(|_| config.needs_local_ca());
    write.extend(state.map(|folder| folder.canonicalize().unwrap_or_else(|_| folder.clone())));
    Reach {
        read: read.collect(),
        write,
        sockets: sockets.flat_map(|path| folders(path)).collect(),
        connect: ports(config),
    }
}

/// What is made or replaced in the root folder, if anything is: no rule allows just that.
fn in_root(reach: &Reach) -> Option<&PathBuf> {
    let mut made = reach.write.iter().chain(&reach.sockets);
    let is_in_root = |path: &Path| {
        let folder = folder::of(path).canonicalize();
        folder.is_ok_and(|folder| folder.parent().is_none())
    };
    made.find(|path| !path.is_dir() && is_in_root(path))
}

/// The ports that `config` names; `None` if they may be others tomorrow.
fn ports(config: &Config) -> Option<Vec<u16>> {
    let is_demo = config.orgs.iter().any(|org| org.demo.is_some());
    let named: Vec<_> = config.orgs.iter().flat_map(ports_of).collect();
    let is_usual = named.iter().all(|port| USUAL_PORTS.contains(port));
    if is_demo || (config.sandbox != Sandbox::On && !is_usual) {
        return None;
    }
    let traces = config.traces.as_ref();
    let others = [
        config.proxies.port(),
        config.redis.as_ref().and_then(Redis::port),
        traces.and_then(|traces| traces.endpoint.port_or_known_default()),
    ];
    Some(
        named
            .into_iter()
            .chain(others.into_iter().flatten())
            .collect(),
    )
}

/// Why the ports that `config` names are not all.
fn open_ports(config: &Config) -> &'static str {
    // It would be the reason with "on", too.
    if config.orgs.iter().any(|org| org.demo.is_some()) {
        "a demo org is at another port after each start"
    } else {
        OWN_PORT
    }
}

/// The ports where logins and requests go.
fn ports_of(org: &Org) -> Vec<u16> {
    let trusted = org.trusted_hosts.iter();
    let trusted = trusted.filter_map(|host| host.rsplit_once(':')?.1.parse().ok());
    let login = org.login_url.port_or_known_default();
    let calls = org.pubsub.as_ref().and_then(|it| it.endpoint.port_u16());
    login.into_iter().chain(calls).chain(trusted).collect()
}

/// What is read besides, wherever it is: the program itself, for one that takes over, and what names
/// hosts and authorities.
fn of_the_system() -> Vec<PathBuf> {
    let program = program::path().ok();
    let lists = ["SSL_CERT_FILE", "SSL_CERT_DIR"].map(|name| env::var_os(name).unwrap_or_default());
    let listed = lists.iter().flat_map(env::split_paths);
    let listed: Vec<_> = listed.filter(|path| path.is_absolute()).collect();
    let usual = ["/etc/resolv.conf", "/etc/hosts", "/etc/localtime"].map(PathBuf::from);
    let files = program.into_iter().chain(listed.clone()).chain(usual);
    files
        .flat_map(|path| folders(&path))
        .chain(listed)
        .collect()
}

/// The folders of the file at `path`, and of all that symbolic links lead to on the way: what takes
/// its place later is in one of them. The root is none, since all is in it: there it is the file.
fn folders(path: &Path) -> Vec<PathBuf> {
    let mut path = path.to_owned();
    let mut found = Vec::new();
    for _ in 0..MOST_LINKS {
        let folder = path.parent().map_or_else(PathBuf::new, Path::to_owned);
        let here = Path::new(".");
        let is_here = folder.as_os_str().is_empty();
        let folder = if is_here { here } else { &folder };
        match folder.canonicalize() {
            Ok(folder) if folder.parent().is_none() => found.push(path.clone()),
            Ok(folder) => found.push(folder),
            Err(_) => {}
        }
        let Ok(target) = fs::read_link(&path) else {
            break;
        };
        path = folder.join(target);
    }
    found
}

/// As many as the system follows.
const MOST_LINKS: usize = 40;

/// Of Salesforce's hosts, and of name servers for answers that are too long for a datagram.
const USUAL_PORTS: [u16; 3] = [443, 7443, 53];

const COMMANDS: &str = "a command gives a secret, and would be confined as well";

const OWN_PORT: &str =
    "an org is at a port of its own; sandbox = \"on\" confines to the ports that are named";

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_is_made_in_the_root_folder_is_found() {
        let reach = |write: &str| Reach {
            read: Vec::new(),
            write: folders(Path::new(write)),
            sockets: Vec::new(),
            connect: None,
        };
        let file = PathBuf::from("/no-such.log");
        assert_eq!(in_root(&reach("/no-such.log")), Some(&file));
        for path in ["/tmp/no-such.log", "/dev/stderr", "no-such.log"] {
            assert_eq!(in_root(&reach(path)), None, "{path}");
        }
        assert_eq!(
            in_root(&Reach {
                sockets: folders(Path::new("/no-such.log")),
                ..reach("/tmp/no-such.log")
            }),
            Some(&file)
        );
    }

    #[test]
    fn every_folder_on_the_way_to_a_file_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        for name in ["named", "links", "versions"] {
            fs::create_dir(root.join(name)).unwrap();
        }
        fs::write(root.join("versions/key"), "").unwrap();
        symlink("../versions/key", root.join("links/key")).unwrap();
        symlink(root.join("links/key"), root.join("named/key")).unwrap();
        let expected = ["named", "links", "versions"].map(|name| root.join(name));
        assert_eq!(folders(&root.join("named/key")), expected);
        // What is not there yet has a folder, too.
        assert_eq!(folders(&root.join("named/none")), expected[..1]);
        assert_eq!(folders(Path::new("/none")), [Path::new("/none")]);
        let here = env::current_dir().unwrap().canonicalize().unwrap();
        assert_eq!(folders(Path::new("none")), [here]);
    }
}
