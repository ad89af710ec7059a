//! A forward proxy on the way to the org, as companies have it.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

use super::Own;

/// A proxy that knows `CONNECT` and leads every host to one port of this machine.
pub struct ConnectProxy {
    pub address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    listening: JoinHandle<()>,
}

impl ConnectProxy {
    /// One to `port` that lets everybody through.
    pub async fn start(port: u16) -> Self {
        Self::with(port, |_| None).await
    }

    /// One that answers what `refuse` makes of the request's head, if it makes something of it.
    pub async fn with(port: u16, refuse: Refuse) -> Self {
        Self::listen(port, refuse, None).await
    }

    /// One that speaks TLS itself, as localhost; and the certificate of its authority.
    pub async fn with_tls(port: u16, refuse: Refuse) -> (Self, String) {
        let own = Own::make("localhost", 2099);
        let acceptor = TlsAcceptor::from(own.tls);
        let authority = own.authority.pem();
        (Self::listen(port, refuse, Some(acceptor)).await, authority)
    }

    async fn listen(port: u16, refuse: Refuse, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let heads: Arc<Mutex<Vec<String>>> = Arc::default();
        let noted = heads.clone();
        let listening = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let (noted, tls) = (noted.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(client, port, refuse, &noted).await,
                        // A client that does not trust it says so.
                        Some(tls) => {
                            if let Ok(client) = tls.accept(client).await {
                                serve(client, port, refuse, &noted).await;
                            }
                        }
                    }
                });
            }
        });
        Self {
            address,
            heads,
            listening,
        }
    }

    /// Returns the heads of all requests so far.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

impl Drop for ConnectProxy {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

type Refuse = fn(&str) -> Option<&'static str>;

async fn serve(
    mut client: impl AsyncRead + AsyncWrite + Unpin,
    port: u16,
    refuse: Refuse,
    noted: &Mutex<Vec<String>>,
) {
    let head = read_head(&mut client).await;
    noted.lock().unwrap().push(head.clone());
    if let Some(refusal) = refuse(&head) {
        client.write_all(refusal.as_bytes()).await.unwrap();
        // So that what is not read does not reset the connection.
        let _ = client.shutdown().await;
        return;
    }
    let mut org = TcpStream::connect((Ipv4Addr::LOCALHOST, port))
        .await
        .unwrap();
    client
        .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
        .await
        .unwrap();
    // However it ends.
    let _ = copy_bidirectional(&mut client, &mut org).await;
}

async fn read_head(client: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}
