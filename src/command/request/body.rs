//! The body of a request, of any size, in little memory.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
    thread,
};

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper::body::Frame;
use tokio::sync::mpsc;

use crate::{cli::Data, command::connection::Streamed};

/// A body to send.
pub(super) struct Upload {
    pub(super) body: Streamed,
    /// In bytes, if known in advance.
    pub(super) length: Option<u64>,
    /// The beginning, read in advance.
    start: Bytes,
}

impl Upload {
    /// # Errors
    /// A file that cannot be read.
    pub(super) fn open(data: Option<&Data>) -> Result<Self, String> {
        match data {
            None => Ok(Self {
                body: Empty::new().map_err(|never| match never {}).boxed_unsync(),
                length: None,
                start: Bytes::new(),
            }),
            Some(Data::Given(text)) => {
                let length = text.len() as u64;
                Self::read(io::Cursor::new(text.clone()), Some(length))
                    .map_err(|error| error.to_string())
            }
            Some(Data::Stdin) => Self::read(io::stdin(), None)
                .map_err(|error| format!("standard input cannot be read: {error}")),
            Some(Data::File(path)) => Self::file(path)
                .map_err(|error| format!("{}: cannot be read: {error}", path.display())),
        }
    }

    fn file(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_file() {
            // Not more than is announced, even if the file grows.
            Self::read(file.take(metadata.len()), Some(metadata.len()))
        } else {
            Self::read(file, None)
        }
    }

    fn read(mut source: impl Read + Send + 'static, length: Option<u64>) -> io::Result<Self> {
        let start = piece(&mut source)?;
        // In a thread of its own, because standard input may be silent for long.
        let (sender, receiver) = mpsc::channel(AHEAD);
        let first = start.clone();
        thread::spawn(move || {
            let mut next = Ok(first);
            while !matches!(&next, Ok(bytes) if bytes.is_empty()) {
                let is_last = next.is_err();
                // Nobody receives it if the org has answered early.
                if sender.blocking_send(next).is_err() || is_last {
                    return;
                }
                next = piece(&mut source);
            }
        });
        let pieces = stream::unfold(receiver, async |mut receiver| {
            let piece: io::Result<Bytes> = receiver.recv().await?;
            Some((piece.map(Frame::data), receiver))
        });
        Ok(Self {
            body: StreamBody::new(pieces).boxed_unsync(),
            length,
            start,
        })
    }

    /// The first character that is not blank.
    pub(super) fn first_character(&self) -> Option<u8> {
        let text = self
            .start
            .strip_prefix(BYTE_ORDER_MARK)
            .unwrap_or(&self.start);
        text.iter()
            .copied()
            .find(|byte| !byte.is_ascii_whitespace())
    }
}

/// The next bytes; none at the end.
fn piece(source: &mut impl Read) -> io::Result<Bytes> {
    let mut bytes = BytesMut::zeroed(PIECE);
    loop {
        match source.read(&mut bytes) {
            Ok(length) => {
                bytes.truncate(length);
                return Ok(bytes.freeze());
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

const PIECE: usize = 64 * 1024;

/// Pieces that are read ahead.
const AHEAD: usize = 4;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
