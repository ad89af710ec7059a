//! Bodies of any size pass through the program, and its memory does not grow with them.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
};

use flate2::{Compression, write::GzEncoder};
use futures_util::future::join_all;
use orgproxy::demo::blocks;

use crate::support::{
    Digest, Files, LONGEST, Org, client,
    path::{LIMITS, SINK},
    sha256,
};

const GIB: u64 = 1 << 30;

/// The most that the program may take. It has a quarter of it at the start.
const MOST_MEMORY: u64 = 64 << 20;

#[tokio::test]
async fn a_gibibyte_down_and_a_gibibyte_up_take_no_memory() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let proxy = files.start();
    let address = proxy.address().await;
    let expected = sha256(blocks(GIB));

    let (down, up) = beside(move || {
        let mut stream = connect(address);
        (download(&mut stream, GIB), upload(&mut stream, GIB))
    })
    .await;
    assert_eq!(down, expected);
    assert!(up.contains(&expected), "{up}");
    assert_eq!(org.last_request().length, GIB);

    let peak = proxy.peak_memory();
    assert!(peak < MOST_MEMORY, "{} MiB", peak >> 20);
}

#[tokio::test]
async fn a_large_upload_on_a_dead_session_arrives_once_and_whole() {
    const LENGTH: u64 = 200_000_000;

    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let proxy = files.start();
    // This logs in, but the org answers it to anybody, so it proves nothing about the session.
    let versions = proxy.url("/services/data/").await;
    assert_eq!(client().get(versions).send().await.unwrap().status(), 200);
    org.end_sessions();

    let address = proxy.address().await;
    let answer = beside(move || {
        let mut stream = connect(address);
        upload(&mut stream, LENGTH)
    })
    .await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains(&sha256(blocks(LENGTH))), "{answer}");
    let uploads: Vec<_> = org
        .requests()
        .into_iter()
        .filter(|seen| seen.target == SINK)
        .collect();
    assert_eq!(uploads.len(), 1);
    assert!(uploads[0].authorized);
    assert_eq!(org.logins(), 2);
    let peak = proxy.peak_memory();
    assert!(peak < MOST_MEMORY, "{} MiB", peak >> 20);
}

#[tokio::test]
async fn sixty_uploads_at_once_on_a_dead_session_all_arrive_in_bounded_memory() {
    const LENGTH: u64 = 3_000_000;
    const UPLOADS: usize = 60;

    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let proxy = files.start();
    let limits = proxy.url(LIMITS).await;
    assert_eq!(client().get(limits).send().await.unwrap().status(), 200);
    org.end_sessions();

    let address = proxy.address().await;
    let uploads = (0..UPLOADS).map(|_| {
        beside(move || {
            let mut stream = connect(address);
            upload(&mut stream, LENGTH)
        })
    });
    let expected = sha256(blocks(LENGTH));
    for answer in join_all(uploads).await {
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(answer.contains(&expected), "{answer}");
    }
    let seen = org.requests();
    let arrived = seen
        .iter()
        .filter(|seen| seen.target == SINK && seen.authorized && seen.complete);
    assert_eq!(arrived.count(), UPLOADS);
    assert_eq!(org.logins(), 2);
    let peak = proxy.peak_memory();
    assert!(peak < 2 * MOST_MEMORY, "{} MiB", peak >> 20);
}

#[tokio::test]
async fn compressed_requests_that_wait_share_a_bounded_memory() {
    const REQUESTS: usize = 300;

    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let proxy = files.start();
    let address = proxy.address().await;
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(
        b"<e:Envelope xmlns:e='http://schemas.xmlsoap.org/soap/envelope/'><e:Body>\
          <getUserInfo xmlns='urn:partner.soap.sforce.com'/>",
    )
    .unwrap();
    // Of no use to anybody, but not so little that it is refused.
    for line in 0..1000 {
        gzip.write_all(format!("<!-- {line:990} -->\n").as_bytes())
            .unwrap();
    }
    gzip.write_all(b"</e:Body></e:Envelope>").unwrap();
    let body = gzip.finish().unwrap();
    let mut request = format!(
        "POST /services/Soap/u/62.0 HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\n\
         Content-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend(body);

    let hold = org.hold("/services/Soap");
    let waiting: Vec<_> = (0..REQUESTS)
        .map(|_| {
            let mut stream = connect(address);
            stream.write_all(&request).unwrap();
            stream
        })
        .collect();
    org.wait_until(|_| hold.waiting() == REQUESTS).await;
    let peak = proxy.peak_memory();
    assert!(peak < 3 * MOST_MEMORY, "{} MiB", peak >> 20);
    drop(waiting);
}

/// Runs a client on a thread of its own: the org has the other core.
async fn beside<T: Send + 'static>(client: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(client).await.unwrap()
}

/// Connects a client that does not wait forever.
fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LONGEST)).unwrap();
    stream.set_write_timeout(Some(LONGEST)).unwrap();
    stream
}

/// Returns the digest of what came.
fn download(stream: &mut TcpStream, length: u64) -> String {
    let head =
        format!("GET /services/apexrest/bytes?n={length} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let head = head_of_answer(stream);
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let mut digest = Digest::new();
    let mut left = length;
    let mut bytes = vec![0; 256 * 1024];
    while left > 0 {
        let length = stream.read(&mut bytes).unwrap();
        assert!(length > 0, "{left} bytes are missing");
        digest.update(&bytes[..length]);
        left -= length as u64;
    }
    digest.finish()
}

/// Sends so many bytes to where they are counted. Returns the answer.
fn upload(stream: &mut TcpStream, length: u64) -> String {
    let head = format!(
        "POST /services/apexrest/sink HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    for block in blocks(length) {
        // If it is refused, the answer says why.
        if stream.write_all(&block).is_err() {
            break;
        }
    }
    let mut answer = head_of_answer(stream);
    let length = answer
        .to_lowercase()
        .lines()
        .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    answer += &String::from_utf8(body).unwrap();
    answer
}

fn head_of_answer(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}
