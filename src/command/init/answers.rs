//! The answers: from flags, from a person, or by default.

use std::path::PathBuf;

use zeroize::Zeroizing;

use super::{configuration::Reference, environment, prompt};
use crate::{cli::InitArgs, command::CommandError, config::check, system::terminal};

/// Everything to know about a new org.
pub(super) struct Answers {
    pub(super) name: String,
    pub(super) login_url: Option<String>,
    pub(super) username: String,
    pub(super) app: App,
    pub(super) days: u16,
    pub(super) passphrase: Option<Passphrase>,
    pub(super) demo: bool,
}

/// The passphrase that encrypts the key, and where the proxy will find it.
pub(super) struct Passphrase {
    pub(super) secret: Zeroizing<Vec<u8>>,
    pub(super) reference: Reference,
}

/// The app to log in through.
pub(super) enum App {
    /// It exists already, and has this consumer key.
    There(String),
    New {
        email: String,
        classic: bool,
    },
}

impl Answers {
    /// Asks for what `args` leave open, if there is somebody to ask. `is_taken` refuses the names
    /// of orgs that exist.
    ///
    /// # Errors
    /// A flag that is missing or wrong.
    pub(super) fn of(
        args: &InitArgs,
        is_taken: impl Fn(&str) -> Result<(), String>,
    ) -> Result<Self, CommandError> {
        let asks = !args.yes && !args.demo;
        if asks && !terminal::has_a_person() {
            return Err(other(
                "cannot ask without a terminal: use --yes with at least --username",
            ));
        }
        if asks {
            terminal::note(&terminal::wrap(INTRODUCTION, 0));
            terminal::note("\n\n");
        }
        let value =
            |value: &Value<'_>, check: &dyn Fn(&str) -> Result<(), String>| value.get(asks, check);

        let check_name = |name: &str| check::name(name).and_then(|()| is_taken(name));
        let name = value(
            &Value {
                flag: "NAME",
                given: args.name.as_deref(),
                question: "Name of the org in proxy.toml",
                default: Some(if args.demo { "demo" } else { "main" }),
            },
            &check_name,
        )?;
        let login_url = if args.demo {
            None
        } else {
            let environment = value(
                &Value {
                    flag: "--environment",
                    given: args.environment.as_deref(),
                    question: "production, sandbox, scratch, or My Domain",
                    default: Some("production"),
                },
                &|environment| environment::login_url(environment).map(drop),
            )?;
            environment::login_url(&environment).map_err(CommandError::Other)?
        };
        let username = value(
            &Value {
                flag: "--username",
                given: args.username.as_deref(),
                question: "Username that every request acts as",
                default: args.demo.then_some(DEMO_USERNAME),
            },
            &check_email,
        )?;
        let app = match &args.client_id {
            Some(client_id) => {
                check::word(client_id)
                    .map_err(|error| CommandError::Other(format!("--client-id: {error}")))?;
                App::There(client_id.clone())
            }
            None => App::New {
                email: value(
                    &Value {
                        flag: "--email",
                        given: args.email.as_deref(),
                        question: "Email address that Salesforce may write to about the app",
                        default: check_email(&username).is_ok().then_some(&username),
                    },
                    &check_email,
                )?,
                classic: args.connected_app,
            },
        };
        Ok(Self {
            name,
            login_url,
            username,
            app,
            days: args.days,
            passphrase: passphrase(args.passphrase_file.as_ref(), asks)?,
            demo: args.demo,
        })
    }
}

/// The value of one flag, or the answer to one question.
struct Value<'a> {
    flag: &'a str,
    given: Option<&'a str>,
    question: &'a str,
    default: Option<&'a str>,
}

impl Value<'_> {
    fn get(
        &self,
        asks: bool,
        check: &dyn Fn(&str) -> Result<(), String>,
    ) -> Result<String, CommandError> {
        let flag = self.flag;
        let value = match (self.given, self.default) {
            (Some(given), _) => given,
            (None, default) if asks => {
                return prompt::text(self.question, default.map(str::to_owned), check);
            }
            (None, Some(default)) => default,
            (None, None) => {
                return Err(other(&format!("{flag} is missing, and has no default")));
            }
        };
        check(value).map_err(|error| CommandError::Other(format!("{flag}: {error}")))?;
        Ok(value.to_owned())
    }
}

fn passphrase(file: Option<&PathBuf>, asks: bool) -> Result<Option<Passphrase>, CommandError> {
    let (secret, reference) = match file {
        Some(path) => {
            let secret = check::passphrase_in(path)
                .map_err(|error| CommandError::Other(format!("--passphrase-file: {error}")))?;
            (Some(secret), Reference::File(path.clone()))
        }
        None if asks => (prompt::passphrase()?, Reference::Variable(PASSPHRASE)),
        None => return Ok(None),
    };
    Ok(secret.map(|secret| Passphrase { secret, reference }))
}

/// Refuses only what is surely not an email address. Usernames have the form of one, too.
fn check_email(email: &str) -> Result<(), String> {
    let is_email = email
        .split_once('@')
        .is_some_and(|(name, host)| !name.is_empty() && host.contains('.'));
    match check::word(email) {
        Ok(()) if is_email => Ok(()),
        _ => Err(format!(
            "{email:?} is not an email address such as name@example.com"
        )),
    }
}

fn other(message: &str) -> CommandError {
    CommandError::Other(message.to_owned())
}

/// The variable for a passphrase that a person has typed.
pub(super) const PASSPHRASE: &str = "ORGPROXY_KEY_PASSPHRASE";

/// The user of the demo org.
const DEMO_USERNAME: &str = "integration@demo.example";

const INTRODUCTION: &str = "This creates what a login needs. Enter accepts what is in brackets; \
                            nothing is written before the last answer.";
