//! Printing an access token, or decoding one.

use std::{
    io::{self, IsTerminal, Read, Write},
    process::ExitCode,
    time::SystemTime,
};

use zeroize::Zeroizing;

use self::{decoded::Decoded, text::Text};
use super::{CommandError, Ready, load, runtime};
use crate::{
    auth::{Login, LoginError, assertion},
    cli::TokenArgs,
    config::{Config, Credential, Org},
    network,
    system::{telemetry, terminal},
};

mod decoded;
mod fault;
mod moment;
mod text;

pub(super) fn run(args: &TokenArgs) -> Result<ExitCode, CommandError> {
    match &args.decode {
        Some(text) => decode(args, text),
        None => {
            offer(args)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Prints the token, or an assertion, for scripts.
fn offer(args: &TokenArgs) -> Result<(), CommandError> {
    if terminal::is_read_by_a_person() && !args.show {
        return Err(CommandError::Other(NOT_HERE.to_owned()));
    }
    let config = load(&args.source)?.only(args.org.as_deref())?;
    let _log = telemetry::init(&config.log)?;
    let secret = runtime()?.block_on(async {
        let ready = Ready::start(config).await?;
        let org = ready.config.org(None)?;
        if args.assertion {
            let Credential::JwtBearer(app) = &org.credential;
            let key = app.private_key.encoding_key().ok_or(LoginError::Lost);
            let key = key.map_err(|error| CommandError::Other(error.to_string()))?;
            assertion::sign(org, &key, SystemTime::now())
                .map_err(|error| CommandError::Other(format!("cannot sign: {error}")))
        } else {
            token(&ready.config, org).await
        }
    })?;
    let before = if args.header {
        "Authorization: Bearer "
    } else {
        ""
    };
    // A script that gets half a token must not continue.
    writeln!(io::stdout().lock(), "{before}{}", *secret)
        .map_err(|error| CommandError::Other(format!("cannot print: {error}")))
}

async fn token(config: &Config, org: &Org) -> Result<Zeroizing<String>, CommandError> {
    let failed = |error| CommandError::Other(format!("cannot log in: {error}"));
    let tls = network::tls::client_config(network::tls::roots(), &org.ca)
        .map_err(|error| CommandError::Startup(error.into()))?;
    let login = Login::alone(config, org, tls).map_err(failed)?;
    let session = login.login().await.map_err(failed)?;
    let token = session.token.to_str();
    // A header may hold bytes that no token has.
    let token = token.map_err(|error| CommandError::Other(error.to_string()))?;
    Ok(Zeroizing::new(token.to_owned()))
}

/// Explains a token or an assertion, with the configuration if there is one. Fails if it is
/// unreadable, or if its signature is not by the key of its org.
fn decode(args: &TokenArgs, text: &str) -> Result<ExitCode, CommandError> {
    let given = match text {
        "-" => read_standard_input()?,
        text => Zeroizing::new(text.to_owned()),
    };
    let text = Text::find(&given).map_err(|error| CommandError::Other(error.to_string()))?;
    let config = match load(&args.source) {
        Ok(config) => Some(config),
        // It was named, so its mistakes count.
        Err(error) if args.source.config().is_some() => return Err(error.into()),
        Err(_) => None,
    };
    let decoded = Decoded::new(&text, config.as_ref(), SystemTime::now());
    terminal::print(&decoded.to_string());
    Ok(if decoded.is_forged() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn read_standard_input() -> Result<Zeroizing<String>, CommandError> {
    let failed = |why| CommandError::Other(format!("cannot read standard input: {why}"));
    let input = io::stdin().lock();
    if input.is_terminal() {
        terminal::note("paste a token or an assertion, then press Enter and Ctrl-D\n");
    }
    let mut bytes = Zeroizing::new(Vec::new());
    input
        .take(LONGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| failed(error.to_string()))?;
    if bytes.len() as u64 > LONGEST {
        return Err(failed("more than 64 KiB, which is not a token".to_owned()));
    }
    let text = str::from_utf8(&bytes).map_err(|_| failed("it is not text".to_owned()))?;
    Ok(Zeroizing::new(text.to_owned()))
}

const NOT_HERE: &str = "an access token gives whoever sees it access to the org, so it is not \
                        printed to a terminal; pipe it to where it is needed, or add --show";

/// Bytes. Tokens in JWT format have a few thousand.
const LONGEST: u64 = 64 * 1024;
