//! A running proxy takes a changed key without a restart.

use std::{fs, io::Write, os::unix::fs::FileExt};

use rustix::process::geteuid;
use rustls_pki_types::CertificateDer;
use test_case::test_case;

use crate::support::{
    Binary, Files, Keys, Org, chmod, client, files::config, keys::locked, path::LIMITS, skip,
};

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

/// A search that finds nothing anywhere shows nothing, so it has to find what is in use.
#[test_case("private_key = \"server.key\"\n", ""; "plain")]
#[test_case(ENCRYPTED, "of-both"; "encrypted")]
#[tokio::test]
async fn nothing_of_the_old_key_stays_in_memory(reference: &str, passphrase: &str) {
    if !geteuid().is_root() {
        return skip("only root reads the memory of another program");
    }
    let org = Org::start().await.unwrap();
    let files = Files::with(&org, reference);
    files.write("passphrase", passphrase);
    if !passphrase.is_empty() {
        files.write("server.key", &locked(org.private_key_pem(), passphrase));
    }
    let proxy = start(&files).await;
    assert_eq!(ask(&proxy).await, 200);
    let old = Remains::of(org.private_key_pem());
    assert!(!old.found_in(&proxy).is_empty(), "the key is not found");

    let next = Next::make();
    let new = Remains::of(&fs::read_to_string(next.0.path("key.pem")).unwrap());
    assert_eq!(new.found_in(&proxy), Vec::<String>::new());
    if !passphrase.is_empty() {
        next.encrypt(passphrase);
    }
    org.replace_certificate(next.certificate());
    next.put(&files);
    org.end_sessions();
    assert_eq!(ask(&proxy).await, 200);
    assert_eq!(org.logins(), 2);
    assert!(!new.found_in(&proxy).is_empty(), "the new key is not found");
    assert_eq!(old.found_in(&proxy), Vec::<String>::new());
}

/// What may be left of a key in memory, and what each is.
struct Remains(Vec<(String, Vec<u8>)>);

impl Remains {
    fn of(pem: &str) -> Self {
        let mut traces = Vec::new();
        let lines = pem.lines().filter(|line| !line.starts_with("---"));
        // The first is much the same in all keys.
        for (number, line) in lines.enumerate().skip(1) {
            if line.len() > 32 {
                traces.push((format!("line {number} of the PEM"), line[..32].into()));
            }
        }
        let (_, der) = pkcs8::SecretDocument::from_pem(pem).unwrap();
        let info: pkcs8::PrivateKeyInfoRef<'_> = der.decode_msg().unwrap();
        let numbers: pkcs1::RsaPrivateKeyRef<'_> =
            pkcs1::der::Decode::from_der(info.private_key.as_bytes()).unwrap();
        for (name, number) in [
            ("d", numbers.private_exponent),
            ("p", numbers.prime1),
            ("q", numbers.prime2),
            ("d mod p-1", numbers.exponent1),
            ("d mod q-1", numbers.exponent2),
            ("1/q mod p", numbers.coefficient),
        ] {
            let bytes = number.as_bytes();
            for (part, at) in [
                ("start", 0),
                ("middle", bytes.len() / 2),
                ("end", bytes.len() - 24),
            ] {
                let piece = &bytes[at..at + 24];
                // Arithmetic has the last digits first.
                let reversed = piece.iter().rev().copied().collect();
                traces.push((format!("the {part} of {name}"), piece.to_owned()));
                traces.push((format!("the {part} of {name}, reversed"), reversed));
            }
        }
        Self(traces)
    }

    /// Returns what is found in all memory that a program can write to, and where.
    fn found_in(&self, program: &Binary) -> Vec<String> {
        let starts: Vec<_> = (0..=u8::MAX)
            .map(|first| {
                let begins = |trace: &&(String, Vec<u8>)| trace.1[0] == first;
                self.0.iter().filter(begins).collect::<Vec<_>>()
            })
            .collect();
        let memory = fs::File::open(program.proc("mem")).unwrap();
        let maps = fs::read_to_string(program.proc("maps")).unwrap();
        let mut found = Vec::new();
        let mut searched = 0;
        for map in maps.lines() {
            let (range, rest) = map.split_once(' ').unwrap();
            let (from, to) = range.split_once('-').unwrap();
            let address = |text| u64::from_str_radix(text, 16).unwrap();
            let (from, to) = (address(from), address(to));
            if !rest.starts_with("rw") {
                continue;
            }
            let mut bytes = vec![0; usize::try_from(to - from).unwrap()];
            // Some the system has made for itself.
            if memory.read_exact_at(&mut bytes, from).is_err() {
                continue;
            }
            searched += bytes.len();
            for (at, first) in bytes.iter().enumerate() {
                for (what, trace) in &starts[usize::from(*first)] {
                    if bytes[at..].starts_with(trace) {
                        found.push(format!("{what} at {:x} of {map}", from + at as u64));
                    }
                }
            }
        }
        assert!(searched > 1 << 20, "{searched}");
        found
    }
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
