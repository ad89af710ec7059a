//! `/query`, and the results that do not fit into one response.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use http::StatusCode;
use serde_json::{Value, json};

use super::{RestCall, columns};
use crate::demo::{Inner, answer::Answer, id::record_id, soql};

impl Inner {
    pub(super) fn query(&self, call: &RestCall<'_>) -> Result<Answer, Answer> {
        let query = call.parameter("q").ok_or_else(|| {
            Answer::error(
                StatusCode::BAD_REQUEST,
                "MALFORMED_QUERY",
                "A query string has to be specified",
            )
        })?;
        let data = self.data();
        let found = soql::run(&data, call.version, query)?;
        if call.parameter("columns") == Some("true") {
            return Ok(Answer::json(columns::metadata(&data, &found)));
        }
        if found.records.len() <= call.batch_size {
            return Ok(Answer::json(json!({
                "totalSize": found.total,
                "done": true,
                "records": found.records,
            })));
        }
        let cursor = self.cursors.open(found.records);
        Ok(batch(call, &cursor, 0))
    }

    pub(super) fn query_more(&self, call: &RestCall<'_>, locator: &str) -> Result<Answer, Answer> {
        let (cursor, from) = self.cursors.at(locator).ok_or_else(|| {
            Answer::error(
                StatusCode::BAD_REQUEST,
                "INVALID_QUERY_LOCATOR",
                "invalid query locator",
            )
        })?;
        Ok(batch(call, &cursor, from))
    }
}

fn batch(call: &RestCall<'_>, cursor: &Cursor, from: usize) -> Answer {
    let total = cursor.records.len();
    let to = total.min(from + call.batch_size);
    let mut answer = json!({"totalSize": total, "done": to == total});
    if to < total {
        let api = match call.path {
            ["tooling", ..] => "tooling/query",
            _ => "query",
        };
        let (version, id) = (call.version, &cursor.id);
        answer["nextRecordsUrl"] = format!("/services/data/{version}/{api}/{id}-{to}").into();
    }
    answer["records"] = cursor.records[from..to].into();
    Answer::json(answer)
}

/// Results that are fetched in batches.
#[derive(Default)]
pub(in crate::demo) struct Cursors(Mutex<Open>);

impl Cursors {
    pub(in crate::demo) fn open(&self, records: Vec<Value>) -> Arc<Cursor> {
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

    /// The cursor and the index of the next record for a locator, `01g…-2000`.
    pub(in crate::demo) fn at(&self, locator: &str) -> Option<(Arc<Cursor>, usize)> {
        let (id, from) = locator.rsplit_once('-')?;
        let from = from.parse().ok()?;
        let cursor = self.find(id)?;
        (from < cursor.records.len()).then_some((cursor, from))
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

/// The result of one query.
pub(in crate::demo) struct Cursor {
    pub(in crate::demo) id: String,
    pub(in crate::demo) records: Vec<Value>,
}

/// Open cursors per user; a further one closes the oldest.
const MOST: usize = 10;
