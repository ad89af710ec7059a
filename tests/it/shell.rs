//! Completions, the manual, help, and colours.

use std::process::{Command, Output, Stdio};

use tempfile::TempDir;
use test_case::test_case;

use crate::support::{
    Binary, Files, Org,
    binary::{ORGPROXY, run},
    skip,
    terminal::on_a_terminal,
};

const COMMANDS: [&str; 14] = [
    "run",
    "init",
    "doctor",
    "token",
    "query",
    "request",
    "demo",
    "check",
    "health",
    "status",
    "wait",
    "trust",
    "completions",
    "man",
];

#[test_case("bash", Some("bash -n"))]
#[test_case("zsh", Some("zsh -n"))]
#[test_case("fish", Some("fish --no-execute"))]
#[test_case("powershell", None)]
#[tokio::test]
async fn completions_know_every_command(shell: &str, check: Option<&str>) {
    let ended = run(&["completions", shell]).await;
    assert_eq!(ended.code(), 0, "{ended:?}");
    for command in COMMANDS {
        assert!(ended.stdout.contains(command), "{command}");
    }
    for option in ["--private-key", "--decode"] {
        let option = option.trim_start_matches('-');
        assert!(ended.stdout.contains(option), "{option}");
    }
    let Some(check) = check else { return };
    match pipe(check, &ended.stdout) {
        Some(output) => assert!(output.status.success(), "{output:?}"),
        None => skip(&format!("{shell} is not installed")),
    }
}

#[tokio::test]
async fn bash_completes_what_is_begun() {
    let script = run(&["completions", "bash"]).await.stdout;
    let question = "COMP_WORDS=(orgproxy comp) COMP_CWORD=1; \
                    _orgproxy orgproxy comp orgproxy; echo \"${COMPREPLY[@]}\"";
    let output = pipe("bash", &format!("{script}\n{question}\n")).unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "completions\n");
}

#[tokio::test]
async fn an_unknown_shell_is_refused_with_the_known_ones() {
    let ended = run(&["completions", "tcsh"]).await;
    assert_eq!(ended.code(), 2);
    assert!(
        ended.stderr.contains("bash, zsh, fish, powershell"),
        "{ended:?}"
    );
}

#[tokio::test]
async fn the_manual_is_a_page_that_man_can_show() {
    let page = run(&["man"]).await.stdout;
    assert!(page.contains(".TH orgproxy 1"), "{page}");
    for command in COMMANDS {
        assert!(
            page.contains(&format!("orgproxy\\-{command}(1)")),
            "{command}"
        );
    }
    assert!(
        page.contains(".SH EXAMPLES\n.nf\n  orgproxy init  "),
        "{page}"
    );
    let Some(output) = pipe("man --warnings -l -", &page) else {
        return skip("man is not installed");
    };
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(
        shown.contains("NAME") && shown.contains("SYNOPSIS"),
        "{shown}"
    );
}

#[tokio::test]
async fn each_command_has_a_page_if_a_folder_is_named() {
    let folder = TempDir::new().unwrap();
    let pages = folder.path().join("share/man1");
    let ended = run(&["man", "--dir", pages.to_str().unwrap()]).await;
    assert_eq!((ended.code(), &*ended.stdout), (0, ""), "{ended:?}");
    for command in COMMANDS {
        let page = pages.join(format!("orgproxy-{command}.1"));
        let page = std::fs::read_to_string(page).unwrap();
        assert!(
            page.contains(".SH SYNOPSIS") && !page.contains(".SH EXTRA"),
            "{page}"
        );
    }
    assert!(pages.join("orgproxy.1").exists());
}

#[tokio::test]
async fn the_manual_shows_no_secret() {
    let mut command = Binary::command(&["man"]);
    command.env("ORGPROXY_PRIVATE_KEY", "CANARY");
    let ended = Binary::spawn(command).end().await;
    assert!(!ended.stdout.contains("CANARY"), "{}", ended.stdout);
}

#[tokio::test]
async fn every_help_fits_80_columns_and_shows_how_by_examples() {
    let help = async |arguments: &[&str], columns: &str| {
        let mut command = Binary::command(&[arguments, &["--help"]].concat());
        command.env("COLUMNS", columns);
        Binary::spawn(command).end().await.stdout
    };
    let commands = COMMANDS.iter().map(std::slice::from_ref);
    for command in [&[][..]].into_iter().chain(commands) {
        let narrow = help(command, "80").await;
        for line in narrow.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        // Examples that are broken by the terminal cannot be copied.
        let wide = help(command, "200").await;
        let examples = wide.find("Examples:").or_else(|| wide.find("To have them"));
        let examples = &wide[examples.unwrap_or_else(|| panic!("{wide}"))..];
        let (examples, _) = examples.split_once("\n\n").unwrap_or((examples, ""));
        for line in examples.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}

#[tokio::test]
async fn colours_are_for_terminals_that_want_them() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let config = files.config();
    let orgproxy = ORGPROXY;
    for line in [
        format!("{orgproxy} --help"),
        format!("{orgproxy} token --decode eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJtZSJ9.c2ln"),
        // It logs that it logs in.
        format!("{orgproxy} -c {config} -- true"),
    ] {
        let on = |variable: &str| format!("env TERM=xterm {variable} {line}");
        let coloured = on_a_terminal(&on("")).await.stdout;
        assert!(coloured.contains('\u{1b}'), "{coloured:?}");
        let plain = on_a_terminal(&on("NO_COLOR=1")).await.stdout;
        assert!(!plain.contains('\u{1b}'), "{plain:?}");
        let empty = on_a_terminal(&on("NO_COLOR=")).await.stdout;
        assert!(empty.contains('\u{1b}'), "{empty:?}");
    }
    let piped = run(&["--help"]).await.stdout;
    assert!(!piped.contains('\u{1b}'), "{piped:?}");
}

/// Runs a program with `text` as its input. Returns nothing if it is not installed.
fn pipe(program: &str, text: &str) -> Option<Output> {
    use std::io::Write;

    let mut words = program.split_whitespace();
    let mut child = Command::new(words.next().unwrap())
        .args(words)
        .env("MANPAGER", "cat")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    let mut input = child.stdin.take().unwrap();
    let text = text.to_owned();
    std::thread::spawn(move || input.write_all(text.as_bytes()));
    Some(child.wait_with_output().unwrap())
}
