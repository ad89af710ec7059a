//! Creating key, certificate, the metadata of the app, and `proxy.toml`.
//!
//! Everything is created and checked in memory before the first file is written, and either all
//! files are written or none.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
};

use crate::{
    cli::InitArgs,
    command::CommandError,
    config::{Certificate, Config, Listen},
};

use self::{
    answers::{Answers, App, PASSPHRASE},
    configuration::{Configuration, Reference, Table},
    files::Files,
    pair::Pair,
    paths::Paths,
    report::Report,
    sf::Known,
};

mod access;
mod answers;
mod configuration;
mod environment;
mod files;
mod package;
mod pair;
mod paths;
mod prompt;
mod report;
mod rotation;
mod sf;

pub(crate) fn run(args: &InitArgs) -> Result<ExitCode, CommandError> {
    if args.rotate_key {
        rotation::run(args)?;
    } else if let Some(alias) = &args.from_sf {
        take_over(args, alias).map_err(CommandError::Other)?;
    } else {
        make(args)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Creates everything for a new org.
fn make(args: &InitArgs) -> Result<(), CommandError> {
    if args.demo && !cfg!(feature = "demo") {
        let why = "this build of orgproxy has no demo org; remove --demo";
        return Err(CommandError::Other(why.to_owned()));
    }
    let paths = Paths::of(args);
    let there = read(&paths)?;
    let makes_app = args.client_id.is_none();
    let check = |there: &Configuration, name: &str| {
        refuse_to_replace(there, name)?;
        if makes_app {
            refuse_a_twin(there, name)?;
        }
        Ok(())
    };
    let answers = Answers::of(args, |name| check(&there, name))?;
    // The file may have changed while a person was thinking.
    let there = read(&paths)?;
    check(&there, &answers.name).map_err(CommandError::Other)?;
    make_for(args, &paths, &there, answers).map_err(CommandError::Other)
}

fn make_for(
    args: &InitArgs,
    paths: &Paths,
    there: &Configuration,
    answers: Answers,
) -> Result<(), String> {
    let (key, certificate) = (paths.key(&answers.name), paths.certificate(&answers.name));
    let package = paths.package(&answers.name);
    let passphrase = answers.passphrase;
    let (secret, reference) = passphrase.map(|it| (it.secret, it.reference)).unzip();
    let secret = secret.as_ref().map(|secret| secret.as_slice());
    let is_passphrase_typed = matches!(reference, Some(Reference::Variable(_)));
    let client_id = match &answers.app {
        App::There(client_id) => client_id.clone(),
        App::New { .. } => pair::client_id()?,
    };

    let mut files = Files::default();
    let table = Table {
        name: &answers.name,
        client_id: &client_id,
        username: &answers.username,
        private_key: key.clone(),
        new_key: true,
        passphrase: reference,
        login_url: answers.login_url.as_deref(),
        demo: answers.demo,
    };
    let config = there.add(&table, &mut files)?;
    let pair = Pair::make(&answers.name, &args.key_bits, answers.days, secret)?;
    files.secret(key.clone(), pair.key_pem, None);
    files.text(certificate.clone(), pair.certificate_pem.clone());
    if let App::New { email, classic } = &answers.app {
        let app = package::App {
            name: &answers.name,
            client_id: &client_id,
            email,
            certificate_pem: &pair.certificate_pem,
            classic: *classic,
        };
        files.folder(package.clone(), package::files(&app));
    }
    refuse_to_overwrite(&files, &config, args.force)?;
    let kept = files.write(args.force)?;

    let mut made = vec![
        (
            key.as_path(),
            format!("private key, RSA of {} bits; stays here", pair.bits),
        ),
        (
            certificate.as_path(),
            format!("its certificate, valid until {}", pair.valid_until),
        ),
    ];
    if matches!(answers.app, App::New { .. }) {
        let what = if answers.demo {
            "the app, as another org would need it"
        } else {
            "the app, for the Salesforce CLI to deploy"
        };
        made.push((&package, what.to_owned()));
    }
    made.push((&paths.config, there.change().to_owned()));
    let mut report = Report::default()
        .made(&format!("Made for org {}:", answers.name), &made)
        .kept(&kept)
        .steps("Next:");
    if is_passphrase_typed {
        report = report.step(
            &format!("Put the passphrase into {PASSPHRASE}, here and wherever the proxy runs."),
            &format!("read -rs {PASSPHRASE} && export {PASSPHRASE}"),
        );
    }
    let flag = paths.config_flag();
    // With several orgs, commands must name one.
    let (doctor, query) = match config.orgs.len() {
        1 => (String::new(), String::new()),
        _ => (
            format!(" {}", answers.name),
            format!(" --org {}", answers.name),
        ),
    };
    let doctor = format!("orgproxy doctor{doctor}{flag}");
    let start = match address(&config, &answers.name) {
        Some(address) => format!("Start the proxy. This org is at http://{address}."),
        None => "Start the proxy.".to_owned(),
    };
    if answers.demo {
        report
            .step("Check that everything works.", &doctor)
            .step(
                "Query the built-in org.",
                &format!("orgproxy query \"SELECT Id, Name FROM Account\"{query}{flag}"),
            )
            .step(&start, &format!("orgproxy{flag}"))
            .print();
        return Ok(());
    }
    let step_of_the_app = report.step;
    report = match &answers.app {
        App::New { .. } => report
            .step(
                "Deploy the app. ALIAS is what the Salesforce CLI calls the org.",
                &package::deployment(&answers.name, &package, &answers.username),
            )
            .step(
                "Wait 2 to 10 minutes, sometimes 30, until the app is available everywhere. Then, \
                 back in this folder, check that everything works.",
                &doctor,
            ),
        App::There(_) => report
            .step(
                &format!(
                    "Upload {} to the app: in Setup, External Client App Manager, the app, Settings, \
                     OAuth Settings, Enable JWT Bearer Flow. In a connected app: App Manager, the \
                     app, Edit, Use digital signatures.",
                    certificate.display()
                ),
                "",
            )
            .step("Check that everything works.", &doctor),
    };
    report = report.step(&start, &format!("orgproxy{flag}"));
    if let App::New { classic: false, .. } = answers.app {
        report = by_browser(report, step_of_the_app + 1, &certificate, paths);
    }
    report.print();
    Ok(())
}

/// The first address of an org that a URL can express.
fn address(config: &Config, name: &str) -> Option<SocketAddr> {
    let org = config.org(Some(name)).ok()?;
    let mut plain = org.listen.iter().filter(|listen| !listen.is_https());
    plain.find_map(Listen::address)
}

/// Describes the same app without the Salesforce CLI, in place of a step.
fn by_browser(report: Report, step: usize, certificate: &Path, paths: &Paths) -> Report {
    report
        .steps(&format!(
            "Or without the Salesforce CLI, in the browser, instead of step {step}:"
        ))
        .step(
            &format!(
                "Setup, External Client App Manager, New External Client App: Enable OAuth; any \
                 callback URL, such as http://localhost:1717/OauthRedirect; the scopes api and \
                 refresh_token; Enable JWT Bearer Flow, and upload {}.",
                certificate.display()
            ),
            "",
        )
        .step(
            "In the app, Policies, Edit: Permitted Users 'Admin approved users are \
             pre-authorized', and a permission set that the user has.",
            "",
        )
        .step(
            &format!(
                "In the app, Settings, OAuth Settings, Consumer Key and Secret: copy the consumer \
                 key into client_id of {}, because this app has its own.",
                paths.config.display()
            ),
            "",
        )
}

/// Takes over an org of the Salesforce CLI, with its key.
fn take_over(args: &InitArgs, alias: &str) -> Result<(), String> {
    let paths = Paths::of(args);
    let there = Configuration::read(paths.config.clone())?;
    let name = args.name.as_deref().unwrap_or("main");
    crate::config::check::name(name)
        .and_then(|()| refuse_to_replace(&there, name))
        .map_err(|error| format!("NAME: {error}"))?;
    let known = Known::find(alias)?;
    let mut files = Files::default();
    let table = Table {
        name,
        client_id: &known.client_id,
        username: &known.username,
        private_key: known.private_key.clone(),
        new_key: false,
        passphrase: None,
        login_url: known.login_url.as_deref(),
        demo: false,
    };
    there.add(&table, &mut files)?;
    files.write(false)?;
    let flag = paths.config_flag();
    Report::default()
        .made(
            &format!("Made for org {name}, which is {}:", known.username),
            &[(&paths.config, there.change().to_owned())],
        )
        .note(&format!(
            "The key stays where it is, in {}, and the Salesforce CLI continues to use it.",
            known.private_key.display()
        ))
        .steps("Next:")
        .step(
            "Check that everything works.",
            &format!("orgproxy doctor{flag}"),
        )
        .step("Start the proxy.", &format!("orgproxy{flag}"))
        .print();
    Ok(())
}

fn read(paths: &Paths) -> Result<Configuration, CommandError> {
    Configuration::read(paths.config.clone()).map_err(CommandError::Other)
}

/// The table that people wrote for an org is never replaced, not even with --force.
fn refuse_to_replace(there: &Configuration, name: &str) -> Result<(), String> {
    if there.has(name) {
        Err(format!(
            "{} already has an org {name}; choose another name, run `orgproxy init --rotate-key \
             {name}` to give it a new key, or remove its table to start over",
            there.path.display()
        ))
    } else {
        Ok(())
    }
}

/// Names of apps have fewer letters, so two orgs could get the same one.
fn refuse_a_twin(there: &Configuration, name: &str) -> Result<(), String> {
    let app = package::developer_name(name);
    let is_twin = |other: &String| package::developer_name(other).eq_ignore_ascii_case(&app);
    match there.names().into_iter().find(is_twin) {
        None => Ok(()),
        Some(other) => Err(format!(
            "the app of {name} would be called {app}, like that of org {other} in {}; choose \
             another name",
            there.path.display()
        )),
    }
}

/// Files that an org of `config` uses are not replaced either, not even with --force.
fn refuse_to_overwrite(files: &Files, config: &Config, force: bool) -> Result<(), String> {
    let in_the_way = files.in_the_way();
    for org in &config.orgs {
        let key = org.credential.key_file();
        let certificate = Certificate::path(org);
        for used in [key, certificate.as_deref()].into_iter().flatten() {
            let used = real(used);
            if let Some(path) = in_the_way.iter().find(|path| used.starts_with(real(path))) {
                return Err(format!(
                    "{} is in use by org {}, and nothing was written; choose another name, or \
                     move that elsewhere",
                    path.display(),
                    org.name
                ));
            }
        }
    }
    if force || in_the_way.is_empty() {
        return Ok(());
    }
    let list: Vec<_> = in_the_way
        .iter()
        .map(|path| format!("  {}", path.display()))
        .collect();
    Err(format!(
        "these exist already, and nothing was written:\n{}\nadd --force to replace them, which \
         keeps the old ones as NAME.old",
        list.join("\n")
    ))
}

/// `path` without links.
fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}
