//! A SOCKS5 proxy on the way to the org (RFC 1928, RFC 1929).

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex},
};

use tokio::{
    io::{self, AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// A proxy that leads every host to one port of this machine.
pub struct SocksProxy {
    pub address: SocketAddr,
    targets: Arc<Mutex<Vec<String>>>,
    listening: JoinHandle<()>,
}

impl SocksProxy {
    /// One to `port` for everybody, or for who shows these.
    pub async fn start(port: u16, credentials: Option<(&'static str, &'static str)>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let targets: Arc<Mutex<Vec<String>>> = Arc::default();
        let noted = targets.clone();
        let listening = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let noted = noted.clone();
                tokio::spawn(async move {
                    // However it ends.
                    let _ = serve(client, port, credentials, &noted).await;
                });
            }
        });
        Self {
            address,
            targets,
            listening,
        }
    }

    /// Returns the hosts asked for so far, with ports.
    pub fn targets(&self) -> Vec<String> {
        self.targets.lock().unwrap().clone()
    }
}

impl Drop for SocksProxy {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn serve(
    mut client: TcpStream,
    port: u16,
    credentials: Option<(&str, &str)>,
    noted: &Mutex<Vec<String>>,
) -> io::Result<()> {
    let version = client.read_u8().await?;
    let methods = text(&mut client).await?;
    let method = match credentials {
        None => 0,
        Some(_) => 2,
    };
    if version != 5 || !methods.contains(&method) {
        return client.write_all(&[5, 0xff]).await;
    }
    client.write_all(&[5, method]).await?;
    if let Some((user, password)) = credentials {
        client.read_u8().await?;
        let shown = (text(&mut client).await?, text(&mut client).await?);
        let is_known = shown == (user.into(), password.into());
        client.write_all(&[1, u8::from(!is_known)]).await?;
    }
    let mut head = [0; 4];
    client.read_exact(&mut head).await?;
    let host = match head[3] {
        1 => IpAddr::from(Ipv4Addr::from(client.read_u32().await?)).to_string(),
        4 => IpAddr::from(Ipv6Addr::from(client.read_u128().await?)).to_string(),
        _ => String::from_utf8(text(&mut client).await?).unwrap(),
    };
    let asked = client.read_u16().await?;
    noted.lock().unwrap().push(format!("{host}:{asked}"));
    let mut org = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
    copy_bidirectional(&mut client, &mut org).await?;
    Ok(())
}

/// Bytes behind their count.
async fn text(client: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; client.read_u8().await?.into()];
    client.read_exact(&mut bytes).await?;
    Ok(bytes)
}
