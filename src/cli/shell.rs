//! The arguments of `completions` and `man`.

use std::path::PathBuf;

use clap::ValueEnum;

/// The completions to print.
#[derive(Debug, clap::Args)]
#[command(after_help = COMPLETIONS)]
pub struct CompletionsArgs {
    /// The shell to print them for
    pub shell: Shell,
}

/// A shell with completions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "their names say what they are")]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
    #[value(name = "powershell")]
    PowerShell,
}

/// The place for the manual.
#[derive(Debug, clap::Args)]
#[command(after_help = MAN)]
pub struct ManArgs {
    /// Write a page for each command into this folder, and print nothing
    #[arg(long, value_name = "PATH")]
    pub dir: Option<PathBuf>,
}

const COMPLETIONS: &str = "\
To have them in every new shell:
  bash        orgproxy completions bash > \\
                ~/.local/share/bash-completion/completions/orgproxy
  zsh         orgproxy completions zsh > ~/.zfunc/_orgproxy
                with fpath+=~/.zfunc before compinit in ~/.zshrc
  fish        orgproxy completions fish > \\
                ~/.config/fish/completions/orgproxy.fish
  powershell  orgproxy completions powershell >> $PROFILE";

const MAN: &str = "\
Examples:
  orgproxy man | man -l -              read it
  orgproxy man --dir ~/.local/share/man/man1
                                       install it, with a page for each command";
