//! SOAP: the session goes into the envelope, which is otherwise left alone, and a dead one is
//! replaced unseen.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use reqwest::{Body, Response};
use test_case::test_case;
use tokio::io::AsyncWriteExt;

use crate::support::{
    Both, Fault, Seen,
    answer::{Answer, ask},
    client,
    coding::{bare_deflate, gzip, zlib},
    namespace::ENVELOPE,
    session, targets,
};

/// The session that clients send.
const THEIRS: &str = "00Dxx0000001gPL!AQ.theirs";

const PARTNER: Api = Api {
    path: "/services/Soap/u/64.0",
    namespace: "urn:partner.soap.sforce.com",
    operation: "getUserInfo",
};
const ENTERPRISE: Api = Api {
    path: "/services/Soap/c/64.0/00Dxx0000001gPL",
    namespace: "urn:enterprise.soap.sforce.com",
    operation: "getUserInfo",
};
const METADATA: Api = Api {
    path: "/services/Soap/m/64.0",
    namespace: "http://soap.sforce.com/2006/04/metadata",
    operation: "describeMetadata",
};
const TOOLING: Api = Api {
    path: "//services/Soap/T/64.0/",
    namespace: "urn:tooling.soap.sforce.com",
    operation: "getUserInfo",
};
const APEX: Api = Api {
    path: "/services/Soap/s/64.0",
    namespace: "http://soap.sforce.com/2006/08/apex",
    operation: "executeAnonymous",
};
const CLASS: Api = Api {
    path: "/services/Soap/class/Greeter",
    namespace: "http://soap.sforce.com/schemas/class/Greeter",
    operation: "greet",
};

#[tokio::test]
async fn a_placeholder_becomes_the_session_and_nothing_else_changes() {
    let both = Both::start().await;
    let query = "<a:query>\n <a:queryString>SELECT Id, Name FROM Account WHERE Name LIKE 'Z\u{fc}%' </a:queryString><!-- sessionId --></a:query>\r\n";
    let theirs = PARTNER.envelope(&PARTNER.header(), query);
    let lines = format!(
        "Content-Type: text/xml; charset=UTF-8\r\nSOAPAction: \"\"\r\nUser-Agent: a tool\r\n\
         Authorization: Bearer {THEIRS}\r\nX-SFDC-Session: {THEIRS}\r\nCookie: sid={THEIRS}\r\n"
    );
    let answer = ask(both.proxy.address, post(&PARTNER, &lines, &theirs)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.body.contains("<sf:Name>Z\u{fc}rich"), "{answer:?}");

    let seen = both.org.last_request();
    assert_eq!(seen.soap_session().as_deref(), Some(session(&seen)));
    assert_carries(&seen, &PARTNER, &theirs);
    for (name, value) in [
        ("content-type", "text/xml; charset=UTF-8"),
        ("soapaction", "\"\""),
        ("user-agent", "a tool"),
    ] {
        assert_eq!(seen.header(name), value);
    }
    let said = format!("{:?}{}", seen.lines(), seen.text());
    assert!(!said.contains("theirs"), "{said}");
    assert_eq!(both.org.counts().requests, 1);
}

#[test_case(PARTNER; "partner")]
#[test_case(ENTERPRISE; "enterprise")]
#[test_case(METADATA; "metadata")]
#[test_case(TOOLING; "tooling")]
#[test_case(APEX; "apex")]
#[test_case(CLASS; "a class of its own")]
#[tokio::test]
async fn the_session_goes_in_whatever_stands_there(api: Api) {
    let both = Both::start().await;
    let namespace = api.namespace;
    for header in [
        api.header(),
        format!(
            "<se:Header><SessionHeader xmlns=\"{namespace}\"><sessionId>{THEIRS}</sessionId></SessionHeader></se:Header>"
        ),
        // As SOAP::Lite writes it: in no namespace.
        format!(
            "<se:Header><a:SessionHeader><sessionId>{THEIRS}</sessionId></a:SessionHeader></se:Header>"
        ),
        "<se:Header><a:SessionHeader><a:sessionId/></a:SessionHeader></se:Header>".to_owned(),
        "<se:Header><a:SessionHeader/></se:Header>".to_owned(),
        "<se:Header><a:CallOptions><a:client>x</a:client></a:CallOptions></se:Header>".to_owned(),
        "<se:Header></se:Header>".to_owned(),
        "<se:Header/>".to_owned(),
        String::new(),
    ] {
        for mark in ["", "\u{feff}"] {
            let theirs = mark.to_owned() + &api.envelope(&header, &api.call());
            answered(&both, &api, theirs).await;
            let seen = both.org.last_request();
            assert_eq!(
                seen.soap_session().as_deref(),
                Some(session(&seen)),
                "{}",
                seen.text()
            );
            assert!(seen.text().starts_with(&format!("{mark}<?xml ")));
            assert!(!seen.text().contains("theirs"), "{}", seen.text());
            assert_eq!(seen.header("content-length"), seen.length.to_string());
        }
    }
    assert_eq!(both.org.logins(), 1);
}

#[tokio::test]
async fn what_comes_in_chunks_goes_on_in_chunks() {
    let both = Both::start().await;
    let theirs = PARTNER.plain();
    // Small ones, so that the session's place is in several.
    let wire = post_in_chunks(&PARTNER, "", theirs.as_bytes(), 7);
    let answer = ask(both.proxy.address, wire).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let seen = both.org.last_request();
    assert_eq!(seen.header("transfer-encoding"), "chunked");
    assert!(!seen.headers.contains_key("content-length"));
    assert_eq!(seen.text(), PARTNER.expected(&theirs, session(&seen)));
}

#[test_case("gzip", gzip; "gzip")]
#[test_case("X-GZip", gzip; "gzip by its old name")]
#[test_case("deflate", zlib; "deflate")]
#[test_case("deflate", bare_deflate; "deflate as some have it")]
#[tokio::test]
async fn what_comes_compressed_goes_on_uncompressed(coding: &str, compress: fn(&str) -> Vec<u8>) {
    let both = Both::start().await;
    let lines = format!("Content-Encoding: {coding}\r\n");
    for length in [0, 300_000] {
        let theirs = PARTNER.with_text(length);
        let body = compress(&theirs);
        for wire in [
            post(&PARTNER, &lines, &body),
            post_in_chunks(&PARTNER, &lines, &body, 1000),
        ] {
            let answer = ask(both.proxy.address, wire).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            let seen = both.org.last_request();
            assert!(!seen.headers.contains_key("content-encoding"));
            assert!(!seen.headers.contains_key("transfer-encoding"));
            assert_carries(&seen, &PARTNER, &theirs);
        }
    }
}

#[tokio::test]
async fn what_comes_compressed_and_is_more_than_the_copy_goes_on_in_chunks() {
    let both = Both::with(|config| config.limits.replay_bytes = 50_000).await;
    // So that nobody asks whether the session lives.
    answered(&both, &PARTNER, PARTNER.plain()).await;
    for length in [60_000, 3_000_000] {
        let theirs = PARTNER.with_text(length);
        let wire = post(&PARTNER, "Content-Encoding: gzip\r\n", gzip(&theirs));
        let answer = ask(both.proxy.address, wire).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let seen = both.org.last_request();
        assert_eq!(seen.header("transfer-encoding"), "chunked");
        assert!(!seen.headers.contains_key("content-length"));
        assert!(!seen.headers.contains_key("content-encoding"));
        let expected = PARTNER.expected(&theirs, session(&seen));
        assert_eq!(seen.length, expected.len() as u64);
        assert!(expected.as_bytes().starts_with(&seen.body));
    }
    assert_eq!(both.org.counts().requests, 3);
}

#[test_case(false; "with a length")]
#[test_case(true; "in chunks")]
#[tokio::test]
async fn the_beginning_of_a_large_envelope_arrives_before_its_end(chunked: bool) {
    let both = Both::start().await;
    // So that nobody asks whether the session lives.
    answered(&both, &PARTNER, PARTNER.plain()).await;
    let theirs = PARTNER.with_text(8 << 20);
    let (first, rest) = theirs.as_bytes().split_at(100_000);
    let framing = if chunked {
        "Transfer-Encoding: chunked".to_owned()
    } else {
        format!("Content-Length: {}", theirs.len())
    };
    let mut raw = both.proxy.connect().await;
    raw.send(head(&PARTNER, &format!("{framing}\r\n"))).await;
    for (piece, is_last) in [(first, false), (rest, true)] {
        if chunked {
            raw.send(in_chunks(piece, piece.len(), is_last)).await;
        } else {
            raw.send(piece).await;
        }
        if !is_last {
            let seen = || both.org.last_request();
            both.org.wait_until(|org| org.counts().requests == 2).await;
            let growth = PARTNER.expected(&theirs, session(&seen())).len() - theirs.len();
            let arrived = (first.len() + growth) as u64;
            both.org.wait_until(|_| seen().length == arrived).await;
            assert!(!seen().complete);
        }
    }
    assert!(raw.head().await.starts_with("HTTP/1.1 200"));
    let seen = both.org.last_request();
    assert!(seen.complete);
    let expected = PARTNER.expected(&theirs, session(&seen));
    assert_eq!(seen.length, expected.len() as u64);
    let length = if chunked {
        String::new()
    } else {
        seen.length.to_string()
    };
    assert_eq!(seen.header("content-length"), length);
}

#[test_case(PARTNER; "partner")]
#[test_case(ENTERPRISE; "enterprise")]
#[test_case(METADATA; "metadata")]
#[test_case(TOOLING; "tooling")]
#[test_case(APEX; "apex")]
#[test_case(CLASS; "a class of its own")]
#[tokio::test]
async fn a_session_that_ends_between_two_calls_is_replaced_unseen(api: Api) {
    let both = Both::start().await;
    answered(&both, &api, api.plain()).await;
    both.org.end_sessions();
    answered(&both, &api, api.plain()).await;
    has_replaced_one_session(&both, &api, &api.plain());
}

#[tokio::test]
async fn a_session_that_ends_is_replaced_unseen_where_all_is_compressed() {
    let both = Both::start().await;
    let theirs = PARTNER.with_text(200_000);
    for _ in 0..2 {
        let request = client()
            .post(both.proxy.url(PARTNER.path))
            .header("content-encoding", "gzip")
            .header("accept-encoding", "gzip");
        let answer = request.body(gzip(&theirs)).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-encoding"], "gzip");
        both.org.end_sessions();
    }
    has_replaced_one_session(&both, &PARTNER, &theirs);
}

#[tokio::test]
async fn a_large_envelope_is_not_sent_before_somebody_knows_that_the_session_lives() {
    let both = Both::start().await;
    // This logs in, but the org answers it to anybody.
    both.proxy.get("/services/data").await;
    both.org.end_sessions();
    let theirs = PARTNER.with_text(17 << 20);
    answered(&both, &PARTNER, theirs.clone()).await;
    let targets = targets(&both.org);
    let question = "/services/oauth2/userinfo";
    assert_eq!(targets, ["/services/data", question, PARTNER.path]);
    assert_eq!(both.org.logins(), 2);
    assert!(both.org.last_request().authorized);
}

#[tokio::test]
async fn a_session_that_soap_never_takes_is_not_renewed_in_vain() {
    let both = Both::start().await;
    both.org.set(|knobs| knobs.jwt_tokens = true);
    for _ in 0..3 {
        let answer = send(&both, &PARTNER, PARTNER.plain()).await;
        assert_eq!(answer.status(), 500);
        assert!(!answer.headers().contains_key("proxy-status"));
        let fault = answer.text().await.unwrap();
        assert!(fault.contains("sf:INVALID_SESSION_ID<"), "{fault}");
    }
    assert_eq!(both.org.counts().requests, 3);
    assert_eq!(both.org.counts().token_requests, 1);
}

#[tokio::test]
async fn the_same_session_again_is_passed_on_and_costs_few_logins() {
    let both = Both::start().await;
    let faults = both.org.faults();
    faults.always("/services/Soap", Fault::soap_session_expired());
    for _ in 0..5 {
        let answer = send(&both, &PARTNER, PARTNER.plain()).await;
        assert_eq!(answer.status(), 500);
        let fault = answer.text().await.unwrap();
        assert!(fault.contains("sf:INVALID_SESSION_ID<"), "{fault}");
    }
    assert_eq!(both.org.logins(), 2);
}

#[test_case(""; "plain")]
#[test_case("gzip"; "compressed")]
#[tokio::test]
async fn another_fault_is_passed_on_byte_for_byte(coding: &str) {
    let both = Both::start().await;
    let fault = format!(
        "<?xml version='1.0'?>\r\n<e:Envelope xmlns:e='{ENVELOPE}'><e:Body><e:Fault><faultcode>sf:MALFORMED_QUERY\
         </faultcode><faultstring>INVALID_SESSION_ID: \u{fc}</faultstring></e:Fault></e:Body></e:Envelope>\n"
    );
    let bytes = match coding {
        "gzip" => gzip(&fault),
        _ => fault.into_bytes(),
    };
    let canned = Fault::answer(
        http::StatusCode::INTERNAL_SERVER_ERROR,
        "text/xml; charset=utf-8",
        bytes.clone(),
    );
    let canned = match coding {
        "gzip" => canned.header("content-encoding", "gzip"),
        _ => canned,
    };
    both.org.faults().next(1, PARTNER.path, canned);
    let answer = send(&both, &PARTNER, PARTNER.plain()).await;
    assert_eq!(answer.status(), 500);
    assert_eq!(answer.headers()["content-type"], "text/xml; charset=utf-8");
    assert_eq!(answer.headers()["content-length"], bytes.len().to_string());
    assert_eq!(
        answer.headers().contains_key("content-encoding"),
        coding == "gzip"
    );
    assert!(!answer.headers().contains_key("proxy-status"));
    assert_eq!(answer.bytes().await.unwrap(), bytes);
    assert_eq!(both.org.counts().requests, 1);
    assert_eq!(both.org.counts().token_requests, 1);
}

#[tokio::test]
async fn a_mistake_in_a_query_is_for_the_org_to_report() {
    let both = Both::start().await;
    let query = "<a:query><a:queryString>SELECT Id FORM Account</a:queryString></a:query>";
    let theirs = PARTNER.envelope(&PARTNER.header(), query);
    let answer = send(&both, &PARTNER, theirs).await;
    assert_eq!(answer.status(), 500);
    let fault = answer.text().await.unwrap();
    assert!(fault.contains("<faultcode>sf:MALFORMED_QUERY<"), "{fault}");
    assert_eq!(both.org.counts().requests, 1);
    assert_eq!(both.org.counts().token_requests, 1);
}

#[tokio::test]
async fn what_cannot_be_given_the_session_is_a_fault_and_reaches_nobody() {
    let both = Both::start().await;
    let plain = PARTNER.plain();
    let (until_operation, _) = plain.split_once("<a:getUserInfo").unwrap();
    let headed = |header: &str| {
        let header = format!("<se:Header>{header}</se:Header>");
        PARTNER.envelope(&header, &PARTNER.call()).into_bytes()
    };
    let session_header = "<a:SessionHeader><a:sessionId>x</a:sessionId></a:SessionHeader>";
    let long = format!("<a:CallOptions>{}</a:CallOptions>", "x".repeat(65 * 1024));
    let utf_16 = |to_bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
        plain.encode_utf16().flat_map(to_bytes).collect()
    };
    let (none, gzipped) = ("", "Content-Encoding: gzip\r\n");
    for (what, lines, body, code, words) in [
        (
            "no XML",
            none,
            b"no XML".to_vec(),
            MALFORMED,
            "not well-formed XML",
        ),
        (
            "wrong nesting",
            none,
            headed("<a:b><a:c></a:b>"),
            MALFORMED,
            "expected",
        ),
        ("text", none, until_operation.into(), MALFORMED, "too early"),
        (
            "half a tag",
            none,
            plain[..90].into(),
            MALFORMED,
            "not well-formed XML",
        ),
        ("nothing", none, Vec::new(), MALFORMED, "too early"),
        (
            "JSON",
            none,
            b"[{\"a\": 1}]".to_vec(),
            MALFORMED,
            "not well-formed XML",
        ),
        (
            "no SOAP",
            none,
            b"<a/>".to_vec(),
            MALFORMED,
            "not a SOAP 1.1 envelope",
        ),
        (
            "twice",
            none,
            headed(&session_header.repeat(2)),
            MALFORMED,
            "more than one session",
        ),
        (
            "wrong namespace",
            none,
            headed(
                "<SessionHeader xmlns='urn:enterprise.soap.sforce.com'><sessionId>x</sessionId></SessionHeader>",
            ),
            MALFORMED,
            "urn:partner.soap.sforce.com",
        ),
        (
            "wrong namespace of sessionId",
            none,
            headed("<a:SessionHeader><sessionId xmlns='urn:x'>x</sessionId></a:SessionHeader>"),
            MALFORMED,
            "this request: sessionId is in the namespace \"urn:x\"; that of the SessionHeader around it is \"urn:partner.soap.sforce.com\"",
        ),
        (
            "two headers",
            none,
            headed("</se:Header><se:Header>"),
            MALFORMED,
            "this request: &lt;Header&gt; is not allowed in the envelope before its Body",
        ),
        (
            "DOCTYPE",
            none,
            plain
                .replace("<se:Env", "<!DOCTYPE a [<!ENTITY b 'c'>]><se:Env")
                .into(),
            MALFORMED,
            "DOCTYPE",
        ),
        ("UTF-16", none, utf_16(u16::to_le_bytes), MALFORMED, "UTF-8"),
        (
            "UTF-16 the other way",
            none,
            utf_16(u16::to_be_bytes),
            MALFORMED,
            "UTF-8",
        ),
        (
            "UTF-16 with a mark",
            none,
            [b"\xff\xfe".to_vec(), utf_16(u16::to_le_bytes)].concat(),
            MALFORMED,
            "UTF-8",
        ),
        (
            "long",
            none,
            headed(&long),
            "ENVELOPE_TOO_LONG",
            "65536 bytes",
        ),
        (
            "a bomb",
            gzipped,
            bomb(&PARTNER.envelope(&PARTNER.header(), &PARTNER.call())),
            "BODY_TOO_LARGE",
            "decompresses to a huge size",
        ),
        (
            "garbage",
            gzipped,
            plain.clone().into(),
            "MALFORMED_BODY",
            "compressed",
        ),
        (
            "half of it",
            gzipped,
            {
                let gzip = gzip(&plain);
                gzip[..gzip.len() / 2].to_vec()
            },
            "MALFORMED_BODY",
            "compressed",
        ),
        (
            "no zlib",
            "Content-Encoding: deflate\r\n",
            vec![0xff; 100],
            "MALFORMED_BODY",
            "compressed",
        ),
        (
            "Brotli",
            "Content-Encoding: br\r\n",
            plain.clone().into(),
            "UNKNOWN_CODING",
            "gzip or deflate, not br",
        ),
        (
            "two codings",
            "Content-Encoding: gzip, gzip\r\n",
            gzip(&plain),
            "UNKNOWN_CODING",
            "gzip, gzip",
        ),
    ] {
        for wire in [
            post(&PARTNER, lines, &body),
            post_in_chunks(&PARTNER, lines, &body, 10_000),
        ] {
            let answer = ask(both.proxy.address, wire).await;
            let exception_code = match code {
                "BODY_TOO_LARGE" | "ENVELOPE_TOO_LONG" => "EXCEEDED_MAX_SIZE_REQUEST",
                _ => "INVALID_OPERATION",
            };
            let message = answer.fault(exception_code, code);
            assert!(message.contains(words), "{what}: {message}");
        }
    }
    both.untouched();
}

/// Whoever reads it in another way might find the session, or another operation, in another place.
#[test_case(b"text/xml; charset=Shift_JIS"; "an encoding that is not like ASCII")]
#[test_case(b"text/xml; charset=Shift_JIS; x=\xe9"; "and something that is not text")]
#[test_case(b"text/xml\r\nContent-Type: text/xml; charset=Shift_JIS"; "in another line")]
#[test_case(b"text/xml; charset=utf-8; charset=Shift_JIS"; "one more encoding")]
#[test_case(b"text/xml; a=\"; charset=utf-8; b=\"; charset=Shift_JIS"; "one within quotes")]
#[test_case(b"text/xml; charset*=Shift_JIS"; "an extended parameter")]
#[test_case(b"Multipart/related; start=r; boundary=b"; "several parts")]
#[tokio::test]
async fn a_content_type_that_leaves_doubts_is_refused(kind: &[u8]) {
    let both = Both::start().await;
    let line = [b"Content-Type: ", kind, b"\r\n"].concat();
    let wire = post(&PARTNER, "HERE\r\n", PARTNER.plain());
    let at = wire.windows(6).position(|six| six == b"HERE\r\n").unwrap();
    let wire = [&wire[..at], &line, &wire[at + 6..]].concat();
    let answer = ask(both.proxy.address, wire).await;
    answer.fault("INVALID_OPERATION", MALFORMED);
    both.untouched();
}

#[test_case("text/xml"; "alone")]
#[test_case("text/xml; charset=\"UTF-8\""; "in quotes")]
#[test_case("application/soap+xml; charset=utf-8; action=\"urn:a;b\""; "with an action")]
#[test_case("text/xml; charset=iso-8859-1"; "like ASCII")]
#[tokio::test]
async fn a_content_type_that_leaves_no_doubt_passes(kind: &str) {
    let both = Both::start().await;
    let line = format!("Content-Type: {kind}\r\n");
    let answer = ask(both.proxy.address, post(&PARTNER, &line, PARTNER.plain())).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[test_case("Content-Length: 10000", false; "with a length")]
#[test_case("Transfer-Encoding: chunked", true; "in chunks")]
#[tokio::test]
async fn an_envelope_that_breaks_off_reaches_nobody(framing: &str, chunked: bool) {
    let both = Both::start().await;
    let plain = PARTNER.plain();
    let (beginning, _) = plain.split_once("<a:getUserInfo").unwrap();
    let mut raw = both.proxy.connect().await;
    raw.send(head(&PARTNER, &format!("{framing}\r\n"))).await;
    if chunked {
        raw.send(in_chunks(beginning.as_bytes(), 50, false)).await;
    } else {
        raw.send(beginning).await;
    }
    raw.0.shutdown().await.unwrap();
    let rest = raw.rest().await;
    let answers = Answer::all(rest.as_bytes());
    assert_eq!(answers.len(), 1, "{rest}");
    answers[0].fault("INVALID_OPERATION", "INCOMPLETE_BODY");
    both.untouched();
}

#[test_case(""; "of nothing")]
#[test_case(" "; "of a byte each")]
#[tokio::test]
async fn what_is_compressed_to_more_than_it_is_is_refused_and_keeps_nobody_waiting(content: &str) {
    let both = Both::start().await;
    let hollow = gzip(content).repeat(20_000);
    let mut wire = head(
        &PARTNER,
        "Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
    )
    .into_bytes();
    wire.extend(format!("{:x}\r\n", hollow.len()).as_bytes());
    wire.extend(&hollow);
    wire.extend(b"\r\n0\r\n\r\n");
    let answer = ask(both.proxy.address, wire).await;
    answer.fault("INVALID_OPERATION", "MALFORMED_BODY");
    both.untouched();
}

#[tokio::test]
async fn what_turns_out_broken_on_its_way_is_never_complete() {
    let both = Both::start().await;
    answered(&both, &PARTNER, PARTNER.plain()).await;
    // More than the copy, and nothing odd about it so far.
    let mut body = gzip(&PARTNER.with_text(3 << 20));
    body.truncate(body.len() / 4 * 3);
    let wire = post(&PARTNER, "Content-Encoding: gzip\r\n", body);
    let answer = ask(both.proxy.address, wire).await;
    answer.fault("INVALID_OPERATION", "MALFORMED_BODY");
    both.org
        .wait_until(|org| !org.last_request().sha256.is_empty())
        .await;
    assert_eq!(both.org.counts().requests, 2);
    assert!(!both.org.last_request().complete);
}

#[tokio::test]
async fn what_is_more_than_the_copy_cannot_be_sent_again_and_the_client_is_asked_to() {
    let both = Both::with(|config| config.limits.replay_bytes = 1 << 20).await;
    answered(&both, &PARTNER, PARTNER.plain()).await;
    both.org.end_sessions();
    let theirs = PARTNER.with_text(3 << 20);
    let answer = ask(both.proxy.address, post(&PARTNER, "", &theirs)).await;
    answer.fault("SERVER_UNAVAILABLE", "SEND_AGAIN");
    assert_eq!(answer.header("retry-after"), Some("2"));
    // And when it does, it goes well.
    answered(&both, &PARTNER, theirs).await;
    assert_eq!(both.org.logins(), 2);
}

#[test_case("Host: evil.com", PARTNER.path, "WRONG_HOST", "INVALID_OPERATION"; "another host")]
#[test_case("Host: localhost\r\nOrigin: https://evil.com", PARTNER.path, "FOREIGN_ORIGIN", "INSUFFICIENT_ACCESS"; "a page")]
#[test_case("Host: localhost", "/services/Soap/u/../c/64.0", "AMBIGUOUS_PATH", "INVALID_OPERATION"; "dots")]
#[tokio::test]
async fn what_the_guard_refuses_is_a_fault_too(
    lines: &str,
    path: &str,
    code: &str,
    exception_code: &str,
) {
    let both = Both::start().await;
    let body = PARTNER.plain();
    let wire = format!(
        "POST {path} HTTP/1.1\r\n{lines}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = ask(both.proxy.address, wire).await;
    answer.fault(exception_code, code);
    both.untouched();
}

#[tokio::test]
async fn a_login_that_is_refused_is_a_fault_too() {
    let both = Both::start().await;
    let refused = Fault::login_refused("invalid_grant", "user is <locked>");
    both.org.faults().always("/services/oauth2", refused);
    let answer = ask(both.proxy.address, post(&PARTNER, "", PARTNER.plain())).await;
    let message = answer.fault("UNKNOWN_EXCEPTION", "LOGIN_REFUSED");
    assert!(message.contains("user is &lt;locked&gt;"), "{message}");
    assert_eq!(both.org.counts().requests, 0);
}

const MALFORMED: &str = "MALFORMED_ENVELOPE";

/// One of the SOAP APIs, and something to ask it.
#[derive(Clone, Copy)]
struct Api {
    path: &'static str,
    namespace: &'static str,
    operation: &'static str,
}

impl Api {
    fn envelope(&self, header: &str, body: &str) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<se:Envelope xmlns:se=\"{ENVELOPE}\" \
             xmlns:a='{}'>{header}<se:Body>{body}</se:Body></se:Envelope>",
            self.namespace
        )
    }

    fn call(&self) -> String {
        format!("<a:{}/>", self.operation)
    }

    fn header(&self) -> String {
        format!(
            "<se:Header><a:SessionHeader>\n<a:sessionId>{THEIRS}</a:sessionId></a:SessionHeader></se:Header>"
        )
    }

    fn plain(&self) -> String {
        self.envelope(&self.header(), &self.call())
    }

    /// One with so many characters in its body, which hardly compress.
    fn with_text(&self, length: usize) -> String {
        let operation = self.operation;
        let call = format!("<a:{operation}>{}</a:{operation}>", text(length));
        self.envelope(&self.header(), &call)
    }

    /// Returns `theirs` as the org must get it, byte for byte.
    fn expected(&self, theirs: &str, session: &str) -> String {
        let ours = format!(
            "<sessionId xmlns=\"{}\">{session}</sessionId>",
            self.namespace
        );
        theirs.replace(&format!("<a:sessionId>{THEIRS}</a:sessionId>"), &ours)
    }
}

async fn send(both: &Both, api: &Api, body: impl Into<Body>) -> Response {
    let request = client().post(both.proxy.url(api.path));
    let request = request.header("content-type", "text/xml; charset=UTF-8");
    request.body(body).send().await.unwrap()
}

/// Asserts that the org does what `body` asks for.
async fn answered(both: &Both, api: &Api, body: String) {
    let answer = send(both, api, body).await;
    let status = answer.status();
    let text = answer.text().await.unwrap();
    assert_eq!(status, 200, "{text}");
    let response = format!("<{}Response>", api.operation);
    assert!(text.contains(&response), "{text}");
    assert!(both.org.last_request().authorized);
}

/// Asserts that of two calls of `theirs` the second was sent twice, and with what.
#[track_caller]
fn has_replaced_one_session(both: &Both, api: &Api, theirs: &str) {
    assert_eq!(both.org.logins(), 2);
    let seen = both.org.requests();
    assert_eq!(seen.len(), 3);
    for seen in &seen {
        assert_eq!(seen.text(), api.expected(theirs, session(seen)));
        assert_eq!(seen.header("content-length"), seen.length.to_string());
    }
    let sessions: Vec<_> = seen.iter().map(session).collect();
    assert_eq!(sessions[0], sessions[1]);
    assert_ne!(sessions[1], sessions[2]);
}

/// Asserts that the org got all of `theirs` with the session in place of the client's, and
/// its length.
#[track_caller]
fn assert_carries(seen: &Seen, api: &Api, theirs: &str) {
    assert!(seen.authorized && seen.complete);
    assert_eq!(seen.text(), api.expected(theirs, session(seen)));
    assert_eq!(seen.header("content-length"), seen.length.to_string());
    assert_eq!(seen.body.len() as u64, seen.length);
}

fn head(api: &Api, lines: &str) -> String {
    let path = api.path;
    format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{lines}\r\n")
}

fn post(api: &Api, lines: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let lines = format!("{lines}Content-Length: {}\r\n", body.len());
    [head(api, &lines).as_bytes(), body].concat()
}

fn post_in_chunks(api: &Api, lines: &str, body: &[u8], size: usize) -> Vec<u8> {
    let mut wire = head(api, &format!("{lines}Transfer-Encoding: chunked\r\n")).into_bytes();
    wire.extend(in_chunks(body, size, true));
    wire
}

fn in_chunks(body: &[u8], size: usize, is_last: bool) -> Vec<u8> {
    let mut wire = Vec::new();
    for chunk in body.chunks(size) {
        wire.extend(format!("{:x}\r\n", chunk.len()).as_bytes());
        wire.extend(chunk);
        wire.extend(b"\r\n");
    }
    if is_last {
        wire.extend(b"0\r\n\r\n");
    }
    wire
}

/// Letters without order, the same every time.
fn text(length: usize) -> String {
    let mut state = 0x5eed_u64;
    let letter = |_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        char::from(b'a' + ((state >> 33) % 26) as u8)
    };
    (0..length).map(letter).collect()
}

/// `text` and 100 MiB of space, in 100 KB.
fn bomb(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text.as_bytes()).unwrap();
    for _ in 0..100 {
        encoder.write_all(&[b' '; 1 << 20]).unwrap();
    }
    encoder.finish().unwrap()
}
