//! The program, as a process.

use std::{error::Error, fs, process::Stdio, time::Duration};

use orgproxy::demo::Org;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

use crate::traffic::{Traffic, client};

pub(crate) struct Proxy {
    folder: TempDir,
    child: Child,
    address: String,
    admin: String,
}

/// What a process takes of the system.
pub(crate) struct Takes {
    /// KiB.
    pub(crate) memory: u64,
    pub(crate) descriptors: usize,
}

type Outcome<T> = Result<T, Box<dyn Error>>;

impl Proxy {
    pub(crate) async fn start(org: &Org) -> Outcome<Self> {
        let folder = TempDir::new()?;
        let write = |name: &str, text: &str| -> Outcome<()> {
            use std::os::unix::fs::PermissionsExt;

            let path = folder.path().join(name);
            fs::write(&path, text)?;
            Ok(fs::set_permissions(
                path,
                fs::Permissions::from_mode(0o600),
            )?)
        };
        write("server.key", org.private_key_pem())?;
        write("ca.pem", org.ca_pem())?;
        write("proxy.toml", &config(org))?;
        let (child, address, admin) = spawn(&folder, "127.0.0.1:0", "127.0.0.1:0").await?;
        Ok(Self {
            folder,
            child,
            address,
            admin,
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends it as an operator does, and starts another in its place.
    pub(crate) async fn restart(&mut self) -> Outcome<()> {
        self.end().await?;
        (self.child, self.address, self.admin) =
            spawn(&self.folder, &self.address, &self.admin).await?;
        Ok(())
    }

    /// Ends it. Returns the lines of the access log, of all processes that there were.
    pub(crate) async fn stop(mut self) -> Outcome<Vec<String>> {
        self.end().await?;
        let mut lines = Vec::new();
        for entry in fs::read_dir(self.folder.path())? {
            let path = entry?.path();
            if path.to_string_lossy().contains("access.log") {
                lines.extend(fs::read_to_string(path)?.lines().map(str::to_owned));
            }
        }
        Ok(lines)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let id = self
            .child
            .id()
            .and_then(|id| Pid::from_raw(id.cast_signed()));
        if let Some(id) = id {
            // If it is gone, the end finds out.
            let _ = kill_process(id, signal);
        }
    }

    /// What it takes while nobody asks for anything.
    pub(crate) async fn takes(&self, traffic: &Traffic) -> Outcome<Takes> {
        let _pause = traffic.pause().await;
        let id = self.child.id().ok_or("the proxy has ended")?;
        let status = fs::read_to_string(format!("/proc/{id}/status"))?;
        let memory = status.lines().find_map(|line| {
            let size = line.strip_prefix("VmRSS:")?;
            size.trim().trim_end_matches(" kB").parse().ok()
        });
        Ok(Takes {
            memory: memory.ok_or("no memory")?,
            descriptors: fs::read_dir(format!("/proc/{id}/fd"))?.count(),
        })
    }

    pub(crate) async fn lost_lines(&self) -> Outcome<u64> {
        let url = format!("http://{}/metrics", self.admin);
        let text = client().get(url).send().await?.text().await?;
        let name = "orgproxy_access_log_dropped_total ";
        let lost = text.lines().find_map(|line| line.strip_prefix(name));
        Ok(lost.ok_or("no such metric")?.parse()?)
    }

    async fn end(&mut self) -> Outcome<()> {
        self.signal(Signal::TERM);
        let status = timeout(LONGEST_STOP, self.child.wait()).await??;
        if status.success() {
            Ok(())
        } else {
            Err(format!("the proxy ended with {status}").into())
        }
    }
}

/// A process that listens there, once it does, and where that is.
async fn spawn(folder: &TempDir, listen: &str, admin: &str) -> Outcome<(Child, String, String)> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orgproxy"));
    command.args(["--config", "proxy.toml", "--listen", listen]);
    command.args(["--admin-listen", admin]);
    command.current_dir(folder.path());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ORGPROXY_")) {
        command.env_remove(name);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    // The access log has what matters.
    command.stderr(Stdio::null()).kill_on_drop(true);
    let mut child = command.spawn()?;
    let stdout = child.stdout.take().ok_or("no output")?;
    let addresses = timeout(LONGEST_START, addresses(stdout)).await??;
    Ok((child, addresses.0, addresses.1))
}

async fn addresses(stdout: ChildStdout) -> Outcome<(String, String)> {
    let mut lines = BufReader::new(stdout).lines();
    let mut address = None;
    while let Some(line) = lines.next_line().await? {
        if let Some((_, rest)) = line.split_once("listening on http://") {
            address = rest.split(' ').next().map(str::to_owned);
        }
        if let Some(admin) = line.strip_prefix("admin listener on ") {
            let address = address.ok_or("it does not say where it listens")?;
            // What it says later is of no use, but must not hold it up.
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return Ok((address, admin.to_owned()));
        }
    }
    Err("the proxy does not start".into())
}

fn config(org: &Org) -> String {
    format!(
        "log = \"off\"\n\
         access_log = \"./access.log\"\n\
         access_log_format = \"json\"\n\
         access_log_bytes = \"16MiB\"\n\
         access_log_keep = 255\n\
         grace = \"20s\"\n\
         [org.demo]\n\
         client_id = {:?}\n\
         username = {:?}\n\
         private_key = \"server.key\"\n\
         login_url = {:?}\n\
         trusted_hosts = [\"localhost\"]\n\
         ca_file = \"ca.pem\"\n",
        org.client_id(),
        org.username(),
        org.login_url().as_str().trim_end_matches('/'),
    )
}

const LONGEST_START: Duration = Duration::from_secs(30);

/// More than its grace.
const LONGEST_STOP: Duration = Duration::from_secs(40);
