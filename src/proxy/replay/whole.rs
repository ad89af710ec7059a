//! Bodies that are read to their end before they are sent.

use std::future::poll_fn;

use bytes::Bytes;

use super::{ClientFault, Replay, lock};

impl Replay {
    /// All of the body, or `None` if it is larger than what may be kept of it. To be called before it
    /// is sent.
    pub(crate) async fn whole(&self) -> Result<Option<Bytes>, ClientFault> {
        let Self::Stream(stream, _) = self else {
            return Ok(Some(Bytes::new()));
        };
        poll_fn(|cx| lock(stream).poll_fill(cx, usize::MAX, false)).await?;
        let stream = lock(stream);
        Ok(stream.ended.then(|| match &stream.copy[..] {
            [only] => only.clone(),
            pieces => pieces.concat().into(),
        }))
    }

    /// The same of a body of at most so many bytes, whose length is known then.
    pub(crate) async fn whole_within(&mut self, most: usize) -> Result<Option<Bytes>, ClientFault> {
        let Self::Stream(stream, length) = self else {
            return Ok(Some(Bytes::new()));
        };
        if length.is_some_and(|length| length > most as u64) {
            return Ok(None);
        }
        poll_fn(|cx| lock(stream).poll_fill(cx, most + 1, false)).await?;
        if lock(stream).held > most {
            return Ok(None);
        }
        let held = lock(stream).held as u64;
        let whole = self.whole().await?;
        if let (Self::Stream(_, length), Some(_)) = (self, &whole) {
            *length = Some(held);
        }
        Ok(whole)
    }

    /// Puts `body`, of about the same length, in place of one that has been read to its end.
    pub(crate) fn replace(&mut self, body: Bytes) {
        if let Self::Stream(stream, length) = self {
            *length = Some(body.len() as u64);
            let mut stream = lock(stream);
            stream.held = body.len();
            stream.copy = vec![body];
        }
    }
}
