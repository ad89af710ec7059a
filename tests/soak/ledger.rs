//! What clients know of their requests, and what must follow from it.

use std::{
    collections::{BTreeMap, HashMap},
    error::Error,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use serde_json::Value;

use crate::traffic::client;

/// All requests, by their numbers.
#[derive(Default)]
pub(crate) struct Ledger {
    next: AtomicU64,
    entries: Mutex<HashMap<u64, Entry>>,
}

/// One request.
#[derive(Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) kind: &'static str,
    /// If true, it writes one record.
    pub(crate) writes: bool,
    /// If true, its answer says that it was written.
    pub(crate) is_written: bool,
    /// The status of its answer, if the head of one came.
    pub(crate) status: Option<u16>,
    /// If true, it never reached the proxy.
    pub(crate) is_unsent: bool,
}

impl Ledger {
    pub(crate) fn number(&self) -> u64 {
        self.next.fetch_add(1, Relaxed)
    }

    pub(crate) fn note(&self, number: u64, entry: Entry) {
        self.entries().insert(number, entry);
    }

    /// How many requests of which kind had which answer.
    pub(crate) fn summary(&self) -> String {
        let mut counts = BTreeMap::<_, BTreeMap<String, u64>>::new();
        for entry in self.entries().values() {
            let answer = match entry.status {
                Some(status) => status.to_string(),
                None if entry.is_unsent => "unsent".to_owned(),
                None => "unanswered".to_owned(),
            };
            *counts
                .entry(entry.kind)
                .or_default()
                .entry(answer)
                .or_default() += 1;
        }
        let kinds = counts.iter().map(|(kind, counts)| {
            let counts = counts
                .iter()
                .map(|(answer, count)| format!("{answer}: {count}"));
            format!("{kind:10} {}", counts.collect::<Vec<_>>().join(", "))
        });
        kinds.collect::<Vec<_>>().join("\n")
    }

    /// What is wrong with the records that the org has, by their numbers, and with the access log.
    pub(crate) fn check(&self, written: &HashMap<u64, u64>, log: &[String]) -> Vec<String> {
        let mut faults = Vec::new();
        let mut lines = HashMap::<u64, Vec<u64>>::new();
        for line in log {
            let line: Value = serde_json::from_str(line).unwrap_or_default();
            match (number_of(line["client"].as_str()), line["status"].as_u64()) {
                (Some(number), Some(status)) => lines.entry(number).or_default().push(status),
                _ => faults.push(format!("a line that nobody knows: {line}")),
            }
        }
        lines.remove(&u64::MAX);
        let entries = self.entries();
        for (number, entry) in &*entries {
            let lines = lines.remove(number).unwrap_or_default();
            let is_right = match (entry.status, &lines[..]) {
                (Some(status), [line]) => u64::from(status) == *line,
                // It may not have come so far as to be one.
                (None, lines) => lines.len() <= usize::from(!entry.is_unsent),
                (Some(_), _) => false,
            };
            if !is_right {
                let Entry { kind, status, .. } = entry;
                faults.push(format!(
                    "{number} ({kind}) had {status:?}, and the log has {lines:?}"
                ));
            }
            let count = written.get(number).copied().unwrap_or_default();
            let expected = u64::from(entry.is_written)..=u64::from(entry.writes);
            if !expected.contains(&count) {
                faults.push(format!(
                    "{number} was written {count} times: {:?}",
                    entry.status
                ));
            }
        }
        for number in lines.keys() {
            faults.push(format!("{number} is in the log, and nobody has sent it"));
        }
        if !entries.values().any(|entry| entry.is_written) {
            faults.push("nothing was written".to_owned());
        }
        faults
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<u64, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How often each number was written.
pub(crate) async fn written(url: &str) -> Result<HashMap<u64, u64>, Box<dyn Error>> {
    let mut written = HashMap::new();
    let query = "/services/data/v62.0/query?q=SELECT+Name+FROM+Account+WHERE+Name+LIKE+'soak-%25'";
    let mut next = Some(format!("{url}{query}"));
    while let Some(page) = next {
        let answer = client().get(page).header("user-agent", LAST).send().await?;
        let answer: Value = serde_json::from_str(&answer.text().await?)?;
        let records = answer["records"].as_array().ok_or("no records")?;
        for record in records {
            let number = number_of(record["Name"].as_str()).ok_or("a name that nobody gave")?;
            *written.entry(number).or_default() += 1;
        }
        next = answer["nextRecordsUrl"]
            .as_str()
            .map(|path| format!("{url}{path}"));
    }
    Ok(written)
}

/// The number in a name such as `soak-7`.
fn number_of(name: Option<&str>) -> Option<u64> {
    name?.strip_prefix("soak-")?.parse().ok()
}

/// The client that looks at the end.
const LAST: &str = "soak-18446744073709551615";
