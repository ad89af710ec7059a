//! The arguments of `doctor`.

use super::ConfigArgs;

/// The orgs to check.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct DoctorArgs {
    /// The org to check [default: all of the configuration]
    pub org: Option<String>,
    /// If the login is refused, try other hosts and audiences (each try counts as a login)
    #[arg(long)]
    pub try_audiences: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
    /// The configuration.
    #[command(flatten)]
    pub source: ConfigArgs,
}

const HELP: &str = "\
Examples:
  orgproxy doctor                       check every org of ./proxy.toml
  orgproxy doctor main --try-audiences  find out where this org logs in
  orgproxy doctor --json | jq '.orgs[].checks[] | select(.outcome == \"failed\")'

Exits with 0 if nothing failed, even with warnings, and with 1 otherwise.

--json prints {\"passed\", \"checks\": […], \"orgs\": [{\"name\", \"checks\": […]}]}. Each check \
has name, outcome (passed, warning, failed, skipped), message, and advice or null. Names do not \
change, but new ones may be added: configuration, demo_org; private_key, certificate, \
login_host_name, login_host_connection, login_host_tls, clock, login, audiences, session, scopes, \
instance, instance_name, instance_connection, instance_tls, user, idle_timeout, api_versions, \
query, api_usage, listen, hosts, local_authority. listen and hosts appear once per address and \
name.";
