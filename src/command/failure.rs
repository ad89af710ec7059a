//! Errors in responses, put into words for a person.

use std::{io, process::ExitCode};

use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::{
    CommandError,
    client::ClientError,
    connection::{is_from_orgproxy, marks},
    output::escape,
};

/// The reason that a command which asks the org ends before all is printed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("the response broke off: {0}")]
    BrokeOff(#[from] hyper::Error),
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
    /// The reason that the org, or the proxy, gives.
    #[error("{0}")]
    Refused(String),
}

impl Failure {
    /// The end of the command. A closed pipe is not a failure: `| head` has had enough.
    pub(super) fn into_result(self) -> Result<ExitCode, CommandError> {
        match self {
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                Ok(ExitCode::SUCCESS)
            }
            other => Err(CommandError::Other(escape(&other.to_string()).into_owned())),
        }
    }
}

/// The errors in a response, a line each, with their codes. If it has none of Salesforce's shapes,
/// the status.
pub(super) fn reason(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let mut reason = match serde_json::from_slice::<Vec<Problem>>(body) {
        Ok(problems) if !problems.is_empty() => {
            let problems: Vec<_> = problems.iter().map(Problem::text).collect();
            problems.join("\n")
        }
        _ => match element(&text, "faultstring").or_else(|| element(&text, "exceptionMessage")) {
            Some(message) => without_name(&message),
            // The proxy's own errors are plain text for pages.
            None if is_from_orgproxy(headers) && !text.is_empty() => without_name(text.trim_end()),
            None => format!("the response is {status}"),
        },
    };
    if is_from_orgproxy(headers) && needs_doctor(headers) {
        reason.push_str("\nrun `orgproxy doctor` to see what is wrong");
    }
    reason
}

/// An error in the form of the REST API.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Problem {
    message: String,
    error_code: String,
    #[serde(default)]
    fields: Vec<String>,
}

impl Problem {
    /// A message of several lines begins on a line of its own: that of a query counts columns to
    /// show where it is wrong.
    fn text(&self) -> String {
        let Self {
            message,
            error_code,
            fields,
        } = self;
        let message = without_name(message);
        let message = message.trim_end();
        let gap = match message.strip_prefix('\n') {
            Some(_) => "",
            None if message.contains('\n') => "\n",
            None => " ",
        };
        let fields = if fields.is_empty() {
            String::new()
        } else {
            format!(" (fields: {})", fields.join(", "))
        };
        format!("{error_code}:{gap}{message}{fields}")
    }
}

/// The proxy's name is printed anyway.
fn without_name(message: &str) -> String {
    message.replacen("orgproxy: ", "", 1)
}

/// Returns whether it is about the way to the org, which is what the doctor knows about.
fn needs_doctor(headers: &HeaderMap) -> bool {
    ["LOGIN_", "ORG_UNREACHABLE", "ORG_TIMED_OUT"]
        .iter()
        .any(|code| marks(headers).contains(&format!("details=\"{code}")))
}

/// The text of the first element of this name, in whatever namespace.
fn element(xml: &str, name: &str) -> Option<String> {
    let mut rest = xml;
    while let Some((_, after)) = rest.split_once('<') {
        let (tag, after) = after.split_once('>')?;
        let local = tag.split([' ', '\n']).next()?.rsplit(':').next()?;
        if local == name {
            let (text, _) = after.split_once('<')?;
            return Some(quick_xml::escape::unescape(text).ok()?.into_owned());
        }
        rest = after;
    }
    None
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use test_case::test_case;

    use super::*;

    const SOQL: &str = r#"[{"message":"\nSELEC Id\n^\nERROR at Row:1:Column:1\nunexpected token: 'SELEC'","errorCode":"MALFORMED_QUERY"}]"#;

    #[test_case(SOQL, "MALFORMED_QUERY:\nSELEC Id\n^\nERROR at Row:1:Column:1\nunexpected token: 'SELEC'"; "several lines")]
    #[test_case(r#"[{"message":"orgproxy: a","errorCode":"A"},{"message":"b","errorCode":"B","fields":["X","Y"]}]"#, "A: a\nB: b (fields: X, Y)"; "several errors")]
    #[test_case("<f:Fault><faultcode>c</faultcode><faultstring>C: orgproxy: a &lt;b&gt;</faultstring></f:Fault>", "C: a <b>"; "SOAP")]
    #[test_case("<error xmlns='x'><exceptionCode>C</exceptionCode><exceptionMessage>no job</exceptionMessage></error>", "no job"; "Bulk 1")]
    #[test_case("<html>down</html>", "the response is 400 Bad Request"; "a page")]
    #[test_case("[]", "the response is 400 Bad Request"; "no error")]
    #[test_case("", "the response is 400 Bad Request"; "nothing")]
    fn each_shape_has_its_reason(body: &str, expected: &str) {
        let status = StatusCode::BAD_REQUEST;
        assert_eq!(reason(status, &HeaderMap::new(), body.as_bytes()), expected);
    }

    #[test]
    fn a_failed_login_leads_to_the_doctor() {
        let body = br#"[{"message":"orgproxy: cannot log in: x","errorCode":"LOGIN_REFUSED"}]"#;
        let mut headers = HeaderMap::new();
        let ours = "orgproxy; error=proxy_configuration_error; details=\"LOGIN_REFUSED\"";
        headers.insert("proxy-status", HeaderValue::from_static(ours));
        let text = reason(StatusCode::BAD_GATEWAY, &headers, body);
        let (first, second) = text.split_once('\n').unwrap();
        assert_eq!(first, "LOGIN_REFUSED: cannot log in: x");
        assert!(second.contains("orgproxy doctor"));
    }
}
