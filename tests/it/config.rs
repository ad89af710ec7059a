//! `proxy.toml`, every file in `tests/config`, and what goes over the file.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use clap::Parser;
use orgproxy::{
    cli,
    config::{Config, KEYS, Key, Listen, Overrides, Scope},
};

use test_case::test_case;

use crate::support::{Keys, chmod};

/// The settings of `[limits]` that are numbers.
const COUNTS: [&str; 4] = ["connections", "requests", "headers", "user_sessions"];
const SIZES: [&str; 4] = ["header_bytes", "body_rate", "replay_bytes", "replay_memory"];

/// Set to write down what is reported now as what is expected. Read the difference.
const BLESS: &str = "BLESS";

#[test]
fn every_valid_file_loads() {
    let folder = Folder::new();
    let files = files("valid");
    for file in &files {
        if let Err(error) = folder.load(&fs::read_to_string(file).unwrap()) {
            panic!("{}:\n{error}", file.display());
        }
    }
    assert_eq!(files.len(), 4);
}

#[test]
fn every_invalid_file_is_refused_with_what_is_wrong() {
    let folder = Folder::new();
    let files = files("invalid");
    for file in &files {
        let error = folder.load(&fs::read_to_string(file).unwrap()).unwrap_err();
        let expected = file.with_extension("expected");
        if std::env::var_os(BLESS).is_some() {
            fs::write(&expected, format!("{error}\n")).unwrap();
        }
        let expected = fs::read_to_string(&expected).unwrap();
        assert_eq!(format!("{error}\n"), expected, "{}", file.display());
    }
    assert_eq!(files.len(), 24);
}

#[test]
fn the_example_works_once_three_values_are_filled_in() {
    let folder = Folder::new();
    let example = include_str!("../../proxy.toml");
    let error = folder.load(example).unwrap_err();
    assert_eq!(
        error.matches("still the example's value").count(),
        2,
        "{error}"
    );
    assert_eq!(error.lines().count(), 2, "{error}");

    folder.load(&filled_in(example)).unwrap();
}

#[test]
fn what_the_example_shows_is_the_default() {
    let folder = Folder::new();
    let example = filled_in(include_str!("../../proxy.toml"));
    let bare = format!("{:?}", folder.load(&example).unwrap());

    let uncommented: Vec<_> = example
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(setting) if is_default(setting) => setting,
            _ => line,
        })
        .collect();
    let shown = uncommented.join("\n");
    assert_eq!(shown.lines().filter(|line| is_default(line)).count(), 30);
    assert_eq!(format!("{:?}", folder.load(&shown).unwrap()), bare);

    /// The lines that show an example, and `threads`, which follows from the machine, are not.
    fn is_default(line: &str) -> bool {
        let examples = [
            "threads",
            "access_log",
            "private_key",
            "hosts",
            "pubsub",
            "budget",
            "policy",
            "users",
            "trusted_hosts",
            "ca_file",
            "state_dir",
            "pid_file",
            "certificate",
            "client_ca",
            "minimum_api_version",
            "client_key",
            "allow_origins",
        ];
        match line.split_once(" = ") {
            Some((key, _)) => {
                key.chars().all(|c| c == '_' || c.is_ascii_alphanumeric())
                    && !["client_id", "username"].contains(&key)
                    && !examples.contains(&key)
            }
            None => false,
        }
    }
}

#[test]
fn a_flag_goes_before_a_variable_and_a_variable_before_the_file() {
    let folder = Folder::new();
    let file = format!("threads = 1\nlog = \"warn\"\ngrace = \"1s\"\n{MINIMAL}");
    let mut overrides = Overrides::default();
    flag(&mut overrides, "threads", "3");
    variable(&mut overrides, "threads", "2");
    variable(&mut overrides, "log", "debug");
    variable(&mut overrides, "grace", "");
    let config = folder.load_with(&file, &overrides).unwrap();
    assert_eq!(config.threads, 3);
    assert_eq!(config.log, "debug");
    assert_eq!(config.grace.as_secs(), 1);
}

#[test]
fn every_key_can_be_overridden() {
    let folder = Folder::new();
    let key = folder.0.path("key.pem");
    let ca = folder.0.path("cert.pem");
    let is_known = |key: &&Key| match key.scope {
        Scope::Traces => cfg!(feature = "otlp"),
        Scope::Redis => cfg!(feature = "redis"),
        _ => true,
    };
    for key_of in KEYS.iter().filter(is_known) {
        let value = match key_of.name {
            "private_key" | "tls_private_key" => key.to_str().unwrap(),
            "ca_file" | "tls_certificate" | "tls_client_ca" | "traces_ca_file" => {
                ca.to_str().unwrap()
            }
            "login_url" | "audience" => "https://test.salesforce.com",
            "listen" => "127.0.0.1:1,unix:/tmp/x",
            "sandbox" => "off",
            "admin_listen" => "127.0.0.1:7",
            "admin_allow_users" => "1",
            "traces_endpoint" => "http://127.0.0.1:4318",
            "traces_sample" => "0.5",
            "redis_url" => "redis://127.0.0.1:6379",
            "session_timeout" | "grace" | "header_read" | "connect" | "answer" | "idle_body" => {
                "7s"
            }
            "header_bytes" | "access_log_bytes" => "7MiB",
            "http2" | "intercept" | "name_clients" => "true",
            "minimum_api_version" => "41.0",
            "watch_files" => "false",
            "log" => "trace",
            "access_log" => "access.log",
            "pid_file" => "orgproxy.pid",
            "access_log_format" => "json",
            "hosts" | "trusted_hosts" => "a.example,b.example",
            "client_id" | "username" => "else",
            _ => "7",
        };
        let mut overrides = Overrides::default();
        flag(&mut overrides, key_of.name, value);
        // None is of use without the other.
        match key_of.name {
            "tls_certificate" => flag(&mut overrides, "tls_private_key", key.to_str().unwrap()),
            "tls_private_key" => flag(&mut overrides, "tls_certificate", ca.to_str().unwrap()),
            _ => {}
        }
        let mut file = MINIMAL.to_owned();
        if key_of.scope == Scope::Traces && key_of.name != "traces_endpoint" {
            file += "[traces]\nendpoint = \"https://otel.example.com\"\n";
        }
        if key_of.scope == Scope::Admin && key_of.name != "admin_listen" {
            file += "[admin]\nlisten = \"127.0.0.1:8\"\n";
        }
        let changed = folder.load_with(&file, &overrides).unwrap();
        if key_of.name != "private_key" {
            let unchanged = folder.load(&file).unwrap();
            assert_ne!(
                format!("{changed:?}"),
                format!("{unchanged:?}"),
                "{}",
                key_of.name
            );
        }
    }
}

#[test]
fn a_mistake_in_a_flag_or_variable_is_reported_by_its_name() {
    let folder = Folder::new();
    let mut overrides = Overrides::default();
    flag(&mut overrides, "login_url", "https://evil.tld");
    flag(&mut overrides, "threads", "many");
    variable(&mut overrides, "header_bytes", "64 apples");
    let error = folder.load_with(MINIMAL, &overrides).unwrap_err();
    assert_eq!(
        error,
        "--login-url: evil.tld is not a Salesforce host; if you trust it with the session, \
         add \"evil.tld\" to trusted_hosts\n\
         --threads: must be a whole number, neither negative nor huge, but is many\n\
         ORGPROXY_HEADER_BYTES: \"64 apples\" is not a size; write one such as \"64KiB\" or \"1MiB\""
    );
}

#[test]
fn port_is_that_of_the_only_tcp_listener() {
    let folder = Folder::new();
    let mut overrides = Overrides::default();
    flag(&mut overrides, "port", "0");

    let config = folder.load_with(MINIMAL, &overrides).unwrap();
    assert_eq!(config.orgs[0].listen, [Listen::loopback(0)]);

    let both = format!("{MINIMAL}listen = [\"unix:/tmp/x\", \"[::1]:8080\"]\n");
    let config = folder.load_with(&both, &overrides).unwrap();
    assert_eq!(config.orgs[0].listen[1].to_string(), "[::1]:0");

    let two = format!("{MINIMAL}listen = [\"127.0.0.1:1\", \"[::1]:8080\"]\n");
    assert_eq!(
        folder.load_with(&two, &overrides).unwrap_err(),
        "--port: is for a single TCP address, but there are 2; use --listen instead"
    );
}

#[test]
fn an_override_of_one_of_several_orgs_is_refused() {
    let folder = Folder::new();
    let mut overrides = Overrides::default();
    flag(&mut overrides, "username", "x@example.com");
    variable(&mut overrides, "threads", "2");
    let two = format!(
        "{MINIMAL}listen = \"127.0.0.1:1\"\n{}",
        MINIMAL.replace("main", "other")
    );
    assert_eq!(
        folder.load_with(&two, &overrides).unwrap_err(),
        "--username: is for a single org, but the file has main, other; change it in the file"
    );
}

#[test]
fn an_org_can_do_without_a_file() {
    let folder = Folder::new();
    let mut overrides = Overrides::default();
    variable(&mut overrides, "client_id", "3MVG9");
    flag(&mut overrides, "username", "me@example.com");
    assert_eq!(
        folder.load_with("", &overrides).unwrap_err(),
        "proxy.toml: org.default.private_key: missing; set --private-key or ORGPROXY_PRIVATE_KEY"
    );
    flag(
        &mut overrides,
        "private_key",
        folder.0.path("key.pem").to_str().unwrap(),
    );
    let config = folder.load_with("", &overrides).unwrap();
    assert_eq!(config.orgs[0].name, "default");
}

#[test]
fn a_key_in_the_arguments_is_refused() {
    let folder = Folder::new();
    let pem = fs::read_to_string(folder.0.path("key.pem")).unwrap();
    let mut overrides = Overrides::default();
    flag(&mut overrides, "private_key", &pem);
    assert_eq!(
        folder.load_with(MINIMAL, &overrides).unwrap_err(),
        format!(
            "--private-key: must be a path, not the content of the file ({} characters that look like \
             PEM); write that to a file, and use the path of the file",
            pem.len()
        )
    );
}

/// Both the folder and the variables are a process's own, so the test starts itself.
#[test]
fn variables_count_for_every_command_and_nothing_at_all_says_how_to_start() {
    let folder = Folder::new();
    fs::remove_file(folder.0.path("server.key")).unwrap();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "config::within_an_environment", "--ignored"])
        .current_dir(folder.0.path(""))
        .env("ORGPROXY_CONFIG", "")
        .env("ORGPROXY_USERNAME", "")
        .env("ORGPROXY_CLIENT_ID", "3MVG9")
        .env(
            "ORGPROXY_PRIVATE_KEY",
            fs::read_to_string(folder.0.path("key.pem")).unwrap(),
        )
        .status();
    assert!(status.unwrap().success());
}

#[test]
#[ignore = "another test runs it, with the environment that it needs"]
fn within_an_environment() {
    let error = Config::load(None, &Overrides::default())
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("there is no proxy.toml here"), "{error}");

    for command in ["run", "check", "health"] {
        for flags in [&[][..], &["--username", "me@example.com"]] {
            let args = [&["orgproxy", command], flags].concat();
            let command = cli::Args::try_parse_from(args).unwrap().into_command();
            let source = match command {
                cli::Command::Run(run) => run.source,
                cli::Command::Check(source) | cli::Command::Health(source) => source,
                command => panic!("{command:?}"),
            };
            assert_eq!(source.config(), None);
            let config = Config::load(None, &source.overrides).map_err(|error| error.to_string());
            match flags {
                [] => assert_eq!(
                    config.unwrap_err(),
                    "proxy.toml: org.default.username: missing; set --username or \
                     ORGPROXY_USERNAME"
                ),
                _ => assert_eq!(config.unwrap().orgs[0].credential.client_id(), "3MVG9"),
            }
        }
    }
}

#[test]
fn a_missing_file_is_named() {
    let error = Config::load(Some(Path::new("/nowhere/x.toml")), &Overrides::default());
    assert_eq!(
        error.unwrap_err().to_string(),
        "/nowhere/x.toml: does not exist; correct the path"
    );
}

#[test]
fn no_secret_is_in_the_debug_output() {
    let folder = Folder::new();
    fs::write(folder.0.path("client.key"), "correct-horse-battery\n").unwrap();
    chmod(&folder.0.path("client.key"), 0o600);
    let file = format!("{MINIMAL}guard.client_key = {{ file = \"client.key\" }}\n");
    let config = folder.load(&file).unwrap();
    let guard = &config.orgs[0].guard;
    assert!(
        guard
            .client_key
            .as_ref()
            .unwrap()
            .matches(b"correct-horse-battery")
    );
    let debug = format!("{config:?}");
    assert_eq!(debug.matches("[redacted]").count(), 2);
    assert!(!debug.contains("correct-horse"));
}

#[test_case("x509 -in cert.pem -out out", &[]; "pem")]
#[test_case("x509 -in cert.pem -trustout -out out", &[]; "pem with trust")]
#[test_case("x509 -in cert.pem -outform der -out out", &[]; "der")]
#[test_case("crl2pkcs7 -nocrl -certfile cert.pem -out out", &[]; "pkcs7")]
#[test_case("crl2pkcs7 -nocrl -certfile cert.pem -outform der -out out", &[]; "pkcs7 in der")]
#[test_case("x509 -in cert.pem -text -out out", &[]; "pem below text")]
#[test_case("x509 -in cert.pem -out out", &[0xef, 0xbb, 0xbf]; "pem behind a byte order mark")]
#[test_case("base64 -e -in cert.pem -out out", &[]; "base64 of pem")]
fn a_certificate_is_read_in_each_form(command: &str, before: &[u8]) {
    let folder = Folder::new();
    folder.0.openssl(command);
    let file = folder.0.path("out");
    fs::write(&file, [before, &fs::read(&file).unwrap()].concat()).unwrap();
    let tls = "[tls]\ncertificate = \"out\"\nprivate_key = \"key.pem\"\nclient_ca = \"out\"\n";
    let config = folder
        .load(&format!("{MINIMAL}ca_file = \"out\"\n{tls}"))
        .unwrap();
    let pem = folder
        .load(&format!("{MINIMAL}ca_file = \"cert.pem\"\n"))
        .unwrap();
    assert_eq!(config.orgs[0].ca, pem.orgs[0].ca);
    assert_eq!(config.tls.client_ca, pem.orgs[0].ca);
    assert_eq!(config.tls.identity.unwrap().cert, pem.orgs[0].ca);
}

#[test]
fn a_certificate_in_utf_16_is_read() {
    let folder = Folder::new();
    let pem = fs::read_to_string(folder.0.path("cert.pem")).unwrap();
    let units = format!("\u{feff}{pem}");
    let bytes: Vec<u8> = units.encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(folder.0.path("out"), bytes).unwrap();
    let config = folder
        .load(&format!("{MINIMAL}ca_file = \"out\"\n"))
        .unwrap();
    assert_eq!(config.orgs[0].ca.len(), 1);
}

#[test]
fn of_several_certificates_none_is_left_out() {
    let folder = Folder::new();
    folder
        .0
        .openssl("req -x509 -new -key key.pem -subj /CN=other -days 9 -out other.pem");
    let both = ["cert.pem", "other.pem"].map(|name| fs::read(folder.0.path(name)).unwrap());
    fs::write(folder.0.path("both.pem"), both.concat()).unwrap();
    folder
        .0
        .openssl("crl2pkcs7 -nocrl -certfile both.pem -out both.p7b");
    for name in ["both.pem", "both.p7b"] {
        let config = folder
            .load(&format!("{MINIMAL}ca_file = \"{name}\"\n"))
            .unwrap();
        assert_eq!(config.orgs[0].ca.len(), 2, "{name}");
    }
    // Rather than with one less than there are.
    let damaged = String::from_utf8(both.concat())
        .unwrap()
        .replacen("MII", "!!!", 1);
    fs::write(folder.0.path("both.pem"), damaged).unwrap();
    assert_eq!(
        folder
            .load(&format!("{MINIMAL}ca_file = \"both.pem\"\n"))
            .unwrap_err(),
        "proxy.toml:5: org.main.ca_file: both.pem is damaged: certificate 1 in it cannot be read"
    );
}

#[test_case("9223372036854775807s")]
#[test_case("9223372036854775808s")]
#[test_case("18446744073709551615s")]
#[test_case("18446744073709551616s")]
#[test_case("300years")]
#[test_case("3651days")]
#[test_case("99999999999999999999999999y")]
fn a_time_that_no_clock_has_is_refused(time: &str) {
    let folder = Folder::new();
    for setting in [
        "grace = T\nORG",
        "ORGsession_timeout = T",
        "ORG[limits]\nheader_read = T",
        "ORG[limits]\nconnect = T",
        "ORG[limits]\nanswer = T",
        "ORG[limits]\nidle_body = T",
    ] {
        let with = |time: &str| {
            let setting = setting.replace('T', &format!("\"{time}\""));
            folder.load(&setting.replace("ORG", MINIMAL))
        };
        let error = with(time).unwrap_err();
        let is_told = error.contains("must be at most 3650days") || error.contains("is not a time");
        assert!(is_told, "{setting}: {error}");
        with("3650days").unwrap();
    }
}

#[test_case("9223372036854775807")]
#[test_case("9223372036854775808")]
#[test_case("18446744073709551615")]
#[test_case("18446744073709551616")]
#[test_case("1099511627777")]
#[test_case("\"17179869184GiB\"")]
#[test_case("\"1025GiB\"")]
#[test_case("0xffff_ffff_ffff_ffff")]
fn a_number_that_no_machine_has_is_refused(number: &str) {
    let folder = Folder::new();
    for key in COUNTS.iter().chain(&SIZES) {
        let error = folder
            .load(&format!("{MINIMAL}[limits]\n{key} = {number}\n"))
            .unwrap_err();
        let is_told = ["must be at most", "must be a whole number", "is not a size"]
            .iter()
            .any(|words| error.contains(words));
        assert!(is_told, "{key}: {error}");
    }
}

/// The one number that may be zero is a wait.
#[test]
fn zero_is_refused_where_nothing_would_work_with_it() {
    let folder = Folder::new();
    for key in COUNTS.iter().chain(&SIZES) {
        let zero = |zero: &str| {
            let error = folder.load(&format!("{MINIMAL}[limits]\n{key} = {zero}\n"));
            assert_eq!(
                error.unwrap_err(),
                format!("proxy.toml:6: limits.{key}: must be more than zero")
            );
        };
        zero("0");
        if SIZES.contains(key) {
            zero("\"0GiB\"");
        }
    }
    for key in ["header_read", "connect", "answer", "idle_body"] {
        let error = folder.load(&format!("{MINIMAL}[limits]\n{key} = \"0s\"\n"));
        let error = error.unwrap_err();
        assert!(error.ends_with("must be more than zero"), "{key}: {error}");
    }
    assert!(folder.load(&format!("threads = 0\n{MINIMAL}")).is_err());
    let at_once = folder.load(&format!("grace = \"0s\"\n{MINIMAL}"));
    assert_eq!(at_once.unwrap().grace, Duration::ZERO);
}

/// A folder with a key, a certificate and what the files in `tests/config` refer to.
struct Folder(Keys);

impl Folder {
    fn new() -> Self {
        let keys = Keys::new();
        keys.openssl("req -x509 -new -key key.pem -subj /CN=test -days 9 -out cert.pem");
        chmod(&keys.path("cert.pem"), 0o644);
        fs::copy(keys.path("key.pem"), keys.path("server.key")).unwrap();
        fs::write(keys.path("empty"), "").unwrap();
        chmod(&keys.path("empty"), 0o600);
        Self(keys)
    }

    fn load(&self, text: &str) -> Result<Config, String> {
        self.load_with(text, &Overrides::default())
    }

    /// Loads it as `proxy.toml` in this folder; messages name the files as if one stood in it.
    fn load_with(&self, text: &str, overrides: &Overrides) -> Result<Config, String> {
        let folder = format!("{}/", self.0.path("").display());
        let folder = folder.replace("//", "/");
        Config::from_toml(text, &self.0.path("proxy.toml"), overrides)
            .map_err(|error| error.to_string().replace(&folder, ""))
    }
}

fn filled_in(example: &str) -> String {
    example
        .replace("3MVG9-REPLACE-ME", "3MVG9")
        .replace("replace.me@example.com", "me@example.com")
}

fn flag(overrides: &mut Overrides, name: &str, value: &str) {
    let key = KEYS.iter().find(|key| key.name == name).unwrap();
    overrides.set_flag(key, value.to_owned());
}

fn variable(overrides: &mut Overrides, name: &str, value: &str) {
    let key = KEYS.iter().find(|key| key.name == name).unwrap();
    overrides.set_variable(key, value.to_owned());
}

fn files(kind: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/config")
        .join(kind);
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    files.sort();
    files
}

const MINIMAL: &str = "[org.main]\n\
    client_id = \"3MVG9\"\n\
    username = \"me@example.com\"\n\
    private_key = \"server.key\"\n";
