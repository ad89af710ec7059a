//! The arguments of what makes a shell comfortable.

/// Which completions.
#[derive(Debug, clap::Args)]
pub struct CompletionsArgs {
    /// bash, zsh, fish or powershell
    pub shell: String,
}
