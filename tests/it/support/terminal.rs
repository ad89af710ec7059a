//! A program on a terminal.

use std::{
    fs::File,
    io::{Read, Write},
    os::fd::OwnedFd,
    process::{Command, Stdio},
};

use rustix::{
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};

use super::{Ended, in_time};

/// Returns what a program shows on a terminal of so many columns.
pub async fn on_terminal(command: tokio::process::Command, columns: u16) -> String {
    end_on_terminal(command, columns).await.stdout
}

/// Returns what a program shows on a terminal, and how it ended.
pub async fn end_on_terminal(command: tokio::process::Command, columns: u16) -> Ended {
    let showing =
        tokio::task::spawn_blocking(move || show(command.into_std(), columns, |_, _| false));
    in_time(showing).await.unwrap()
}

/// Returns what a program shows to whom types `keys` once it has shown `question`. It is killed when it has
/// shown `answer`, if it has not ended before.
pub async fn ask_on_terminal(
    command: tokio::process::Command,
    question: &'static str,
    keys: &'static str,
    answer: &'static str,
) -> Ended {
    let mut is_asked = false;
    let watch = move |shown: &str, ours: &mut File| {
        if !is_asked && shown.contains(question) {
            is_asked = true;
            ours.write_all(keys.as_bytes()).unwrap();
        }
        shown.contains(answer)
    };
    let showing = tokio::task::spawn_blocking(move || show(command.into_std(), 80, watch));
    in_time(showing).await.unwrap()
}

/// Returns what a program shows that is killed once it has shown `text` so many times.
pub async fn on_terminal_until(
    command: tokio::process::Command,
    columns: u16,
    text: &'static str,
    times: usize,
) -> String {
    let is_enough = move |shown: &str, _: &mut File| shown.matches(text).count() >= times;
    let showing = tokio::task::spawn_blocking(move || show(command.into_std(), columns, is_enough));
    in_time(showing).await.unwrap().stdout
}

/// Runs a command line with a terminal for its input, output and errors, which come as one.
pub(crate) async fn on_a_terminal(line: &str) -> Ended {
    let mut shell = tokio::process::Command::new("sh");
    shell
        .args(["-c", line])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default());
    end_on_terminal(shell, 80).await
}

fn show(
    mut command: Command,
    columns: u16,
    mut is_enough: impl FnMut(&str, &mut File) -> bool,
) -> Ended {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap();
    let theirs = File::options()
        .read(true)
        .write(true)
        .open(name.to_str().unwrap())
        .unwrap();
    let size = Winsize {
        ws_row: 50,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&theirs, size).unwrap();
    let end = || Stdio::from(OwnedFd::from(theirs.try_clone().unwrap()));
    command
        .env("TERM", "xterm")
        .stdin(end())
        .stdout(end())
        .stderr(end());
    let mut child = command.spawn().unwrap();
    // So that the only ones that are open are the program's.
    drop((command, theirs));
    let mut shown = Vec::new();
    let mut ours = File::from(ours);
    let mut bytes = [0; 4096];
    // Linux says EIO when all have closed theirs.
    while let Ok(length @ 1..) = ours.read(&mut bytes) {
        shown.extend_from_slice(&bytes[..length]);
        if is_enough(&String::from_utf8_lossy(&shown), &mut ours) {
            child.kill().unwrap();
        }
    }
    Ended {
        status: child.wait().unwrap(),
        stdout: String::from_utf8(shown).unwrap(),
        stderr: String::new(),
    }
}

/// Lines without colours.
pub fn plain_lines(shown: &str) -> Vec<String> {
    let plain = shown.replace("\u{1b}[1m", "").replace("\u{1b}[0m", "");
    plain.lines().map(str::to_owned).collect()
}
