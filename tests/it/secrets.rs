//! No secret is ever printed, logged or answered: a canary for each, and a search for all of them
//! in everything that the program says on its most talkative day.

use std::{
    fs,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::StatusCode;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use orgproxy::{
    config::{Config, Overrides},
    demo::TOKEN,
};
use serde_json::json;
use test_case::test_case;

use crate::support::{
    Binary, ConnectProxy, Fault, Files, Org,
    binary::run,
    curl,
    files::config,
    keys::locked,
    path::{ECHO, LIMITS},
};

const PASSPHRASE: &str = "canary-passphrase-7f3a";
const CLIENT_KEY: &str = "canary-client-key-91c2d4e6";

/// A token that only a malformed answer has.
const STRAY_TOKEN: &str = "00D000000000000!canary.stray.token.5b8e";

/// Words that must not be found, and what they are.
struct Canaries(Vec<(String, String)>);

impl Canaries {
    /// Makes those that every run knows from the start.
    fn new(org: &Org) -> Self {
        let mut canaries = Self(Vec::new());
        for (what, word) in [
            ("the passphrase", PASSPHRASE),
            ("the client key", CLIENT_KEY),
            ("a stray token", STRAY_TOKEN),
            ("the header of an assertion", "eyJ0eXAiOiJKV1Qi"),
            ("the header of an assertion", "eyJhbGciOi"),
            ("the claims of an assertion", "eyJpc3MiOi"),
            ("an assertion", "assertion=e"),
        ] {
            canaries.add(what, word);
        }
        canaries.add_pem("the key", org.private_key_pem());
        canaries
    }

    fn add(&mut self, what: &str, word: &str) {
        let hex: String = word.bytes().map(|byte| format!("{byte:02x}")).collect();
        let list: Vec<_> = word.bytes().map(|byte| byte.to_string()).collect();
        let list = list.join(", ");
        for (form, word) in [("", word), (", in hex", &hex), (", as a list", &list)] {
            self.0.push((format!("{what}{form}"), word.to_owned()));
        }
    }

    fn add_pem(&mut self, what: &str, pem: &str) {
        let lines = pem.lines().filter(|line| !line.starts_with("---"));
        for line in lines.filter(|line| line.len() >= 16) {
            self.add(what, line);
        }
    }

    /// The tokens that the org has seen, by a piece from the middle of each.
    fn add_tokens(&mut self, org: &Org) -> usize {
        let mut tokens: Vec<_> = org
            .requests()
            .iter()
            .filter_map(|seen| seen.header("authorization").strip_prefix("Bearer "))
            .map(|token| token[token.len() / 2..][..24].to_owned())
            .collect();
        tokens.sort_unstable();
        tokens.dedup();
        for token in &tokens {
            self.add("an access token", token);
        }
        tokens.len()
    }

    /// Every assertion that can have been signed since `begin`: its time is known to the second,
    /// and the signature follows from what is signed.
    fn add_assertions(&mut self, org: &Org, begin: u64) {
        let (_, der) = pkcs8::SecretDocument::from_pem(org.private_key_pem()).unwrap();
        let info: pkcs8::PrivateKeyInfoRef<'_> = der.decode_msg().unwrap();
        let key = EncodingKey::from_rsa_der(info.private_key.as_bytes());
        let aud = org.login_url();
        for second in begin..=now() {
            let claims = json!({
                "iss": org.client_id(),
                "sub": org.username(),
                "aud": aud.as_str().trim_end_matches('/'),
                "exp": second + 180,
            });
            let header = Header::new(Algorithm::RS256);
            let assertion = jsonwebtoken::encode(&header, &claims, &key).unwrap();
            let (content, signature) = assertion.rsplit_once('.').unwrap();
            self.add("what an assertion says", &content[40..]);
            self.add("the signature of an assertion", &signature[40..80]);
        }
    }

    fn find(&self, text: &str) -> Vec<&str> {
        let found = self
            .0
            .iter()
            .filter(|(_, word)| text.contains(word.as_str()));
        found.map(|(what, _)| what.as_str()).collect()
    }

    #[track_caller]
    fn assert_none(&self, text: &str) {
        // A search that finds nothing in anything proves nothing.
        for (what, word) in &self.0 {
            let planted = format!("{text} x{word}x");
            assert!(self.find(&planted).contains(&what.as_str()), "{what}");
        }
        let found = self.find(text);
        assert!(found.is_empty(), "{found:?} in:\n{}", self.around(text));
    }

    /// The lines where something was found.
    fn around(&self, text: &str) -> String {
        let lines = text.lines().filter(|line| !self.find(line).is_empty());
        lines.take(10).collect::<Vec<_>>().join("\n")
    }
}

/// A proxy that knows every secret there can be, and says all it can.
struct Talkative {
    org: Org,
    files: Files,
    proxy: Binary,
    /// All that clients were answered.
    answers: String,
    begin: u64,
}

impl Talkative {
    async fn start(more: &str) -> Self {
        let org = Org::start().await.unwrap();
        org.set(|knobs| knobs.reuse_session = false);
        let files = Files::new(&org);
        files.write("locked.key", &locked(org.private_key_pem(), PASSPHRASE));
        files.write("client.key", CLIENT_KEY);
        let more = format!(
            "private_key = {{ file = \"locked.key\", passphrase = {{ env = \"PHRASE\" }} }}\n\
             {more}\
             [org.demo.guard]\nclient_key = {{ file = \"client.key\" }}\n"
        );
        files.write("proxy.toml", &config(&org, &more));
        let begin = now();
        let mut command =
            Binary::command(&["--config", &files.config(), "--log", "trace,h2=trace"]);
        command
            .env("PHRASE", PASSPHRASE)
            .env("RUST_BACKTRACE", "full");
        let proxy = Binary::spawn(command);
        Self {
            org,
            files,
            proxy,
            answers: String::new(),
            begin,
        }
    }

    /// Asks with curl, and returns the status.
    async fn ask(&mut self, path: &str, arguments: &str) -> String {
        let url = self.proxy.url(path).await;
        let answer = curl(&format!("curl -i '{url}' {arguments}")).await;
        self.answers += &answer.stdout;
        answer.status().to_owned()
    }

    /// With the client key.
    async fn ask_admitted(&mut self, path: &str, arguments: &str) -> String {
        let arguments = format!("-H 'X-Orgproxy-Key: {CLIENT_KEY}' {arguments}");
        self.ask(path, &arguments).await
    }

    /// Stops it, and looks at everything it said, and at what was answered.
    async fn end(self, tokens: usize) {
        self.end_with(tokens, Canaries(Vec::new())).await;
    }

    async fn end_with(self, tokens: usize, more: Canaries) {
        let mut canaries = Canaries::new(&self.org);
        canaries.0.extend(more.0);
        assert_eq!(canaries.add_tokens(&self.org), tokens);
        canaries.add_assertions(&self.org, self.begin);
        let locked = fs::read_to_string(self.files.path("locked.key")).unwrap();
        canaries.add_pem("the locked key", &locked);
        let ended = self.proxy.stop().await;
        assert_eq!(ended.code(), 0);
        assert!(ended.stderr.contains("TRACE") || ended.stderr.contains("DEBUG"));
        canaries.assert_none(&(ended.stdout + &ended.stderr + &self.answers));
    }
}

#[test_case("", ""; "http 1")]
#[test_case("http2 = true\n", "--http2-prior-knowledge"; "http 2")]
#[tokio::test]
async fn on_a_good_day(more: &str, version: &str) {
    let mut it = Talkative::start(more).await;
    assert_eq!(it.ask_admitted(LIMITS, version).await, "200");
    for shown in [
        format!("-H 'Authorization: Bearer {CLIENT_KEY}'"),
        format!("-u me:{CLIENT_KEY}"),
        format!("-H 'Proxy-Authorization: Bearer {CLIENT_KEY}'"),
    ] {
        assert_eq!(it.ask(LIMITS, &format!("{version} {shown}")).await, "200");
    }
    let query = "/services/data/v62.0/query?q=SELECT+Id+FROM+Account&oauth_token=x";
    assert_eq!(it.ask_admitted(query, version).await, "200");

    // Twice, so that what is logged of an ended session and of a new one is there, too.
    it.org.end_sessions();
    assert_eq!(it.ask_admitted(LIMITS, version).await, "200");
    it.org.end_sessions();
    let upload = format!("{version} -d body");
    assert_eq!(it.ask_admitted(ECHO, &upload).await, "200");
    it.end(3).await;
}

#[test_case(""; "http 1")]
#[test_case("--http2-prior-knowledge"; "http 2")]
#[tokio::test]
async fn when_the_guard_refuses(version: &str) {
    let mut it = Talkative::start("").await;
    assert_eq!(it.ask(LIMITS, version).await, "403");
    for (path, arguments, status) in [
        (LIMITS, "-H 'Host: evil.example'", "421"),
        (LIMITS, "-H 'Origin: http://evil.example'", "403"),
        (LIMITS, "-H 'Sec-Fetch-Site: cross-site'", "403"),
        (LIMITS, "-X TRACE", "405"),
        ("/services/oauth2/singleaccess", "-d token=x", "403"),
        ("/secur/frontdoor.jsp", "", "403"),
        ("/a/../b", "--path-as-is", "400"),
        (LIMITS, "-H 'Expect: wonders'", "417"),
    ] {
        // HTTP/2 has no Host of its own.
        if version.is_empty() || !arguments.contains("Host:") {
            let arguments = format!("{version} {arguments}");
            assert_eq!(
                it.ask_admitted(path, &arguments).await,
                status,
                "{path} {arguments}"
            );
        }
    }
    let wrong = format!("{version} -H 'Authorization: Bearer wrong{CLIENT_KEY}'");
    assert_eq!(it.ask(LIMITS, &wrong).await, "403");
    it.end(0).await;
}

#[tokio::test]
async fn when_clients_log_in_with_passwords() {
    const RIGHT: &str = "canary-password-right-6e1f";
    const WRONG: &str = "canary-password-wrong-0b7d";
    const SECRET: &str = "canary-client-secret-52aa";

    let clients = format!(
        "[org.demo.clients]\nme = {{ command = [\"echo\", \"{RIGHT}\"] }}\n\
         app = {{ command = [\"echo\", \"{SECRET}\"] }}\n"
    );
    let mut it = Talkative::start(&clients).await;
    let login = |password: &str| {
        format!(
            "-d '<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\"><e:Body>\
             <login xmlns=\"urn:partner.soap.sforce.com\"><username>me</username>\
             <password>{password}</password></login></e:Body></e:Envelope>'"
        )
    };
    let grant =
        |password: &str| format!("-d grant_type=password -d username=me -d password={password}");
    let app = |secret: &str| format!("-u app:{secret} -d grant_type=client_credentials");
    let cut = format!(
        "-d '<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\"><e:Body><login xmlns=\"urn:partner.soap.sforce.com\"><password>&{WRONG};<{RIGHT}'"
    );
    let (soap, token) = ("/services/Soap/u/62.0", "/services/oauth2/token");
    for (path, arguments, status) in [
        (soap, login(RIGHT), "200"),
        (soap, login(WRONG), "500"),
        (soap, login(&format!("<{RIGHT}")), "500"),
        (soap, cut, "500"),
        ("/services/Soap/m/62.0", login(RIGHT), "500"),
        ("/services/Soap/u/1.0", login(RIGHT), "500"),
        (token, grant(RIGHT), "200"),
        (token, grant(WRONG), "400"),
        (token, app(SECRET), "200"),
        (token, app(WRONG), "400"),
        (
            token,
            format!("-H 'Content-Type: text/plain' {}", grant(RIGHT)),
            "400",
        ),
        (token, format!("-X PUT {}", grant(RIGHT)), "405"),
        ("/services/oauth2/singleaccess", grant(RIGHT), "403"),
    ] {
        assert_eq!(
            it.ask_admitted(path, &arguments).await,
            status,
            "{path} {arguments}"
        );
    }
    let seen = it.org.requests();
    assert!(!seen.is_empty());
    let forwarded: String = seen
        .iter()
        .map(|seen| {
            format!(
                "{} {:?} {}",
                seen.target,
                seen.headers,
                String::from_utf8_lossy(&seen.body)
            )
        })
        .collect();
    let mut canaries = Canaries(Vec::new());
    for word in [RIGHT, WRONG, SECRET] {
        canaries.add("a password", word);
    }
    canaries.assert_none(&forwarded);
    it.end_with(1, canaries).await;
}

#[tokio::test]
async fn when_the_org_has_a_bad_day() {
    let mut it = Talkative::start("").await;
    assert_eq!(it.ask_admitted(LIMITS, "").await, "200");
    for (fault, status) in [
        (Fault::cut_head(), "502"),
        (Fault::unasked_switch(), "502"),
        (Fault::limit_exceeded(), "403"),
        (Fault::not_for_rest(), "401"),
        (Fault::html(StatusCode::SERVICE_UNAVAILABLE), "503"),
        (Fault::cut_length(), "200"),
        (Fault::extra_bytes(), "200"),
    ] {
        it.org.faults().next(1, ECHO, fault);
        let answer = it.ask_admitted(ECHO, "-d body").await;
        assert_eq!(answer, status);
    }
    it.org.disconnect();
    assert_eq!(it.ask_admitted(LIMITS, "").await, "200");
    it.end(1).await;
}

#[test_case(Fault::login_refused("invalid_grant", "user hasn't approved this consumer"), "502"; "refused")]
#[test_case(Fault::html(StatusCode::OK), "503"; "a web page")]
#[test_case(stray(r#""instance_url":"https://evil.example"}"#), "502"; "a foreign instance")]
#[test_case(stray(r#""instance_url":""}"#), "503"; "no instance")]
#[test_case(stray(r#""instance_url":7}"#), "503"; "an instance of another type")]
#[test_case(stray(r#""instance_url":"https://localh"#), "503"; "cut JSON")]
#[test_case(stray(r#""x":1}"#), "503"; "without instance")]
#[test_case(plain(&format!("{{\"access_token\":\"{STRAY_TOKEN}\\n\",\"instance_url\":\"https://localhost\"}}")), "503"; "a token that no header can carry")]
#[test_case(plain(&format!("{STRAY_TOKEN} is your token")), "503"; "no JSON")]
#[test_case(plain(&format!("[\"{STRAY_TOKEN}\"]")), "503"; "a list")]
#[test_case(Fault::redirect(StatusCode::FOUND, &format!("https://localhost/?access_token={STRAY_TOKEN}")), "502"; "a redirect")]
#[tokio::test]
async fn when_the_login_fails(fault: Fault, status: &str) {
    let mut it = Talkative::start("").await;
    it.org.faults().always(TOKEN, fault);
    assert_eq!(it.ask_admitted(LIMITS, "").await, status);
    it.end(0).await;
}

#[tokio::test]
async fn when_the_way_out_needs_a_password() {
    const PASSWORD: &str = "canary-proxy-password";

    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let way = ConnectProxy::with(org.port(), |_| {
        Some("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
    })
    .await;
    let mut command = Binary::command(&["--config", &files.config(), "--log", "trace,h2=trace"]);
    command.env(
        "HTTPS_PROXY",
        format!("http://me:{PASSWORD}@{}", way.address),
    );
    let proxy = Binary::spawn(command);
    let answer = curl(&format!("curl {}", proxy.url(LIMITS).await)).await;
    assert_eq!(answer.status(), "503");
    let mut canaries = Canaries::new(&org);
    canaries.add("the password of the proxy", PASSWORD);
    // me:canary-proxy, in base64.
    canaries.add("the password of the proxy", "bWU6Y2FuYXJ5LXByb3h5");
    let shown = way.heads();
    assert!(!canaries.find(&shown.concat()).is_empty(), "{shown:?}");
    let ended = proxy.stop().await;
    canaries.assert_none(&(ended.stdout + &ended.stderr + &answer.stdout));
}

#[test_case("private_key = \"damaged.key\"\n"; "a damaged key")]
#[test_case("private_key = { file = \"locked.key\", passphrase = { file = \"client.key\" } }\n"; "a wrong passphrase")]
#[test_case("private_key = { file = \"locked.key\" }\n"; "no passphrase")]
#[test_case("private_key = { file = \"locked.key\", passphrase = \"canary-passphrase-7f3a\" }\n"; "the passphrase itself")]
#[test_case("private_key = { env = \"KEY_IN_PART\" }\n"; "a key in part")]
#[test_case("private_key = { command = [\"sh\", \"-c\", \"exit 7\", \"canary-passphrase-7f3a\"] }\n"; "a command with a secret")]
#[test_case("[org.demo.guard]\nclient_key = \"canary-client-key-91c2d4e6\"\n"; "the client key itself")]
#[test_case("[org.demo.guard]\nclient_key = { file = \"spaced.key\" }\n"; "a client key with spaces")]
#[tokio::test]
async fn when_a_secret_is_wrong(more: &str) {
    let org = Org::start().await.unwrap();
    let files = Files::with(&org, more);
    let pem = org.private_key_pem();
    files.write("locked.key", &locked(pem, PASSPHRASE));
    files.write("damaged.key", &pem.replacen('M', "!", 3));
    files.write("client.key", CLIENT_KEY);
    files.write("spaced.key", &format!("{CLIENT_KEY} {CLIENT_KEY}"));

    let mut said = String::new();
    for command in ["check", "run"] {
        let arguments = [
            command,
            "--config",
            &files.config(),
            "--log",
            "trace,h2=trace",
        ];
        let mut command = Binary::command(&arguments);
        command.env("KEY_IN_PART", &pem[..pem.len() / 2]);
        let ended = Binary::spawn(command).end().await;
        assert_eq!(ended.code(), 64, "{ended:?}");
        said += &(ended.stdout + &ended.stderr);
    }
    Canaries::new(&org).assert_none(&said);
}

#[tokio::test]
async fn when_the_key_is_given_in_place_of_its_path() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let arguments = [
        "check",
        "-c",
        &files.config(),
        "--private-key",
        org.private_key_pem(),
    ];
    let ended = run(&arguments).await;
    assert_eq!(ended.code(), 64);
    let help = run(&["run", "--help"]).await;
    Canaries::new(&org).assert_none(&(ended.stdout + &ended.stderr + &help.stdout));
}

#[tokio::test]
async fn when_help_is_asked_for_with_secrets_in_the_environment() {
    let org = Org::start().await.unwrap();
    let mut command = Binary::command(&["run", "--help"]);
    command.env("ORGPROXY_PRIVATE_KEY", org.private_key_pem());
    let ended = Binary::spawn(command).end().await;
    assert!(ended.stdout.contains("ORGPROXY_PRIVATE_KEY"));
    Canaries::new(&org).assert_none(&ended.stdout);
}

#[tokio::test]
async fn when_the_configuration_is_printed_by_a_programmer() {
    let org = Org::start().await.unwrap();
    let more = "[org.demo.guard]\nclient_key = { file = \"client.key\" }\n";
    let files = Files::with(&org, more);
    files.write("client.key", CLIENT_KEY);
    let config = Config::load(Some(&files.path("proxy.toml")), &Overrides::default()).unwrap();
    let printed = format!("{config:?}\n{config:#?}");
    assert!(printed.contains(org.username()));
    Canaries::new(&org).assert_none(&printed);
}

/// An answer of the token endpoint with a token in it, which goes on with `rest`.
fn stray(rest: &str) -> Fault {
    plain(&format!("{{\"access_token\":\"{STRAY_TOKEN}\",{rest}"))
}

fn plain(body: &str) -> Fault {
    Fault::answer(StatusCode::OK, "application/json", body.to_owned())
}

fn now() -> u64 {
    let age = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    age.as_secs()
}
