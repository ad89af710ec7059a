//! The dashboard, as far as no browser is needed for it.

use std::{net::SocketAddr, time::Duration};

use base64ct::{Base64, Encoding};
use orgproxy::demo::Refusal;
use serde_json::Value;
use tokio::{
    io::AsyncReadExt,
    time::{Instant, timeout},
};

use crate::{
    admin::{get, with_admin},
    support::{Org, PATIENCE, Proxy, Raw, answer::Answer, in_time, proxy::client},
};

const LIMITS: &str = "/services/data/v62.0/limits";

const LOGIN: &str = r#"<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" xmlns="urn:partner.soap.sforce.com"><e:Body><login><username>a</username><password>b</password></login></e:Body></e:Envelope>"#;

#[tokio::test]
async fn nothing_but_what_the_page_is_made_of_may_run_or_load() {
    let org = Org::start().await.unwrap();
    let proxy = with_admin(&org, |_| {}).await;
    let page = get(proxy.admin(), "/").await;
    assert_eq!(page.status, 200);
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    let policy = page.header("content-security-policy").unwrap();
    let directives: Vec<_> = policy.split("; ").collect();
    assert_eq!(directives[0], "default-src 'none'");
    for (name, tag) in [("script-src", "script"), ("style-src", "style")] {
        let [(_, text)] = inside(&page.body, tag)[..] else {
            panic!("not one <{tag}>");
        };
        // The head is in lower case here.
        let expected = format!("{name} 'sha256-{}'", sha256(text)).to_lowercase();
        assert!(directives.contains(&&*expected), "{expected}: {policy}");
    }
    for rule in ["base-uri", "form-action", "frame-ancestors"] {
        assert!(policy.contains(&format!("{rule} 'none'")), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    // None of these would work.
    for odd in [
        " style=",
        " onclick=",
        " onload=",
        "<link rel=\"stylesheet\"",
        " src=",
    ] {
        assert!(!page.body.contains(odd), "{odd}");
    }
}

#[tokio::test]
async fn the_page_says_who_uses_up_the_limit_and_what_breaks_in_summer_27() {
    let org = Org::start().await.unwrap();
    let proxy = with_admin(&org, |_| {}).await;
    for _ in 0..3 {
        ask_as(&proxy, "nightly-etl/2.1", LIMITS).await;
    }
    ask_as(&proxy, "curl/8.5.0", LIMITS).await;
    let login = client()
        .post(proxy.url("/services/Soap/u/58.0"))
        .header("user-agent", "old-sync/1.0")
        .header("content-type", "text/xml")
        .header("soapaction", "login")
        .body(LOGIN)
        .send();
    login.await.unwrap().bytes().await.unwrap();
    let text = page_with(&proxy, "old-sync/1.0 uses").await;
    for words in [
        "ua:nightly-etl/2.1 uses most: ",
        "Breaks in Summer '27: SOAP login(), which ua:old-sync/1.0 uses.",
        "in 24 hours are used",
        "logged in",
        "GET /services/data/v62.0/limits",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[tokio::test]
async fn a_refused_login_is_shown_with_what_is_wrong_and_what_to_do() {
    let org = Org::start().await.unwrap();
    let proxy = with_admin(&org, |_| {}).await;
    org.set(|knobs| knobs.refusal = Refusal::named("user-not-approved"));
    assert_eq!(proxy.get(LIMITS).await.status(), 502);
    let text = page_with(&proxy, "LOGIN_REFUSED").await;
    for words in [
        "login failed",
        "What is wrong: the user is not pre-authorized for the app",
        "What to do: pre-authorize the user",
        "not ready",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[tokio::test]
async fn what_clients_choose_is_text_and_no_session_is_in_it() {
    let org = Org::start().await.unwrap();
    let proxy = with_admin(&org, |_| {}).await;
    let session = "00DAc00000xyzAB!AQcanary";
    for (path, agent) in [
        (
            "<script>alert(1)</script>\"'",
            "\"><script>alert(2)</script>",
        ),
        (session, session),
    ] {
        let mut raw = proxy.connect().await;
        raw.send(format!(
            "GET /services/data/v62.0/{path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: {agent}\r\n\
             Connection: close\r\n\r\n"
        ))
        .await;
        raw.rest().await;
    }
    let html = html_with(&proxy, "/v62.0/[session]").await;
    assert!(html.contains("&#34;&#62;&#60;script&#62;alert"), "{html}");
    assert_eq!(html.matches("<script").count(), 1, "{html}");
    assert!(!html.contains("canary"), "{html}");
    let mut viewer = Viewer::open(proxy.admin()).await;
    viewer.part_with("requests", "[session]").await;
    viewer.part_with("callers-0", "API limit").await;
    assert!(!viewer.heard.contains("canary") && !viewer.heard.contains("<script"));
}

#[tokio::test]
async fn what_changes_is_sent_to_all_who_look_and_nothing_else() {
    let org = Org::start().await.unwrap();
    let proxy = with_admin(&org, |_| {}).await;
    let mut viewers = Vec::new();
    for _ in 0..100 {
        viewers.push(Viewer::open(proxy.admin()).await);
    }
    let refused = get(proxy.admin(), "/events").await;
    assert_eq!(refused.status, 503, "{refused:?}");
    // The page itself is still there.
    assert_eq!(get(proxy.admin(), "/").await.status, 200);

    ask_as(&proxy, "made-just-now/1", LIMITS).await;
    for viewer in &mut viewers {
        let part = viewer.part_with("requests", "made-just-now/1").await;
        assert!(part.contains("GET /services/data/v62.0/limits"), "{part}");
    }
    // What is not new is not sent again: the first event of each part was its only one.
    let parts = |viewer: &Viewer, name: &str| {
        let wanted = format!("\"name\":\"{name}\"");
        viewer.heard.matches(&wanted).count()
    };
    assert!(parts(&viewers[0], "requests") >= 2);
    assert_eq!(parts(&viewers[0], "radar-0"), 1, "{}", viewers[0].heard);

    // One who goes makes room.
    viewers.pop();
    let opened = async {
        while Viewer::try_open(proxy.admin()).await.is_none() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, opened).await.unwrap();
}

#[tokio::test]
async fn one_who_takes_nothing_holds_up_nobody() {
    let org = Org::start().await.unwrap();
    let proxy = with_admin(&org, |_| {}).await;
    let mut slow = Raw::connect(proxy.admin()).await;
    slow.send(events()).await;
    let mut viewer = Viewer::open(proxy.admin()).await;
    for number in 0..3 {
        let name = format!("turn-{number}/1");
        let began = Instant::now();
        ask_as(&proxy, &name, LIMITS).await;
        viewer.part_with("requests", &name).await;
        assert!(began.elapsed() < Duration::from_secs(20));
    }
}

#[tokio::test]
async fn the_end_of_the_proxy_is_the_end_of_the_events() {
    let org = Org::start().await.unwrap();
    let proxy = with_admin(&org, |_| {}).await;
    let mut viewer = Viewer::open(proxy.admin()).await;
    assert_eq!(proxy.stop().await, 0);
    viewer.raw.rest().await;
}

/// One who looks, and what it was sent.
struct Viewer {
    raw: Raw,
    heard: String,
}

impl Viewer {
    async fn open(address: SocketAddr) -> Self {
        Self::try_open(address).await.expect("a stream of events")
    }

    /// `None` if too many look.
    async fn try_open(address: SocketAddr) -> Option<Self> {
        let mut raw = Raw::connect(address).await;
        raw.send(events()).await;
        let head = raw.head().await;
        if head.starts_with("HTTP/1.1 503") {
            return None;
        }
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert!(head.contains("content-type: text/event-stream"), "{head}");
        let heard = String::new();
        Some(Self { raw, heard })
    }

    /// The part of this name, once it has these words.
    async fn part_with(&mut self, name: &str, words: &str) -> String {
        loop {
            // Each event is a chunk, so no line of one is cut.
            let whole = self.heard.rfind('\n').map_or(0, |end| end + 1);
            let lines = self.heard[..whole].lines();
            for data in lines.filter_map(|line| line.strip_prefix("data: {")) {
                let part: Value = serde_json::from_str(&format!("{{{data}")).unwrap();
                let html = part["html"].as_str().unwrap();
                if part["name"] == name && html.contains(words) {
                    return html.to_owned();
                }
            }
            let mut more = vec![0; 1 << 16];
            let length = in_time(self.raw.0.read(&mut more)).await.unwrap();
            assert_ne!(length, 0, "{}", self.heard);
            self.heard += str::from_utf8(&more[..length]).expect("ASCII");
        }
    }
}

fn events() -> &'static str {
    "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n"
}

async fn ask_as(proxy: &Proxy, agent: &str, path: &str) {
    let asked = client().get(proxy.url(path)).header("user-agent", agent);
    let answer = asked.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.bytes().await.unwrap();
}

/// The page once it has these words, as a person reads it.
async fn page_with(proxy: &Proxy, words: &str) -> String {
    let shown = async {
        loop {
            let page = get(proxy.admin(), "/").await;
            let text = text_of(&page);
            if text.contains(words) {
                break text;
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, shown).await.unwrap()
}

/// The same as HTML.
async fn html_with(proxy: &Proxy, words: &str) -> String {
    page_with(proxy, words).await;
    get(proxy.admin(), "/").await.body
}

/// What is between the tags, without script and style.
fn text_of(page: &Answer) -> String {
    let mut html = page.body.clone();
    for tag in ["script", "style"] {
        for (whole, _) in inside(&page.body, tag) {
            html = html.replace(whole, "");
        }
    }
    let mut text = String::new();
    for piece in html.split('<') {
        text += piece.split_once('>').map_or("", |(_, rest)| rest);
    }
    for (escaped, plain) in [
        ("&#39;", "'"),
        ("&#60;", "<"),
        ("&#62;", ">"),
        ("&#38;", "&"),
    ] {
        text = text.replace(escaped, plain);
    }
    text.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

/// Each element of this name without attributes, and what is inside of it.
fn inside<'a>(html: &'a str, tag: &str) -> Vec<(&'a str, &'a str)> {
    let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
    let mut found = Vec::new();
    for (at, _) in html.match_indices(&open) {
        let end = at + html[at..].find(&close).unwrap();
        found.push((&html[at..end + close.len()], &html[at + open.len()..end]));
    }
    found
}

fn sha256(text: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    Base64::encode_string(digest.as_ref())
}
