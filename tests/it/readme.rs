//! What the README shows of a terminal is what a terminal shows.

use std::path::Path;

use tempfile::TempDir;

use crate::support::terminal::on_terminal;

#[tokio::test]
async fn the_first_query_takes_the_three_commands_that_the_readme_shows() {
    let folder = TempDir::new().unwrap();
    let shown = shown_in(include_str!("../../README.md"));
    let commands: Vec<_> = shown.iter().map(|(command, _)| *command).collect();
    assert_eq!(
        commands,
        [
            "orgproxy init --demo --yes",
            "orgproxy doctor",
            "orgproxy query \"SELECT Id, Name FROM Account\"",
        ]
    );
    for (command, expected) in shown {
        let output = plain(&on_terminal(typed(command, folder.path()), 80).await);
        assert!(
            matches(expected, &output),
            "{command}\n{output}\nis not\n{expected}"
        );
        for line in output.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}

#[test]
fn an_ellipsis_stands_for_what_is_left_out() {
    for (pattern, text, fits) in [
        ("a\nb\n", "a\nb\n", true),
        ("a\nb\n", "a\nc\n", false),
        ("a …\nc\n", "a b\nc\n", true),
        ("a\n…\nd\n", "a\nb\nc\nd\n", true),
        ("a\n…\nd\n", "a\nb\nc\n", false),
        ("…\na\n", "b\na\nc\n", false),
    ] {
        assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
    }
}

/// The commands of the README's only terminal, and what follows each.
fn shown_in(readme: &'static str) -> Vec<(&'static str, &'static str)> {
    let (_, block) = readme.split_once("```console\n").unwrap();
    let (block, rest) = block.split_once("```\n").unwrap();
    assert!(!rest.contains("```console\n"));
    block
        .split("$ ")
        .skip(1)
        .map(|part| part.split_once('\n').unwrap())
        .collect()
}

fn typed(command: &str, folder: &Path) -> tokio::process::Command {
    let program = Path::new(env!("CARGO_BIN_EXE_orgproxy"));
    let path = std::env::var("PATH").unwrap();
    let mut shell = tokio::process::Command::new("sh");
    shell
        .args(["-c", command])
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .env(
            "PATH",
            format!("{}:{path}", program.parent().unwrap().display()),
        );
    shell
}

/// Without colours, and with the line ends of a file.
fn plain(shown: &str) -> String {
    let mut pieces = shown.split('\u{1b}');
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        text += piece.split_once('m').map_or("", |(_, rest)| rest);
    }
    text.replace("\r\n", "\n")
}

/// Whether `text` is `pattern`, in which each `…` stands for anything.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('…').map(|part| part.trim_matches('\n'));
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut last = first;
    for part in parts {
        last = part;
        match rest.find(part) {
            Some(start) => rest = &rest[start + part.len()..],
            None => return false,
        }
    }
    last.is_empty() || rest.trim_matches('\n').is_empty()
}
