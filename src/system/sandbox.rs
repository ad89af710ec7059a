//! Confining this process to some files and TCP ports, for good (Landlock, landlock(7)).

use std::{
    io,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use serde::{Deserialize, Serialize};

/// What a process may reach, or needs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reach {
    /// Files and folders that can be read, the latter with all that is in them.
    pub(crate) read: Vec<PathBuf>,
    /// The same, written to as well.
    pub(crate) write: Vec<PathBuf>,
    /// Folders in which sockets can be made.
    pub(crate) sockets: Vec<PathBuf>,
    /// TCP ports to connect to; `None` for all.
    pub(crate) connect: Option<Vec<u16>>,
}

/// Why a process cannot be confined.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SandboxError {
    #[error("this system has no Landlock, which Linux has from 5.19 on where lsm= lists it")]
    Missing,
    #[cfg(target_os = "linux")]
    #[error("the system refused: {0}")]
    Refused(String),
}

/// Confines this thread, and all that it starts from now on, programs included, to `reach` and what
/// any program needs of the system. Other threads stay as they are, so none may be there that goes on.
///
/// # Errors
/// If this system cannot. Nothing has changed then but that no program can get more rights than
/// this one has.
pub(crate) fn enter(reach: Reach) -> Result<(), SandboxError> {
    let _ = no_new_privileges();
    imp::enter(&reach)?;
    let _ = CONFINED.set(reach);
    Ok(())
}

/// Notes that this process was started within `reach`.
pub(super) fn inherit(reach: Reach) {
    let _ = CONFINED.set(reach);
}

/// What this process is confined to, if it is.
pub(crate) fn confined() -> Option<&'static Reach> {
    CONFINED.get()
}

/// Returns whether the sandbox is why this file cannot be opened.
pub(crate) fn hides(path: &Path, error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied
        && confined().is_some_and(|reach| {
            let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
            !reach.reads(&path)
        })
}

/// What is to be said of anything that a process in the sandbox cannot have.
pub(crate) const BEYOND: &str = "is beyond the sandbox that this process is in since its start; \
     stop orgproxy and start it again, with sandbox = \"off\" if need be (SIGUSR2 keeps the sandbox)";

/// In a word or two, for the status.
pub(crate) fn words() -> &'static str {
    match confined() {
        None => "none",
        Some(Reach { connect: None, .. }) => "files",
        Some(_) => "files and ports",
    }
}

impl Reach {
    /// What `needs` has that this has not, for people.
    pub(crate) fn lacks(&self, needs: &Self) -> Vec<String> {
        let unread = needs.read.iter().filter(|path| !self.reads(path));
        let unread = unread.map(|path| format!("reading {}", path.display()));
        let writes = |path: &Path| self.write.iter().any(|it| path.starts_with(it));
        let unwritten = needs.write.iter().filter(|path| !writes(path));
        let unwritten = unwritten.map(|path| format!("writing to {}", path.display()));
        let makes = |path: &Path| self.sockets.iter().any(|it| path.starts_with(it));
        let unmade = needs.sockets.iter();
        let unmade = unmade.filter(|path| !makes(path) && !writes(path));
        let unmade = unmade.map(|path| format!("making a socket in {}", path.display()));
        let ports = match (&self.connect, &needs.connect) {
            (None, _) => Vec::new(),
            (Some(_), None) => vec!["connecting to any port".to_owned()],
            (Some(own), Some(needed)) => {
                let missing = needed.iter().filter(|port| !own.contains(port));
                missing
                    .map(|port| format!("connecting to port {port}"))
                    .collect()
            }
        };
        let files = unread.chain(unwritten).chain(unmade);
        files.chain(ports).collect()
    }

    fn reads(&self, path: &Path) -> bool {
        let mut all = self.read.iter().chain(&self.write);
        all.any(|it| path.starts_with(it)) || SYSTEM.iter().any(|it| path.starts_with(it))
    }
}

#[cfg(target_os = "linux")]
fn no_new_privileges() -> io::Result<()> {
    Ok(rustix::thread::set_no_new_privs(true)?)
}

#[cfg(not(target_os = "linux"))]
fn no_new_privileges() -> io::Result<()> {
    Ok(())
}

#[cfg(target_os = "linux")]
mod imp {
    use landlock::{
        ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, NetPort, Ruleset, RulesetAttr,
        RulesetCreatedAttr, RulesetError, RulesetStatus, path_beneath_rules,
    };

    use super::{DEVICES, Reach, SYSTEM, SandboxError};

    pub(super) fn enter(reach: &Reach) -> Result<(), SandboxError> {
        let read = AccessFs::ReadFile | AccessFs::ReadDir;
        // One is made in a folder of its own, and moved from there.
        let make = AccessFs::MakeSock
            | AccessFs::MakeDir
            | AccessFs::RemoveFile
            | AccessFs::RemoveDir
            | AccessFs::Refer;
        // Programs stay within it, so they may be started.
        let mut handled = AccessFs::from_all(ABI::V2);
        handled.remove(AccessFs::Execute);
        let rules = Ruleset::default()
            .set_compatibility(CompatLevel::HardRequirement)
            .handle_access(handled)
            .map_err(|_| SandboxError::Missing)?;
        let confine = || -> Result<RulesetStatus, RulesetError> {
            // What newer systems can besides.
            let mut rules = rules
                .set_compatibility(CompatLevel::BestEffort)
                .handle_access(AccessFs::Truncate)?;
            if reach.connect.is_some() {
                rules = rules.handle_access(AccessNet::ConnectTcp)?;
            }
            let ports = reach.connect.iter().flatten();
            let ports = ports.map(|port| Ok(NetPort::new(*port, AccessNet::ConnectTcp)));
            let status = rules
                .create()?
                .add_rules(path_beneath_rules(SYSTEM, read))?
                .add_rules(path_beneath_rules(&reach.read, read))?
                .add_rules(path_beneath_rules(&reach.sockets, make))?
                .add_rules(path_beneath_rules(DEVICES, read | AccessFs::WriteFile))?
                .add_rules(path_beneath_rules(
                    &reach.write,
                    handled | AccessFs::Truncate,
                ))?
                .add_rules(ports.collect::<Vec<Result<_, RulesetError>>>())?
                .restrict_self()?;
            Ok(status.ruleset)
        };
        match confine() {
            Ok(RulesetStatus::NotEnforced) => Err(SandboxError::Missing),
            Ok(_) => Ok(()),
            Err(error) => Err(SandboxError::Refused(error.to_string())),
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod imp {
    use super::{Reach, SandboxError};

    pub(super) fn enter(_: &Reach) -> Result<(), SandboxError> {
        Err(SandboxError::Missing)
    }
}

static CONFINED: OnceLock<Reach> = OnceLock::new();

/// Where the system has what any program needs: libraries, the addresses of name servers, certificate
/// authorities, time zones. Where there is none of it, that does no harm.
const SYSTEM: &[&str] = &[
    "/bin",
    "/dev",
    "/etc",
    "/gnu",
    "/lib",
    "/lib32",
    "/lib64",
    "/nix",
    "/opt/etc/ssl",
    "/proc",
    "/run/NetworkManager",
    "/run/current-system",
    "/run/nscd",
    "/run/resolvconf",
    "/run/systemd",
    "/sbin",
    "/sys",
    "/usr",
    "/var/lib/ca-certificates",
    "/var/ssl",
];

/// Files of the system that are written to.
#[cfg(target_os = "linux")]
const DEVICES: &[&str] = &["/dev/null", "/dev/tty"];

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(&["/etc/orgproxy"], &[], Some(&[443]), &[]; "nothing")]
    #[test_case(&["/srv/a/b"], &[], Some(&[443]), &[]; "what is below")]
    #[test_case(&["/srv/state"], &["/srv/state/x"], None, &["connecting to any port"]; "what is written to is read")]
    #[test_case(&["/srv/ab"], &[], Some(&[443]), &["reading /srv/ab"]; "what only begins alike")]
    #[test_case(&[], &["/srv/a"], Some(&[]), &["writing to /srv/a"]; "what is only read")]
    #[test_case(&[], &[], Some(&[443, 6379, 25]), &["connecting to port 6379", "connecting to port 25"]; "ports")]
    fn names_what_it_lacks(read: &[&str], write: &[&str], ports: Option<&[u16]>, lacks: &[&str]) {
        let paths = |all: &[&str]| all.iter().map(PathBuf::from).collect();
        let own = Reach {
            read: paths(&["/srv/a"]),
            write: paths(&["/srv/state"]),
            sockets: paths(&["/srv/run"]),
            connect: Some(vec![443]),
        };
        let needs = Reach {
            read: paths(read),
            write: paths(write),
            sockets: paths(&["/srv/run", "/srv/state"]),
            connect: ports.map(<[u16]>::to_vec),
        };
        assert_eq!(own.lacks(&needs), lacks);
        let open = Reach {
            connect: None,
            ..own
        };
        let files = lacks.iter().filter(|it| !it.starts_with("connecting"));
        assert_eq!(open.lacks(&needs).len(), files.count());
    }

    /// In a thread, since only that is confined.
    #[cfg(target_os = "linux")]
    #[test]
    fn the_system_refuses_what_is_beyond_it() {
        use std::{
            fs::{self, File},
            io::Write,
            net::{TcpListener, TcpStream},
            os::unix::net::{UnixListener, UnixStream},
            process::Command,
        };

        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        for name in ["read", "state", "run", "else"] {
            fs::create_dir(root.join(name)).unwrap();
            fs::write(root.join(name).join("file"), "here").unwrap();
        }
        let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [open, shut] = listeners.each_ref().map(|it| it.local_addr().unwrap());
        let reach = Reach {
            read: vec![root.join("read"), root.join("none")],
            write: vec![root.join("state")],
            sockets: vec![root.join("run")],
            connect: Some(vec![open.port()]),
        };
        let is_denied = |error: io::Error| error.kind() == io::ErrorKind::PermissionDenied;
        let confined = root.clone();
        let confined = std::thread::spawn(move || {
            let at = |path: &str| confined.join(path);
            if let Err(error) = imp::enter(&reach) {
                let _ = writeln!(io::stderr(), "skipped: the sandbox: {error}");
                let is_ci = std::env::var_os("CI").is_some();
                assert!(!is_ci, "not to be skipped where CI is set: {error}");
                return;
            }
            assert_eq!(fs::read_to_string(at("read/file")).unwrap(), "here");
            assert!(File::open("/etc/passwd").is_ok());
            assert!(is_denied(fs::read_to_string(at("else/file")).unwrap_err()));
            assert!(is_denied(fs::write(at("read/file"), "").unwrap_err()));
            assert!(is_denied(fs::write(at("else/new"), "").unwrap_err()));
            assert!(is_denied(fs::remove_file(at("else/file")).unwrap_err()));
            assert!(fs::hard_link(at("read/file"), at("state/link")).is_err());

            fs::create_dir(at("state/inner")).unwrap();
            fs::write(at("state/inner/new"), "there").unwrap();
            fs::rename(at("state/inner/new"), at("state/file")).unwrap();
            assert_eq!(fs::read_to_string(at("state/file")).unwrap(), "there");
            fs::write("/dev/null", "").unwrap();

            fs::create_dir(at("run/inner")).unwrap();
            assert!(UnixListener::bind(at("run/inner/socket")).is_ok());
            fs::rename(at("run/inner/socket"), at("run/socket")).unwrap();
            assert!(UnixStream::connect(at("run/socket")).is_err_and(|it| !is_denied(it)));
            assert!(is_denied(fs::write(at("run/file"), "").unwrap_err()));
            assert!(is_denied(fs::write(at("run/new"), "").unwrap_err()));
            assert!(is_denied(fs::read(at("run/file")).unwrap_err()));
            assert!(UnixListener::bind(at("else/socket")).is_err_and(is_denied));

            assert!(TcpStream::connect(open).is_ok());
            assert!(is_denied(TcpStream::connect(shut).unwrap_err()));
            assert!(TcpListener::bind("127.0.0.1:0").is_ok());
            // Who connects is still known, as it must be for a process that takes over.
            assert!(crate::system::peer_user::try_it().unwrap());
            // A program that it starts is in it, too.
            let shown = |path| Command::new("cat").arg(path).output().unwrap().stdout;
            assert_eq!(shown(at("state/file")), b"there");
            assert_eq!(shown(at("else/file")), b"");
            // The system takes 16 of them.
            let again = (0..16).map(|_| imp::enter(&reach)).find_map(Result::err);
            let refused = again.unwrap().to_string();
            assert!(refused.starts_with("the system refused: "), "{refused}");
        });
        confined.join().unwrap();
        assert_eq!(fs::read_to_string(root.join("else/file")).unwrap(), "here");
        assert!(TcpStream::connect(shut).is_ok());
    }
}
