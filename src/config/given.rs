//! Names of files, programs and variables, as a person gives them. The name of something that
//! exists is printed. Any other may be the secret itself in place of its name, so it is printed
//! only if it can be nothing but a name, and otherwise described.

use std::{
    env,
    path::{Path, PathBuf},
};

use super::look::Look;
use crate::system::{escape, quote};

/// The path of a file that must exist; a relative one starts in `folder`.
///
/// # Errors
/// If it is not a path, or there is no such file and it might not be a path.
pub(super) fn file(text: &str, folder: &Path) -> Result<PathBuf, String> {
    let path = place(text, folder)?;
    let Some((there, rest)) = split(&path) else {
        return Ok(path);
    };
    let is_anchored = ["/", "./", "../", "~/"]
        .iter()
        .any(|start| text.starts_with(start));
    let has_extension = Path::new(text)
        .extension()
        .is_some_and(|extension| EXTENSIONS.iter().any(|known| extension == *known));
    if rest.split('/').all(is_wordy) && (is_anchored || has_extension) {
        return Ok(path);
    }
    let there = if there.as_os_str().is_empty() {
        "the current folder".to_owned()
    } else {
        there.display().to_string()
    };
    Err(format!(
        "does not exist: {there} has nothing of that name ({}); correct the path",
        described(text)
    ))
}

/// The path of something that exists or can be created.
///
/// # Errors
/// If it is not a path.
pub(super) fn place(text: &str, folder: &Path) -> Result<PathBuf, String> {
    if text.is_empty() {
        return Err("must not be empty".to_owned());
    }
    if text.contains("://") {
        return Err(format!("must be a path, not a URL ({})", described(text)));
    }
    if is_content(text, folder) {
        Err(format!(
            "must be a path, not the content of the file ({}); write that to a file, and use the \
             path of the file",
            described(text)
        ))
    } else {
        Ok(folder.join(text))
    }
}

/// Returns whether it is the content of a file instead of a path.
pub(super) fn is_content(text: &str, folder: &Path) -> bool {
    if text.contains(char::is_control) || text.len() > LONGEST_PATH {
        return true;
    }
    let path = folder.join(text);
    let Some((there, _)) = split(&path) else {
        return false;
    };
    match Look::of(text) {
        None => text.split('/').any(|part| part.len() > LONGEST_NAME),
        // Base64 has slashes as well, but the text before one is hardly the name of a folder.
        Some(Look::Base64) => there == folder || there == Path::new("/"),
        Some(_) => true,
    }
}

/// A value for a message: itself if it is short and cannot hold a secret, else a description.
pub(crate) fn shown(text: &str) -> String {
    let is_plain = text.chars().count() <= LONGEST_SHOWN
        && Look::of(text).is_none()
        && !text.split(|c| !is_base64(c)).any(is_random)
        && !text
            .split(|c: char| !c.is_ascii_alphanumeric())
            .any(looks_encoded)
        && !has_token(text)
        && !text.split_whitespace().any(is_password)
        && quote::without_sessions(text) == text
        && !text
            .rsplit_once('@')
            .is_some_and(|(before, _)| before.contains(':'))
        && !text.contains(escape::is_tricky);
    if is_plain {
        format!("{text:?}")
    } else {
        format!("the value ({})", described(text))
    }
}

/// A word for a message: like [`shown`], without quotes.
pub(crate) fn word(text: &str) -> String {
    if shown(text).starts_with('"') {
        text.to_owned()
    } else {
        format!("({})", described(text))
    }
}

/// An environment variable, for a message.
pub(super) fn variable(name: &str) -> String {
    let mut words = name.split('_');
    let is_word = |word: &str| {
        let letters = word.trim_end_matches(|c: char| c.is_ascii_digit());
        word.len() - letters.len() <= 3
            && (1..=20).contains(&letters.len())
            && letters.chars().all(|c| c.is_ascii_uppercase())
    };
    let is_plain = name.contains('_') && words.all(is_word);
    // No variable has a zero byte or an equals sign in its name, and asking for one would panic.
    let is_there = !name.contains(['=', '\0']) && env::var_os(name).is_some();
    if is_plain || is_there {
        format!("environment variable {name}")
    } else {
        "the environment variable of that name".to_owned()
    }
}

/// A program, for a message.
pub(super) fn program(name: &str) -> String {
    let search = env::var_os("PATH").unwrap_or_default();
    let is_there = if name.contains('/') {
        file(name, Path::new("")).is_ok()
    } else {
        env::split_paths(&search).any(|folder| folder.join(name).exists())
    };
    if is_there && !name.is_empty() {
        format!("command {name}")
    } else {
        "the command of that name".to_owned()
    }
}

/// A credential, for a message.
pub(super) fn credential(name: &str) -> String {
    let folder = env::var_os("CREDENTIALS_DIRECTORY").unwrap_or_default();
    match file(name, Path::new(&folder)) {
        Ok(_) => format!("credential {name}"),
        Err(_) => "the credential of that name".to_owned(),
    }
}

/// A description that reveals nothing.
fn described(text: &str) -> String {
    let length = text.chars().count();
    match Look::of(text) {
        Some(look) => format!("{length} characters that look like {look}"),
        None => format!("{length} characters, not shown because they may be secret"),
    }
}

/// The existing folder on the way to `path`, and the rest of the path; nothing if all of it exists.
fn split(path: &Path) -> Option<(&Path, String)> {
    if path.symlink_metadata().is_ok() {
        return None;
    }
    let there = path
        .ancestors()
        .skip(1)
        .find(|folder| folder.as_os_str().is_empty() || folder.exists())
        .unwrap_or_else(|| Path::new(""));
    let rest = path.strip_prefix(there).unwrap_or(path);
    Some((there, rest.display().to_string()))
}

/// Returns whether it consists of words and numbers as people write them, which random text does
/// not.
fn is_wordy(part: &str) -> bool {
    let is_word = |word: &str| {
        let letters = word.trim_end_matches(|c: char| c.is_ascii_digit());
        let tail = letters.chars().skip(1);
        word.len() - letters.len() <= 8
            && letters.chars().count() <= 24
            && letters.chars().all(char::is_alphabetic)
            && (tail.clone().all(char::is_lowercase) || letters.chars().all(char::is_uppercase))
    };
    part.split(['-', '_', '.', ' ', '~']).all(is_word)
}

fn looks_encoded(word: &str) -> bool {
    Look::of(word).is_some()
}

/// Returns whether it may hold a token, which is long and has digits among its letters. What a dot
/// follows is part of a host, where names such as `orgfarm-1a2b3c4d5e-dev-ed` are usual.
fn has_token(text: &str) -> bool {
    let is_joined = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    let is_token = |run: &str| {
        let count = |is: fn(&char) -> bool| run.chars().filter(is).count();
        let (letters, digits) = (
            count(char::is_ascii_alphabetic),
            count(char::is_ascii_digit),
        );
        letters > 0 && digits >= 4 && letters + digits >= SHORTEST_TOKEN && !is_wordy(run)
    };
    text.split_inclusive(|c| !is_joined(c))
        .filter(|run| !run.ends_with('.'))
        .any(|run| is_token(run.trim_end_matches(|c| !is_joined(c))))
}

/// Returns whether it has all kinds of characters that the rules for passwords ask for.
fn is_password(word: &str) -> bool {
    let has = |is: fn(char) -> bool| word.contains(is);
    word.len() >= SHORTEST_PASSWORD
        && !word.contains("://")
        && has(|c| c.is_ascii_lowercase())
        && has(|c| c.is_ascii_uppercase())
        && has(|c| c.is_ascii_digit())
        && has(|c| "!#$%^&*".contains(c))
}

fn is_base64(c: char) -> bool {
    c.is_ascii_alphanumeric() || "+/-_=".contains(c)
}

/// Returns whether it may be a short piece of base64, such as the last line of a key, instead of a
/// name: names have few capitals, and digits at the end only.
fn is_random(text: &str) -> bool {
    let has_digits_inside = || {
        let parts = text.split(|c: char| !c.is_ascii_alphanumeric());
        parts
            .map(|part| part.trim_end_matches(|c: char| c.is_ascii_digit()))
            .any(|part| part.contains(|c: char| c.is_ascii_digit()))
    };
    let capitals = text.chars().filter(char::is_ascii_uppercase).count();
    text.len() >= SHORTEST_RANDOM
        && text.contains(|c: char| c.is_ascii_lowercase())
        && capitals > 0
        && (capitals > text.len() / 3 || has_digits_inside())
}

/// The extensions of files with keys, certificates, secrets and configurations.
const EXTENSIONS: &[&str] = &[
    "key", "pem", "crt", "cer", "cert", "der", "p8", "p12", "pfx", "jks", "p7b", "p7c", "ca",
    "txt", "toml", "pass", "secret", "sock",
];

/// Bytes, on Linux.
const LONGEST_PATH: usize = 4095;
const LONGEST_NAME: usize = 255;

/// Bytes: longer than any host, number or word that a setting takes.
const LONGEST_SHOWN: usize = 120;

/// Bytes: what is shorter gives away too little of a key to be of use.
const SHORTEST_RANDOM: usize = 12;

/// Letters and digits.
const SHORTEST_TOKEN: usize = 16;

/// Bytes.
const SHORTEST_PASSWORD: usize = 8;

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("server.key")]
    #[test_case("keys/acme-prod.pem")]
    #[test_case("/run/secrets/sf_key")]
    #[test_case("~/none")]
    #[test_case("./none")]
    #[test_case("../Keys/Server 2.key"; "with a space")]
    fn what_can_only_be_a_path_is_shown(text: &str) {
        let folder = tempfile::tempdir().unwrap();
        file(text, folder.path()).unwrap();
    }

    #[test_case("hunter2"; "a password")]
    #[test_case("correct-horse-battery"; "a passphrase")]
    #[test_case("S3cr3t/Pa55.key"; "a password with an extension")]
    #[test_case("/9j/4AAQSkZJRg"; "base64 that starts like a path")]
    #[test_case("9s8dfj3kdQ=="; "the end of base64")]
    #[test_case("q7/Zk3rT9xvbn+u1/w8Kfg=="; "base64 with slashes")]
    #[test_case("MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSj/AgEAAo"; "base64 of DER")]
    #[test_case("two\nlines.key"; "lines")]
    #[test_case("00Dxx0000001gPL!AQ4AQDx.key"; "a token")]
    fn what_may_be_a_secret_is_described(text: &str) {
        let folder = tempfile::tempdir().unwrap();
        for said in [
            file(text, folder.path()).unwrap_err(),
            variable(text),
            program(text),
            credential(text),
        ] {
            assert!(!said.contains(text), "{said}");
            let pieces = text.split(['/', '\n', '.']);
            for piece in pieces.filter(|piece| piece.len() > 5) {
                assert!(!said.contains(piece), "{piece}: {said}");
            }
        }
    }

    #[test]
    fn a_url_is_no_path() {
        let said = place("redis://:hunter2pass@b.example", Path::new("")).unwrap_err();
        assert!(
            said.contains("not a URL") && !said.contains("hunter2"),
            "{said}"
        );
    }

    #[test]
    fn what_is_there_is_shown_whatever_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let name = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSj";
        std::fs::write(folder.path().join(name), "").unwrap();
        assert_eq!(file(name, folder.path()), Ok(folder.path().join(name)));
    }

    #[test_case("SF_PASSPHRASE" => true)]
    #[test_case("ORGPROXY_TEST_KEY2" => true)]
    #[test_case("PATH" => true; "one that is set")]
    #[test_case("JBSWY3DPEHPK3PXP" => false; "base32")]
    #[test_case("hunter_2" => false)]
    #[test_case("a=b" => false; "not a name")]
    fn a_variable_is_shown_by_its_form(name: &str) -> bool {
        variable(name).ends_with(name)
    }

    #[test_case("https://login.salesforce.com" => true)]
    #[test_case("two words" => true)]
    #[test_case("https://me:pa ss@gateway" => false)]
    #[test_case("MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSj" => false)]
    #[test_case("!Q2w#E4r%T6y^U8i*" => false; "a password of all kinds of characters")]
    #[test_case("password: Tr0ub4dor&3" => false; "a password and its name")]
    #[test_case("https://Acme2.my.salesforce.com/#setup" => true)]
    #[test_case("UNflxU1TVHhjoHrUaJ44" => false; "the last line of a key")]
    #[test_case("1/0UjzxsMLWANH4XU4gt" => false; "the last line with a slash")]
    #[test_case("client_key: UNflxU1TVHhjoHrUaJ44" => false; "more than the secret")]
    #[test_case("X-Orgproxy-Key: 9f86d081884c7d659a2feaa0c55ad015" => false; "a hexadecimal key and its name")]
    #[test_case("client_key=9f86d081884c7d659a2feaa0c55ad015" => false; "a hexadecimal key that is set")]
    #[test_case("Bearer 00Dxx0000001gPL!AQ.EA_Q" => false; "a session")]
    #[test_case("eyJh.eyJp.c2ln" => false; "an assertion")]
    #[test_case("sid_00Dxx1gPL%21AQ.EA" => false; "a session joined to a word and escaped")]
    #[test_case("00Dxx1gPL&#33;AQ.EA" => false; "a session escaped as in HTML")]
    #[test_case("https://gateway/?key=UNflxU1TVHhjoHrUaJ44" => false; "in a URL")]
    #[test_case("info\u{202e}" => false; "a character that turns the rest around")]
    #[test_case("ghp_0123456789abcdef012345" => false; "a token with its kind before it")]
    #[test_case("sk-live-abcdef0123456789" => false; "a token of letters and then digits")]
    #[test_case("key=sk-a1b2c3d4e5f6g7h8, please" => false; "a token in other words")]
    #[test_case("https://orgfarm-1a2b3c4d5e-dev-ed.develop.my.salesforce.com" => true)]
    #[test_case("acme--dev1sandbox2026.sandbox.my.salesforce.com:8443" => true)]
    #[test_case("acme-production-2026-11-28" => true)]
    #[test_case("2026-11-28T10:00:00Z" => true)]
    #[test_case("/services/data/v62.0/sobjects/Account2026" => true)]
    #[test_case("integration.user2026@acme.com.sandbox1" => true)]
    #[test_case("loginUrlOfTheOrg" => true)]
    #[test_case("AcmeProduction-Org2" => true)]
    #[test_case("INFORMATION" => true)]
    fn a_value_is_shown_if_it_holds_no_secret(text: &str) -> bool {
        shown(text).contains(text) && word(text) == text
    }
}
