//! The program that listens on a port, according to Linux's /proc (proc(5)).

use std::{
    fs,
    net::{IpAddr, SocketAddr},
};

/// A running program.
pub(super) struct Owner {
    pub(super) name: String,
    pub(super) process: u32,
}

/// The program that listens where `address` would be bound; nothing if that is not visible.
pub(super) fn of(address: SocketAddr) -> Option<Owner> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let socket = tables
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .find_map(|table| socket(&table, address).map(str::to_owned))?;
    let link = format!("socket:[{socket}]");
    for process in fs::read_dir("/proc").ok()?.flatten() {
        let Ok(number) = process.file_name().to_string_lossy().parse() else {
            continue;
        };
        let files = fs::read_dir(process.path().join("fd"))
            .into_iter()
            .flatten();
        let has_it = |file: fs::DirEntry| {
            fs::read_link(file.path()).is_ok_and(|target| target.as_os_str() == link.as_str())
        };
        if files.flatten().any(has_it) {
            let name = fs::read_to_string(process.path().join("comm")).ok()?;
            return Some(Owner {
                name: name.trim().to_owned(),
                process: number,
            });
        }
    }
    None
}

/// The number of the socket that listens on the port of `address`, on that address or on all.
fn socket(table: &str, address: SocketAddr) -> Option<&str> {
    table.lines().skip(1).find_map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let (ip, port) = fields.next()?.split_once(':')?;
        let listens = fields.nth(1)? == LISTENS;
        let is_on_it = is(ip, address.ip())
            || address.ip().is_unspecified()
            || ip.bytes().all(|digit| digit == b'0');
        let is_port = u16::from_str_radix(port, 16).ok()? == address.port();
        // After the queues, the timer, the retransmissions, the user and the timeout.
        (listens && is_on_it && is_port)
            .then(|| fields.nth(5))
            .flatten()
    })
}

/// Returns whether `text` is `ip` in the form of the table: words of 32 bits in the byte order of
/// the machine.
fn is(text: &str, ip: IpAddr) -> bool {
    let bytes = match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let words = bytes.chunks_exact(4);
    let written: String = words
        .map(|word| {
            let word = word.try_into().map_or(0, u32::from_ne_bytes);
            format!("{word:08X}")
        })
        .collect();
    text == written
}

/// `TCP_LISTEN`
const LISTENS: &str = "0A";

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    #[test]
    fn finds_this_very_program() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let owner = of(listener.local_addr().unwrap()).unwrap();
        assert_eq!(owner.process, std::process::id());
    }

    #[test]
    fn reads_the_table_as_linux_writes_it() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
            0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4242 1 0000000000000000 100 0 0 10 0\n   \
            1: 00000000:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4343 1 0000000000000000 100 0 0 10 0\n   \
            2: 0100007F:1F92 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1000        0 4444 1 0000000000000000 100 0 0 10 0\n";
        let at = |address: &str| socket(table, address.parse().unwrap());
        if cfg!(target_endian = "little") {
            assert_eq!(at("127.0.0.1:8080"), Some("4242"));
        }
        assert_eq!(at("127.0.0.2:8080"), None);
        assert_eq!(at("0.0.0.0:8080"), Some("4242"));
        assert_eq!(at("127.0.0.1:8081"), Some("4343"));
        assert_eq!(at("127.0.0.1:8082"), None);
    }
}
