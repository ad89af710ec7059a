//! Bulk 1.0: `/services/async/…`. Jobs of batches; a batch is done as soon as it is here.
//!
//! Told and answered in XML, or in JSON if the request says that it is JSON. The elements stand in
//! the order of the schema, which strict clients insist on.

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};

use super::{
    LF, Load, Operation, Outcome, Rows, csv_rows, found_as_csv, load, lock, now, rows, write_csv,
    xml,
};
use crate::demo::{
    Inner,
    answer::{Answer, Content},
    coding::decoded,
    id::USER_ID,
    rest::is_supported,
    service::Call,
    session::Access,
    soql::{self, Found},
};

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
        let asked = Asked { version, format };
        let answered = asked
            .check(call.access)
            .and_then(|()| {
                let body = decoded(&call.head.headers, &body);
                body.map_err(|_| Problem("ClientInputError", "Cannot inflate the body".to_owned()))
            })
            .and_then(|body| self.bulk_resource(&asked, call.head.method.as_str(), path, &body));
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
        asked: &Asked<'_>,
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
            let job = self.new_job(asked, method, jobs.id("750"), body)?;
            let answer = asked.answer(&job, StatusCode::CREATED, "jobInfo", &job.info());
            jobs.add(job.id.clone(), job);
            return Ok(answer);
        };
        if (method, rest) == ("POST", &["batch"]) {
            let (batch_id, result_id) = (jobs.id("751"), jobs.id("752"));
            let job = jobs.find(id).ok_or_else(|| no_job(id))?;
            let batch = self.new_batch(asked, job, batch_id, result_id, body)?;
            // It was done in no time, but is seen to be so only when asked for.
            let mut info = batch.info(&job.id);
            info["state"] = "Queued".into();
            info["numberRecordsProcessed"] = 0.into();
            info["numberRecordsFailed"] = 0.into();
            info["stateMessage"] = Value::Null;
            job.batches.push(batch);
            return Ok(asked.answer(job, StatusCode::CREATED, "batchInfo", &info));
        }
        let job = jobs.find(id).ok_or_else(|| no_job(id))?;
        match (method, rest) {
            ("GET", []) => Ok(asked.answer(job, StatusCode::OK, "jobInfo", &job.info())),
            ("POST", []) => {
                job.state = match fields(asked, body)?.get("state").and_then(Value::as_str) {
                    Some("Closed") => "Closed",
                    Some("Aborted") => "Aborted",
                    other => {
                        let message = format!("Cannot change the state to {other:?}");
                        return Err(Problem("InvalidJobState", message));
                    }
                };
                Ok(asked.answer(job, StatusCode::OK, "jobInfo", &job.info()))
            }
            ("GET", ["batch"]) => Ok(asked.list(job)),
            ("GET", ["batch", id]) => {
                let batch = job.batch(id)?;
                Ok(asked.answer(job, StatusCode::OK, "batchInfo", &batch.info(&job.id)))
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
        asked: &Asked<'_>,
        method: &str,
        id: String,
        body: &[u8],
    ) -> Result<Job, Problem> {
        if method != "POST" {
            return Err(invalid_job("A job is created by POST"));
        }
        let fields = fields(asked, body)?;
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
            version: asked.version.to_owned(),
            batches: Vec::new(),
        })
    }

    fn new_batch(
        &self,
        asked: &Asked<'_>,
        job: &Job,
        id: String,
        result_id: String,
        body: &[u8],
    ) -> Result<Batch, Problem> {
        if job.state != "Open" {
            let message = format!("{} job cannot take a new batch", job.state);
            return Err(Problem("InvalidJobState", message));
        }
        if asked.format.is_some_and(|format| format != job.format) {
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
                    let version = format!("v{}", asked.version);
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

/// What is asked, and how.
struct Asked<'a> {
    version: &'a str,
    /// That of the request, if it says so.
    format: Option<Format>,
}

impl Asked<'_> {
    fn check(&self, access: Access) -> Result<(), Problem> {
        if !is_supported(self.version) {
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

    /// In JSON if that is what the request is, or the job if the request does not say.
    fn format(&self, job: &Job) -> Format {
        match self.format.unwrap_or(job.format) {
            Format::Json => Format::Json,
            Format::Xml | Format::Csv => Format::Xml,
        }
    }

    fn answer(
        &self,
        job: &Job,
        status: StatusCode,
        root: &str,
        fields: &Map<String, Value>,
    ) -> Answer {
        document(status, self.format(job), root, fields)
    }

    fn list(&self, job: &Job) -> Answer {
        let infos = job.batches.iter().map(|batch| batch.info(&job.id));
        if self.format(job) == Format::Json {
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
}

/// An `exceptionCode` and its message.
struct Problem(&'static str, String);

/// In what a document, or a job's batches, are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Csv,
    Json,
    Xml,
}

impl Format {
    fn of(content_type: &str) -> Self {
        let content_type = content_type.split(';').next().unwrap_or_default().trim();
        match content_type.to_ascii_lowercase().as_str() {
            JSON => Self::Json,
            CSV => Self::Csv,
            _ => Self::Xml,
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Csv => CSV,
            Self::Json => JSON,
            Self::Xml => XML,
        }
    }

    /// As a job says it.
    fn name(self) -> &'static str {
        match self {
            Self::Csv => "CSV",
            Self::Json => "JSON",
            Self::Xml => "XML",
        }
    }
}

pub(super) struct Job {
    id: String,
    load: Load,
    serial: bool,
    format: Format,
    state: &'static str,
    created: String,
    version: String,
    batches: Vec<Batch>,
}

impl Job {
    fn batch(&self, id: &str) -> Result<&Batch, Problem> {
        let mut batches = self.batches.iter();
        batches
            .find(|batch| crate::demo::id::same_id(&batch.id, id))
            .ok_or_else(|| Problem("InvalidBatch", format!("Unable to find batch: {id}")))
    }

    fn info(&self) -> Map<String, Value> {
        let total = self.batches.len();
        let failed = self.batches.iter().filter(|batch| batch.done.is_err());
        let failed = failed.count();
        let (records, mistakes) = self
            .batches
            .iter()
            .map(Batch::records)
            .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        named([
            ("id", self.id.as_str().into()),
            ("operation", self.load.operation.name().into()),
            ("object", self.load.object.as_str().into()),
            ("createdById", USER_ID.into()),
            ("createdDate", self.created.as_str().into()),
            ("systemModstamp", self.created.as_str().into()),
            ("state", self.state.into()),
            (
                "externalIdFieldName",
                self.load.external_id.as_deref().into(),
            ),
            (
                "concurrencyMode",
                if self.serial { "Serial" } else { "Parallel" }.into(),
            ),
            ("contentType", self.format.name().into()),
            ("numberBatchesQueued", 0.into()),
            ("numberBatchesInProgress", 0.into()),
            ("numberBatchesCompleted", (total - failed).into()),
            ("numberBatchesFailed", failed.into()),
            ("numberBatchesTotal", total.into()),
            ("numberRecordsProcessed", records.into()),
            ("numberRetries", 0.into()),
            ("apiVersion", self.version.parse::<f64>().ok().into()),
            ("assignmentRuleId", Value::Null),
            ("numberRecordsFailed", mistakes.into()),
            ("totalProcessingTime", 0.into()),
            ("apiActiveProcessingTime", 0.into()),
            ("apexProcessingTime", 0.into()),
        ])
    }
}

struct Batch {
    id: String,
    created: String,
    request: Bytes,
    /// The error is the `stateMessage`.
    done: Result<Done, String>,
}

enum Done {
    Loaded(Vec<Outcome>),
    /// The id of the result, and what it is.
    Found(String, Found),
}

impl Batch {
    /// How many were processed, and how many of them failed.
    fn records(&self) -> (usize, usize) {
        match &self.done {
            Ok(Done::Loaded(outcomes)) => {
                let failed = outcomes.iter().filter(|outcome| outcome.mistake.is_some());
                (outcomes.len(), failed.count())
            }
            Ok(Done::Found(_, found)) => (found.records.len(), 0),
            Err(_) => (0, 0),
        }
    }

    fn info(&self, job: &str) -> Map<String, Value> {
        let (records, failed) = self.records();
        let (state, message) = match &self.done {
            Ok(_) => ("Completed", Value::Null),
            Err(message) => ("Failed", message.as_str().into()),
        };
        named([
            ("id", self.id.as_str().into()),
            ("jobId", job.into()),
            ("state", state.into()),
            ("stateMessage", message),
            ("createdDate", self.created.as_str().into()),
            ("systemModstamp", self.created.as_str().into()),
            ("numberRecordsProcessed", records.into()),
            ("numberRecordsFailed", failed.into()),
            ("totalProcessingTime", 0.into()),
            ("apiActiveProcessingTime", 0.into()),
            ("apexProcessingTime", 0.into()),
        ])
    }

    /// What became of each row; for a query the list of its results, of which there is one.
    fn result(&self, format: Format) -> Result<Answer, Problem> {
        match (&self.done, format) {
            (Err(_), _) => Err(Problem("InvalidBatch", "Batch has no result".to_owned())),
            (Ok(Done::Found(id, _)), Format::Json) => Ok(raw(JSON, json!([id]).to_string())),
            (Ok(Done::Found(id, _)), _) => {
                let mut list = Map::new();
                list.insert("result".to_owned(), id.as_str().into());
                Ok(document(StatusCode::OK, Format::Xml, "result-list", &list))
            }
            (Ok(Done::Loaded(outcomes)), Format::Csv) => {
                let names = ["Id", "Success", "Created", "Error"].map(str::to_owned);
                let lines = outcomes.iter().map(|outcome| {
                    vec![
                        outcome.id.clone(),
                        outcome.mistake.is_none().to_string(),
                        outcome.created.to_string(),
                        outcome.error(),
                    ]
                });
                Ok(raw(
                    CSV,
                    write_csv(LF, [names.to_vec()].into_iter().chain(lines)),
                ))
            }
            (Ok(Done::Loaded(outcomes)), Format::Json) => {
                let results: Vec<_> = outcomes.iter().map(outcome_as_json).collect();
                Ok(raw(JSON, Value::from(results).to_string()))
            }
            (Ok(Done::Loaded(outcomes)), Format::Xml) => Ok(raw(XML, outcomes_as_xml(outcomes))),
        }
    }

    /// What a query found.
    fn found(&self, format: Format, result: &str) -> Result<Answer, Problem> {
        match &self.done {
            Ok(Done::Found(id, found)) if id == result => Ok(match format {
                Format::Csv if found.records.is_empty() => {
                    raw(CSV, "Records not found for this query")
                }
                Format::Csv => raw(CSV, found_as_csv(LF, found, &found.records)),
                Format::Json => raw(JSON, Value::from(found.records.clone()).to_string()),
                Format::Xml => raw(XML, rows::found_as_xml(found)),
            }),
            _ => {
                let message = format!("Unable to find result: {result}");
                Err(Problem("InvalidBatch", message))
            }
        }
    }
}

fn outcome_as_json(outcome: &Outcome) -> Value {
    let errors: Vec<_> = outcome
        .mistake
        .iter()
        .map(|mistake| {
            json!({
                "message": mistake.message,
                "fields": mistake.fields,
                "statusCode": mistake.code,
                "extendedErrorDetails": null,
            })
        })
        .collect();
    json!({
        "success": outcome.mistake.is_none(),
        "created": outcome.created,
        "id": if outcome.id.is_empty() { Value::Null } else { outcome.id.as_str().into() },
        "errors": errors,
    })
}

fn outcomes_as_xml(outcomes: &[Outcome]) -> String {
    let mut text = format!(
        r#"{}<results xmlns="{}">"#,
        xml::DECLARATION,
        xml::NAMESPACE
    );
    for outcome in outcomes {
        text.push_str("<result>");
        if let Some(mistake) = &outcome.mistake {
            text.push_str("<errors>");
            for field in &mistake.fields {
                xml::write(&mut text, "fields", field);
            }
            xml::write(&mut text, "message", &mistake.message);
            xml::write(&mut text, "statusCode", mistake.code);
            text.push_str("</errors>");
        } else {
            xml::write(&mut text, "id", &outcome.id);
        }
        xml::write(&mut text, "success", &outcome.mistake.is_none().to_string());
        xml::write(&mut text, "created", &outcome.created.to_string());
        text.push_str("</result>");
    }
    text + "</results>"
}

/// The fields of a `jobInfo` that a client sends.
fn fields(asked: &Asked<'_>, body: &[u8]) -> Result<Map<String, Value>, Problem> {
    if asked.format == Some(Format::Json) {
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

fn named<const N: usize>(fields: [(&str, Value); N]) -> Map<String, Value> {
    let fields = fields.into_iter();
    fields
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// In XML what is null is not there.
fn document(status: StatusCode, format: Format, root: &str, fields: &Map<String, Value>) -> Answer {
    let mut answer = if format == Format::Json {
        raw(JSON, Value::Object(fields.clone()).to_string())
    } else {
        let mut text = format!(r#"{}<{root} xmlns="{}">"#, xml::DECLARATION, xml::NAMESPACE);
        write_fields(&mut text, fields);
        raw(XML, format!("{text}</{root}>"))
    };
    answer.status = status;
    answer
}

fn write_fields(text: &mut String, fields: &Map<String, Value>) {
    for (name, value) in fields {
        match value {
            Value::Null => {}
            Value::String(value) => xml::write(text, name, value),
            other => xml::write(text, name, &other.to_string()),
        }
    }
}

/// Without a charset, as clients compare it.
fn raw(content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    Answer::new(StatusCode::OK, Content::Bytes(body.into()))
        .header(header::CONTENT_TYPE, HeaderValue::from_static(content_type))
}

const CSV: &str = "text/csv";
const JSON: &str = "application/json";
const XML: &str = "application/xml";
