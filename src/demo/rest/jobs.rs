//! Bulk 2.0: `/jobs/ingest` and `/jobs/query`. A job is done as soon as its upload is complete.

use base64ct::{Base64UrlUnpadded, Encoding};
use csv::Terminator;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::{RestCall, header_value};
use crate::demo::{
    Inner,
    answer::{Answer, Content},
    bulk::{
        CRLF, LF, Load, Operation, Outcome, Rows, csv_rows, found_as_csv, load, lock, now,
        write_csv,
    },
    data::Record,
    id::USER_ID,
    soql::{self, Found},
};

/// A job, to load or to query.
pub(in crate::demo) struct BulkJob {
    id: String,
    load: Load,
    end: Terminator,
    created: String,
    state: &'static str,
    work: Work,
}

enum Work {
    /// The uploaded rows, and their outcomes.
    Ingest(Rows, Vec<Outcome>),
    Query(Found),
}

impl Inner {
    /// `/jobs/{kind}/…`
    pub(super) fn jobs(
        &self,
        call: &RestCall<'_>,
        kind: &str,
        path: &[&str],
    ) -> Result<Answer, Answer> {
        let ingest = match kind {
            "ingest" => true,
            "query" => false,
            _ => return Err(Answer::not_found()),
        };
        match (call.method.as_str(), path) {
            ("POST", []) => self.new_job_2(call, ingest),
            ("GET", []) => {
                let jobs = lock(&self.bulk.jobs);
                let infos: Vec<_> = jobs
                    .all()
                    .filter(|job| job.is_ingest() == ingest)
                    .map(|job| job.info(call.version))
                    .collect();
                Ok(Answer::json(
                    json!({"done": true, "records": infos, "nextRecordsUrl": null}),
                ))
            }
            (method, [id, rest @ ..]) => {
                let mut jobs = lock(&self.bulk.jobs);
                let job = jobs
                    .find(id)
                    .filter(|job| job.is_ingest() == ingest)
                    .ok_or_else(Answer::not_found)?;
                match (method, rest) {
                    ("GET", []) => {
                        let mut info = job.info(call.version);
                        job.add_progress(&mut info);
                        Ok(Answer::json(info))
                    }
                    ("PATCH", []) => self.change_job(call, job),
                    ("DELETE", []) => {
                        if job.state == "Open" {
                            return Err(wrong_state("Job is not complete or aborted"));
                        }
                        jobs.remove(id);
                        Ok(Answer::empty(StatusCode::NO_CONTENT))
                    }
                    ("PUT", ["batches"]) => job.upload(call.body),
                    ("GET", ["results"]) => job.results(call),
                    ("GET", [which]) => job.outcomes(which),
                    _ => Err(Answer::not_found()),
                }
            }
            _ => Err(Answer::not_found()),
        }
    }

    fn new_job_2(&self, call: &RestCall<'_>, ingest: bool) -> Result<Answer, Answer> {
        let asked = call.json()?;
        let text = |name: &str| asked[name].as_str();
        let operation = text("operation").unwrap_or_default();
        let operation = Operation::parse(operation)
            .filter(|operation| operation.is_query() != ingest)
            .ok_or_else(|| invalid(format!("Unknown operation: {operation}")))?;
        if !matches!(text("columnDelimiter"), None | Some("COMMA")) {
            return Err(invalid("The demo org knows no columnDelimiter but COMMA"));
        }
        let end = match text("lineEnding") {
            None | Some("LF") => LF,
            Some("CRLF") => CRLF,
            Some(other) => return Err(invalid(format!("Unknown lineEnding: {other}"))),
        };
        let data = self.data();
        let (object, work) = if ingest {
            let object = text("object").unwrap_or_default();
            let table = data.table(object);
            let table = table.ok_or_else(|| invalid(format!("Unable to find object: {object}")))?;
            let work = Work::Ingest(Rows::default(), Vec::new());
            (table.object.name.to_owned(), work)
        } else {
            let query = text("query").unwrap_or_default();
            let found = soql::run(&data, call.version, query)?;
            let object = found.object.to_owned();
            (object, Work::Query(found))
        };
        let external_id = text("externalIdFieldName").map(str::to_owned);
        if operation == Operation::Upsert && external_id.is_none() {
            return Err(invalid("External ID was blank for upsert"));
        }
        let mut jobs = lock(&self.bulk.jobs);
        let mut job = BulkJob {
            id: jobs.id("750"),
            load: Load {
                operation,
                object,
                external_id,
            },
            end,
            created: now().replace('Z', "+0000"),
            state: if ingest { "Open" } else { "UploadComplete" },
            work,
        };
        let info = job.info(call.version);
        if !ingest {
            job.state = "JobComplete";
        }
        jobs.add(job.id.clone(), job);
        Ok(Answer::json(info))
    }

    fn change_job(&self, call: &RestCall<'_>, job: &mut BulkJob) -> Result<Answer, Answer> {
        let wanted = call.json()?["state"].as_str().map(str::to_owned);
        let mut info = match (wanted.as_deref(), job.state, &mut job.work) {
            (Some("UploadComplete"), "Open", Work::Ingest(rows, outcomes)) => {
                *outcomes = load(&mut self.data(), &job.load, &rows.records);
                job.state = "UploadComplete";
                let info = job.info(call.version);
                job.state = "JobComplete";
                info
            }
            (Some("Aborted"), "Open", _) => {
                job.state = "Aborted";
                job.info(call.version)
            }
            (wanted, state, _) => {
                let wanted = wanted.unwrap_or_default();
                return Err(wrong_state(format!(
                    "Job is {state}, which cannot be changed to {wanted}"
                )));
            }
        };
        if let Value::Object(info) = &mut info {
            info.remove("lineEnding");
            info.remove("columnDelimiter");
        }
        Ok(Answer::json(info))
    }
}

impl BulkJob {
    fn is_ingest(&self) -> bool {
        matches!(self.work, Work::Ingest(..))
    }

    fn info(&self, version: &str) -> Value {
        let mut info = json!({
            "id": self.id,
            "operation": self.load.operation.name(),
            "object": self.load.object,
            "createdById": USER_ID,
            "createdDate": self.created,
            "systemModstamp": self.created,
            "state": self.state,
        });
        if let Some(external_id) = &self.load.external_id {
            info["externalIdFieldName"] = external_id.as_str().into();
        }
        info["concurrencyMode"] = "Parallel".into();
        info["contentType"] = "CSV".into();
        info["apiVersion"] = version[1..].parse::<f64>().ok().into();
        if self.is_ingest() && self.state == "Open" {
            // Relative, and without a slash before it.
            let url = format!("services/data/{version}/jobs/ingest/{}/batches", self.id);
            info["contentUrl"] = url.into();
        }
        let end = if matches!(self.end, Terminator::CRLF) {
            "CRLF"
        } else {
            "LF"
        };
        info["lineEnding"] = end.into();
        info["columnDelimiter"] = "COMMA".into();
        info
    }

    fn add_progress(&self, info: &mut Value) {
        let (kind, processed) = match &self.work {
            Work::Ingest(_, outcomes) => ("V2Ingest", outcomes.len()),
            Work::Query(found) => ("V2Query", found.records.len()),
        };
        info["jobType"] = kind.into();
        info["numberRecordsProcessed"] = processed.into();
        if let Work::Ingest(_, outcomes) = &self.work {
            let failed = outcomes.iter().filter(|outcome| outcome.mistake.is_some());
            info["numberRecordsFailed"] = failed.count().into();
        }
        for name in [
            "retries",
            "totalProcessingTime",
            "apiActiveProcessingTime",
            "apexProcessingTime",
        ] {
            info[name] = 0.into();
        }
    }

    fn upload(&mut self, body: &[u8]) -> Result<Answer, Answer> {
        let Work::Ingest(rows, _) = &mut self.work else {
            return Err(Answer::not_found());
        };
        if self.state != "Open" {
            return Err(wrong_state(format!("Job is {}, not Open", self.state)));
        }
        *rows = csv_rows(body).map_err(|error| invalid(format!("Cannot read the CSV: {error}")))?;
        Ok(Answer::empty(StatusCode::CREATED))
    }

    /// `successfulResults`, `failedResults`, `unprocessedrecords`: the rows as they were uploaded,
    /// with their outcomes.
    fn outcomes(&self, which: &str) -> Result<Answer, Answer> {
        let Work::Ingest(rows, outcomes) = &self.work else {
            return Err(Answer::not_found());
        };
        let done = rows.records.iter().zip(outcomes);
        let (own, lines): (&[&str], Vec<_>) = match which.to_ascii_lowercase().as_str() {
            "successfulresults" => (
                &["sf__Id", "sf__Created"],
                done.filter(|(_, outcome)| outcome.mistake.is_none())
                    .map(|(row, outcome)| {
                        let own = vec![outcome.id.clone(), outcome.created.to_string()];
                        (own, row)
                    })
                    .collect(),
            ),
            "failedresults" => (
                &["sf__Id", "sf__Error"],
                done.filter(|(_, outcome)| outcome.mistake.is_some())
                    .map(|(row, outcome)| (vec![outcome.id.clone(), outcome.error()], row))
                    .collect(),
            ),
            "unprocessedrecords" => {
                let rest = rows.records.iter().skip(outcomes.len());
                (&[], rest.map(|row| (Vec::new(), row)).collect())
            }
            _ => return Err(Answer::not_found()),
        };
        let with_row = |mut own: Vec<String>, row: &Record| {
            let value = |name: &String| row[name].as_str().unwrap_or_default().to_owned();
            own.extend(rows.columns.iter().map(value));
            own
        };
        let mut names: Vec<_> = own.iter().copied().map(str::to_owned).collect();
        names.extend(rows.columns.clone());
        let lines = lines.into_iter().map(|(own, row)| with_row(own, row));
        let text = write_csv(self.end, [names].into_iter().chain(lines));
        Ok(Answer::new(StatusCode::OK, Content::Bytes(text.into()))
            .header(header::CONTENT_TYPE, CSV))
    }

    /// A part of a query's result; `locator` is the index of the next record, in Base64.
    fn results(&self, call: &RestCall<'_>) -> Result<Answer, Answer> {
        let Work::Query(found) = &self.work else {
            return Err(Answer::not_found());
        };
        let from = match call.parameter("locator") {
            None => 0,
            Some(locator) => Base64UrlUnpadded::decode_vec(locator)
                .ok()
                .and_then(|index| String::from_utf8(index).ok()?.parse().ok())
                .filter(|from| *from < found.records.len())
                .ok_or_else(|| invalid("Invalid locator"))?,
        };
        let most = match call.parameter("maxRecords") {
            None => MOST,
            Some(most) => match most.parse() {
                Ok(most) if most > 0 => most,
                _ => return Err(invalid("Invalid maxRecords")),
            },
        };
        let to = found.records.len().min(from.saturating_add(most));
        let locator = if to < found.records.len() {
            Base64UrlUnpadded::encode_string(to.to_string().as_bytes())
        } else {
            "null".to_owned()
        };
        let text = found_as_csv(self.end, found, &found.records[from..to]);
        Ok(Answer::new(StatusCode::OK, Content::Bytes(text.into()))
            .header(header::CONTENT_TYPE, CSV)
            .header(SFORCE_LOCATOR, header_value(&locator))
            .header(SFORCE_NUMBEROFRECORDS, (to - from).into()))
    }
}

fn invalid(message: impl Into<String>) -> Answer {
    Answer::error(StatusCode::BAD_REQUEST, "INVALIDJOB", message)
}

fn wrong_state(message: impl Into<String>) -> Answer {
    Answer::error(StatusCode::BAD_REQUEST, "INVALIDJOBSTATE", message)
}

/// Default number of records in one part of a result: jsforce cannot read two parts.
const MOST: usize = 50_000;

const CSV: HeaderValue = HeaderValue::from_static("text/csv");

const SFORCE_LOCATOR: HeaderName = HeaderName::from_static("sforce-locator");

const SFORCE_NUMBEROFRECORDS: HeaderName = HeaderName::from_static("sforce-numberofrecords");
