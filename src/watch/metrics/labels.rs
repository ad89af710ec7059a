//! By what requests are told apart. Clients must not be able to make many of them.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use http::Method;

use crate::watch::Record;

/// By what one series of counts is told from others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Labels {
    /// Empty, if the request was for none.
    pub(super) org: Arc<str>,
    pub(super) family: &'static str,
    pub(super) method: &'static str,
    pub(super) status: &'static str,
    version: u8,
}

/// The same as numbers, to be found fast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key(u64);

/// The labels that any thread has counted so far.
#[derive(Default)]
pub(super) struct Admitted(Mutex<BTreeSet<Labels>>);

impl Labels {
    pub(super) fn of(org: Arc<str>, record: &Record) -> Self {
        Self {
            org,
            family: record.family,
            method: METHODS[method(&record.method)],
            status: CLASSES[class(record)],
            version: version(record),
        }
    }

    /// For all that is too various.
    pub(super) fn other(org: Arc<str>) -> Self {
        Self {
            org,
            family: OTHER,
            method: OTHER,
            status: OTHER,
            version: OTHER_VERSION,
        }
    }

    /// The version of the API as Salesforce writes it, such as `62.0`. Empty if there is none.
    pub(super) fn api_version(&self) -> String {
        match self.version {
            NO_VERSION => String::new(),
            OTHER_VERSION => OTHER.to_owned(),
            version => format!("{version}.0"),
        }
    }
}

impl Key {
    /// The labels of `record`, with what a thread numbers by itself: `org` and `family`.
    pub(super) fn of(org: usize, family: usize, record: &Record) -> Self {
        let method = method(&record.method) as u64;
        let class = class(record) as u64;
        let version = u64::from(version(record));
        Self((org as u64) << 40 | (family as u64) << 24 | method << 16 | class << 8 | version)
    }

    /// That of [`Labels::other`], which no record has.
    pub(super) fn other(org: usize) -> Self {
        Self((org as u64) << 40 | 0xff_ffff_ffff)
    }
}

impl Admitted {
    /// Returns whether `labels` may have a series: one that is known, or one of the first
    /// [`MOST_SERIES`].
    pub(super) fn admit(&self, labels: &Labels) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.contains(labels) {
            return true;
        }
        if known.len() >= MOST_SERIES {
            return false;
        }
        known.insert(labels.clone())
    }
}

/// The place in [`METHODS`].
fn method(method: &Method) -> usize {
    match *method {
        Method::GET => 1,
        Method::POST => 2,
        Method::PATCH => 3,
        Method::PUT => 4,
        Method::DELETE => 5,
        Method::HEAD => 6,
        Method::OPTIONS => 7,
        Method::CONNECT => 8,
        _ => 0,
    }
}

/// The place in [`CLASSES`].
fn class(record: &Record) -> usize {
    let class = usize::from(record.status.as_u16() / 100);
    if class < CLASSES.len() { class } else { 0 }
}

fn version(record: &Record) -> u8 {
    match record.api_version {
        None => NO_VERSION,
        Some(version) => u8::try_from(version)
            .ok()
            .filter(|version| (OLDEST..=LATEST).contains(version))
            .unwrap_or(OTHER_VERSION),
    }
}

const OTHER: &str = "other";

const METHODS: [&str; 9] = [
    OTHER, "GET", "POST", "PATCH", "PUT", "DELETE", "HEAD", "OPTIONS", "CONNECT",
];

const CLASSES: [&str; 6] = [OTHER, "1xx", "2xx", "3xx", "4xx", "5xx"];

/// The versions of the API that there have been, and those of the next ten years.
const OLDEST: u8 = 7;
const LATEST: u8 = 99;

const NO_VERSION: u8 = 0;
const OTHER_VERSION: u8 = 1;

/// Of all threads and orgs. Some dozens are usual. A client that tries all methods and versions makes
/// no more than these, and what comes then is counted as [`Labels::other`].
pub(super) const MOST_SERIES: usize = 1000;
