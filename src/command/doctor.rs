//! Trying every step from the configuration to a first query, and saying what is wrong.
//!
//! Each step is a [`Check`], printed when it is done. A failure ends nothing that can still be
//! tried: without a session, only what needs one is left out.

use std::{path::Path, process::ExitCode, time::SystemTime};

use self::{
    login::Findings,
    network::{INSTANCE, LOGIN},
    report::{Check, Report},
};
use crate::{
    auth::{Login, Session},
    cli::DoctorArgs,
    command::{self, CommandError, Ready},
    config::{Config, DEFAULT_PATH, Org, given},
    network::tls,
};

mod access_log;
mod api;
mod audiences;
mod authority;
mod clock;
mod key;
mod listeners;
mod login;
mod network;
mod owner;
mod radar;
mod redis;
mod report;
mod session;
mod users;

/// Checks the orgs of the configuration, or the one that is named. Exits with 0 if nothing failed.
pub(crate) fn run(args: &DoctorArgs) -> Result<ExitCode, CommandError> {
    if args.radar {
        return radar::run(args);
    }
    let mut report = Report::new(args.json);
    match configuration(args) {
        Ok(config) => {
            command::runtime()?.block_on(examine_all(config, args, &mut report));
        }
        Err(mistakes) => report.add(mistakes),
    }
    Ok(if report.end() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn configuration(args: &DoctorArgs) -> Result<Config, Check> {
    let mut config = command::load(&args.source).map_err(|error| {
        let mistakes = error.to_string();
        let says = match mistakes.lines().count() {
            1 => "it cannot be used".to_owned(),
            count => format!("{count} mistakes"),
        };
        let check = Check::failed("configuration", says);
        let check = mistakes.lines().fold(check, Check::advise);
        if !mistakes.contains("CREDENTIALS_DIRECTORY is not set") {
            return check;
        }
        let file = args.source.config();
        let file = file.as_deref().unwrap_or_else(|| Path::new(DEFAULT_PATH));
        let file = file.canonicalize().unwrap_or_else(|_| file.to_owned());
        let folder = file.parent().unwrap_or_else(|| Path::new("/"));
        check.advise(format!(
            "do: where the credentials are files beside it, `CREDENTIALS_DIRECTORY={} orgproxy doctor \
             --config {}`, as root",
            folder.display(),
            file.display()
        ))
    })?;
    if let Some(name) = &args.org {
        let names: Vec<_> = config.orgs.iter().map(|org| org.name.clone()).collect();
        config.orgs.retain(|org| org.name == *name);
        if config.orgs.is_empty() {
            let name = given::word(name);
            let says = format!(
                "there is no org {name}; the configuration has {}",
                names.join(", ")
            );
            return Err(Check::failed("configuration", says));
        }
    }
    Ok(config)
}

async fn examine_all(config: Config, args: &DoctorArgs, report: &mut Report) {
    let path = args.source.config();
    let path = path.as_deref().unwrap_or_else(|| Path::new(DEFAULT_PATH));
    report.add(Check::passed("configuration", path.display().to_string()));
    if let Some(check) = access_log::check(&config) {
        report.add(check);
    }
    if let Some(check) = redis::check(&config).await {
        report.add(check);
    }
    for org in &config.orgs {
        report.begin(&org.name);
        // Each org alone, so that a demo org that cannot start does not hide the others.
        let mut alone = config.clone();
        alone.orgs = vec![org.clone()];
        match Ready::start(alone).await {
            Ok(ready) => {
                for org in &ready.config.orgs {
                    examine(&ready.config, org, args, report).await;
                }
            }
            Err(error) => report.add(Check::failed("demo_org", error.to_string())),
        }
    }
}

async fn examine(config: &Config, org: &Org, args: &DoctorArgs, report: &mut Report) {
    report.add(key::private_key(org));
    let (check, certificate) = key::certificate(org, SystemTime::now());
    report.add(check);
    let found = Findings {
        certificate,
        skew: None,
    };

    let host = network::authority_of(&org.login_url);
    let leads_back = match &host {
        Some(host) => network::check(&LOGIN, host, org, config, report).await,
        None => false,
    };
    let of_users = Findings {
        certificate: found.certificate.clone(),
        skew: None,
    };
    let logged_in = if leads_back {
        report.add(Check::skipped("login", "not tried at orgproxy itself"));
        None
    } else {
        log_in(config, org, found, args, report).await
    };
    if !leads_back {
        let works = logged_in.as_ref().map(|(works, _)| works);
        let is_in = works.is_some();
        users::check(config, works.unwrap_or(org), is_in, &of_users, report).await;
    }
    match logged_in {
        Some((org, session)) => {
            report.add(session::format(&session));
            report.add(session::scopes(&session));
            report.add(session::instance(&session, &org));
            if host.as_ref() != Some(&session.authority) {
                let instance = &session.authority;
                network::check(&INSTANCE, instance, &org, config, report).await;
            }
            api::check(config, &org, &session, report).await;
        }
        None => report.add(Check::skipped(
            "session",
            "there is none, so the org cannot be asked anything",
        )),
    }

    listeners::check(config, org, report).await;
    listeners::check_hosts(org, report).await;
    if let Some(check) = authority::check(config, org) {
        report.add(check);
    }
}

/// Checks the clock and logs in: as the configuration says, or as `--try-audiences` finds out.
async fn log_in(
    config: &Config,
    org: &Org,
    mut found: Findings,
    args: &DoctorArgs,
    report: &mut Report,
) -> Option<(Org, Session)> {
    let made = tls::client_config(tls::roots(), &org.ca)
        .map_err(|error| error.to_string())
        .and_then(|tls| {
            let login = Login::alone(config, org, tls.clone());
            Ok((login.map_err(|error| error.to_string())?, tls))
        });
    let (login, tls) = match made {
        Ok(made) => made,
        Err(error) => {
            report.add(Check::failed("login", error));
            return None;
        }
    };
    let (check, skew) = clock::check(&login).await;
    report.add(check);
    found.skew = skew;

    let (check, outcome) = login::check(&login, org, &found, args.try_audiences).await;
    report.add(check);
    let error = match outcome {
        Ok(session) => return Some((org.clone(), session)),
        Err(error) => error,
    };
    if args.try_audiences && !login::may_go_better_elsewhere(&error) {
        let why = "not tried: the refusal is not about host or audience";
        report.add(Check::skipped("audiences", why));
    } else if args.try_audiences {
        let (check, works) = audiences::check(config, org, &tls).await;
        report.add(check);
        return works;
    }
    None
}

/// `a day` or `12 days`, from seconds.
fn days(seconds: i64) -> String {
    match seconds / (24 * 60 * 60) {
        0 => "less than a day".to_owned(),
        1 => "a day".to_owned(),
        days => format!("{days} days"),
    }
}
