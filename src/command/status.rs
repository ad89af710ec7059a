//! `orgproxy status`: how a running proxy is, for a person.

use std::{fmt::Write, io, process::ExitCode, time::Duration};

use super::{
    CommandError,
    admin::{Reply, Target, Unreachable},
    failure::Failure,
    output::Output,
    radar,
    rows::{MOST_CLIENTS, add_rows, under},
    runtime,
};
use crate::{
    auth::SessionState,
    cli::StatusArgs,
    server::{
        BudgetStatus, ClientStatus, LoginStatus, OrgStatus, ReloadStatus, Status, UsageStatus,
        UsersStatus,
    },
    system::{
        escape,
        span::span,
        terminal::{self, BAD, DOUBTFUL, GOOD, STRONG, styled},
    },
};

pub(super) fn run(args: &StatusArgs) -> Result<ExitCode, CommandError> {
    let target = Target::of(args.admin.url.as_ref(), &args.admin.source)?;
    if args.watch && !terminal::is_read_by_a_person() {
        let message = "--watch is for a terminal; use --json in a loop, or scrape /metrics";
        return Err(CommandError::Other(message.to_owned()));
    }
    runtime()?.block_on(async {
        if args.watch {
            return watch(&target).await;
        }
        let unreachable = |error| CommandError::Other(target.describe(&error));
        let (reply, status) = ask(&target).await.map_err(unreachable)?;
        if args.json {
            let written = Output::new().write(&[&reply.body[..], b"\n"].concat());
            if let Err(error) = written
                && error.kind() != io::ErrorKind::BrokenPipe
            {
                return Failure::from(error).into_result();
            }
        } else {
            terminal::print(&report(&status));
        }
        Ok(if status.ready {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    })
}

/// Shows it anew until a signal ends the program: a proxy that restarts is there again.
async fn watch(target: &Target) -> Result<ExitCode, CommandError> {
    loop {
        let shown = match ask(target).await {
            Ok((_, status)) => report(&status),
            Err(error) => terminal::wrap(&target.describe(&error), 0) + "\n",
        };
        terminal::clear();
        terminal::print(&shown);
        tokio::time::sleep(INTERVAL).await;
    }
}

pub(super) async fn ask(target: &Target) -> Result<(Reply, Status), Unreachable> {
    let reply = target.ask("/api/status").await?;
    let status = serde_json::from_slice(&reply.body).map_err(|_| Unreachable::Version)?;
    Ok((reply, status))
}

/// The document in lines, with colours.
fn report(status: &Status) -> String {
    let state = if status.ready {
        styled(GOOD, "ready")
    } else {
        styled(BAD, "not ready")
    };
    let version = escape::line(&status.version).into_owned();
    let mut text = format!(
        "{} {state}\n",
        styled(STRONG, &format!("orgproxy {version}"))
    );
    let process = &status.process;
    let mut rows = vec![
        (
            "up",
            format!(
                "{}, since {}",
                span(status.uptime_seconds),
                escape::line(&status.started)
            ),
        ),
        ("connections", process.connections.to_string()),
        ("requests", format!("{} in flight", process.requests)),
        ("threads", process.threads.to_string()),
        ("sandbox", escape::line(&process.sandbox).into_owned()),
    ];
    if process.access_log_dropped > 0 {
        let lost = format!("{} lines lost", process.access_log_dropped);
        rows.push(("access log", lost));
    }
    match process.redis_up {
        Some(true) => rows.push(("Redis", "shared with other replicas".to_owned())),
        Some(false) => {
            let fault = process.redis_fault.as_deref().unwrap_or("cannot be used");
            let away = format!("{}; this process goes on alone", escape::line(fault));
            rows.push(("Redis", styled(DOUBTFUL, &away)));
        }
        None => {}
    }
    rows.extend(status.last_reload.iter().flat_map(rows_of_reload));
    for reason in &status.not_ready_because {
        // The lines of the org say that.
        let is_error = |error: &String| reason.contains(error);
        let logins = status.orgs.iter().flat_map(|org| &org.last_login);
        if logins.flat_map(|login| &login.error).any(is_error) {
            continue;
        }
        rows.push(("not ready", escape::line(reason).into_owned()));
    }
    add_rows(&mut text, &rows);
    for org in &status.orgs {
        let _ = writeln!(text, "\n{}", styled(STRONG, &escape::line(&org.name)));
        add_rows(&mut text, &rows_of(org));
    }
    text
}

fn rows_of_reload(reload: &ReloadStatus) -> Vec<(&'static str, String)> {
    let (ago, by) = (span(reload.seconds_ago), escape::line(&reload.by));
    let mut rows = Vec::new();
    if reload.succeeded {
        rows.push(("reloaded", format!("{ago} ago, after {by}")));
    } else {
        let refused = styled(BAD, "refused");
        rows.push(("reload", format!("{refused} {ago} ago, after {by}")));
        let mistakes = reload.mistakes.iter();
        rows.extend(under(
            "mistakes",
            mistakes.map(|it| escape::line(it).into_owned()),
        ));
    }
    if !reload.needs_restart.is_empty() {
        let keys = reload.needs_restart.join(", ");
        rows.push(("restart for", escape::line(&keys).into_owned()));
    }
    rows
}

fn rows_of(org: &OrgStatus) -> Vec<(&'static str, String)> {
    let session = &org.session;
    let age = session.age_seconds.map(span).unwrap_or_default();
    let state = match session.state {
        SessionState::Live => {
            let instance = session.instance.as_deref().unwrap_or_default();
            let for_ = format!("for {age}, at {}", escape::line(instance));
            format!("{} {for_}", styled(GOOD, "live"))
        }
        SessionState::LoggingIn => styled(DOUBTFUL, "logging in"),
        SessionState::Failed => styled(BAD, "none: the login failed"),
        SessionState::Absent => "none yet; the next request logs in".to_owned(),
    };
    let listeners = org.listeners.iter().map(|listener| {
        let address = escape::line(&listener.address);
        let purpose = if listener.pubsub { " (Pub/Sub)" } else { "" };
        let reach = if listener.remote {
            styled(DOUBTFUL, " (other machines reach it)")
        } else {
            String::new()
        };
        format!("{address}{purpose}{reach}")
    });
    let mut rows = vec![
        ("session", state),
        (
            "user",
            format!(
                "{} at {}",
                escape::line(&org.username),
                escape::line(&org.login_host)
            ),
        ),
        ("listens on", listeners.collect::<Vec<_>>().join(", ")),
    ];
    let users = org
        .users
        .iter()
        .flat_map(|users: &UsersStatus| users.lines(&org.username));
    let users = users.map(|line| escape::line(&line).into_owned());
    rows.extend(under("users", users));
    if let Some(least) = org.minimum_api_version.as_deref().map(escape::line) {
        rows.push((
            "API versions",
            format!("before {least} are sent at {least}"),
        ));
    }
    if let Some(usage) = &org.api_usage {
        let UsageStatus { used, allowed, at } = usage;
        let at = escape::line(at);
        rows.push((
            "API usage",
            format!("{used} of {allowed} in 24 hours, at {at}"),
        ));
    }
    let budget = org.budget.iter().flat_map(BudgetStatus::lines);
    rows.extend(under("budget", budget));
    let policies = org
        .policies
        .iter()
        .map(|words| escape::line(words).into_owned());
    rows.extend(under("policy", policies));
    rows.extend(org.last_login.iter().flat_map(rows_of_login));
    rows.extend(rows_of_clients(org));
    rows.extend(radar::rows(&org.radar));
    rows
}

fn rows_of_login(login: &LoginStatus) -> Vec<(&'static str, String)> {
    let ago = format!("{} ago", span(login.seconds_ago));
    if login.succeeded {
        return vec![("last login", ago)];
    }
    let mut rows = vec![("last login", format!("{} {ago}", styled(BAD, "failed")))];
    if let (Some(cause), Some(fix)) = (&login.cause, &login.fix) {
        rows.push(("why", escape::line(cause).into_owned()));
        rows.push(("do", escape::line(fix).into_owned()));
    } else if let Some(error) = &login.error {
        rows.push(("why", escape::line(error).into_owned()));
    }
    if let Some(rest) = login.rests_for_seconds {
        rows.push((
            "next login",
            format!("in {} at the earliest", span(rest.max(1))),
        ));
    }
    rows
}

/// Those that use most, a row each, of which only the first has a name.
fn rows_of_clients(org: &OrgStatus) -> impl Iterator<Item = (&'static str, String)> {
    let rows = org.clients.iter().take(MOST_CLIENTS).map(|client| {
        let ClientStatus {
            who,
            used,
            requests,
        } = client;
        format!("{who}: API calls {used} in 24 hours; requests {requests} in all")
    });
    let more = org.clients.len().saturating_sub(MOST_CLIENTS);
    let more = (more > 0).then(|| format!("and {more} more"));
    under("clients", rows.chain(more))
}

const INTERVAL: Duration = Duration::from_secs(2);
