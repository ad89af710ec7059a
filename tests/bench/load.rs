//! The load generator: a closed loop over C connections, on one thread.

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::time::{Duration, Instant};

use memchr::memmem;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use serde::{Deserialize, Serialize};

use crate::cpu::{self, Tree, Used};
use crate::histogram::Histogram;
use crate::origin::{self, BODY_LENGTH, PIECE, TOKEN};

/// The load generator's arguments.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where to send requests.
    #[arg(long)]
    to: SocketAddr,
    /// Speak TLS, trust this CA, and do a proxy's job: this is "direct".
    #[arg(long)]
    ca: Option<PathBuf>,
    #[arg(long)]
    connections: usize,
    /// Ask for this many bytes at a time.
    #[arg(long)]
    download: Option<u64>,
    /// Send this many bytes at a time.
    #[arg(long)]
    upload: Option<u64>,
    /// Send an envelope of SOAP, or the same bytes where nobody looks into them.
    #[arg(long)]
    post: Option<Post>,
    /// Not measured: at least this long, and at least one answer.
    #[arg(long, default_value_t = 0)]
    warm_up_ms: u64,
    /// Measured: at least this long, and at least one answer.
    #[arg(long, default_value_t = 0)]
    measure_ms: u64,
    /// End after this many answers, counted from the very first.
    #[arg(long)]
    requests: Option<u64>,
    /// The process whose CPU is measured.
    #[arg(long)]
    proxy: Option<u32>,
    /// The process whose CPU is not "others'".
    #[arg(long)]
    origin: Option<u32>,
}

/// Where an envelope goes.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Post {
    Soap,
    Rest,
}

/// The figures of one go.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Sample {
    pub(crate) seconds: f64,
    pub(crate) requests: u64,
    /// Processor time of the proxy, in seconds.
    pub(crate) cpu: f64,
    /// The use that processes made meanwhile that have no part in this, in cores.
    pub(crate) others: f64,
    /// In nanoseconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

/// Makes the load and prints a [`Sample`], as JSON.
pub(crate) fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let job = Job::new(args);
    let poll = epoll::create(CreateFlags::CLOEXEC)?;
    let mut connections = Vec::new();
    for index in 0..args.connections {
        let mut connection = Connection::open(args)?;
        connection.begin(&job, Instant::now());
        epoll::add(
            &poll,
            &connection.wire,
            EventData::new_u64(index as u64),
            EventFlags::OUT,
        )?;
        connections.push(connection);
    }

    let mut watch = Watch::new(args);
    let mut scratch = vec![0; 256 * 1024];
    let mut events = Vec::with_capacity(256);
    loop {
        events.clear();
        let patience = Timespec {
            tv_sec: PATIENCE.as_secs().cast_signed(),
            tv_nsec: 0,
        };
        let spare = rustix::buffer::spare_capacity(&mut events);
        if epoll::wait(&poll, spare, Some(&patience))? == 0 {
            return Err(format!("no answer for {} s", PATIENCE.as_secs()).into());
        }
        for event in &events {
            let data = event.data;
            let connection = &mut connections[data.u64() as usize];
            let waited = connection.sending();
            if connection.advance(&job, &mut scratch)? {
                let now = Instant::now();
                if let Some(sample) = watch.answered(now, connection.begun)? {
                    println!("{}", serde_json::to_string(&sample)?);
                    return Ok(());
                }
                connection.begin(&job, now);
                connection.send(&job)?;
            }
            if connection.sending() != waited {
                let flags = if waited {
                    EventFlags::IN
                } else {
                    EventFlags::OUT
                };
                epoll::modify(&poll, &connection.wire, data, flags)?;
            }
        }
    }
}

/// The request that is sent every time, and what must come back.
struct Job {
    head: Vec<u8>,
    upload: u64,
    answer: Answer,
}

enum Answer {
    Length(u64),
    Exactly(Vec<u8>),
}

impl Job {
    fn new(args: &Args) -> Self {
        let upload = args.upload.unwrap_or(0);
        let mut body = String::new();
        let (line, more, answer) = match (args.post, args.download, args.upload) {
            (Some(post), ..) => {
                body = envelope();
                let path = match post {
                    Post::Soap => "/services/Soap/u/62.0",
                    Post::Rest => "/services/apexrest/echo/62.0",
                };
                (
                    format!("POST {path}"),
                    format!(
                        "Content-Type: text/xml\r\nSOAPAction: \"\"\r\nContent-Length: {}\r\n",
                        body.len()
                    ),
                    Answer::Length(BODY_LENGTH),
                )
            }
            (None, Some(bytes), _) => (
                format!("GET /services/data/v62.0/sobjects/Attachment/body?bytes={bytes}"),
                String::new(),
                Answer::Length(bytes),
            ),
            (None, None, Some(bytes)) => (
                "PUT /services/data/v62.0/jobs/ingest/7505g00000XyzAb/batches".to_owned(),
                format!("Content-Type: text/csv\r\nContent-Length: {bytes}\r\n"),
                Answer::Exactly(origin::received(bytes)),
            ),
            (None, None, None) => (
                "GET /services/data/v62.0/query?q=SELECT+Id,Description+FROM+Account+LIMIT+1"
                    .to_owned(),
                String::new(),
                Answer::Length(BODY_LENGTH),
            ),
        };
        let (host, authorization) = if args.ca.is_some() {
            (
                format!("localhost:{}", args.to.port()),
                format!("Authorization: Bearer {TOKEN}\r\n"),
            )
        } else {
            (args.to.to_string(), String::new())
        };
        let head = format!(
            "{line} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\
             {authorization}{more}\r\n{body}"
        );
        Self {
            head: head.into_bytes(),
            upload,
            answer,
        }
    }

    /// True if `length` and `body`, which may be only the start of a long one, are right.
    fn accepts(&self, length: u64, body: &[u8]) -> bool {
        match &self.answer {
            Answer::Length(expected) => length == *expected,
            Answer::Exactly(expected) => {
                length == expected.len() as u64 && expected.starts_with(body)
            }
        }
    }
}

/// A query as a client of the partner API sends it, of the size of an answer, with a session id that
/// has to be replaced.
fn envelope() -> String {
    let start = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
        <env:Envelope xmlns:env=\"http://schemas.xmlsoap.org/soap/envelope/\" \
        xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><env:Header>\
        <SessionHeader xmlns=\"urn:partner.soap.sforce.com\"><sessionId>00D000000000000!AQplaceholder\
        </sessionId></SessionHeader></env:Header><env:Body>\
        <m:query xmlns:m=\"urn:partner.soap.sforce.com\"><m:queryString>SELECT Id FROM Account WHERE \
        Name = '";
    let end = "'</m:queryString></m:query></env:Body></env:Envelope>";
    let filler = "x".repeat((BODY_LENGTH as usize).saturating_sub(start.len() + end.len()));
    format!("{start}{filler}{end}")
}

/// One connection to a proxy.
struct Connection {
    wire: Wire,
    begun: Instant,
    phase: Phase,
}

enum Phase {
    /// The bytes of the head that are sent, and those of the body that are not.
    Sending { head: usize, body: u64 },
    /// The answer's head, as far as it has come.
    Waiting(Vec<u8>),
    /// The bytes of the answer's body that are still to come.
    Receiving(u64),
}

impl Connection {
    fn open(args: &Args) -> Result<Self, Box<dyn Error>> {
        let wire = Wire::open(args)?;
        Ok(Self {
            wire,
            begun: Instant::now(),
            phase: Phase::Receiving(0),
        })
    }

    fn begin(&mut self, job: &Job, now: Instant) {
        self.begun = now;
        self.phase = Phase::Sending {
            head: 0,
            body: job.upload,
        };
    }

    fn sending(&self) -> bool {
        matches!(self.phase, Phase::Sending { .. })
    }

    /// Does what the socket allows; true once the whole answer is there.
    fn advance(&mut self, job: &Job, scratch: &mut [u8]) -> Result<bool, Box<dyn Error>> {
        if self.sending() {
            self.send(job)?;
            return Ok(false);
        }
        self.receive(job, scratch)
    }

    fn send(&mut self, job: &Job) -> io::Result<()> {
        while let Phase::Sending { head, body } = &mut self.phase {
            let sent = if *head < job.head.len() {
                self.wire
                    .write(&job.head[*head..])
                    .map(|sent| *head += sent)
            } else if *body > 0 {
                let piece = &PIECE[..PIECE.len().min(*body as usize)];
                self.wire.write(piece).map(|sent| *body -= sent as u64)
            } else {
                self.wire
                    .flush()
                    .map(|()| self.phase = Phase::Waiting(Vec::new()))
            };
            match sent {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn receive(&mut self, job: &Job, scratch: &mut [u8]) -> Result<bool, Box<dyn Error>> {
        loop {
            let chunk = match self.wire.read(scratch) {
                Ok(0) => return Err("the connection was closed before the answer ended".into()),
                Ok(length) => &scratch[..length],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error.into()),
            };
            let (left, came) = match &mut self.phase {
                Phase::Receiving(left) => (*left, chunk.len()),
                Phase::Waiting(head) => {
                    // The head nearly always comes in one piece, and need not be copied.
                    if !head.is_empty() || memmem::find(chunk, b"\r\n\r\n").is_none() {
                        head.extend_from_slice(chunk);
                    }
                    let all = if head.is_empty() { chunk } else { head };
                    let Some(end) = memmem::find(all, b"\r\n\r\n") else {
                        continue;
                    };
                    let (head, body) = (&all[..end + 2], &all[end + 4..]);
                    let length = length(head)?;
                    if !job.accepts(length, body) {
                        let text = String::from_utf8_lossy(&all[..all.len().min(2000)]);
                        return Err(format!("not the answer that was asked for:\n{text}").into());
                    }
                    (length, body.len())
                }
                Phase::Sending { .. } => return Ok(false),
            };
            let left = left
                .checked_sub(came as u64)
                .ok_or("more came than was announced")?;
            self.phase = Phase::Receiving(left);
            if left == 0 {
                return Ok(true);
            }
            // There is more in the socket only if it filled the buffer. TLS may hold back some.
            if chunk.len() < scratch.len() && matches!(self.wire, Wire::Plain(_)) {
                return Ok(false);
            }
        }
    }
}

/// The announced length of an answer, which must be a 200.
fn length(head: &[u8]) -> Result<u64, Box<dyn Error>> {
    let head = str::from_utf8(head)?;
    let mut lines = head.split_terminator("\r\n");
    if !lines
        .next()
        .is_some_and(|line| line.starts_with("HTTP/1.1 200 "))
    {
        return Err(format!("an answer that is not 200:\n{head}").into());
    }
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("content-length") {
            return Ok(value.trim().parse()?);
        }
    }
    Err(format!("an answer without its length:\n{head}").into())
}

/// To a proxy in plain text, to the origin in TLS.
enum Wire {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Wire {
    fn open(args: &Args) -> Result<Self, Box<dyn Error>> {
        let socket = TcpStream::connect(args.to)?;
        socket.set_nodelay(true)?;
        let Some(ca) = &args.ca else {
            socket.set_nonblocking(true)?;
            return Ok(Self::Plain(socket));
        };
        let client = ClientConnection::new(tls(ca)?, ServerName::try_from("localhost")?)?;
        let mut stream = StreamOwned::new(client, socket);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        stream.sock.set_nonblocking(true)?;
        Ok(Self::Tls(Box::new(stream)))
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Plain(socket) => socket.as_fd(),
            Self::Tls(stream) => stream.sock.as_fd(),
        }
    }
}

fn tls(ca: &Path) -> Result<Arc<ClientConfig>, Box<dyn Error>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca)?)?;
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Counts answers, and what was used from the end of the warm-up to the end of the measurement.
/// Both fall on the end of an answer, so that long transfers are measured whole.
struct Watch<'a> {
    args: &'a Args,
    answers: u64,
    latencies: Histogram,
    warm: Instant,
    since: Option<(Processes, Reading)>,
}

impl<'a> Watch<'a> {
    fn new(args: &'a Args) -> Self {
        Self {
            args,
            answers: 0,
            latencies: Histogram::new(),
            warm: Instant::now() + Duration::from_millis(args.warm_up_ms),
            since: None,
        }
    }

    /// Takes note of an answer; returns the sample once it is complete.
    fn answered(&mut self, now: Instant, begun: Instant) -> io::Result<Option<Sample>> {
        self.answers += 1;
        let Some((processes, since)) = &self.since else {
            if now >= self.warm {
                let processes = Processes::find(self.args)?;
                let reading = processes.read(now, self.answers)?;
                self.since = Some((processes, reading));
            }
            return Ok(None);
        };
        self.latencies.record((now - begun).as_nanos() as u64);
        let ended = match self.args.requests {
            Some(requests) => self.answers >= requests,
            None => now - since.at >= Duration::from_millis(self.args.measure_ms),
        };
        if !ended {
            return Ok(None);
        }

        let end = processes.read(now, self.answers)?;
        let seconds = (end.at - since.at).as_secs_f64();
        let cpu = end.proxy.since(&since.proxy).as_secs_f64();
        let known = cpu + end.ours.since(&since.ours).as_secs_f64();
        let others = (end.busy - since.busy).as_secs_f64() - known;
        Ok(Some(Sample {
            seconds,
            requests: end.answers - since.answers,
            cpu,
            others: others.max(0.0) / seconds,
            p50: self.latencies.quantile(0.5),
            p99: self.latencies.quantile(0.99),
        }))
    }
}

/// All that take part. They are looked for after the first answer and not before: nginx starts
/// its worker when it is up.
struct Processes {
    proxy: Tree,
    ours: Tree,
}

impl Processes {
    fn find(args: &Args) -> io::Result<Self> {
        let proxy = Tree::of(args.proxy)?;
        let ours = Tree::of(args.origin.into_iter().chain([process::id()]))?;
        Ok(Self { proxy, ours })
    }

    fn read(&self, at: Instant, answers: u64) -> io::Result<Reading> {
        let (proxy, ours) = (self.proxy.used()?, self.ours.used()?);
        Ok(Reading {
            at,
            answers,
            proxy,
            ours,
            busy: cpu::busy()?,
        })
    }
}

/// The answers and the time that had been counted by a certain moment.
struct Reading {
    at: Instant,
    answers: u64,
    proxy: Used,
    ours: Used,
    busy: Duration,
}

/// The time for which nothing at all may happen before a proxy is taken to be stuck.
const PATIENCE: Duration = Duration::from_secs(30);
