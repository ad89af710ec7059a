//! Questions to the person at the terminal.

use dialoguer::{Input, Password};
use zeroize::Zeroizing;

use crate::{
    command::CommandError,
    system::terminal::{note, wrap},
};

/// Asks for a line of text until `check` accepts it.
///
/// # Errors
/// When the terminal is gone.
pub(super) fn text(
    question: &str,
    default: Option<String>,
    check: impl Fn(&str) -> Result<(), String>,
) -> Result<String, CommandError> {
    loop {
        let mut input = Input::<String>::new().with_prompt(question);
        if let Some(default) = &default {
            input = input.default(default.clone());
        }
        let answer = input.interact_text().map_err(gone)?;
        match check(answer.trim()) {
            Ok(()) => return Ok(answer.trim().to_owned()),
            Err(error) => note(&format!("{}\n", wrap(&error, 2))),
        }
    }
}

/// Asks for a new passphrase, twice; nothing if none is wanted.
///
/// # Errors
/// Those of [`text`].
pub(super) fn passphrase() -> Result<Option<Zeroizing<Vec<u8>>>, CommandError> {
    let ask = |question| {
        let answer = Password::new()
            .with_prompt(question)
            .allow_empty_password(true)
            .interact();
        answer.map(Zeroizing::new).map_err(gone)
    };
    loop {
        let passphrase = ask("Passphrase for the key (empty for none)")?;
        if passphrase.is_empty() {
            return Ok(None);
        }
        if passphrase == ask("Repeat the passphrase")? {
            return Ok(Some(Zeroizing::new(passphrase.as_bytes().to_vec())));
        }
        note("  the passphrases differ\n");
    }
}

fn gone(error: dialoguer::Error) -> CommandError {
    CommandError::Other(format!("cannot ask: {error}; use --yes and flags instead"))
}
