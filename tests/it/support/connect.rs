//! A forward proxy on the way to the org, as companies have it.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{ServerConfig, crypto::aws_lc_rs};
use rustls_pki_types::PrivateKeyDer;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

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
        let (acceptor, authority) = tls();
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

    /// The heads of all requests so far.
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

fn tls() -> (TlsAcceptor, String) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let authority = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let leaf = params.signed_by(&key, &issuer).unwrap();
    let config = ServerConfig::builder_with_provider(aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![leaf.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), authority)
}

async fn read_head(client: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}
