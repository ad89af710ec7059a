//! One request, or one within another, as a policy sees it.

use std::{
    borrow::Cow,
    fmt::{self, Display, Formatter},
};

use http::HeaderMap;
use memchr::memmem;
use percent_encoding::percent_decode_str;
use url::form_urlencoded;

use crate::proxy::path::{is_plain, readings, stem};

/// A request that is to be judged.
#[derive(Clone)]
pub(super) struct Ask<'a> {
    /// As the org takes it: that of the parameter `_HttpMethod`, if there is one.
    pub(super) method: String,
    /// True for a POST that names another method so.
    pub(super) is_renamed: bool,
    /// As it is written.
    pub(super) path: Cow<'a, str>,
    query: Option<Cow<'a, str>>,
    /// The number of requests around it.
    pub(super) depth: u8,
}

impl Display for Ask<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.depth > 0 {
            f.write_str("within the request, ")?;
        }
        write!(f, "{} {}", self.method, self.path)
    }
}

impl<'a> Ask<'a> {
    /// The request of this `method` for `target`, a path with its query.
    ///
    /// # Errors
    /// If it names another method in a way that the org may or may not follow.
    pub(super) fn new(
        method: &str,
        path: &'a str,
        query: Option<&'a str>,
        depth: u8,
    ) -> Result<Self, &'static str> {
        let mut ask = Self {
            method: method.to_owned(),
            is_renamed: false,
            path: path.into(),
            query: query.map(Cow::from),
            depth,
        };
        // Salesforce takes the parameter of a POST for the method, for clients without PATCH.
        match ask.one("_HttpMethod") {
            Ok(None) => {}
            Ok(Some(named)) if method == "POST" && METHODS.contains(&&*named) => {
                ask.method = named;
                ask.is_renamed = true;
            }
            _ => return Err("its parameter _HttpMethod names another method in an unusual way"),
        }
        Ok(ask)
    }

    /// The same, for another thread.
    pub(super) fn into_owned(self) -> Ask<'static> {
        Ask {
            method: self.method,
            is_renamed: self.is_renamed,
            path: self.path.into_owned().into(),
            query: self.query.map(|query| query.into_owned().into()),
            depth: self.depth,
        }
    }

    /// Returns whether it can only delete: the org may take a renamed one for the POST that it is.
    pub(super) fn only_deletes(&self) -> bool {
        self.method == "DELETE" && !self.is_renamed
    }

    /// The methods that it may be taken for. The org may not follow the parameter everywhere.
    pub(super) fn methods(&self) -> impl Iterator<Item = &str> {
        let own = self.is_renamed.then_some("POST");
        own.into_iter().chain([&*self.method])
    }

    /// All the ways to read its path, or nothing if there are too many. The REST API takes `.json` and
    /// `.xml` behind a word for a format (until version 57.0), as part of the word elsewhere; and some
    /// servers cut off dots and blanks.
    pub(super) fn readings(&self) -> Option<Vec<Vec<u8>>> {
        let path = self.path.as_bytes();
        let mut all = if is_plain(path) {
            vec![path.to_vec()]
        } else {
            let readings = readings(path)?.into_iter();
            readings.map(|reading| reading.bytes).collect()
        };
        for at in 0..all.len() {
            let shorter = all
                .get(at)
                .map(|it| [with_stems(it, true), without_formats(it)]);
            for reading in shorter.into_iter().flatten() {
                if !all.contains(&reading) {
                    all.push(reading);
                }
            }
        }
        Some(all)
    }

    /// All values of a parameter, however it is spelled.
    pub(super) fn all(&self, name: &str) -> Vec<String> {
        let query = self.query.as_deref().unwrap_or_default();
        let is_it = |key: &str| {
            let twice = percent_decode_str(key).decode_utf8_lossy();
            twice.trim().eq_ignore_ascii_case(name)
        };
        // Some servers take `;` for `&`, and some do not.
        let parts = query.split('&').flat_map(|part| {
            let hidden = part.split(';').skip(1);
            [part].into_iter().chain(hidden)
        });
        parts
            .flat_map(|part| form_urlencoded::parse(part.as_bytes()))
            .filter(|(key, _)| is_it(key))
            .map(|(_, value)| value.into_owned())
            .collect()
    }

    /// The value of a parameter that is there once at most.
    ///
    /// # Errors
    /// If it is there more often, or spelled in a way that the org may not take for it.
    pub(super) fn one(&self, name: &str) -> Result<Option<String>, &'static str> {
        let mut all = self.all(name).into_iter();
        let first = all.next();
        if all.next().is_some() {
            return Err("a parameter is there twice");
        }
        let query = self.query.as_deref().unwrap_or_default();
        let mut keys = query.split('&').filter_map(|part| part.split('=').next());
        if first.is_some() && !keys.any(|key| key == name) {
            return Err("a parameter is spelled in an unusual way");
        }
        Ok(first)
    }
}

/// `path` with the stem of each of its words.
pub(super) fn without_formats(path: &[u8]) -> Vec<u8> {
    with_stems(path, false)
}

/// `path` with the stem of its last word, or of each of its words.
fn with_stems(path: &[u8], last_only: bool) -> Vec<u8> {
    let end = path.len() - path.iter().rev().take_while(|it| **it == b'/').count();
    let last = path.get(..end).unwrap_or_default();
    let last = last.rsplit(|it| *it == b'/').next().map_or(0, <[u8]>::len);
    let mut words = path.split(|it| *it == b'/').peekable();
    let (mut short, mut at) = (Vec::with_capacity(path.len()), 0);
    while let Some(word) = words.next() {
        let is_last = at == end - last;
        at += word.len() + 1;
        let stem = stem(word);
        short.extend_from_slice(if is_last || !last_only { stem } else { word });
        if words.peek().is_some() {
            short.push(b'/');
        }
    }
    short
}

/// Returns whether the headers name another method, which some servers follow and some do not.
pub(super) fn names_method(headers: &HeaderMap) -> bool {
    let mut names = headers.keys();
    names.any(|name| {
        OVERRIDES
            .iter()
            .any(|known| is_header(name.as_str(), known))
    })
}

/// Returns whether a header has the list of recently used records updated by a query, too.
pub(super) fn updates_mru(headers: &HeaderMap) -> bool {
    let mut all = headers.iter();
    all.any(|(name, value)| is_header(name.as_str(), MRU) && value != "updateMru=false")
}

/// Returns whether a header names the namespace of the names that have none.
pub(super) fn names_namespace(headers: &HeaderMap) -> bool {
    let mut all = headers.iter();
    all.any(|(name, options)| {
        let mut parts = options.as_bytes().windows(NAMESPACE.len());
        is_header(name.as_str(), CALL_OPTIONS) && parts.any(|it| it.eq_ignore_ascii_case(NAMESPACE))
    })
}

/// Returns whether a header has the answer show all fields of the records that one is like.
pub(super) fn shows_duplicates(name: &str, options: &[u8]) -> bool {
    is_header(name, DUPLICATE_RULE) && has_details(options)
}

fn has_details(options: &[u8]) -> bool {
    let mut options = options.to_ascii_lowercase();
    options.retain(|byte| !byte.is_ascii_whitespace());
    let count = |part: &str| memmem::find_iter(&options, part).count();
    count("includerecorddetails") > count("includerecorddetails=false")
}

/// Returns whether a header of this name changes what a request does.
pub(super) fn is_telling(name: &str) -> bool {
    let mut known = OVERRIDES.iter().chain([&MRU, &CALL_OPTIONS]);
    known.any(|known| is_header(name, known))
}

/// Returns whether `name` is that of the header `known`. Some servers take `_` in a name for `-`.
fn is_header(name: &str, known: &str) -> bool {
    let mut letters = name.bytes().zip(known.bytes());
    name.len() == known.len()
        && letters.all(|(letter, known)| {
            letter.eq_ignore_ascii_case(&known) || letter == b'_' && known == b'-'
        })
}

const OVERRIDES: [&str; 3] = [
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
];

/// The header for `updateMru=FLAG`.
const MRU: &str = "sforce-mru";

/// The header for `includeRecordDetails=FLAG`, among others.
const DUPLICATE_RULE: &str = "sforce-duplicate-rule-header";

/// The header for `client=NAME, defaultNamespace=NAMESPACE`.
const CALL_OPTIONS: &str = "sforce-call-options";

const NAMESPACE: &[u8] = b"defaultnamespace";

/// What clients put into `_HttpMethod`. All of them write.
const METHODS: [&str; 3] = ["PATCH", "PUT", "DELETE"];
