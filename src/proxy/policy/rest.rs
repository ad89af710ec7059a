//! The REST API, and what answers as it does.

use std::fmt::Display;

use super::{
    ask::{self, Ask},
    graphql,
    json::Json,
    judge::{Judge, Judged, Object},
    objects,
    refused::Switch,
    soql,
    table::{self, Rule},
};
use crate::proxy::{
    guard,
    path::words,
    target::{Api, Target},
};

pub(super) use self::records::{read_fields, read_ids};

mod composite;
mod records;

/// The findings of the path of a request: each way to read it, and what the request does if that is
/// the right one.
pub(super) struct Found {
    rules: Vec<(Rule, String)>,
}

impl Found {
    /// Looks the path up, and checks what the policy says of it.
    pub(super) fn at(judge: Judge<'_>, ask: &Ask<'_>) -> Result<Self, Box<super::Refused>> {
        let mut found = Self { rules: Vec::new() };
        let readings = judge.readings(ask)?;
        let is_get = matches!(&*ask.method, "GET" | "HEAD");
        for path in &readings {
            if guard::is_about_sessions(path) && !is_open(path) {
                judge.hands_out(ask)?;
            }
            if ask.is_renamed {
                if is_elsewhere(path) {
                    judge.unclear(ask, "_HttpMethod is for the REST API")?;
                }
                // What it is if the org does not follow the parameter.
                found.rules.extend(rule("POST", path));
            }
            match rule(&ask.method, path) {
                Some(rule) if found.rules.contains(&rule) => {}
                Some(rule) if !matches!(rule.0, Rule::Code | Rule::Unknown) => {
                    found.rules.push(rule);
                }
                _ if judge.is_read_path(path) => {}
                // With a format behind it, it is judged as what it is without.
                Some((Rule::Unknown, _))
                    if is_unknown(&ask.method, &ask::without_formats(path)) =>
                {
                    judge.unclear(ask, UNKNOWN_PATH)?;
                }
                // Of what there may be besides, a part is about users and permissions. What GET shows
                // of it changes none.
                None if is_elsewhere(path) || !is_get => judge.unclear(ask, UNKNOWN_PATH)?,
                _ => judge.unknown(ask)?,
            }
        }
        Ok(found)
    }

    /// Returns whether its body has to be read to judge it.
    pub(super) fn needs_body(&self, judge: Judge<'_>, ask: &Ask<'_>) -> bool {
        let needs = |rule: &Rule, subject: &str| match rule {
            Rule::Composite | Rule::Batch | Rule::Graph => judge.looks_within(),
            Rule::GraphQl | Rule::QueryJob | Rule::IngestJob | Rule::ReadAsked | Rule::Retrieve => {
                judge.looks()
            }
            Rule::Collection | Rule::Tree | Rule::UiRecord => {
                !judge.is_read_only() && judge.looks()
            }
            Rule::WriteRecord | Rule::WriteId => {
                let object = match rule {
                    Rule::WriteId => objects::of_id(subject),
                    _ => Object::of(subject),
                };
                !judge.is_read_only()
                    && judge.limits_fields_written_to(object)
                    && !ask.only_deletes()
            }
            _ => false,
        };
        let mut rules = self.rules.iter();
        rules.any(|(rule, subject)| needs(rule, subject))
    }

    /// Returns whether its body is a query, or has requests in it.
    fn asks(&self) -> bool {
        let is_query =
            |rule: &Rule| matches!(rule, Rule::GraphQl | Rule::QueryJob | Rule::ReadAsked);
        self.has_requests() || self.rules.iter().any(|(rule, _)| is_query(rule))
    }

    fn has_requests(&self) -> bool {
        let mut rules = self.rules.iter();
        rules.any(|(rule, _)| matches!(rule, Rule::Composite | Rule::Batch | Rule::Graph))
    }

    /// Judges a request whose body cannot be read.
    pub(super) fn unread(&self, judge: Judge<'_>, ask: &Ask<'_>, why: impl Display) -> Judged {
        if self.has_requests() {
            return judge.unplaced(ask, why);
        }
        judge.unclear(ask, why)
    }

    /// Judges the request, with its body if that was needed.
    pub(super) fn judge(&self, judge: Judge<'_>, ask: &Ask<'_>, body: Option<&Json>) -> Judged {
        for name in TRACES {
            let asked = body.and_then(|body| body.get(name));
            let is_asked = asked.is_some_and(|value| *value != Json::Bool(false));
            if is_asked || ask.all(name).iter().any(|value| value != "false") {
                judge.leaves_trace(&format!("{ask} with {name}"))?;
            }
        }
        if body.is_none() && self.has_requests() {
            judge.unplaced(ask, "it has no body")?;
        }
        for (rule, subject) in &self.rules {
            apply(judge, ask, *rule, subject, body)?;
        }
        Ok(())
    }
}

/// Judges a request within another one.
pub(super) fn judge(judge: Judge<'_>, ask: &Ask<'_>, body: Option<&Json>) -> Judged {
    if guard::judge_path(&ask.path, &[]).is_err() {
        return judge.unplaced(ask, "its path is ambiguous");
    }
    let found = Found::at(judge, ask)?;
    // The org fills it in after it was judged here.
    if found.asks() && body.is_some_and(Json::has_reference) {
        return found.unread(judge, ask, "its body has a reference (@{…})");
    }
    found.judge(judge, ask, body)
}

fn apply(
    judge: Judge<'_>,
    ask: &Ask<'_>,
    rule: Rule,
    subject: &str,
    body: Option<&Json>,
) -> Judged {
    let with_body = |judged: fn(Judge<'_>, &Ask<'_>, &str, &Json) -> Judged| match body {
        Some(body) => judged(judge, ask, subject, body),
        None => judge.unclear(ask, "it has no body"),
    };
    match rule {
        Rule::Read => Ok(()),
        Rule::ReadRecord => records::read(judge, ask, subject),
        Rule::ReadIds => read_ids(judge, ask, Object::of(subject)),
        Rule::ReadRecent => records::read_recent(judge, ask, subject),
        Rule::ReadAny | Rule::ReadAsked => judge.read(ask, Object::Unknown),
        Rule::Article => {
            if ask.one("updateViewStat") != Ok(Some("false".to_owned())) {
                judge.leaves_trace(&format!("{ask} without updateViewStat=false"))?;
            }
            judge.read(ask, Object::Unknown)
        }
        Rule::Count => records::count(judge, ask),
        Rule::Retrieve => with_body(records::retrieve),
        Rule::Soql => query(judge, ask),
        Rule::Sosl => search(judge, ask),
        Rule::GraphQl => with_body(|judge, ask, _, body| graphql::judge(judge, ask, body)),
        Rule::WriteRecord => records::write(judge, ask, subject, body),
        Rule::WriteId => records::write_id(judge, ask, subject, body),
        Rule::UiRecord | Rule::Collection | Rule::Tree => {
            judge.leaves_trace(ask)?;
            match rule {
                Rule::UiRecord => with_body(records::write_for_ui),
                Rule::Tree => with_body(records::write_tree),
                _ => with_body(records::write_all),
            }
        }
        Rule::DeleteIds => records::delete(judge, ask),
        Rule::Load => judge.leaves_trace(ask),
        Rule::Write => judge.write(ask, Object::Other),
        Rule::WriteAny => judge.write(ask, Object::Unknown),
        Rule::Composite => with_body(|judge, ask, _, body| composite::judge(judge, ask, body)),
        Rule::Batch => with_body(|judge, ask, _, body| composite::judge_batch(judge, ask, body)),
        Rule::Graph => with_body(|judge, ask, _, body| composite::judge_graph(judge, ask, body)),
        Rule::QueryJob => with_body(query_job),
        Rule::IngestJob => {
            judge.leaves_trace(ask)?;
            with_body(ingest_job)
        }
        Rule::ExecuteAnonymous => judge.switch(ask, Switch::ExecuteAnonymous),
        Rule::Deploy => judge.switch(ask, Switch::MetadataDeploy),
        Rule::DeployRecord => {
            judge.switch(ask, Switch::MetadataDeploy)?;
            judge.write(ask, Object::of(subject))
        }
        Rule::Setup => judge.switch(ask, Switch::Setup),
        Rule::Code => judge.unknown(ask),
        Rule::Unknown => judge.unclear(ask, UNKNOWN_PATH),
    }
}

/// A query, its plan, or the next page of one that was judged before.
fn query(judge: Judge<'_>, ask: &Ask<'_>) -> Judged {
    for name in ["q", "explain"] {
        match ask.one(name) {
            Ok(Some(text)) => soql::judge(judge, ask, &text)?,
            Ok(None) => {}
            Err(why) => return judge.unclear(ask, why),
        }
    }
    Ok(())
}

fn search(judge: Judge<'_>, ask: &Ask<'_>) -> Judged {
    match ask.one("q") {
        Ok(Some(text)) => soql::judge_search(judge, ask, &text),
        Ok(None) => Ok(()),
        Err(why) => judge.unclear(ask, why),
    }
}

/// A Bulk 2.0 query job.
fn query_job(judge: Judge<'_>, ask: &Ask<'_>, _: &str, body: &Json) -> Judged {
    let is_query = |name: &str| ["query", "queryAll"].contains(&name);
    match (body.text("operation"), body.text("query")) {
        (Some(operation), Some(text)) if is_query(operation) => soql::judge(judge, ask, text),
        _ => judge.unclear(ask, "its body is not a query job"),
    }
}

/// A Bulk 2.0 job that writes.
fn ingest_job(judge: Judge<'_>, ask: &Ask<'_>, _: &str, body: &Json) -> Judged {
    let Some(object) = body.text("object") else {
        return judge.unclear(ask, "its body names no object");
    };
    let object = Object::of(object);
    if judge.limits_fields_written_to(object) {
        return judge.unclear(ask, "the fields that a job writes cannot be told");
    }
    judge.write(ask, object)
}

fn rule(method: &str, path: &[u8]) -> Option<(Rule, String)> {
    let target = Target::parse(path);
    // What is not UTF-8 is no word of the tables, but may stand where any may.
    let path = String::from_utf8_lossy(path.get(target.site.len()..)?);
    let all: Vec<_> = words(path.as_bytes())
        .filter_map(|word| std::str::from_utf8(word).ok())
        .collect();
    let found = match (target.api, target.version) {
        // After `services`, `data` and the version.
        (Api::Rest, Some(_)) => table::find(table::REST, method, all.get(3..)?),
        _ => table::find(table::ELSEWHERE, method, &all),
    };
    found.map(|(rule, subject)| (rule, subject.to_owned()))
}

fn is_unknown(method: &str, path: &[u8]) -> bool {
    rule(method, path).is_some_and(|(rule, _)| rule == Rule::Unknown)
}

/// Returns whether this is not the REST API.
fn is_elsewhere(path: &[u8]) -> bool {
    let target = Target::parse(path);
    target.api != Api::Rest || target.version.is_none()
}

/// Of the places for sessions, the one that only shows what a session is worth.
fn is_open(path: &[u8]) -> bool {
    rule("GET", path).is_some_and(|(rule, _)| rule == Rule::Read)
}

/// Parameters that have something counted where one reads: UI API Developer Guide; REST API Developer
/// Guide, *Parameterized Search*, *Knowledge Support*.
const TRACES: [&str; 3] = ["updateMru", "updateTracking", "updateViewStat"];

const UNKNOWN_PATH: &str = "nothing is known of its path (read_paths, if it only reads)";
