//! The report for the person: what was created, and what to do now.

use std::path::{Path, PathBuf};

use crate::system::terminal::{STRONG, styled, wrap};

/// A text that grows from top to bottom.
#[derive(Default)]
pub(super) struct Report {
    text: String,
    /// The number of steps in the list so far.
    pub(super) step: usize,
}

impl Report {
    /// Lists paths with their meanings.
    pub(super) fn made(mut self, heading: &str, files: &[(&Path, String)]) -> Self {
        let names: Vec<_> = files
            .iter()
            .map(|(path, _)| path.display().to_string())
            .collect();
        let width = names.iter().map(|name| name.chars().count()).max();
        let width = width.unwrap_or_default().min(WIDEST);
        self.heading(heading);
        for (name, (_, what)) in names.iter().zip(files) {
            self.text += &format!("  {name:width$}  {what}\n");
        }
        self
    }

    /// Lists what was in the way, and its new place.
    pub(super) fn kept(self, moves: &[(PathBuf, PathBuf)]) -> Self {
        if moves.is_empty() {
            return self;
        }
        let files: Vec<_> = moves
            .iter()
            .map(|(from, to)| (to.as_path(), format!("was {}", from.display())))
            .collect();
        self.made("Kept:", &files)
    }

    /// Begins a list of steps.
    pub(super) fn steps(mut self, heading: &str) -> Self {
        self.heading(heading);
        self.step = 0;
        self
    }

    /// Adds a step, and the commands for it if any.
    pub(super) fn step(mut self, text: &str, commands: &str) -> Self {
        self.step += 1;
        let wrapped = wrap(text, 5);
        self.text += &format!("{:>3}. {}\n", self.step, wrapped.trim_start());
        for line in commands.lines() {
            // The style is for the command only, not for blanks before it.
            let typed = line.trim_start();
            let indent = 7 + line.len() - typed.len();
            self.text += &format!("{:indent$}{}\n", "", styled(STRONG, typed));
        }
        self
    }

    /// Adds a paragraph.
    pub(super) fn note(mut self, text: &str) -> Self {
        self.text += &format!("\n{}\n", wrap(text, 0));
        self
    }

    pub(super) fn print(self) {
        crate::system::terminal::print(&self.text);
    }

    fn heading(&mut self, heading: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text += &format!("{}\n", wrap(heading, 0));
    }
}

/// Columns of a path up to which the text beside it is aligned.
const WIDEST: usize = 30;
