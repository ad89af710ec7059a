//! The results, as Markdown.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write;
use std::{fs, thread};

use crate::cpu::{self, Cores};
use crate::load::{Post, Sample};
use crate::rounds::{Job, Load, Measured, QUIET};
use crate::targets::{Name, Target};

/// One table for all jobs, and under it what must be known to judge it.
pub(crate) fn markdown(jobs: &[Job], targets: &[Target], cores: Cores) -> String {
    let mut text = String::from(
        "| load | target | CPU | ÷ nginx | throughput | ÷ nginx | p50 | ÷ nginx | p99 | ÷ nginx |\n\
         | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for job in jobs {
        for target in targets
            .iter()
            .filter(|target| job.of(target.name).next().is_some())
        {
            text.push_str(&row(job, target.name));
        }
    }
    text.push('\n');
    text.push_str(&notes(jobs, targets, cores));
    text
}

fn row(job: &Job, target: Name) -> String {
    let small = matches!(job.load, Load::Small { .. } | Load::Post(_));
    // Without a proxy none has used any CPU; and how long a transfer takes is its throughput
    // once more.
    let columns: [(Figure, bool, Unit); 4] = [
        (cpu, target != Name::Direct, |cpu, small| {
            if small {
                format!("{:.1} µs/request", cpu * 1e6)
            } else {
                format!("{cpu:.2} s/GiB")
            }
        }),
        (throughput, true, |rate, small| {
            if small {
                format!("{:.1}k requests/s", rate / 1e3)
            } else {
                format!("{:.0} MiB/s", rate * 1024.0)
            }
        }),
        (p50, small, |nanos, _| format!("{:.0} µs", nanos / 1e3)),
        (p99, small, |nanos, _| format!("{:.0} µs", nanos / 1e3)),
    ];

    let mut row = format!("| {} | {target} |", job.title);
    for (figure, shown, unit) in columns {
        let cell = |value: Option<String>| value.filter(|_| shown).unwrap_or_else(|| "–".into());
        let value = median(job.of(target).map(|m| figure(job.load, &m.sample)));
        let ratio =
            median(job.ratios(target, Name::Nginx, figure)).map(|ratio| format!("{ratio:.2}"));
        let _ = write!(
            row,
            " {} | {} |",
            cell(value.map(|v| unit(v, small))),
            cell(ratio)
        );
    }
    row.push('\n');
    row
}

fn notes(jobs: &[Job], targets: &[Target], cores: Cores) -> String {
    let mut text = String::new();
    let count = thread::available_parallelism().map_or(1, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let versions: Vec<String> = targets
        .iter()
        .filter_map(|target| Some(format!("{} {}", target.name, target.version.as_ref()?)))
        .collect();
    let pinning = match (cores.proxy, cores.load, cores.origin) {
        (Some(proxy), Some(load), Some(origin)) => {
            format!("Proxy alone on core {proxy}, load generator on {load}, origin on {origin}")
        }
        _ => "Nothing pinned, for want of a second core".to_owned(),
    };
    let rounds = |job: &Job| job.measured.iter().map(|m| m.round + 1).max().unwrap_or(0);
    let lengths: Vec<String> = jobs
        .iter()
        .map(|job| {
            format!(
                "{}: {} × {} s",
                job.title,
                rounds(job),
                job.length.as_secs()
            )
        })
        .collect();
    let samples = || jobs.iter().flat_map(|job| &job.measured);
    let disturbed = samples().filter(|m| m.sample.others > QUIET).count();

    let _ = write!(
        text,
        "Machine: {count} cores, {}, Linux {}; {}. \
         {pinning}; loopback. All targets run at once and are measured in turn (A B C, C B A, …), \
         in rounds ({}). CPU is user + system of the whole process tree. Figures are medians over \
         the rounds, ratios medians of the ratios within each round. ",
        cpu::model(),
        kernel.trim(),
        versions.join(", "),
        lengths.join("; "),
    );
    text.push_str(
        "The same job for all: TLS 1.3 AES-256-GCM to the origin, verified against a CA and for \
         its name; connections kept on both sides; `Host` rewritten; `Authorization` set; no access \
         log; one worker; transfers over one connection, streamed. nginx has \
         `proxy_request_buffering off` and `proxy_buffering on`, with large buffers and no temporary \
         files, which is its best here. \"direct\" is the load generator speaking TLS to the origin itself. \
         Where their cores are busy before the proxy's is, as in transfers on two cores, throughput \
         is their limit: compare CPU. ",
    );
    for (target, what) in [
        (Name::Scraped, "with metrics scraped each second"),
        (Name::Logged, "with an access log"),
    ] {
        let ratios = jobs.iter().filter_map(|job| {
            let is_small = matches!(job.load, Load::Small { .. });
            is_small.then(|| job.ratios(target, Name::Orgproxy, cpu))
        });
        if let Some(ratio) = median(ratios.flatten()) {
            let _ = write!(
                text,
                "\"{target}\" is orgproxy {what}: {ratio:.2} of the CPU without. "
            );
        }
    }
    let _ = writeln!(
        text,
        "{disturbed} of {} samples were taken while others used more than {QUIET} of a core.",
        samples().count(),
    );
    text
}

/// Fails if putting the session into an envelope costs orgproxy more than [`MOST_FOR_SOAP`] times as
/// much as passing it on.
pub(crate) fn soap_gate(jobs: &[Job]) -> Result<(), Box<dyn Error>> {
    let cost = |post: Post| {
        let is_it = |job: &&Job| matches!(job.load, Load::Post(it) if it == post);
        let job = jobs.iter().find(is_it)?;
        median(job.of(Name::Orgproxy).map(|m| cpu(job.load, &m.sample)))
    };
    let (Some(soap), Some(rest)) = (cost(Post::Soap), cost(Post::Rest)) else {
        return Err("the gate needs orgproxy, which was not measured".into());
    };
    let ratio = soap / rest;
    if ratio > MOST_FOR_SOAP {
        return Err(format!(
            "a SOAP request uses {ratio:.2} of the CPU of a REST request of its size; at most \
             {MOST_FOR_SOAP:.2} is allowed"
        )
        .into());
    }
    eprintln!("a SOAP request uses {ratio:.2} of a REST request's CPU: within {MOST_FOR_SOAP:.2}");
    Ok(())
}

/// Fails if orgproxy's CPU per request at 16 connections is more than `most` times nginx's.
pub(crate) fn gate(jobs: &[Job], most: f64) -> Result<(), Box<dyn Error>> {
    let job = jobs
        .iter()
        .find(|job| matches!(job.load, Load::Small { connections: 16 }))
        .ok_or("nothing was measured at 16 connections")?;
    let ratio = median(job.ratios(Name::Orgproxy, Name::Nginx, cpu))
        .ok_or("the gate needs orgproxy and nginx, and one was not measured")?;
    if ratio > most {
        return Err(format!(
            "orgproxy uses {ratio:.2} of nginx's CPU per request at 16 connections; \
             at most {most:.2} is allowed"
        )
        .into());
    }
    eprintln!("orgproxy uses {ratio:.2} of nginx's CPU per request: within {most:.2}");
    Ok(())
}

/// One figure of a sample.
type Figure = fn(Load, &Sample) -> f64;

/// Writes a figure, of small answers or not.
type Unit = fn(f64, bool) -> String;

/// Seconds per request or per GiB.
fn cpu(load: Load, sample: &Sample) -> f64 {
    sample.cpu / units(load, sample)
}

/// Requests or GiB per second.
fn throughput(load: Load, sample: &Sample) -> f64 {
    units(load, sample) / sample.seconds
}

fn p50(_: Load, sample: &Sample) -> f64 {
    sample.p50
}

fn p99(_: Load, sample: &Sample) -> f64 {
    sample.p99
}

/// Small answers are counted in requests, transfers in GiB.
fn units(load: Load, sample: &Sample) -> f64 {
    let requests = sample.requests as f64;
    match load {
        Load::Small { .. } | Load::Post(_) => requests,
        Load::Download { bytes } | Load::Upload { bytes } => requests * bytes as f64 / GIB,
    }
}

impl Job {
    fn of(&self, target: Name) -> impl Iterator<Item = &Measured> {
        self.measured
            .iter()
            .filter(move |measured| measured.target == target)
    }

    /// For each round, `target`'s figure divided by that of `base`.
    fn ratios(&self, target: Name, base: Name, figure: Figure) -> impl Iterator<Item = f64> {
        let base: BTreeMap<u32, f64> = self
            .of(base)
            .map(|m| (m.round, figure(self.load, &m.sample)))
            .collect();
        self.of(target).filter_map(move |m| {
            Some(figure(self.load, &m.sample) / base.get(&m.round).filter(|of| **of > 0.0)?)
        })
    }
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    Some(if values.len() % 2 == 1 {
        upper
    } else {
        (values[middle - 1] + upper) / 2.0
    })
}

const MOST_FOR_SOAP: f64 = 2.0;

const GIB: f64 = 1024.0 * 1024.0 * 1024.0;
