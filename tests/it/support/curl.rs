//! curl, as people type it.

use std::{fs, process::Stdio};

use tempfile::TempDir;
use tokio::process::Command;

use super::{binary::Ended, in_time};

/// Runs a command line as a shell does. Its standard output ends with the status that curl got.
pub(crate) async fn curl(line: &str) -> Ended {
    let home = TempDir::new().unwrap();
    let settings = "silent\nshow-error\nwrite-out = \"\\n%{http_code}\"\n";
    fs::write(home.path().join(".curlrc"), settings).unwrap();
    let mut shell = Command::new("sh");
    shell
        .args(["-c", line])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home.path())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = in_time(shell.output()).await.unwrap();
    Ended {
        status: output.status,
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Reads what curl printed: the body, and the status in a line of its own.
impl Ended {
    /// Returns the status, `000` if there was no answer.
    pub(crate) fn status(&self) -> &str {
        self.parts().1
    }

    pub(crate) fn body(&self) -> &str {
        self.parts().0
    }

    fn parts(&self) -> (&str, &str) {
        self.stdout
            .rsplit_once('\n')
            .unwrap_or_else(|| panic!("{self:?}"))
    }
}
