//! A way to the org that fails where it is told to.

use std::{
    convert::Infallible,
    future::pending,
    io,
    net::Ipv4Addr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpSocket, TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::watch,
    task::JoinHandle,
};

use super::in_time;

/// A port of this machine that leads to an org. The bytes of TLS pass through it untouched, but for
/// the one mishap that it is told of.
pub struct Relay {
    pub port: u16,
    state: Arc<State>,
    listening: JoinHandle<()>,
}

/// What befalls a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mishap {
    /// Both ends see it closed.
    Close,
    /// Both ends see it reset.
    Reset,
    /// A bit of one byte changes.
    Corrupt,
    /// Nothing passes any more, either way, and nobody learns of it.
    Blackhole,
    /// The next bytes pass one per second.
    Slow,
}

/// The way that bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    ToOrg,
    ToProxy,
}

struct State {
    plan: Mutex<Plan>,
    /// The number of connections, of those that the proxy holds open, and of the times that all were
    /// ended.
    open: watch::Sender<usize>,
    held: watch::Sender<usize>,
    ended: watch::Sender<usize>,
}

#[derive(Default)]
struct Plan {
    /// The mishap to come, its way, and the number of bytes before it.
    next: Option<(Mishap, Way, usize)>,
    /// The bytes that went to the org and to the proxy since the last order.
    passed: [usize; 2],
}

impl Relay {
    /// Leads to `port`.
    pub async fn to(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let own = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            plan: Mutex::default(),
            open: watch::Sender::new(0),
            held: watch::Sender::new(0),
            ended: watch::Sender::new(0),
        });
        let shared = state.clone();
        let listening = tokio::spawn(async move {
            loop {
                let (proxy, _) = listener.accept().await.unwrap();
                let state = shared.clone();
                state.open.send_modify(|open| *open += 1);
                state.held.send_modify(|held| *held += 1);
                tokio::spawn(async move { lead(proxy, own, port, &state).await });
            }
        });
        Self {
            port: own,
            state,
            listening,
        }
    }

    /// Has `mishap` befall the connection that is about to carry the byte after the next `after` ones.
    pub fn order(&self, mishap: Mishap, way: Way, after: usize) {
        *self.state.plan.lock().unwrap() = Plan {
            next: Some((mishap, way, after)),
            passed: [0; 2],
        };
    }

    /// Forgets the mishap to come, and returns whether it has come.
    pub fn recall(&self) -> bool {
        let mut plan = self.state.plan.lock().unwrap();
        plan.passed = [0; 2];
        plan.next.take().is_none()
    }

    /// The number of bytes that went this way since the last order.
    pub fn passed(&self, way: Way) -> usize {
        self.state.plan.lock().unwrap().passed[way as usize]
    }

    /// Closes all connections.
    pub async fn hang_up(&self) {
        self.state.ended.send_modify(|ended| *ended += 1);
        let mut open = self.state.open.subscribe();
        in_time(open.wait_for(|open| *open == 0)).await.unwrap();
    }

    /// Waits until the proxy has closed its ends of those that are closed.
    pub async fn is_let_go(&self) {
        let mut held = self.state.held.subscribe();
        in_time(held.wait_for(|held| *held == 0)).await.unwrap();
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl Plan {
    /// Counts bytes, and returns the mishap that comes among them and the number of those before it.
    fn meets(&mut self, way: Way, count: usize) -> Option<(Mishap, usize)> {
        self.passed[way as usize] += count;
        let (mishap, its_way, left) = self.next.as_mut()?;
        if *its_way != way {
            return None;
        }
        if count <= *left {
            *left -= count;
            return None;
        }
        let met = (*mishap, *left);
        self.next = None;
        Some(met)
    }
}

/// Leads a connection to `port`, to its end.
async fn lead(mut proxy: TcpStream, own: u16, port: u16, state: &State) {
    let end = match connect(own, port).await {
        Ok(org) => carry(&mut proxy, org, state).await,
        Err(_) => End::Closed,
    };
    // A reset is what it is to be if nothing is said before it.
    let mut left = matches!(end, End::Closed).then_some(proxy);
    if let Some(proxy) = &mut left {
        // It may have ended already, in any way.
        let _ = proxy.shutdown().await;
    }
    state.open.send_modify(|open| *open -= 1);
    if let Some(proxy) = &mut left {
        let _ = tokio::io::copy(proxy, &mut tokio::io::sink()).await;
    }
    state.held.send_modify(|held| *held -= 1);
}

/// Connects from an address of its own: each connection leaves its port in use for a minute, and others
/// have few.
async fn connect(own: u16, port: u16) -> io::Result<TcpStream> {
    let [high, low] = own.to_be_bytes();
    let socket = TcpSocket::new_v4()?;
    socket.bind((Ipv4Addr::new(127, 77, high, low), 0).into())?;
    socket.connect((Ipv4Addr::LOCALHOST, port).into()).await
}

/// The end of a connection.
enum End {
    Closed,
    Reset,
}

async fn carry(proxy: &mut TcpStream, mut org: TcpStream, state: &State) -> End {
    for stream in [&*proxy, &org] {
        stream.set_nodelay(true).unwrap();
    }
    let mut ended = state.ended.subscribe();
    ended.mark_unchanged();
    let is_dead = AtomicBool::new(false);
    let end = {
        let (from_proxy, to_proxy) = proxy.split();
        let (from_org, to_org) = org.split();
        tokio::select! {
            Err(end) = pump(Way::ToOrg, from_proxy, to_org, state, &is_dead) => end,
            Err(end) = pump(Way::ToProxy, from_org, to_proxy, state, &is_dead) => end,
            _ = ended.changed() => End::Closed,
        }
    };
    if matches!(end, End::Reset) {
        for stream in [&*proxy, &org] {
            stream.set_zero_linger().unwrap();
        }
    }
    end
}

async fn pump(
    way: Way,
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    state: &State,
    is_dead: &AtomicBool,
) -> Result<Infallible, End> {
    let closed = |_| End::Closed;
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let count = from.read(&mut buffer).await.map_err(closed)?;
        if is_dead.load(Relaxed) {
            pending::<()>().await;
        }
        if count == 0 {
            return Err(End::Closed);
        }
        let mut bytes = &mut buffer[..count];
        let met = state.plan.lock().unwrap().meets(way, count);
        if let Some((mishap, at)) = met {
            let (before, after) = bytes.split_at_mut(at);
            to.write_all(before).await.map_err(closed)?;
            bytes = after;
            match mishap {
                Mishap::Close => return Err(End::Closed),
                Mishap::Reset => return Err(End::Reset),
                Mishap::Corrupt => bytes[0] ^= 1,
                Mishap::Blackhole => {
                    is_dead.store(true, Relaxed);
                    pending::<()>().await;
                }
                Mishap::Slow => {
                    let (slow, rest) = bytes.split_at_mut(bytes.len().min(SLOW_BYTES));
                    for byte in slow {
                        to.write_all(&[*byte]).await.map_err(closed)?;
                        tokio::time::sleep(Duration::from_secs(1)).await;
                    }
                    bytes = rest;
                }
            }
        }
        to.write_all(bytes).await.map_err(closed)?;
    }
}

/// As many bytes are slow, so that a test does not take long.
const SLOW_BYTES: usize = 1;
