//! The tokens that the org has refused lately, so that whoever writes to Redis cannot bring them back.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use aws_lc_rs::digest::{SHA256, digest};

/// Their digests, the latest last.
#[derive(Default)]
pub(super) struct Refused(Mutex<VecDeque<Vec<u8>>>);

impl Refused {
    pub(super) fn add(&self, token: &[u8]) {
        let id = id(token);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|known| *known != id);
        if all.len() == MOST {
            all.pop_front();
        }
        all.push_back(id);
    }

    pub(super) fn has(&self, token: &[u8]) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.contains(&id(token))
    }
}

fn id(token: &[u8]) -> Vec<u8> {
    digest(&SHA256, token).as_ref().to_owned()
}

/// More than there are sessions within the time that one may live unused.
const MOST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_are_known_and_no_more() {
        let refused = Refused::default();
        assert!(!refused.has(b"0"));
        for number in 0..=MOST {
            refused.add(number.to_string().as_bytes());
            refused.add(b"again");
        }
        assert!(refused.has(b"again") && refused.has(b"64") && refused.has(b"2"));
        assert!(!refused.has(b"1") && !refused.has(b"0"));
    }
}
