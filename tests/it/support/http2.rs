//! Requests in HTTP/2 without TLS.

use std::net::SocketAddr;

use http::{Request, Response};
use hyper::{body::Incoming, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use super::in_time;

/// Sends a request over a connection of its own, whose client knows that HTTP/2 is spoken there.
pub(crate) async fn send(address: SocketAddr, request: Request<String>) -> Response<Incoming> {
    let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let connected = http2::handshake(TokioExecutor::new(), stream).await;
    let (mut sender, connection) = connected.unwrap();
    tokio::spawn(connection);
    in_time(sender.send_request(request)).await.unwrap()
}
