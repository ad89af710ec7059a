//! The arguments of `request`.

use std::path::PathBuf;

use http::{HeaderName, HeaderValue, Method, header, uri::PathAndQuery};

use super::ConfigArgs;

/// The request to send.
#[derive(Debug, clap::Args)]
#[command(after_help = REQUEST_EXAMPLES)]
pub struct RequestArgs {
    /// The method, such as GET
    #[arg(value_parser = method)]
    pub method: Method,
    /// The path and its query, such as /services/data/v62.0/limits
    #[arg(value_parser = path)]
    pub path: PathAndQuery,
    /// The org, if the configuration has several
    #[arg(long, value_name = "NAME")]
    pub org: Option<String>,
    /// A header, such as 'Sforce-Query-Options: batchSize=200'; can be repeated
    #[arg(short = 'H', long = "header", value_name = "HEADER", value_parser = header)]
    pub header: Vec<(HeaderName, HeaderValue)>,
    /// The body: as given, from @FILE, or from standard input with @-
    #[arg(short, long, value_name = "DATA", allow_hyphen_values = true)]
    pub data: Option<Data>,
    /// Also print the status and headers of the response
    #[arg(short, long)]
    pub include: bool,
    /// File to write the response body to, unless it is an error; - is standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The configuration.
    #[command(flatten)]
    pub source: ConfigArgs,
}

/// The source of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// The argument itself.
    Given(String),
    /// A file of any size.
    File(PathBuf),
    /// Standard input.
    Stdin,
}

impl From<&str> for Data {
    fn from(text: &str) -> Self {
        match text.strip_prefix('@') {
            None => Self::Given(text.to_owned()),
            Some("-") => Self::Stdin,
            Some(path) => Self::File(path.into()),
        }
    }
}

fn method(text: &str) -> Result<Method, &'static str> {
    Method::from_bytes(text.to_ascii_uppercase().as_bytes())
        .map_err(|_| "expected a method such as GET or POST")
}

fn path(text: &str) -> Result<PathAndQuery, &'static str> {
    if text.contains("://") && !text.starts_with('/') {
        return Err("leave out scheme and host: requests go to the org of the configuration");
    }
    if !text.starts_with('/') {
        return Err("begin with /, as in /services/data/v62.0/limits");
    }
    text.parse()
        .map_err(|_| "percent-encode what a URL cannot contain: a space is %20")
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), &'static str> {
    let (name, value) = text
        .split_once(':')
        .ok_or("expected a header such as 'Name: value'")?;
    let name = name
        .trim()
        .parse::<HeaderName>()
        .map_err(|_| "the name before the colon is not a header name")?;
    if RESERVED.contains(&name) {
        return Err("this header is set by orgproxy itself");
    }
    let value = value
        .trim()
        .parse()
        .map_err(|_| "the value after the colon has characters that a header cannot contain")?;
    Ok((name, value))
}

/// Headers that frame the message or say whom it is for.
const RESERVED: [HeaderName; 4] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::HOST,
    header::TRANSFER_ENCODING,
];

const REQUEST_EXAMPLES: &str = "\
Examples:
  orgproxy request GET /services/data/v62.0/limits
  orgproxy request POST /services/data/v62.0/sobjects/Account \\
      -d '{\"Name\": \"Acme\"}'
  orgproxy request PATCH /services/data/v62.0/sobjects/Account/001… \\
      -d @account.json
  orgproxy request PUT /services/data/v62.0/jobs/ingest/750…/batches \\
      -H 'Content-Type: text/csv' -d @accounts.csv
  orgproxy request POST /services/Soap/u/62.0 -d @envelope.xml
  orgproxy request -o a.pdf GET \\
      /services/data/v62.0/sobjects/ContentVersion/068…/VersionData

The session is added, also to SOAP envelopes. Bodies of any size are streamed.
Content-Type is application/json or text/xml if the body looks like it and
none is given. Exits with 1 if the status is 400 or higher.";

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("/services/data/v62.0/query?q=SELECT+Id", true)]
    #[test_case("/a//b/?", true)]
    #[test_case("/?to=https://a.example", true)]
    #[test_case("services/data", false)]
    #[test_case("https://acme.my.salesforce.com/services/data", false)]
    #[test_case("/services/data/v62.0/query?q=SELECT Id", false)]
    #[test_case("", false)]
    fn paths_are_read_as_they_are(text: &str, is_path: bool) {
        match path(text) {
            Ok(path) => assert!(is_path && path.as_str() == text, "{path}"),
            Err(reason) => assert!(!is_path, "{reason}"),
        }
    }

    #[test_case("Accept: text/csv", Some(("accept", "text/csv")))]
    #[test_case("SOAPAction:", Some(("soapaction", "")))]
    #[test_case("X: a: b", Some(("x", "a: b")))]
    #[test_case("Accept", None)]
    #[test_case("A b: c", None)]
    #[test_case("A: b\nc: d", None)]
    #[test_case("host: evil.example", None)]
    #[test_case("Content-Length: 3", None)]
    fn headers_are_read(text: &str, expected: Option<(&str, &str)>) {
        let read = header(text).ok();
        let read = read
            .as_ref()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
        assert_eq!(read, expected);
    }

    #[test]
    fn a_body_is_given_or_read() {
        for (text, expected) in [
            ("{}", Data::Given("{}".to_owned())),
            ("", Data::Given(String::new())),
            ("@-", Data::Stdin),
            ("@a.json", Data::File("a.json".into())),
        ] {
            assert_eq!(Data::from(text), expected);
        }
    }
}
