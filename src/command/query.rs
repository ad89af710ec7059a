//! Queries in SOQL.

use std::{collections::HashSet, io, process::ExitCode, time::Instant};

use bytes::Bytes;
use http::{Method, Request, StatusCode, header, uri::PathAndQuery};
use http_body_util::{BodyExt, Full};
use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::value::RawValue;

use self::rows::Rows;
use super::{
    CommandError, Ready,
    failure::{self, Failure},
    json::Json,
    load,
    output::{Output, escape},
    runtime,
};
use crate::{
    cli::{Format, QueryArgs},
    command::client::Client,
    system::terminal,
};

mod columns;
mod rows;
mod select;
mod table;

pub(super) fn run(args: &QueryArgs) -> Result<ExitCode, CommandError> {
    let soql = match args.soql.as_str() {
        "-" => io::read_to_string(io::stdin())
            .map_err(|error| CommandError::Other(format!("cannot read the query: {error}")))?,
        given => given.to_owned(),
    };
    let config = load(&args.source)?.only(args.org.as_deref())?;
    runtime()?.block_on(async {
        let ready = Ready::start(config).await?;
        let org = ready.config.org(None)?;
        let asked = async {
            let client = Client::start(&ready.config, org).await?;
            ask(client, args, soql.trim()).await
        };
        match asked.await {
            Ok(()) => Ok(ExitCode::SUCCESS),
            Err(failure) => failure.into_result(),
        }
    })
}

/// Prints each response before it asks for the next, so that only one is in memory at a time.
async fn ask(mut client: Client, args: &QueryArgs, soql: &str) -> Result<(), Failure> {
    let start = Instant::now();
    let output = Output::new();
    let format = match args.format {
        Some(format) => format,
        None if output.is_terminal() => Format::Table,
        None => Format::Json,
    };
    let mut rows = Rows::new(soql, format, &output);
    let mut progress = None;
    let mut asked = HashSet::new();
    let mut next = Some(first(args, soql)?);
    while let Some(path) = next.take() {
        // Each costs an API call, and a circle has no end.
        if !asked.insert(path.to_string()) {
            let refusal = "the org has more records, but leads back to those that it has given";
            return Err(Failure::Refused(refusal.to_owned()));
        }
        let body = get(&mut client, path).await?;
        let page = Page::read(&body)?;
        if select::is_count(soql) {
            output.write(format!("{}\n", page.total_size).as_bytes())?;
            return Ok(());
        }
        next = page.next()?;
        let records: Vec<_> = page.records.iter().map(|raw| Json::new(raw)).collect();
        rows.print(records)?;
        if next.is_some() {
            let bar = progress.get_or_insert_with(|| bar(page.total_size, &output));
            bar.set_position(rows.count());
        }
    }
    drop(progress);
    rows.end()?;
    sum_up(&rows, format, start);
    Ok(())
}

fn first(args: &QueryArgs, soql: &str) -> Result<PathAndQuery, Failure> {
    let api = if args.tooling { "tooling/" } else { "" };
    let resource = if args.all { "queryAll" } else { "query" };
    let encoded = utf8_percent_encode(soql, NON_ALPHANUMERIC);
    let path = format!(
        "/services/data/v{}/{api}{resource}?q={encoded}",
        args.api_version
    );
    path.parse()
        .map_err(|_| Failure::Refused("the query is too long for a URL".to_owned()))
}

/// The body of a successful response.
async fn get(client: &mut Client, path: PathAndQuery) -> Result<Bytes, Failure> {
    let mut request = Request::new(Full::default());
    *request.method_mut() = Method::GET;
    *request.uri_mut() = path.into();
    let json = header::HeaderValue::from_static("application/json");
    request.headers_mut().insert(header::ACCEPT, json);
    let (head, body) = client.send(request).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    match head.status {
        StatusCode::OK => Ok(body),
        status => Err(Failure::Refused(failure::reason(
            status,
            &head.headers,
            &body,
        ))),
    }
}

/// One response to a query, with up to 2,000 records.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page<'a> {
    total_size: u64,
    done: bool,
    next_records_url: Option<String>,
    #[serde(borrow)]
    records: Vec<&'a RawValue>,
}

impl<'a> Page<'a> {
    fn read(body: &'a [u8]) -> Result<Self, Failure> {
        serde_json::from_slice(body).map_err(|error| {
            // Its own words may have words of the response, which may be secret.
            Failure::Refused(format!(
                "the response is not a query result (line {}, column {})",
                error.line(),
                error.column()
            ))
        })
    }

    /// The path of the next response, if there is one.
    fn next(&self) -> Result<Option<PathAndQuery>, Failure> {
        if self.done {
            return Ok(None);
        }
        let next = self.next_records_url.as_deref().unwrap_or_default();
        match next.parse::<PathAndQuery>() {
            Ok(path) if next.starts_with('/') => Ok(Some(path)),
            _ => Err(Failure::Refused(
                "the org has more records, but does not say where".to_owned(),
            )),
        }
    }
}

/// The progress, for a person who does not see the records.
fn bar(total: u64, output: &Output) -> ProgressBar {
    let target = if output.is_terminal() {
        ProgressDrawTarget::hidden()
    } else {
        // Also hidden if that is not a terminal.
        ProgressDrawTarget::stderr()
    };
    let style = ProgressStyle::with_template("{human_pos} of {human_len} records {wide_bar}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(Some(total), target)
        .with_style(style)
        .with_finish(ProgressFinish::AndClear)
}

/// Prints the number of records for a person, and under every table.
fn sum_up(rows: &Rows<'_>, format: Format, start: Instant) {
    use std::io::IsTerminal;

    if rows.has_cut_children() {
        terminal::note(&escape(
            "orgproxy: some records have more children than are shown: query those separately\n",
        ));
    }
    if rows.has_lost_values() {
        terminal::note(&escape(
            "orgproxy: some records have values that no column is for: use --format json\n",
        ));
    }
    if format == Format::Table || io::stderr().is_terminal() {
        let count = rows.count();
        let records = if count == 1 { "record" } else { "records" };
        let time = start.elapsed().as_secs_f64();
        terminal::note(&format!("{} {records}, {time:.1} s\n", HumanCount(count)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_odd_response_is_refused_without_its_words() {
        for (body, place) in [
            (r#"{"totalSize":"between us"}"#, "line 1, column 25"),
            (r#""between us""#, "line 1, column 12"),
        ] {
            let Err(Failure::Refused(why)) = Page::read(body.as_bytes()) else {
                panic!("{body} is read");
            };
            assert!(
                why.contains(place) && !why.contains("between"),
                "{body}: {why}"
            );
        }
    }
}
