//! The README shows of a terminal what a terminal shows.

use std::path::Path;

use tempfile::TempDir;

use crate::support::{Binary, binary::ORGPROXY, terminal::on_terminal};

const README: &str = include_str!("../../README.md");

#[tokio::test]
async fn the_first_answer_is_the_one_that_the_readme_shows() {
    let demo = Binary::start(&["demo", "--port", "0"]);
    let (_, block) = README.split_once("$ orgproxy demo &\n$ ").unwrap();
    let (block, _) = block.split_once("```\n").unwrap();
    let (command, expected) = block.split_once('\n').unwrap();
    let address = demo.address().await.to_string();
    let command = command.replace("localhost:8080", &address);
    let asked = tokio::process::Command::new("sh")
        .args(["-c", &format!("{command} --silent")])
        .output()
        .await
        .unwrap();
    let answer = String::from_utf8(asked.stdout).unwrap();
    assert!(matches(expected, &answer), "{answer}");
}

#[tokio::test]
async fn the_first_query_takes_the_three_commands_that_the_readme_shows() {
    let folder = TempDir::new().unwrap();
    let shown = shown_in(README);
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

/// The commands of the README's terminal that shows the way to the first query, and what follows each.
fn shown_in(readme: &'static str) -> Vec<(&'static str, &'static str)> {
    let start = readme.find("$ orgproxy init").unwrap();
    let (block, _) = readme[start..].split_once("```\n").unwrap();
    block
        .split("$ ")
        .skip(1)
        .map(|part| part.split_once('\n').unwrap())
        .collect()
}

fn typed(command: &str, folder: &Path) -> tokio::process::Command {
    let program = Path::new(ORGPROXY);
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

/// Takes off the colours, and ends lines as in a file.
fn plain(shown: &str) -> String {
    let mut pieces = shown.split('\u{1b}');
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        text += piece.split_once('m').map_or("", |(_, rest)| rest);
    }
    text.replace("\r\n", "\n")
}

/// True if `text` is `pattern`, in which each `…` stands for anything.
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
