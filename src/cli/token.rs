//! The arguments of `token`.

use super::ConfigArgs;

/// What to print of a session.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct TokenArgs {
    /// The org, if the configuration has several
    pub org: Option<String>,
    /// Print the header that carries the token
    #[arg(long)]
    pub header: bool,
    /// Sign an assertion and print that; nobody is asked
    #[arg(long, conflicts_with = "header")]
    pub assertion: bool,
    /// Print to a terminal, too, where others may look on
    #[arg(long)]
    pub show: bool,
    /// Tell what is in a token or an assertion, from standard input if it is
    /// not given; asks nobody, and prints no secret
    #[arg(
        long,
        value_name = "TEXT",
        num_args = 0..=1,
        default_missing_value = "-",
        conflicts_with_all = ["org", "header", "assertion", "show"],
    )]
    pub decode: Option<String>,
    /// The configuration.
    #[command(flatten)]
    pub source: ConfigArgs,
}

const EXAMPLES: &str = "\
Examples:
  TOKEN=$(orgproxy token)              log in and keep the access token
  orgproxy token --header | curl -H @- https://acme.my.salesforce.com/…
  orgproxy token --assertion | orgproxy token --decode
                                       is what a login sends right?
  pbpaste | orgproxy token --decode    look into a token without a web page";
