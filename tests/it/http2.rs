//! HTTP/2 towards clients, frame by frame: what breaks its rules ends the connection, and what floods
//! it does so soon.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::future::join_all;
use http::Request;
use http_body_util::Empty;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use test_case::test_case;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::support::{
    Binary, Both, CpuTime, Files, Org, PATIENCE, Proxy, SHORT, Seen,
    answer::ask,
    get::get_and_close,
    in_time,
    path::{LIMITS, SINK, USERINFO},
    tls::Client,
};

mod spec;

#[tokio::test]
async fn every_line_of_the_specification_is_held() {
    let both = Both::start().await;
    let hold = both.org.hold(spec::HELD);
    let mut faults = Vec::new();
    for several in spec::CASES.chunks(20) {
        let several = several.iter();
        let judged = several.map(|case| spec::fault(both.proxy.address, case));
        faults.extend(join_all(judged).await.into_iter().flatten());
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(spec::CASES.len() >= 146, "{}", spec::CASES.len());
    drop(hold);
    let clean = ask(both.proxy.address, get_and_close(LIMITS)).await;
    assert_eq!(clean.status, 200);
    // Nothing but what was allowed came through, and what the proxy asks itself.
    let allowed = [LIMITS, SINK, spec::HELD, USERINFO];
    let odd = |seen: &Seen| !allowed.contains(&&*seen.target);
    let odd: Vec<_> = both.org.requests().into_iter().filter(odd).collect();
    assert!(odd.is_empty(), "{odd:?}");
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GO_AWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const PROTOCOL_ERROR: u8 = 1;
const ENHANCE_YOUR_CALM: u8 = 11;

#[tokio::test]
async fn what_begins_as_http2_and_does_not_go_on_so_is_a_connection_error() {
    let Both { org, proxy } = Both::start().await;
    for (from, wrong) in [(16, b'x'), (18, b'x'), (20, b'\n'), (23, b'x')] {
        let mut preface = PREFACE.to_vec();
        preface[from] = wrong;
        preface.extend(frame(SETTINGS, 0, 0, &[]));
        let heard = talk(connect(&proxy).await, preface).await;
        assert!(!heard.starts_with(b"HTTP/1"), "{}", text(&heard));
        assert_eq!(error(&heard), Some(PROTOCOL_ERROR), "byte {from}");
    }
    assert_eq!(org.counts(), orgproxy::demo::Counts::default());
    let heard = talk_until(connect(&proxy).await, begun(&[&request(1, true)]), HEADERS).await;
    assert_eq!(error(&heard), None);
}

#[test_case(b"h2", get_and_close(LIMITS).as_bytes(), false; "http2 agreed and http1 spoken")]
#[test_case(b"h2", b"INVALID CONNECTION PREFACE\r\n\r\n", false; "http2 agreed and nothing spoken")]
#[test_case(b"http/1.1", PREFACE, false; "http1 agreed and http2 spoken")]
#[test_case(b"http/1.1", get_and_close(LIMITS).as_bytes(), true; "http1 agreed and spoken")]
#[test_case(b"", get_and_close(LIMITS).as_bytes(), true; "nothing agreed and http1 spoken")]
#[tokio::test]
async fn what_tls_agreed_on_is_what_is_spoken(agreed: &[u8], wire: &[u8], passes: bool) {
    let org = Org::start().await.unwrap();
    let files = Files::with(&org, "listen = [\"https://127.0.0.1:0\"]\n");
    let proxy = files.start_with_state();
    let port = proxy.secure_port().await;
    let mut client = Client::trusting(&files.local_ca());
    if !agreed.is_empty() {
        client.agree_on(agreed);
    }
    let heard = talk(client.connect(port).await.unwrap(), wire.to_vec()).await;
    assert_eq!(
        heard.starts_with(b"HTTP/1.1 200"),
        passes,
        "{}",
        text(&heard)
    );
    assert_eq!(org.counts().requests, usize::from(passes));
    if !passes && agreed == b"h2" {
        assert_eq!(error(&heard), Some(PROTOCOL_ERROR), "{}", text(&heard));
    }
    if !passes && agreed != b"h2" {
        assert!(heard.starts_with(b"HTTP/1.1 505"), "{}", text(&heard));
    }
}

#[test_case(false; "it answers pings")]
#[test_case(true; "it sends some")]
#[tokio::test]
async fn a_client_that_wants_nothing_is_let_go_whatever_it_pings(sends: bool) {
    let Both { org: _org, proxy } = Both::with(|config| config.limits.header_read = SHORT).await;
    let (mut reading, mut writing) = tokio::io::split(connect(&proxy).await);
    writing.write_all(&begun(&[])).await.unwrap();
    let heard = tokio::spawn(async move {
        let mut heard = Vec::new();
        let _ = reading.read_to_end(&mut heard).await;
        heard
    });
    let began = Instant::now();
    let ping = if sends {
        frame(PING, 0, 0, &[1; 8])
    } else {
        frame(PING, 1, 0, &[1; 8])
    };
    while !heard.is_finished() && began.elapsed() < PATIENCE {
        // A client that pings now and then, for longer than it may be idle: faster would be a flood.
        tokio::time::sleep(Duration::from_millis(20)).await;
        let _ = writing.write_all(&ping).await;
    }
    assert!(heard.is_finished(), "still there");
    assert_eq!(error(&heard.await.unwrap()), Some(0));
}

#[tokio::test]
async fn a_client_whose_request_is_under_way_is_not_let_go() {
    let Both { org, proxy } = Both::with(|config| config.limits.header_read = SHORT).await;
    let hold = org.hold(LIMITS);
    // One that answers pings.
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(connect(&proxy).await))
            .await
            .unwrap();
    tokio::spawn(connection);
    let get = Request::get(format!("http://localhost{LIMITS}"));
    let get = get.body(Empty::<Bytes>::new()).unwrap();
    let waiting = tokio::spawn(sender.send_request(get));
    org.wait_until(|_| hold.waiting() == 1).await;
    for _ in 0..3 {
        talk(connect(&proxy).await, begun(&[])).await;
    }
    hold.release();
    assert_eq!(waiting.await.unwrap().unwrap().status(), 200);
}

const MOST_OF_A_FLOOD: Duration = Duration::from_millis(10);

/// Returns floods by name: what a client sends once, and what it then sends again and again.
fn floods() -> [(&'static str, Vec<u8>, Vec<u8>); 11] {
    let open = || request(1, false);
    let mut unfinished = open();
    // Without END_HEADERS.
    unfinished[4] = 0;
    [
        ("ping", vec![], frame(PING, 0, 0, &[0; 8])),
        ("acknowledged ping", vec![], frame(PING, 1, 0, &[0; 8])),
        ("settings", vec![], frame(SETTINGS, 0, 0, &[])),
        ("priority", vec![], frame(PRIORITY, 0, 3, &[0, 0, 0, 1, 7])),
        (
            "window update",
            vec![],
            frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]),
        ),
        ("unknown", vec![], frame(0xfa, 0, 0, &[0; 8])),
        ("empty data", open(), frame(DATA, 0, 1, &[])),
        ("padding", open(), frame(DATA, 8, 1, &[1, 0])),
        ("continuation", unfinished, frame(CONTINUATION, 0, 1, &[])),
        (
            "window update of a stream",
            open(),
            frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]),
        ),
        ("reset", open(), frame(RST_STREAM, 0, 1, &[0, 0, 0, 8])),
    ]
}

fn flood(name: &str) -> (Vec<u8>, Vec<u8>) {
    let flood = floods().into_iter().find(|(it, ..)| *it == name);
    let (_, first, again) = flood.expect(name);
    (first, again)
}

/// Requests that their client resets at once.
fn given_up(count: u32) -> Vec<u8> {
    let requests = (0..count).flat_map(|number| {
        let stream = 2 * number + 1;
        let reset = frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]);
        [request(stream, true), reset].concat()
    });
    [begun(&[]), requests.collect()].concat()
}

#[test_case("ping")]
#[test_case("acknowledged ping")]
#[test_case("settings")]
#[test_case("priority")]
#[test_case("window update")]
#[test_case("unknown")]
#[test_case("empty data")]
#[test_case("padding")]
#[test_case("continuation")]
#[test_case("window update of a stream")]
#[test_case("reset")]
#[tokio::test]
async fn a_flood_of_frames_that_carry_nothing_is_asked_to_calm_down(name: &str) {
    let Both { org: _org, proxy } = Both::start().await;
    let (first, again) = flood(name);
    let wire = [begun(&[&first]), again.repeat(5000)].concat();
    let heard = talk(connect(&proxy).await, wire).await;
    let error = error(&heard);
    assert_eq!(error, Some(ENHANCE_YOUR_CALM), "{}", text(&heard));
    // It cost nobody else anything.
    assert_eq!(ask(proxy.address, get_and_close(LIMITS)).await.status, 200);
}

/// Which is what a flood costs all others on its thread: of processors, since that is the same on a
/// busy machine.
#[tokio::test]
async fn a_flood_is_over_before_it_costs_others_ten_milliseconds() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let proxy = Binary::start(&["--config", &files.config(), "--threads", "1"]);
    let address = proxy.address().await;
    // Its answer comes once the thread is done with what came before.
    let rests = async || {
        assert_eq!(ask(address, get_and_close(LIMITS)).await.status, 200);
        CpuTime::of(proxy.id())
    };
    rests().await;
    let before = rests().await;
    let nothing = rests().await.since(&before);
    let memory = proxy.peak_memory();
    let wires = floods()
        .map(|(name, first, again)| (name, [begun(&[&first]), again.repeat(100_000)].concat()));
    let given_up = ("given up", given_up(20_000));
    let mut dear = Vec::new();
    for (name, wire) in wires.into_iter().chain([given_up]) {
        let mut costs = Vec::new();
        for _ in 0..3 {
            let before = rests().await;
            let heard = pour(address, &wire).await;
            let calm = Some(ENHANCE_YOUR_CALM);
            assert_eq!(error(&heard), calm, "{name}: {}", text(&heard));
            costs.push(rests().await.since(&before).saturating_sub(nothing));
        }
        println!("{name}: {costs:?}");
        // What else happens to the process only adds to it.
        if costs.iter().min() >= Some(&MOST_OF_A_FLOOD) {
            dear.push((name, costs));
        }
    }
    assert!(dear.is_empty(), "{dear:?}");
    let grown = proxy.peak_memory().saturating_sub(memory);
    assert!(grown < 16 << 20, "{grown}");
}

/// Floods of requests that the proxy answers or has to give up, by name: each costs it something, and
/// the org at most what a client may ask for at a time.
fn floods_of_requests(count: u32) -> [(&'static str, Vec<u8>); 6] {
    let of_each = |what: &dyn Fn(u32) -> Vec<u8>| {
        let streams = (0..count).map(|number| 2 * number + 1);
        [begun(&[]), streams.flat_map(what).collect()].concat()
    };
    let zero = |stream| frame(WINDOW_UPDATE, 0, stream, &[0; 4]);
    let trailers = |stream| frame(HEADERS, 5, stream, b"\x00\x01x\x01y");
    // Four KiB that are named again and again, by one byte each.
    let value = "y".repeat(4000);
    let mut large = vec![0x40, 1, b'x', 0x7f, 0xa1, 0x1e];
    large.extend_from_slice(value.as_bytes());
    large.extend([0xbe].repeat(12_000));
    let bomb = |stream| frame(HEADERS, 5, stream, &large);
    let nothing = frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
    let unread = of_each(&|stream| request(stream, true));
    [
        ("given up", given_up(count)),
        (
            "made to reset",
            of_each(&|stream| [request(stream, true), zero(stream)].concat()),
        ),
        (
            "written to when ended",
            of_each(&|stream| [request(stream, true), frame(DATA, 1, stream, b"x")].concat()),
        ),
        (
            "trailers",
            of_each(&|stream| [request(stream, false), trailers(stream)].concat()),
        ),
        ("a bomb of headers", of_each(&bomb)),
        (
            "nothing is read",
            [PREFACE, &nothing, &unread[PREFACE.len()..]].concat(),
        ),
    ]
}

#[tokio::test]
async fn no_flood_of_requests_takes_memory_or_connections_or_keeps_others_waiting() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let proxy = Binary::start(&["--config", &files.config(), "--threads", "1"]);
    let address = proxy.address().await;
    let mut dear = Vec::new();
    for (name, wire) in floods_of_requests(2000) {
        let cost = cost_of(&wire, &proxy, address, Duration::ZERO).await;
        println!("{name}: {cost:?}");
        if cost.is_dear() {
            dear.push((name, cost));
        }
    }
    assert!(dear.is_empty(), "{dear:?}");
    // As many as a thread opens at a time, and those in whose place they are.
    let connections = org.counts().connections;
    assert!(connections < 200, "{connections}");
    assert_eq!(ask(address, get_and_close(LIMITS)).await.status, 200);
}

#[tokio::test]
#[ignore = "17 minutes: cargo test --release --test it -- --ignored --nocapture a_minute_of_each"]
async fn a_minute_of_each_flood_costs_no_more() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let proxy = Binary::start(&["--config", &files.config()]);
    let address = proxy.address().await;
    let wires = floods().map(|(name, first, again)| {
        let wire = [begun(&[&first]), again.repeat(5000)].concat();
        (name, wire)
    });
    let mut dear = Vec::new();
    for (name, wire) in wires.into_iter().chain(floods_of_requests(2000)) {
        let cost = cost_of(&wire, &proxy, address, Duration::from_mins(1)).await;
        println!("{name}: {cost:?}");
        if cost.is_dear() || cost.requests == 0 {
            dear.push((name, cost));
        }
    }
    assert!(dear.is_empty(), "{dear:?}");
}

/// What a flood costs others.
#[derive(Debug)]
struct FloodCost {
    /// Processor time of the proxy while another's request was on its way, at the 99th percentile:
    /// others wait for it, and it is the same on a busy machine.
    wait: Duration,
    /// The number of requests of others.
    requests: usize,
    /// Bytes that the proxy took after the first time.
    memory: u64,
}

impl FloodCost {
    fn is_dear(&self) -> bool {
        self.memory >= 8 << 20 || self.wait >= Duration::from_millis(50)
    }
}

/// Floods with `wire` again and again, three times at least and for as long as `time`.
async fn cost_of(wire: &[u8], proxy: &Binary, address: SocketAddr, time: Duration) -> FloodCost {
    let began = Instant::now();
    let (mut memory, mut waits, mut floods) = (0, Vec::new(), 0);
    while floods < 3 || began.elapsed() < time {
        let others = async {
            loop {
                let before = CpuTime::of(proxy.id());
                assert_eq!(ask(address, get_and_close(LIMITS)).await.status, 200);
                waits.push(CpuTime::of(proxy.id()).since(&before));
            }
        };
        tokio::select! {
            _ = pour(address, wire) => {}
            () = others => {}
        }
        floods += 1;
        // It has whatever it needs for this one after the first.
        if floods == 1 {
            memory = proxy.peak_memory();
        }
    }
    waits.sort_unstable();
    let wait = waits.get(waits.len() * 99 / 100);
    FloodCost {
        wait: wait.copied().unwrap_or_default(),
        requests: waits.len(),
        memory: proxy.peak_memory().saturating_sub(memory),
    }
}

#[tokio::test]
async fn no_flood_fills_the_log() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let proxy = Binary::start(&["--config", &files.config()]);
    let address = proxy.address().await;
    for (_, first, again) in floods() {
        pour(address, &[begun(&[&first]), again.repeat(5000)].concat()).await;
    }
    pour(address, &given_up(2000)).await;
    let said = proxy.stop().await.stderr;
    assert!(said.lines().count() < 100, "{}", said.lines().count());
}

#[test_case("ping")]
#[test_case("priority")]
#[test_case("window update")]
#[test_case("unknown")]
#[tokio::test]
async fn a_few_such_frames_do_no_harm(name: &str) {
    let Both { org: _org, proxy } = Both::start().await;
    let (first, again) = flood(name);
    let wire = [
        begun(&[&first]),
        again.repeat(500),
        request(3, true),
        again.repeat(100),
    ]
    .concat();
    let heard = talk_until(connect(&proxy).await, wire, HEADERS).await;
    assert_eq!((error(&heard), status(&heard)), (None, Some(OK)));
}

#[tokio::test]
async fn requests_that_are_given_up_at_once_are_a_flood_too() {
    let Both { org: _org, proxy } = Both::start().await;
    let heard = talk(connect(&proxy).await, given_up(2000)).await;
    assert_eq!(error(&heard), Some(ENHANCE_YOUR_CALM), "{}", text(&heard));
}

#[tokio::test]
async fn a_connection_has_a_hundred_requests_at_most() {
    const REFUSED_STREAM: u8 = 7;
    let Both { org, proxy } = Both::start().await;
    let hold = org.hold(LIMITS);
    let requests = (0..101).map(|number| request(2 * number + 1, true));
    let wire = begun(&[&requests.collect::<Vec<_>>().concat()]);
    let heard = talk_until(connect(&proxy).await, wire, RST_STREAM).await;
    let refused: Vec<_> = frames(&heard)
        .filter(|(kind, _)| *kind == RST_STREAM)
        .map(|(_, payload)| payload[3])
        .collect();
    assert_eq!(refused, [REFUSED_STREAM]);
    assert!(org.counts().requests <= 100);
    drop(hold);
    assert_eq!(ask(proxy.address, get_and_close(LIMITS)).await.status, 200);
}

#[tokio::test]
async fn a_client_that_acknowledges_every_piece_of_a_large_answer_gets_all_of_it() {
    const LENGTH: usize = 24 << 20;
    let Both { org: _org, proxy } = Both::start().await;
    let path = format!("/services/apexrest/bytes?n={LENGTH}");
    let mut client = connect(&proxy).await;
    client
        .write_all(&begun(&[&request_for(1, true, &path, "")]))
        .await
        .unwrap();
    let mut got = 0;
    while got < LENGTH {
        let next = read_frame(&mut client).await;
        let (kind, _, payload) = next.expect("the whole answer");
        if kind == DATA && !payload.is_empty() {
            got += payload.len();
            // As if it took a KiB at a time, and measured the way as well.
            let pieces = payload.len().div_ceil(1024);
            let more = u32::try_from(payload.len()).unwrap().to_be_bytes();
            let one = 1u32.to_be_bytes();
            let mut wire = frame(PING, 0, 0, &[0; 8]);
            for piece in 0..pieces {
                let by = if piece == 0 { more } else { one };
                wire.extend(frame(WINDOW_UPDATE, 0, 0, &by));
                wire.extend(frame(WINDOW_UPDATE, 0, 1, &by));
            }
            client.write_all(&wire).await.unwrap();
        }
        assert_ne!(kind, GO_AWAY, "{payload:?}");
    }
}

#[tokio::test]
async fn a_client_that_opens_no_window_for_its_answer_is_cut_off_and_logged() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let proxy = Binary::start(&["--config", &files.config(), "--idle-body", "300ms"]);
    let stream = TcpStream::connect(proxy.address().await).await.unwrap();
    let window = frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
    let path = "/services/apexrest/bytes?n=100000000&secret=word";
    let wire = [PREFACE, &window, &request_for(1, true, path, "")].concat();
    let heard = talk(stream, wire).await;
    assert!(heard.len() < 10_000, "{} bytes", heard.len());
    let line = proxy.log("limits.idle_body").await;
    assert!(line.contains("GET /services/apexrest/bytes"), "{line}");
    assert!(!line.contains("secret"), "{line}");
}

#[test_case("9223372036854775808")]
#[test_case("18446744073709551615")]
#[test_case("1152921504606846977")]
#[tokio::test]
async fn a_length_that_no_body_has_is_refused(length: &str) {
    let Both { org, proxy } = Both::start().await;
    let wire = begun(&[&request_for(1, false, SINK, length)]);
    let stream = connect(&proxy).await;
    // hyper refuses what cannot be counted with at all.
    let heard = match length {
        "18446744073709551615" => talk_until(stream, wire, RST_STREAM).await,
        _ => talk_until(stream, wire, HEADERS).await,
    };
    assert!(
        matches!(status(&heard), None | Some(BAD_REQUEST)),
        "{heard:?}"
    );
    assert_eq!(org.counts().requests, 0);
}

#[tokio::test]
async fn a_stop_does_not_wait_for_an_idle_client_that_answers_nothing() {
    let Both { org: _org, proxy } = Both::start().await;
    let mut silent = connect(&proxy).await;
    silent.write_all(&begun(&[])).await.unwrap();
    // Its settings say that it is there.
    read_frame(&mut silent).await.unwrap();
    let mut half = connect(&proxy).await;
    let head = request(1, true);
    half.write_all(&begun(&[&head[..12]])).await.unwrap();
    read_frame(&mut half).await.unwrap();
    let began = Instant::now();
    assert_eq!(proxy.stop().await, 0);
    assert!(
        began.elapsed() < Duration::from_secs(15),
        "{:?}",
        began.elapsed()
    );
}

async fn connect(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(proxy.address).await.unwrap()
}

/// Sends `wire` while it listens, until the other end closes, and returns what it heard.
async fn talk(stream: impl AsyncRead + AsyncWrite, wire: Vec<u8>) -> Vec<u8> {
    talk_until(stream, wire, u8::MAX).await
}

/// Sends `wire` and hangs up, and returns what it heard meanwhile.
async fn pour(address: SocketAddr, wire: &[u8]) -> Vec<u8> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut reading, mut writing) = stream.into_split();
    let write = async {
        // Nobody takes what is too much.
        let _ = writing.write_all(wire).await;
        let _ = writing.shutdown().await;
    };
    let mut heard = Vec::new();
    let read = timeout(PATIENCE, reading.read_to_end(&mut heard));
    let ((), ended) = tokio::join!(write, read);
    let _ = ended.expect("an end");
    heard
}

/// Talks as [`talk`] does, but ends with the first frame of a kind.
async fn talk_until(stream: impl AsyncRead + AsyncWrite, wire: Vec<u8>, kind: u8) -> Vec<u8> {
    let (mut reading, mut writing) = tokio::io::split(stream);
    let write = async {
        let _ = writing.write_all(&wire).await;
        let _ = writing.flush().await;
        std::future::pending::<()>().await;
    };
    let read = async {
        let mut heard = Vec::new();
        let mut piece = [0; 16 * 1024];
        while let Ok(length @ 1..) = reading.read(&mut piece).await {
            heard.extend_from_slice(&piece[..length]);
            if frames(&heard).any(|frame| frame.0 == kind) {
                break;
            }
        }
        heard
    };
    tokio::select! {
        heard = timeout(PATIENCE, read) => heard.expect("an end"),
        () = write => unreachable!("it waits forever"),
    }
}

pub(crate) async fn read_frame(stream: &mut TcpStream) -> Option<(u8, u32, Vec<u8>)> {
    let mut head = [0; 9];
    in_time(stream.read_exact(&mut head)).await.ok()?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; usize::try_from(length).unwrap()];
    in_time(stream.read_exact(&mut payload)).await.ok()?;
    let number = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
    Some((head[3], number, payload))
}

/// The kind and payload of each whole frame.
fn frames(mut wire: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let (head, rest) = wire.split_at_checked(9)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let (payload, rest) = rest.split_at_checked(usize::try_from(length).unwrap())?;
        wire = rest;
        Some((head[3], payload))
    })
}

/// The code of the last GOAWAY.
fn error(heard: &[u8]) -> Option<u8> {
    let away = frames(heard).filter(|(kind, _)| *kind == GO_AWAY).last();
    away.map(|(_, payload)| payload[7])
}

/// Returns the first byte of the first answer's head: an indexed status (RFC 7541 appendix A).
fn status(heard: &[u8]) -> Option<u8> {
    let mut frames = frames(heard);
    frames
        .find(|(kind, _)| *kind == HEADERS)
        .map(|(_, payload)| payload[0])
}

pub(crate) const OK: u8 = 0x88;
const BAD_REQUEST: u8 = 0x8c;

pub(crate) fn begun(frames: &[&[u8]]) -> Vec<u8> {
    [PREFACE, &frame(SETTINGS, 0, 0, &[]), &frames.concat()].concat()
}

fn request(stream: u32, ends: bool) -> Vec<u8> {
    request_for(stream, ends, LIMITS, "")
}

/// GET if it `ends`, else POST.
pub(crate) fn request_for(stream: u32, ends: bool, path: &str, length: &str) -> Vec<u8> {
    let mut block = vec![if ends { 0x82 } else { 0x83 }, 0x86];
    let mut literal = |name: &[u8], value: &str| {
        block.extend_from_slice(name);
        block.push(u8::try_from(value.len()).unwrap());
        block.extend_from_slice(value.as_bytes());
    };
    literal(&[0x04], path);
    literal(&[0x01], "localhost");
    if !length.is_empty() {
        literal(&[0x0f, 0x0d], length);
    }
    frame(HEADERS, 4 | u8::from(ends), stream, &block)
}

/// A hundred requests, each with a line of so many bytes, by a client that takes no answer.
pub(crate) fn untaken(host: &str, bytes: usize) -> Vec<u8> {
    let mut block = vec![0x82, 0x86];
    for (name, value) in [
        (&[0x04][..], LIMITS.to_owned()),
        (&[0x01], host.to_owned()),
        (b"\x00\x01x", "x".repeat(bytes)),
    ] {
        block.extend_from_slice(name);
        // RFC 7541 section 5.1.
        match value.len() {
            length @ 0..127 => block.push(u8::try_from(length).unwrap()),
            length => {
                let mut rest = length - 127;
                block.push(127);
                while rest > 127 {
                    block.push(u8::try_from(rest % 128 + 128).unwrap());
                    rest /= 128;
                }
                block.push(u8::try_from(rest).unwrap());
            }
        }
        block.extend_from_slice(value.as_bytes());
    }
    let pieces: Vec<_> = block.chunks(16_000).collect();
    let no_window = frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
    let requests = (0..100).flat_map(|index| {
        let last = pieces.len() - 1;
        let pieces = pieces.iter().enumerate();
        pieces.flat_map(move |(at, piece)| {
            let kind = if at == 0 { HEADERS } else { CONTINUATION };
            let ends = u8::from(at == 0) | if at == last { 4 } else { 0 };
            frame(kind, ends, 2 * index + 1, piece)
        })
    });
    [PREFACE.to_vec(), no_window, requests.collect()].concat()
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

fn text(heard: &[u8]) -> String {
    let start = &heard[..heard.len().min(200)];
    format!("{} bytes: {}", heard.len(), start.escape_ascii())
}
