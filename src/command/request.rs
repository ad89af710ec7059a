//! Sending any request to the org.

use std::{
    fs::File,
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, StatusCode, header, response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::value::RawValue;

use self::body::Upload;
use super::{
    CommandError, Ready, connection,
    failure::{self, Failure},
    json::Json,
    load,
    output::Output,
    runtime,
};
use crate::{
    cli::RequestArgs,
    command::{client::Client, connection::Streamed},
};

mod body;

pub(super) fn run(args: &RequestArgs) -> Result<ExitCode, CommandError> {
    let config = load(&args.source)?.only(args.org.as_deref())?;
    runtime()?.block_on(async {
        let upload = Upload::open(args.data.as_ref()).map_err(CommandError::Other)?;
        let request = request(args, upload);
        let ready = Ready::start(config).await?;
        let org = ready.config.org(None)?;
        let sent = async {
            let mut client = Client::start(&ready.config, org).await?;
            let (head, body) = client.stream(request).await?.into_parts();
            show(args, &head, body).await
        };
        match sent.await {
            Ok(()) => Ok(ExitCode::SUCCESS),
            Err(failure) => failure.into_result(),
        }
    })
}

fn request(args: &RequestArgs, upload: Upload) -> Request<Streamed> {
    let mut headers = HeaderMap::new();
    if let Some(length) = upload.length {
        headers.insert(header::CONTENT_LENGTH, length.into());
    }
    match upload.first_character() {
        Some(b'{' | b'[') => {
            headers.insert(header::CONTENT_TYPE, JSON);
        }
        Some(b'<') => {
            headers.insert(header::CONTENT_TYPE, XML);
        }
        _ => {}
    }
    if args
        .path
        .path()
        .to_ascii_lowercase()
        .starts_with("/services/soap/")
    {
        // SOAP 1.1 section 6.1.1 requires it; nobody reads the value.
        headers.insert("soapaction", HeaderValue::from_static("\"\""));
    }
    // The headers that are given replace these, and may be repeated.
    for (name, _) in &args.header {
        headers.remove(name);
    }
    for (name, value) in &args.header {
        headers.append(name, value.clone());
    }
    let mut request = Request::new(upload.body);
    *request.method_mut() = args.method.clone();
    *request.uri_mut() = args.path.clone().into();
    *request.headers_mut() = headers;
    request
}

/// Prints the response, and reports an error.
async fn show(args: &RequestArgs, head: &response::Parts, body: Incoming) -> Result<(), Failure> {
    let output = Output::new();
    if args.include {
        output.write(&written(head))?;
    }
    if is_error(head.status) {
        let start = match print(body, head, &output).await {
            // Who has read enough still learns that it was an error.
            Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                BytesMut::new()
            }
            printed => printed?,
        };
        return Err(Failure::Refused(summary(head, &start)));
    }
    match args
        .output
        .as_deref()
        .filter(|path| *path != Path::new("-"))
    {
        Some(path) => save(body, path).await,
        None => print(body, head, &output).await.map(drop),
    }
}

fn is_error(status: StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
}

/// The status, and the reason if the proxy refused. The org's own message has been printed.
fn summary(head: &response::Parts, body: &[u8]) -> String {
    if connection::is_from_orgproxy(&head.headers) {
        failure::reason(head.status, &head.headers, body)
    } else {
        format!("the org answered {}", head.status)
    }
}

/// The head as it is on the wire.
fn written(head: &response::Parts) -> Vec<u8> {
    let mut text = format!("{:?} {}\n", head.version, head.status).into_bytes();
    for (name, value) in &head.headers {
        text.extend(name.as_str().bytes());
        text.extend(b": ");
        text.extend(value.as_bytes());
        text.push(b'\n');
    }
    text.push(b'\n');
    text
}

/// Prints a body, and returns its beginning.
async fn print(
    mut body: Incoming,
    head: &response::Parts,
    output: &Output,
) -> Result<BytesMut, Failure> {
    let mut start = BytesMut::new();
    while let Some(data) = piece(&mut body).await? {
        let most = if output.is_terminal() {
            MOST_ON_A_TERMINAL
        } else {
            MOST_OF_AN_ERROR
        };
        start.extend_from_slice(&data[..data.len().min(most.saturating_sub(start.len()))]);
        if !output.is_terminal() {
            output.write(&data)?;
        } else if start.len() == most || data.contains(&0) {
            return Err(Failure::Refused(
                "the response is too large or binary, so it is not printed to a terminal; name a \
                 file for it with -o"
                    .to_owned(),
            ));
        }
    }
    if output.is_terminal() {
        output.write(&for_people(head, &start))?;
    }
    Ok(start)
}

/// The body, indented if it is JSON, with a newline at the end.
fn for_people(head: &response::Parts, body: &[u8]) -> Vec<u8> {
    let content_type = head.headers.get(header::CONTENT_TYPE);
    let is_json =
        content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/json"));
    let raw = if is_json {
        serde_json::from_slice::<&RawValue>(body).ok()
    } else {
        None
    };
    let indented = raw.and_then(|raw| serde_json::to_vec_pretty(&Json::new(raw)).ok());
    let mut text = indented.unwrap_or_else(|| body.to_vec());
    if text.last().is_some_and(|last| *last != b'\n') {
        text.push(b'\n');
    }
    text
}

async fn save(mut body: Incoming, path: &Path) -> Result<(), Failure> {
    let failed =
        |error| Failure::Refused(format!("{}: cannot be written: {error}", path.display()));
    let mut file = File::create(path).map_err(failed)?;
    while let Some(data) = piece(&mut body).await? {
        file.write_all(&data).map_err(failed)?;
    }
    Ok(())
}

async fn piece(body: &mut Incoming) -> Result<Option<Bytes>, hyper::Error> {
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const XML: HeaderValue = HeaderValue::from_static("text/xml; charset=utf-8");

/// Bytes of an error's body that are read for its reason.
const MOST_OF_AN_ERROR: usize = 64 * 1024;

/// Bytes that somebody may want to see at once.
const MOST_ON_A_TERMINAL: usize = 16 * 1024 * 1024;
