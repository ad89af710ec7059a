//! What a person can do where there is no configuration yet.

use std::{path::Path, process::ExitCode};

use dialoguer::Select;

use super::{CommandError, execute};
use crate::{
    cli::{Args, ConfigArgs},
    config::DEFAULT_PATH,
    system::terminal,
};

/// Returns whether there is nothing to run, and a person who can be asked what they want.
pub(super) fn is_due(args: &ConfigArgs) -> bool {
    args.config().is_none()
        && !args.overrides.name_an_org()
        && !Path::new(DEFAULT_PATH).exists()
        && terminal::has_a_person()
}

/// Asks what to do, and does it. Returns nothing if the person wants neither.
pub(super) fn make() -> Result<Option<ExitCode>, CommandError> {
    let (titles, commands): (Vec<_>, Vec<_>) = OFFERS.iter().copied().unzip();
    let chosen = Select::new()
        .with_prompt("There is no proxy.toml here. Choose what to do")
        .items(titles)
        .item("neither")
        .default(0)
        .interact_opt();
    // A terminal on which nothing can be chosen gets the same in words.
    let command = chosen.ok().flatten().and_then(|index| commands.get(index));
    let typed = command.map(|command| Args::of(command).into_command());
    typed.map(execute).transpose()
}

/// Each with the command that does it.
#[cfg(feature = "demo")]
const OFFERS: [(&str, &str); 2] = [
    (
        "see it work with a built-in org, without an account (orgproxy demo)",
        "demo",
    ),
    SET_UP,
];
#[cfg(not(feature = "demo"))]
const OFFERS: [(&str, &str); 1] = [SET_UP];

const SET_UP: (&str, &str) = ("set it up for your org (orgproxy init)", "init");
