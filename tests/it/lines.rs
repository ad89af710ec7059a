//! An org's header lines arrive the same, whichever way they go.

use orgproxy::demo::Then;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{
    Fault, Org, PATIENCE, Proxy, Random,
    path::{ECHO, LIMITS},
    session,
};

/// None of them is for clients.
const DROPPED: [&str; 10] = [
    "Strict-Transport-Security: max-age=1",
    "alt-svc: h3=\":443\"",
    "Proxy-Status: x",
    "Keep-Alive: timeout=5",
    "TE: trailers",
    "Upgrade: h2c",
    "Proxy-Connection: keep-alive",
    "Connection: X-Hop\r\nX-Hop: 1",
    "x-hop: 1\r\nCONNECTION: keep-alive, x-HOP",
    "Set-Cookie: sid=1",
];

/// Heads of all kinds, each with a twin that has a line more which is not passed on. Lines that could go
/// on whole so go one by one, and nobody can tell by what arrives.
#[tokio::test]
async fn lines_arrive_the_same_whole_and_one_by_one() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::with(&org, |config| {
        config.threads = 1;
        config.orgs[0].guard.allow_origins = vec![PAGE.into()];
    })
    .await;
    proxy.get(LIMITS).await;
    let token = session(&org.last_request()).to_owned();
    let mut random = Random(0x5eed);
    for round in 0..ROUNDS {
        let (mut wire, mut asked) = (String::new(), Vec::new());
        for number in 0..=random.below(4) {
            let method = random.of(&["GET", "GET", "HEAD"]);
            let path = random.of(&[ECHO, "/services/data/v62.0"]);
            let mark = format!("{round}-{number}");
            let sent = Sent::make(&mut random, method, &mark, &token, &org.instance_url());
            let origin = random.of(&["", "", "", ORIGIN]);
            for lines in [sent.lines.clone(), sent.twin(&mut random)] {
                let answer = [sent.before, &sent.status, &lines, "\r\n", &sent.body].concat();
                org.faults().next(1, path, Fault::raw(answer, sent.then));
                wire += &format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{origin}\r\n");
            }
            asked.push((method, mark, origin, sent));
        }
        let last = wire.len() - 2;
        wire.insert_str(last, "Connection: close\r\n");
        let mut heard = Vec::new();
        let (mut read, mut write) = proxy.connect().await.0.into_split();
        let all = async {
            write.write_all(wire.as_bytes()).await.unwrap();
            read.read_to_end(&mut heard).await.unwrap();
        };
        tokio::time::timeout(PATIENCE, all).await.unwrap();
        let mut rest = &heard[..];
        for (method, mark, origin, sent) in asked {
            let [whole, twin] = [(); 2].map(|()| Heard::take(&mut rest, method));
            assert_eq!(whole, twin, "{sent:?}");
            whole.suits(&sent, &mark, &token, &org.instance_url());
            let shared = whole.values("access-control-allow-origin");
            match origin {
                "" => assert!(shared.iter().all(|shared| *shared == "*")),
                _ => assert_eq!(shared, [PAGE]),
            }
        }
        assert_eq!(rest, b"");
    }
}

/// An answer of the org.
#[derive(Debug)]
struct Sent {
    /// An interim answer that goes before it.
    before: &'static str,
    status: String,
    lines: String,
    /// Those that arrive.
    passed: Vec<String>,
    body: String,
    then: Then,
}

impl Sent {
    fn make(random: &mut Random, method: &str, mark: &str, token: &str, instance: &str) -> Self {
        let status = random.of(&[
            "200 OK",
            "200 OK",
            "204 No Content",
            "205 Reset Content",
            "299 As they say",
            "304 Not Modified",
            "302 Found",
            "404 Not Found",
            "500 Internal Server Error",
        ]);
        let mut body = match random.below(4) {
            0 => "x".repeat(100_000),
            1 => String::new(),
            _ => format!(r#"{{"identity":"{instance}/id/x"}}"#),
        };
        let framing = framing(random, body.len());
        let has_body = method != "HEAD" && !["204", "304"].contains(&&status[..3]);
        if !has_body {
            body.clear();
        } else if framing.contains("chunked") {
            body = chunked(&body);
        }
        let then = if has_body && framing.is_empty() {
            Then::Close
        } else {
            Then::Keep
        };
        let mut sent = Self {
            before: random.of(&[
                "",
                "",
                "HTTP/1.1 103 Early Hints\r\nX-Interim: 1\r\nContent-Length: 7\r\n\r\n",
            ]),
            status: format!("HTTP/1.1 {status}\r\n"),
            lines: format!("X-Mark: {mark}\r\n"),
            passed: vec![format!("X-Mark: {mark}")],
            body,
            then,
        };
        if random.below(3) > 0 {
            sent.lines += "Content-Type: application/json\r\n";
        }
        if random.below(4) > 0 {
            sent.lines += "Date: now\r\n";
        }
        for _ in 0..random.below(6) {
            sent.add(random, token);
        }
        if random.below(3) == 0 {
            sent.lines += &match random.below(5) {
                4 => "Access-Control-Allow-Origin: *\r\n".to_owned(),
                0 => format!("X-Url: {instance}/?sid={token}\r\n"),
                1 => format!("Location: {instance}/a?sid={token}\r\n"),
                2 => "set-COOKIE: a=b; Domain=x; Secure\r\n".to_owned(),
                _ => format!("{}\r\n", random.of(&DROPPED)),
            };
        }
        let at = sent.between(random);
        sent.lines.insert_str(at, &framing);
        sent
    }

    /// Adds a line that passes.
    fn add(&mut self, random: &mut Random, token: &str) {
        let long = "y".repeat(token.len());
        let name = random.of(&[
            "X-a",
            "x-A",
            "sforce-LIMIT-info",
            "vary",
            "X-Transfer-Encoding",
            "Connections",
        ]);
        let value = random.of(&["1", "a b", "", "\u{e9}", &long]);
        let space = random.of(&[" ", " ", " ", " ", "", "  \t"]);
        let end = random.of(&["\r\n", "\r\n", "\r\n", "\r\n", "\n", " \r\n"]);
        self.lines += &format!("{name}:{space}{value}{end}");
        self.passed.push(format!("{name}: {value}"));
    }

    /// Where a line may begin.
    fn between(&self, random: &mut Random) -> usize {
        let lines: Vec<_> = self.lines.split_inclusive('\n').collect();
        let before = random.below(lines.len() + 1);
        lines[..before].concat().len()
    }

    /// The same lines, and one more.
    fn twin(&self, random: &mut Random) -> String {
        let mut lines = self.lines.clone();
        let at = self.between(random);
        lines.insert_str(at, "Keep-Alive: timeout=1\r\n");
        lines
    }
}

/// Lines that say where a body of `length` bytes ends, if any do.
fn framing(random: &mut Random, length: usize) -> String {
    match random.below(8) {
        0 => format!("content-length:0{length}\r\n"),
        1 => format!("Content-Length: {length}\r\ncontent-length: {length}\r\n"),
        2 => format!("Content-Length: {length}, {length}\r\n"),
        3 => "Transfer-Encoding: chunked\r\n".to_owned(),
        4 => "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n".to_owned(),
        5 => String::new(),
        _ => format!("content-LENGTH: {length}\r\n"),
    }
}

fn chunked(body: &str) -> String {
    let chunk = match body.len() {
        0 => String::new(),
        length => format!("{length:x}\r\n{body}\r\n"),
    };
    format!("{chunk}0\r\nX-Trailer: 1\r\n\r\n")
}

/// An answer as it arrived.
#[derive(Debug, PartialEq, Eq)]
struct Heard {
    status: String,
    /// In no order, and without the time of day.
    lines: Vec<String>,
    body: String,
}

impl Heard {
    fn take(wire: &mut &[u8], method: &str) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let end = wire.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no head: {}", text(wire)));
        let head = text(&wire[..end]);
        *wire = &wire[end + 4..];
        let mut lines: Vec<_> = head.split("\r\n").map(str::to_owned).collect();
        let status = lines.remove(0);
        lines.retain(|line| line != "Connection: close");
        // That of the org, or ours.
        let date = lines.iter_mut().find(|line| line.starts_with("Date: "));
        let date = date.expect("a date");
        date.truncate(if date == "Date: now" {
            usize::MAX
        } else {
            "Date: ".len()
        });
        lines.sort();
        let mut heard = Self {
            status,
            lines,
            body: String::new(),
        };
        let length = heard.values("content-length");
        let is_chunked = !heard.values("transfer-encoding").is_empty();
        assert!(length.len() + usize::from(is_chunked) <= 1, "{head}");
        let mut take = |length: usize| {
            let (taken, rest) = wire.split_at(length);
            *wire = rest;
            text(taken)
        };
        if method == "HEAD" || ["204", "304"].contains(&&heard.status[9..12]) {
        } else if is_chunked {
            loop {
                let mut size = String::new();
                while !size.ends_with("\r\n") {
                    size += &take(1);
                }
                let size = usize::from_str_radix(size.trim_end(), 16).unwrap();
                heard.body += &take(size);
                assert_eq!(take(2), "\r\n");
                if size == 0 {
                    break;
                }
            }
        } else {
            heard.body = take(length[0].parse().unwrap());
        }
        heard
    }

    fn values(&self, wanted: &str) -> Vec<&str> {
        let lines = self.lines.iter().filter_map(|line| line.split_once(": "));
        let lines = lines.filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
        lines.map(|(_, value)| value).collect()
    }

    fn suits(&self, sent: &Sent, mark: &str, token: &str, instance: &str) {
        assert_eq!(self.status, sent.status.trim_end(), "{self:?}");
        for line in &sent.passed {
            assert!(self.lines.contains(line), "{line}: {self:?} {sent:?}");
        }
        assert_eq!(self.values("x-mark"), [mark]);
        let head = self.lines.join("\n").to_lowercase();
        let is_free = |word: &str| assert!(!head.contains(&word.to_lowercase()), "{word}: {head}");
        DROPPED
            .iter()
            .flat_map(|lines| lines.split("\r\n"))
            .for_each(is_free);
        [token, "x-interim", "x-trailer", "domain=", "secure"]
            .into_iter()
            .for_each(is_free);
        let locations = self.values("location");
        assert!(locations.iter().all(|url| !url.contains(instance)));
    }
}

const PAGE: &str = "https://page.example";

const ORIGIN: &str = "Origin: https://page.example\r\n";

const ROUNDS: usize = 300;
