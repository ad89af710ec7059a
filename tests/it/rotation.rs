//! A running proxy takes a changed key without a restart.

use std::{fs, io::Write};

use rustls_pki_types::CertificateDer;
use test_case::test_case;

use crate::support::{Binary, Files, Keys, Org, chmod, client, files::config, path::LIMITS};

/// A passphrase is of no use to a key that is not encrypted, and does no harm.
const ENCRYPTED: &str =
    "private_key = { file = \"server.key\", passphrase = { file = \"passphrase\" } }\n";

#[test_case("private_key = \"server.key\"\n"; "file")]
#[test_case("private_key = { credential = \"server.key\" }\n"; "credential")]
#[tokio::test]
async fn the_next_login_is_signed_with_the_key_that_is_there_then(reference: &str) {
    let org = Org::start().await.unwrap();
    let files = Files::with(&org, reference);
    let proxy = start(&files).await;
    assert_eq!(ask(&proxy).await, 200);

    let next = Next::make();
    org.replace_certificate(next.certificate());
    next.put(&files);
    // What is in use goes on.
    assert_eq!(ask(&proxy).await, 200);
    assert_eq!(org.counts().token_requests, 1);

    org.end_sessions();
    assert_eq!(ask(&proxy).await, 200);
    assert_eq!((org.logins(), org.counts().token_requests), (2, 2));
    proxy
        .log("has changed; the new one is used from now on")
        .await;
}

#[tokio::test]
async fn a_changed_key_ends_the_rest_after_a_refused_login() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let proxy = start(&files).await;
    let next = Next::make();
    org.replace_certificate(next.certificate());
    assert_eq!(ask(&proxy).await, 502);
    assert_eq!(ask(&proxy).await, 502);
    assert_eq!(org.counts().token_requests, 1);

    next.put(&files);
    assert_eq!(ask(&proxy).await, 200);
    assert_eq!(org.counts().token_requests, 2);
}

#[tokio::test]
async fn what_is_not_a_key_leaves_the_old_one_in_use_and_is_reported_once() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let proxy = start(&files).await;
    files.write("server.key", "cut off");
    for _ in 0..3 {
        org.end_sessions();
        assert_eq!(ask(&proxy).await, 200);
    }
    fs::remove_file(files.path("server.key")).unwrap();
    org.end_sessions();
    assert_eq!(ask(&proxy).await, 200);
    assert_eq!(org.logins(), 4);

    let said = proxy.stop().await.stderr;
    let warnings: Vec<_> = said
        .lines()
        .filter(|line| line.contains("cannot be used, so the old one is kept"))
        .collect();
    assert_eq!(warnings.len(), 2, "{said}");
    assert!(
        warnings[0].contains("not hold a complete private key"),
        "{said}"
    );
    assert!(warnings[1].contains("does not exist"), "{said}");
    assert!(warnings[0].contains("WARN"), "{said}");
}

#[tokio::test]
async fn a_key_that_others_could_read_is_taken_as_soon_as_that_is_mended() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let proxy = start(&files).await;
    let next = Next::make();
    chmod(&next.0.path("key.pem"), 0o644);
    org.replace_certificate(next.certificate());
    next.put(&files);
    assert_eq!(ask(&proxy).await, 502);
    proxy.log("run `chmod 600").await;

    chmod(&files.path("server.key"), 0o600);
    assert_eq!(ask(&proxy).await, 200);
    assert_eq!(org.counts().token_requests, 2);
}

#[tokio::test]
async fn a_passphrase_that_comes_later_than_its_key_is_waited_for() {
    let org = Org::start().await.unwrap();
    let files = Files::with(&org, ENCRYPTED);
    files.write("passphrase", "of the next");
    let proxy = start(&files).await;
    let next = Next::make();
    org.replace_certificate(next.certificate());
    next.encrypt("of another");
    next.put(&files);
    assert_eq!(ask(&proxy).await, 502);
    proxy.log("cannot be decrypted with this passphrase").await;

    files.write("passphrase", "of another");
    assert_eq!(ask(&proxy).await, 200);
}

#[tokio::test]
async fn while_a_command_gives_the_passphrase_others_are_served() {
    let org = Org::start().await.unwrap();
    let command = "private_key = { file = \"server.key\", \
        passphrase = { command = [\"cat\", \"passphrase\"] } }\n";
    let files = Files::with(&org, "");
    let config =
        config(&org, command).replace("\"passphrase\"", &format!("{:?}", files.path("passphrase")));
    files.write("proxy.toml", &config);
    files.write("passphrase", "of the next");
    let proxy = start(&files).await;
    let next = Next::make();
    org.replace_certificate(next.certificate());
    next.encrypt("of the next");
    next.put(&files);
    // Nothing is read from a pipe before something is written to it.
    fs::remove_file(files.path("passphrase")).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(files.path("passphrase"))
        .status();
    assert!(made.unwrap().success());

    let url = proxy.url(LIMITS).await;
    let waits = tokio::spawn(client().get(url).send());
    let pipe = files.path("passphrase");
    // Opened once the command reads.
    let pipe = tokio::task::spawn_blocking(move || fs::File::create(pipe).unwrap());
    let mut pipe = pipe.await.unwrap();
    // A login is made on the thread that accepts connections, so a new one shows whether it is free.
    let elsewhere = client()
        .get(proxy.url("/").await)
        .header("host", "elsewhere.example");
    assert_eq!(elsewhere.send().await.unwrap().status(), 421);
    assert!(!waits.is_finished());

    pipe.write_all(b"of the next").unwrap();
    drop(pipe);
    assert_eq!(waits.await.unwrap().unwrap().status(), 200);
}

/// One that has read its key.
async fn start(files: &Files) -> Binary {
    let mut command = Binary::command(&["--config", &files.config()]);
    command.env("CREDENTIALS_DIRECTORY", files.folder());
    let proxy = Binary::spawn(command);
    proxy.address().await;
    proxy
}

/// The status of one request.
async fn ask(proxy: &Binary) -> u16 {
    let url = proxy.url(LIMITS).await;
    let answer = client().get(url).send().await.unwrap();
    answer.status().as_u16()
}

/// The key that comes next.
struct Next(Keys);

impl Next {
    fn make() -> Self {
        let keys = Keys::new();
        keys.openssl("req -x509 -new -key key.pem -subj /CN=next -outform der -out cert.der");
        Self(keys)
    }

    fn certificate(&self) -> CertificateDer<'static> {
        fs::read(self.0.path("cert.der")).unwrap().into()
    }

    /// Encrypts it with this passphrase from now on.
    fn encrypt(&self, passphrase: &str) {
        fs::write(self.0.path("passphrase"), passphrase).unwrap();
        self.0.openssl(
            "pkcs8 -topk8 -v2 aes-256-cbc -in key.pem -passout file:passphrase -out encrypted.pem",
        );
        fs::rename(self.0.path("encrypted.pem"), self.0.path("key.pem")).unwrap();
    }

    /// Puts it in place of the one that is there, whose inode may be any's.
    fn put(&self, files: &Files) {
        fs::copy(self.0.path("key.pem"), files.path("next.key")).unwrap();
        fs::rename(files.path("next.key"), files.path("server.key")).unwrap();
    }
}
