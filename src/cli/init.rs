//! The arguments of `init`.

/// What to make.
#[derive(Debug, clap::Args)]
pub struct InitArgs {
    /// Ask nothing: take flags and defaults
    #[arg(short, long)]
    pub yes: bool,
}
