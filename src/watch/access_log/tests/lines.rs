//! One line: that it says what there is to say, and that nothing breaks it.

use std::{
    net::IpAddr,
    time::{Duration, UNIX_EPOCH},
};

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    super::super::{AnsweredBy, Client, Peer, Record, Replayed, Waits},
    Format, line, record,
};
use crate::config::LogFormat;

#[test]
fn a_line_of_text_reads_from_left_to_right() {
    assert_eq!(
        line(Format::Text, &record()),
        "2026-11-26T08:15:02.123Z main ua:curl/8.5.0 GET /services/data/v62.0/query 200 org \
         142ms first_byte=138ms out=3480 api=1234/15000 rest v62\n"
    );
    assert_eq!(
        line(Format::Text, &eventful()),
        "2026-11-26T08:15:02.123Z main etl@example.com POST /services/Soap/u/62.0 502 \
         proxy:ORG_UNREACHABLE 10042ms incomplete login=310ms connection=0.8ms in=120 \
         replays=1:session from=192.0.2.7 soap:query v62\n"
    );
    let unknown = Record {
        org: None,
        client: Client::Unknown,
        path: "".into(),
        answered_by: AnsweredBy::Error("BAD_REQUEST"),
        ..record()
    };
    let line = line(Format::Text, &unknown);
    assert!(
        line.contains("Z - - GET - 200 proxy:BAD_REQUEST 142ms "),
        "{line}"
    );
}

#[test]
fn what_a_policy_only_observes_is_marked() {
    let observed = Record {
        would_be_refused: true,
        ..record()
    };
    let text = line(Format::Text, &observed);
    assert!(text.contains(" 142ms would_be_refused "), "{text}");
    let json: Value = serde_json::from_str(&line(Format::Json, &observed)).unwrap();
    assert_eq!(json["would_be_refused"], true);
}

#[test]
fn what_a_client_says_of_itself_has_a_mark_and_is_escaped_once() {
    let client = |client| {
        let record = Record { client, ..record() };
        let line = line(Format::Text, &record);
        let (_, rest) = line.split_once(" main ").unwrap();
        rest.split_once(" GET ").unwrap().0.to_owned()
    };
    let says = |text: &str| client(Client::Says(text.into()));
    assert_eq!(says("etl@example.com"), "ua:etl@example.com");
    assert_eq!(says("uid:0"), "ua:uid:0");
    assert_eq!(says("t\u{202e}x/1"), r#"ua:"t\u202ex/1""#);
    assert_eq!(says(r"a\b"), r#"ua:"a\\b""#);
    assert_eq!(client(Client::Uid(0)), "uid:0");
    let named = Client::Named("t\u{202e}x".into());
    assert_eq!(client(named), r#""t\u202ex""#);
}

#[test]
fn a_line_of_json_is_an_object() {
    let text = line(Format::Json, &record());
    assert_eq!(text.lines().count(), 1);
    assert_eq!(
        serde_json::from_str::<Value>(&text).unwrap(),
        json!({
            "time": "2026-11-26T08:15:02.123Z", "org": "main", "listener": "localhost:8080",
            "peer": "127.0.0.1", "client": "curl/8.5.0", "client_by": "user_agent",
            "method": "GET", "path": "/services/data/v62.0/query", "status": 200,
            "answered_by": "org", "complete": true, "total_ms": 142.318, "login_ms": 0.0,
            "connection_ms": 0.0, "first_byte_ms": 138.005, "request_bytes": 0,
            "response_bytes": 3480, "replays": 0, "api_used": 1234, "api_limit": 15000,
            "family": "rest", "api_version": 62
        })
    );
    let eventful: Value = serde_json::from_str(&line(Format::Json, &eventful())).unwrap();
    for (name, expected) in [
        ("client", json!("etl@example.com")),
        ("client_by", json!("name")),
        ("answered_by", json!("proxy")),
        ("code", json!("ORG_UNREACHABLE")),
        ("complete", json!(false)),
        ("replayed_for", json!("session")),
        ("operation", json!("query")),
    ] {
        assert_eq!(eventful[name], expected, "{name}");
    }
}

#[test]
fn the_readme_shows_these_lines() {
    let readme = include_str!("../../../../README.md");
    for format in [Format::Text, Format::Json] {
        let line = line(format, &record());
        assert!(readme.contains(&format!("\n{line}")), "{line}");
    }
}

#[test]
fn nothing_that_a_client_sends_breaks_a_line_or_floods_it() {
    let long = "x".repeat(60_000);
    for nasty in [
        "\" 200 org 1ms\n2026-11-26T08:15:02.123Z main",
        "\\\"},{\u{0}\u{1b}[2J\u{7f}\u{9b}31m",
        "\u{202e}moc\u{2066}\u{200b}\u{feff}\u{2028}\u{2029}\u{85}",
        &long,
    ] {
        let clients = [Client::Named(nasty.into()), Client::Says(nasty.into())];
        // The path of a URI has no blanks and no controls.
        let path = nasty.replace(|c: char| c.is_whitespace() || c.is_control(), "/");
        for client in clients {
            let record = Record {
                client,
                path: format!("/{path}"),
                operation: Some(nasty.into()),
                method: Method::from_bytes(&long.as_bytes()[..500]).unwrap(),
                ..record()
            };
            for format in [Format::Text, Format::Json] {
                let line = line(format, &record);
                let shown = line.strip_suffix('\n').unwrap();
                let is_tricky = |c: char| {
                    c.is_control() || "\u{202e}\u{2066}\u{200b}\u{feff}\u{2028}\u{2029}".contains(c)
                };
                assert!(!shown.contains(is_tricky), "{shown}");
                assert!(shown.len() < 4096, "{}", shown.len());
                assert!(!shown.contains("secret"), "{shown}");
            }
            let text = line(Format::Text, &record);
            let words = words(&text);
            assert_eq!(words[5..8], ["200", "org", "142ms"], "{text}");
            let json: Value = serde_json::from_str(&line(Format::Json, &record)).unwrap();
            assert_eq!(json["status"], 200);
        }
    }
}

#[test]
fn neither_a_query_nor_a_session_is_in_a_line() {
    let session = "00DAc00000xyzAB!AQ4AQDxSecret";
    let record = Record {
        path: format!("/a;{session}/b"),
        client: Client::Says(session.into()),
        ..record()
    };
    for format in ALL {
        let line = line(format, &record);
        assert!(line.contains("/a;[session]/b"), "{line}");
        assert!(!line.contains("Secret") && !line.contains('?'), "{line}");
    }
}

#[test]
fn no_clock_is_too_wrong_to_be_written() {
    for began in [
        UNIX_EPOCH - Duration::from_secs(1),
        UNIX_EPOCH + Duration::from_secs(1 << 40),
    ] {
        for format in ALL {
            assert!(line(format, &Record { began, ..record() }).contains("200"));
        }
    }
}

const ALL: [Format; 4] = [
    Format::Text,
    Format::Json,
    Format::Journal(LogFormat::Text),
    Format::Journal(LogFormat::Json),
];

/// One with all that does not happen every day.
fn eventful() -> Record {
    Record {
        peer: Peer::Address(IpAddr::from([192, 0, 2, 7])),
        client: Client::Named("etl@example.com".into()),
        method: Method::POST,
        path: "/services/Soap/u/62.0".into(),
        family: "soap",
        operation: Some("query".into()),
        status: StatusCode::BAD_GATEWAY,
        answered_by: AnsweredBy::Error("ORG_UNREACHABLE"),
        is_whole: false,
        waits: Waits {
            login: Duration::from_millis(310),
            turn: Duration::ZERO,
            connection: Duration::from_micros(800),
            first_byte: Duration::ZERO,
            total: Duration::from_millis(10_042),
        },
        received: 120,
        sent: 0,
        replays: 1,
        replayed_for: Some(Replayed::Session),
        usage: None,
        ..record()
    }
}

/// The words of a line of text, of which some are quoted.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = line.trim_end();
    while !rest.is_empty() {
        let quote = rest.find('"').filter(|at| !rest[..*at].contains(' '));
        let end = match quote {
            Some(at) => {
                let mut values = serde_json::Deserializer::from_str(&rest[at..]).into_iter();
                let _: String = values.next().unwrap().unwrap();
                at + values.byte_offset()
            }
            None => rest.find(' ').unwrap_or(rest.len()),
        };
        words.push(rest[..end].to_owned());
        rest = rest[end..].trim_start_matches(' ');
    }
    words
}
