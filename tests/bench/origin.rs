//! The TLS origin that all proxies stand in front of: one thread, one epoll loop.

use std::error::Error;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::Arc;

use memchr::memmem;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::{ServerConfig, ServerConnection};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// The session that every request must carry.
pub(crate) const TOKEN: &str = "00D5g000004XyzA!AQEAQLq8sB1kq9vX2rT7mWc4nYp0hJd6uEfGzSaKbMoNiRxUw3\
    VtCyQlPjZ5eH1gF8sDkA7bIu9oXm2TnRcWvY4zLpJq";

/// The body of every answer that is not asked for a number of bytes.
pub(crate) const BODY_LENGTH: u64 = 1024;

/// The origin's arguments.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[arg(long)]
    folder: PathBuf,
}

/// Serves forever.
pub(crate) fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let mut org = Org::new(address.port())?;
    let tls = tls(args)?;
    println!("listening on http://{address} (TLS)");

    let poll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(
        &poll,
        &listener,
        EventData::new_u64(LISTENER),
        EventFlags::IN,
    )?;
    let mut connections: Vec<Option<Connection>> = Vec::new();
    let mut events = Vec::with_capacity(256);
    loop {
        events.clear();
        epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), None)?;
        for event in &events {
            let data = event.data;
            if data.u64() == LISTENER {
                // Gone again already is no reason to end.
                let Ok((socket, _)) = listener.accept() else {
                    continue;
                };
                let connection = Connection::new(socket, &tls)?;
                let index = connection.socket.get_ref().as_raw_fd() as usize;
                let data = EventData::new_u64(index as u64);
                epoll::add(&poll, connection.socket.get_ref(), data, EventFlags::IN)?;
                if connections.len() <= index {
                    connections.resize_with(index + 1, || None);
                }
                connections[index] = Some(connection);
                continue;
            }

            let slot = &mut connections[data.u64() as usize];
            let Some(connection) = slot else { continue };
            let waited = connection.blocked;
            match connection.advance(&mut org) {
                Ok(()) if connection.blocked != waited => {
                    let mut flags = EventFlags::IN;
                    flags.set(EventFlags::OUT, connection.blocked);
                    epoll::modify(&poll, connection.socket.get_ref(), data, flags)?;
                }
                Ok(()) => {}
                // Closing the socket takes it out of the poll set.
                Err(_) => *slot = None,
            }
        }
    }
}

/// TLS 1.3 with AES-256-GCM, and nothing else: the same cipher for every proxy.
fn tls(args: &Args) -> Result<Arc<ServerConfig>, Box<dyn Error>> {
    let chain = CertificateDer::pem_file_iter(args.folder.join("origin.pem"))?
        .collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(args.folder.join("origin-key.pem"))?;
    let provider = CryptoProvider {
        cipher_suites: vec![aws_lc_rs::cipher_suite::TLS13_AES_256_GCM_SHA384],
        ..aws_lc_rs::default_provider()
    };
    let config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    Ok(Arc::new(config))
}

/// The origin's answers, made once.
struct Org {
    host: String,
    authorization: String,
    record: Vec<u8>,
    /// Where in it the count of calls is.
    usage: Range<usize>,
    login: Vec<u8>,
}

impl Org {
    fn new(port: u16) -> Result<Self, Box<dyn Error>> {
        let start = r#"{"totalSize":1,"done":true,"records":[{"attributes":{"type":"Account","url":"/services/data/v62.0/sobjects/Account/0015g00000XyzAbAAJ"},"Id":"0015g00000XyzAbAAJ","Description":""#;
        let end = r#""}]}"#;
        let filler = "x".repeat(BODY_LENGTH as usize - start.len() - end.len());
        let login = format!(
            r#"{{"access_token":"{TOKEN}","scope":"api","instance_url":"https://localhost:{port}","id":"https://localhost:{port}/id/00D5g000004XyzAEAS/0055g00000AbCdEAAV","token_type":"Bearer"}}"#
        );
        let record = answer("200 OK", format!("{start}{filler}{end}").as_bytes());
        let usage = memmem::find(&record, b"1842/").ok_or("the head counts no calls")?;
        Ok(Self {
            host: format!("localhost:{port}"),
            authorization: format!("Bearer {TOKEN}"),
            record,
            usage: usage..usage + 4,
            login: answer("200 OK", login.as_bytes()),
        })
    }

    /// The next record: no two heads of an org are the same.
    fn count(&mut self) -> &[u8] {
        for digit in self.record[self.usage.clone()].iter_mut().rev() {
            *digit = match *digit {
                b'9' => b'0',
                digit => digit + 1,
            };
            if *digit != b'0' {
                break;
            }
        }
        &self.record
    }
}

/// An answer with the eight headers of an org.
fn head(status: &str, length: u64) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status}\r\n\
         Date: Sun, 22 Nov 2026 12:00:00 GMT\r\n\
         Strict-Transport-Security: max-age=63072000; includeSubDomains\r\n\
         X-Content-Type-Options: nosniff\r\n\
         Cache-Control: no-cache,must-revalidate,max-age=0,no-store,private\r\n\
         Sforce-Limit-Info: api-usage=1842/15000\r\n\
         Vary: Accept-Encoding\r\n\
         Content-Type: application/json;charset=UTF-8\r\n\
         Content-Length: {length}\r\n\r\n"
    )
    .into_bytes()
}

fn answer(status: &str, body: &[u8]) -> Vec<u8> {
    let mut answer = head(status, body.len() as u64);
    answer.extend_from_slice(body);
    answer
}

/// One connection from a proxy. Requests come one after the other; a body is counted and dropped.
struct Connection {
    /// rustls reads 4 KiB at a time; the buffer saves it most of the system calls.
    socket: BufReader<TcpStream>,
    tls: ServerConnection,
    /// The head of the request under way, as far as it has come.
    head: Vec<u8>,
    /// A request whose head is complete, and what is still to come of its body.
    request: Option<(Request, u64)>,
    /// The body of a call, as far as it has come.
    body: Vec<u8>,
    /// The bytes of an answer's body that are still to be made.
    stream: u64,
    /// If true, the socket takes no more for now.
    blocked: bool,
}

struct Request {
    line: RequestLine,
    length: u64,
    refusal: Option<&'static str>,
}

enum RequestLine {
    Login,
    Record {
        body: bool,
    },
    Stream(u64),
    Upload,
    /// A request whose body is looked into for the session, or is not.
    Call {
        soap: bool,
    },
}

impl Connection {
    fn new(socket: TcpStream, tls: &Arc<ServerConfig>) -> Result<Self, Box<dyn Error>> {
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        let mut tls = ServerConnection::new(Arc::clone(tls))?;
        // `PIECE` bounds how much is pending.
        tls.set_buffer_limit(None);
        Ok(Self {
            socket: BufReader::with_capacity(PIECE.len(), socket),
            tls,
            head: Vec::new(),
            request: None,
            body: Vec::new(),
            stream: 0,
            blocked: false,
        })
    }

    /// Reads and writes until the socket has nothing more for us; an error ends the connection.
    fn advance(&mut self, org: &mut Org) -> io::Result<()> {
        loop {
            match self.tls.read_tls(&mut self.socket) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {
                    self.tls.process_new_packets().map_err(io::Error::other)?;
                    self.take(org)?;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
            // Epoll reports what is left in the socket, but knows nothing of our buffer.
            if self.socket.buffer().is_empty() {
                break;
            }
        }
        self.send()
    }

    /// Takes what has been decrypted.
    fn take(&mut self, org: &mut Org) -> io::Result<()> {
        loop {
            let mut reader = self.tls.reader();
            let chunk = match reader.fill_buf() {
                Ok([]) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(chunk) => chunk,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            let length = chunk.len();
            match &mut self.request {
                Some((request, left)) => {
                    if matches!(request.line, RequestLine::Call { .. }) {
                        self.body.extend_from_slice(chunk);
                    }
                    *left = left.checked_sub(length as u64).ok_or_else(too_much)?;
                }
                None => {
                    self.head.extend_from_slice(chunk);
                    if let Some(end) = memmem::find(&self.head, b"\r\n\r\n") {
                        let request = Request::parse(&self.head[..end + 2], org)?;
                        let came = (self.head.len() - end - 4) as u64;
                        self.body.clear();
                        self.body.extend_from_slice(&self.head[end + 4..]);
                        let left = request.length.checked_sub(came).ok_or_else(too_much)?;
                        self.request = Some((request, left));
                        self.head.clear();
                    }
                }
            }
            reader.consume(length);
            if let Some((request, _)) = self.request.take_if(|(_, left)| *left == 0) {
                self.answer(&request, org)?;
            }
        }
    }

    fn answer(&mut self, request: &Request, org: &mut Org) -> io::Result<()> {
        let mut writer = self.tls.writer();
        if let Some(refusal) = request.refusal {
            return writer.write_all(&answer("400 Bad Request", refusal.as_bytes()));
        }
        match request.line {
            RequestLine::Call { soap: true }
                if memmem::find(&self.body, TOKEN.as_bytes()).is_none() =>
            {
                writer.write_all(&answer(
                    "400 Bad Request",
                    b"the session is not in the envelope",
                ))
            }
            RequestLine::Call { .. } => writer.write_all(org.count()),
            RequestLine::Login => writer.write_all(&org.login),
            RequestLine::Record { body: true } => writer.write_all(org.count()),
            RequestLine::Record { body: false } => writer.write_all(&head("200 OK", BODY_LENGTH)),
            RequestLine::Upload => writer.write_all(&answer("200 OK", &received(request.length))),
            RequestLine::Stream(length) => {
                self.stream = length;
                writer.write_all(&head("200 OK", length))
            }
        }
    }

    /// Writes what is pending, and makes more of it while an answer streams.
    fn send(&mut self) -> io::Result<()> {
        self.blocked = false;
        loop {
            while self.tls.wants_write() {
                match self.tls.write_tls(self.socket.get_mut()) {
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        self.blocked = true;
                        return Ok(());
                    }
                    Err(error) => return Err(error),
                }
            }
            if self.stream == 0 {
                return Ok(());
            }
            let piece = &PIECE[..PIECE.len().min(self.stream as usize)];
            self.tls.writer().write_all(piece)?;
            self.stream -= piece.len() as u64;
        }
    }
}

impl Request {
    /// Reads `head`, whose lines all end in CR LF, and checks that the proxy did its job.
    fn parse(head: &[u8], org: &Org) -> io::Result<Self> {
        let head = str::from_utf8(head).map_err(io::Error::other)?;
        let mut lines = head.split_terminator("\r\n");
        let mut words = lines.next().unwrap_or_default().split(' ');
        let (method, target) = (
            words.next().unwrap_or_default(),
            words.next().unwrap_or_default(),
        );
        let line = match (method, target) {
            ("POST", "/services/oauth2/token") => RequestLine::Login,
            ("POST", "/services/Soap/u/62.0") => RequestLine::Call { soap: true },
            ("POST", "/services/apexrest/echo/62.0") => RequestLine::Call { soap: false },
            ("POST" | "PUT", _) => RequestLine::Upload,
            ("HEAD", _) => RequestLine::Record { body: false },
            _ => match target.split_once("?bytes=").map(|(_, bytes)| bytes.parse()) {
                Some(Ok(bytes)) => RequestLine::Stream(bytes),
                _ => RequestLine::Record { body: true },
            },
        };

        let (mut host, mut authorization, mut length) = ("", "", 0);
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            if name.eq_ignore_ascii_case("host") {
                host = value;
            } else if name.eq_ignore_ascii_case("authorization") {
                authorization = value;
            } else if name.eq_ignore_ascii_case("content-length") {
                length = value.parse().map_err(io::Error::other)?;
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                return Err(io::Error::other("the client told the length of the body"));
            }
        }
        let refusal = if matches!(line, RequestLine::Login) {
            None
        } else if host != org.host {
            Some("the Host is not the origin's")
        } else if authorization != org.authorization {
            Some("the session is missing")
        } else {
            None
        };
        Ok(Self {
            line,
            length,
            refusal,
        })
    }
}

/// The answer to an upload of `length` bytes.
pub(crate) fn received(length: u64) -> Vec<u8> {
    format!(r#"{{"received":{length}}}"#).into_bytes()
}

fn too_much() -> io::Error {
    io::Error::other("more came than was announced")
}

const LISTENER: u64 = u64::MAX;

/// The piece that streamed bodies are made of, up and down.
pub(crate) static PIECE: [u8; 64 * 1024] = [b'x'; 64 * 1024];
