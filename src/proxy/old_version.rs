//! Requests of versions of the APIs that Salesforce has retired, sent at the least one that the org
//! still serves: `minimum_api_version`.

use http::{Uri, request::Parts, uri::PathAndQuery};

use crate::{
    proxy::{
        error::Error,
        exchange::Exchange,
        path,
        refusal::Refusal,
        replay::Replay,
        target::{Api, Target},
    },
    salesforce::ApiVersion,
};

pub(crate) use self::subrequests::Why;

mod subrequests;

/// Has a request ask for `least` where it, or a request within it, names an older version. Nothing
/// else of it changes.
///
/// # Errors
/// If it cannot be told for sure which version it names: it is then not sent at all, because one
/// half of it might be carried out and the other refused.
pub(crate) async fn raise(
    least: ApiVersion,
    head: &mut Parts,
    body: &mut Replay,
    exchange: &Exchange,
) -> Result<(), Error> {
    // Few can have requests within them.
    if raise_path(least, head, exchange)?
        && let Some(from) = Box::pin(subrequests::raise(least, head, body)).await?
    {
        exchange.is_raised(from, least);
    }
    Ok(())
}

/// Raises the version in the path. Returns whether the body may hold requests.
fn raise_path(least: ApiVersion, head: &mut Parts, exchange: &Exchange) -> Result<bool, Refusal> {
    let path = head.uri.path().as_bytes();
    let resolved = path::resolved(path);
    let asked = Target::parse(&resolved);
    let holds_requests = asked.api == Api::Rest && subrequests::are_in(&asked, &resolved);
    let version = asked.api_version();
    let is_older = |version: &ApiVersion| *version < least;
    let hidden = || Target::parse(&stems(&resolved)).api_version();
    if version.is_none() && hidden().is_some_and(|version| is_older(&version)) {
        return Err(Refusal::DisguisedVersion);
    }
    let Some(from) = version.filter(is_older) else {
        return Ok(holds_requests);
    };
    let written = Target::parse(path);
    let is_plain = written.api == asked.api && written.version == asked.version;
    let change = written.at(path, least).filter(|_| is_plain);
    let (at, text) = change.ok_or(Refusal::DisguisedVersion)?;
    let target = head.uri.path_and_query().map_or("", PathAndQuery::as_str);
    let mut target = target.to_owned();
    target.replace_range(at, &text);
    head.uri = with_target(&head.uri, &target)?;
    exchange.is_raised(from, least);
    Ok(holds_requests)
}

/// `path` as servers see it that cut formats, dots and blanks off its words.
fn stems(path: &[u8]) -> Vec<u8> {
    let stems: Vec<_> = path::words(path).map(path::stem).collect();
    stems.join(&b'/')
}

/// `uri` with another path and query.
fn with_target(uri: &Uri, target: &str) -> Result<Uri, Refusal> {
    let mut parts = uri.clone().into_parts();
    // Another number in it can only have made it too long.
    let too_long = |_| Refusal::LongTarget(LONGEST);
    parts.path_and_query = Some(target.parse().map_err(too_long)?);
    Uri::from_parts(parts).map_err(|_| Refusal::LongTarget(LONGEST))
}

/// Bytes of a path with its query, for the library that has them.
const LONGEST: usize = 65_534;
