//! The next key of an org that is there: made beside the one that it has, which goes on until both
//! the app and the proxy are switched.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{files::Files, pair::Pair, paths::Paths, report::Report};
use crate::{
    cli::InitArgs,
    command::CommandError,
    config::{Certificate, Config, Org, Overrides},
};

pub(super) fn run(args: &InitArgs) -> Result<(), CommandError> {
    let paths = Paths::of(args);
    let config = Config::load(Some(&paths.config), &Overrides::default())?;
    let org = choose(&config, args.name.as_deref()).map_err(CommandError::Other)?;
    rotate(args, &paths, org).map_err(CommandError::Other)
}

fn rotate(args: &InitArgs, paths: &Paths, org: &Org) -> Result<(), String> {
    let source = org.key_source.as_ref();
    let key = source.and_then(|source| source.file()).ok_or_else(|| {
        format!(
            "the key of {} is not kept in a file, so the next one cannot lie beside it; make a pair \
             with `orgproxy init --client-id {} --folder next`, and put its key where the old one \
             is kept",
            org.name, org.client_id
        )
    })?;
    let passphrase = source.map_or(Ok(None), |source| source.passphrase())?;
    let passphrase = passphrase.as_ref().map(|passphrase| passphrase.as_slice());
    let old = Certificate::of(org).ok();
    let certificate = match &old {
        Some(old) => old.path.clone(),
        None => key.with_extension("crt"),
    };
    let next_key = named(key, "next", "key");
    let next_certificate = named(key, "next", "crt");
    let package = Paths::package_beside(key, &org.name);

    let pair = Pair::make(&org.name, &args.key_bits, args.days, passphrase)?;
    let mut files = Files::default();
    files.secret(next_key.clone(), pair.key_pem);
    files.text(next_certificate.clone(), pair.certificate_pem.clone());
    let rewritten = match &old {
        Some(old) => replace(&package, &old.path, &pair.certificate_pem)?,
        None => Vec::new(),
    };
    let has_package = !rewritten.is_empty();
    for (path, text) in rewritten {
        files.change(path, text);
    }
    super::refuse_to_overwrite(&files, args.force)?;
    let kept = files.write()?;

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
            &format!("Made for org {}, whose key is as it was:", org.name),
            &made,
        )
        .kept(&kept)
        .steps("To switch, in this order:");
    let report = match has_package {
        true => report.step(
            "Deploy the app. From then on logins with the old key fail, but sessions in use go on.",
            &format!(
                "(cd {} &&\n  sf project deploy start --source-dir app --target-org ALIAS)",
                package.display()
            ),
        ),
        false if org.demo.is_some() => report,
        false => report.step(
            &format!(
                "Upload {} to the app, in place of its certificate. From then on logins with the \
                 old key fail, but sessions in use go on.",
                next_certificate.display()
            ),
            "",
        ),
    };
    let report = report.step("At once after that, put the next key in place.", &moves);
    let report = match org.demo.is_some() {
        true => report.step(
            "Start orgproxy anew: the demo org looks at its certificate only then. With any other \
             org a running proxy takes the new key at its next login.",
            "",
        ),
        false => report.step(
            "See whether all is well. A running proxy takes the new key at its next login, without \
             a restart.",
            &format!("orgproxy doctor {}{}", org.name, paths.config_flag()),
        ),
    };
    report.print();
    Ok(())
}

fn choose<'a>(config: &'a Config, name: Option<&str>) -> Result<&'a Org, String> {
    let names: Vec<_> = config.orgs.iter().map(|org| org.name.as_str()).collect();
    let names = names.join(", ");
    match (name, config.orgs.as_slice()) {
        (None, [org]) => Ok(org),
        (None, _) => Err(format!(
            "say whose key, of {names}: `orgproxy init --rotate-key NAME`"
        )),
        (Some(name), orgs) => orgs
            .iter()
            .find(|org| org.name == name)
            .ok_or_else(|| format!("there is no org {name}; there is {names}")),
    }
}

/// `main.next.key` for `main.key`.
fn named(key: &Path, which: &str, extension: &str) -> PathBuf {
    let stem = key.file_stem().unwrap_or_default().to_string_lossy();
    key.with_file_name(format!("{stem}.{which}.{extension}"))
}

/// What to type: the old one of each pair goes aside, and the next takes its place.
fn moves(pairs: &[(&Path, &PathBuf)], key: &Path) -> String {
    let mut lines = String::new();
    for (current, next) in pairs {
        let extension = current.extension().unwrap_or_default().to_string_lossy();
        let old = named(key, "old", &extension);
        if current.exists() {
            lines += &format!("mv {} {}\n", current.display(), old.display());
        }
        lines += &format!("mv {} {}\n", next.display(), current.display());
    }
    lines
}

/// The files of the package that have the old certificate, with the new one in its place: all else
/// in them is as its owner wants it.
fn replace(package: &Path, old: &Path, new: &str) -> Result<Vec<(PathBuf, String)>, String> {
    let Ok(old) = fs::read_to_string(old) else {
        // DER, which is not one of ours.
        return Ok(Vec::new());
    };
    let (old, new) = (body(&old), body(new));
    let mut changed = Vec::new();
    let mut folders = vec![package.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            match fs::read_to_string(&path) {
                _ if path.is_dir() => folders.push(path),
                Ok(text) if !old.is_empty() && text.contains(&old) => {
                    changed.push((path, text.replace(&old, &new)));
                }
                _ => {}
            }
        }
    }
    Ok(changed)
}

/// The lines between BEGIN and END.
fn body(pem: &str) -> String {
    let lines: Vec<_> = pem
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .collect();
    lines.join("\n")
}
