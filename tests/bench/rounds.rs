//! Which measurements are made, and in what order.

use std::error::Error;
use std::process::{Command, Stdio};
use std::time::Duration;

use clap::ValueEnum;

use crate::cpu::Cores;
use crate::folder::Folder;
use crate::load::{Post, Sample};
use crate::process;
use crate::targets::{Name, Origin, Target};

/// One kind of load, and what was measured under it.
pub(crate) struct Job {
    pub(crate) title: String,
    pub(crate) load: Load,
    pub(crate) measured: Vec<Measured>,
    /// The time that each sample was to take at least.
    pub(crate) length: Duration,
}

#[derive(Clone, Copy)]
pub(crate) enum Load {
    Small {
        connections: u32,
    },
    Download {
        bytes: u64,
    },
    Upload {
        bytes: u64,
    },
    /// An envelope over 16 connections.
    Post(Post),
}

impl Load {
    /// True if `target` can do this job, and it is worth seeing. Nobody else puts sessions into
    /// envelopes, and to watch a request costs the same whatever it carries.
    fn is_for(self, target: Name) -> bool {
        match target {
            Name::Orgproxy => true,
            Name::Scraped | Name::Logged => matches!(self, Self::Small { .. }),
            Name::Nginx | Name::Haproxy | Name::Direct => !matches!(self, Self::Post(_)),
        }
    }
}

/// One target's sample in one round.
pub(crate) struct Measured {
    pub(crate) target: Name,
    pub(crate) round: u32,
    pub(crate) sample: Sample,
}

/// Measures every target under every load.
pub(crate) fn run(
    quick: bool,
    targets: &[Target],
    folder: &Folder,
    origin: &Origin,
    cores: Cores,
) -> Result<Vec<Job>, Box<dyn Error>> {
    let mut jobs = jobs(quick);
    for job in &mut jobs {
        let rounds = match job.load {
            Load::Small { .. } | Load::Post(_) if !quick => 5,
            _ => 3,
        };
        for round in 0..rounds {
            eprintln!("{}: round {} of {rounds}", job.title, round + 1);
            // A B C, C B A, …: what gets slower or faster with time meets all of them alike.
            let able = |target: &&Target| job.load.is_for(target.name);
            let mut order: Vec<&Target> = targets.iter().filter(able).collect();
            if round % 2 == 1 {
                order.reverse();
            }
            for target in order {
                let sample = quiet(job, target, folder, origin, cores)?;
                job.measured.push(Measured {
                    target: target.name,
                    round,
                    sample,
                });
            }
        }
    }
    Ok(jobs)
}

fn jobs(quick: bool) -> Vec<Job> {
    let (bytes, size) = if quick {
        (64 * MIB, "64 MiB")
    } else {
        (1024 * MIB, "1 GiB")
    };
    let small = Duration::from_millis(if quick { 1000 } else { 3000 });
    // A round of transfers takes as many as fit into a second, and one at least.
    let bulk = Duration::from_secs(1);
    let job = |title: String, load, length| Job {
        title,
        load,
        measured: Vec::new(),
        length,
    };
    vec![
        job(
            "1 KiB, 16 connections".to_owned(),
            Load::Small { connections: 16 },
            small,
        ),
        job(
            "1 KiB, 64 connections".to_owned(),
            Load::Small { connections: 64 },
            small,
        ),
        job("1 KiB to REST".to_owned(), Load::Post(Post::Rest), small),
        job("1 KiB to SOAP".to_owned(), Load::Post(Post::Soap), small),
        job(format!("{size} download"), Load::Download { bytes }, bulk),
        job(format!("{size} upload"), Load::Upload { bytes }, bulk),
    ]
}

/// A sample that nothing else disturbed, or the least disturbed of several.
fn quiet(
    job: &Job,
    target: &Target,
    folder: &Folder,
    origin: &Origin,
    cores: Cores,
) -> Result<Sample, Box<dyn Error>> {
    let mut best: Option<Sample> = None;
    for _ in 0..TRIES {
        let sample = sample(job, target, folder, origin, cores)?;
        if sample.others <= QUIET {
            return Ok(sample);
        }
        eprintln!(
            "  {}: others used {:.2} of a core",
            target.name, sample.others
        );
        if best.as_ref().is_none_or(|best| sample.others < best.others) {
            best = Some(sample);
        }
    }
    best.ok_or_else(|| "no sample was taken".into())
}

fn sample(
    job: &Job,
    target: &Target,
    folder: &Folder,
    origin: &Origin,
    cores: Cores,
) -> Result<Sample, Box<dyn Error>> {
    let mut command = process::role(cores.load, "load")?;
    command
        .args(["--to", &target.address.to_string()])
        .args(["--origin", &origin.process.pid().to_string()])
        .args(["--warm-up-ms", "300"])
        .args(["--measure-ms", &job.length.as_millis().to_string()]);
    match job.load {
        Load::Small { connections } => command.args(["--connections", &connections.to_string()]),
        Load::Download { bytes } => {
            command.args(["--connections", "1", "--download", &bytes.to_string()])
        }
        Load::Post(post) => command.args(["--connections", "16", "--post"]).arg(
            post.to_possible_value()
                .map_or_else(String::new, |it| it.get_name().to_owned()),
        ),
        Load::Upload { bytes } => {
            command.args(["--connections", "1", "--upload", &bytes.to_string()])
        }
    };
    match &target.process {
        Some(process) => command.args(["--proxy", &process.pid().to_string()]),
        None => command.arg("--ca").arg(folder.path("ca.pem")),
    };
    let output = output(command).map_err(|error| {
        let what = format!("failed at {}: {error}", job.title);
        match &target.process {
            Some(process) => process.blame(&what),
            None => format!("{} {what}", target.name),
        }
    })?;
    Ok(serde_json::from_slice(&output)?)
}

/// Returns what `command` printed, or what it complained of.
pub(crate) fn output(mut command: Command) -> Result<Vec<u8>, Box<dyn Error>> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(said.trim_end().trim_start_matches("error: ").into())
}

/// The most that others may use, in cores, for a sample to count as undisturbed.
pub(crate) const QUIET: f64 = 0.15;

/// A machine that is never quiet must not keep the benchmark forever.
const TRIES: u32 = 3;

const MIB: u64 = 1024 * 1024;
