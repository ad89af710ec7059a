//! A server that speaks TLS as badly as it is asked to: OpenSSL's, which knows what is long forbidden.

use std::{path::Path, process::Stdio};

use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::{Child, ChildStdin, Command},
    sync::watch,
};

use super::in_time;

/// A running `openssl s_server`. Dropped, it is killed.
pub(crate) struct TlsServer {
    pub(crate) port: u16,
    said: watch::Receiver<String>,
    _child: Child,
    /// At its end, the server would end, too.
    _stdin: ChildStdin,
}

impl TlsServer {
    /// Starts one in `folder`, whose certificate and key are `leaf.pem` and `leaf.key`, with these options.
    pub(crate) async fn start(folder: &Path, options: &str) -> Self {
        let mut child = Command::new("openssl")
            .args(["s_server", "-accept", "127.0.0.1:0"])
            .args(["-cert", "leaf.pem", "-key", "leaf.key"])
            // What it sends is none of its business.
            .args(["-cipher", "DEFAULT@SECLEVEL=0"])
            .args(options.split_whitespace())
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("openssl must be installed");
        let (sender, mut said) = watch::channel(String::new());
        follow(child.stdout.take().unwrap(), sender.clone());
        follow(child.stderr.take().unwrap(), sender);
        let port = |said: &String| {
            let (_, rest) = said.split_once("ACCEPT 127.0.0.1:")?;
            let (port, _) = rest.split_once('\n')?;
            port.trim().parse().ok()
        };
        let listens = in_time(said.wait_for(|said| port(said).is_some())).await;
        let port = port(&listens.unwrap()).unwrap();
        Self {
            port,
            said,
            _stdin: child.stdin.take().unwrap(),
            _child: child,
        }
    }

    /// Waits until it has said `words` so many times, and returns all that it has said, with all that it was
    /// sent by TLS.
    pub(crate) async fn says(&self, words: &str, count: usize) -> String {
        let mut said = self.said.clone();
        let enough = said.wait_for(|said| said.matches(words).count() >= count);
        in_time(enough).await.unwrap().clone()
    }
}

fn follow(mut stream: impl AsyncRead + Unpin + Send + 'static, said: watch::Sender<String>) {
    tokio::spawn(async move {
        let mut bytes = [0; 16 * 1024];
        while let Ok(length @ 1..) = stream.read(&mut bytes).await {
            let text = String::from_utf8_lossy(&bytes[..length]);
            said.send_modify(|said| said.push_str(&text));
        }
    });
}
