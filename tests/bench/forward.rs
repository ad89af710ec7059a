//! The costs of a forwarded request, next to nginx and haproxy on the same job.
//!
//! `cargo bench --bench forward` puts nginx, haproxy and orgproxy in front of one TLS origin,
//! measures them in turn (A B C, then C B A, …) and prints one Markdown table. The figure to trust
//! is **CPU per request**: user + system of the whole process tree, by the kernel's own clock. The
//! ratios to nginx are medians of the ratios within each round, so that a machine that is slower
//! in one round than in the next moves both sides of them.
//!
//! - `-- --quick` is the same with short rounds and small transfers, for CI.
//! - `-- --gate 0.9` fails if orgproxy costs more than 0.9 of nginx's CPU at 16 connections, or if a
//!   SOAP request costs it more than twice as much as a REST request of the same size.
//! - `-- --instructions` counts user instructions per request instead, under callgrind: bare, with
//!   metrics, and with an access log. With `--gate`, fails if either costs more than it may.
//! - `-- --connections` measures the memory that many client connections take instead.
//! - `-- --only orgproxy,nginx` leaves the others out.
//!
//! The binary runs itself again as the origin, as the load generator and as the launcher of every
//! proxy ([`Role`]), so that each is a process of its own and can be pinned to a core. Origin and
//! load generator are hand-written epoll loops: anything heavier would hide what the proxies cost.
//! The origin refuses a request without the session or with the wrong `Host`, and the load
//! generator ends at the first answer that is not exactly what it asked for. No target can look
//! fast by not doing the job.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark's product is what it prints"
)]

#[cfg(not(target_os = "linux"))]
compile_error!("the benchmark reads /proc, waits with epoll and pins to cores: it needs Linux");

mod connections;
mod cpu;
mod folder;
mod histogram;
mod instructions;
mod load;
mod origin;
mod process;
mod rounds;
mod table;
mod targets;

use std::error::Error;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::cpu::Cores;
use crate::folder::Folder;
use crate::targets::{Name, Origin, Target};

/// Measures what a forwarded request costs, next to nginx and haproxy on the same job.
#[derive(Parser)]
#[command(subcommand_negates_reqs = true)]
struct Args {
    /// Short rounds and small transfers, for CI.
    #[arg(long)]
    quick: bool,
    /// Fail if orgproxy's CPU per request at 16 connections exceeds this part of nginx's.
    #[arg(long, value_name = "RATIO")]
    gate: Option<f64>,
    /// Print orgproxy's user instructions per request, counted by callgrind.
    #[arg(long)]
    instructions: bool,
    /// Print the memory that client connections take.
    #[arg(long, conflicts_with = "instructions")]
    connections: bool,
    /// Measure these targets only.
    #[arg(long, value_delimiter = ',', default_values_t = Name::ALL)]
    only: Vec<Name>,
    /// Said by `cargo bench` to every benchmark; `cargo test --all-targets` does not say it.
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    role: Option<Role>,
}

/// The part of this process, if it is not the benchmark itself but was started by it.
#[derive(Subcommand)]
#[command(hide = true)]
enum Role {
    Origin(origin::Args),
    Load(load::Args),
    Launch(process::Args),
}

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match args.role {
        Some(Role::Origin(args)) => origin::run(&args),
        Some(Role::Load(args)) => load::run(&args),
        Some(Role::Launch(args)) => process::launch(&args),
        None if args.bench && args.instructions => instructions::run(args.gate.is_some()),
        None if args.bench && args.connections => connections::run(),
        None if args.bench => run(&args),
        None => {
            println!("nothing measured: run by `cargo bench --bench forward`");
            Ok(())
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let cores = Cores::choose()?;
    let folder = Folder::create()?;
    let origin = Origin::start(&folder, cores.origin)?;

    let mut targets = Vec::new();
    let mut missing = None;
    for &name in &args.only {
        match Target::start(name, &folder, &origin, cores.proxy) {
            Ok(target) => targets.push(target),
            Err(error) => {
                eprintln!("{name}: not measured: {error}");
                if name == Name::Orgproxy {
                    missing = Some(error);
                }
            }
        }
    }

    let jobs = rounds::run(args.quick, &targets, &folder, &origin, cores)?;
    println!("{}", table::markdown(&jobs, &targets, cores));

    if let Some(error) = missing {
        return Err(format!("orgproxy was not measured: {error}").into());
    }
    match args.gate {
        Some(most) => table::gate(&jobs, most).and_then(|()| table::soap_gate(&jobs)),
        None => Ok(()),
    }
}
