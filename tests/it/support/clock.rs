//! The clock of another program, set as its machine's may be.

use std::{fs, path::PathBuf};

use tempfile::TempDir;
use tokio::process::Command;

/// A wall clock that tells the time of this machine until it is set. It is libfaketime's, which leaves
/// the other clocks alone.
pub(crate) struct Clock {
    library: PathBuf,
    folder: TempDir,
}

impl Clock {
    /// None if libfaketime is not installed.
    pub(crate) fn new() -> Option<Self> {
        let folders = fs::read_dir("/usr/lib").unwrap();
        let of_folder = |folder: PathBuf| folder.join("faketime/libfaketime.so.1");
        let mut libraries = folders.map(|folder| of_folder(folder.unwrap().path()));
        let clock = Self {
            library: libraries.find(|library| library.is_file())?,
            folder: TempDir::new().unwrap(),
        };
        clock.set(0);
        Some(clock)
    }

    /// Has `command` see this clock.
    pub(crate) fn show(&self, command: &mut Command) {
        command
            .env("LD_PRELOAD", &self.library)
            .env("FAKETIME_TIMESTAMP_FILE", self.file())
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            // The library reads its file within the program, which names it nowhere.
            .env("ORGPROXY_SANDBOX", "off");
    }

    /// Sets it so many seconds ahead of this machine's.
    pub(crate) fn set(&self, ahead: i64) {
        // Whole at every moment.
        let next = self.folder.path().join("next");
        fs::write(&next, format!("{ahead:+}\n")).unwrap();
        fs::rename(next, self.file()).unwrap();
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("time")
    }
}
