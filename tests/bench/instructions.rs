//! User instructions per request, which repeat to ±0.5 % whatever else the machine does.

use std::error::Error;
use std::fs;
use std::process::Stdio;

use crate::folder::Folder;
use crate::process::{self, Running, installed};
use crate::rounds::output;
use crate::targets::{self, ORGPROXY, Origin};

/// Prints the number. The difference of two runs leaves out the start, the login and the
/// handshakes.
pub(crate) fn run() -> Result<(), Box<dyn Error>> {
    installed("valgrind", "valgrind")?;
    let folder = Folder::create()?;
    let origin = Origin::start(&folder, None)?;
    let few = count(FEW, &folder, &origin)?;
    let many = count(MANY, &folder, &origin)?;
    println!("{}", many.saturating_sub(few) / (MANY - FEW));
    Ok(())
}

/// Instructions of a whole run of orgproxy with so many requests over 16 connections.
fn count(requests: u64, folder: &Folder, origin: &Origin) -> Result<u64, Box<dyn Error>> {
    let counts = folder.path("callgrind.out");
    let config = targets::orgproxy(folder, origin.address)?;
    let mut command = process::pinned(None, installed("valgrind", "valgrind")?)?;
    command
        .arg("--tool=callgrind")
        .arg(format!("--callgrind-out-file={}", counts.display()))
        .args([ORGPROXY, "run", "--config"])
        .arg(config)
        .stdout(Stdio::piped());
    let mut proxy = Running::start("orgproxy", command, folder)?;
    let address = proxy.address()?;

    let mut load = process::role(None, "load")?;
    load.args(["--to", &address.to_string(), "--connections", "16"]);
    load.args(["--requests", &requests.to_string()]);
    output(load).map_err(|error| proxy.blame(&format!("failed under callgrind: {error}")))?;
    proxy.stop()?;

    let text = fs::read_to_string(&counts)?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
    Ok(total.ok_or("callgrind counted nothing")?.trim().parse()?)
}

const FEW: u64 = 1000;
const MANY: u64 = 2000;
