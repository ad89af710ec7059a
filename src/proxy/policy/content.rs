//! The body of a request, as the org will read it.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, header, request::Parts};
use tokio::{sync::Semaphore, task};

use super::judge::{Judge, Judged};
use crate::{
    config::Policy,
    proxy::{
        coding::Coding,
        family,
        replay::{ClientFault, Replay},
    },
};

/// The reason why a body cannot be read, if the client sent it as it should.
type Read<T> = Result<Result<T, String>, ClientFault>;

/// All of a body. What was compressed goes on uncompressed, so that the org reads what was judged.
pub(super) async fn read(head: &mut Parts, body: &mut Replay) -> Read<Bytes> {
    if let Err(error) = family::check_charset(&head.headers) {
        return Ok(Err(error.to_string()));
    }
    match Coding::of(&head.headers) {
        Ok(None) => {}
        Ok(Some(coding)) => {
            head.headers.remove(header::CONTENT_ENCODING);
            body.decode(coding);
        }
        Err(coding) => {
            return Ok(Err(format!(
                "its Content-Encoding is {coding}; send it as gzip, as deflate or uncompressed"
            )));
        }
    }
    keep(body).await
}

/// The same of an envelope, which was opened before: its content type was judged then, and what was
/// compressed is no more.
pub(super) async fn keep(body: &mut Replay) -> Read<Bytes> {
    let whole = body.whole_within(MOST).await?;
    Ok(whole.ok_or_else(|| TOO_LARGE.to_owned()))
}

/// All of a body that should be in JSON.
pub(super) async fn read_json(head: &mut Parts, body: &mut Replay) -> Read<Bytes> {
    if !is_json(&head.headers) {
        return Ok(Err("its Content-Type is not application/json".to_owned()));
    }
    read(head, body).await
}

/// Has a body judged by `policy`. A large one keeps a processor busy for a while: no more than two at a
/// time, and none where the other clients are served.
///
/// # Errors
/// If that came to no end.
pub(super) async fn apart(
    policy: &Arc<Policy>,
    body: Bytes,
    judge: impl FnOnce(Judge<'_>, &[u8]) -> Judged + Send + 'static,
) -> Result<Judged, &'static str> {
    const FAILED: &str = "its body could not be looked at; try again";
    if body.len() <= SMALL {
        return Ok(judge(Judge::new(policy), &body));
    }
    let turn = TURNS.acquire().await.map_err(|_| FAILED)?;
    let policy = policy.clone();
    let judged = task::spawn_blocking(move || {
        let _turn = turn;
        judge(Judge::new(&policy), &body)
    });
    judged.await.map_err(|_| FAILED)
}

/// Returns whether the body is in JSON, or does not say what it is in.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let said = headers
        .get(header::CONTENT_TYPE)
        .map(|said| said.as_bytes());
    said.is_none_or(|said| {
        let kind = said.split(|byte| *byte == b';').next().unwrap_or_default();
        kind.trim_ascii().eq_ignore_ascii_case(b"application/json")
    })
}

/// Bytes. What is made of them takes many times as much, for as long as it is looked at.
const MOST: usize = 8 * 1024 * 1024;

/// Bytes of a body that is taken apart in no time.
const SMALL: usize = 128 * 1024;

static TURNS: Semaphore = Semaphore::const_new(2);

const TOO_LARGE: &str = "its body is too large to be looked at: it has more than 8 MiB, or more than \
                         limits.replay_bytes or limits.replay_memory have room for";
