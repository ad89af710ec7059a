//! Clients that act as users of their own in the org: each reaches it with the session of its user, and
//! nothing that befalls one, or that it shows, leads to the session of another.

use std::{collections::BTreeSet, path::PathBuf};

use orgproxy::{
    config::{Admin, ClientKey, ClientLabel, ClientNames, Clients, Config, Listen, Redis, Users},
    demo::{Counts, TOKEN},
};
use reqwest::{Client, Response};
use serde_json::Value;
use tempfile::TempDir;
use test_case::test_case;

use crate::{
    admin::get,
    support::{
        Binary, Files, LONGEST, Org, Proxy,
        binary::run,
        client,
        files::config,
        json_of,
        namespace::{ENVELOPE, PARTNER},
        path::{LIMITS, SOAP},
        redis::RedisServer,
        skip,
    },
};

const ANN: &str = "ann@demo.example";
const BOB: &str = "bob@demo.example";
const USERINFO: &str = "/services/oauth2/userinfo";
const INTROSPECT: &str = "/services/oauth2/introspect";
const KEY: &str = "0123456789abcdef-the-key";

#[test_case(false; "by HTTP/1.1")]
#[test_case(true; "by HTTP/2")]
#[tokio::test]
async fn each_client_acts_as_its_user_whatever_it_says_of_itself(http2: bool) {
    let it = Mapped::with_clients(|config| {
        config.orgs[0].http2 = http2;
        // So that all of them share one connection.
        config.threads = 1;
    })
    .await;
    let placeholder = it.log_in("etl").await;
    for _ in 0..2 {
        for (client, session, user) in [
            (&it.tcp, None, ANN),
            (&it.unix, None, BOB),
            (&it.tcp, Some(&placeholder), BOB),
            (&it.unix, Some(&placeholder), BOB),
        ] {
            let mut asked = client.get(it.url(LIMITS));
            for (name, value) in [
                ("user-agent", "uid:0"),
                ("x-forwarded-user", BOB),
                ("sforce-call-options", "client=listener:load"),
                ("x-orgproxy-user", ANN),
                ("cookie", "uid:0"),
            ] {
                asked = asked.header(name, value);
            }
            let asked = match session {
                Some(session) => asked.bearer_auth(session),
                None => asked.basic_auth("etl", Some("wrong")),
            };
            assert_eq!(asked.send().await.unwrap().status(), 200);
            assert_eq!(it.user().as_deref(), Some(user));
        }
    }
    // Each has logged in once, and the org's own user has not been needed.
    assert_eq!([ANN, BOB].map(|user| it.org.logins_of(user)), [1, 1]);
    assert_eq!(it.org.logins(), 2);
    let connections = it.org.requests().into_iter().map(|seen| seen.connection);
    assert_eq!(connections.collect::<BTreeSet<_>>().len(), 1);
}

#[tokio::test]
async fn every_api_and_every_answer_about_the_user_is_about_the_right_one() {
    let it = Mapped::start().await;
    for (client, user) in [(&it.tcp, ANN), (&it.unix, BOB)] {
        let about = json_of(client.get(it.url(USERINFO)).send().await.unwrap()).await;
        assert_eq!(about["preferred_username"], user);
        let id = about["user_id"].as_str().unwrap();

        let (status, answer) = it.soap(client, "", "<getUserInfo/>").await;
        assert_eq!(status, 200, "{answer}");
        assert!(
            answer.contains(&format!("<userName>{user}</userName>")),
            "{answer}"
        );
        let (_, answer) = it.soap(client, "", &login()).await;
        for part in [
            format!("<userName>{user}</userName>"),
            format!("<userId>{id}</userId>"),
        ] {
            assert!(answer.contains(&part), "{part}: {answer}");
        }
        let form = "grant_type=password&username=x&password=y";
        let told = json_of(it.form(client, TOKEN, form).await).await;
        assert!(told["id"].as_str().unwrap().ends_with(id), "{told}");
        let placeholder = told["access_token"].as_str().unwrap();
        let (_, session) = answer.split_once("<sessionId>").unwrap();
        assert!(session.starts_with(placeholder), "{answer}");
        let told = it.introspect(client, placeholder).await;
        assert_eq!(told["username"], user);
        assert!(told["sub"].as_str().unwrap().ends_with(id), "{told}");

        let bulk = client.get(it.url("/services/async/62.0/job/750xx0000000001"));
        bulk.send().await.unwrap();
        assert_eq!(it.user().as_deref(), Some(user));
    }
}

#[tokio::test]
async fn a_client_that_is_not_mapped_acts_as_the_orgs_own_user() {
    let it = Mapped::with_clients(|_| {}).await;
    let placeholder = it.log_in("bi").await;
    let asked = it.unix.get(it.url(LIMITS)).bearer_auth(&placeholder);
    assert_eq!(asked.send().await.unwrap().status(), 200);
    assert_eq!(it.user().as_deref(), Some(it.org.username()));
}

#[tokio::test]
async fn who_shows_nothing_is_told_how_to_be_known() {
    let it = Mapped::with(|config| {
        config.orgs[0].client_names = ClientNames::default();
        config.orgs[0].users.as_mut().unwrap().refuses_others = true;
    })
    .await;
    let answer = it.tcp.get(it.url(LIMITS)).send().await.unwrap();
    let message = refusal(answer, "NO_USER").await;
    assert!(message.contains("client_names"), "{message}");
    let asked = it.unix.get(it.url(LIMITS)).send();
    assert_eq!(asked.await.unwrap().status(), 200);
    assert_eq!(it.user().as_deref(), Some(BOB));
}

#[tokio::test]
async fn or_it_is_refused_where_that_is_set_and_logs_in_nowhere() {
    let it = Mapped::with_clients(|config| {
        let users = config.orgs[0].users.as_mut().unwrap();
        users.of_clients.retain(|(_, user)| user == BOB);
        users.refuses_others = true;
    })
    .await;
    let asked = it.tcp.get(it.url(LIMITS)).header("user-agent", "uid:0");
    let message = refusal(asked.send().await.unwrap(), "NO_USER").await;
    assert!(message.contains("[org.demo.users]"), "{message}");
    let (status, answer) = it.soap(&it.tcp, "", "<getUserInfo/>").await;
    assert_eq!(status, 500);
    assert!(answer.contains("NO_USER"), "{answer}");
    let form = "grant_type=password&username=bi&password=right";
    let answer = it.form(&it.tcp, TOKEN, form).await;
    refusal(answer, "NO_USER").await;
    assert_eq!(it.org.counts(), Counts::default());

    // Who logs in as one that is there may come by any way, and so may a probe.
    let placeholder = it.log_in("etl").await;
    let asked = it.tcp.get(it.url(LIMITS)).bearer_auth(&placeholder);
    assert_eq!(asked.send().await.unwrap().status(), 200);
    assert_eq!(it.user().as_deref(), Some(BOB));
    assert_eq!(it.org.logins_of(it.org.username()), 0);
}

#[tokio::test]
async fn a_session_that_ends_is_replaced_without_a_login_of_another() {
    let it = Mapped::start().await;
    it.all_well().await;
    it.org.end_sessions_of(ANN);
    it.all_well().await;
    assert_eq!([ANN, BOB].map(|user| it.org.logins_of(user)), [2, 1]);
    it.org.end_sessions_of(BOB);
    it.all_well().await;
    assert_eq!([ANN, BOB].map(|user| it.org.logins_of(user)), [2, 2]);
}

#[tokio::test]
async fn a_user_whom_the_org_refuses_is_no_concern_of_another() {
    let it = Mapped::start().await;
    it.org.set(|knobs| knobs.users = vec![BOB.to_owned()]);
    for _ in 0..2 {
        let answer = it.tcp.get(it.url(LIMITS)).send().await.unwrap();
        let marked = answer.headers()["proxy-status"].to_str().unwrap();
        assert!(marked.contains("LOGIN_REFUSED"), "{marked}");
        let answer = it.unix.get(it.url(LIMITS)).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(it.user().as_deref(), Some(BOB));
    }
    // It rests, and the proxy as a whole is ready.
    assert_eq!(it.org.counts().refusals, 1);
    assert_eq!(get(it.proxy.admin(), "/readiness").await.status, 200);

    let status = get(it.proxy.admin(), "/api/status").await.body;
    let status: Value = serde_json::from_str(&status).unwrap();
    let users = &status["orgs"][0]["users"]["all"];
    let by_socket = format!("uid:{}", uid());
    for (at, name, client, state) in [
        (0, ANN, "listener:load", "failed"),
        (1, BOB, &by_socket, "live"),
    ] {
        assert_eq!(users[at]["username"], name, "{users}");
        assert_eq!(users[at]["clients"][0], client, "{users}");
        assert_eq!(users[at]["session"]["state"], state, "{users}");
    }
    let url = format!("http://{}", it.proxy.admin());
    let shown = run(&["status", "--url", &url]).await.stdout;
    let page = get(it.proxy.admin(), "/").await.body;
    for text in [
        format!("{ANN} for listener:load: the login failed: "),
        format!("{BOB} for {by_socket}: logged in "),
        format!("all other clients act as {}", it.org.username()),
    ] {
        assert!(page.contains(&text), "{text}: {page}");
        let words = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(text.trim_end()), "{text}: {shown}");
    }
    let metrics = get(it.proxy.admin(), "/metrics").await.body;
    for line in [
        format!("orgproxy_user_logins_total{{org=\"demo\",user=\"{ANN}\",outcome=\"refused\"}} 1"),
        format!("orgproxy_user_logins_total{{org=\"demo\",user=\"{BOB}\",outcome=\"ok\"}} 1"),
        "orgproxy_logins_total{org=\"demo\",outcome=\"refused\"} 0".to_owned(),
    ] {
        assert!(metrics.lines().any(|it| it == line), "{line}: {metrics}");
    }
    let age = format!("orgproxy_user_session_age_seconds{{org=\"demo\",user=\"{BOB}\"}}");
    assert!(metrics.contains(&age), "{metrics}");
}

#[tokio::test]
async fn a_placeholder_is_of_no_use_to_a_client_that_acts_as_another_user() {
    let it = Mapped::start().await;
    let anns = it.placeholder(&it.tcp).await;
    let bobs = it.placeholder(&it.unix).await;
    let own = it.orgs_own().await;
    for (client, right, wrong) in [(&it.tcp, &anns, &bobs), (&it.unix, &bobs, &anns)] {
        let before = it.org.counts();
        for wrong in [wrong, &own] {
            for (name, value) in ways_to_show(wrong) {
                let asked = client.get(it.url(LIMITS)).header(name, value);
                let message = refusal(asked.send().await.unwrap(), "WRONG_USER").await;
                assert!(message.contains("log in here again"), "{message}");
            }
            let query = format!("{LIMITS}?oauth_token={}", wrong.replace('!', "%21"));
            let answer = client.get(it.url(&query)).send().await.unwrap();
            refusal(answer, "WRONG_USER").await;
            let (status, answer) = it.soap(client, wrong, "<getUserInfo/>").await;
            assert_eq!(status, 500);
            assert!(answer.contains("WRONG_USER"), "{answer}");
            assert_eq!(it.introspect(client, wrong).await["active"], false);
            let form = format!("grant_type=refresh_token&refresh_token={wrong}");
            refusal(it.form(client, TOKEN, &form).await, "WRONG_USER").await;
        }
        assert_eq!(it.org.counts(), before);

        for (name, value) in ways_to_show(right) {
            let asked = client.get(it.url(LIMITS)).header(name, value);
            assert_eq!(asked.send().await.unwrap().status(), 200, "{name}");
        }
        let (status, answer) = it.soap(client, right, "<getUserInfo/>").await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(it.introspect(client, right).await["active"], true);
        let form = format!("grant_type=refresh_token&refresh_token={right}");
        let told = json_of(it.form(client, TOKEN, &form).await).await;
        assert_eq!(told["access_token"], *right);
    }
}

#[tokio::test]
async fn a_client_without_the_key_does_not_pass_for_the_user_of_its_listener() {
    let it = Mapped::with_clients(|config| {
        config.orgs[0].guard.client_key = Some(ClientKey::new(KEY.as_bytes()).unwrap());
    })
    .await;
    let etls = it.log_in("etl").await;
    let before = it.org.counts();
    let (status, answer) = it
        .soap(&it.tcp, &format!("{etls}x"), "<getUserInfo/>")
        .await;
    assert_eq!(status, 500, "{answer}");
    assert!(answer.contains("CLIENT_KEY_MISSING"), "{answer}");
    assert_eq!(it.org.counts(), before);
    // It is let in for the placeholder, and so it is the client that has it, not the listener's.
    for session in [etls.clone(), format!("x!{etls}")] {
        let (status, _) = it.soap(&it.tcp, &session, "<getUserInfo/>").await;
        assert_eq!((status, it.user().as_deref()), (200, Some(BOB)));
    }
    // Two of them in one request are those of two users.
    let bis = it.log_in("bi").await;
    let asked = it.tcp.get(it.url(LIMITS)).bearer_auth(&etls);
    let asked = asked.header("cookie", format!("sid={bis}"));
    refusal(asked.send().await.unwrap(), "WRONG_USER").await;
}

#[tokio::test]
async fn the_access_log_has_the_user_that_answered() {
    let org = two_users().await;
    let more = "client_names = { \"127.0.0.1:0\" = \"load\" }\n\
                [org.demo.users]\n\"listener:load\" = \"ann@demo.example\"\n";
    for (format, expected) in [
        ("text", " user=ann@demo.example "),
        ("json", "\"user\":\"ann@demo.example\""),
    ] {
        let files = Files::with(&org, more);
        let log = files.path("access.log");
        let log = log.to_str().unwrap();
        let kept = ["--access-log", log, "--access-log-format", format];
        let proxy = Binary::start(&[&["run", "--config", &files.config()][..], &kept].concat());
        let url = proxy.url(LIMITS).await;
        assert_eq!(client().get(url).send().await.unwrap().status(), 200);
        let said = proxy.log("logged in").await;
        assert!(said.contains(ANN), "{said}");
        proxy.stop().await;
        let text = std::fs::read_to_string(log).unwrap();
        assert!(text.contains(expected), "{text}");
    }
}

#[tokio::test]
async fn a_reload_keeps_the_sessions_of_users_that_stay_and_ends_the_others() {
    let org = two_users().await;
    let named = "client_names = { \"127.0.0.1:0\" = \"load\" }\n\
                 [org.demo.clients]\netl = { file = \"etl.pass\" }\n";
    let admin = "[admin]\nlisten = \"127.0.0.1:0\"\n";
    let more = |users: &str| format!("{named}[org.demo.users]\n{users}{admin}");
    let (ann, bob) = (
        "\"listener:load\" = \"ann@demo.example\"\n",
        "etl = \"bob@demo.example\"\n",
    );
    let files = Files::with(&org, &more(&format!("{ann}{bob}")));
    files.write("etl.pass", "all-right");
    let proxy = Binary::start(&["run", "--config", &files.config(), "--watch-files=false"]);
    let line = proxy.print("admin listener on ").await;
    let admin = format!("http://{}", line.rsplit(' ').next().unwrap());
    let url = proxy.url("").await;
    let ask = async |session: Option<&str>| {
        let mut asked = client().get(format!("{url}{LIMITS}"));
        if let Some(session) = session {
            asked = asked.bearer_auth(session);
        }
        asked.send().await.unwrap()
    };
    let log_in = async || {
        let form = "grant_type=password&username=etl&password=all-right";
        let asked = client().post(format!("{url}{TOKEN}")).body(form);
        let asked = asked.header("content-type", "application/x-www-form-urlencoded");
        let told = json_of(asked.send().await.unwrap()).await;
        told["access_token"].as_str().unwrap().to_owned()
    };
    let reload = async |users: &str| {
        files.write("proxy.toml", &config(&org, &more(users)));
        let ended = run(&["reload", "--url", &admin]).await;
        assert_eq!(ended.code(), 0, "{ended:?}");
    };
    let user = || org.last_request().user;
    let etl = log_in().await;
    assert_eq!(ask(Some(&etl)).await.status(), 200);
    assert_eq!(ask(None).await.status(), 200);

    // Another setting of the org, and the users as they were.
    reload(&format!("{ann}{bob}others = \"refuse\"\n")).await;
    assert_eq!(ask(Some(&etl)).await.status(), 200);
    assert_eq!(ask(None).await.status(), 200);
    assert_eq!([ANN, BOB].map(|user| org.logins_of(user)), [1, 1]);

    // The listener's clients act as the org's own user from now on, and `etl` as another.
    reload("etl = \"ann@demo.example\"\n").await;
    assert_eq!(ask(None).await.status(), 200);
    assert_eq!(user().as_deref(), Some(org.username()));
    let before = org.counts();
    refusal(ask(Some(&etl)).await, "WRONG_USER").await;
    assert_eq!(org.counts(), before);
    let new = log_in().await;
    assert_ne!(new, etl);
    assert_eq!(ask(Some(&new)).await.status(), 200);
    assert_eq!(user().as_deref(), Some(ANN));
    // Ann's session has gone on, and so has what is known of her logins. Bob's has ended.
    assert_eq!(org.logins_of(ANN), 1);
    reload(bob).await;
    let etl = log_in().await;
    assert_eq!(ask(Some(&etl)).await.status(), 200);
    assert_eq!(user().as_deref(), Some(BOB));
    assert_eq!(org.logins_of(BOB), 2);
}

#[tokio::test]
async fn the_doctor_logs_in_as_each_user() {
    let org = two_users().await;
    let more = "client_names = { \"127.0.0.1:0\" = \"load\" }\n\
                [org.demo.clients]\netl = { file = \"etl.pass\" }\n\
                [org.demo.users]\n\"listener:load\" = \"ann@demo.example\"\n\
                etl = \"eve@demo.example\"\n";
    let files = Files::with(&org, more);
    files.write("etl.pass", "all-right");
    let ended = run(&["doctor", "--config", &files.config()]).await;
    assert_eq!(ended.code(), 1, "{ended:?}");
    assert!(
        ended
            .stdout
            .contains("✓ user: ann@demo.example: as ann@demo.example, at")
    );
    assert!(
        ended.stdout.contains("✗ user: eve@demo.example: "),
        "{ended:?}"
    );
    assert!(ended.stdout.contains("pre-authorize the user"), "{ended:?}");
    assert_eq!(org.logins_of(ANN), 1);
}

#[tokio::test]
async fn replicas_share_the_session_of_each_user() {
    let Some(redis) = RedisServer::start().await else {
        return skip("there is no redis-server");
    };
    let org = two_users().await;
    let change = |config: &mut Config| {
        config.redis = Some(Redis::at(&redis.url()).unwrap());
    };
    let one = proxy(&org, change).await;
    let other = proxy(&org, change).await;
    for (proxy, folder) in [&one, &other] {
        for (client, user) in [(client(), ANN), (by_socket(folder), BOB)] {
            let answer = client.get(proxy.url(LIMITS)).send().await.unwrap();
            assert_eq!(answer.status(), 200);
            assert_eq!(org.last_request().user.as_deref(), Some(user));
        }
    }
    assert_eq!([ANN, BOB].map(|user| org.logins_of(user)), [1, 1]);
    assert_eq!(org.logins(), 2);
}

/// An org with two users besides its own, and a proxy that clients of its port reach as [`ANN`], and
/// those of its socket as [`BOB`].
struct Mapped {
    org: Org,
    proxy: Proxy,
    tcp: Client,
    unix: Client,
    _folder: TempDir,
}

impl Mapped {
    async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// One that has two clients with passwords, too, of which `etl` acts as [`BOB`], and `bi` is not
    /// mapped.
    async fn with_clients(change: impl FnOnce(&mut Config)) -> Self {
        Self::with(|config| {
            let mut clients = Clients::default();
            for name in ["etl", "bi"] {
                clients.add(name.to_owned(), b"right");
            }
            let org = &mut config.orgs[0];
            org.clients = Some(clients);
            let etl = (ClientLabel::Name("etl".into()), BOB.to_owned());
            org.users.as_mut().unwrap().of_clients.push(etl);
            change(config);
        })
        .await
    }

    async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let org = two_users().await;
        let (proxy, folder) = proxy(&org, change).await;
        Self {
            org,
            proxy,
            tcp: client(),
            unix: by_socket(&folder),
            _folder: folder,
        }
    }

    fn url(&self, path: &str) -> String {
        self.proxy.url(path)
    }

    /// The user of the last request that the org got.
    fn user(&self) -> Option<String> {
        self.org.last_request().user
    }

    /// Has both clients be answered, each as its user.
    async fn all_well(&self) {
        for (client, user) in [(&self.tcp, ANN), (&self.unix, BOB)] {
            let answer = client.get(self.url(LIMITS)).send().await.unwrap();
            assert_eq!(answer.status(), 200);
            assert_eq!(self.user().as_deref(), Some(user));
        }
    }

    async fn form(&self, client: &Client, path: &str, form: &str) -> Response {
        let asked = client.post(self.url(path)).body(form.to_owned());
        let asked = asked.header("content-type", "application/x-www-form-urlencoded");
        asked.send().await.unwrap()
    }

    /// Logs `name` in by its password, and returns the placeholder.
    async fn log_in(&self, name: &str) -> String {
        let form = format!("grant_type=password&username={name}&password=right");
        token_of(self.form(&self.tcp, TOKEN, &form).await).await
    }

    /// The placeholder of a client that needs no password.
    async fn placeholder(&self, client: &Client) -> String {
        token_of(self.form(client, TOKEN, "grant_type=password").await).await
    }

    /// The placeholder that the clients of the org's own user get, from a proxy without other users.
    async fn orgs_own(&self) -> String {
        let proxy = Proxy::start(&self.org).await;
        let asked = client().post(proxy.url(TOKEN)).body("grant_type=password");
        let asked = asked.header("content-type", "application/x-www-form-urlencoded");
        token_of(asked.send().await.unwrap()).await
    }

    async fn introspect(&self, client: &Client, token: &str) -> Value {
        let form = format!("token={token}");
        json_of(self.form(client, INTROSPECT, &form).await).await
    }

    async fn soap(&self, client: &Client, session: &str, operation: &str) -> (u16, String) {
        let envelope = format!(
            "<e:Envelope xmlns:e=\"{ENVELOPE}\" xmlns=\"{PARTNER}\"><e:Header><SessionHeader>\
             <sessionId>{session}</sessionId></SessionHeader></e:Header>\
             <e:Body>{operation}</e:Body></e:Envelope>"
        );
        let asked = client.post(self.url(SOAP)).body(envelope);
        let asked = asked.header("content-type", "text/xml");
        let answer = asked.header("soapaction", "\"\"").send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }
}

/// Starts an org whose app may log in as [`ANN`] and [`BOB`], too.
async fn two_users() -> Org {
    let org = Org::start().await.unwrap();
    org.set(|knobs| knobs.users = [ANN, BOB].map(str::to_owned).into());
    org
}

/// Starts a proxy with a port and a socket, which is in the folder that is returned.
async fn proxy(org: &Org, change: impl FnOnce(&mut Config)) -> (Proxy, TempDir) {
    let folder = TempDir::new().unwrap();
    let proxy = Proxy::with(org, |config| {
        config.admin = Some(Admin::at(Listen::Tcp(([127, 0, 0, 1], 0).into())));
        let org = &mut config.orgs[0];
        org.listen = vec![Listen::loopback(0), Listen::Unix(socket(&folder))];
        org.client_names.add(Listen::loopback(0), "load");
        let of_clients = [
            (ClientLabel::Listener("load".into()), ANN),
            (ClientLabel::Uid(uid()), BOB),
        ];
        org.users = Some(Users {
            of_clients: of_clients
                .map(|(label, user)| (label, user.to_owned()))
                .into(),
            refuses_others: false,
        });
        change(config);
    })
    .await;
    (proxy, folder)
}

fn socket(folder: &TempDir) -> PathBuf {
    folder.path().join("proxy.sock")
}

/// A client of the socket in `folder`.
fn by_socket(folder: &TempDir) -> Client {
    // As for any other.
    drop(client());
    let client = Client::builder().unix_socket(socket(folder));
    client.timeout(LONGEST).build().unwrap()
}

/// The user that the tests run as.
fn uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// All headers in which a client may show `placeholder`.
fn ways_to_show(placeholder: &str) -> [(&'static str, String); 5] {
    [
        ("authorization", format!("Bearer {placeholder}")),
        ("authorization", format!("OAuth {placeholder}")),
        ("x-sfdc-session", placeholder.to_owned()),
        ("cookie", format!("a=b; sid={placeholder}")),
        ("accesstoken", placeholder.to_owned()),
    ]
}

/// Asserts that this is a refusal of the proxy, and returns its message.
async fn refusal(answer: Response, code: &str) -> String {
    assert_eq!(answer.status(), 403);
    let marked = answer.headers()["proxy-status"].to_str().unwrap();
    assert!(marked.contains(&format!("details=\"{code}\"")), "{marked}");
    answer.text().await.unwrap()
}

async fn token_of(answer: Response) -> String {
    let told = json_of(answer).await;
    told["access_token"].as_str().expect("a token").to_owned()
}

fn login() -> String {
    format!("<login xmlns=\"{PARTNER}\"><username>x</username><password>y</password></login>")
}
