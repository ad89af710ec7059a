//! URLs of the org that a client would follow lead back to the proxy, and nothing else of an answer
//! changes.

use std::io::Read;

use flate2::read;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use orgproxy::demo::Then;
use serde_json::Value;
use test_case::test_case;

use crate::support::{
    Fault, Org, Proxy, client,
    coding::compress,
    get::get,
    http2, json_of,
    path::{LIMITS, REST, USERINFO},
};

const WSDL: &str = "/services/wsdl/class/My_Class";

#[tokio::test]
async fn the_urls_of_a_user_lead_to_the_proxy() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    let identity = format!("/id/{}/{}", org.org_id(), org.user_id());
    for path in [USERINFO, &identity] {
        let user = json(&proxy, path).await;
        let urls = user["urls"].as_object().unwrap();
        assert!(urls.len() > 10);
        for (name, url) in urls {
            let url = url.as_str().unwrap();
            assert!(url.starts_with(&proxy.url("")), "{name}: {url}");
        }
        assert_eq!(urls["custom_domain"], proxy.url(""));
        assert_eq!(urls["rest"], proxy.url("/services/data/v{version}/"));
        // Who it is stays who it is.
        assert_eq!(user["sub"], format!("{}{identity}", org.instance_url()));
    }
}

#[test_case(REST)]
#[test_case("//services/data/v62.0/"; "as some clients send it")]
#[tokio::test]
async fn the_identity_that_a_version_names_leads_to_the_proxy(path: &str) {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    let resources = json(&proxy, path).await;
    let identity = resources["identity"].as_str().unwrap();
    let path = identity.strip_prefix(&proxy.url("")).unwrap();
    assert_eq!(json(&proxy, path).await["user_id"], org.user_id());
    assert_eq!(resources["query"], "/services/data/v62.0/query");
}

#[tokio::test]
async fn the_urls_begin_as_the_client_called_the_proxy() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    let port = proxy.address.port();
    let mut raw = proxy.connect().await;
    for host in [format!("localhost:{port}"), "LOCALHOST".to_owned()] {
        raw.send(format!("GET {REST} HTTP/1.1\r\nHost: {host}\r\n\r\n"))
            .await;
        let answer = raw.answer().await;
        let identity = format!("\"identity\":\"http://{host}/id/");
        assert!(answer.contains(&identity), "{answer}");
    }
}

#[test_case("/services/wsdl/class/My_Class")]
#[test_case("/soap/wsdl.jsp?type=*")]
#[test_case("/services/Soap/class/My_Class?wsdl")]
#[tokio::test]
async fn the_address_in_a_wsdl_is_the_proxys(path: &str) {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    for origin in [&org.instance_url(), "https://login.salesforce.com"] {
        let fault = Fault::answer(StatusCode::OK, "text/xml; charset=UTF-8", wsdl(origin));
        org.faults().next(1, path.split('?').next().unwrap(), fault);
        let answer = proxy.get(path).await;
        assert_eq!(answer.text().await.unwrap(), wsdl(&proxy.url("")));
    }
}

#[tokio::test]
async fn the_other_form_of_an_identity_leads_to_the_proxy_too() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    let user =
        |origin: &str| format!("<user><urls><rest>{origin}/v{{version}}/</rest></urls></user>");
    let fault = Fault::answer(StatusCode::OK, "application/xml", user(&org.instance_url()));
    org.faults().next(1, "/id/", fault);
    let answer = proxy.get("/id/00D/005?format=xml").await;
    assert_eq!(answer.text().await.unwrap(), user(&proxy.url("")));
}

#[test_case("gzip")]
#[test_case("deflate")]
#[tokio::test]
async fn what_is_compressed_stays_so(coding: &str) {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    // More than 1 MiB as it is.
    let padding = "<!-- déjà vu -->".repeat(200_000);
    let theirs = wsdl(&org.instance_url()) + &padding;
    let fault = Fault::answer(StatusCode::OK, "text/xml", compress(coding, &theirs))
        .header("content-encoding", coding)
        .header("etag", "\"1\"");
    org.faults().next(1, WSDL, fault);
    let answer = proxy.get(WSDL).await;
    assert_eq!(answer.headers()["content-encoding"], coding);
    assert_eq!(answer.headers()["etag"], "W/\"1\"");
    let length = answer.headers()["content-length"].to_str().unwrap();
    let length: usize = length.parse().unwrap();
    let body = answer.bytes().await.unwrap();
    assert_eq!(body.len(), length);
    assert_eq!(inflate(coding, &body), wsdl(&proxy.url("")) + &padding);
}

#[tokio::test]
async fn a_connection_goes_on_after_a_large_document() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    let padding = "<!-- padding -->".repeat(100_000);
    let theirs = wsdl(&org.instance_url()) + &padding;
    let mut chunked = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n\
        Transfer-Encoding: chunked\r\n\r\n"
        .to_vec();
    for chunk in theirs.as_bytes().chunks(50_000) {
        chunked.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        chunked.extend_from_slice(chunk);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    org.faults().always(WSDL, Fault::raw(chunked, Then::Keep));
    let mut raw = proxy.connect().await;
    for _ in 0..3 {
        raw.send(format!(
            "GET {WSDL} HTTP/1.1\r\nHost: {}\r\n\r\n",
            proxy.address
        ))
        .await;
        let answer = raw.answer().await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(!head.to_lowercase().contains("transfer-encoding"), "{head}");
        assert_eq!(body, wsdl(&proxy.url("")) + &padding);
    }
    // One to log in, and one for all of this.
    assert_eq!(org.connections(), 2);
}

#[test_case("text/xml", "br", "not what it says"; "in an unknown coding")]
#[test_case("text/xml", "gzip", "not what it says"; "in no coding at all")]
#[test_case("text/xml", "identity", "<address location=\"https://login.salesforce.com/services/Soap/u\"/></x>"; "malformed")]
#[test_case("text/html", "identity", "<address location=\"https://login.salesforce.com/services/Soap/u\"/>"; "a page")]
#[test_case("text/xml", "identity", ""; "empty")]
#[tokio::test]
async fn what_cannot_be_read_passes_as_it_is(kind: &str, coding: &str, body: &'static str) {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    let fault = Fault::answer(StatusCode::OK, kind, body)
        .header("content-encoding", coding)
        .header("etag", "\"1\"");
    org.faults().next(1, WSDL, fault);
    let answer = proxy.get(WSDL).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-encoding"], coding);
    assert_eq!(answer.headers()["etag"], "\"1\"");
    assert_eq!(answer.text().await.unwrap(), body);
}

#[test_case(true; "with a length")]
#[test_case(false; "in chunks")]
#[tokio::test]
async fn what_is_too_large_passes_as_it_is(has_length: bool) {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    let body = wsdl(&org.instance_url()) + &" ".repeat(17 << 20);
    let fault = if has_length {
        Fault::answer(StatusCode::OK, "text/xml", body.clone())
    } else {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked";
        let length = body.len();
        let wire = format!("{head}\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n");
        Fault::raw(wire, Then::Keep)
    };
    org.faults().next(1, WSDL, fault);
    let answer = proxy.get(WSDL).await;
    assert_eq!(
        answer.content_length(),
        has_length.then_some(body.len() as u64)
    );
    assert!(answer.text().await.unwrap() == body);
}

#[tokio::test]
async fn nothing_else_changes() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    let instance = org.instance_url();
    let body =
        format!("{{\"identity\":\"{instance}/id/1/2\",\"urls\":{{\"rest\":\"{instance}/\"}}}}");
    let kind = "application/json";
    for (path, status) in [
        (LIMITS, 200),
        ("/services/apexrest/urls", 200),
        ("/services/data", 200),
        (REST, 201),
        (REST, 300),
        (USERINFO, 404),
    ] {
        let status = StatusCode::from_u16(status).unwrap();
        org.faults()
            .next(1, path, Fault::answer(status, kind, body.clone()));
        let answer = proxy.get(path).await;
        assert_eq!(answer.status(), status);
        assert_eq!(answer.text().await.unwrap(), body, "{path} {status}");
    }
}

#[tokio::test]
async fn a_head_and_what_is_not_modified_pass_as_they_are() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    let fault = Fault::answer(StatusCode::OK, "text/xml", wsdl(&org.instance_url()));
    org.faults().next(1, WSDL, fault);
    let answer = client().head(proxy.url(WSDL)).send().await.unwrap();
    let length = wsdl(&org.instance_url()).len().to_string();
    assert_eq!(answer.headers()["content-length"], *length);

    let unmodified =
        Fault::answer(StatusCode::NOT_MODIFIED, "text/xml", "").header("etag", "\"1\"");
    org.faults().next(1, WSDL, unmodified);
    let mut raw = proxy.connect().await;
    let get = format!("GET {WSDL} HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: W/\"1\"\r\n\r\n");
    raw.send(get).await;
    let answer = raw.head().await.to_lowercase();
    assert!(answer.starts_with("http/1.1 304"), "{answer}");
    assert!(answer.contains("etag: \"1\"\r\n"), "{answer}");
    assert_eq!(org.last_request().headers["if-none-match"], "W/\"1\"");
}

#[test_case(Fault::CutBody(100); "soon")]
#[test_case(Fault::cut_length(); "with a length")]
#[test_case(Fault::cut_chunks(); "in chunks")]
#[tokio::test]
async fn what_breaks_off_is_an_error_and_the_next_answer_is_whole(mut fault: Fault) {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    if let Fault::Raw(bytes, _) = &mut fault {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        *bytes = text.replace("text/plain", "application/json").into();
    }
    org.faults().next(1, USERINFO, fault);
    let mut raw = proxy.connect().await;
    let get = get(USERINFO);
    raw.send(&get).await;
    let answer = raw.answer().await;
    assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
    assert!(answer.contains("ORG_CLOSED: "), "{answer}");
    raw.send(&get).await;
    let answer = raw.answer().await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(
        answer.contains("\"custom_domain\":\"http://localhost\""),
        "{answer}"
    );
}

#[tokio::test]
async fn redirects_within_the_org_stay_with_the_proxy() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    let instance = org.instance_url();
    let shouted = instance.to_uppercase();
    let (_, no_scheme) = instance.split_once(':').unwrap();
    for (theirs, ours) in [
        (format!("{instance}/a?b=%2F#c"), proxy.url("/a?b=%2F#c")),
        (format!("{shouted}/A"), proxy.url("/A")),
        (instance.clone(), proxy.url("")),
        (format!("{no_scheme}/a"), proxy.url("/a")),
        ("/a".to_owned(), "/a".to_owned()),
        same(format!("{instance}0/a")),
        same("https://localhost/a".to_owned()),
        same(format!("{instance}.evil.example/a")),
        same(format!("{instance}@evil.example/a")),
        same("https://login.salesforce.com/".to_owned()),
    ] {
        for status in [201, 300, 301, 302, 303, 307, 308] {
            let status = StatusCode::from_u16(status).unwrap();
            let fault = Fault::redirect(status, &theirs).header("content-location", &theirs);
            org.faults().next(1, LIMITS, fault);
            let answer = proxy.get(LIMITS).await;
            assert_eq!(answer.status(), status);
            assert_eq!(answer.headers()["location"], ours, "{theirs}");
            assert_eq!(answer.headers()["content-location"], ours, "{theirs}");
        }
    }
}

#[tokio::test]
async fn no_reason_phrase_has_the_session() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    proxy.get(LIMITS).await;
    let sent = org.last_request().headers["authorization"].clone();
    let token = sent.to_str().unwrap().strip_prefix("Bearer ").unwrap();
    for (reason, passes) in [("As Ever", true), (token, false)] {
        let answer = format!("HTTP/1.1 200 {reason}\r\nContent-Length: 2\r\n\r\nok");
        org.faults().next(1, LIMITS, Fault::raw(answer, Then::Keep));
        let mut raw = proxy.connect().await;
        raw.send(get(LIMITS)).await;
        let answer = raw.answer().await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert_eq!(answer.contains(reason), passes, "{answer}");
    }
}

#[tokio::test]
async fn no_header_of_an_answer_has_the_session() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    proxy.get(LIMITS).await;
    let sent = org.last_request().headers["authorization"].clone();
    let token = sent.to_str().unwrap().strip_prefix("Bearer ").unwrap();
    let encoded = token.replace('!', "%21");
    let twice = encoded.replace('%', "%25");
    let instance = org.instance_url();
    let placeholder = placeholder(&proxy).await;
    for (theirs, ours) in [
        (
            format!("{instance}/secur/frontdoor.jsp?sid={token}&retURL=%2Fa"),
            proxy.url(&format!(
                "/secur/frontdoor.jsp?sid={placeholder}&retURL=%2Fa"
            )),
        ),
        (format!("/a?sid={encoded}"), format!("/a?sid={placeholder}")),
        (
            format!("https://other.example/?to=%2Fa%3Fsid%3D{twice}#b"),
            format!("https://other.example/?to=%2Fa%3Fsid%3D{placeholder}#b"),
        ),
    ] {
        let fault = Fault::redirect(StatusCode::FOUND, &theirs)
            .header("location", &theirs)
            .header("content-location", &theirs)
            .header("set-cookie", &format!("other={encoded}; path=/"))
            .header("set-cookie", "kept=1")
            .header("refresh", &format!("0; url=/a?sid={encoded}"))
            .header("link", &format!("</a?sid={twice}>; rel=next"))
            .header("x-echo", &format!("Bearer {token}, OAuth {token}"))
            .header(&format!("x-{token}"), "named so");
        org.faults().next(1, LIMITS, fault);
        let answer = proxy.get(LIMITS).await;
        assert_eq!(answer.status(), 302);
        let headers = answer.headers();
        assert!(headers.get_all("location").iter().eq([&*ours, &*ours]));
        assert_eq!(headers["content-location"], ours);
        assert!(headers.get_all("set-cookie").iter().eq(["kept=1"]));
        assert_eq!(headers["refresh"], format!("0; url=/a?sid={placeholder}"));
        assert_eq!(headers["link"], format!("</a?sid={placeholder}>; rel=next"));
        assert_eq!(
            headers["x-echo"],
            format!("Bearer {placeholder}, OAuth {placeholder}")
        );
        assert!(!headers.values().any(|value| value == "named so"));
    }
    // Also where it is the only one that is as long.
    let raw = format!("HTTP/1.1 200 OK\r\nX-{token}: a\r\nContent-Length: 2\r\n\r\nok");
    org.faults().next(1, LIMITS, Fault::raw(raw, Then::Keep));
    let answer = proxy.get(LIMITS).await;
    assert_eq!((answer.status().as_u16(), answer.headers().len()), (200, 2));
}

/// No client could see them over HTTP/1.1.
#[tokio::test]
async fn trailers_of_an_answer_do_not_arrive() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::with(&org, |config| config.orgs[0].http2 = true).await;
    let fault = Fault::answer(StatusCode::OK, "text/plain", "ok").trailer("x-trailer", "1");
    org.faults().next(1, LIMITS, fault);
    let request = Request::get(proxy.url(LIMITS)).body(String::new()).unwrap();
    let mut body = http2::send(proxy.address, request).await.into_body();
    let mut frames = Vec::new();
    while let Some(frame) = body.frame().await {
        frames.push(frame.unwrap().into_data().expect("data"));
    }
    assert_eq!(frames.concat(), b"ok");
}

/// A browser would keep some of it for all of localhost, and some only this proxy may say.
#[tokio::test]
async fn headers_about_the_orgs_own_address_stay_there() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    let mut fault = Fault::answer(StatusCode::OK, "application/json", "{}")
        .header("cross-origin-opener-policy", "same-origin")
        .header("x-content-type-options", "nosniff");
    let foreign = [
        (
            "strict-transport-security",
            "max-age=63072000; includeSubDomains",
        ),
        ("alt-svc", "h3=\":443\"; ma=86400"),
        ("clear-site-data", "\"*\""),
        ("nel", "{\"report_to\":\"a\",\"max_age\":600}"),
        ("report-to", "{\"group\":\"a\"}"),
        ("reporting-endpoints", "a=\"https://a.example\""),
        ("expect-ct", "max-age=600, enforce"),
        ("public-key-pins", "pin-sha256=\"a\"; max-age=600"),
        ("public-key-pins-report-only", "pin-sha256=\"a\""),
        ("proxy-status", "orgproxy; error=proxy_internal_error"),
    ];
    for (name, value) in foreign {
        fault = fault.header(name, value);
    }
    org.faults().next(1, LIMITS, fault);
    let answer = proxy.get(LIMITS).await;
    assert_eq!(answer.status(), 200);
    for (name, _) in foreign {
        assert!(!answer.headers().contains_key(name), "{name}");
    }
    assert_eq!(
        answer.headers()["cross-origin-opener-policy"],
        "same-origin"
    );
    assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
}

/// Logs in to `proxy`, and returns what it gives for a session.
async fn placeholder(proxy: &Proxy) -> String {
    let answer = client()
        .post(proxy.url("/services/oauth2/token"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body("grant_type=password")
        .send()
        .await
        .unwrap();
    let answer = json_of(answer).await;
    answer["access_token"].as_str().unwrap().to_owned()
}

/// A description of a service at `origin`.
fn wsdl(origin: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<definitions xmlns:soap=\"http://schemas.xmlsoap.org/wsdl/soap/\">\r\n\
         <!-- é {{version}} -->\n<service name='S'><port>\
         <soap:address location=\"{origin}/services/Soap/class/My_Class\"/></port></service></definitions>\n"
    )
}

async fn json(proxy: &Proxy, path: &str) -> Value {
    let answer = proxy.get(path).await;
    assert_eq!(answer.status(), 200, "{path}");
    json_of(answer).await
}

fn same(url: String) -> (String, String) {
    (url.clone(), url)
}

fn inflate(coding: &str, body: &[u8]) -> String {
    let mut text = String::new();
    match coding {
        "gzip" => read::GzDecoder::new(body).read_to_string(&mut text),
        _ => read::ZlibDecoder::new(body).read_to_string(&mut text),
    }
    .unwrap();
    text
}
