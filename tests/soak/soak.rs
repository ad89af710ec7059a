//! Drives the program for as long as is wanted, with a mix of APIs, while its org fails, ends sessions
//! and closes connections, and while it is itself reloaded and restarted. Then it counts: no write may
//! be lost or doubled, no answer missing in the access log, no memory or descriptor gone for good.
//!
//! `cargo test --test soak -- --time 60s`

use std::{
    error::Error,
    io::{self, Write},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use clap::Parser;
use orgproxy::demo::Org;
use tokio::time::{Instant, sleep_until};

use self::{ledger::Ledger, proxy::Proxy, traffic::Traffic};

mod chaos;
mod ledger;
mod proxy;
mod traffic;

#[derive(Parser)]
struct Args {
    /// How long to drive it
    #[arg(long, default_value = "60s", value_parser = humantime::parse_duration)]
    time: Duration,
    /// Clients at a time
    #[arg(long, default_value_t = 16)]
    clients: usize,
    /// What chance begins with; the same number makes the same choices
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(soak(&args)),
        Err(error) => Err(error.into()),
    };
    match outcome {
        Ok(faults) if faults.is_empty() => ExitCode::SUCCESS,
        Ok(faults) => {
            for fault in faults {
                say(&format!("FAULT: {fault}"));
            }
            ExitCode::FAILURE
        }
        Err(error) => {
            say(&format!("FAULT: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Returns all that was wrong.
async fn soak(args: &Args) -> Result<Vec<String>, Box<dyn Error>> {
    let org = Arc::new(Org::start().await?);
    let mut proxy = Proxy::start(&org).await?;
    let ledger = Arc::<Ledger>::default();
    let traffic = Traffic::start(args.clients, args.seed, proxy.url(), ledger.clone());

    let (began, mut random) = (Instant::now(), fastrand::Rng::with_seed(args.seed));
    let at = |part: u32| began + args.time * part / 8;
    // It may have to grow at first; what is compared is one process with itself.
    chaos::until(at(2), &org, &proxy, &mut random).await;
    proxy.restart().await?;
    chaos::until(at(4), &org, &proxy, &mut random).await;
    let before = proxy.takes(&traffic).await?;
    chaos::until(at(7), &org, &proxy, &mut random).await;
    chaos::end(&org);
    sleep_until(at(8)).await;
    let after = proxy.takes(&traffic).await?;
    traffic.stop().await;
    let lost = proxy.lost_lines().await?;
    let written = ledger::written(&proxy.url()).await?;
    let log = proxy.stop().await?;

    let mut faults = ledger.check(&written, &log);
    if lost > 0 {
        faults.push(format!("{lost} lines of the access log were lost"));
    }
    say(&ledger.summary());
    say(&format!(
        "memory {} KiB, then {} KiB; descriptors {}, then {}",
        before.memory, after.memory, before.descriptors, after.descriptors
    ));
    if after.memory > before.memory + before.memory / 4 + SLACK {
        faults.push("its memory has grown".to_owned());
    }
    if after.descriptors > before.descriptors + args.clients {
        faults.push("descriptors were not given back".to_owned());
    }
    Ok(faults)
}

fn say(text: &str) {
    // Nobody reading it is not a reason to stop.
    let _ = writeln!(io::stdout().lock(), "{text}");
}

/// KiB.
const SLACK: u64 = 8 * 1024;
