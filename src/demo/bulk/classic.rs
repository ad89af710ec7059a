//! Bulk 1.0: `/services/async/…`. Jobs of batches; a batch is done as soon as it has arrived.
//!
//! Requests and responses are in XML, or in JSON if the request says so. The elements have the
//! order of the schema, which strict clients insist on.

use bytes::Bytes;
use http::{StatusCode, header};
use serde_json::{Map, Value, json};

pub(super) use self::job::Job;
use self::{
    document::{Format, JSON, XML, document, raw, write_fields},
    job::{Batch, Done},
};
use super::{Load, Operation, Rows, csv_rows, load, lock, now, rows, xml};
use crate::demo::{Inner, answer::Answer, coding::decoded, service::Call, session::Access, soql};

mod document;
mod job;
mod result;

impl Inner {
    /// `/services/async/{version}/{path}`
    pub(in crate::demo) fn bulk(
        &self,
        call: &Call,
        version: &str,
        path: &[&str],
        body: Bytes,
    ) -> Answer {
        let content = call.head.headers.get(header::CONTENT_TYPE);
        let content = content.and_then(|value| value.to_str().ok());
        let format = content.map(Format::of);
        let version = version.strip_prefix(['v', 'V']).unwrap_or(version);
        let request = Request { version, format };
        let answered = request
            .check(self.is_supported(version), call.access)
            .and_then(|()| {
                let body = decoded(&call.head.headers, &body);
                body.map_err(|_| Problem("ClientInputError", "Cannot inflate the body".to_owned()))
            })
            .and_then(|body| self.bulk_resource(&request, call.head.method.as_str(), path, &body));
        answered.unwrap_or_else(|Problem(code, message)| {
            let mut error = Map::new();
            error.insert("exceptionCode".to_owned(), code.into());
            error.insert("exceptionMessage".to_owned(), message.into());
            let format = format.unwrap_or(Format::Xml);
            document(StatusCode::BAD_REQUEST, format, "error", &error)
        })
    }

    fn bulk_resource(
        &self,
        request: &Request<'_>,
        method: &str,
        path: &[&str],
        body: &[u8],
    ) -> Result<Answer, Problem> {
        let mut jobs = lock(&self.bulk.classic);
        let [first, rest @ ..] = path else {
            return Ok(Answer::not_found());
        };
        if *first != "job" {
            return Ok(Answer::not_found());
        }
        let [id, rest @ ..] = rest else {
            let job = self.new_job(request, method, jobs.id("750"), body)?;
            let answer = request.job(&job, StatusCode::CREATED);
            jobs.add(job.id.clone(), job);
            return Ok(answer);
        };
        if (method, rest) == ("POST", &["batch"]) {
            let (batch_id, result_id) = (jobs.id("751"), jobs.id("752"));
            let job = jobs.find(id).ok_or_else(|| no_job(id))?;
            let batch = self.new_batch(request, job, batch_id, result_id, body)?;
            // It is done already, but that shows only when the client asks.
            let mut info = batch.info(&job.id);
            info["state"] = "Queued".into();
            info["numberRecordsProcessed"] = 0.into();
            info["numberRecordsFailed"] = 0.into();
            info["stateMessage"] = Value::Null;
            job.batches.push(batch);
            return Ok(batch_info(job, StatusCode::CREATED, &info));
        }
        let job = jobs.find(id).ok_or_else(|| no_job(id))?;
        match (method, rest) {
            ("GET", []) => Ok(request.job(job, StatusCode::OK)),
            ("POST", []) => {
                job.state = match fields(request, body)?.get("state").and_then(Value::as_str) {
                    Some("Closed") => "Closed",
                    Some("Aborted") => "Aborted",
                    other => {
                        let message = format!("Cannot change the state to {other:?}");
                        return Err(Problem("InvalidJobState", message));
                    }
                };
                Ok(request.job(job, StatusCode::OK))
            }
            ("GET", ["batch"]) => Ok(list(job)),
            ("GET", ["batch", id]) => {
                let batch = job.batch(id)?;
                Ok(batch_info(job, StatusCode::OK, &batch.info(&job.id)))
            }
            ("GET", ["batch", id, "request"]) => {
                let body = job.batch(id)?.request.clone();
                Ok(raw(job.format.content_type(), body))
            }
            ("GET", ["batch", id, "result"]) => Ok(job.batch(id)?.result(job.format)?),
            ("GET", ["batch", id, "result", result]) => job.batch(id)?.found(job.format, result),
            _ => Ok(Answer::not_found()),
        }
    }

    fn new_job(
        &self,
        request: &Request<'_>,
        method: &str,
        id: String,
        body: &[u8],
    ) -> Result<Job, Problem> {
        if method != "POST" {
            return Err(invalid_job("A job is created by POST"));
        }
        let fields = fields(request, body)?;
        let text = |name: &str| fields.get(name).and_then(Value::as_str);
        let operation = text("operation").unwrap_or_default();
        let operation = Operation::parse(operation)
            .ok_or_else(|| invalid_job(format!("Unknown operation: {operation}")))?;
        let object = text("object").unwrap_or_default();
        let data = self.data();
        let table = data
            .table(object)
            .ok_or_else(|| invalid_job(format!("Unable to find object: {object}")))?;
        let external_id = text("externalIdFieldName").filter(|name| !name.is_empty());
        if operation == Operation::Upsert && external_id.is_none() {
            return Err(invalid_job("External ID was blank for upsert"));
        }
        let format = match text("contentType") {
            Some("CSV") => Format::Csv,
            Some("JSON") => Format::Json,
            Some("XML") | None => Format::Xml,
            Some(other) => return Err(invalid_job(format!("Unknown contentType: {other}"))),
        };
        Ok(Job {
            id,
            load: Load {
                operation,
                object: table.object.name.to_owned(),
                external_id: external_id.map(str::to_owned),
            },
            serial: text("concurrencyMode") == Some("Serial")
                || fields.get("concurrencyMode") == Some(&json!(1)),
            format,
            state: "Open",
            created: now(),
            version: request.version.to_owned(),
            batches: Vec::new(),
        })
    }

    fn new_batch(
        &self,
        request: &Request<'_>,
        job: &Job,
        id: String,
        result_id: String,
        body: &[u8],
    ) -> Result<Batch, Problem> {
        if job.state != "Open" {
            let message = format!("{} job cannot take a new batch", job.state);
            return Err(Problem("InvalidJobState", message));
        }
        if request.format.is_some_and(|format| format != job.format) {
            let message = format!(
                "The Content-Type of a batch of this job is {}",
                job.format.content_type()
            );
            return Err(Problem("InvalidBatch", message));
        }
        let mut data = self.data();
        let done = if job.load.operation.is_query() {
            let found = std::str::from_utf8(body)
                .map_err(|error| error.to_string())
                .and_then(|query| {
                    let version = format!("v{}", request.version);
                    soql::run(&data, &version, query).map_err(|error| error.to_string())
                })
                .map_err(|error| format!("InvalidBatch : Failed to process query: {error}"));
            found.map(|found| Done::Found(result_id, found))
        } else {
            let rows = match job.format {
                Format::Csv => csv_rows(body),
                Format::Json => rows::json_rows(body),
                Format::Xml => rows::xml_rows(body),
            };
            let loaded = rows.map(|Rows { records, .. }| load(&mut data, &job.load, &records));
            loaded
                .map(Done::Loaded)
                .map_err(|error| format!("InvalidBatch : Failed to parse the batch: {error}"))
        };
        Ok(Batch {
            id,
            created: now(),
            request: Bytes::copy_from_slice(body),
            done,
        })
    }
}

/// A request and its form.
struct Request<'a> {
    version: &'a str,
    /// The format of the request, if it names one.
    format: Option<Format>,
}

impl Request<'_> {
    fn check(&self, is_supported: bool, access: Access) -> Result<(), Problem> {
        if !is_supported {
            let message = format!("Invalid version: {}", self.version);
            return Err(Problem("InvalidVersion", message));
        }
        let message = match access {
            Access::Live => return Ok(()),
            Access::Missing => "Unable to find X-SFDC-Session header",
            Access::Garbled | Access::Dead => "Invalid session id",
        };
        Err(Problem("InvalidSessionId", message.to_owned()))
    }

    /// An answer about a job: in the format of the request, or of the job if the request does not
    /// name one.
    fn job(&self, job: &Job, status: StatusCode) -> Answer {
        let format = self.format.unwrap_or(job.format);
        document(status, format, "jobInfo", &job.info())
    }
}

/// An answer about all batches, in the format of the job, like one about a single batch.
fn list(job: &Job) -> Answer {
    let infos = job.batches.iter().map(|batch| batch.info(&job.id));
    if job.format == Format::Json {
        let infos: Vec<Value> = infos.map(Value::Object).collect();
        return raw(JSON, json!({"batchInfo": infos}).to_string());
    }
    let mut text = format!(
        r#"{}<batchInfoList xmlns="{}">"#,
        xml::DECLARATION,
        xml::NAMESPACE
    );
    for info in infos {
        text.push_str("<batchInfo>");
        write_fields(&mut text, &info);
        text.push_str("</batchInfo>");
    }
    raw(XML, text + "</batchInfoList>")
}

/// An answer about a batch: in JSON if the job's batches are, else in XML, whatever the request is.
fn batch_info(job: &Job, status: StatusCode, info: &Map<String, Value>) -> Answer {
    document(status, job.format, "batchInfo", info)
}

/// An `exceptionCode` and its message.
struct Problem(&'static str, String);

/// The fields of a `jobInfo` that a client sends.
fn fields(request: &Request<'_>, body: &[u8]) -> Result<Map<String, Value>, Problem> {
    if request.format == Some(Format::Json) {
        return serde_json::from_slice(body).map_err(|error| invalid_job(error.to_string()));
    }
    let root = xml::parse(body).map_err(invalid_job)?;
    let fields = root.children.iter().filter_map(|field| {
        let text = root.child(&field.name)?;
        Some((field.name.clone(), text.into()))
    });
    Ok(fields.collect())
}

fn no_job(id: &str) -> Problem {
    invalid_job(format!("Unable to find job: {id}"))
}

fn invalid_job(message: impl Into<String>) -> Problem {
    Problem("InvalidJob", message.into())
}
