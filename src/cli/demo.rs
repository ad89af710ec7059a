//! `orgproxy demo`.

use clap::builder::PossibleValuesParser;

use crate::{config::Admin, salesforce::Refusal};

/// The settings of the demo.
#[derive(Debug, clap::Args)]
pub struct DemoArgs {
    /// Port to listen on, 0 for any free port
    #[arg(long, default_value_t = 8080)]
    pub port: u16,
    /// Port to listen on with TLS [default: 8443, or 0 if --port is 0]
    #[arg(long)]
    pub https_port: Option<u16>,
    /// Port to listen on for the Pub/Sub API [default: 7443, or 0 if --port is 0]
    #[arg(long)]
    pub pubsub_port: Option<u16>,
    /// Where to ask for status and probes [default: 127.0.0.1:9180 if that is free, or any port if
    /// --port is 0]
    #[arg(long, value_name = "ADDRESS", value_parser = Admin::parse)]
    pub admin_listen: Option<Admin>,
    /// What to log, such as info or orgproxy=debug
    #[arg(long, default_value = "info")]
    pub log: String,
    /// Where to write a line per request: off, stderr, journald or a path
    #[arg(long, value_name = "VALUE", default_value = "stderr")]
    pub access_log: String,
    /// How to write it: text or json
    #[arg(long, value_name = "VALUE", default_value = "text")]
    pub access_log_format: String,
    /// Stand in for Salesforce's hosts when a client uses the demo as its HTTPS proxy
    #[arg(long)]
    pub intercept: bool,
    /// Threads that handle requests [default: one per core, at most 4]
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub threads: Option<u8>,
    /// Make the org refuse every login, for example as user-not-approved; a wrong name lists them
    /// all
    #[arg(
        long,
        value_name = "NAME",
        value_parser = PossibleValuesParser::new(Refusal::names()),
        hide_possible_values = true
    )]
    pub refuse: Option<String>,
}

pub(super) const EXAMPLES: &str = "\
Examples:
  orgproxy demo                       on ports 8080, 8443 and 7443
  orgproxy demo --port 0              on any free ports";

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::cli::{Args, Command};

    #[test]
    fn the_demo_has_its_own_options() {
        let Command::Demo(demo) = parse(&["--threads", "2"]).unwrap() else {
            panic!("not the demo");
        };
        assert_eq!(
            (demo.port, demo.log.as_str(), demo.threads),
            (8080, "info", Some(2))
        );
        assert!(parse(&["--username", "x"]).is_err());
        assert!(parse(&["--threads", "0"]).is_err());
    }

    fn parse(args: &[&str]) -> Result<Command, clap::Error> {
        let args = ["orgproxy", "demo"].iter().chain(args);
        Ok(Args::try_parse_from(args)?.into_command())
    }
}
