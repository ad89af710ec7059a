//! Bodies that are read to their end before they are sent.

use std::{future::poll_fn, sync::Mutex, time::Duration};

use bytes::Bytes;
use tokio::time::{Instant, sleep};

use super::{ClientFault, Replay, Stream, lock};

impl Replay {
    /// All of the body, or `None` if it is larger than what may be kept of it, or the copies of others
    /// leave too little for a while. To be called before it is sent.
    pub(crate) async fn whole(&self) -> Result<Option<Bytes>, ClientFault> {
        let Self::Stream(stream, length) = self else {
            return Ok(Some(Bytes::new()));
        };
        if length.is_some_and(|length| length > lock(stream).limit as u64) {
            return Ok(None);
        }
        fill(stream, usize::MAX).await?;
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
        fill(stream, most + 1).await?;
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

/// Takes in pieces until `wanted` bytes are kept, or all of them, or no more can be kept.
async fn fill(stream: &Mutex<Stream>, wanted: usize) -> Result<(), ClientFault> {
    let until = Instant::now() + MEMORY_TIME;
    loop {
        poll_fn(|cx| lock(stream).poll_fill(cx, wanted, false)).await?;
        if !lock(stream).is_short_of(wanted) {
            return Ok(());
        }
        while !lock(stream).finds_memory() {
            if !lock(stream).may_find_memory() || Instant::now() >= until {
                return Ok(());
            }
            sleep(RETRY).await;
        }
    }
}

impl Stream {
    fn is_short_of(&self, wanted: usize) -> bool {
        !self.ended && self.held < wanted && !self.is_kept
    }

    /// Pays for the piece that there was no memory for, if there is by now.
    fn finds_memory(&mut self) -> bool {
        self.is_kept = self.share.spend(self.unpaid);
        self.is_kept
    }

    /// Returns whether it helps if others give memory back, and has them do so.
    fn may_find_memory(&self) -> bool {
        self.share.waits_for(self.unpaid)
    }
}

/// The time for which memory is waited for that other copies have.
const MEMORY_TIME: Duration = Duration::from_secs(5);

/// The time after which one looks again whether there is some.
const RETRY: Duration = Duration::from_millis(50);
