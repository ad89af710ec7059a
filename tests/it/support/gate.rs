//! A port that leads elsewhere, once it is let.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

use super::in_time;

/// A port of this machine that takes connections, and is silent until it is opened.
pub struct Gate {
    pub port: u16,
    accepted: watch::Receiver<usize>,
    leads_to: watch::Sender<Option<u16>>,
    listening: JoinHandle<()>,
}

impl Gate {
    /// Makes a gate on a free port.
    pub async fn closed() -> Self {
        Self::closed_at((Ipv4Addr::LOCALHOST, 0).into()).await
    }

    /// Makes a gate at `address`.
    pub async fn closed_at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (count, accepted) = watch::channel(0);
        let leads_to = watch::Sender::new(None);
        let opened = leads_to.clone();
        let listening = tokio::spawn(async move {
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                count.send_modify(|count| *count += 1);
                let mut opened = opened.subscribe();
                tokio::spawn(async move {
                    let port = opened.wait_for(Option::is_some).await.unwrap().unwrap();
                    let there = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await;
                    // However it ends.
                    let _ = copy_bidirectional(&mut client, &mut there.unwrap()).await;
                });
            }
        });
        Self {
            port,
            accepted,
            leads_to,
            listening,
        }
    }

    /// Lets what has come and what will come through to `port`.
    pub fn open(&self, port: u16) {
        self.leads_to.send_replace(Some(port));
    }

    /// Returns the number of connections so far.
    pub fn accepted(&self) -> usize {
        *self.accepted.borrow()
    }

    /// Waits for so many of them.
    pub async fn wait_for(&self, count: usize) {
        let mut accepted = self.accepted.clone();
        let enough = accepted.wait_for(|accepted| *accepted >= count);
        in_time(enough).await.unwrap();
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.listening.abort();
    }
}
