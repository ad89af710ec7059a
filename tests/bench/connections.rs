//! The memory that client connections take: kept open and idle, and all asking at once.

use std::error::Error;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::folder::Folder;
use crate::targets::{Name, Origin, Target};

/// Prints a Markdown table, a row for each number of connections, each with an orgproxy of its own.
pub(crate) fn run() -> Result<(), Box<dyn Error>> {
    let mut files = getrlimit(Resource::Nofile);
    files.current = files.maximum;
    setrlimit(Resource::Nofile, files)?;
    println!(
        "| connections | at start | idle | each | all asking | each |\n\
         | ---: | ---: | ---: | ---: | ---: | ---: |"
    );
    for connections in CONNECTIONS {
        // Another origin each time, too: it has as many connections itself.
        let folder = Folder::create()?;
        let origin = Origin::start(&folder, None)?;
        let target = Target::start(Name::Orgproxy, &folder, &origin, None)?;
        let process = target.process.as_ref().ok_or("orgproxy has no process")?;
        println!("{}", row(connections, process.pid(), target.address)?);
    }
    Ok(())
}

/// They ask one after the other first, over one connection to the org, and are kept; then all ask
/// before the first reads its answer, over as many connections to the org as it takes.
fn row(connections: u64, pid: u32, address: SocketAddr) -> Result<String, Box<dyn Error>> {
    let mut streams = Vec::new();
    streams.push(TcpStream::connect(address)?);
    ask(&mut streams[0], address)?;
    take(&mut streams[0])?;
    let start = resident(pid)?;

    for _ in 1..connections {
        let mut stream = TcpStream::connect(address)?;
        ask(&mut stream, address)?;
        take(&mut stream)?;
        streams.push(stream);
    }
    let idle = resident(pid)?;

    for stream in &mut streams {
        ask(stream, address)?;
    }
    for stream in &mut streams {
        take(stream)?;
    }
    let asking = resident(pid)?;

    let mib = |kib: u64| format!("{:.1} MiB", kib as f64 / 1024.0);
    let each = |kib: u64| {
        let more = kib.saturating_sub(start) as f64;
        format!("{:.1} KiB", more / connections as f64)
    };
    Ok(format!(
        "| {connections} | {} | {} | {} | {} | {} |",
        mib(start),
        mib(idle),
        each(idle),
        mib(asking),
        each(asking),
    ))
}

fn ask(stream: &mut TcpStream, address: SocketAddr) -> Result<(), Box<dyn Error>> {
    let path = "/services/data/v62.0/query?q=SELECT+Id,Description+FROM+Account+LIMIT+1";
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\r\n"
    );
    Ok(stream.write_all(head.as_bytes())?)
}

/// Reads an answer to its end.
fn take(stream: &mut TcpStream) -> Result<(), Box<dyn Error>> {
    let (mut answer, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        let came = stream.read(&mut piece)?;
        answer.extend_from_slice(&piece[..came]);
        let text = String::from_utf8_lossy(&answer);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            if came == 0 {
                return Err(format!("the answer ended at {text:?}").into());
            }
            continue;
        };
        if came == 0 || !head.starts_with("HTTP/1.1 200") {
            return Err(format!("got {text:?}").into());
        }
        let length = head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .ok_or("an answer without its length")?;
        if body.len() >= length.1.parse()? {
            return Ok(());
        }
    }
}

/// KiB that a process has in memory (proc(5), `VmRSS`).
fn resident(pid: u32) -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(kib.ok_or("/proc shows no VmRSS")?.parse()?)
}

/// Twice as many descriptors are needed at the origin and in orgproxy; many systems allow 20,000.
const CONNECTIONS: [u64; 3] = [100, 1000, 9000];
