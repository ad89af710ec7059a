//! The next key of an existing org: created beside the current one, which stays in use until both
//! the app and the proxy are switched.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rustls_pki_types::{CertificateDer, pem::PemObject};

use super::{
    access::Access,
    files::{Files, first_free},
    pair::Pair,
    paths::Paths,
    report::Report,
};
use crate::{
    cli::InitArgs,
    command::CommandError,
    config::{Certificate, Config, Credential, Org, Overrides},
    system::terminal,
};

pub(super) fn run(args: &InitArgs) -> Result<(), CommandError> {
    let paths = Paths::of(args);
    let config = Config::load(paths.named_config(), &Overrides::default())?;
    let org = config.org(args.name.as_deref())?;
    rotate(args, &paths, &config, org).map_err(CommandError::Other)
}

fn rotate(args: &InitArgs, paths: &Paths, config: &Config, org: &Org) -> Result<(), String> {
    let Credential::JwtBearer(app) = &org.credential;
    let source = app.key_source.as_ref();
    let key = source.and_then(|source| source.file()).ok_or_else(|| {
        format!(
            "the key of {} is not kept in a file, so the next one cannot be put beside it; create \
             a pair with `orgproxy init --client-id {} --folder next`, and put its key where the \
             old one is kept",
            org.name,
            terminal::quoted(&app.client_id)
        )
    })?;
    let access =
        Access::of(key).map_err(|error| format!("{}: cannot be read: {error}", key.display()))?;
    let passphrase = source.map_or(Ok(None), |source| source.passphrase())?;
    let passphrase = passphrase.as_ref().map(|passphrase| passphrase.as_slice());
    let certificate = match Certificate::of(org) {
        Ok(certificate) => certificate.path,
        Err(_) => key.with_extension("crt"),
    };
    let next_key = named(key, "next", "key");
    let next_certificate = named(key, "next", "crt");
    let package = Paths::package_beside(key, &org.name);

    let pair = Pair::make(&org.name, &args.key_bits, args.days, passphrase)?;
    let mut files = Files::default();
    files.secret(next_key.clone(), pair.key_pem, Some(access));
    files.text(next_certificate.clone(), pair.certificate_pem.clone());
    // The package has the certificate of the key in use, or that of a rotation that was not
    // finished.
    let olds = [certificate.as_path(), &next_certificate];
    let rewritten = replace(&package, &olds, &pair.certificate_pem);
    let has_package = !rewritten.is_empty();
    for (path, before, text) in rewritten {
        files.change(path, Some(before), text);
    }
    super::refuse_to_overwrite(&files, config, args.force)?;
    let kept = files.write(args.force)?;

    let mut made = vec![
        (
            next_key.as_path(),
            format!("the next key, RSA of {} bits", pair.bits),
        ),
        (
            next_certificate.as_path(),
            format!("its certificate, valid until {}", pair.valid_until),
        ),
    ];
    if has_package {
        made.push((&package, "the app, now with that certificate".to_owned()));
    }
    let moves = moves(&[(key, &next_key), (&certificate, &next_certificate)], key);
    let report = Report::default()
        .made(
            &format!("Made for org {}, whose key is unchanged:", org.name),
            &made,
        )
        .kept(&kept)
        .steps("To switch, in this order:");
    let report = match access.what_is_missing(&next_key) {
        None => report,
        Some(commands) => report.step(
            "As root, let those who read the key in use read the next one: orgproxy was not \
             allowed to arrange that.",
            &commands,
        ),
    };
    let doctor = format!("orgproxy doctor {}{}", org.name, paths.config_flag());
    let report = match (&org.demo, has_package) {
        (Some(_), _) => report
            .step("Put the next key in place.", &moves)
            .step(
                "Restart orgproxy: the demo org reads its certificate only when it starts. With \
                 any other org, a running proxy uses the new key at its next login.",
                "",
            )
            .step("Check that everything works.", &doctor),
        (None, true) => report.step(
            "Deploy the app. From then on logins with the old key fail, but sessions in use \
             continue.",
            &format!(
                "(cd {} &&\n  sf project deploy start --source-dir app --target-org ALIAS)",
                terminal::quoted_path(&package)
            ),
        ),
        (None, false) => report.step(
            &format!(
                "Upload {} to the app, in place of its certificate. From then on logins with the \
                 old key fail, but sessions in use continue.",
                next_certificate.display()
            ),
            "",
        ),
    };
    let report = match org.demo {
        Some(_) => report,
        None => report
            .step("Immediately after that, put the next key in place.", &moves)
            .step(
                "Check that everything works. A running proxy uses the new key at its next login, \
                 without a restart.",
                &doctor,
            ),
    };
    report.print();
    Ok(())
}

/// `main.next.key` for `main.key`.
fn named(key: &Path, which: &str, extension: &str) -> PathBuf {
    let stem = key.file_stem().unwrap_or_default().to_string_lossy();
    key.with_file_name(format!("{stem}.{which}.{extension}"))
}

/// The commands to type: the old file of each pair is renamed, and the next takes its place.
fn moves(pairs: &[(&Path, &PathBuf)], key: &Path) -> String {
    let mut lines = String::new();
    for (current, next) in pairs {
        let extension = current.extension().unwrap_or_default().to_string_lossy();
        let old = first_free(|old| named(key, old, &extension));
        if current.exists() {
            lines += &format!(
                "mv {} {}\n",
                terminal::quoted_path(current),
                terminal::quoted_path(&old)
            );
        }
        lines += &format!(
            "mv {} {}\n",
            terminal::quoted_path(next),
            terminal::quoted_path(current)
        );
    }
    lines
}

/// The files of the package that have an old certificate, each as it is and with the new one in its
/// place. The rest of them is the owner's.
fn replace(package: &Path, olds: &[&Path], new: &str) -> Vec<(PathBuf, String, String)> {
    let olds: Vec<_> = olds
        .iter()
        .filter_map(|old| body(&fs::read_to_string(old).ok()?))
        .collect();
    let Some(new) = body(new) else {
        return Vec::new();
    };
    let mut changed = Vec::new();
    let mut folders = vec![package.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            // Links are not followed: they may lead out of the package, or in circles.
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file()
                && let Ok(text) = fs::read_to_string(entry.path())
                && let Some(old) = olds.iter().find(|old| text.contains(*old))
            {
                let with_new = text.replace(old, &new);
                changed.push((entry.path(), text, with_new));
            }
        }
    }
    changed
}

/// The lines between BEGIN and END, if there is a certificate between them. The package never has
/// one in DER.
fn body(pem: &str) -> Option<String> {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
    x509_parser::parse_x509_certificate(&der).ok()?;
    let lines: Vec<_> = pem
        .lines()
        .skip_while(|line| !line.starts_with(BEGIN))
        .skip(1)
        .take_while(|line| !line.starts_with("-----"))
        .collect();
    Some(lines.join("\n")).filter(|body| !body.is_empty())
}

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
