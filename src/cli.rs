//! The command line.

use std::{ffi::OsString, path::PathBuf};

use clap::{
    Arg, ArgAction, ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand,
    error::{ContextKind, ContextValue},
    parser::ValueSource,
};

#[cfg(feature = "demo")]
pub use self::demo::DemoArgs;
pub use self::{
    doctor::DoctorArgs,
    init::InitArgs,
    query::{ApiVersion, Format, QueryArgs},
    request::{Data, RequestArgs},
    shell::{CompletionsArgs, ManArgs, Shell},
    status::{AdminArgs, ReloadArgs, StatusArgs, WaitArgs},
    token::TokenArgs,
};
use crate::config::{KEYS, Overrides, Scope, given};

#[cfg(feature = "demo")]
mod demo;
mod doctor;
mod init;
mod query;
mod request;
mod shell;
mod status;
mod token;
mod version;

/// An authenticating reverse proxy on localhost in front of a Salesforce org.
#[derive(Debug, Parser)]
#[command(version, long_version = version::text(), args_conflicts_with_subcommands = true, after_help = examples())]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: RunArgs,
}

impl Args {
    /// Reads the arguments of this process. Ends it if they are wrong, or if help is asked for.
    pub fn read() -> Self {
        Self::line()
            .try_get_matches()
            .and_then(|matches| Self::from_arg_matches(&matches))
            .unwrap_or_else(|error| discreet(error).exit())
    }

    /// The arguments of this command, and no others.
    pub(crate) fn of(command: &str) -> Self {
        Self::parse_from(["orgproxy", command])
    }

    /// The command line. Only the help of `run` lists the options for keys of the file: they are
    /// many.
    pub(crate) fn line() -> clap::Command {
        brief(Self::command()).mut_subcommands(|command| match command.get_name() {
            "run" => command,
            _ => brief(command),
        })
    }

    /// The command; to run, if none is given.
    pub fn into_command(self) -> Command {
        self.command.unwrap_or(Command::Run(self.run))
    }
}

/// `error` without the words that may be secrets: to clap, a key that the shell has split into
/// words is a row of unknown arguments.
fn discreet(mut error: clap::Error) -> clap::Error {
    let odd = |text: &str| given::word(text) != text;
    let hidden: Vec<_> = error
        .context()
        .filter_map(|(kind, value)| match value {
            ContextValue::String(text) if odd(text) => Some((kind, given::word(text))),
            _ => None,
        })
        .collect();
    if !hidden.is_empty() {
        // The words are in the hints as well.
        error.remove(ContextKind::Suggested);
    }
    for (kind, text) in hidden {
        error.insert(kind, ContextValue::String(text));
    }
    error
}

/// `command` without the keys of the file in its help.
fn brief(command: clap::Command) -> clap::Command {
    // Other commands have options of the same name.
    let is_key = |arg: &Arg| {
        arg.get_env()
            .is_some_and(|env| KEYS.iter().any(|key| env == key.variable))
    };
    if !command.get_arguments().any(is_key) {
        return command;
    }
    let examples = command.get_after_help().map(ToString::to_string);
    let after = format!("{}\n\n{MORE}", examples.unwrap_or_default());
    command
        .after_help(after.trim_start().to_owned())
        .mut_args(|arg| if is_key(&arg) { arg.hide(true) } else { arg })
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the proxy (the default), on its own or while a program runs
    #[command(after_help = RUN)]
    Run(RunArgs),
    /// Create key, certificate, app and configuration
    Init(InitArgs),
    /// Check every step from the configuration to a first query, and report what is wrong
    Doctor(DoctorArgs),
    /// Print an access token, or decode one
    Token(TokenArgs),
    /// Query the org with SOQL
    Query(QueryArgs),
    /// Send a request to the org
    Request(RequestArgs),
    /// Run the proxy with a built-in org, to see it work
    #[cfg(feature = "demo")]
    #[command(after_help = demo::EXAMPLES)]
    Demo(DemoArgs),
    /// Check the configuration, report every mistake, and exit
    #[command(after_help = CHECK)]
    Check(ConfigArgs),
    /// Check whether the running proxy with this configuration is healthy, and exit
    #[command(after_help = HEALTH)]
    Health(ConfigArgs),
    /// Show how the running proxy is: sessions, logins, connections
    Status(StatusArgs),
    /// Wait until the running proxy is ready
    Wait(WaitArgs),
    /// Have the running proxy read its configuration, keys and certificates again
    Reload(ReloadArgs),
    /// Show how to trust the local CA, or install it
    #[command(after_help = TRUST)]
    Trust(TrustArgs),
    /// Print shell completions
    Completions(CompletionsArgs),
    /// Print the manual page
    Man(ManArgs),
}

/// The arguments of `run`.
#[derive(Debug, clap::Args)]
pub struct RunArgs {
    /// The configuration.
    #[command(flatten)]
    pub source: ConfigArgs,
    /// The org that PROGRAM uses [default: the first]
    #[arg(long, value_name = "NAME", requires = "program")]
    pub org: Option<String>,
    /// A program to run with an environment that points it to the proxy, and its arguments
    #[arg(last = true, value_name = "PROGRAM")]
    pub program: Vec<OsString>,
}

/// The source of the configuration.
#[derive(Debug, Clone, clap::Args)]
pub struct ConfigArgs {
    /// Configuration file [default: proxy.toml]
    #[arg(
        short,
        long,
        value_name = "PATH",
        env = "ORGPROXY_CONFIG",
        hide_env_values = true
    )]
    config: Option<OsString>,
    /// The settings of flags and variables, which override the file.
    #[command(flatten)]
    pub overrides: Overrides,
}

impl ConfigArgs {
    /// The file, if one is named.
    pub fn config(&self) -> Option<PathBuf> {
        let config = self.config.as_ref()?;
        (!config.is_empty()).then(|| config.into())
    }
}

/// The programs that are to trust the local certificate authority.
#[derive(Debug, clap::Args)]
pub struct TrustArgs {
    /// Make all programs on this system trust it (as root)
    #[arg(long, group = "who")]
    pub system: bool,
    /// Make Java trust it, through a key store such as $JAVA_HOME/lib/security/cacerts; set
    /// ORGPROXY_KEYSTORE_PASSWORD if its password is not changeit
    #[arg(long, value_name = "KEYSTORE", group = "who")]
    pub java: Option<PathBuf>,
    /// Remove it again
    #[arg(long, requires = "who")]
    pub undo: bool,
    /// The configuration, for `state_dir`.
    #[command(flatten)]
    pub source: ConfigArgs,
}

/// Written by hand, so that `config::KEYS` is the only list of what can be overridden, and so that
/// a mistake can be reported by the name of the flag or variable that it is in.
impl clap::Args for Overrides {
    fn augment_args(command: clap::Command) -> clap::Command {
        KEYS.iter().fold(command, |command, key| {
            let arg = Arg::new(key.name)
                .long(key.flag.trim_start_matches('-'))
                .env(key.variable)
                .hide_env_values(true)
                .value_name("VALUE")
                .help(key.help)
                .help_heading(match key.scope {
                    Scope::Org => "Org",
                    Scope::Process => "Process",
                    Scope::Tls => "TLS",
                    Scope::Admin => "Admin",
                    Scope::Traces => "Traces",
                    Scope::Redis => "Redis",
                    Scope::Limits => "Limits",
                })
                .action(ArgAction::Set);
            command.arg(match key.name {
                "http2" | "intercept" | "name_clients" | "watch_files" => arg
                    .num_args(0..=1)
                    .default_missing_value("true")
                    .require_equals(true),
                // Content in place of a path gets a message that says so.
                "private_key" | "tls_private_key" | "ca_file" | "tls_certificate"
                | "tls_client_ca" | "traces_ca_file" => arg.allow_hyphen_values(true),
                _ => arg,
            })
        })
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Overrides {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut overrides = Self::default();
        overrides.update_from_arg_matches(matches)?;
        Ok(overrides)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for key in KEYS {
            let value = matches.get_one::<String>(key.name).cloned();
            match (value, matches.value_source(key.name)) {
                (Some(value), Some(ValueSource::EnvVariable)) => self.set_variable(key, value),
                (Some(value), _) => self.set_flag(key, value),
                (None, _) => {}
            }
        }
        Ok(())
    }
}

fn examples() -> String {
    let demo = if cfg!(feature = "demo") {
        "  orgproxy demo                       run with a built-in org, to see it work\n"
    } else {
        ""
    };
    EXAMPLES.replace("{demo}", demo)
}

const EXAMPLES: &str = "\
Examples:
  orgproxy init                       create what a login needs
  orgproxy                            run with ./proxy.toml
  orgproxy -- sf org display          run while a program runs
{demo}
Each command has its own --help. The options of `orgproxy run` can
also be given without it.";

const RUN: &str = "\
Examples:
  orgproxy run                        run with ./proxy.toml
  orgproxy run --client-id 3MVG9… --username me@example.com \\
      --private-key server.key        run without a file
  orgproxy run --port 0 -- sf data query -q \"SELECT Name FROM Account\"
  orgproxy run -- sh -c 'curl \"$ORGPROXY_URL/services/data\"'

All options except --config, --port and --org are also keys in the file.
Options override environment variables, and those override the file.

PROGRAM finds the org through ORGPROXY_URL, the variables of the Salesforce CLI
(SF_ORG_INSTANCE_URL, SF_TARGET_ORG) and SALESFORCE_INSTANCE_URL. It is given a
placeholder, not the session. The proxy exits when it does, with its exit code.";

const CHECK: &str = "\
Examples:
  orgproxy check                      check ./proxy.toml
  orgproxy check --config acme.toml   check another file";

const HEALTH: &str = "\
Examples:
  orgproxy health                     check the proxy with ./proxy.toml
  orgproxy health --port 8081         check the proxy on this port

Exits with 0 if it is healthy, else with 1. The org is not asked. Of the configuration, only
the addresses count: it may have mistakes elsewhere, of which the running proxy knows nothing.";

const TRUST: &str = "\
Examples:
  orgproxy trust                      show what each client needs
  sudo orgproxy trust --system        make this system trust it
  orgproxy trust --java \"$JAVA_HOME/lib/security/cacerts\" --undo";

/// Ends the help of commands that do not list all their options.
const MORE: &str = "More options: `orgproxy run --help`.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn run_is_the_default() {
        let command = parse(&["--config", "acme.toml", "--port", "0"]).unwrap();
        let Command::Run(run) = command else {
            panic!("{command:?}");
        };
        assert_eq!(run.source.config(), Some("acme.toml".into()));
        assert_eq!(format!("{:?}", run.source.overrides), r#"["port"]"#);
    }

    #[test]
    fn commands_take_the_same_options() {
        for command in ["run", "check", "health"] {
            parse(&[
                command,
                "--config",
                "acme.toml",
                "--header-read",
                "5s",
                "--http2",
            ])
            .unwrap();
        }
    }

    fn parse(args: &[&str]) -> Result<Command, clap::Error> {
        let args = ["orgproxy"].iter().chain(args);
        Ok(Args::try_parse_from(args)?.into_command())
    }
}
