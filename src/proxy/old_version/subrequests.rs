//! Requests within a request: those of Composite, Composite Batch and Composite Graph, whose URLs
//! name versions of their own
//! ([Composite Batch](https://developer.salesforce.com/docs/platform/api-rest/guide/resources-composite-batch.html)).

use std::ops::Range;

use http::{Method, header, request::Parts};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::stems;
use crate::{
    proxy::{
        coding::Coding,
        error::Error,
        path::{self, is_alike},
        refusal::Refusal,
        replay::Replay,
        target::Target,
        upstream,
    },
    salesforce::ApiVersion,
};

/// Returns whether the body of a request for `path`, which `target` was read from, may hold requests.
pub(super) fn are_in(target: &Target<'_>, path: &[u8]) -> bool {
    let mut words = target.below(path).peekable();
    words.next_if(|word| is_alike(Some(word), b"tooling"));
    let (first, second, third) = (words.next(), words.next(), words.next());
    let is_second = |word: &[u8]| is_alike(second, word);
    let is_known = if is_alike(first, b"connect") {
        is_second(b"batch")
    } else {
        let is_composite = is_alike(first, b"composite");
        is_composite && (second.is_none() || is_second(b"batch") || is_second(b"graph"))
    };
    is_known && third.is_none()
}

/// Has the requests within a body ask for `least` where they name an older version. Returns the
/// oldest that they name, if it is older.
///
/// # Errors
/// If the body cannot be kept whole, or not be understood.
pub(super) async fn raise(
    least: ApiVersion,
    head: &mut Parts,
    body: &mut Replay,
) -> Result<Option<ApiVersion>, Error> {
    if head.method != Method::POST {
        return Ok(None);
    }
    let coding = Coding::of(&head.headers).map_err(|_| Refusal::OldVersions(Why::Coding))?;
    if let Some(coding) = coding {
        body.decode(coding);
    }
    let whole = body.whole().await.map_err(upstream::Error::Client)?;
    let whole = whole.ok_or(Refusal::OldVersions(Why::TooLarge))?;
    let edits = edits(&whole, least).map_err(Refusal::OldVersions)?;
    if !edits.is_empty() || coding.is_some() {
        // What is compressed goes on uncompressed.
        head.headers.remove(header::CONTENT_ENCODING);
        body.replace(changed(&whole, &edits).into());
    }
    Ok(edits.iter().map(|edit| edit.from).min())
}

/// A version in a body, and what stands for it.
#[derive(Debug)]
struct Edit {
    from: ApiVersion,
    at: Range<usize>,
    text: String,
}

/// The reason why old versions in a body cannot be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Why {
    #[error("it is larger than what is kept of a body (limits.replay_bytes, limits.replay_memory)")]
    TooLarge,
    #[error("it is compressed in a way that is not known here: send it as it is, or use gzip")]
    Coding,
    #[error("it is in XML: send JSON")]
    Xml,
    #[error("it is not well-formed JSON in UTF-8, or has the same key twice")]
    Malformed,
    #[error("a version in it is written in an unusual way: write it plainly")]
    Disguised,
    #[error("a URL in it has a path of more than 16 KiB")]
    LongPath,
}

/// The changes to `body` so that it names no version that is older than `least`.
fn edits(body: &[u8], least: ApiVersion) -> Result<Vec<Edit>, Why> {
    // Everything that matters is ASCII, in whatever encoding the rest is, and keeps its place.
    let text: String = body
        .iter()
        .map(|byte| if byte.is_ascii() { *byte as char } else { 'x' })
        .collect();
    let text = text.trim_start_matches('x');
    let mark = body.len() - text.len();
    let mut edits = Vec::new();
    match text.trim_start().as_bytes().first() {
        Some(b'<') if names_older(text, least) => return Err(Why::Xml),
        Some(b'{') => match Requests::read(text) {
            Some(requests) => requests.edits(text, least, MOST_NESTED, &mut edits)?,
            None if names_older(text, least) => return Err(Why::Malformed),
            None => {}
        },
        // The org says what it thinks of it.
        _ if names_older(text, least) => return Err(Why::Malformed),
        _ => {}
    }
    for edit in &mut edits {
        edit.at = edit.at.start + mark..edit.at.end + mark;
    }
    Ok(edits)
}

/// Returns whether any word in `text` may be a version that is older than `least`: also where it is
/// not understood.
fn names_older(text: &str, least: ApiVersion) -> bool {
    let is_older = |word: &str| {
        ApiVersion::parse(word.as_bytes()).is_some_and(|version| version < least)
            && word.starts_with(['v', 'V'])
            && word.contains('.')
    };
    let mut words = text.split(|c: char| c != '.' && !c.is_ascii_alphanumeric());
    // UTF-16 has a zero before or after each of these.
    text.contains('\0') || words.any(is_older)
}

/// The requests in a body.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Requests<'a> {
    #[serde(borrow)]
    composite_request: Option<Vec<Subrequest<'a>>>,
    #[serde(borrow)]
    batch_requests: Option<Vec<Subrequest<'a>>>,
    #[serde(borrow)]
    graphs: Option<Vec<Self>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Subrequest<'a> {
    #[serde(borrow)]
    url: Option<&'a RawValue>,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
    #[serde(borrow)]
    rich_input: Option<&'a RawValue>,
}

impl<'a> Requests<'a> {
    fn read(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Adds the changes within these requests, which are part of `text`, and within those in them.
    fn edits(
        &self,
        text: &str,
        least: ApiVersion,
        depth: usize,
        edits: &mut Vec<Edit>,
    ) -> Result<(), Why> {
        let own = [&self.composite_request, &self.batch_requests];
        for request in own.into_iter().flatten().flatten() {
            request.edits(text, least, depth, edits)?;
        }
        for graph in self.graphs.iter().flatten() {
            graph.edits(text, least, depth, edits)?;
        }
        Ok(())
    }
}

impl Subrequest<'_> {
    fn edits(
        &self,
        text: &str,
        least: ApiVersion,
        depth: usize,
        edits: &mut Vec<Edit>,
    ) -> Result<(), Why> {
        let Some(written) = self.url.map(RawValue::get) else {
            return Ok(());
        };
        let Ok(url) = serde_json::from_str::<String>(written) else {
            return Ok(());
        };
        let own = path_of(&url);
        if own.len() > path::LONGEST_WITHIN {
            return Err(Why::LongPath);
        }
        let resolved = path::resolved(own.as_bytes());
        let asked = Target::parse_within(&resolved);
        let version = asked.api_version();
        if let Some(from) = version.filter(|version| *version < least) {
            edits.push(edit(text, written, &asked, from, least).ok_or(Why::Disguised)?);
        }
        let hidden = || Target::parse_within(&stems(&resolved)).api_version();
        if version.is_none() && hidden().is_some_and(|version| version < least) {
            return Err(Why::Disguised);
        }
        if !are_in(&asked, &resolved) {
            return Ok(());
        }
        for body in [self.body, self.rich_input].into_iter().flatten() {
            match Requests::read(body.get()).filter(|_| depth > 0) {
                Some(requests) => requests.edits(text, least, depth - 1, edits)?,
                None if names_older(body.get(), least) => return Err(Why::Malformed),
                None => {}
            }
        }
        Ok(())
    }
}

/// The change to `written`, the literal of a URL in `text`, which means `asked`.
fn edit(
    text: &str,
    written: &str,
    asked: &Target<'_>,
    from: ApiVersion,
    least: ApiVersion,
) -> Option<Edit> {
    // Its slashes may be escaped, which separates words as well.
    let literal = path_of(written.strip_prefix('"')?.strip_suffix('"')?).as_bytes();
    let target = Target::parse_within(literal);
    let (at, new) = target.at(literal, least)?;
    let start = literal.as_ptr().addr().checked_sub(text.as_ptr().addr())?;
    (target.version == asked.version).then(|| Edit {
        from,
        at: start + at.start..start + at.end,
        text: new,
    })
}

fn path_of(url: &str) -> &str {
    url.split('?').next().unwrap_or(url)
}

/// `body` with all `edits`, in whatever order they are.
fn changed(body: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut edits: Vec<_> = edits.iter().collect();
    edits.sort_unstable_by_key(|edit| edit.at.start);
    let mut changed = Vec::with_capacity(body.len() + 2 * edits.len());
    let mut rest = 0;
    for edit in edits {
        changed.extend_from_slice(&body[rest..edit.at.start]);
        changed.extend_from_slice(edit.text.as_bytes());
        rest = edit.at.end;
    }
    changed.extend_from_slice(&body[rest..]);
    changed
}

/// Requests within requests within requests: more than the org takes.
const MOST_NESTED: usize = 3;

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("v20.0%20"; "a blank behind it")]
    #[test_case("%20v20.0"; "a blank before it")]
    #[test_case("v20.0%2e"; "a dot")]
    #[test_case("v20.0.json"; "a format")]
    fn a_version_that_may_be_an_older_one_is_refused(version: &str) {
        for url in [
            format!("/services/data/{version}/limits"),
            format!("{version}/limits"),
        ] {
            let body = format!(r#"{{"batchRequests":[{{"url":"{url}"}}]}}"#);
            assert_eq!(raised(&body), Err(Why::Disguised), "{url}");
            let newer = body.replace("20.0", "62.0");
            assert_eq!(raised(&newer).as_deref(), Ok(&*newer));
        }
    }

    fn raised(body: &str) -> Result<String, Why> {
        let edits = edits(body.as_bytes(), ApiVersion::new(41))?;
        Ok(String::from_utf8(changed(body.as_bytes(), &edits)).unwrap())
    }

    #[test_case(
        r#"{"compositeRequest":[{"method":"GET","url":"/services/data/v38.0/query?q=SELECT+Id","referenceId":"v38.0"}]}"#,
        r#"{"compositeRequest":[{"method":"GET","url":"/services/data/v41.0/query?q=SELECT+Id","referenceId":"v38.0"}]}"#;
        "composite")]
    #[test_case(
        r#"{"batchRequests":[{"url":"v34.0/limits"},{"url":"v7.0/x"},{"url":"v62.0/limits"}]}"#,
        r#"{"batchRequests":[{"url":"v41.0/limits"},{"url":"v41.0/x"},{"url":"v62.0/limits"}]}"#;
        "batch")]
    #[test_case(
        r#"{"graphs":[{"graphId":"a","compositeRequest":[{"url":"/services/data/v40.0/x"}]}]}"#,
        r#"{"graphs":[{"graphId":"a","compositeRequest":[{"url":"/services/data/v41.0/x"}]}]}"#;
        "graph")]
    #[test_case(
        "{ \"batchRequests\" : [ { \"url\" : \"\\/services\\/data\\/v34.0\\/limits\" } ] }\n",
        "{ \"batchRequests\" : [ { \"url\" : \"\\/services\\/data\\/v41.0\\/limits\" } ] }\n";
        "escaped slashes, as PHP writes them")]
    #[test_case(
        "\u{feff}{\"a\":\"Zürich v20.0\",\"batchRequests\":[{\"richInput\":{\"url\":\"v20.0/é\"},\"url\":\"v20.0/é\"}]}",
        "\u{feff}{\"a\":\"Zürich v20.0\",\"batchRequests\":[{\"richInput\":{\"url\":\"v20.0/é\"},\"url\":\"v41.0/é\"}]}";
        "nothing but the URL, whatever the letters around it")]
    #[test_case(
        r#"{"compositeRequest":[{"url":"/services/data/v38.0/composite/batch","body":{"batchRequests":[{"url":"v34.0/a"}]}},{"url":"/services/data/v62.0/composite","body":{"compositeRequest":[{"url":"/services/data/v38.0/a"}]}}]}"#,
        r#"{"compositeRequest":[{"url":"/services/data/v41.0/composite/batch","body":{"batchRequests":[{"url":"v41.0/a"}]}},{"url":"/services/data/v62.0/composite","body":{"compositeRequest":[{"url":"/services/data/v41.0/a"}]}}]}"#;
        "requests within requests")]
    #[test_case(
        r#"{"compositeRequest":[{"url":"/services/data/v50.0/sobjects/X","body":{"compositeRequest":[{"url":"/services/data/v38.0/a"}]}}]}"#,
        r#"{"compositeRequest":[{"url":"/services/data/v50.0/sobjects/X","body":{"compositeRequest":[{"url":"/services/data/v38.0/a"}]}}]}"#;
        "what is data is data")]
    #[test_case("{}", "{}"; "no requests")]
    #[test_case("", ""; "nothing")]
    #[test_case("{\"batchRequests\":[{\"url\":", "{\"batchRequests\":[{\"url\":"; "what the org will refuse")]
    #[test_case("<batch><url>v62.0/limits</url></batch>", "<batch><url>v62.0/limits</url></batch>"; "new versions in XML")]
    fn old_versions_in_urls_change_and_nothing_else_does(body: &str, expected: &str) {
        assert_eq!(raised(body).as_deref(), Ok(expected));
    }

    #[test_case("<batch><url>v34.0/limits</url></batch>", Why::Xml; "XML")]
    #[test_case(r#"{"batchRequests":[{"url":"v34.0/a","url":"v62.0/a"}]}"#, Why::Malformed; "a URL twice")]
    #[test_case(r#"{"batchRequests":[{"url":"v34.0/a"}],}"#, Why::Malformed; "a comma too many")]
    #[test_case("// note\n{\"batchRequests\":[{\"url\":\"v34.0/a\"}]}", Why::Malformed; "a comment")]
    #[test_case(r#"{"batchRequests":[{"url":"v34\u002e0/a"}]}"#, Why::Disguised; "an escape")]
    #[test_case(r#"{"batchRequests":[{"url":"v34%2E0/a"}]}"#, Why::Disguised; "an encoded point")]
    #[test_case(r#"{"compositeRequest":[{"url":"/services/data/%7638.0/a"}]}"#, Why::Disguised; "an encoded letter")]
    fn what_cannot_be_changed_for_sure_is_not_sent(body: &str, why: Why) {
        assert_eq!(raised(body), Err(why));
    }

    #[test_case(16 * 1024, true)]
    #[test_case(16 * 1024 + 1, false)]
    fn no_longer_path_is_looked_at_than_salesforce_takes(length: usize, is_sent: bool) {
        let path = format!("v62.0/{}", "a".repeat(length - 6));
        let body = format!(r#"{{"batchRequests":[{{"url":"{path}?{path}"}}]}}"#);
        let found = raised(&body);
        assert_eq!(
            found,
            if is_sent {
                Ok(body)
            } else {
                Err(Why::LongPath)
            }
        );
    }

    #[test]
    fn a_body_in_utf_16_is_not_sent() {
        let text = r#"{"batchRequests":[{"url":"v34.0/a"}]}"#;
        let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(
            edits(&bytes, ApiVersion::new(41)).unwrap_err(),
            Why::Malformed
        );
    }

    #[test]
    fn requests_are_nested_without_end_in_vain() {
        let mut body = r#"{"compositeRequest":[{"url":"/services/data/v38.0/a"}]}"#.to_owned();
        for _ in 0..20 {
            body = format!(
                r#"{{"compositeRequest":[{{"url":"/services/data/v50.0/composite","body":{body}}}]}}"#
            );
        }
        assert_eq!(raised(&body), Err(Why::Malformed));
    }

    #[test]
    fn requests_are_in_few_places() {
        for (path, expected) in [
            ("/services/data/v38.0/composite", true),
            ("/services/data/v38.0/composite/", true),
            ("//services/DATA/v34.0//Composite/Batch", true),
            ("/services/data/v50.0/composite/graph", true),
            ("/services/data/v50.0/composite.json", true),
            ("/services/data/v40.0/tooling/composite", true),
            ("/services/data/v40.0/tooling/composite/batch.json", true),
            ("/services/data/v36.0/connect/batch", true),
            ("/services/data/v36.0/connect", false),
            ("/services/data/v36.0/connect/graph", false),
            ("/services/data/v36.0/tooling/tooling/composite", false),
            ("/services/data/v42.0/composite/sobjects", false),
            ("/services/data/v42.0/composite/tree/Account", false),
            ("/services/data/v42.0/query", false),
        ] {
            let target = Target::parse(path.as_bytes());
            assert_eq!(are_in(&target, path.as_bytes()), expected, "{path}");
        }
    }
}
