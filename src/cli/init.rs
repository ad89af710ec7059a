//! The arguments of `init`.

use std::{ffi::OsString, path::PathBuf};

use clap::builder::PossibleValuesParser;

/// The org, key and app to create.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct InitArgs {
    /// Name of the org in proxy.toml [default: main, or demo with --demo]
    pub name: Option<String>,
    /// Where the org is: production, sandbox, scratch, or its My Domain, such as
    /// acme.my.salesforce.com [default: production]
    #[arg(short, long, value_name = "WHERE")]
    pub environment: Option<String>,
    /// The user that every request acts as
    #[arg(short, long)]
    pub username: Option<String>,
    /// Email address that Salesforce may write to about the app [default: the username]
    #[arg(long)]
    pub email: Option<String>,
    /// Length of the key
    #[arg(
        long,
        value_name = "BITS",
        default_value = "3072",
        value_parser = PossibleValuesParser::new(["2048", "3072", "4096"]),
    )]
    pub key_bits: String,
    /// Days for which the certificate is valid
    #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u16).range(1..=3650))]
    pub days: u16,
    /// Encrypt the key with the passphrase in this file, which the proxy reads when it starts
    #[arg(long, value_name = "PATH")]
    pub passphrase_file: Option<PathBuf>,
    /// Create a classic connected app, for orgs that still allow new ones
    #[arg(long)]
    pub connected_app: bool,
    /// Consumer key of an existing app: only its certificate is created
    #[arg(long, value_name = "KEY", conflicts_with = "connected_app")]
    pub client_id: Option<String>,
    /// Folder for the new files [default: this one]
    #[arg(short, long, value_name = "PATH")]
    pub folder: Option<PathBuf>,
    /// Configuration file [default: proxy.toml in the folder]
    #[arg(
        short,
        long,
        value_name = "PATH",
        env = "ORGPROXY_CONFIG",
        hide_env_values = true
    )]
    config: Option<OsString>,
    /// Ask nothing: use flags and defaults
    #[arg(short, long)]
    pub yes: bool,
    /// Replace an existing key, certificate and app, and keep the old ones as NAME.key.old and so
    /// on; a table in proxy.toml is never replaced
    #[arg(long)]
    pub force: bool,
    /// Create the next key of an org in proxy.toml, and print in what order to switch
    #[arg(
        long,
        help_heading = "Instead of a new org",
        group = "instead",
        conflicts_with_all = NOT_FOR_ROTATION
    )]
    pub rotate_key: bool,
    /// Use an org that the Salesforce CLI logs in to by key, given by its alias or username
    #[arg(
        long,
        value_name = "ALIAS",
        help_heading = "Instead of a new org",
        group = "instead",
        conflicts_with_all = NOT_FOR_SF
    )]
    pub from_sf: Option<String>,
    /// Use the built-in org, to see it work without an account
    #[arg(
        long,
        help_heading = "Instead of a new org",
        group = "instead",
        conflicts_with_all = ["environment", "client_id"],
        hide = !cfg!(feature = "demo")
    )]
    pub demo: bool,
}

impl InitArgs {
    /// The file, if one is named.
    pub fn config(&self) -> Option<PathBuf> {
        let config = self.config.as_ref()?;
        (!config.is_empty()).then(|| config.into())
    }
}

/// Taken from proxy.toml.
const NOT_FOR_ROTATION: [&str; 7] = [
    "environment",
    "username",
    "email",
    "client_id",
    "connected_app",
    "passphrase_file",
    "folder",
];

/// Taken from the Salesforce CLI.
const NOT_FOR_SF: [&str; 9] = [
    "environment",
    "username",
    "email",
    "client_id",
    "connected_app",
    "passphrase_file",
    "key_bits",
    "days",
    "force",
];

const EXAMPLES: &str = "\
Examples:
  orgproxy init                       ask for what is needed, and create it
  orgproxy init --demo                see it work without an account
  orgproxy init acme --environment acme.my.salesforce.com \\
    --username api@acme.com --yes     ask nothing, for scripts
  orgproxy init --client-id 3MVG9…    for an existing app
  orgproxy init --from-sf acme        with the key that the Salesforce CLI uses
  orgproxy init --rotate-key acme     create the next key

It creates a private key, its certificate, the app to deploy, and a table in
proxy.toml. Existing files are not overwritten.";
