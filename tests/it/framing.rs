//! Where messages begin and end is read strictly: nothing is smuggled through.

use orgproxy::{
    config::ClientKey,
    demo::{Counts, Seen, TOKEN},
};
use tokio::net::TcpStream;

use self::peer::Peer;
use crate::support::{
    Both, Fault, PATIENCE, Proxy, Random, Raw,
    answer::{Answer, exchange, talk},
    get::{get, get_and_close},
    path::LIMITS,
};

mod answers;
mod peer;
mod requests;

#[tokio::test]
async fn every_request_of_the_table_reaches_the_org_to_the_byte_or_not_at_all() {
    let peer = Peer::start().await;
    let faults = requests::faults(&peer).await;
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!(peer.org.counts().logins, 1);
}

#[tokio::test]
async fn every_answer_of_the_table_reaches_its_client_to_the_byte_or_breaks_off() {
    let peer = Peer::start().await;
    let faults = answers::faults(&peer).await;
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!(peer.org.counts().logins, 1);
}

#[test]
fn the_tables_have_more_than_three_hundred_lines() {
    let (requests, answers) = (requests::count(), answers::count());
    assert!(requests >= 200 && answers >= 100, "{requests} {answers}");
    assert!(requests + answers >= 300);
}

/// A request that an attacker hides in another.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[tokio::test]
async fn a_head_that_can_be_read_in_two_ways_ends_the_connection_and_reaches_nobody() {
    let Both { org, proxy } = one_thread().await;
    for lines in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\nX: y\r\ncontent-length: 0\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5\r\ncontent-LENGTH: 0\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: -5\r\n",
        "Content-Length: 5,5\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: 5 5\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: 5.0\r\n",
        "Content-Length: 5\u{c}\r\n",
        "Content-Length:\r\n",
        "Content-Length: five\r\n",
        "Content-Length: \u{665}\r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Content-Length: 18446744073709551616\r\n",
        "Content-Length: 18446744073709551615\r\n",
        "Content-Length: 18446744073709551613\r\n",
        "Content-Length: 9223372036854775808\r\n",
        "Content-Length: 9223372036854775807\r\n",
        "Content-Length: 1152921504606846977\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked, gzip\r\n",
        "Transfer-Encoding: cow\r\n",
        "Transfer-Encoding: cow, chunked\r\n",
        "Transfer-Encoding: ,chunked\r\n",
        "Transfer-Encoding: chunked,\r\n",
        "Transfer-Encoding: chunked;q=1\r\n",
        "Transfer-Encoding: \"chunked\"\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding:\r\n",
        "Transfer-Encoding: chun\u{b}ked\r\n",
        "Transfer-Encoding: \u{b}chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding:\r\n chunked\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Content-Length : 5\r\n",
        " Content-Length: 5\r\n",
        "\tTransfer-Encoding: chunked\r\n",
        "X: y\r\n Content-Length: 5\r\n",
        "X: y\r\n\tTransfer-Encoding: chunked\r\n",
        "X: y\u{0}\r\n",
        "X\u{0}: y\r\n",
        "X: y\rContent-Length: 5\r\n",
        "X: y\r\rContent-Length: 5\r\n",
        "X: y\nContent-Length: 5\r\n",
        "X: y\n\r\n",
        "X: y\r\n\n",
        "Content-Length\r\n",
        ": y\r\n",
        "X Y: z\r\n",
        "X(Y: z\r\n",
        "X\u{e9}: y\r\n",
    ] {
        let wire =
            format!("POST /victim HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n0\r\n\r\n{SMUGGLED}");
        refused(&proxy, wire.as_bytes()).await;
    }
    assert_eq!(org.counts(), Counts::default());
    gets_its_own_answer(&proxy).await;
}

#[tokio::test]
async fn a_first_line_that_can_be_read_in_two_ways_ends_the_connection_and_reaches_nobody() {
    let Both { org, proxy } = one_thread().await;
    for line in [
        "POST /victim HTTP/1.1\n",
        "POST /victim HTTP/1.1\r\r\n",
        "POST /victim HTTP/1.1 \r\n",
        "POST  /victim HTTP/1.1\r\n",
        "POST /vic tim HTTP/1.1\r\n",
        "POST\t/victim HTTP/1.1\r\n",
        "POST /victim\rHTTP/1.1\r\n",
        "POST /victim HTTP/1.2\r\n",
        "POST /victim HTTP/2.0\r\n",
        "POST /victim http/1.1\r\n",
        "POST /victim HTTP/1.1x\r\n",
        "POST /victim\r\n",
        " POST /victim HTTP/1.1\r\n",
        "\u{0}POST /victim HTTP/1.1\r\n",
        "PO\u{0}ST /victim HTTP/1.1\r\n",
        "POST /victim\u{0} HTTP/1.1\r\n",
        "\u{1}\u{2}\r\n",
        "PRI * HTTP/2.0\r\n\r\nGET /victim HTTP/1.1\r\n",
        "\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        refused(
            &proxy,
            format!("{line}Host: localhost\r\n\r\n{SMUGGLED}").as_bytes(),
        )
        .await;
    }
    let old = format!(
        "POST /victim HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{SMUGGLED}"
    );
    refused(&proxy, old.as_bytes()).await;
    assert_eq!(org.counts(), Counts::default());
    gets_its_own_answer(&proxy).await;
}

#[tokio::test]
async fn chunks_that_can_be_read_in_two_ways_complete_no_request() {
    let Both { org, proxy } = one_thread().await;
    for body in [
        "5\nhello\r\n0\r\n\r\n",
        "5\rhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "5_\r\nhello\r\n0\r\n\r\n",
        "g\r\nhello\r\n0\r\n\r\n",
        "\r\nhello\r\n0\r\n\r\n",
        ";a=b\r\nhello\r\n0\r\n\r\n",
        "5;a\nhello\r\n0\r\n\r\n",
        "5;a\rb\r\nhello\r\n0\r\n\r\n",
        "5;\nx\r\nhello\r\n0\r\n\r\n",
        "10000000000000005\r\nhello\r\n0\r\n\r\n",
        "ffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        "FFFFFFFFFFFFFFFF0\r\nhello\r\n0\r\n\r\n",
        "5\r\nhelloXX0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello\r0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhello!\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\n\r\n",
        "5\r\nhello\r\n0\r\n\n",
        "5\r\nhello\r\n0\r\nX: y\n\r\n",
        "5\r\nhello\r\n0\r\nX y\r\n\r\n",
        "5\r\nhello\r\n0\r\nX: \u{0}\r\n\r\n",
    ] {
        let wire = format!(
            "POST /victim HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n{body}{SMUGGLED}"
        );
        for size in [usize::MAX, 1] {
            let stream = TcpStream::connect(proxy.address).await.unwrap();
            stream.set_nodelay(true).unwrap();
            let answers = talk(stream, wire.as_bytes(), size).await;
            only_refusals(&answers, &wire);
        }
    }
    let completed: Vec<_> = org
        .requests()
        .into_iter()
        .filter(|seen| is_clients(seen) && seen.complete)
        .collect();
    assert!(completed.is_empty(), "{completed:?}");
    assert!(
        org.requests()
            .iter()
            .all(|seen| !is_clients(seen) || seen.target == "/victim")
    );
    gets_its_own_answer(&proxy).await;
}

#[tokio::test]
async fn a_body_that_breaks_off_completes_no_request() {
    use tokio::io::AsyncWriteExt;

    let Both { org, proxy } = one_thread().await;
    for rest in [
        "Content-Length: 10\r\n\r\nhello",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhel",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r",
    ] {
        let mut client = proxy.connect().await;
        let before = org.counts().requests;
        client
            .send(format!(
                "POST /victim HTTP/1.1\r\nHost: localhost\r\n{rest}"
            ))
            .await;
        // The org has the head by then.
        org.wait_for_requests(before + 1).await;
        client.0.shutdown().await.unwrap();
        only_refusals(&Answer::all(client.rest().await.as_bytes()), rest);
    }
    org.wait_until(|org| org.requests().iter().all(|seen| !seen.sha256.is_empty()))
        .await;
    let completed: Vec<_> = org
        .requests()
        .into_iter()
        .filter(|seen| is_clients(seen) && seen.complete)
        .collect();
    assert!(completed.is_empty(), "{completed:?}");
    gets_its_own_answer(&proxy).await;
}

#[tokio::test]
async fn chunk_extensions_and_trailers_are_read_and_dropped() {
    let Both { org, proxy } = one_thread().await;
    // A space before the extension is "bad whitespace": not taken. The org does not begin to answer
    // before it has the whole body.
    let wire = "POST /victim HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
        Trailer: Authorization\r\nTransfer-Encoding: Chunked \r\n\r\n\
        5;name=value\r\nhello\r\n006 ;a\r\n";
    refused(&proxy, wire.as_bytes()).await;

    let wire = "POST /services/apexrest/echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
        Trailer: Authorization\r\nTransfer-Encoding: Chunked \r\n\r\n\
        5;name=value;other=\"x\"\r\nhello\r\n006\r\n world\r\n0\r\nAuthorization: Bearer theirs\r\n\r\n";
    for size in [usize::MAX, 1] {
        let stream = TcpStream::connect(proxy.address).await.unwrap();
        talk(stream, wire.as_bytes(), size).await;
        let seen = org.last_request();
        assert_eq!(seen.body, b"hello world");
        assert!(seen.complete && seen.authorized);
        assert_eq!(seen.trailers.map_or(0, |trailers| trailers.len()), 0);
        assert!(!seen.headers.contains_key("trailer"));
    }
}

#[tokio::test]
async fn requests_in_a_row_are_answered_in_order() {
    let Both { org, proxy } = one_thread().await;
    let wire = "GET /services/data HTTP/1.1\r\nHost: localhost\r\n\r\n\
        POST /services/apexrest/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\na\nb\nc\
        \r\nGET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    for size in [usize::MAX, 1] {
        let before = org.requests().len();
        let stream = TcpStream::connect(proxy.address).await.unwrap();
        let answers = talk(stream, wire.as_bytes(), size).await;
        assert_eq!(answers.len(), 3, "{answers:?}");
        let targets: Vec<_> = org.requests()[before..]
            .iter()
            .map(|seen| seen.target.clone())
            .collect();
        assert_eq!(
            targets,
            ["/services/data", "/services/apexrest/a", "/nothing"]
        );
    }
}

#[tokio::test]
async fn the_body_of_a_refused_request_is_never_read_as_a_request() {
    let Both { org, proxy } = one_thread().await;
    for refused in ["/secur/frontdoor.jsp", "/services/data/../x"] {
        let statuses = smuggle(&proxy, refused, "").await;
        assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    }
    assert!(org.requests().iter().all(|seen| seen.target == LIMITS));
}

/// The others go wrong elsewhere than in the guard.
#[tokio::test]
async fn the_body_of_a_request_that_fails_is_never_read_as_a_request() {
    let Both { org, proxy } = one_thread().await;
    let refused = Fault::login_refused("invalid_grant", "user is locked");
    org.faults().always(TOKEN, refused);
    let statuses = smuggle(&proxy, LIMITS, "").await;
    assert!(statuses.iter().all(|status| *status == 502), "{statuses:?}");
    assert_eq!(org.counts().requests, 0);

    let Both { org, proxy } = Both::with(|config| {
        config.threads = 1;
        config.limits.header_bytes = 1000;
        config.orgs[0].guard.client_key = Some(ClientKey::new(&[b'k'; 20]).unwrap());
    })
    .await;
    let large = format!("X: {}\r\n", "y".repeat(1000));
    for lines in ["", &large] {
        let statuses = smuggle(&proxy, LIMITS, lines).await;
        assert!(statuses.iter().all(|status| *status == 403), "{statuses:?}");
    }
    assert_eq!(org.counts(), Counts::default());

    // One that was sent, to an org that is not there any more.
    let Both { org, proxy } = one_thread().await;
    gets_its_own_answer(&proxy).await;
    org.shutdown().await;
    let statuses = smuggle(&proxy, LIMITS, "").await;
    assert!(statuses.iter().all(|status| *status >= 500), "{statuses:?}");
}

/// Hides a request in the body of another, which is refused, and sends a plain one behind it. Returns
/// the statuses of that one: it is answered, or the connection has ended before it.
async fn smuggle(proxy: &Proxy, path: &str, lines: &str) -> Vec<u16> {
    let mut statuses = Vec::new();
    for padding in [0, 100_000] {
        let length = SMUGGLED.len() + padding;
        let padding = "x".repeat(padding);
        let wire = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\n{lines}Content-Length: {length}\r\n\r\n\
             {SMUGGLED}{padding}{}",
            get_and_close(LIMITS)
        );
        let answers = exchange(proxy.address, &wire).await;
        // The rest may be read or not, but only as what it is.
        assert!(answers[0].status >= 400, "{answers:?}");
        assert!(answers.len() <= 2, "{answers:?}");
        statuses.extend(answers[1..].iter().map(|answer| answer.status));
    }
    statuses
}

#[tokio::test]
async fn nobody_is_switched_to_another_protocol() {
    let Both { org, proxy } = one_thread().await;
    for lines in [
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        "Upgrade: TLS/1.2\r\n",
    ] {
        let before = org.requests().len();
        let wire = format!(
            "GET {LIMITS} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n\
             GET /services/data HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        );
        let answers = exchange(proxy.address, &wire).await;
        let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
        assert_eq!(statuses, [200, 200], "{lines}");
        let seen = &org.requests()[before..];
        assert_eq!(seen.len(), 2);
        for name in ["upgrade", "http2-settings", "connection"] {
            assert!(!seen[0].headers.contains_key(name), "{name}");
        }
    }
}

#[tokio::test]
async fn a_refused_connect_opens_no_tunnel() {
    let Both { org, proxy } = one_thread().await;
    let wire = format!(
        "CONNECT localhost:443 HTTP/1.1\r\nHost: localhost:443\r\n\r\n\
         GET {LIMITS} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    );
    for size in [usize::MAX, 1] {
        let stream = TcpStream::connect(proxy.address).await.unwrap();
        let answers = talk(stream, wire.as_bytes(), size).await;
        // What follows was meant for the other end of the tunnel.
        assert_eq!(answers.len(), 1, "{answers:?}");
        answers[0].refusal(405, "METHOD_REFUSED");
    }
    assert_eq!(org.counts().requests, 0);
}

/// hyper reads heads of up to 400 KiB, so a line can be longer than what is looked at of it.
#[tokio::test]
async fn framing_hidden_in_a_very_long_line_is_refused() {
    let Both { org, proxy } = one_thread().await;
    let pad = |count: usize| " ".repeat(count);
    for line in [
        format!("Content-Length: {}0{}", pad(262_200), pad(20_000)),
        format!("Content-Length: {}48{}", pad(262_200), pad(20_000)),
        format!("Transfer-Encoding: {}chunked{}", pad(262_200), pad(20_000)),
    ] {
        let wire = format!(
            "POST /victim HTTP/1.1\r\nHost: localhost\r\n{line}\r\n\r\n5\nhello\r\n0\r\n\r\n{SMUGGLED}"
        );
        refused(&proxy, wire.as_bytes()).await;
    }
    assert_eq!(org.counts().requests, 0);
}

#[tokio::test]
async fn a_second_request_with_a_fault_does_not_spoil_the_first() {
    let Both { org, proxy } = one_thread().await;
    let wire = format!(
        "GET {LIMITS} HTTP/1.1\r\nHost: localhost\r\n\r\n\
         GET /a#b HTTP/1.1\r\nHost: localhost\r\n\r\n{SMUGGLED}"
    );
    for size in [usize::MAX, 1] {
        let stream = TcpStream::connect(proxy.address).await.unwrap();
        let answers = talk(stream, wire.as_bytes(), size).await;
        let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
        assert_eq!(statuses, [200, 400], "{answers:?}");
    }
    assert!(org.requests().iter().all(|seen| seen.target == LIMITS));
}

/// Valid requests with a few bytes changed, some thousands of times: whatever it amounts to is
/// answered or closed, and the org sees no more requests than heads can have been meant.
#[tokio::test]
async fn random_damage_is_answered_or_closed_and_smuggles_nothing() {
    let Both { org, proxy } = one_thread().await;
    let seeds: [&str; 4] = [
        &get_and_close("/services/data"),
        "POST /services/apexrest/a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 47\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\nabcd",
        "POST /services/apexrest/a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n2f;x=y\r\nGET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\nabcd\r\n0\r\nA: b\r\n\r\n",
        "GET http://localhost/services/data?q=%20 HTTP/1.1\r\nHost: localhost\r\nCookie: sid=1; a=b\r\nConnection: close\r\n\r\n",
    ];
    let odd = b"\r\n\0 \t:;,#%/\\\"05fF+-\x7f\x80\xff";
    let mut random = Random(0x5eed);
    // Requests, and those that were hidden in a body: at most, and found at the org.
    let (mut most, mut found, mut last) = ((0, 0), (0, 0), 0);
    for round in 0..ROUNDS {
        let mut wire = seeds[round % seeds.len()].as_bytes().to_vec();
        for _ in 0..=random.below(3) {
            let at = random.below(wire.len());
            match random.below(5) {
                0 => wire[at] = odd[random.below(odd.len())],
                1 => wire.insert(at, odd[random.below(odd.len())]),
                2 => drop(wire.remove(at)),
                3 => wire[at] ^= 1 << random.below(8),
                _ => {
                    let end = (at + 1 + random.below(20)).min(wire.len());
                    let piece = wire[at..end].to_vec();
                    wire.splice(at..at, piece);
                }
            }
        }
        let stream = TcpStream::connect(proxy.address).await.unwrap();
        let size = [usize::MAX, 1 + random.below(40)][random.below(2)];
        let shown = String::from_utf8_lossy(&wire).into_owned();
        let answers = half_closing(stream, &wire, size).await;
        assert!(
            answers.iter().all(|answer| answer.status != 500),
            "{shown:?} {answers:?}"
        );
        for target in meant(&wire) {
            most.0 += 1;
            most.1 += usize::from(target.contains("/smuggled"));
        }
        // One that its client gave up may come in a round late, so all are counted together.
        for seen in org.requests() {
            if seen.number > last && is_clients(&seen) {
                found.0 += 1;
                found.1 += usize::from(seen.target.contains("/smuggled"));
            }
            last = last.max(seen.number);
        }
        assert!(found.0 <= most.0 && found.1 <= most.1, "{shown:?}");
    }
    gets_its_own_answer(&proxy).await;
}

/// The targets of the requests that somebody strict finds in `wire`, the last of which may be odd.
fn meant(wire: &[u8]) -> Vec<String> {
    let text = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|byte| char::from(*byte))
            .collect::<String>()
    };
    let mut rest = text(wire);
    let mut targets = Vec::new();
    while let Some((head, after)) = rest.trim_start_matches("\r\n").split_once("\r\n\r\n") {
        let mut lines = head.split("\r\n");
        let target = lines.next().and_then(|line| line.split(' ').nth(1));
        targets.push(target.unwrap_or_default().to_owned());
        let fields: Vec<_> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_lowercase(), value.trim().to_lowercase()))
            .collect();
        let field = |wanted: &str| fields.iter().find(|(name, _)| name == wanted);
        if field("connection").is_some_and(|(_, value)| value == "close") {
            break;
        }
        let mut after = after.to_owned();
        if field("transfer-encoding").is_some() {
            while let Some((size, chunk)) = after.split_once("\r\n") {
                let size = size.split(';').next().unwrap_or_default();
                let size = usize::from_str_radix(size, 16).unwrap_or(usize::MAX);
                let Some(chunk) = chunk.get(size..) else {
                    return targets;
                };
                after = chunk.strip_prefix("\r\n").unwrap_or(chunk).to_owned();
                if size == 0 {
                    after = after
                        .split_once("\r\n\r\n")
                        .map_or_else(|| after.clone(), |(_, after)| after.to_owned());
                    break;
                }
            }
        } else if let Some((_, length)) = field("content-length") {
            let Some(body) = length
                .parse()
                .ok()
                .and_then(|length: usize| after.get(length..))
            else {
                return targets;
            };
            after = body.to_owned();
        }
        rest = after;
    }
    targets
}

const ROUNDS: usize = 3000;

/// Talks as `talk` does, but says at the end that no more comes, since `wire` may be incomplete.
async fn half_closing(mut stream: TcpStream, wire: &[u8], size: usize) -> Vec<Answer> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let mut heard = Vec::new();
    let done = async {
        for piece in wire.chunks(size.min(wire.len())) {
            if stream.write_all(piece).await.is_err() {
                break;
            }
        }
        // Left open for a moment, since a complete request is answered with a close.
        let ends = tokio::time::timeout(std::time::Duration::from_millis(30), async {
            let _ = stream.read_to_end(&mut heard).await;
        });
        if ends.await.is_err() {
            let _ = stream.shutdown().await;
            let _ = stream.read_to_end(&mut heard).await;
        }
    };
    let shown = String::from_utf8_lossy(wire);
    assert!(
        tokio::time::timeout(PATIENCE, done).await.is_ok(),
        "left open: {shown:?}"
    );
    Answer::all(&heard)
}

/// True for what a client asked; the proxy itself asks whether a session lives.
fn is_clients(seen: &Seen) -> bool {
    seen.target != "/services/oauth2/userinfo"
}

/// One thread, so that whatever an attacker leaves behind is what the next client meets.
async fn one_thread() -> Both {
    Both::with(|config| config.threads = 1).await
}

/// Asserts that `wire` gets one refusal at most and the connection is closed, in one piece and
/// byte by byte.
async fn refused(proxy: &Proxy, wire: &[u8]) {
    // Byte by byte takes its time for the longest.
    let small = if wire.len() < 10_000 { 1 } else { 5000 };
    for size in [usize::MAX, small] {
        let stream = TcpStream::connect(proxy.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let answers = talk(stream, wire, size).await;
        only_refusals(
            &answers,
            &String::from_utf8_lossy(&wire[..wire.len().min(300)]),
        );
    }
}

#[track_caller]
fn only_refusals(answers: &[Answer], wire: &str) {
    assert!(answers.len() <= 1, "{wire:?} got {answers:?}");
    for answer in answers {
        assert!(
            matches!(answer.status, 400 | 405 | 414 | 431 | 501),
            "{wire:?} got {answer:?}"
        );
    }
}

async fn gets_its_own_answer(proxy: &Proxy) {
    let mut client: Raw = proxy.connect().await;
    client.send(get(LIMITS)).await;
    let answer = client.answer().await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("DailyApiRequests"), "{answer}");
}
