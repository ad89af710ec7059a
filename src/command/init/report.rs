//! What was made, and what is to be done now, for the person who asked for it.

use std::path::{Path, PathBuf};

use crate::system::terminal::{STRONG, styled, wrap};

/// A text that grows from top to bottom.
#[derive(Default)]
pub(super) struct Report {
    text: String,
    /// How many there are of the list so far.
    pub(super) step: usize,
}

impl Report {
    /// A list of paths, and what each of them is.
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

    /// What was in the way, and where it is now.
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

    /// One step, and what to type for it if anything.
    pub(super) fn step(mut self, text: &str, commands: &str) -> Self {
        self.step += 1;
        let wrapped = wrap(text, 5);
        self.text += &format!("{:>3}. {}\n", self.step, wrapped.trim_start());
        for line in commands.lines() {
            // Blanks stay outside of the style, which is for what is typed.
            let typed = line.trim_start();
            let indent = 7 + line.len() - typed.len();
            self.text += &format!("{:indent$}{}\n", "", styled(STRONG, typed));
        }
        self
    }

    /// A paragraph.
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

/// Columns of a path that what follows still makes room for.
const WIDEST: usize = 30;
