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
    ask::{ApiVersion, Data, Format, QueryArgs, RequestArgs},
    doctor::DoctorArgs,
    init::InitArgs,
    shell::{CompletionsArgs, ManArgs, Shell},
    token::TokenArgs,
};
use crate::config::{KEYS, Overrides, Scope, given};

mod ask;
#[cfg(feature = "demo")]
mod demo;
mod doctor;
mod init;
mod shell;
mod token;

/// An authenticating reverse proxy on localhost in front of a Salesforce org.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, after_help = examples())]
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

    /// The command line. The options for keys of the file are many, so only the help of `run` tells
    /// them.
    pub(crate) fn line() -> clap::Command {
        brief(Self::command()).mut_subcommands(|command| match command.get_name() {
            "run" => command,
            _ => brief(command),
        })
    }

    /// What to do; to run, if nothing is said.
    pub fn into_command(self) -> Command {
        self.command.unwrap_or(Command::Run(self.run))
    }
}

/// `error` without the words that may be secrets: a key that the shell has split into words is for
/// clap a row of arguments that it does not know.
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
    // Others have options of the same name.
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
        .mut_args(|arg| match is_key(&arg) {
            true => arg.hide(true),
            false => arg,
        })
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the proxy (default), alone or around a program
    #[command(after_help = RUN)]
    Run(RunArgs),
    /// Make what a login needs: key, certificate, app and configuration
    Init(InitArgs),
    /// Try every step from the configuration to a first query, and say what is wrong
    Doctor(DoctorArgs),
    /// Print an access token, or look into one
    Token(TokenArgs),
    /// Ask the org by SOQL
    Query(QueryArgs),
    /// Send any request to the org
    Request(RequestArgs),
    /// Run the proxy on an org that is built in, to see it work
    #[cfg(feature = "demo")]
    #[command(after_help = demo::EXAMPLES)]
    Demo(DemoArgs),
    /// Check the configuration, report every mistake, and exit
    #[command(after_help = CHECK)]
    Check(ConfigArgs),
    /// Ask a running proxy with this configuration whether it is well, and exit
    #[command(after_help = HEALTH)]
    Health(ConfigArgs),
    /// Tell what each client needs to trust the local certificate authority, or do it
    #[command(after_help = TRUST)]
    Trust(TrustArgs),
    /// Print the completions for a shell
    Completions(CompletionsArgs),
    /// Print the manual page
    Man(ManArgs),
}

/// How to run.
#[derive(Debug, clap::Args)]
pub struct RunArgs {
    /// The configuration.
    #[command(flatten)]
    pub source: ConfigArgs,
    /// The org that PROGRAM is led to [default: the first]
    #[arg(long, value_name = "NAME", requires = "program")]
    pub org: Option<String>,
    /// A program to run with the environment that leads it here, and its arguments
    #[arg(last = true, value_name = "PROGRAM")]
    pub program: Vec<OsString>,
}

/// Where the configuration comes from.
#[derive(Debug, Clone, clap::Args)]
pub struct ConfigArgs {
    /// File with the configuration [default: proxy.toml]
    #[arg(
        short,
        long,
        value_name = "PATH",
        env = "ORGPROXY_CONFIG",
        hide_env_values = true
    )]
    config: Option<OsString>,
    /// What flags and variables say in place of the file.
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

/// Who is to trust the local certificate authority.
#[derive(Debug, clap::Args)]
pub struct TrustArgs {
    /// Have all programs of this system trust it (as root)
    #[arg(long, group = "who")]
    pub system: bool,
    /// Have Java trust it, by a key store such as $JAVA_HOME/lib/security/cacerts; if its password
    /// is not changeit, give ORGPROXY_KEYSTORE_PASSWORD
    #[arg(long, value_name = "KEYSTORE", group = "who")]
    pub java: Option<PathBuf>,
    /// Have them trust it no longer
    #[arg(long, requires = "who")]
    pub undo: bool,
    /// Where the configuration is, for `state_dir`.
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
                    Scope::Limits => "Limits",
                })
                .action(ArgAction::Set);
            command.arg(match key.name {
                "http2" | "intercept" => arg
                    .num_args(0..=1)
                    .default_missing_value("true")
                    .require_equals(true),
                // Given what the file holds, we say that it must be its path.
                "private_key" | "tls_private_key" | "ca_file" | "tls_certificate"
                | "tls_client_ca" => arg.allow_hyphen_values(true),
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
    let demo = match cfg!(feature = "demo") {
        true => "  orgproxy demo                       run without an org, to see it work\n",
        false => "",
    };
    EXAMPLES.replace("{demo}", demo)
}

const EXAMPLES: &str = "\
Examples:
  orgproxy init                       make what a login needs
  orgproxy                            run with ./proxy.toml
  orgproxy -- sf org display          run around a program
{demo}
Each command has a --help of its own. The options of `orgproxy run`
can be given without it, too.";

const RUN: &str = "\
Examples:
  orgproxy run                        run with ./proxy.toml
  orgproxy run --client-id 3MVG9… --username me@example.com \\
      --private-key server.key        run without a file
  orgproxy run --port 0 -- sf data query -q \"SELECT Name FROM Account\"
  orgproxy run -- sh -c 'curl \"$ORGPROXY_URL/services/data\"'

All options but --config, --port and --org are also keys of the file. Options
go before environment variables, and those before the file.

PROGRAM finds the org by ORGPROXY_URL, by the variables of the Salesforce CLI
(SF_ORG_INSTANCE_URL, SF_TARGET_ORG) and by SALESFORCE_INSTANCE_URL. It is told
no session but a placeholder. The proxy ends with it, with its exit code.";

const CHECK: &str = "\
Examples:
  orgproxy check                      check ./proxy.toml
  orgproxy check --config acme.toml   check another file";

const HEALTH: &str = "\
Examples:
  orgproxy health                     is the one with ./proxy.toml well?
  orgproxy health --port 8081         is the one on this port well?

It ends with 0 if so, else with 1. The org is not asked.";

const TRUST: &str = "\
Examples:
  orgproxy trust                      tell what each client needs
  sudo orgproxy trust --system        have this system trust it
  orgproxy trust --java \"$JAVA_HOME/lib/security/cacerts\" --undo";

/// At the end of the help of commands that show less of their options than they have.
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
