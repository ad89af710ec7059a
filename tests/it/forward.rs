//! A request arrives unharmed, and so does its answer.

use std::io::Read;

use http::{Method, Request, StatusCode, Version};
use http_body_util::BodyExt;
use orgproxy::demo::Then;
use test_case::test_case;
use tokio::net::TcpStream;

use crate::support::{
    Fault, Org, Proxy,
    answer::{ask, exchange, talk},
    client,
    get::{get, get_and_close},
    http2,
    path::{BYTES, ECHO, LIMITS},
    targets,
};

#[tokio::test]
async fn a_plain_request_gets_the_orgs_answer() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    let answer = proxy.get(LIMITS).await;
    assert_eq!(answer.status(), 200);
    let seen = org.last_request();
    assert!(seen.authorized);
    assert_eq!(seen.target, LIMITS);
}

#[test_case("/services/data/v62.0/limits"; "plain")]
#[test_case("//services/data/v62.0/limits"; "two slashes, as some clients send")]
#[test_case("/services/data/v62.0/limits/"; "trailing slash")]
#[test_case("/services/data//v62.0/limits"; "a slash doubled within")]
#[test_case("/services/data/v62.0/query?q=SELECT+Id%20FROM%2bAccount"; "both kinds of space")]
#[test_case("/services/data/v62.0/sobjects/A/Ext__c/a%2Fb%2fc%C3%A9"; "encodings in either case")]
#[test_case("/services/data/v62.0/sobjects/A/~!$&'()*+,;=:@-._"; "every legal character")]
#[test_case("/services/data/v62.0/q?a[]={b}|c^d`e\\f"; "characters that are not quite legal")]
#[test_case("/services/data/v62.0/limits?"; "an empty query")]
#[test_case("/services/data/v62.0/q?&&a=&=b&c"; "odd pairs")]
#[test_case("/services/data/v62.0/q?a=b?c=d/e"; "a question mark in the query")]
#[tokio::test]
async fn the_target_arrives_byte_for_byte(target: &str) {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    let mut raw = proxy.connect().await;
    raw.send(get(target)).await;
    raw.answer().await;
    let seen = org.last_request();
    let head = String::from_utf8(seen.head.to_vec()).unwrap();
    assert_eq!(
        head.lines().next(),
        Some(&*format!("GET {target} HTTP/1.1"))
    );
}

/// PHP, Java, Python, Ruby, curl and Node send them.
#[tokio::test]
async fn characters_that_a_strict_reader_might_misread_arrive_percent_encoded() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    for (sent, arrives) in [
        (
            "/services/apexrest/a\"b<c>d",
            "/services/apexrest/a%22b%3Cc%3Ed",
        ),
        (
            "/services/apexrest/{a}|b^c`d\\e",
            "/services/apexrest/%7Ba%7D%7Cb%5Ec%60d%5Ce",
        ),
        (
            "/services/apexrest/Z\u{fc}rich\u{20ac}",
            "/services/apexrest/Z%C3%BCrich%E2%82%AC",
        ),
        (
            "/services/data/v62.0/query?q=SELECT+Id+FROM+A+WHERE+N>'\"\u{e9}\"'<|^`{}",
            "/services/data/v62.0/query?q=SELECT+Id+FROM+A+WHERE+N%3E'%22%C3%A9%22'%3C|^`{}",
        ),
        (
            "/services/apexrest/%C3%a9\u{e9}%",
            "/services/apexrest/%C3%a9%C3%A9%",
        ),
    ] {
        for size in [1, 7, 1000] {
            let wire = get_and_close(sent);
            let stream = TcpStream::connect(proxy.address).await.unwrap();
            talk(stream, wire.as_bytes(), size).await;
            assert_eq!(org.last_request().target, arrives, "in pieces of {size}");
        }
    }
    // In no encoding at all.
    ask(proxy.address, b"GET /services/apexrest/\xe9?\xff HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
    assert_eq!(org.last_request().target, "/services/apexrest/%E9?%FF");
}

#[tokio::test]
async fn such_characters_arrive_percent_encoded_over_http_2_too() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    for (sent, arrives) in [
        (
            "/services/apexrest/\u{e9}{a}|\"?q=\u{e9}{b}|c",
            "/services/apexrest/%C3%A9%7Ba%7D%7C%22?q=%C3%A9{b}|c",
        ),
        ("/services/apexrest/a%20b?c", "/services/apexrest/a%20b?c"),
    ] {
        let request = Request::get(proxy.url(sent)).body(String::new());
        http2::send(proxy.address, request.unwrap()).await;
        assert_eq!(org.last_request().target, arrives);
    }
}

#[tokio::test]
async fn each_of_several_requests_in_a_row_has_its_own_target() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    let last = get("/\u{e9}").replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    let wire = [get("/<1>"), get("/2"), get("/\"3\""), last].concat();
    let answers = exchange(proxy.address, wire).await;
    assert_eq!(answers.len(), 4);
    let targets = targets(&org);
    assert_eq!(targets, ["/%3C1%3E", "/2", "/%223%22", "/%C3%A9"]);
}

#[tokio::test]
async fn what_is_raw_is_judged_as_what_it_means_and_refused_where_it_means_something_else() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    for (target, status) in [
        ("/services\\oauth2\\singleaccess?\"", 403),
        ("/secur/\u{e9}", 403),
        ("/a\\..\\secur/\"", 400),
        ("/\"#", 400),
        ("/\"\u{7f}", 400),
        ("/\"\t", 400),
        ("/\" \"", 400),
        ("http://localhost\"/", 400),
    ] {
        let wire = get_and_close(target);
        for size in [1, 1000] {
            let stream = TcpStream::connect(proxy.address).await.unwrap();
            let answers = talk(stream, wire.as_bytes(), size).await;
            assert_eq!(answers[0].status, status, "{target:?} in pieces of {size}");
        }
    }
    assert_eq!(org.counts().requests, 0);
}

#[test_case("?oauth_token=00D!x", ""; "alone")]
#[test_case("?access_token=x&q=1", "?q=1"; "first")]
#[test_case("?q=a+b%20c&oauth_token=x", "?q=a+b%20c"; "last")]
#[test_case("?a=%2F&OAuth_Token=x&b=%2f&ACCESS_TOKEN=y&&c", "?a=%2F&b=%2f&&c"; "in any case, the rest exact")]
#[test_case("?%6fauth_token=x&acc%65ss%5Ftoken=y&q=1", "?q=1"; "with its name encoded")]
#[test_case("?oauth_token&access_token=&q=1", "?q=1"; "empty")]
#[test_case("?my_oauth_token=x&oauth_token2=y", "?my_oauth_token=x&oauth_token2=y"; "but not what only looks like it")]
#[tokio::test]
async fn a_session_in_the_query_does_not_arrive(query: &str, arrives: &str) {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    let mut raw = proxy.connect().await;
    raw.send(format!(
        "GET {LIMITS}{query} HTTP/1.1\r\nHost: localhost\r\n\r\n"
    ))
    .await;
    raw.answer().await;
    assert_eq!(org.last_request().target, format!("{LIMITS}{arrives}"));
}

#[test_case("/services/apexrest/demo"; "plain")]
#[test_case("//Services/ApexRest/demo/"; "in another spelling")]
#[test_case("/site/services/apexrest/demo"; "of a site")]
#[test_case("/%73ervices/apexrest/a;b"; "encoded")]
#[tokio::test]
async fn an_apex_class_gets_what_is_a_session_only_elsewhere(path: &str) {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    let target = format!("{path}?access_token=x&oauth_token=y&q=1");
    let wire = format!(
        "GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\naccessToken: 1\r\n\
         tenantId: 2\r\ninstanceUrl: 3\r\nCookie: sidebar=1; sid=00D!x; side; sid_x=2; oid=3; oids=4\r\n\
         X-SFDC-Session: x\r\nAuthorization: Bearer x\r\n\r\n"
    );
    ask(proxy.address, wire).await;
    let seen = org.last_request();
    assert_eq!(seen.target, target);
    for (name, value) in [
        ("accesstoken", "1"),
        ("tenantid", "2"),
        ("instanceurl", "3"),
        ("cookie", "sidebar=1; side; sid_x=2; oids=4"),
        ("x-sfdc-session", ""),
    ] {
        assert_eq!(seen.header(name), value, "{name}");
    }
    assert!(seen.authorized);
}

#[test_case("GET"; "get")]
#[test_case("POST"; "post")]
#[test_case("PUT"; "put")]
#[test_case("PATCH"; "patch")]
#[test_case("DELETE"; "delete")]
#[test_case("OPTIONS"; "options")]
#[test_case("HEAD"; "head")]
#[tokio::test]
async fn the_method_arrives(method: &str) {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    client()
        .request(method.clone(), proxy.url(LIMITS))
        .send()
        .await
        .unwrap();
    assert_eq!(org.last_request().method, method);
}

#[tokio::test]
async fn headers_arrive_with_exact_values_and_duplicates_and_no_others() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    let mine = [
        ("accept", "application/json;q=0.9, */*"),
        ("sforce-call-options", "client=x, defaultNamespace=ns"),
        ("sforce-query-options", "batchSize=200"),
        ("sforce-auto-assign", "FALSE"),
        ("x-prettyprint", "1"),
        ("if-modified-since", "Tue, 23 Mar 2015 00:00:00 GMT"),
        ("user-agent", "my \"tool\"/1.0 (x; y)"),
        ("x-twice", "one"),
        ("x-twice", "two"),
        ("x_under_score", "kept"),
        ("x-empty", ""),
        ("cookie", "BrowserId=a; other=b"),
        ("referer", "http://localhost/"),
    ];
    let mut raw = proxy.connect().await;
    let lines: String = mine
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    raw.send(format!(
        "GET {LIMITS} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n"
    ))
    .await;
    raw.answer().await;

    let mut arrived: Vec<_> = org
        .last_request()
        .lines()
        .into_iter()
        .map(|(name, value)| (name.to_lowercase(), value))
        .filter(|(name, _)| name != "authorization" && name != "host")
        .collect();
    let mut expected = mine.map(|(name, value)| (name.to_owned(), value.to_owned()));
    arrived.sort();
    expected.sort();
    assert_eq!(arrived, expected);
}

#[tokio::test]
async fn the_host_is_the_instances() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    proxy.get(LIMITS).await;
    let hosts = lines_of(&org, "host");
    assert_eq!(hosts, [format!("localhost:{}", org.port())]);
}

#[test_case("Authorization: Bearer mine"; "bearer")]
#[test_case("authorization: OAuth mine"; "oauth")]
#[test_case("AUTHORIZATION: Basic bWluZQ=="; "basic")]
#[test_case("Authorization: a\r\nauthorization: b\r\nAuthorization: c"; "several")]
#[test_case("Authorization:"; "empty")]
#[test_case("Connection: authorization, host\r\nAuthorization: mine"; "named in Connection")]
#[test_case("Proxy-Authorization: Basic bWluZQ=="; "for a proxy")]
#[test_case("X-SFDC-Session: mine"; "bulk")]
#[test_case("x_sfdc_session: mine\r\nX_SFDC-Session: mine"; "bulk with underscores")]
#[test_case("X-Orgproxy-Key: mine"; "our own key")]
#[tokio::test]
async fn exactly_one_session_arrives_and_it_is_ours(line: &str) {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    let mut raw = proxy.connect().await;
    raw.send(format!(
        "GET {LIMITS} HTTP/1.1\r\nHost: localhost\r\n{line}\r\n\r\n"
    ))
    .await;
    assert!(raw.answer().await.starts_with("HTTP/1.1 200"));
    let sessions = lines_of(&org, "authorization");
    assert_eq!(sessions.len(), 1);
    assert!(sessions[0].starts_with("Bearer 00D"), "{sessions:?}");
    assert_eq!(lines_of(&org, "host").len(), 1);
    let head = String::from_utf8(org.last_request().head.to_vec()).unwrap();
    for mine in ["mine", "bWluZQ", "sfdc", "orgproxy"] {
        assert!(
            !head.to_lowercase().contains(&mine.to_lowercase()),
            "{head}"
        );
    }
}

#[tokio::test]
async fn what_concerns_one_connection_does_not_arrive() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    let mut raw = proxy.connect().await;
    raw.send(format!(
        "GET {LIMITS} HTTP/1.1\r\nHost: localhost\r\n\
         Connection: x-foo, keep-alive, Upgrade, HTTP2-Settings, TE\r\nConnection: X-Bar\r\n\
         X-Foo: 1\r\nX-Bar: 1\r\nTE: trailers\r\nTrailer: X-T\r\nUpgrade: h2c\r\n\
         HTTP2-Settings: AAMAAABkAAQAAP__\r\nProxy-Connection: keep-alive\r\n\
         Keep-Alive: timeout=5\r\nX-Stays: 1\r\n\r\n"
    ))
    .await;
    assert!(raw.answer().await.starts_with("HTTP/1.1 200"));
    assert_eq!(names_of(&org), ["authorization", "host", "x-stays"]);
}

#[tokio::test]
async fn what_concerns_one_connection_does_not_come_back() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    org.faults().next(
        1,
        LIMITS,
        Fault::raw(
            "HTTP/1.1 200 OK\r\nConnection: x-foo, keep-alive, X-Bar\r\nX-Foo: 1\r\nX-Bar: 1\r\n\
             Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nUpgrade: h2c\r\n\
             X-Stays: 1\r\nContent-Length: 2\r\n\r\nok",
            Then::Keep,
        ),
    );
    let mut raw = proxy.connect().await;
    raw.send(get(LIMITS)).await;
    let answer = raw.answer().await.to_lowercase();
    for gone in [
        "x-foo",
        "x-bar",
        "keep-alive",
        "proxy-connection",
        "upgrade",
    ] {
        assert!(!answer.contains(gone), "{answer}");
    }
    assert!(answer.contains("x-stays: 1\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nok"), "{answer}");
}

#[tokio::test]
async fn connection_close_ends_our_connection_and_not_the_orgs() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    let mut raw = proxy.connect().await;
    raw.send(format!(
        "GET {LIMITS} HTTP/1.1\r\nHost: localhost\r\nConnection: close, x-foo\r\nX-Foo: 1\r\n\r\n"
    ))
    .await;
    let answer = raw.rest().await.to_lowercase();
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    assert_eq!(names_of(&org), ["authorization", "host"]);
}

#[test_case("GET"; "get")]
#[test_case("DELETE"; "delete")]
#[test_case("HEAD"; "head")]
#[test_case("POST"; "post")]
#[tokio::test]
async fn nothing_is_added_to_a_request_without_body(method: &str) {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    let mut raw = proxy.connect().await;
    raw.send(format!(
        "{method} {LIMITS} HTTP/1.1\r\nHost: localhost\r\n\r\n"
    ))
    .await;
    raw.head().await;
    assert_eq!(names_of(&org), ["authorization", "host"]);
}

#[tokio::test]
async fn a_length_of_zero_arrives_as_a_length() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    let mut raw = proxy.connect().await;
    raw.send(format!(
        "POST {ECHO} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
    ))
    .await;
    raw.answer().await;
    assert_eq!(lines_of(&org, "content-length"), ["0"]);
    assert!(lines_of(&org, "transfer-encoding").is_empty());
}

#[test_case("POST"; "post")]
#[test_case("DELETE"; "delete")]
#[test_case("GET"; "get")]
#[tokio::test]
async fn a_body_of_known_length_arrives_with_its_length(method: &str) {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    let mut raw = proxy.connect().await;
    raw.send(format!(
        "{method} {ECHO} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\na\0\r\nb"
    ))
    .await;
    assert!(raw.head().await.starts_with("HTTP/1.1 200"));
    org.wait_until(|org| org.last_request().complete).await;
    assert_eq!(lines_of(&org, "content-length"), ["5"]);
    assert!(lines_of(&org, "transfer-encoding").is_empty());
    assert_eq!(org.last_request().body, b"a\0\r\nb");
}

#[tokio::test]
async fn a_length_with_leading_zeros_arrives_without_them() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    for (length, body) in [("0005", "hello"), ("000", "")] {
        let mut raw = proxy.connect().await;
        raw.send(format!(
            "POST {ECHO} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}"
        ))
        .await;
        assert!(raw.head().await.starts_with("HTTP/1.1 200"), "{length}");
        org.wait_until(|org| org.last_request().complete).await;
        let arrived = lines_of(&org, "content-length");
        let expected = (!body.is_empty()).then(|| body.len().to_string());
        assert!(arrived.iter().eq(&expected), "{length}: {arrived:?}");
        assert_eq!(org.last_request().body, body.as_bytes());
    }
    assert_eq!(org.counts().requests, 2);
}

#[test_case("Content-Length", "Content-Length: 5\r\n\r\nhello"; "a length")]
#[test_case("transfer-encoding, content-length", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"; "chunks")]
#[tokio::test]
async fn no_connection_header_takes_the_framing_away(names: &str, rest: &str) {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    proxy.get(LIMITS).await;
    let mut raw = proxy.connect().await;
    raw.send(format!(
        "POST {ECHO} HTTP/1.1\r\nHost: localhost\r\nConnection: {names}\r\n{rest}{}",
        get("/services/data")
    ))
    .await;
    assert!(raw.head().await.starts_with("HTTP/1.1 200"));
    org.wait_for_requests(3).await;
    let seen = org.requests();
    assert_eq!(seen[1].body, b"hello");
    assert!(seen[1].complete);
    assert_eq!(targets(&org), [LIMITS, ECHO, "/services/data"]);
}

#[test_case("POST", "5;ext=1\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world"; "post")]
#[test_case("PATCH", "0b\r\nhello world\r\n0\r\n\r\n", "hello world"; "patch")]
#[tokio::test]
async fn a_body_in_chunks_arrives_in_chunks(method: &str, wire: &str, body: &str) {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    let mut raw = proxy.connect().await;
    raw.send(format!(
        "{method} {ECHO} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n{wire}"
    ))
    .await;
    raw.head().await;
    org.wait_until(|org| org.last_request().complete).await;
    assert_eq!(lines_of(&org, "transfer-encoding"), ["chunked"]);
    assert!(lines_of(&org, "content-length").is_empty());
    assert_eq!(org.last_request().body, body.as_bytes());
}

#[tokio::test]
async fn trailers_do_not_arrive() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    let mut raw = proxy.connect().await;
    raw.send(format!(
        "POST {ECHO} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\
         Trailer: Authorization\r\n\r\n2\r\nok\r\n0\r\nAuthorization: Bearer mine\r\n\r\n"
    ))
    .await;
    raw.head().await;
    org.wait_until(|org| org.last_request().complete).await;
    let seen = org.last_request();
    assert_eq!(seen.body, b"ok");
    assert!(seen.trailers.is_none());
    assert!(lines_of(&org, "trailer").is_empty());
}

#[tokio::test]
async fn sessions_of_web_pages_stay_out_both_ways() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    org.faults().next(
        1,
        LIMITS,
        Fault::answer(StatusCode::OK, "text/plain", "ok")
            .header("set-cookie", "sid=00D!x; path=/; HttpOnly")
            .header("set-cookie", "SID_Client=x; path=/")
            .header("set-cookie", "oid=00D; path=/")
            .header("set-cookie", "=sid=00D!x; path=/")
            .header(
                "set-cookie",
                "BAYEUX_BROWSER=b; Path=/; Domain=.salesforce.com; Secure; HttpOnly; SameSite=None",
            )
            .header("set-cookie", "kept=1; SameSite=Lax; Max-Age=5"),
    );
    let mut raw = proxy.connect().await;
    raw.send(format!(
        "GET {LIMITS} HTTP/1.1\r\nHost: localhost\r\nCookie: a=1; sid=00D!y; oid=z\r\n\
         Cookie: SID=q; =sid=r; b=2\r\n\r\n"
    ))
    .await;
    let answer = raw.answer().await;
    assert_eq!(lines_of(&org, "cookie"), ["a=1; b=2"]);
    let cookies: Vec<_> = answer
        .lines()
        .filter(|line| line.to_lowercase().starts_with("set-cookie"))
        .map(|line| line.split_once(": ").unwrap().1)
        .collect();
    assert_eq!(
        cookies,
        [
            "BAYEUX_BROWSER=b; Path=/; HttpOnly",
            "kept=1; SameSite=Lax; Max-Age=5"
        ]
    );
}

#[test_case(300; "ambiguous external id")]
#[test_case(404; "not found")]
#[test_case(410; "retired version")]
#[test_case(412; "precondition")]
#[test_case(420; "scratch org gone")]
#[test_case(500; "error")]
#[test_case(503; "maintenance")]
#[tokio::test]
async fn answers_pass_verbatim_whatever_their_status(status: u16) {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    let status = StatusCode::from_u16(status).unwrap();
    org.faults().next(
        1,
        LIMITS,
        Fault::answer(status, "text/odd; x=y", "[\"\0body\"]")
            .header("sforce-limit-info", "api-usage=18/5000")
            .header("x-twice", "1")
            .header("x-twice", "2"),
    );
    let answer = proxy.get(LIMITS).await;
    assert_eq!(answer.status(), status);
    let headers = answer.headers();
    assert_eq!(headers["content-type"], "text/odd; x=y");
    assert_eq!(headers["sforce-limit-info"], "api-usage=18/5000");
    let twice: Vec<_> = headers.get_all("x-twice").iter().collect();
    assert_eq!(twice, ["1", "2"]);
    assert_eq!(headers["content-length"], "9");
    assert!(!headers.contains_key("proxy-status"));
    assert_eq!(answer.bytes().await.unwrap(), "[\"\0body\"]");
    assert_eq!(org.counts().requests, 1);
}

#[tokio::test]
async fn compressed_answers_are_not_touched() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    let answer = client()
        .get(proxy.url("/services/data"))
        .header("accept-encoding", "gzip")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.headers()["content-encoding"], "gzip");
    let bytes = answer.bytes().await.unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(&*bytes)
        .read_to_string(&mut text)
        .unwrap();
    assert!(text.starts_with('['));
}

#[test_case("GET", "HTTP/1.1 204 No Content\r\n\r\n", "204", ""; "204")]
#[test_case("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", "304", ""; "304 that tells a length")]
#[test_case("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", "200", "content-length: 7"; "head that tells a length")]
#[test_case("HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "200", ""; "head in chunks")]
#[tokio::test]
async fn after_an_answer_without_body_the_connections_go_on(
    method: &str,
    wire: &'static str,
    status: &str,
    line: &str,
) {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    org.faults().next(1, LIMITS, Fault::raw(wire, Then::Keep));
    let mut raw = proxy.connect().await;
    raw.send(format!(
        "{method} {LIMITS} HTTP/1.1\r\nHost: localhost\r\n\r\n"
    ))
    .await;
    let head = raw.head().await.to_lowercase();
    assert!(head.starts_with(&format!("http/1.1 {status}")), "{head}");
    assert!(head.contains(line), "{head}");
    raw.send(get("/services/data")).await;
    assert!(raw.answer().await.contains("Summer"));
    let connections: Vec<_> = org.requests().iter().map(|seen| seen.connection).collect();
    assert_eq!(connections[0], connections[1]);
}

#[tokio::test]
async fn redirects_pass_and_nobody_follows_them() {
    let org = Org::start().await.unwrap();
    let decoy = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    for status in [301, 302, 307, 308] {
        let status = StatusCode::from_u16(status).unwrap();
        let location = format!("{}/elsewhere", decoy.instance_url());
        org.faults()
            .next(1, LIMITS, Fault::redirect(status, &location));
        let answer = proxy.get(LIMITS).await;
        assert_eq!(answer.status(), status);
        assert_eq!(answer.headers()["location"], location);
    }
    assert_eq!(org.counts().requests, 4);
    assert_eq!(decoy.connections(), 0);
}

#[tokio::test]
async fn a_client_that_expects_100_continue_gets_it() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    let mut raw = proxy.connect().await;
    raw.send(format!(
        "POST {ECHO} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    ))
    .await;
    assert_eq!(raw.head().await, "HTTP/1.1 100 Continue\r\n\r\n");
    raw.send("hello").await;
    assert!(raw.head().await.starts_with("HTTP/1.1 200"));
    org.wait_until(|org| org.last_request().complete).await;
    assert_eq!(org.last_request().body, b"hello");
    assert!(lines_of(&org, "expect").is_empty());
}

#[tokio::test]
async fn a_client_that_is_refused_gets_no_100_continue() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    let mut raw = proxy.connect().await;
    raw.send(
        "POST /services/oauth2/singleaccess HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\
         Expect: 100-continue\r\n\r\n",
    )
    .await;
    assert!(raw.head().await.starts_with("HTTP/1.1 403"));
    assert_eq!(org.connections(), 0);
}

#[tokio::test]
async fn a_client_that_speaks_http_1_0_gets_what_it_can_read() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    let mut raw = proxy.connect().await;
    raw.send("GET /services/apexrest/bytes?n=100000&chunked=1 HTTP/1.0\r\nHost: localhost\r\n\r\n")
        .await;
    let head = raw.head().await.to_lowercase();
    assert!(head.starts_with("http/1.0 200"), "{head}");
    assert!(!head.contains("transfer-encoding"), "{head}");
    raw.exactly(100_000).await;
    assert_eq!(raw.rest().await, "");
    assert_eq!(org.last_request().version, Version::HTTP_11);
}

#[tokio::test]
async fn an_answer_in_http_1_0_is_read_to_its_end_and_passed_on_in_http_1_1() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    let wire = "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n0123456789";
    org.faults().next(1, LIMITS, Fault::raw(wire, Then::Close));
    let answer = proxy.get(LIMITS).await;
    assert_eq!(answer.version(), Version::HTTP_11);
    assert_eq!(answer.text().await.unwrap(), "0123456789");
}

#[tokio::test]
async fn an_absolute_target_arrives_as_path_and_query() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    for host in [
        format!("localhost:{}", proxy.address.port()),
        format!("localhost:{}", org.port()),
    ] {
        let mut raw = proxy.connect().await;
        raw.send(format!(
            "GET http://{host}{LIMITS}?a=%2f HTTP/1.1\r\nHost: {host}\r\n\r\n"
        ))
        .await;
        assert!(raw.answer().await.starts_with("HTTP/1.1 200"));
        let head = String::from_utf8(org.last_request().head.to_vec()).unwrap();
        assert!(
            head.starts_with(&format!("GET {LIMITS}?a=%2f HTTP/1.1\r\n")),
            "{head}"
        );
    }
}

#[tokio::test]
async fn a_client_that_speaks_http_2_is_served() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    let (status, body) = over_http2(&proxy, Method::POST, "hello").await;
    assert_eq!(status, 200);
    assert_eq!(body, "hello");
    let seen = org.last_request();
    assert_eq!(seen.version, Version::HTTP_11);
    assert_eq!(seen.body, b"hello");
    assert_eq!(lines_of(&org, "content-length"), ["5"]);
    assert_eq!(
        lines_of(&org, "host"),
        [format!("localhost:{}", org.port())]
    );
}

#[tokio::test]
async fn nothing_is_added_to_a_request_without_body_that_came_over_http_2() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    over_http2(&proxy, Method::GET, "").await;
    assert_eq!(names_of(&org), ["authorization", "host"]);
}

#[tokio::test]
async fn an_org_that_speaks_http_2_is_served_alike() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::with(&org, |config| config.orgs[0].http2 = true).await;
    let mut raw = proxy.connect().await;
    raw.send(format!(
        "POST {ECHO} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\
         Content-Type: text/odd\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    ))
    .await;
    let head = raw.head().await.to_lowercase();
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert!(head.contains("content-type: text/odd"), "{head}");
    assert_eq!(raw.exactly(15).await, b"5\r\nhello\r\n0\r\n\r\n");
    let seen = org.last_request();
    assert_eq!(seen.version, Version::HTTP_2);
    assert_eq!(seen.body, b"hello");
    assert!(seen.target.ends_with(ECHO), "{}", seen.target);

    let answer = proxy.get(LIMITS).await;
    assert_eq!(answer.status(), 200);
    // One by thread at most.
    assert!(org.counts().open <= 3, "{:?}", org.counts());
}

#[tokio::test]
async fn both_ends_may_speak_http_2() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::with(&org, |config| config.orgs[0].http2 = true).await;
    let (status, body) = over_http2(&proxy, Method::POST, "hello").await;
    assert_eq!((status, &*body), (StatusCode::OK, "hello"));
    let seen = org.last_request();
    assert_eq!(seen.version, Version::HTTP_2);
    let sessions: Vec<_> = seen.headers.get_all("authorization").iter().collect();
    assert_eq!(sessions.len(), 1);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_turn() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    let mut raw = proxy.connect().await;
    raw.send(format!(
        "{}{}",
        get("/services/data/v62.0/nothing"),
        get(LIMITS)
    ))
    .await;
    assert!(raw.answer().await.starts_with("HTTP/1.1 404"));
    assert!(raw.answer().await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_request_that_comes_while_another_is_answered_is_answered_next() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::with(&org, |config| config.threads = 1).await;
    let hold = org.hold(LIMITS);
    let mut raw = proxy.connect().await;
    raw.send(get(LIMITS)).await;
    org.wait_until(|_| hold.waiting() == 1).await;
    raw.send(get("/services/data/v62.0/nothing")).await;
    // What came on the one thread before this has been read when this is answered.
    assert_eq!(proxy.get("/services/data").await.status(), 200);
    hold.release();
    assert!(raw.answer().await.starts_with("HTTP/1.1 200"));
    assert!(raw.answer().await.starts_with("HTTP/1.1 404"));
}

#[tokio::test]
async fn the_last_answer_arrives_whole_whatever_the_client_sends_meanwhile() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::with(&org, |config| config.threads = 1).await;
    let hold = org.hold(BYTES);
    let mut raw = proxy.connect().await;
    raw.send(format!(
        "GET {BYTES}?n=2000000 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    ))
    .await;
    org.wait_until(|_| hold.waiting() == 1).await;
    raw.send(get(LIMITS)).await;
    assert_eq!(proxy.get("/services/data").await.status(), 200);
    hold.release();
    assert!(raw.head().await.starts_with("HTTP/1.1 200"));
    raw.exactly(2_000_000).await;
    assert_eq!(raw.rest().await, "");
}

async fn over_http2(proxy: &Proxy, method: Method, body: &str) -> (StatusCode, String) {
    let request = Request::builder()
        .method(method)
        .uri(proxy.url(ECHO))
        .header("authorization", "Bearer mine")
        .body(body.to_owned())
        .unwrap();
    let answer = http2::send(proxy.address, request).await;
    let status = answer.status();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

/// The names of the header lines that arrived, sorted.
fn names_of(org: &Org) -> Vec<String> {
    let mut names: Vec<_> = org
        .last_request()
        .lines()
        .into_iter()
        .map(|(name, _)| name.to_lowercase())
        .collect();
    names.sort();
    names
}

/// The values of the header `name` that arrived.
fn lines_of(org: &Org, name: &str) -> Vec<String> {
    org.last_request()
        .lines()
        .into_iter()
        .filter(|(line, _)| line.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
        .collect()
}
