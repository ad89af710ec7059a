//! `/`: a page that shows people how it is, and goes on showing it.
//!
//! The server renders it in parts, once a second for all who look, and sends those that changed to
//! each by `/events`. All text in it passes through the templates, which escape it.

use std::{
    convert::Infallible,
    sync::{Arc, LazyLock},
};

use askama::Template;
use aws_lc_rs::digest::{SHA256, digest};
use axum::{
    Router,
    body::Body,
    extract::State,
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use base64ct::{Base64, Encoding};
use futures_util::StreamExt;

pub(super) use self::live::Live;
use self::live::Part;

mod budget;
mod callers;
mod live;
mod plot;
mod radar;
mod requests;
mod session;
mod snapshot;
mod summary;
mod top;
mod traffic;
mod words;

/// The paths of the page.
pub(super) fn routes(live: Arc<Live>) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/events", get(events))
        .with_state(live)
}

/// The document that the parts are in.
#[derive(Template)]
#[template(path = "page.html", config = "src/server/admin/dashboard/askama.toml")]
struct Page<'a> {
    style: &'static str,
    script: &'static str,
    icon: &'static str,
    shape: &'a str,
    orgs: &'a [String],
    parts: &'a [Part],
}

impl Page<'_> {
    /// The part of this name, which is HTML.
    fn part(&self, name: &str) -> &str {
        let part = self.parts.iter().find(|part| part.name == name);
        part.map_or("", |part| &part.html)
    }

    fn part_of(&self, name: &str, org: &usize) -> &str {
        self.part(&format!("{name}-{org}"))
    }
}

async fn page(State(live): State<Arc<Live>>) -> Response {
    let frame = live.frame();
    let page = Page {
        style: STYLE,
        script: SCRIPT,
        icon: ICON,
        shape: &live.shape(),
        orgs: &live.orgs(),
        parts: &frame.parts,
    };
    match page.render() {
        Ok(html) => ([(header::CONTENT_SECURITY_POLICY, &**POLICY)], Html(html)).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn events(State(live): State<Arc<Live>>) -> Response {
    let Some(events) = live.events() else {
        let reason = "orgproxy: too many dashboards are open; close one\n";
        return (StatusCode::SERVICE_UNAVAILABLE, reason).into_response();
    };
    let body = Body::from_stream(events.map(Ok::<_, Infallible>));
    ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response()
}

/// The name by which a Content-Security-Policy admits `text`.
fn hash(text: &str) -> String {
    let digest = digest(&SHA256, text.as_bytes());
    format!("sha256-{}", Base64::encode_string(digest.as_ref()))
}

/// Nothing of others, and of its own just what is in this program.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash(SCRIPT),
        hash(STYLE),
    )
});

const STYLE: &str = include_str!("dashboard/style.css");
const SCRIPT: &str = include_str!("dashboard/script.js");

/// Without one, browsers ask for a file.
const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect width='16' height='16' rx='4' fill='%230b6bcb'/%3E%3Cpath d='M3 11l3-4 3 2 4-5' fill='none' stroke='white' stroke-width='2'/%3E%3C/svg%3E";
