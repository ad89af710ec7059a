//! A folder with a configuration in it.

use std::{
    fs::{self, File},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use orgproxy::demo::Org;
use rustix::fs::{CWD, Mode, OFlags, fcntl_setfl, mkfifoat};
use tempfile::TempDir;

use super::Binary;

/// A folder with what a configuration for an org needs, and the configuration: `proxy.toml`,
/// `server.key`, `ca.pem`.
pub struct Files(TempDir);

impl Files {
    pub fn new(org: &Org) -> Self {
        Self::with(org, "")
    }

    /// The configuration goes on with `more`, which begins in the table of the org.
    pub fn with(org: &Org, more: &str) -> Self {
        let files = Self(TempDir::new().unwrap());
        files.write("server.key", org.private_key_pem());
        files.write("ca.pem", org.ca_pem());
        files.write("proxy.toml", &config(org, more));
        files
    }

    /// The configuration has the org that is built in, to be started with the key and certificate of
    /// `org`. It goes on with `more`, which begins in the table of the org.
    pub fn with_demo(org: &Org, more: &str) -> Self {
        let files = Self::new(org);
        files.write("server.crt", org.certificate_pem());
        let text = format!(
            "[org.demo]\nclient_id = \"3MVG9x\"\nusername = \"me@example.com\"\n\
             private_key = \"server.key\"\nlisten = \"127.0.0.1:0\"\ndemo = true\n{more}"
        );
        files.write("proxy.toml", &text);
        files
    }

    /// Writes a configuration of several orgs, each by its name.
    pub fn several(orgs: &[(&str, &Org)]) -> Self {
        let files = Self::new(orgs[0].1);
        let table = |(name, org): &(&str, &Org)| {
            config(org, "").replace("org.demo", &format!("org.{name}"))
        };
        files.write("proxy.toml", &orgs.iter().map(table).collect::<String>());
        files
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn folder(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file that only its owner can read.
    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
        chmod(&self.path(name), 0o600);
    }

    pub fn config(&self) -> String {
        self.path("proxy.toml").display().to_string()
    }

    /// Runs the program with it, and with a place for the local certificate authority.
    pub fn start_with_state(&self) -> Binary {
        let state = self.path("state").display().to_string();
        Binary::start(&["run", "--config", &self.config(), "--state-dir", &state])
    }

    /// Returns the path of the local authority's certificate.
    pub fn local_ca(&self) -> String {
        self.path("state/ca.pem").display().to_string()
    }

    /// Runs the program with it.
    pub fn start(&self) -> Binary {
        Binary::start(&["run", "--config", &self.config()])
    }
}

/// A configuration for `org` on a free port. What `more` gives goes before what is given here.
pub fn config(org: &Org, more: &str) -> String {
    let login_url = org.login_url();
    let values = [
        ("client_id", org.client_id()),
        ("username", org.username()),
        ("private_key", "server.key"),
        ("login_url", login_url.as_str().trim_end_matches('/')),
        ("trusted_hosts", "localhost"),
        ("ca_file", "ca.pem"),
        ("listen", "127.0.0.1:0"),
    ];
    let mut text = "[org.demo]\n".to_owned();
    for (key, value) in values {
        // Below the header of a table, a key is that table's.
        let is_given = more
            .lines()
            .take_while(|line| !line.starts_with('['))
            .any(|line| line.starts_with(&format!("{key} =")));
        if !is_given {
            text += &format!("{key} = {value:?}\n");
        }
    }
    text + more
}

/// Makes a pipe, and returns its end for readers. Until somebody reads, as much as fits into it can be
/// written.
pub(crate) fn pipe(path: &Path) -> File {
    mkfifoat(CWD, path, Mode::RUSR | Mode::WUSR).unwrap();
    let nonblock = OFlags::NONBLOCK.bits().cast_signed();
    let mut options = File::options();
    let reader = options.read(true).custom_flags(nonblock).open(path);
    let reader = reader.unwrap();
    fcntl_setfl(&reader, OFlags::empty()).unwrap();
    reader
}

/// Sets the permissions of a file.
pub(crate) fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}
