//! The REST API: `/services/data/…`.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::{Inner, answer::Answer, coding::decoded, service::Call, session::Access};

pub(super) use self::{
    jobs::BulkJob,
    query::{Cursor, Cursors},
    records::{Mistake, insert, known, roll_back, update},
};

mod batch;
mod columns;
mod composite;
mod describe;
mod jobs;
mod query;
mod records;
mod search;
mod tooling;

/// A request to the API, perhaps one within a composite request.
struct RestCall<'a> {
    method: &'a Method,
    /// `v67.0`
    version: &'a str,
    /// The segments after the version.
    path: &'a [&'a str],
    parameters: Vec<(String, String)>,
    body: &'a [u8],
    batch_size: usize,
    /// The URL of the user.
    identity: String,
}

impl RestCall<'_> {
    fn parameter(&self, name: &str) -> Option<&str> {
        let mut parameters = self.parameters.iter();
        parameters
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    fn json(&self) -> Result<Value, Answer> {
        serde_json::from_slice(self.body).map_err(|error| {
            Answer::error(
                StatusCode::BAD_REQUEST,
                "JSON_PARSER_ERROR",
                format!(
                    "Unexpected character or end of input at [line:{}, column:{}]",
                    error.line(),
                    error.column()
                ),
            )
        })
    }
}

impl Inner {
    pub(super) fn rest(&self, call: &Call, body: Bytes) -> Answer {
        let segments = call.segments();
        let Some((version, path)) = segments[2..].split_first() else {
            return Answer::json(versions(self.knobs().oldest_version));
        };
        if let Some(answer) = self.unsupported(version).or_else(|| refusal(call.access)) {
            return answer;
        }
        let Ok(body) = decoded(&call.head.headers, &body) else {
            return Answer::empty(StatusCode::BAD_REQUEST);
        };
        let answer = self.resource(&RestCall {
            method: &call.head.method,
            version,
            path,
            parameters: parameters(call.head.uri.query()),
            body: &body,
            batch_size: batch_size(&call.head.headers).unwrap_or_else(|| self.knobs().batch_size),
            identity: self.identity_url(&self.user_of(call)),
        });
        let usage = format!("api-usage={}/{ALLOCATION}", self.use_request());
        answer
            .header(SFORCE_LIMIT_INFO, header_value(&usage))
            .header(
                header::CACHE_CONTROL,
                HeaderValue::from_static("no-cache,must-revalidate,max-age=0,no-store,private"),
            )
    }

    fn resource(&self, call: &RestCall<'_>) -> Answer {
        let answered = match (call.method.as_str(), call.path) {
            ("GET" | "HEAD", []) => Ok(self.resources(call)),
            ("GET" | "HEAD", ["limits"]) => Ok(self.limits()),
            ("GET" | "HEAD", ["sobjects"]) => Ok(self.objects(call)),
            ("GET" | "HEAD", ["sobjects", object]) => self.object(call, object),
            ("GET" | "HEAD", ["sobjects", object, "describe"]) => self.describe(call, object),
            ("GET" | "HEAD", ["query" | "queryAll"]) => self.query(call),
            ("GET" | "HEAD", ["query" | "queryAll", locator]) => self.query_more(call, locator),
            ("POST", ["sobjects", object]) => self.create(call, object),
            ("GET" | "HEAD", ["sobjects", object, id]) => self.retrieve(call, object, id),
            ("PATCH", ["sobjects", object, id]) => self.update(call, object, id),
            ("DELETE", ["sobjects", object, id]) => self.delete(object, id),
            (_, ["jobs", kind, path @ ..]) => self.jobs(call, kind, path),
            ("POST", ["composite"]) => self.composite(call),
            ("POST", ["composite", "sobjects"]) => self.create_all(call),
            ("POST", ["composite", "batch"]) => self.batch(call),
            ("GET" | "HEAD", ["search"]) => self.search(call),
            ("GET" | "HEAD" | "POST", ["parameterizedSearch"]) => self.parameterized_search(call),
            ("GET" | "HEAD", ["tooling", "query"]) => self.query(call),
            ("GET" | "HEAD", ["tooling", "query", locator]) => self.query_more(call, locator),
            ("GET" | "HEAD", ["tooling", "executeAnonymous"]) => self.execute_anonymous(call),
            (_, path) => Err(match allowed(path) {
                Some(allowed) => not_allowed(call.method, allowed),
                None => Answer::not_found(),
            }),
        };
        answered.unwrap_or_else(|error| error)
    }

    fn resources(&self, call: &RestCall<'_>) -> Answer {
        let version = call.version;
        let url = |name: &str| format!("/services/data/{version}/{name}");
        Answer::json(json!({
            "composite": url("composite"),
            "identity": call.identity,
            "jobs": url("jobs"),
            "limits": url("limits"),
            "parameterizedSearch": url("parameterizedSearch"),
            "query": url("query"),
            "queryAll": url("queryAll"),
            "search": url("search"),
            "sobjects": url("sobjects"),
            "tooling": url("tooling"),
        }))
    }

    /// The answer to a retired or future version.
    fn unsupported(&self, version: &str) -> Option<Answer> {
        let oldest = self.knobs().oldest_version;
        match version.strip_prefix('v').and_then(number) {
            Some(version) if (oldest..=NEWEST).contains(&version) => None,
            Some(version) if (7..oldest).contains(&version) => Some(Answer::error(
                StatusCode::GONE,
                "GONE",
                "The requested resource has been retired or removed",
            )),
            _ => Some(Answer::not_found()),
        }
    }

    /// Returns whether all APIs serve `version`, such as `67.0`.
    pub(super) fn is_supported(&self, version: &str) -> bool {
        let oldest = self.knobs().oldest_version;
        number(version).is_some_and(|version| (oldest..=NEWEST).contains(&version))
    }

    fn limits(&self) -> Answer {
        let used = self
            .used_requests
            .load(std::sync::atomic::Ordering::Relaxed);
        Answer::json(json!({
            "DailyApiRequests": {"Max": ALLOCATION, "Remaining": ALLOCATION.saturating_sub(used)},
            "DailyBulkApiBatches": {"Max": 15_000, "Remaining": 15_000},
            "DataStorageMB": {"Max": 1_024, "Remaining": 1_007},
            "FileStorageMB": {"Max": 1_024, "Remaining": 1_024},
        }))
    }
}

/// The answer to a request without a live session.
pub(super) fn refusal(access: Access) -> Option<Answer> {
    let (code, message) = match access {
        Access::Live => return None,
        Access::Missing | Access::Dead => ("INVALID_SESSION_ID", "Session expired or invalid"),
        Access::Garbled => ("INVALID_AUTH_HEADER", "INVALID_HEADER_TYPE"),
    };
    let answer = Answer::error(StatusCode::UNAUTHORIZED, code, message);
    Some(answer.header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Token")))
}

/// The versions that are not retired, with the names of their releases.
fn versions(oldest: usize) -> Value {
    let versions = (oldest..=NEWEST).map(|version| {
        let season = ["Summer", "Winter", "Spring"][(version - OLDEST) % 3];
        // 31 was Summer '14, and Winter belongs to the year that it ends in.
        let year = 14 + (version - OLDEST).div_ceil(3);
        json!({
            "label": format!("{season} '{year}"),
            "url": format!("/services/data/v{version}.0"),
            "version": format!("{version}.0"),
        })
    });
    versions.collect()
}

fn number(version: &str) -> Option<usize> {
    version.strip_suffix(".0")?.parse().ok()
}

fn allowed(path: &[&str]) -> Option<&'static str> {
    Some(match path {
        [] | ["limits" | "search"] | ["query" | "queryAll", ..] => "HEAD,GET",
        ["tooling", "query" | "executeAnonymous", ..] => "HEAD,GET",
        ["parameterizedSearch"] => "HEAD,GET,POST",
        ["sobjects", _, "describe"] | ["sobjects"] => "HEAD,GET",
        ["sobjects", _] => "HEAD,GET,POST",
        ["sobjects", _, _] => "HEAD,GET,PATCH,DELETE",
        ["composite"] | ["composite", "sobjects" | "batch"] => "POST",
        _ => return None,
    })
}

fn not_allowed(method: &Method, allowed: &'static str) -> Answer {
    Answer::error(
        StatusCode::METHOD_NOT_ALLOWED,
        "METHOD_NOT_ALLOWED",
        format!("HTTP Method '{method}' not allowed. Allowed are {allowed}"),
    )
    .header(header::ALLOW, HeaderValue::from_static(allowed))
}

fn parameters(query: Option<&str>) -> Vec<(String, String)> {
    form_urlencoded::parse(query.unwrap_or_default().as_bytes())
        .into_owned()
        .collect()
}

/// `Sforce-Query-Options: batchSize=500`
fn batch_size(headers: &HeaderMap) -> Option<usize> {
    let options = headers.get("sforce-query-options")?.to_str().ok()?;
    let (name, size) = options.split_once('=')?;
    let size: usize = size.trim().parse().ok()?;
    (name.trim() == "batchSize").then(|| size.clamp(200, 2000))
}

pub(super) fn header_value(text: &str) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}

const SFORCE_LIMIT_INFO: HeaderName = HeaderName::from_static("sforce-limit-info");

/// Requests a day.
pub(super) const ALLOCATION: usize = 15_000;

/// The oldest version that Salesforce has not retired.
pub(super) const OLDEST: usize = 31;

pub(super) const NEWEST: usize = 67;
