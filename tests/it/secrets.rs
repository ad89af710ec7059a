//! No secret is ever printed, logged, measured, traced or answered: a canary for each, and a search for
//! all of them in everything that the program says on its most talkative day.

use std::{
    fs,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::StatusCode;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use orgproxy::{
    config::{Config, KEYS, Overrides},
    demo::TOKEN,
};
use serde_json::json;
use test_case::test_case;

#[cfg(feature = "otlp")]
use crate::support::Collector;
use crate::{
    admin::{admin_url, everything},
    support::{
        Binary, ConnectProxy, Fault, Files, Org, Raw,
        binary::run,
        curl,
        files::config,
        get::get,
        in_time,
        keys::locked,
        path::{ECHO, LIMITS},
        settings::{leaves, settings, with_setting},
    },
};

const PASSPHRASE: &str = "canary-passphrase-7f3a";
const CLIENT_KEY: &str = "canary-client-key-91c2d4e6";

const COLLECTOR_KEY: &str = "canary-collector-key-3d09";

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
            ("the key of the collector", COLLECTOR_KEY),
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
            let planted = format!("x{word}x");
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

/// A proxy that knows every secret there can be, and says all it can, to everybody who listens.
struct Talkative {
    org: Org,
    files: Files,
    proxy: Binary,
    #[cfg(feature = "otlp")]
    collector: Collector,
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
             [org.demo.guard]\nclient_key = {{ file = \"client.key\" }}\n\
             [admin]\nlisten = \"127.0.0.1:0\"\n"
        );
        let log = "access_log = \"access.log\"\naccess_log_format = \"json\"\n";
        #[cfg_attr(
            not(feature = "otlp"),
            expect(unused_mut, reason = "nobody else listens")
        )]
        let mut text = format!("{log}{}", config(&org, &more));
        #[cfg(feature = "otlp")]
        let collector = {
            let collector = Collector::start().await;
            files.write(
                "headers",
                &format!("authorization=Bearer%20{COLLECTOR_KEY}"),
            );
            text += &format!(
                "[traces]\nendpoint = {:?}\nheaders = {{ file = \"headers\" }}\n",
                collector.url
            );
            collector
        };
        files.write("proxy.toml", &text);
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
            #[cfg(feature = "otlp")]
            collector,
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

        let admin = everything(&admin_url(&self.proxy).await).await;
        let events = self.events().await;
        // The passphrase is where the configuration says that it is: in the environment.
        let process = self.process().replace(PASSPHRASE, "");
        let ended = self.proxy.stop().await;
        assert_eq!(ended.code(), 0);
        assert!(ended.stderr.contains("TRACE") || ended.stderr.contains("DEBUG"));
        let log = fs::read_to_string(self.files.path("access.log")).unwrap();
        let mut said = ended.stdout + &ended.stderr + &self.answers;
        // That what was searched was there.
        for (shown, word) in [
            (&admin, "orgproxy_requests_total"),
            (&events, "data:"),
            (&process, "--config"),
            (&log, "\"path\":"),
        ] {
            assert!(shown.contains(word), "{word}: {shown}");
            said += shown;
        }
        #[cfg(feature = "otlp")]
        {
            let posts = self.collector.posts();
            assert!(!posts.is_empty());
            for post in &posts {
                let shown = post.headers["authorization"].to_str().unwrap();
                assert_eq!(shown, format!("Bearer {COLLECTOR_KEY}"));
                said += &String::from_utf8_lossy(&post.body);
            }
            assert!(said.contains("http.request.method"), "no span");
        }
        canaries.assert_none(&said);
    }

    /// The first of what keeps the dashboard up to date.
    async fn events(&self) -> String {
        let url = admin_url(&self.proxy).await;
        let mut stream = Raw::connect(url.trim_start_matches("http://").parse().unwrap()).await;
        stream.send(get("/events")).await;
        let mut heard = Vec::new();
        while !heard.windows(5).any(|five| five == b"data:") || !heard.ends_with(b"\n\n\r\n") {
            let read = tokio::io::AsyncReadExt::read_buf(&mut stream.0, &mut heard);
            assert!(in_time(read).await.unwrap() > 0, "no event");
        }
        String::from_utf8_lossy(&heard).into_owned()
    }

    /// What the system shows of the process.
    fn process(&self) -> String {
        ["environ", "cmdline", "comm", "status"]
            .iter()
            .map(|name| fs::read(self.proxy.proc(name)).unwrap_or_default())
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .collect()
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
        (
            LIMITS,
            "-H 'Expect: 100-continue' -H 'Expect: wonders'",
            "417",
        ),
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

/// Each setting that there is, and each form in which somebody might paste a secret into it.
#[tokio::test]
async fn in_whatever_setting_a_secret_stands() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    // What else is missing is of no interest, and a key takes time to read.
    let rest = "[org.demo]\nusername = \"me@example.com\"";
    // In full, it takes long to look at.
    let pem = org.private_key_pem();
    let lines: Vec<_> = pem.lines().collect();
    let pem = [&lines[..5], &lines[lines.len() - 2..]].concat().join("\n") + "\n";
    let pem = pem.as_str();
    let canaries = Misplaced::new(pem);
    let load = |what: &str, text: &str, overrides: &Overrides| {
        let loaded = Config::from_toml(text, &files.path("proxy.toml"), overrides);
        let error = loaded.expect_err(what);
        let said = error.to_string();
        canaries.assert_none(what, &format!("{said}\n{error:?}"));
        said.lines().count()
    };
    let none = Overrides::default();
    let all = settings();
    let leaves = leaves(&all);
    let strange = [
        "zz",
        "limits.zz",
        "org.zz",
        "org.demo.zz",
        "org.demo.guard.zz",
    ]
    .map(str::to_owned);
    let mut mistakes = 0;
    for (form, value) in misplaced(pem) {
        // All at once, since each mistake is reported.
        mistakes += load(&form, &with_all(&leaves, &value), &none);
        for table in ["", "org.demo."] {
            let text = with_setting(rest, &format!("{table}{value}"), "1");
            mistakes += load(&format!("{form} as a key"), &text, &none);
        }
    }
    // What is a table, or nothing at all.
    let others = all.iter().filter(|path| !leaves.contains(path));
    for path in others.chain(&strange) {
        for (form, value) in pasted(pem) {
            let text = with_setting(rest, path, &format!("{value:?}"));
            mistakes += load(&format!("{form} in {path}"), &text, &none);
        }
    }
    for (form, value) in pasted(pem) {
        let (mut flags, mut variables) = (Overrides::default(), Overrides::default());
        for key in KEYS {
            flags.set_flag(key, value.clone());
            variables.set_variable(key, value.clone());
        }
        mistakes += load(&format!("{form} in flags"), rest, &flags);
        mistakes += load(&format!("{form} in variables"), rest, &variables);
    }
    assert!(mistakes > 5000, "{mistakes}");
}

/// A configuration with the same value for all of `settings`.
fn with_all(settings: &[&String], value: &str) -> String {
    let (mut of_org, mut others) = (String::new(), String::new());
    for path in settings {
        match path.strip_prefix("org.demo.") {
            Some(key) => of_org += &format!("{key} = {value}\n"),
            None => others += &format!("{path} = {value}\n"),
        }
    }
    format!("{others}[org.demo]\n{of_org}")
}

/// Pieces of secrets that stand where they should not.
struct Misplaced(Vec<String>);

impl Misplaced {
    fn new(pem: &str) -> Self {
        let mut pieces = vec![
            TOKEN_PIECE.to_owned(),
            JWT_PIECE.to_owned(),
            PASSWORD.to_owned(),
        ];
        let lines = pem.lines().filter(|line| !line.starts_with("---"));
        // No message has a key in part.
        pieces.extend(
            lines
                .filter(|line| line.len() >= 24)
                .map(|line| line[4..24].to_owned()),
        );
        Self(pieces)
    }

    #[track_caller]
    fn assert_none(&self, what: &str, said: &str) {
        for piece in &self.0 {
            let line = said.lines().find(|line| line.contains(piece.as_str()));
            assert_eq!(line, None, "{what}: {piece}");
        }
    }
}

const PASSWORD: &str = "canary-password-4c1e";
const TOKEN_PIECE: &str = "canary.token.9b3d";
const JWT_PIECE: &str = "Y2FuYXJ5LWp3dA";

/// Secrets as somebody pastes them into a flag or a variable.
fn pasted(pem: &str) -> Vec<(&'static str, String)> {
    let body: String = pem
        .lines()
        .filter(|line| !line.starts_with("---"))
        .collect();
    let second = pem.lines().nth(2).unwrap();
    vec![
        ("a key", pem.to_owned()),
        (
            "a key with a broken line",
            pem.replacen(second, &format!("{} {}", &second[..30], &second[30..]), 1)
                .replacen('M', "!", 1),
        ),
        ("a key in one line", pem.replace('\n', " ")),
        ("a key with escapes", pem.replace('\n', "\\n")),
        ("a key without its ends", body),
        ("a key without its end", pem[..pem.len() / 2].to_owned()),
        ("a line of a key", second.to_owned()),
        ("a token", format!("00D000000000000!{TOKEN_PIECE}")),
        ("a header", format!("Bearer 00D000000000000!{TOKEN_PIECE}")),
        (
            "an assertion",
            format!("eyJhbGciOiJSUzI1NiJ9.{JWT_PIECE}.c2ln"),
        ),
        (
            "a password in a URL",
            format!("https://me:{PASSWORD}@gateway.example.com"),
        ),
        (
            "a password in the URL of Redis",
            format!("redis://:{PASSWORD}@127.0.0.1:6379/0"),
        ),
        (
            "a password for a proxy",
            format!("http://me:{PASSWORD}@proxy.example.com:3128/"),
        ),
    ]
}

/// The same as values of a file, well formed and not.
fn misplaced(pem: &str) -> Vec<(String, String)> {
    let mut values = Vec::new();
    for (form, secret) in pasted(pem) {
        let text = format!("{secret:?}");
        values.extend([
            (form.to_owned(), text.clone()),
            (format!("{form}, in a list"), format!("[{text}]")),
            (format!("{form}, unquoted"), secret.clone()),
            (
                format!("{form}, without an end quote"),
                format!("\"{secret}"),
            ),
            (
                format!("{form}, in many lines"),
                format!("\"\"\"\n{secret}\"\"\""),
            ),
        ]);
        for key in ["file", "env", "credential"] {
            values.push((format!("{form} as {key}"), format!("{{ {key} = {text} }}")));
        }
        values.push((
            format!("{form} as a command"),
            format!("{{ command = [{text}] }}"),
        ));
        values.push((
            format!("{form} as a key of a table"),
            format!("{{ {text} = 1 }}"),
        ));
    }
    values
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
