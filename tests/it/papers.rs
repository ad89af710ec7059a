//! The papers beside the program are true of it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use orgproxy::config::KEYS;

const README: &str = include_str!("../../README.md");
const DOCKERFILE: &str = include_str!("../../docker/Dockerfile");
const UNIT: &str = include_str!("../../docker/orgproxy.service");

#[test]
fn the_readme_has_every_key_with_its_flag_and_variable() {
    for key in KEYS {
        let of_key = |line: &&str| line.contains(&format!("`{}`", key.variable));
        let line = README.lines().find(of_key);
        let line = line.unwrap_or_else(|| panic!("{} is missing", key.name));
        assert!(line.contains(&format!("`{}`", key.flag)), "{line}");
        // The port is a part of `listen` in the file.
        let starts = line.starts_with(&format!("| `{}` |", key.in_file()));
        assert!(starts || key.name == "port", "{line}");
    }
    let guard = [
        "allow_remote",
        "client_key",
        "allow_origins",
        "allow_paths",
        "allow_uids",
        "endpoint",
    ];
    for key in guard {
        assert!(README.contains(&format!("\n| `{key}` |")), "{key}");
    }
}

#[test]
fn the_readme_has_every_code_of_an_answer() {
    let source = include_str!("../../src/proxy/error.rs");
    let codes: Vec<_> = source
        .lines()
        .filter(|line| line.contains("=>"))
        .filter_map(|line| line.split('"').nth(1))
        .filter(|code| code.len() > 3 && code.chars().all(|c| c == '_' || c.is_ascii_uppercase()))
        .collect();
    assert!(codes.len() > 20, "{codes:?}");
    for code in codes {
        assert!(README.contains(&format!("`{code}`")), "{code}");
    }
}

#[test]
fn the_image_runs_as_nobody_in_particular_and_asks_the_binary_itself() {
    let (build, image) = DOCKERFILE.split_once("\nFROM debian").unwrap();
    let jitter = "AWS_LC_SYS_NO_JITTER_ENTROPY=1";
    assert!(build.contains(&format!("ENV {jitter}")));
    assert!(include_str!("../../.cargo/config.toml").contains("AWS_LC_SYS_NO_JITTER_ENTROPY"));
    let version = env!("CARGO_PKG_RUST_VERSION");
    assert!(
        build.contains(&format!("FROM rust:{version}-")),
        "{version}"
    );

    let line = |start: &str| {
        let mut lines = image.lines().filter(|line| line.starts_with(start));
        let line = lines.next().unwrap_or_else(|| panic!("no {start}"));
        assert_eq!(lines.next(), None);
        line.trim_start_matches(start).trim()
    };
    let user: u32 = line("USER").split(':').next().unwrap().parse().unwrap();
    assert!(user > 0);
    assert_eq!(line("ENTRYPOINT"), "[\"orgproxy\"]");
    assert_eq!(line("CMD"), "[\"run\"]");
    assert!(image.contains("    CMD [\"orgproxy\", \"health\"]\n"));
    assert!(line("HEALTHCHECK").starts_with("--"));
}

#[test]
fn the_service_hands_the_key_over_as_a_credential() {
    assert!(UNIT.contains("\nLoadCredential=server.key:"));
    assert!(UNIT.contains("private_key = { credential = \"server.key\" }"));
    // A configuration with mistakes.
    assert!(UNIT.contains("\nRestartPreventExitStatus=64\n"));
}

#[test]
fn what_comments_cite_is_here() {
    let mut cited = 0;
    for (path, text) in texts() {
        // Sections of notes that are not in the repository.
        assert!(!text.contains("S\u{a7}"), "{}", path.display());
        for (at, before) in text.match_indices("facts::") {
            let name: String = text[at + before.len()..]
                .chars()
                .take_while(|c| c.is_ascii_lowercase() || *c == '_')
                .collect();
            if !name.is_empty() {
                let module = Path::new("src/salesforce/facts").join(format!("{name}.rs"));
                assert!(module.is_file(), "{} cites {name}", path.display());
                cited += 1;
            }
        }
    }
    assert!(cited > 20, "{cited}");
}

/// Every file that is written by hand and is text.
fn texts() -> Vec<(PathBuf, String)> {
    let mut texts = Vec::new();
    let mut paths = vec![PathBuf::from(".")];
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).unwrap();
            let entries = entries.map(|entry| entry.unwrap().path());
            paths.extend(entries.filter(|entry| !is_made(entry)));
        } else if let Ok(text) = fs::read_to_string(&path) {
            texts.push((path, text));
        }
    }
    assert!(texts.len() > 200);
    texts
}

/// True for what git or cargo has written.
fn is_made(path: &Path) -> bool {
    [".git", "target"].iter().any(|name| path.ends_with(name))
}
