//! Header names arrive as they were spelled and in their order, both ways.

use orgproxy::demo::Then;
use test_case::test_case;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::support::{
    Fault, Files, Org, PATIENCE, Proxy, Seen, curl,
    get::get_and_close,
    path::{ECHO, LIMITS},
};

/// Names as nobody spells all of them, in an order that no map keeps. Some of them do not pass.
const REQUEST: &str = "X-Hub-Signature: 1\r\nHost: localhost\r\nuSER-aGENT: x\r\nSOAPAction: \"\"\r\n\
    x-lower: 1\r\nAuthorization: Bearer theirs\r\nX-UPPER-CASE: 2\r\nX-Again: 1\r\nBetween: 2\r\n\
    x-AGAIN: 3\r\nX-Hop: 1\r\nConnection: X-Hop, keep-alive\r\nCookie: a=b\r\n\
    Sforce-Call-Options: client=x\r\nCONTENT-Length: 5\r\nTE: trailers\r\nContent-type: text/plain\r\n\
    X-Last:3\r\n";

const PASSED: &str = "X-Hub-Signature: 1\nHost: \nuSER-aGENT: x\nSOAPAction: \"\"\nx-lower: 1\n\
    X-UPPER-CASE: 2\nX-Again: 1\nBetween: 2\nx-AGAIN: 3\nCookie: a=b\nSforce-Call-Options: client=x\n\
    CONTENT-Length: 5\nContent-type: text/plain\nX-Last: 3\nAuthorization: \n";

#[test_case(usize::MAX; "at once")]
#[test_case(1; "byte by byte")]
#[test_case(100; "in pieces")]
#[tokio::test]
async fn the_org_hears_names_as_the_client_spelled_them(size: usize) {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    let first = format!("POST {ECHO} HTTP/1.1\r\n{REQUEST}\r\nhello");
    let other = first.replace("uSER-aGENT", "User-Agent");
    let chunked = format!(
        "POST {ECHO} HTTP/1.1\r\nx-a: 1\r\nTRANSFER-encoding: chunked\r\nhost: localhost\r\nX-B: 2\r\n\r\n\
         5\r\nhello\r\n0\r\n\r\n"
    );
    let last = "GET /services/data HTTP/1.1\r\nhost: localhost\r\naccept: */*\r\nConnection: close\r\n\r\n";
    let wire = [&first, &first, &other, &chunked, last].concat();
    let heard = heard(proxy.connect().await.0, &wire, size).await;
    assert_eq!(heard.matches("HTTP/1.1 200 OK").count(), 5, "{heard}");

    let seen = org.requests();
    assert_eq!(lines(&seen[0]), PASSED);
    assert_eq!(lines(&seen[1]), PASSED);
    assert_eq!(lines(&seen[2]), PASSED.replace("uSER-aGENT", "User-Agent"));
    assert_eq!(
        lines(&seen[3]),
        "x-a: 1\nhost: \nX-B: 2\nAuthorization: \nTransfer-Encoding: chunked\n"
    );
    assert_eq!(lines(&seen[4]), "host: \naccept: */*\nAuthorization: \n");
}

/// The second head comes with the body of the first, which is read before the first goes on.
#[tokio::test]
async fn a_request_keeps_its_spelling_when_the_next_comes_along_with_its_body() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    let body = "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>\
        <p:getServerTimestamp xmlns:p=\"urn:partner.soap.sforce.com\"/></s:Body></s:Envelope>";
    let head = |name: &str| {
        format!(
            "POST /services/Soap/u/62.0 HTTP/1.1\r\nx-{name}: 1\r\nhOST: localhost\r\n\
             content-type: text/xml\r\nSOAPACTION: \"\"\r\nContent-length: {}\r\n",
            body.len()
        )
    };
    let mut client = proxy.connect().await;
    let first = head("FIRST") + "Expect: 100-continue\r\n\r\n";
    client.send(first).await;
    // So the body is asked for.
    assert!(client.head().await.starts_with("HTTP/1.1 100 "));
    let second = head("SECOND") + "Connection: close\r\n\r\n";
    client.send([body, &second, body].concat()).await;
    let heard = client.rest().await;
    assert_eq!(heard.matches("HTTP/1.1 200 OK").count(), 2, "{heard}");
    let seen = org.requests();
    assert_eq!(seen.len(), 2);
    for (seen, name) in std::iter::zip(&seen, ["FIRST", "SECOND"]) {
        let lines = lines(seen);
        let expected = format!("x-{name}: 1\nhOST: \ncontent-type: text/xml\nSOAPACTION: \"\"\n");
        assert!(lines.starts_with(&expected), "{lines}");
    }
}

#[tokio::test]
async fn a_request_that_is_sent_once_more_is_spelled_as_the_first_time() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    proxy.get(LIMITS).await;
    org.end_sessions();
    let wire = format!("POST {ECHO} HTTP/1.1\r\n{REQUEST}Connection: close\r\n\r\nhello");
    heard(proxy.connect().await.0, &wire, usize::MAX).await;
    let seen = org.requests().into_iter();
    let seen: Vec<_> = seen.filter(|seen| seen.target == ECHO).collect();
    assert_eq!(seen.len(), 2);
    assert!(!seen[0].authorized && seen[1].authorized);
    assert_eq!(lines(&seen[0]), PASSED);
    assert_eq!(lines(&seen[1]), PASSED);
}

/// Its lines, and what is left of them.
const ANSWER: &str = "sforce-limit-INFO: api-usage=1/2\r\nX-Again: 1\r\nDate: now\r\n\
    Keep-Alive: timeout=5\r\nBetween: 2\r\nx-AGAIN: 3\r\nSET-Cookie: sid=1\r\nset-Cookie: a=b; Secure\r\n\
    Transfer-Encoding-Like: x\r\nETAG: \"x\"\r\nX-hop: 1\r\nConnection: x-hop\r\nx-lower:y\r\n";

const ANSWERED: [&str; 9] = [
    "sforce-limit-INFO: api-usage=1/2",
    "X-Again: 1",
    "Date: now",
    "Between: 2",
    "x-AGAIN: 3",
    "Cookie: a=b",
    "Transfer-Encoding-Like: x",
    "ETAG: \"x\"",
    "x-lower: y",
];

#[test_case("GET", "200 OK", "content-LENGTH: 5\r\n", "hello", "content-LENGTH: 5"; "a length")]
#[test_case("GET", "200 OK", "transfer-encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n", "Transfer-Encoding: chunked"; "chunks")]
#[test_case("GET", "200 OK", "content-LENGTH: 0\r\n", "", "content-LENGTH: 0"; "nothing")]
#[test_case("HEAD", "200 OK", "content-LENGTH: 5\r\n", "", "content-LENGTH: 5"; "head")]
#[test_case("DELETE", "204 No Content", "", "", ""; "no content")]
#[test_case("GET", "404 As they say", "content-LENGTH: 5\r\n", "hello", "content-LENGTH: 5"; "an error")]
#[tokio::test]
async fn the_client_hears_names_as_the_org_spelled_them(
    method: &str,
    status: &str,
    framing: &str,
    body: &str,
    framed: &str,
) {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    let answer = format!("HTTP/1.1 {status}\r\n{framing}{ANSWER}\r\n{body}");
    org.faults().always(ECHO, Fault::raw(answer, Then::Keep));
    let request = format!("{method} {ECHO} HTTP/1.1\r\nHost: localhost\r\n");
    let wire = format!("{request}\r\n{request}Connection: close\r\n\r\n");
    let heard = heard(proxy.connect().await.0, &wire, usize::MAX).await;
    let heads: Vec<_> = heard.split(&format!("HTTP/1.1 {status}\r\n")).collect();
    assert_eq!(heads.len(), 3, "{heard}");
    for head in &heads[1..] {
        let (head, _) = head.split_once("\r\n\r\n").unwrap();
        let names: Vec<_> = head
            .lines()
            .map(|line| line.strip_prefix("set-").unwrap_or(line))
            .map(|line| line.strip_prefix("SET-").unwrap_or(line))
            .filter(|line| *line != "Connection: close")
            .collect();
        let mut expected = ANSWERED.to_vec();
        if framing.starts_with('c') {
            expected.insert(0, framed);
        } else if !framed.is_empty() {
            expected.push(framed);
        }
        assert_eq!(names, expected, "{heard}");
    }
}

#[tokio::test]
async fn a_document_with_our_urls_keeps_its_names() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    let body = format!(
        r#"{{"urls":{{"rest":"{}/services/data/v{{version}}/"}}}}"#,
        org.instance_url()
    );
    let answer = format!(
        "HTTP/1.1 200 OK\r\nx-odd: 1\r\ncontent-TYPE: application/json\r\nCONTENT-Length: {}\r\n\
         X-After: 2\r\n\r\n{body}",
        body.len()
    );
    org.faults()
        .always("/services/oauth2/userinfo", Fault::raw(answer, Then::Keep));
    let wire = get_and_close("/services/oauth2/userinfo");
    let heard = heard(proxy.connect().await.0, &wire, usize::MAX).await;
    assert!(!heard.contains(&org.instance_url()), "{heard}");
    assert!(
        heard.contains("\r\nx-odd: 1\r\ncontent-TYPE: application/json\r\nCONTENT-Length: "),
        "{heard}"
    );
}

#[tokio::test]
async fn answers_in_a_row_have_their_own_names() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    let request =
        |method: &str, path: &str| format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let empty = "HTTP/1.1 204 No Content\r\nx-ONE: 1\r\n\r\n";
    org.faults().always(ECHO, Fault::raw(empty, Then::Keep));
    let wire = [
        request("DELETE", ECHO),
        request("HEAD", LIMITS),
        request("DELETE", ECHO),
        request("GET", "/secur/frontdoor.jsp"),
        request("GET", LIMITS).replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"),
    ]
    .concat();
    let heard = heard(proxy.connect().await.0, &wire, usize::MAX).await;
    let heads: Vec<_> = heard.split("HTTP/1.1 ").skip(1).collect();
    assert_eq!(heads.len(), 5, "{heard}");
    for (head, starts, name) in [
        (0, "204 No Content\r\n", "\r\nx-ONE: 1\r\n"),
        (1, "200 OK\r\n", "\r\nSforce-Limit-Info: "),
        (2, "204 No Content\r\n", "\r\nx-ONE: 1\r\n"),
        (3, "403 Forbidden\r\n", "\r\nProxy-Status: "),
        (4, "200 OK\r\n", "\r\nSforce-Limit-Info: "),
    ] {
        assert!(heads[head].starts_with(starts), "{heard}");
        assert!(heads[head].contains(name), "{heard}");
    }
}

#[tokio::test]
async fn names_that_the_proxy_adds_are_spelled_as_is_usual() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    for (request, names) in [
        (
            "GET /secur/frontdoor.jsp HTTP/1.1\r\nHost: localhost\r\n",
            &[
                "Content-Type",
                "Cache-Control",
                "Proxy-Status",
                "Date",
                "Content-Length",
            ][..],
        ),
        (
            "TRACE / HTTP/1.1\r\nHost: localhost\r\n",
            &[
                "Content-Type",
                "Allow",
                "Proxy-Status",
                "Date",
                "Content-Length",
            ],
        ),
        (
            "GET / HTTP/1.1\r\n",
            &[
                "Content-Type",
                "Proxy-Status",
                "Date",
                "Connection",
                "Content-Length",
            ],
        ),
        (
            "GET / HTTP/1.1\r\nBad Name: x\r\n",
            &[
                "Content-Type",
                "Proxy-Status",
                "Date",
                "Connection",
                "Content-Length",
            ],
        ),
        (
            "POST /services/oauth2/revoke HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n",
            &["Date", "Content-Length"],
        ),
        (
            "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n",
            &["Allow", "Date"],
        ),
    ] {
        let wire = format!("{request}Connection: close\r\n\r\n");
        let heard = heard(proxy.connect().await.0, &wire, usize::MAX).await;
        let (head, _) = heard.split_once("\r\n\r\n").expect(&heard);
        let found: Vec<_> = head
            .lines()
            .skip(1)
            .map(|line| line.split(':').next().unwrap())
            .collect();
        for name in names {
            assert!(found.contains(name), "{name} in {heard}");
        }
        for name in found {
            assert!(
                !name.starts_with(|first: char| first.is_lowercase()),
                "{heard}"
            );
        }
    }
}

#[tokio::test]
async fn what_comes_by_http2_is_spelled_as_is_usual() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    let url = proxy.url(ECHO);
    curl(&format!(
        "curl --http2-prior-knowledge {url} -d x -H soapaction:x -H x-hub-signature:1 \
         -H x-sfdc-thing:1 -H sforce-call-options:client=x -H cookie:a=1 -H cookie:b=2"
    ))
    .await;
    assert_eq!(org.last_request().header("cookie"), "a=1; b=2");
    let names: Vec<_> = org
        .last_request()
        .lines()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names[0], "Host");
    for name in [
        "User-Agent",
        "Accept",
        "SOAPAction",
        "X-Hub-Signature",
        "X-SFDC-Thing",
        "Sforce-Call-Options",
        "Content-Type",
        "Content-Length",
        "Cookie",
        "Authorization",
    ] {
        let count = names.iter().filter(|found| *found == name).count();
        assert_eq!(count, 1, "{name} in {names:?}");
    }

    let proxy = Proxy::with(&org, |config| config.orgs[0].http2 = true).await;
    let wire = get_and_close(LIMITS);
    let heard = heard(proxy.connect().await.0, &wire, usize::MAX).await;
    for name in ["Sforce-Limit-Info", "Set-Cookie", "Content-Type", "Date"] {
        assert!(
            heard.contains(&format!("\r\n{name}: ")),
            "{name} in {heard}"
        );
    }
    assert_eq!(org.last_request().version, http::Version::HTTP_2);
}

#[tokio::test]
async fn every_way_in_keeps_the_spelling() {
    let org = Org::start().await.unwrap();
    let socket = tempfile::TempDir::new().unwrap();
    let path = socket.path().join("socket");
    let files = Files::with(
        &org,
        &format!(
            "intercept = true\nlisten = [\"127.0.0.1:0\", \"https://127.0.0.1:0\", \"unix:{}\"]\n",
            path.display()
        ),
    );
    let proxy = files.start_with_state();
    let (address, port) = (proxy.address().await, proxy.secure_port().await);
    let ca = files.local_ca();
    let answer = "HTTP/1.1 200 OK\r\nsforce-LIMIT-info: 1\r\nContent-length: 5\r\n\r\nhello";
    org.faults().always(ECHO, Fault::raw(answer, Then::Keep));
    for to in [
        format!("http://{address}{ECHO}"),
        format!("--http1.1 --cacert {ca} https://localhost:{port}{ECHO}"),
        format!("--unix-socket {} http://localhost{ECHO}", path.display()),
        format!("--http1.1 -x http://{address} --cacert {ca} https://login.salesforce.com{ECHO}"),
    ] {
        let answer = curl(&format!("curl -i -H x-HUB-signature:1 {to}")).await;
        let body = answer.body();
        assert!(
            body.contains("\r\nsforce-LIMIT-info: 1\r\n"),
            "{to}: {answer:?}"
        );
        assert!(
            body.contains("\r\nContent-length: 5\r\n"),
            "{to}: {answer:?}"
        );
        let lines = org.last_request().lines();
        let is_it = |(name, _): &(String, String)| name == "x-HUB-signature";
        assert!(lines.iter().any(is_it), "{to}: {lines:?}");
    }
}

/// The lines that the org got, without the values that are ours.
fn lines(seen: &Seen) -> String {
    let line = |(name, value): (String, String)| match &*name.to_lowercase() {
        "host" | "authorization" => format!("{name}: \n"),
        _ => format!("{name}: {value}\n"),
    };
    seen.lines().into_iter().map(line).collect()
}

/// All that comes back for `wire`, sent in pieces of `size` bytes, until the other end closes.
async fn heard(stream: impl AsyncRead + AsyncWrite, wire: &str, size: usize) -> String {
    let (mut read, mut write) = tokio::io::split(stream);
    let sent = async {
        for piece in wire.as_bytes().chunks(size.min(wire.len())) {
            write.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    let mut heard = Vec::new();
    let all = futures_util::future::join(sent, read.read_to_end(&mut heard));
    let (_, read) = tokio::time::timeout(PATIENCE, all).await.unwrap();
    read.unwrap();
    String::from_utf8(heard).unwrap()
}
