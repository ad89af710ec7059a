//! The user at the other end of a TCP connection within this machine.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::OnceLock,
};

/// The uid of whoever opened the connection from `client` to `server`, both of this machine, or
/// `None` if it is gone, or closed by its program: the kernel does not tell whose that was. The
/// kernel looks it up by the addresses (sock_diag(7)): that takes two system calls, however many
/// connections there are.
///
/// # Errors
/// If this system cannot tell.
pub(crate) fn user_of(client: SocketAddr, server: SocketAddr) -> io::Result<Option<u32>> {
    imp::user_of(client, server)
}

/// Returns whether this system can tell. It is tried on a socket of our own, until that shows it:
/// without the kernel's module for it the answer would be that there is no such connection.
///
/// Where that cannot be tried, it is taken for able to. Any user can take all ports for a while, and
/// must not be let in for that: whoever cannot be looked up is refused.
pub(crate) fn can_tell() -> bool {
    static CAN_TELL: OnceLock<bool> = OnceLock::new();
    if let Some(known) = CAN_TELL.get() {
        return *known;
    }
    match try_it() {
        Ok(known) => *CAN_TELL.get_or_init(|| known),
        Err(error) => {
            tracing::debug!("cannot try whether this system tells which user calls: {error}");
            true
        }
    }
}

/// # Errors
/// If a socket of our own cannot be made.
pub(super) fn try_it() -> io::Result<bool> {
    // One that listens is found as well. To connect to it may be beyond the sandbox.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let nobody = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    match user_of(listener.local_addr()?, nobody) {
        Ok(found) => Ok(found.is_some()),
        Err(error) if is_for_now(&error) => Err(error),
        Err(_) => Ok(false),
    }
}

/// Returns whether the same may go well a moment later.
fn is_for_now(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let passing = [
        Errno::MFILE,
        Errno::NFILE,
        Errno::NOMEM,
        Errno::NOBUFS,
        Errno::AGAIN,
        Errno::INTR,
    ];
    let number = error.raw_os_error();
    passing.iter().any(|it| Some(it.raw_os_error()) == number)
}

#[cfg(target_os = "linux")]
mod imp {
    use std::{
        io,
        net::{IpAddr, SocketAddr},
        os::fd::OwnedFd,
        sync::{Mutex, PoisonError},
    };

    use netlink_packet_core::{NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
    use netlink_packet_sock_diag::{
        SockDiagMessage,
        constants::{AF_INET, AF_INET6, IPPROTO_TCP},
        inet::{ExtensionFlags, InetRequest, SocketId, StateFlags},
    };
    use rustix::net::{
        AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send,
        socket_with,
    };

    pub(super) fn user_of(client: SocketAddr, server: SocketAddr) -> io::Result<Option<u32>> {
        let mut kernel = KERNEL.lock().unwrap_or_else(PoisonError::into_inner);
        let socket = match kernel.take() {
            Some(socket) => socket,
            None => open()?,
        };
        // What is left of an exchange that failed must not be taken for the next answer.
        let user = ask(&socket, client, server)?;
        *kernel = Some(socket);
        Ok(user)
    }

    /// The kernel answers while it is asked, so nothing waits here.
    fn ask(kernel: &OwnedFd, client: SocketAddr, server: SocketAddr) -> io::Result<Option<u32>> {
        send(kernel, &request(client, server), SendFlags::DONTWAIT)?;
        let mut answer = [0; 1024];
        let (length, _) = recv(kernel, &mut answer, RecvFlags::DONTWAIT)?;
        let answer = NetlinkMessage::<SockDiagMessage>::deserialize(&answer[..length]);
        match answer.map_err(io::Error::other)?.payload {
            NetlinkPayload::InnerMessage(SockDiagMessage::InetResponse(found)) => {
                let asked = ends(client, server);
                let socket = &found.header.socket_id;
                // In place of a connection that it does not find, the kernel names whoever listens
                // at that address; and one that its program has closed belongs to root and no file.
                let source = (socket.source_address, socket.source_port);
                let destination = (socket.destination_address, socket.destination_port);
                let is_it = [source, destination].map(|(ip, port)| (ip.to_canonical(), port))
                    == [asked.0, asked.1]
                    && found.header.inode != 0
                    // One that only asks to connect is not at the other end of what has connected.
                    && found.header.state != SYN_SENT;
                Ok(is_it.then_some(found.header.uid))
            }
            NetlinkPayload::Error(error) => match error.to_io() {
                error if error.kind() == io::ErrorKind::NotFound => Ok(None),
                error => Err(error),
            },
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    type End = (IpAddr, u16);

    /// The ends of the connection, as the kernel names those within version 6, too.
    fn ends(client: SocketAddr, server: SocketAddr) -> (End, End) {
        let end = |at: SocketAddr| (at.ip().to_canonical(), at.port());
        (end(client), end(server))
    }

    fn request(client: SocketAddr, server: SocketAddr) -> Vec<u8> {
        let ((source, source_port), (destination, destination_port)) = ends(client, server);
        let (family, unnamed) = match source {
            IpAddr::V4(_) => (AF_INET, SocketId::new_v4()),
            IpAddr::V6(_) => (AF_INET6, SocketId::new_v6()),
        };
        let wanted = InetRequest {
            family,
            protocol: IPPROTO_TCP,
            extensions: ExtensionFlags::empty(),
            states: StateFlags::all(),
            socket_id: SocketId {
                source_port,
                destination_port,
                source_address: source,
                destination_address: destination,
                // Not known.
                cookie: [0xff; 8],
                ..unnamed
            },
        };
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST;
        let mut message = NetlinkMessage::new(header, SockDiagMessage::InetRequest(wanted).into());
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        bytes
    }

    fn open() -> io::Result<OwnedFd> {
        let protocol = Some(netlink::SOCK_DIAG);
        let flags = SocketFlags::CLOEXEC;
        Ok(socket_with(
            AddressFamily::NETLINK,
            SocketType::DGRAM,
            flags,
            protocol,
        )?)
    }

    /// A state of tcp(7), as the kernel counts them.
    const SYN_SENT: u8 = 2;

    static KERNEL: Mutex<Option<OwnedFd>> = Mutex::new(None);
}

#[cfg(not(target_os = "linux"))]
mod imp {
    pub(super) fn user_of(
        _: std::net::SocketAddr,
        _: std::net::SocketAddr,
    ) -> std::io::Result<Option<u32>> {
        Err(std::io::ErrorKind::Unsupported.into())
    }
}

#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests {
    use std::{
        net::{Shutdown, TcpStream},
        time::Duration,
    };

    use test_case::test_case;

    use super::*;

    #[test_case("127.0.0.1:0", "127.0.0.1"; "version 4")]
    #[test_case("[::1]:0", "::1"; "version 6")]
    #[test_case("[::]:0", "127.0.0.1"; "version 4 within 6")]
    #[test_case("127.0.0.1:0", "::ffff:127.0.0.1"; "a client that has version 6 only")]
    fn the_user_of_a_connection_is_known_until_it_is_gone(listen: &str, host: &str) {
        assert!(can_tell());
        let listener = TcpListener::bind(listen).unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = TcpStream::connect((host, port)).unwrap();
        let (accepted, peer) = listener.accept().unwrap();
        let server = accepted.local_addr().unwrap();
        let own = rustix::process::geteuid().as_raw();
        assert_eq!(user_of(peer, server).unwrap(), Some(own));
        // Nobody has the same addresses the other way round, but for ourselves.
        let nobody = SocketAddr::new(peer.ip(), 1);
        assert_eq!(user_of(nobody, server).unwrap(), None);
        drop(client);
    }

    /// A connection of this machine, both ends.
    fn connect() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (client, listener.accept().unwrap().0)
    }

    fn user(accepted: &TcpStream) -> Option<u32> {
        user_of(
            accepted.peer_addr().unwrap(),
            accepted.local_addr().unwrap(),
        )
        .unwrap()
    }

    #[test]
    fn whoever_has_closed_is_nobody() {
        let (client, accepted) = connect();
        client.shutdown(Shutdown::Write).unwrap();
        assert!(user(&accepted).is_some());
        let (peer, server) = (
            accepted.peer_addr().unwrap(),
            accepted.local_addr().unwrap(),
        );
        drop(client);
        assert_eq!(user_of(peer, server).unwrap(), None);
        // Nor is it once the proxy has closed, too.
        drop(accepted);
        assert_eq!(user_of(peer, server).unwrap(), None);
    }

    #[test]
    fn whoever_listens_at_the_clients_address_is_not_the_client() {
        let (_client, accepted) = connect();
        let bait = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = accepted.local_addr().unwrap();
        assert!(user(&accepted).is_some());
        assert_eq!(user_of(bait.local_addr().unwrap(), server).unwrap(), None);
    }

    #[test]
    fn to_ask_costs_the_same_however_many_connections_there_are() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap();
        let connect = || {
            let client = TcpStream::connect(server).unwrap();
            (client, listener.accept().unwrap())
        };
        let cost = |(client, _): &(TcpStream, _)| {
            let peer = client.local_addr().unwrap();
            let before = spent();
            for _ in 0..ROUNDS {
                assert!(user_of(peer, server).unwrap().is_some());
            }
            (spent() - before) / ROUNDS
        };
        let few = cost(&connect());
        let open: Vec<_> = (0..400).map(|_| connect()).collect();
        let many = cost(&open[200]);
        eprintln!("to ask takes {few:?} of processor time, {many:?} among 400 connections");
        // 10,000 connections a second take a third of a core at most.
        assert!(
            few.max(many) < Duration::from_micros(35),
            "{few:?} {many:?}"
        );
    }

    /// What this thread has spent on processors.
    fn spent() -> Duration {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
    }

    const ROUNDS: u32 = 1000;
}
