//! All settings that there are, by what the configuration says of keys that it does not know.

use std::{collections::BTreeSet, path::Path};

use orgproxy::config::{Config, Overrides};

/// A key that no table has, nor one like it.
const STRANGE: &str = "zzqqxx";

const ANNOUNCED: &str = "the known keys are ";

/// Returns the path of every setting, such as `limits.connect`, those of the org `demo` beginning with
/// `org.demo.`.
///
/// # Panics
/// If they cannot be all.
pub(crate) fn settings() -> BTreeSet<String> {
    let mut settings = BTreeSet::new();
    let mut tables = vec![String::new(), "org.demo.".to_owned()];
    while let Some(table) = tables.pop() {
        // Some tables have tables of any name in them.
        for table in [table.clone(), format!("{table}any.")] {
            for key in known(&table) {
                let path = format!("{table}{key}");
                if settings.insert(path.clone()) {
                    tables.push(format!("{path}."));
                }
            }
        }
    }
    for path in ["threads", "limits.connect", "org.demo.guard.client_key"] {
        assert!(settings.contains(path), "{path}: {settings:?}");
    }
    assert!(settings.len() > 100, "{}: {settings:?}", settings.len());
    settings
}

/// Returns those of `settings` that are not tables of others.
pub(crate) fn leaves(settings: &BTreeSet<String>) -> Vec<&String> {
    let is_table = |path: &String| {
        let within = format!("{path}.");
        settings.iter().any(|other| other.starts_with(&within))
    };
    settings.iter().filter(|path| !is_table(path)).collect()
}

/// Returns the text of a configuration with `value` for the setting `path`, where `rest` is the
/// configuration of the org `demo` without it.
pub(crate) fn with_setting(rest: &str, path: &str, value: &str) -> String {
    match path.strip_prefix("org.demo.") {
        Some(key) => {
            // The same key twice would be a mistake of another kind.
            let is_other = |line: &&str| !line.starts_with(&format!("{key} ="));
            let rest: Vec<_> = rest.lines().filter(is_other).collect();
            format!("{}\n{key} = {value}\n", rest.join("\n"))
        }
        None => format!("{path} = {value}\n{rest}"),
    }
}

/// The keys that a table may have, none if it is not a table.
fn known(table: &str) -> Vec<String> {
    let text = with_setting("[org.demo]", &format!("{table}{STRANGE}"), "1");
    let loaded = Config::from_toml(&text, Path::new("x.toml"), &Overrides::default());
    let said = loaded.unwrap_err().to_string();
    let of_it = |line: &&str| line.contains(&format!(" {table}{STRANGE}: unknown key"));
    let line = said.lines().find(of_it).unwrap_or_default();
    match line.split_once(ANNOUNCED) {
        Some((_, keys)) => keys.split(", ").map(str::to_owned).collect(),
        None => Vec::new(),
    }
}
