//! Moves of the org: a rename of its My Domain, or a migration.

use http::{Response, StatusCode, header};
use url::Url;

use crate::{
    auth::Session,
    config,
    proxy::{family::Family, request::Head},
};

/// Returns whether `response` leads to another host where `org` may be now, for the same as `head`
/// asked for. Other redirects are the org's ordinary ones.
pub(super) fn leads_away<B>(
    response: &Response<B>,
    head: &Head,
    session: &Session,
    org: &config::Org,
) -> bool {
    destination(response, session)
        .is_some_and(|url| is_same(&url, head) && !is_at(&url, session) && org.may_move_to(&url))
}

fn destination<B>(response: &Response<B>, session: &Session) -> Option<Url> {
    let is_redirect = matches!(
        response.status(),
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    let location = response.headers().get(header::LOCATION)?.to_str().ok()?;
    if !is_redirect {
        return None;
    }
    let instance = Url::parse(&session.instance_url()).ok()?;
    instance.join(location).ok()
}

/// Returns whether it has the path of the request, or none: for a program that is the same thing,
/// while pages also send people to other pages.
fn is_same(url: &Url, head: &Head) -> bool {
    let path = url.path().trim_matches('/');
    path == head.path().trim_matches('/') || path.is_empty() && head.family() != Family::Page
}

fn is_at(url: &Url, session: &Session) -> bool {
    let authority = &session.authority;
    let is_host = url
        .host_str()
        .is_some_and(|host| host.eq_ignore_ascii_case(authority.host()));
    is_host && url.port_or_known_default() == Some(authority.port_u16().unwrap_or(443))
}
