//! One table of the document, read key by key. Mistakes are collected, and a key that was never
//! read is unknown.

use std::sync::Arc;

use super::{
    document::{Node, Table, Value},
    given,
    look::Look,
    overrides::{self, Scope},
    problem::{Origin, Problems},
    text,
};

pub(super) struct Section<'a> {
    /// The full path of this table, empty for the document itself.
    path: String,
    origin: Origin,
    entries: Table,
    known: Vec<&'static str>,
    problems: &'a Problems,
    /// The variables that no program is given.
    pub(super) withheld: Arc<[String]>,
}

impl<'a> Section<'a> {
    pub(super) fn new(entries: Table, problems: &'a Problems) -> Self {
        Self {
            path: String::new(),
            origin: Origin::File,
            entries,
            known: Vec::new(),
            problems,
            withheld: Arc::default(),
        }
    }

    /// The same, where no program is given the variables of these names.
    pub(super) fn withholding(self, variables: Vec<String>) -> Self {
        let withheld = variables.into();
        Self { withheld, ..self }
    }

    /// The table under `key`; empty if there is none.
    pub(super) fn child(&mut self, key: &'static str) -> Self {
        let origin = self.origin(key);
        let entries = match self.get(key).cloned() {
            None => Table::new(),
            Some(Node {
                value: Value::Table(entries),
                ..
            }) => entries,
            Some(node) => {
                self.problem(key, format!("must be a table, not {}", node.value.kind()));
                Table::new()
            }
        };
        Self {
            path: self.path(key),
            origin,
            entries,
            known: Vec::new(),
            problems: self.problems,
            withheld: self.withheld.clone(),
        }
    }

    /// The tables in this table, whatever their names, in the order of the file. Anything else in
    /// it is reported with `advice`.
    pub(super) fn tables(self, advice: &str) -> Vec<(String, Self)> {
        let mut tables = Vec::new();
        for (name, node) in &self.entries {
            let path = self.path(name);
            match &node.value {
                Value::Table(entries) => tables.push((
                    name.clone(),
                    Self {
                        path,
                        origin: node.origin,
                        entries: entries.clone(),
                        known: Vec::new(),
                        problems: self.problems,
                        withheld: self.withheld.clone(),
                    },
                )),
                other => self.problems.add(
                    node.origin,
                    &path,
                    format!("must be a table, not {}{advice}", other.kind()),
                ),
            }
        }
        tables.sort_by_key(|(_, section)| section.origin);
        tables
    }

    /// The values in this table and where each is, whatever their keys, in the order of the file.
    /// Those that `parse` refuses are reported.
    pub(super) fn values<T>(
        self,
        parse: impl Fn(&str, &Value) -> Result<T, String>,
    ) -> Vec<(T, Origin)> {
        let mut values = Vec::new();
        for (key, node) in &self.entries {
            match parse(key, &node.value) {
                Ok(value) => values.push((value, node.origin)),
                Err(message) => self.problem(key, message),
            }
        }
        values.sort_by_key(|(_, origin)| *origin);
        values
    }

    /// The value of `key`, if it is there and valid.
    pub(super) fn read<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Option<T> {
        let parsed = parse(&self.get(key)?.value);
        parsed.map_err(|message| self.problem(key, message)).ok()
    }

    /// Like `read`, into a field that has its default.
    pub(super) fn read_into<T>(
        &mut self,
        key: &'static str,
        field: &mut T,
        parse: impl FnOnce(&Value) -> Result<T, String>,
    ) {
        if let Some(value) = self.read(key, parse) {
            *field = value;
        }
    }

    /// Like `read`, but `key` must be there. `example` shows what to write.
    pub(super) fn require<T>(
        &mut self,
        key: &'static str,
        example: &str,
        parse: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Option<T> {
        if self.get(key).is_none() {
            let message = match (self.origin, overrides::key(key)) {
                (Origin::File, Some(key)) => {
                    format!("missing; set {} or {}", key.flag, key.variable)
                }
                _ => format!("missing; add {key} = {example}"),
            };
            self.problem(key, message);
        }
        self.read(key, parse)
    }

    /// Like `read`, for a key that takes one value or a list of them. Invalid values are reported,
    /// each at its own line, and valid ones returned.
    pub(super) fn list<T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&Value) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let node = self.get(key)?.clone();
        let nodes = match node.value {
            Value::List(nodes) => nodes,
            // A secret as a list of bytes is not split: each byte would be shown.
            Value::Raw(text) if Look::of(&text).is_none() => text
                .split(',')
                .map(|item| Node {
                    value: Value::Raw(item.trim().to_owned()),
                    origin: node.origin,
                })
                .collect(),
            value => vec![Node { value, ..node }],
        };
        let parse = |node: &Node| {
            parse(&node.value)
                .map_err(|message| self.problems.add(node.origin, &self.path(key), message))
                .ok()
        };
        Some(nodes.iter().filter_map(parse).collect())
    }

    /// Like `read`, for a key that only flags and variables have.
    pub(super) fn read_override<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Option<T> {
        match self.entries.get(key)?.value {
            Value::Raw(_) => self.read(key, parse),
            _ => None,
        }
    }

    /// The value itself, for a key that takes several types.
    pub(super) fn get(&mut self, key: &'static str) -> Option<&Node> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        self.entries.get(key)
    }

    /// The origin of `key`, or else of this table.
    pub(super) fn origin(&self, key: &str) -> Origin {
        self.entries
            .get(key)
            .map_or(self.origin, |node| node.origin)
    }

    pub(super) fn problem(&self, key: &str, message: impl AsRef<str>) {
        self.problems
            .add(self.origin(key), &self.path(key), message.as_ref());
    }

    /// Reports a mistake in this table as a whole.
    pub(super) fn complain(&self, message: &str) {
        self.problems.add(self.origin, &self.path, message);
    }

    /// Reports keys that were never read.
    pub(super) fn finish(self) {
        for key in self.entries.keys() {
            if !self.known.contains(&key.as_str()) {
                self.problem(key, self.unknown(key));
            }
        }
    }

    fn unknown(&self, key: &str) -> String {
        let near = self
            .known
            .iter()
            .map(|known| {
                (
                    strsim::damerau_levenshtein(&plain(known), &plain(key)),
                    known,
                )
            })
            .min()
            .filter(|(distance, known)| *distance <= known.len() / 3);
        if let Some((_, known)) = near {
            return format!("unknown key; did you mean {known}?");
        }
        if key == "port" {
            return "unknown key; it is part of listen, as in \"127.0.0.1:8080\"".to_owned();
        }
        match overrides::key(key).map(|key| key.scope) {
            Some(Scope::Process) => {
                "unknown key here; it belongs at the top of the file".to_owned()
            }
            Some(Scope::Org) => "unknown key here; it belongs in [org.NAME]".to_owned(),
            Some(Scope::Limits) => "unknown key here; it belongs in [limits]".to_owned(),
            Some(Scope::Admin) => "unknown key here; it belongs in [admin]".to_owned(),
            Some(Scope::Traces) => "unknown key here; it belongs in [traces]".to_owned(),
            Some(Scope::Redis) => "unknown key here; it belongs in [redis]".to_owned(),
            Some(Scope::Tls) => "unknown key here; it belongs in [tls]".to_owned(),
            None => format!("unknown key; the known keys are {}", self.known.join(", ")),
        }
    }

    fn path(&self, key: &str) -> String {
        let key = if text::is_name(key) {
            given::word(key)
        } else {
            given::shown(key)
        };
        match self.path.as_str() {
            "" => key,
            path => format!("{path}.{key}"),
        }
    }
}

/// A name without what differs between styles of writing it.
fn plain(name: &str) -> String {
    name.replace(['_', '-'], "").to_lowercase()
}
