//! Secrets where something else belongs: whatever setting gets one, in whatever form, no command
//! shows any of it.

use orgproxy::config::{Config, KEYS, Overrides};
use test_case::test_case;

use crate::support::{
    Binary, Files, Org,
    files::config,
    keys::{base64, der},
};

/// A private key in every form that people have it in.
struct Forms {
    forms: Vec<(&'static str, String)>,
    /// The texts that must not be found: every stretch of each form, and of the bytes as numbers.
    pieces: Vec<String>,
}

impl Forms {
    fn new(pem: &str) -> Self {
        let der = der(pem);
        let of_der = base64(&der);
        let joined = |line_end: &str| pem.replace('\n', line_end);
        let lines = || pem.trim_end().lines();
        let body: Vec<_> = lines().filter(|line| !line.contains("---")).collect();
        let hex: String = der.iter().map(|byte| format!("{byte:02x}")).collect();
        let forms = vec![
            ("PEM", pem.to_owned()),
            ("PEM on one line", joined(" ")),
            ("PEM without line ends", joined("")),
            ("PEM with escaped line ends", joined("\\n")),
            ("PEM with line ends escaped twice", joined("\\\\n")),
            ("PEM as a string of JSON", format!("{pem:?}")),
            ("PEM with four dashes", pem.replace("-----", "----")),
            ("PEM with typographic dashes", pem.replace("--", "\u{2014}")),
            (
                "PEM without its first line",
                lines().skip(1).collect::<Vec<_>>().join("\n"),
            ),
            (
                "PEM without its last line",
                lines().take(20).collect::<Vec<_>>().join("\n"),
            ),
            (
                "PEM quoted in a mail",
                lines().map(|line| format!("> {line}\n")).collect(),
            ),
            ("PEM encoded for a URL", joined("%0A").replace('+', "%2B")),
            ("PEM in lower case", pem.to_ascii_lowercase()),
            ("the body of PEM", body.join("\n")),
            ("the body of PEM on one line", body.concat()),
            ("a line of PEM", body[3].to_owned()),
            ("the last line of PEM", body[body.len() - 1].to_owned()),
            ("a short last line", {
                let all = body.concat();
                let all = all.trim_end_matches('=');
                all[all.len() - 20..].to_owned()
            }),
            ("base64 of PEM", base64(pem.as_bytes())),
            (
                "base64 of base64 of PEM",
                base64(base64(pem.as_bytes()).as_bytes()),
            ),
            ("base64 of a part", of_der[7..].to_owned()),
            ("base64 that begins as a path", format!("/{of_der}")),
            (
                "base64 for URLs",
                of_der.replace('+', "-").replace('/', "_"),
            ),
            ("base64 in quotes", format!("'{of_der}'")),
            ("hexadecimal", hex.clone()),
            (
                "hexadecimal with colons",
                hex.as_bytes()
                    .chunks(2)
                    .map(|pair| str::from_utf8(pair).unwrap())
                    .collect::<Vec<_>>()
                    .join(":"),
            ),
            ("decimal", format!("{der:?}")),
            ("JSON", format!("{{\"privateKey\":{pem:?}}}")),
        ];
        let numbers = [&der, pem.as_bytes()].map(|bytes| {
            let numbers: Vec<_> = bytes.iter().map(u8::to_string).collect();
            // What comes first is the same in every key.
            let pieces = numbers[48..].chunks_exact(8).map(|piece| piece.join(", "));
            pieces.collect::<Vec<_>>()
        });
        let pieces = forms.iter().flat_map(|(_, form)| stretches(form));
        let pieces = pieces.chain(numbers.concat()).collect();
        let forms = Self { forms, pieces };
        // A search that finds nothing in anything proves nothing.
        assert!(forms.find_in(pem).is_some());
        forms
    }

    fn find_in(&self, text: &str) -> Option<&String> {
        self.pieces
            .iter()
            .find(|piece| text.contains(piece.as_str()))
    }

    #[track_caller]
    fn assert_not_in(&self, what: &str, text: &str) {
        if let Some(piece) = self.find_in(text) {
            panic!("{what}: {piece} in:\n{text}");
        }
    }
}

/// Twelve letters from every sixth on of each line that holds anything of the key.
fn stretches(text: &str) -> Vec<String> {
    let lines = text.split(['\n', ' ', '\\', '%']);
    let is_secret = |line: &&str| !line.contains("--") && !line.contains('\u{2014}');
    lines
        .filter(is_secret)
        .flat_map(|line| {
            let starts = (0..line.len()).step_by(6);
            starts.filter_map(|start| line.get(start..start + 12))
        })
        .filter(|piece| !piece.to_ascii_uppercase().contains("PRIVATE"))
        .map(str::to_owned)
        .collect()
}

/// Each with `VALUE` where the secret goes.
const SETTINGS: &[&str] = &[
    "private_key = VALUE",
    "private_key = { file = VALUE }",
    "private_key = { env = VALUE }",
    "private_key = { credential = VALUE }",
    "private_key = { command = [VALUE] }",
    "private_key = { command = VALUE }",
    "private_key = { command = [\"none\", VALUE] }",
    "private_key = { file = \"server.key\", passphrase = VALUE }",
    "private_key = { file = \"server.key\", passphrase = { file = VALUE } }",
    "private_key = { file = \"server.key\", passphrase = { env = VALUE } }",
    "private_key = { file = \"server.key\", passphrase = { credential = VALUE } }",
    "private_key = { file = \"server.key\", passphrase = { command = [VALUE] } }",
    "ca_file = VALUE",
    "client_id = VALUE\nhttp2 = 1",
    "login_url = VALUE",
    "audience = VALUE\nhttp2 = 1",
    "listen = VALUE",
    "listen = \"unix:VALUE\"",
    "hosts = VALUE",
    "trusted_hosts = VALUE",
    "session_timeout = VALUE",
    "http2 = VALUE",
    "demo = VALUE",
    "guard.client_key = VALUE",
    "guard.client_key = { file = VALUE }",
    "guard.client_key = { env = VALUE }",
    "guard.client_key = { credential = VALUE }",
    "guard.client_key = { command = [VALUE] }",
    "guard.allow_origins = VALUE",
    "guard.allow_paths = VALUE",
    "guard.allow_users = VALUE",
    "clients.me = VALUE",
    "clients.me = { file = VALUE }",
    "clients.me = { env = VALUE }",
    "clients.me = { credential = VALUE }",
    "pubsub.endpoint = VALUE",
    "[tls]\nprivate_key = VALUE\ncertificate = \"ca.pem\"",
    "[tls]\nprivate_key = \"server.key\"\ncertificate = VALUE",
    "[tls]\nclient_ca = VALUE",
    "[limits]\nconnect = VALUE",
    "[limits]\nheader_bytes = VALUE",
    "[limits]\nconnections = VALUE",
    "[org.VALUE]",
    "VALUE = 1",
];

#[tokio::test]
async fn no_setting_of_the_file_shows_a_key() {
    let org = Org::start().await.unwrap();
    let forms = Forms::new(org.private_key_pem());
    let files = Files::new(&org);
    for (index, setting) in SETTINGS.iter().enumerate() {
        // Every form where a key belongs, and a third of them elsewhere.
        let (first, step) = if setting.contains("private_key = VALUE") {
            (0, 1)
        } else {
            (index % 3, 3)
        };
        for (form, value) in forms.forms.iter().skip(first).step_by(step) {
            let quoted = toml_string(value);
            let setting = setting
                .replace("\"unix:VALUE\"", &format!("\"unix:{}", &quoted[1..]))
                .replace("VALUE", &quoted);
            let text = config(&org, &setting);
            // There is nothing to say of what is taken as it is, such as a user name.
            let said = load(&files, &text).err().unwrap_or_default();
            forms.assert_not_in(&format!("{setting} with {form}"), &said);
        }
    }
}

/// A mistake in the syntax shows what is not a string yet.
#[test_case("private_key = \"VALUE\""; "in quotes that end on the same line")]
#[test_case("private_key = VALUE"; "without quotes")]
#[test_case("private_key = '''VALUE"; "in quotes that do not end")]
#[test_case("VALUE"; "alone")]
#[tokio::test]
async fn no_mistake_in_the_syntax_shows_a_key(setting: &str) {
    let org = Org::start().await.unwrap();
    let forms = Forms::new(org.private_key_pem());
    let files = Files::new(&org);
    for (form, value) in &forms.forms {
        let text = config(&org, &setting.replace("VALUE", value));
        let said = load(&files, &text).unwrap_err();
        forms.assert_not_in(&format!("{setting} with {form}"), &said);
    }
}

/// Those that a person remembers are as secret, and look like names.
#[test_case("hunter2")]
#[test_case("correct-horse-battery")]
#[test_case("Tr0ub4dor&3")]
#[test_case("q7/Zk3rT9xvbn+u1/w8Kfg==")]
#[test_case("JBSWY3DPEHPK3PXP")]
#[test_case("00Dxx0000001gPL!AQ4AQDxCanary.token")]
#[tokio::test]
async fn no_setting_that_names_a_secret_shows_a_short_one(secret: &str) {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let is_of_secrets = |setting: &&&str| {
        ["private_key", "client_key", "clients."]
            .iter()
            .any(|key| setting.contains(key))
    };
    for setting in SETTINGS.iter().filter(is_of_secrets) {
        let setting = setting.replace("VALUE", &toml_string(secret));
        let said = load(&files, &config(&org, &setting)).unwrap_err();
        assert!(!said.contains(secret), "{setting}: {said}");
    }
}

#[tokio::test]
async fn no_flag_or_variable_shows_a_key() {
    let org = Org::start().await.unwrap();
    let forms = Forms::new(org.private_key_pem());
    let files = Files::new(&org);
    for (index, key) in KEYS.iter().enumerate() {
        // Nine forms of each, and each form at nine keys and more.
        for (form, value) in forms.forms.iter().skip(index % 3).step_by(3) {
            for is_flag in [true, false] {
                let mut overrides = Overrides::default();
                if is_flag {
                    overrides.set_flag(key, value.clone());
                } else {
                    overrides.set_variable(key, value.clone());
                }
                let loaded = Config::load(Some(&files.path("proxy.toml")), &overrides);
                let said = match loaded {
                    // What is not secret by its nature, such as a user name, is taken as it is.
                    Ok(_) => String::new(),
                    Err(error) => format!("{error}\n{error:?}"),
                };
                forms.assert_not_in(&format!("{} with {form}", key.name), &said);
            }
        }
    }
}

/// Runs the program itself, since arguments and the environment are read before any of our code.
#[test_case(&["run"])]
#[test_case(&["check"])]
#[test_case(&["health"])]
#[test_case(&["doctor"])]
#[test_case(&["doctor", "--json"])]
#[test_case(&["token"])]
#[test_case(&["query", "SELECT Id FROM Account"])]
#[test_case(&["request", "/services/data"])]
#[test_case(&["trust"])]
#[test_case(&["run", "--", "true"])]
#[tokio::test]
async fn no_command_shows_a_key(command: &[&str]) {
    let org = Org::start().await.unwrap();
    let forms = Forms::new(org.private_key_pem());
    let files = Files::new(&org);
    let names = [
        ("--private-key", "ORGPROXY_PRIVATE_KEY"),
        ("--tls-private-key", "ORGPROXY_TLS_PRIVATE_KEY"),
        ("--ca-file", "ORGPROXY_CA_FILE"),
        ("--config", "ORGPROXY_CONFIG"),
        ("--login-url", "ORGPROXY_LOGIN_URL"),
        ("--no-such-flag", "ORGPROXY_NOTHING"),
    ];
    let told = [
        "base64 of PEM",
        "PEM with four dashes",
        "base64 of a part",
        "the body of PEM",
    ];
    for (form, value) in forms.forms.iter().filter(|(form, _)| told.contains(form)) {
        for (flag, variable) in names {
            let split = command.iter().position(|word| *word == "--");
            let (words, program) = command.split_at(split.unwrap_or(command.len()));
            for is_flag in [true, false] {
                let mut arguments = words.to_vec();
                let config = files.config();
                if flag != "--config" {
                    arguments.extend(["--config", &config]);
                }
                if is_flag {
                    arguments.extend([flag, value]);
                }
                arguments.extend(program);
                let mut process = Binary::command(&arguments);
                if !is_flag {
                    process.env(variable, value);
                }
                // What would serve forever is stopped once it does.
                let ended = Binary::spawn(process).end_or_serve().await;
                forms.assert_not_in(&format!("{command:?} {flag} with {form}"), &ended);
            }
        }
    }
}

/// A certificate's file may hold the key, too.
#[test_case("ca_file = \"mixed.pem\"")]
#[test_case("[tls]\nclient_ca = \"mixed.pem\"")]
#[test_case("[tls]\nprivate_key = \"server.key\"\ncertificate = \"mixed.pem\"")]
#[test_case("private_key = \"mixed.pem\"")]
#[test_case("private_key = { file = \"server.key\", passphrase = { file = \"mixed.pem\" } }")]
#[test_case("guard.client_key = { file = \"mixed.pem\" }")]
#[tokio::test]
async fn no_file_of_another_kind_is_shown(setting: &str) {
    let org = Org::start().await.unwrap();
    let forms = Forms::new(org.private_key_pem());
    let files = Files::new(&org);
    for (form, value) in &forms.forms {
        for before in ["", org.ca_pem()] {
            files.write("mixed.pem", &format!("{before}{value}"));
            let (Ok(said) | Err(said)) = load(&files, &config(&org, setting));
            forms.assert_not_in(&format!("{setting} with {form}"), &said);
        }
    }
}

#[tokio::test]
async fn a_key_in_place_of_the_configuration_is_not_shown() {
    let org = Org::start().await.unwrap();
    let forms = Forms::new(org.private_key_pem());
    let files = Files::new(&org);
    for (form, value) in &forms.forms {
        files.write("key.toml", value);
        let said = Config::load(Some(&files.path("key.toml")), &Overrides::default());
        let said = said.map(drop).unwrap_err().to_string();
        forms.assert_not_in(form, &said);
    }
}

/// All that a configuration says of itself, right or wrong.
fn load(files: &Files, text: &str) -> Result<String, String> {
    Config::from_toml(text, &files.path("proxy.toml"), &Overrides::default())
        .map(|config| format!("{config:?}"))
        .map_err(|error| format!("{error}\n{error:?}"))
}

fn toml_string(text: &str) -> String {
    let mut quoted = "\"".to_owned();
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            '\n' => quoted.push_str("\\n"),
            letter => quoted.push(letter),
        }
    }
    quoted + "\""
}
