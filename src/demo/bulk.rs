//! Records in bulk: the parts that both Bulk APIs share.
//!
//! `classic` is Bulk 1.0; Bulk 2.0 is a part of the REST API, and is in `rest`. Both turn uploads
//! into rows (`rows`), and carry out the job for each of them (`load`), over the same records as
//! all other APIs.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use super::id::record_id;

pub(super) use self::{
    load::{Load, Operation, Outcome, load},
    rows::{CRLF, LF, Rows, csv_rows, found_as_csv, write_csv},
};

mod classic;
mod load;
mod rows;
mod xml;

/// The jobs of both APIs.
#[derive(Default)]
pub(super) struct Bulk {
    pub(super) classic: Mutex<Jobs<classic::Job>>,
    pub(super) jobs: Mutex<Jobs<super::rest::BulkJob>>,
}

/// The newest jobs of one API.
pub(super) struct Jobs<J> {
    kept: VecDeque<(String, J)>,
    /// Number of ids so far, of jobs and of their parts.
    ids: u64,
}

impl<J> Jobs<J> {
    /// A new id with `prefix`.
    pub(super) fn id(&mut self, prefix: &str) -> String {
        self.ids += 1;
        record_id(prefix, self.ids)
    }

    pub(super) fn add(&mut self, id: String, job: J) {
        if self.kept.len() == MOST {
            self.kept.pop_front();
        }
        self.kept.push_back((id, job));
    }

    pub(super) fn find(&mut self, id: &str) -> Option<&mut J> {
        let mut kept = self.kept.iter_mut();
        let (_, job) = kept.find(|(own, _)| super::id::same_id(own, id))?;
        Some(job)
    }

    pub(super) fn remove(&mut self, id: &str) {
        self.kept.retain(|(own, _)| !super::id::same_id(own, id));
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &J> {
        self.kept.iter().map(|(_, job)| job)
    }
}

impl<J> Default for Jobs<J> {
    fn default() -> Self {
        Self {
            kept: VecDeque::new(),
            ids: 0,
        }
    }
}

pub(super) fn lock<J>(jobs: &Mutex<Jobs<J>>) -> MutexGuard<'_, Jobs<J>> {
    jobs.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The time, as in `2026-01-15T09:30:00.000Z`.
pub(super) fn now() -> String {
    humantime::format_rfc3339_millis(SystemTime::now()).to_string()
}

/// Jobs kept, so that a demo org can run forever.
const MOST: usize = 200;
