//! The rooms of the source: what may import what, and how large things may grow.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// From the lowest to the highest: each may import those before it only.
const ROOMS: [&str; 13] = [
    "system",
    "salesforce",
    "spelling",
    "network",
    "demo",
    "config",
    "local_ca",
    "cli",
    "watch",
    "auth",
    "proxy",
    "server",
    "command",
];

#[test]
fn no_import_runs_upwards() {
    let mut seen = BTreeSet::new();
    for (path, text) in sources() {
        let room = room_of(&path);
        if room == "lib" || room == "main" {
            continue;
        }
        let height = height_of(&room, &path);
        for imported in imports(&text) {
            let lower = height_of(&imported, &path);
            assert!(lower <= height, "{} imports {imported}", path.display());
            seen.insert(imported);
        }
    }
    // The imports have been read at all.
    for room in ["system", "salesforce", "config", "auth", "proxy"] {
        assert!(seen.contains(room), "nobody imports {room}");
    }
}

#[test]
fn the_demo_org_knows_nothing_of_the_product() {
    for (path, text) in sources() {
        if room_of(&path) == "demo" {
            let foreign = imports(&text)
                .into_iter()
                .find(|room| !["demo", "salesforce", "spelling", "system"].contains(&&**room));
            assert_eq!(foreign, None, "{}", path.display());
        }
    }
}

#[test]
fn imports_are_read_in_every_form() {
    let text = "use crate::{a::{x, y::Z}, b, c::d};\npub(crate) use crate::e::F;\n\
        fn f() { crate::g::h(); }\n/// [`crate::i`]\nuse super::{j};\n";
    assert_eq!(imports(text), ["a", "b", "c", "e", "g", "i"]);
}

#[test]
fn what_is_to_be_seen_at_a_glance_is_short() {
    let length = |path: &str| fs::read_to_string(path).unwrap().lines().count();
    assert!(length("src/proxy.rs") <= 140);
    assert!(length("src/main.rs") <= 40);
    let top = fs::read_dir("src").unwrap().filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        let name = name.to_string_lossy();
        name.ends_with(".rs") && name != "lib.rs" && name != "main.rs"
    });
    assert!(top.count() <= 13);
}

#[test]
fn files_are_short() {
    let mut lengths = Vec::new();
    for (path, text) in sources() {
        let code = text.split("\nmod tests").next().unwrap();
        let length = code.lines().count();
        assert!(length <= 500, "{} has {length} lines", path.display());
        lengths.push(length);
    }
    lengths.sort_unstable();
    assert!(lengths[lengths.len() / 2] <= 150, "the median");
}

/// Every file below `src`, with what is in it.
pub(crate) fn sources() -> Vec<(PathBuf, String)> {
    let mut sources = Vec::new();
    let mut folders = vec![PathBuf::from("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                sources.push((path, text));
            }
        }
    }
    assert!(sources.len() > 200);
    sources
}

fn room_of(path: &Path) -> String {
    let first = path.components().nth(1).unwrap().as_os_str();
    let first = first.to_string_lossy();
    first.strip_suffix(".rs").unwrap_or(&first).to_owned()
}

fn height_of(room: &str, path: &Path) -> usize {
    let height = ROOMS.iter().position(|known| *known == room);
    height.unwrap_or_else(|| panic!("{}: {room} is not in ROOMS", path.display()))
}

/// The rooms that `text` names behind `crate::`, in whatever form.
fn imports(text: &str) -> Vec<String> {
    let word = |text: &str| -> String {
        text.chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
            .collect()
    };
    let mut rooms = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        let Some(group) = rest.strip_prefix('{') else {
            rooms.push(word(rest));
            continue;
        };
        let (mut depth, mut begins) = (0, true);
        for (at, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => begins = true,
                c if c.is_ascii_alphanumeric() && begins => {
                    rooms.push(word(&group[at..]));
                    begins = false;
                }
                _ => {}
            }
        }
    }
    rooms
}
