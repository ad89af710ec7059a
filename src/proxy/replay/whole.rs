//! Bodies that are read to their end before they are sent.

use std::{
    future::poll_fn,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use tokio::time::{Instant, sleep};

use super::{ClientFault, Replay, ReplayMemory, Stream, lock, memory::STEP, with_overhead};

impl Replay {
    /// All of the body, or `None` if it is larger than what may be kept of it. To be called before it
    /// is sent.
    ///
    /// # Errors
    /// [`ClientFault::Crowded`] if the copies of others leave too little for a while.
    pub(crate) async fn whole(&self) -> Result<Option<Bytes>, ClientFault> {
        let Self::Stream(stream, length) = self else {
            return Ok(Some(Bytes::new()));
        };
        fill(stream, *length, usize::MAX).await?;
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
        fill(stream, *length, most + 1).await?;
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

/// Takes in pieces until `wanted` bytes are kept, or all of them, or no more may be kept. Where there
/// is no memory, others are made to give some back.
async fn fill(
    stream: &Mutex<Stream>,
    length: Option<u64>,
    wanted: usize,
) -> Result<(), ClientFault> {
    let all = length.map_or(0, |length| usize::try_from(length).unwrap_or(usize::MAX));
    if all > lock(stream).limit {
        return Ok(());
    }
    lock(stream).must_be_whole = true;
    loop {
        poll_fn(|cx| lock(stream).poll_fill(cx, wanted, false)).await?;
        if !lock(stream).is_short_of(wanted) {
            return Ok(());
        }
        // The time that the client took to send does not count.
        let until = Instant::now() + MEMORY_TIME;
        while !lock(stream).finds_memory(all) {
            let Some((memory, bytes)) = lock(stream).lacks(all) else {
                return lock(stream).fault.map_or(Ok(()), Err);
            };
            if Instant::now() >= until {
                return Err(ClientFault::Crowded);
            }
            memory.make_room(bytes, stream);
            sleep(RETRY).await;
        }
    }
}

impl Stream {
    fn is_short_of(&self, wanted: usize) -> bool {
        !self.ended && self.held < wanted && !self.is_kept
    }

    /// Pays for the piece that there was no memory for, and makes sure of what `all` bytes need, if
    /// there is as much by now: several that had a part each would wait for each other.
    fn finds_memory(&mut self, all: usize) -> bool {
        if self.share.spend(self.unpaid) {
            self.unpaid = 0;
            self.is_kept = all == 0 || self.share.reserve(with_overhead(all));
        }
        self.is_kept
    }

    /// The memory that it lacks, and how many bytes of it; `None` if it may have no more.
    fn lacks(&self, all: usize) -> Option<(Arc<ReplayMemory>, usize)> {
        let least = if all == 0 { STEP } else { with_overhead(all) };
        self.share.lacks(self.unpaid, least)
    }

    /// Returns whether it has memory that it can do without: it may come to be sent only once.
    pub(super) fn is_spare(&self) -> bool {
        let is_sent = self.sending > 0 && self.next >= self.copy.len();
        self.share.is_taken() && (is_sent || self.sending == 0 && !self.must_be_whole)
    }

    /// Gives back the memory that it can do without.
    pub(super) fn forget(&mut self) {
        if self.sending > 0 {
            self.cut_copy();
        } else {
            self.share.shrink();
        }
        self.is_kept = false;
    }

    /// Bytes per second at which it comes, if it must be whole, and it is its client that is waited for.
    pub(super) fn rate(&self, now: Instant) -> Option<u64> {
        let comes = self.must_be_whole && self.is_kept && !self.ended && self.sending == 0;
        let age = now.duration_since(self.began);
        let rate = || self.held as u64 * 1000 / u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        (comes && age >= LEAST_AGE).then(rate)
    }

    /// Fails, so that others have its memory. Returns whether it does.
    pub(super) fn give_way(&mut self) -> bool {
        if self.ended || self.sending > 0 {
            return false;
        }
        self.fail(ClientFault::Crowded);
        self.cut_copy();
        if let Some(task) = self.waits.take() {
            task.wake();
        }
        true
    }
}

/// The age before which nothing can be said of the rate of a body.
const LEAST_AGE: Duration = Duration::from_secs(1);

/// The time for which memory is waited for that other copies have.
const MEMORY_TIME: Duration = Duration::from_secs(5);

/// The time after which one looks again whether there is some.
const RETRY: Duration = Duration::from_millis(50);
