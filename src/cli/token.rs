//! The arguments of `token`.

use super::ConfigArgs;

/// The part of a session to print.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct TokenArgs {
    /// The org, if the configuration has several
    pub org: Option<String>,
    /// Print the header that carries the token
    #[arg(long)]
    pub header: bool,
    /// Sign an assertion and print that, without logging in
    #[arg(long, conflicts_with = "header")]
    pub assertion: bool,
    /// Print even to a terminal, where others may see it
    #[arg(long)]
    pub show: bool,
    /// Decode a token or an assertion, from standard input if it is not given; contacts nobody, and
    /// prints no secret
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
                                       check what a login sends
  pbpaste | orgproxy token --decode    decode a token without a web page";
