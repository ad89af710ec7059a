//! `doctor --radar`: what Salesforce is about to end, and who uses it.

use std::{fmt::Write, process::ExitCode, time::SystemTime};

use serde::Serialize;
use time::OffsetDateTime;

use crate::{
    cli::DoctorArgs,
    command::{self, CommandError, admin::Target, radar, rows::add_rows, status},
    config::given,
    salesforce::calendar::CALENDAR,
    server::{OrgStatus, ThreatStatus},
    system::{
        escape,
        terminal::{self, STRONG, styled},
    },
    watch::Danger,
};

/// All that there is to say.
#[derive(Serialize)]
struct Document {
    /// The reason that no proxy was asked.
    error: Option<String>,
    calendar: Vec<ThreatStatus>,
    orgs: Vec<OrgRadar>,
}

#[derive(Serialize)]
struct OrgRadar {
    name: String,
    radar: Vec<ThreatStatus>,
}

/// Prints the calendar, and what the running proxy has seen, if one runs.
pub(super) fn run(args: &DoctorArgs) -> Result<ExitCode, CommandError> {
    let target = Target::of(args.url.as_ref(), &args.source)?;
    let asked = command::runtime()?.block_on(status::ask(&target));
    let (orgs, error) = match asked {
        Ok((_, status)) => (of(status.orgs, args.org.as_deref())?, None),
        Err(error) => (Vec::new(), Some(target.describe(&error))),
    };
    if args.url.is_some()
        && let Some(error) = error
    {
        return Err(CommandError::Other(error));
    }
    let today = OffsetDateTime::from(SystemTime::now()).date();
    let endings = CALENDAR.iter();
    let document = Document {
        error,
        calendar: endings
            .map(|ending| ThreatStatus::new(Danger::Ends(ending.name), today))
            .collect(),
        orgs,
    };
    if args.json {
        let json = serde_json::to_string_pretty(&document).unwrap_or_default();
        terminal::print(&format!("{json}\n"));
    } else {
        terminal::print(&text(&document));
        if let Some(error) = &document.error {
            terminal::note(&format!(
                "\norgproxy: nobody was asked who uses it: {error}\n"
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What is known of `orgs`, or of the one of this name.
fn of(orgs: Vec<OrgStatus>, name: Option<&str>) -> Result<Vec<OrgRadar>, CommandError> {
    let names: Vec<_> = orgs.iter().map(|org| org.name.clone()).collect();
    let wanted = orgs
        .into_iter()
        .filter(|org| name.is_none_or(|name| org.name == name));
    let wanted: Vec<_> = wanted
        .map(|org| OrgRadar {
            name: org.name,
            radar: org.radar,
        })
        .collect();
    match name {
        Some(name) if wanted.is_empty() => Err(CommandError::Other(format!(
            "there is no org {}; the running proxy has {}",
            given::word(name),
            escape::line(&names.join(", "))
        ))),
        _ => Ok(wanted),
    }
}

fn text(document: &Document) -> String {
    let mut text = styled(STRONG, "What is about to end") + "\n";
    let mut rows = Vec::new();
    for threat in &document.calendar {
        rows.push((threat.name.as_str(), radar::describe(threat)));
        rows.push(("", threat.advice.clone()));
        rows.extend(threat.source.clone().map(|source| ("", source)));
    }
    add_rows(&mut text, &rows);
    for org in &document.orgs {
        let _ = writeln!(text, "\n{}", styled(STRONG, &escape::line(&org.name)));
        let rows: Vec<_> = radar::rows(&org.radar).collect();
        add_rows(&mut text, &rows);
    }
    text
}
