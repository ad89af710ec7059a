//! User instructions per request, which repeat to ±0.5 % whatever else the machine does.

use std::error::Error;
use std::fs;
use std::process::Stdio;

use crate::cpu::Cores;
use crate::folder::Folder;
use crate::process::{self, Running, installed};
use crate::rounds::output;
use crate::targets::{self, ORGPROXY, Origin};

/// Prints what a request costs, and what it costs more to see it.
///
/// # Errors
/// With `has_gate`, if seeing it costs more than it may.
pub(crate) fn run(has_gate: bool) -> Result<(), Box<dyn Error>> {
    installed("valgrind", "valgrind")?;
    let folder = Folder::create()?;
    let origin = Origin::start(&folder, None)?;
    let log = folder.path("access.log");
    let log = log.to_str().ok_or("the folder's name is not text")?;
    let metrics = ["--admin-listen", "127.0.0.1:0"];
    let access_log = ["--access-log", log];

    let mut least = [u64::MAX; 3];
    let mut dear = Vec::new();
    // Whatever else the machine does can only add to a figure: of several the least counts.
    for _ in 0..MOST_ROUNDS {
        let arguments: [&[&str]; 3] = [&[], &metrics, &access_log];
        for (least, arguments) in least.iter_mut().zip(arguments) {
            *least = (*least).min(per_request(arguments, &folder, &origin)?);
        }
        let [plain, metrics, log] = least;
        println!("{plain}");
        dear = [
            ("metrics", metrics, MOST_FOR_METRICS),
            ("an access log", log, MOST_FOR_LOG),
        ]
        .into_iter()
        .filter_map(|(name, seen, most)| dear_to_see(name, seen, plain, most))
        .collect();
        if dear.is_empty() {
            break;
        }
    }
    if has_gate && !dear.is_empty() {
        return Err(dear.join("; ").into());
    }
    Ok(())
}

/// Prints what seeing a request costs, and says so if that is more than it may.
fn dear_to_see(name: &str, seen: u64, plain: u64, most: f64) -> Option<String> {
    let share = seen as f64 / plain as f64 - 1.0;
    println!("{seen} with {name} ({:+.1} %)", share * 100.0);
    (share > most).then(|| format!("{name} may cost {:.0} % and no more", most * 100.0))
}

/// The difference of two runs leaves out the start, the login and the handshakes.
fn per_request(
    arguments: &[&str],
    folder: &Folder,
    origin: &Origin,
) -> Result<u64, Box<dyn Error>> {
    let few = count(FEW, arguments, folder, origin)?;
    let many = count(MANY, arguments, folder, origin)?;
    Ok(many.saturating_sub(few) / (MANY - FEW))
}

/// Instructions of a whole run of orgproxy with so many requests over 16 connections.
fn count(
    requests: u64,
    arguments: &[&str],
    folder: &Folder,
    origin: &Origin,
) -> Result<u64, Box<dyn Error>> {
    let counts = folder.path("callgrind.out");
    let config = targets::orgproxy(folder, origin.address)?;
    // On one core orgproxy has one worker, and no instructions are spent on threads that meet.
    let cores = Cores::choose()?;
    let mut command = process::pinned(cores.proxy, installed("valgrind", "valgrind")?)?;
    command
        .arg("--tool=callgrind")
        .arg(format!("--callgrind-out-file={}", counts.display()))
        .args([ORGPROXY, "run", "--config"])
        .arg(config)
        .args(arguments)
        .stdout(Stdio::piped());
    let mut proxy = Running::start("orgproxy", command, folder)?;
    let address = proxy.address()?;

    let mut load = process::role(cores.load, "load")?;
    load.args(["--to", &address.to_string(), "--connections", "16"]);
    load.args(["--requests", &requests.to_string()]);
    output(load).map_err(|error| proxy.blame(&format!("failed under callgrind: {error}")))?;
    proxy.stop()?;

    let text = fs::read_to_string(&counts)?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
    Ok(total.ok_or("callgrind counted nothing")?.trim().parse()?)
}

const FEW: u64 = 1000;
const MANY: u64 = 6000;
const MOST_ROUNDS: u32 = 6;

/// Parts of the instructions of a request that nobody sees. The kernel uses two thirds of the CPU of
/// a small request, and none of its instructions are counted here: the CPU that it costs to see a
/// request is a third of these, some 2 and 5 %.
const MOST_FOR_METRICS: f64 = 0.07;
const MOST_FOR_LOG: f64 = 0.14;
