//! The frames of an HTTP/2 connection (RFC 9113 section 4.1), counted as they come in.
//!
//! Frames that carry nothing take next to nothing to send and more to handle, so that a flood of them
//! costs everybody else on the thread (RFC 9113 section 10.5).

use std::time::{Duration, Instant};

/// Follows the frames that a client sends.
#[derive(Default)]
pub(super) struct Frames {
    /// The part of a frame's head that has come.
    head: [u8; HEAD],
    come: usize,
    /// Bytes to come of what follows the head.
    payload: usize,
    /// True while the head of a request has not come to its end.
    pub(super) within_headers: bool,
    /// The frames that carry nothing, weighed.
    pub(super) idle: u64,
}

impl Frames {
    pub(super) fn read(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let taken;
            if self.payload > 0 {
                taken = bytes.len().min(self.payload);
                self.payload -= taken;
            } else {
                taken = bytes.len().min(HEAD - self.come);
                self.head[self.come..self.come + taken].copy_from_slice(&bytes[..taken]);
                self.come += taken;
                if self.come == HEAD {
                    self.come = 0;
                    self.judge();
                }
            }
            bytes = &bytes[taken..];
        }
    }

    fn judge(&mut self) {
        let [high, middle, low, kind, flags, ..] = self.head;
        self.payload = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        if matches!(kind, HEADERS | CONTINUATION) {
            self.within_headers = flags & END_HEADERS == 0;
        }
        self.idle += match kind {
            HEADERS => 0,
            DATA if flags & END_STREAM != 0 => 0,
            // All of it may be padding.
            DATA if self.payload == 0 || flags & PADDED != 0 && self.payload <= MOST_PADDING => 1,
            DATA => 0,
            // Each begins with a request.
            RST_STREAM => 2,
            // One at the beginning, hardly ever another.
            SETTINGS => 4,
            _ => 1,
        };
    }
}

/// The number of frames that carry nothing that a client may send.
pub(super) struct Allowance {
    /// When, and at what counts, it last began.
    since: Option<Instant>,
    idle: u64,
    given: u64,
}

impl Allowance {
    pub(super) fn new() -> Self {
        Self {
            since: None,
            idle: 0,
            given: 0,
        }
    }

    /// Returns whether `idle` of them are not too many for a client that was given so many pieces
    /// of answers: each may be acknowledged, in several ways.
    pub(super) fn admits(&mut self, idle: u64, given: u64) -> bool {
        if idle - self.idle <= BURST + (given - self.given) * PER_PIECE {
            self.since.get_or_insert_with(Instant::now);
            return true;
        }
        let now = Instant::now();
        let is_sudden = self.since.is_none_or(|since| now < since + PERIOD);
        (self.since, self.idle, self.given) = (Some(now), idle, given);
        !is_sudden
    }
}

/// Bytes.
const HEAD: usize = 9;
const MOST_PADDING: usize = 256;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;

/// A hundred a second, which cost less than a thousandth of a core.
const BURST: u64 = 1000;
const PERIOD: Duration = Duration::from_secs(10);

/// Some clients acknowledge every KiB, for the stream and for the connection.
const PER_PIECE: u64 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: usize) -> Vec<u8> {
        let [.., high, middle, low] = payload.to_be_bytes();
        let mut frame = vec![high, middle, low, kind, flags, 0, 0, 0, 1];
        frame.extend(vec![0xff; payload]);
        frame
    }

    #[test]
    fn counts_what_carries_nothing_and_nothing_else() {
        for (frame, idle) in [
            (frame(DATA, 0, 5), 0),
            (frame(DATA, 0, 0), 1),
            (frame(DATA, END_STREAM, 0), 0),
            (frame(DATA, PADDED, 256), 1),
            (frame(DATA, PADDED, 300), 0),
            (frame(HEADERS, END_HEADERS, 40), 0),
            (frame(2, 0, 5), 1),
            (frame(RST_STREAM, 0, 4), 2),
            (frame(SETTINGS, 0, 0), 4),
            (frame(6, 0, 8), 1),
            (frame(8, 0, 4), 1),
            (frame(CONTINUATION, 0, 0), 1),
            (frame(0xfa, 0, 70_000), 1),
        ] {
            for size in [1, 7, 100_000] {
                let mut frames = Frames::default();
                let twice = [&frame[..], &frame].concat();
                twice.chunks(size).for_each(|piece| frames.read(piece));
                assert_eq!(
                    frames.idle,
                    2 * idle,
                    "{:?} in pieces of {size}",
                    &frame[..9]
                );
            }
        }
    }

    #[test]
    fn knows_that_a_head_has_not_ended() {
        let mut frames = Frames::default();
        frames.read(&frame(HEADERS, 0, 10));
        assert!(frames.within_headers);
        frames.read(&frame(CONTINUATION, END_HEADERS, 10));
        assert!(!frames.within_headers);
    }

    #[test]
    fn admits_what_acknowledges_answers_and_what_comes_slowly() {
        let mut allowance = Allowance::new();
        assert!(allowance.admits(1000, 0));
        assert!(!allowance.admits(1001, 0));

        let mut allowance = Allowance::new();
        assert!((1..100_000).all(|pieces| allowance.admits(pieces * 8, pieces)));

        let mut allowance = Allowance::new();
        for round in 1..10 {
            assert!(allowance.admits(round * 1000, 0), "round {round}");
            allowance.since = allowance.since.and_then(|since| since.checked_sub(PERIOD));
            assert!(allowance.admits(round * 1000 + 1, 0), "round {round}");
        }
    }
}
