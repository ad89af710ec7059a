//! The arguments of `doctor`.

use super::ConfigArgs;
use crate::config::Admin;

/// The orgs to check.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct DoctorArgs {
    /// The org to check [default: all of the configuration]
    pub org: Option<String>,
    /// If the login is refused, try other hosts and audiences (each try counts as a login)
    #[arg(long)]
    pub try_audiences: bool,
    /// Print what Salesforce is about to end, and who uses it, in place of the checks
    #[arg(long, conflicts_with = "try_audiences")]
    pub radar: bool,
    /// With --radar, the admin listener of the proxy to ask, as for `status`
    #[arg(long, requires = "radar", value_parser = super::status::url)]
    pub url: Option<Admin>,
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
  orgproxy doctor --radar               see what ends, and who still uses it
  orgproxy doctor --json | jq '.orgs[].checks[] | select(.outcome == \"failed\")'

Exits with 0 if nothing failed, even with warnings, and with 1 otherwise.

--json prints {\"passed\", \"checks\": […], \"orgs\": [{\"name\", \"checks\": […]}]}. Each check \
has name, outcome (passed, warning, failed, skipped), message, and advice or null. Names do not \
change, but new ones may be added: configuration, demo_org; private_key, certificate, \
login_host_name, login_host_connection, login_host_tls, clock, login, audiences, session, scopes, \
instance, instance_name, instance_connection, instance_tls, user, idle_timeout, api_versions, \
query, api_usage, listen, hosts, local_authority. listen and hosts appear once per address and \
name.

--radar asks neither the org nor Salesforce. Who uses what is known to the running proxy, if it has an
admin listener: see `orgproxy status --help`. Without one, what ends is printed all the same. Its JSON
is {\"error\", \"calendar\": […], \"orgs\": [{\"name\", \"radar\": […]}]}, where error says why no proxy
was asked, or is null.";
