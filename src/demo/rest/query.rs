//! `/query`, and the batches that do not fit into one answer.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use http::StatusCode;
use serde_json::{Value, json};

use super::Ask;
use crate::demo::{Inner, answer::Answer, id::record_id, soql};

impl Inner {
    pub(super) fn query(&self, ask: &Ask<'_>) -> Result<Answer, Answer> {
        let query = ask.parameter("q").ok_or_else(|| {
            Answer::error(
                StatusCode::BAD_REQUEST,
                "MALFORMED_QUERY",
                "A query string has to be specified",
            )
        })?;
        let found = soql::run(&self.data(), ask.version, query)?;
        if found.records.len() <= ask.batch_size {
            return Ok(Answer::json(json!({
                "totalSize": found.total,
                "done": true,
                "records": found.records,
            })));
        }
        let cursor = self.cursors.open(found.records);
        Ok(batch(ask, &cursor, 0))
    }

    /// `locator` is that of the cursor and the index of the next record: `01g…-2000`.
    pub(super) fn query_more(&self, ask: &Ask<'_>, locator: &str) -> Result<Answer, Answer> {
        let found = locator.rsplit_once('-').and_then(|(id, from)| {
            let from = from.parse().ok()?;
            let cursor = self.cursors.find(id)?;
            (from < cursor.records.len()).then_some((cursor, from))
        });
        let (cursor, from) = found.ok_or_else(|| {
            Answer::error(
                StatusCode::BAD_REQUEST,
                "INVALID_QUERY_LOCATOR",
                "invalid query locator",
            )
        })?;
        Ok(batch(ask, &cursor, from))
    }
}

fn batch(ask: &Ask<'_>, cursor: &Cursor, from: usize) -> Answer {
    let total = cursor.records.len();
    let to = total.min(from + ask.batch_size);
    let mut answer = json!({"totalSize": total, "done": to == total});
    if to < total {
        let (version, id) = (ask.version, &cursor.id);
        answer["nextRecordsUrl"] = format!("/services/data/{version}/query/{id}-{to}").into();
    }
    answer["records"] = cursor.records[from..to].into();
    Answer::json(answer)
}

/// Results that are fetched in batches.
#[derive(Default)]
pub(in crate::demo) struct Cursors(Mutex<Open>);

impl Cursors {
    fn open(&self, records: Vec<Value>) -> Arc<Cursor> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.opened += 1;
        let cursor = Arc::new(Cursor {
            id: record_id("01g", open.opened),
            records,
        });
        if open.cursors.len() == MOST {
            open.cursors.pop_front();
        }
        open.cursors.push_back(cursor.clone());
        cursor
    }

    fn find(&self, id: &str) -> Option<Arc<Cursor>> {
        let open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.cursors.iter().find(|cursor| cursor.id == id).cloned()
    }
}

#[derive(Default)]
struct Open {
    cursors: VecDeque<Arc<Cursor>>,
    opened: u64,
}

struct Cursor {
    id: String,
    records: Vec<Value>,
}

/// Open cursors per user; a further one closes the oldest.
const MOST: usize = 10;
