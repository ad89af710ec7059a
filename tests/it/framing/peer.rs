//! The other sides of the proxy: an instance of an org and a client, which keep every byte that they get.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
};

use orgproxy::demo::Then;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::support::{Org, Own, PATIENCE, Proxy};

/// A message as it stood on the wire.
#[derive(Debug, Clone)]
pub(super) struct Message {
    /// The number of its connection, from 1.
    pub(super) connection: usize,
    /// With its end.
    pub(super) head: String,
    /// Without chunks.
    pub(super) body: Vec<u8>,
    /// If false, it broke off.
    pub(super) is_whole: bool,
}

/// An instance of an org, and a proxy of one thread in front of it.
pub(super) struct Peer {
    pub(super) proxy: Proxy,
    /// Where the proxy logs in.
    pub(super) org: Org,
    port: u16,
    record: Arc<Mutex<Record>>,
    listening: JoinHandle<()>,
}

#[derive(Default)]
struct Record {
    connections: usize,
    messages: Vec<Message>,
    /// The answers by the target of the request. Others are answered with their target.
    answers: HashMap<String, Reply>,
}

/// An answer that comes in pieces of `size` bytes.
#[derive(Clone)]
pub(super) struct Reply {
    pub(super) bytes: Vec<u8>,
    pub(super) size: usize,
    pub(super) then: Then,
}

impl Peer {
    pub(super) async fn start() -> Self {
        let own = Own::make("localhost", 2099);
        let acceptor = TlsAcceptor::from(own.tls.clone());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let record = Arc::new(Mutex::new(Record::default()));
        let shared = record.clone();
        let listening = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (acceptor, record) = (acceptor.clone(), shared.clone());
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        serve(stream, &record).await;
                    }
                });
            }
        });
        let org = Org::start().await.unwrap();
        org.set(|knobs| knobs.instance_url = Some(format!("https://localhost:{port}")));
        let proxy = Proxy::with(&org, |config| {
            config.threads = 1;
            config.orgs[0].ca.push(own.authority.der().clone());
        })
        .await;
        Self {
            proxy,
            org,
            port,
            record,
            listening,
        }
    }

    /// Has requests for `target` get this answer.
    pub(super) fn answer(&self, target: &str, reply: Reply) {
        let mut record = self.record.lock().unwrap();
        record.answers.insert(target.to_owned(), reply);
    }

    /// All messages so far.
    pub(super) fn messages(&self) -> Vec<Message> {
        self.record.lock().unwrap().messages.clone()
    }

    /// The text of a message, where what differs from one run to another has a short name.
    pub(super) fn text(&self, message: &Message) -> String {
        let host = format!("localhost:{}", self.port);
        let lines = message.head.split_inclusive("\r\n").map(|line| {
            if line.starts_with("Authorization: Bearer ") && !line.contains("theirs") {
                "AUTH\r\n".to_owned()
            } else {
                line.replace(&host, "ORG")
            }
        });
        lines.collect::<String>() + &String::from_utf8_lossy(&message.body)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn serve(mut stream: TlsStream<TcpStream>, record: &Mutex<Record>) {
    let connection = {
        let mut record = record.lock().unwrap();
        record.connections += 1;
        record.connections
    };
    let mut heard = Vec::new();
    loop {
        let ended = !matches!(stream.read_buf(&mut heard).await, Ok(1..));
        while let Some((message, length)) = next(&heard, connection) {
            heard.drain(..length);
            let target = message.head.split(' ').nth(1).unwrap().to_owned();
            let scripted = {
                let mut record = record.lock().unwrap();
                record.messages.push(message);
                record.answers.get(&target).cloned()
            };
            let reply = scripted.unwrap_or_else(|| Reply::of(&target));
            for piece in reply.bytes.chunks(reply.size) {
                // The proxy may have seen enough.
                if stream.write_all(piece).await.is_err() || stream.flush().await.is_err() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            match reply.then {
                Then::Keep => continue,
                Then::Close => _ = stream.shutdown().await,
                Then::Cut => _ = stream.get_mut().0.shutdown().await,
                Then::Reset => _ = stream.get_ref().0.set_zero_linger(),
            }
            return;
        }
        if ended {
            break;
        }
    }
    if !heard.is_empty() {
        record
            .lock()
            .unwrap()
            .messages
            .push(broken(&heard, connection));
    }
}

impl Reply {
    /// An answer that says what it answers.
    fn of(target: &str) -> Self {
        let length = target.len();
        let text = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{target}");
        Self {
            bytes: text.into(),
            size: usize::MAX,
            then: Then::Keep,
        }
    }
}

/// All messages of a connection that has ended, the last of which may have broken off.
pub(super) fn messages(mut wire: &[u8]) -> Vec<Message> {
    let mut all = Vec::new();
    while let Some((message, length)) = next(wire, 0) {
        wire = &wire[length..];
        all.push(message);
    }
    if !wire.is_empty() {
        all.push(broken(wire, 0));
    }
    all
}

/// The message that `wire` begins with, and its length, if it is whole.
///
/// # Panics
/// If it is not written as plainly as RFC 9112 can be read: what the proxy writes is beyond doubt.
fn next(wire: &[u8], connection: usize) -> Option<(Message, usize)> {
    let end = wire.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = String::from_utf8(wire[..end].to_vec()).expect("a head of text");
    let odd = |c: char| c.is_control() && c != '\t';
    let mut lines = head.trim_end_matches("\r\n").split("\r\n");
    assert!(!lines.clone().any(|line| line.contains(odd)), "{head:?}");
    let first = lines.next().unwrap();
    let (mut length, mut is_chunked) = (None, false);
    for line in lines {
        let (name, value) = line.split_once(": ").expect(line);
        assert!(!name.contains([' ', '\t']), "{line:?}");
        match name.to_ascii_lowercase().as_str() {
            "content-length" => {
                assert!(length.is_none(), "{head:?}");
                let number: usize = value.parse().expect(value);
                assert_eq!(number.to_string(), value);
                length = Some(number);
            }
            "transfer-encoding" => {
                assert!(!is_chunked && value == "chunked", "{head:?}");
                is_chunked = true;
            }
            _ => {}
        }
    }
    assert!(!is_chunked || length.is_none(), "{head:?}");
    // So does what answers HEAD, but that is the last of its connection in these tests.
    let has_none = ["HTTP/1.1 1", "HTTP/1.1 204", "HTTP/1.1 304"];
    if has_none.iter().any(|start| first.starts_with(start)) {
        length = None;
    }
    let (body, taken) = if is_chunked {
        dechunked(&wire[end..])?
    } else {
        let length = length.unwrap_or(0);
        (wire[end..].get(..length)?.to_vec(), length)
    };
    let message = Message {
        connection,
        head,
        body,
        is_whole: true,
    };
    Some((message, end + taken))
}

/// The body in chunks without extensions and trailers, and its length with them.
fn dechunked(wire: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let line = wire[at..].windows(2).position(|two| two == b"\r\n")?;
        let digits = std::str::from_utf8(&wire[at..at + line]).expect("a size");
        let size = usize::from_str_radix(digits, 16).expect(digits);
        assert_eq!(format!("{size:x}"), digits.to_ascii_lowercase());
        let start = at + line + 2;
        body.extend_from_slice(wire.get(start..start + size)?);
        let end = wire.get(start + size..start + size + 2)?;
        assert_eq!(end, b"\r\n", "behind a chunk");
        at = start + size + 2;
        if size == 0 {
            return Some((body, at));
        }
    }
}

/// What has come of a message that broke off.
fn broken(wire: &[u8], connection: usize) -> Message {
    let end = wire.windows(4).position(|four| four == b"\r\n\r\n");
    let (head, body) = wire.split_at(end.map_or(wire.len(), |end| end + 4));
    Message {
        connection,
        head: String::from_utf8_lossy(head).into_owned(),
        body: body.to_vec(),
        is_whole: false,
    }
}

/// The bytes that a client gets who sends `wire` in pieces of `size`, until the connection ends, and
/// whether that was a clean end. `hangs_up` has it say that no more comes.
pub(super) async fn exchange(
    address: SocketAddr,
    wire: &[u8],
    size: usize,
    hangs_up: bool,
) -> (Vec<u8>, bool) {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut reading, mut writing) = stream.into_split();
    let sent = async {
        for piece in wire.chunks(size) {
            // The proxy may have seen enough.
            if writing.write_all(piece).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        if hangs_up {
            let _ = writing.shutdown().await;
        }
        writing
    };
    let mut heard = Vec::new();
    let both = async {
        tokio::join!(sent, reading.read_to_end(&mut heard))
            .1
            .is_ok()
    };
    let ended = tokio::time::timeout(PATIENCE, both).await;
    let is_clean = ended.unwrap_or_else(|_| panic!("left open: {}", wire.escape_ascii()));
    (heard, is_clean)
}
