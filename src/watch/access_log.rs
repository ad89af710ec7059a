//! One line per request.

use super::Record;

pub(crate) struct AccessLog;

impl AccessLog {
    pub(super) fn offer(&self, _records: Vec<Record>) {}

    pub(super) fn close(self) {}
}
