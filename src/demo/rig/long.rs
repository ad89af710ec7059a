//! Calls that take long, of which an org allows few at the same time.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// The calls to the API that are open, and when they came.
#[derive(Debug, Default)]
pub(in crate::demo) struct OpenCalls(Mutex<(u64, BTreeMap<u64, Instant>)>);

/// One of them.
pub(in crate::demo) struct OpenCall(u64, Arc<OpenCalls>);

impl OpenCalls {
    /// Begins another one, unless so many are open for so long.
    pub(in crate::demo) fn begin(
        this: &Arc<Self>,
        bound: Option<(usize, Duration)>,
    ) -> Option<OpenCall> {
        let mut calls = this.lock();
        let (last, open) = &mut *calls;
        if let Some((most, after)) = bound
            && open
                .values()
                .filter(|since| since.elapsed() >= after)
                .count()
                >= most
        {
            return None;
        }
        *last += 1;
        open.insert(*last, Instant::now());
        Some(OpenCall(*last, this.clone()))
    }

    fn lock(&self) -> MutexGuard<'_, (u64, BTreeMap<u64, Instant>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        self.1.lock().1.remove(&self.0);
    }
}
