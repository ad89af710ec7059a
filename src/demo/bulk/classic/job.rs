//! A job and its batches, and their descriptions.

use bytes::Bytes;
use serde_json::{Map, Value};

use super::{Problem, document::Format};
use crate::demo::{
    bulk::{Load, Outcome},
    id::{USER_ID, same_id},
    soql::Found,
};

pub(in crate::demo) struct Job {
    pub(super) id: String,
    pub(super) load: Load,
    pub(super) serial: bool,
    pub(super) format: Format,
    pub(super) state: &'static str,
    pub(super) created: String,
    pub(super) version: String,
    pub(super) batches: Vec<Batch>,
}

impl Job {
    pub(super) fn batch(&self, id: &str) -> Result<&Batch, Problem> {
        let mut batches = self.batches.iter();
        batches
            .find(|batch| same_id(&batch.id, id))
            .ok_or_else(|| Problem("InvalidBatch", format!("Unable to find batch: {id}")))
    }

    pub(super) fn info(&self) -> Map<String, Value> {
        let total = self.batches.len();
        let failed = self.batches.iter().filter(|batch| batch.done.is_err());
        let failed = failed.count();
        let (records, mistakes) = self
            .batches
            .iter()
            .map(Batch::records)
            .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        named([
            ("id", self.id.as_str().into()),
            ("operation", self.load.operation.name().into()),
            ("object", self.load.object.as_str().into()),
            ("createdById", USER_ID.into()),
            ("createdDate", self.created.as_str().into()),
            ("systemModstamp", self.created.as_str().into()),
            ("state", self.state.into()),
            (
                "externalIdFieldName",
                self.load.external_id.as_deref().into(),
            ),
            (
                "concurrencyMode",
                if self.serial { "Serial" } else { "Parallel" }.into(),
            ),
            ("contentType", self.format.name().into()),
            ("numberBatchesQueued", 0.into()),
            ("numberBatchesInProgress", 0.into()),
            ("numberBatchesCompleted", (total - failed).into()),
            ("numberBatchesFailed", failed.into()),
            ("numberBatchesTotal", total.into()),
            ("numberRecordsProcessed", records.into()),
            ("numberRetries", 0.into()),
            ("apiVersion", self.version.parse::<f64>().ok().into()),
            ("assignmentRuleId", Value::Null),
            ("numberRecordsFailed", mistakes.into()),
            ("totalProcessingTime", 0.into()),
            ("apiActiveProcessingTime", 0.into()),
            ("apexProcessingTime", 0.into()),
        ])
    }
}

pub(super) struct Batch {
    pub(super) id: String,
    pub(super) created: String,
    pub(super) request: Bytes,
    /// The error is the `stateMessage`.
    pub(super) done: Result<Done, String>,
}

pub(super) enum Done {
    Loaded(Vec<Outcome>),
    /// The id of the result, and the result.
    Found(String, Found),
}

impl Batch {
    /// The number of records processed, and the number of those that failed.
    fn records(&self) -> (usize, usize) {
        match &self.done {
            Ok(Done::Loaded(outcomes)) => {
                let failed = outcomes.iter().filter(|outcome| outcome.mistake.is_some());
                (outcomes.len(), failed.count())
            }
            Ok(Done::Found(_, found)) => (found.records.len(), 0),
            Err(_) => (0, 0),
        }
    }

    pub(super) fn info(&self, job: &str) -> Map<String, Value> {
        let (records, failed) = self.records();
        let (state, message) = match &self.done {
            Ok(_) => ("Completed", Value::Null),
            Err(message) => ("Failed", message.as_str().into()),
        };
        named([
            ("id", self.id.as_str().into()),
            ("jobId", job.into()),
            ("state", state.into()),
            ("stateMessage", message),
            ("createdDate", self.created.as_str().into()),
            ("systemModstamp", self.created.as_str().into()),
            ("numberRecordsProcessed", records.into()),
            ("numberRecordsFailed", failed.into()),
            ("totalProcessingTime", 0.into()),
            ("apiActiveProcessingTime", 0.into()),
            ("apexProcessingTime", 0.into()),
        ])
    }
}

fn named<const N: usize>(fields: [(&str, Value); N]) -> Map<String, Value> {
    let fields = fields.into_iter();
    fields
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}
