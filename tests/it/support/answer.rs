//! Answers as they stood on the wire, taken apart.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};

use super::PATIENCE;

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// In lower case.
    pub head: String,
    pub body: String,
}

impl Answer {
    /// All answers in `wire`, one after the other. What is cut off at the end counts as far as it
    /// goes.
    pub fn all(mut wire: &[u8]) -> Vec<Self> {
        let mut answers = Vec::new();
        while let Some(end) = wire.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&wire[..end + 2]).to_lowercase();
            wire = &wire[end + 4..];
            let mut answer = Self {
                status: head[9..12].parse().unwrap(),
                head,
                body: String::new(),
            };
            let length = match answer.header("transfer-encoding") {
                Some(_) => wire
                    .windows(5)
                    .position(|five| five == b"0\r\n\r\n")
                    .map_or(wire.len(), |end| end + 5),
                None => answer
                    .header("content-length")
                    .map_or(0, |length| length.parse().unwrap()),
            };
            let (body, rest) = wire.split_at(length.min(wire.len()));
            answer.body = String::from_utf8_lossy(body).into_owned();
            answers.push(answer);
            wire = rest;
        }
        answers
    }

    /// The value of a header, in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find_map(|(found, value)| (found == name).then_some(value))
    }

    /// The code of an error of the REST API, if that is what it is.
    pub fn refusal_code(&self) -> Option<&str> {
        let (_, rest) = self.body.split_once("\"errorCode\":\"")?;
        rest.split('"').next()
    }

    /// Asserts that this is a refusal of the proxy, in the shape that clients of the REST API read or as
    /// text for pages, and returns its message.
    #[track_caller]
    pub fn refusal(&self, status: u16, code: &str) -> String {
        assert_eq!(self.status, status, "{self:?}");
        let (told, message) = match serde_json::from_str::<serde_json::Value>(&self.body) {
            Ok(errors) => {
                let text = |name: &str| errors[0][name].as_str().expect(&self.body).to_owned();
                (text("errorCode"), text("message"))
            }
            Err(_) => {
                let (told, message) = self.body.split_once(": ").expect(&self.body);
                (told.to_owned(), message.to_owned())
            }
        };
        assert_eq!(told, code, "{self:?}");
        self.is_marked(code);
        message
    }

    /// Asserts that this is an error of the proxy as SOAP clients read it, with a code of the WSDL's, and
    /// returns its message.
    #[track_caller]
    pub fn fault(&self, exception_code: &str, code: &str) -> String {
        assert_eq!(self.status, 500, "{self:?}");
        assert_eq!(
            self.header("content-type"),
            Some("text/xml;charset=utf-8"),
            "{self:?}"
        );
        let start = format!(
            "<soapenv:Body><soapenv:Fault><faultcode>sf:{exception_code}</faultcode><faultstring>{code}: "
        );
        let (_, rest) = self.body.split_once(&start).expect(&self.body);
        let (message, rest) = rest.split_once("</faultstring>").expect(&self.body);
        let detail = format!(
            "<detail><sf:UnexpectedErrorFault xsi:type=\"sf:UnexpectedErrorFault\">\
             <sf:exceptionCode>{exception_code}</sf:exceptionCode><sf:exceptionMessage>{code}: \
             {message}</sf:exceptionMessage></sf:UnexpectedErrorFault></detail>"
        );
        assert!(rest.starts_with(&detail), "{rest} {detail}");
        self.is_marked(code);
        message.to_owned()
    }

    /// Asserts that this is marked as the proxy's own (RFC 9209).
    #[track_caller]
    pub fn is_marked(&self, code: &str) {
        let marked = self.header("proxy-status").unwrap_or_default();
        assert!(marked.starts_with("orgproxy; error="), "{marked}");
        assert!(marked.contains(&code.to_lowercase()), "{marked}");
    }
}

/// Sends `wire` on a connection of its own and returns what came back until it was closed.
pub async fn exchange(address: SocketAddr, wire: impl AsRef<[u8]>) -> Vec<Answer> {
    let stream = TcpStream::connect(address).await.unwrap();
    talk(stream, wire.as_ref(), usize::MAX).await
}

/// The one answer to `wire`, which has to ask for the connection to be closed.
pub async fn ask(address: SocketAddr, wire: impl AsRef<[u8]>) -> Answer {
    let mut answers = exchange(address, &wire).await;
    let wire = String::from_utf8_lossy(wire.as_ref());
    assert_eq!(answers.len(), 1, "{wire:?} got {answers:?}");
    answers.remove(0)
}

/// Sends `wire` in pieces of `size` bytes, and reads until the other end closes.
///
/// # Panics
/// If it does not within [`PATIENCE`].
pub async fn talk(stream: impl AsyncRead + AsyncWrite, wire: &[u8], size: usize) -> Vec<Answer> {
    let (mut read, mut write) = tokio::io::split(stream);
    let sent = async {
        for piece in wire.chunks(size.min(wire.len().max(1))) {
            // The other end may have seen enough.
            if write.write_all(piece).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    let mut heard = Vec::new();
    let heard_all = async {
        // A reset after the answer is an end too.
        let _ = read.read_to_end(&mut heard).await;
    };
    let both = futures_util::future::join(sent, heard_all);
    let closed = tokio::time::timeout(PATIENCE, both).await;
    let shown = String::from_utf8_lossy(&wire[..wire.len().min(300)]);
    assert!(closed.is_ok(), "left open: {shown:?}");
    Answer::all(&heard)
}
