//! The targets that are measured: nginx, haproxy and orgproxy with the same job to do, and no proxy at all.
//!
//! The job: TLS to the origin, verified against a CA and for the name `localhost`; connections
//! kept on both sides; `Host` rewritten; `Authorization` set; bodies streamed; one worker; no
//! access log.

use std::error::Error;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::io::{FdFlags, fcntl_setfd};

use crate::folder::Folder;
use crate::origin::TOKEN;
use crate::process::{self, Running, installed};

/// Where the proxies forward to.
pub(crate) struct Origin {
    pub(crate) process: Running,
    pub(crate) address: SocketAddr,
}

impl Origin {
    pub(crate) fn start(folder: &Folder, core: Option<usize>) -> Result<Self, Box<dyn Error>> {
        let mut command = process::role(core, "origin")?;
        command
            .arg("--folder")
            .arg(folder.root())
            .stdout(Stdio::piped());
        let mut process = Running::start("origin", command, folder)?;
        let address = process.address()?;
        Ok(Self { process, address })
    }
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Name {
    Orgproxy,
    /// orgproxy with metrics, which are asked for each second.
    Scraped,
    /// orgproxy with an access log.
    Logged,
    Nginx,
    Haproxy,
    /// The load generator speaks TLS to the origin itself. Both are on one core then, so its
    /// requests/s are that core's limit and no ceiling for the proxies.
    Direct,
}

impl Name {
    pub(crate) const ALL: [Self; 6] = [
        Self::Orgproxy,
        Self::Scraped,
        Self::Logged,
        Self::Nginx,
        Self::Haproxy,
        Self::Direct,
    ];
}

impl Name {
    fn text(self) -> &'static str {
        match self {
            Self::Orgproxy => "orgproxy",
            Self::Scraped => "scraped",
            Self::Logged => "logged",
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::Direct => "direct",
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// One of them, running.
pub(crate) struct Target {
    pub(crate) name: Name,
    /// The version that the program prints.
    pub(crate) version: Option<String>,
    pub(crate) address: SocketAddr,
    pub(crate) process: Option<Running>,
}

impl Target {
    pub(crate) fn start(
        name: Name,
        folder: &Folder,
        origin: &Origin,
        core: Option<usize>,
    ) -> Result<Self, Box<dyn Error>> {
        match name {
            Name::Orgproxy => Self::orgproxy(name, &[], folder, origin, core),
            Name::Scraped => {
                let socket = folder.path("admin.sock");
                let listen = format!("unix:{}", socket.display());
                let arguments = ["--admin-listen", &listen];
                let target = Self::orgproxy(name, &arguments, folder, origin, core)?;
                scrape(&socket)?;
                thread::spawn(move || {
                    while scrape(&socket).is_ok() {
                        thread::park_timeout(Duration::from_secs(1));
                    }
                });
                Ok(target)
            }
            Name::Logged => {
                let log = folder.path("access.log").display().to_string();
                Self::orgproxy(name, &["--access-log", &log], folder, origin, core)
            }
            Name::Nginx => {
                let program = installed("nginx", "nginx")?;
                let version = version(&program, "-v");
                let listener = Inherited::listen()?;
                let mut command = process::pinned(core, program)?;
                command
                    .args(["-e", "stderr", "-p"])
                    .arg(folder.root())
                    .arg("-c");
                command.arg(nginx(folder, origin.address, listener.address)?);
                // nginx hands its listeners to a new binary in this way, and takes ours so.
                command.env("NGINX", format!("{};", listener.fd()));
                listener.into_target(name, version, "nginx", command, folder)
            }
            Name::Haproxy => {
                let program = installed("haproxy", "haproxy")?;
                let version = version(&program, "-v");
                let listener = Inherited::listen()?;
                let mut command = process::pinned(core, program)?;
                command.args(["-db", "-f"]);
                command.arg(haproxy(folder, origin.address, listener.fd())?);
                listener.into_target(name, version, "haproxy", command, folder)
            }
            Name::Direct => Ok(Self {
                name,
                version: None,
                address: origin.address,
                process: None,
            }),
        }
    }

    fn orgproxy(
        name: Name,
        arguments: &[&str],
        folder: &Folder,
        origin: &Origin,
        core: Option<usize>,
    ) -> Result<Self, Box<dyn Error>> {
        let config = orgproxy(folder, origin.address)?;
        let mut command = process::pinned(core, ORGPROXY)?;
        command
            .args(["run", "--config"])
            .arg(config)
            .args(arguments)
            .stdout(Stdio::piped());
        let mut process = Running::start(name.text(), command, folder)?;
        let address = process.address()?;
        let is_plain = arguments.is_empty();
        let version = is_plain.then(|| version(Path::new(ORGPROXY), "--version"));
        Ok(Self {
            name,
            version: version.flatten(),
            address,
            process: Some(process),
        })
    }
}

/// Asks orgproxy for its metrics.
fn scrape(socket: &Path) -> io::Result<()> {
    let mut stream = UnixStream::connect(socket)?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    if text.contains("orgproxy_requests_total") || text.contains("orgproxy_build_info") {
        Ok(())
    } else {
        Err(io::Error::other(text))
    }
}

/// Writes orgproxy's configuration.
pub(crate) fn orgproxy(folder: &Folder, origin: SocketAddr) -> Result<PathBuf, Box<dyn Error>> {
    let port = origin.port();
    let text = format!(
        r#"threads = 1

[org.bench]
client_id = "bench"
username = "bench@example.com"
private_key = "key.pem"
login_url = "https://localhost:{port}"
trusted_hosts = ["localhost"]
ca_file = "ca.pem"
listen = "127.0.0.1:0"
"#
    );
    Ok(folder.write("proxy.toml", &text)?)
}

/// Each choice that is open is made to nginx's advantage. Its default buffers of 4 and 16 KiB cost
/// it a quarter more CPU for transfers than larger ones do, from 16 KiB up; with those, buffering
/// on or off makes no difference, provided that it may not spill to disk. Small answers do not care.
fn nginx(
    folder: &Folder,
    origin: SocketAddr,
    listen: SocketAddr,
) -> Result<PathBuf, Box<dyn Error>> {
    let root = folder.root().display();
    let port = origin.port();
    // Without this a worker of root's becomes `nobody`, who may not enter the folder.
    let user = if rustix::process::geteuid().is_root() {
        "user root;"
    } else {
        ""
    };
    let text = format!(
        r#"{user}
daemon off;
worker_processes 1;
pid {root}/nginx.pid;
error_log stderr error;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {root}/nginx-body;
    proxy_temp_path {root}/nginx-proxy;
    fastcgi_temp_path {root}/nginx-fastcgi;
    uwsgi_temp_path {root}/nginx-uwsgi;
    scgi_temp_path {root}/nginx-scgi;
    upstream origin {{
        server {origin};
        keepalive 256;
        keepalive_requests 1000000000;
        keepalive_timeout 1h;
    }}
    server {{
        listen {listen};
        keepalive_requests 1000000000;
        keepalive_timeout 1h;
        client_max_body_size 0;
        location / {{
            proxy_pass https://origin;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host localhost:{port};
            proxy_set_header Authorization "Bearer {TOKEN}";
            proxy_request_buffering off;
            proxy_buffering on;
            proxy_max_temp_file_size 0;
            proxy_buffer_size 16k;
            proxy_buffers 4 256k;
            proxy_busy_buffers_size 512k;
            client_body_buffer_size 1m;
            proxy_ssl_verify on;
            proxy_ssl_trusted_certificate {root}/ca.pem;
            proxy_ssl_name localhost;
            proxy_ssl_server_name on;
            proxy_ssl_protocols TLSv1.3;
            proxy_ssl_session_reuse on;
        }}
    }}
}}
"#
    );
    Ok(folder.write("nginx.conf", &text)?)
}

fn haproxy(folder: &Folder, origin: SocketAddr, fd: i32) -> Result<PathBuf, Box<dyn Error>> {
    let root = folder.root().display();
    let port = origin.port();
    let text = format!(
        r#"global
    nbthread 1
    maxconn 4096
defaults
    mode http
    http-reuse always
    timeout connect 10s
    timeout client 1h
    timeout server 1h
    timeout http-keep-alive 1h
frontend proxy
    bind fd@{fd}
    http-request set-header Host localhost:{port}
    http-request set-header Authorization "Bearer {TOKEN}"
    default_backend origin
backend origin
    server origin {origin} ssl verify required ca-file {root}/ca.pem verifyhost localhost sni str(localhost)
"#
    );
    Ok(folder.write("haproxy.cfg", &text)?)
}

/// A listener for a program that cannot be asked which port it chose. We choose, and the program
/// inherits the open listener: no port can be lost in between, and since connections queue from
/// now on, nobody has to wait until the program is up.
struct Inherited {
    listener: TcpListener,
    address: SocketAddr,
}

impl Inherited {
    fn listen() -> Result<Self, Box<dyn Error>> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        // nginx takes for granted that another nginx opened it.
        listener.set_nonblocking(true)?;
        fcntl_setfd(&listener, FdFlags::empty())?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    fn fd(&self) -> i32 {
        self.listener.as_raw_fd()
    }

    /// Starts `command`; drops our copy of the listener, so that a program that ends refuses
    /// connections instead of leaving them in the queue.
    fn into_target(
        self,
        name: Name,
        version: Option<String>,
        log: &'static str,
        command: Command,
        folder: &Folder,
    ) -> Result<Target, Box<dyn Error>> {
        let process = Some(Running::start(log, command, folder)?);
        Ok(Target {
            name,
            version,
            address: self.address,
            process,
        })
    }
}

/// The number in what `program` prints about its version, wherever it prints it: "nginx version:
/// nginx/1.22.1", "HAProxy version 2.6.12 2026/10/17", "orgproxy 0.1.0".
fn version(program: &Path, flag: &str) -> Option<String> {
    let output = Command::new(program).arg(flag).output().ok()?;
    let text = String::from_utf8([output.stdout, output.stderr].concat()).ok()?;
    let number = text
        .split_whitespace()
        .find(|word| word.contains(|c: char| c.is_ascii_digit()))?;
    number.rsplit('/').next().map(str::to_owned)
}

/// Built by cargo together with this benchmark, with the same profile.
pub(crate) const ORGPROXY: &str = env!("CARGO_BIN_EXE_orgproxy");
