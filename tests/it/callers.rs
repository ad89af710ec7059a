//! Who calls: a client is called by what is known of it, and none passes for another.

use std::{fs, net::SocketAddr};

use orgproxy::{
    config::{Clients, Config, Listen},
    demo::TOKEN,
};
use serde_json::{Value, json};

use crate::{
    admin::{admin_url, get, with_admin},
    support::{Binary, Files, Org, PATIENCE, Proxy, binary::run, path::LIMITS, proxy::client},
};

pub(crate) const ETL: &str = "etl@example.com";

#[tokio::test]
async fn a_client_that_calls_itself_as_another_is_not_counted_as_that() {
    let org = Org::start().await.unwrap();
    let proxy = with_admin(&org, with_etl).await;
    let placeholder = log_in(&proxy).await;
    ask(&proxy, "any/1", Some(&placeholder)).await;
    for name in [ETL, "unknown", "others", ETL] {
        ask(&proxy, name, None).await;
    }
    let clients = clients_after(&proxy, 6).await;
    let used = |name: &str, by: &str| {
        let known = |it: &&Value| it["client"] == *name && it["client_by"] == *by;
        let client = clients.iter().find(known);
        client.map(|it| {
            (
                it["used"].as_u64().unwrap(),
                it["requests"].as_u64().unwrap(),
            )
        })
    };
    // The proxy itself answers the login.
    assert_eq!(used(ETL, "name"), Some((1, 2)), "{clients:?}");
    assert_eq!(used(ETL, "user_agent"), Some((2, 2)), "{clients:?}");
    assert_eq!(used("unknown", "user_agent"), Some((1, 1)), "{clients:?}");
    assert_eq!(used("others", "user_agent"), Some((1, 1)), "{clients:?}");

    let page = get(proxy.admin(), "/").await.body;
    let url = format!("http://{}", proxy.admin());
    let shown = run(&["status", "--url", &url]).await.stdout;
    for label in [ETL, "ua:etl@example.com", "ua:unknown", "ua:others"] {
        assert!(
            page.contains(&format!("<tr data-key=\"{label}\">")),
            "{label}: {page}"
        );
        assert!(shown.contains(&format!(" {label}: ")), "{label}: {shown}");
    }
    assert!(
        shown.contains(" etl@example.com: API calls 1 in 24 hours; requests 2 in all\n"),
        "{shown}"
    );
}

#[tokio::test]
async fn one_that_says_nothing_of_itself_is_unknown() {
    let org = Org::start().await.unwrap();
    let proxy = with_admin(&org, |_| {}).await;
    proxy.get(LIMITS).await.bytes().await.unwrap();
    let clients = clients_after(&proxy, 1).await;
    let expected = json!({"client": null, "client_by": "unknown", "used": 1, "requests": 1});
    assert_eq!(clients, [expected]);
}

#[tokio::test]
async fn few_of_many_clients_are_shown_to_people() {
    let org = Org::start().await.unwrap();
    let proxy = with_admin(&org, |_| {}).await;
    for number in 0..7 {
        ask(&proxy, &format!("client-{number}/1"), None).await;
    }
    clients_after(&proxy, 7).await;
    let url = format!("http://{}", proxy.admin());
    let shown = run(&["status", "--url", &url]).await.stdout;
    assert_eq!(shown.matches("ua:client-").count(), 5, "{shown}");
    assert!(shown.contains(" and 2 more\n"), "{shown}");
}

#[tokio::test]
async fn the_clients_of_a_listener_have_its_name_in_the_access_log_and_in_the_status() {
    let org = Org::start().await.unwrap();
    let more = "listen = [\"127.0.0.1:0\", \"127.0.0.2:0\"]\n\
                client_names = { \"127.0.0.1:0\" = \"nightly load\" }\n\
                [admin]\nlisten = \"127.0.0.1:0\"\n";
    let files = Files::with(&org, more);
    let log = files.path("access.log");
    let log = log.to_str().unwrap();
    let proxy = Binary::start(&["run", "--config", &files.config(), "--access-log", log]);
    let mut agents = ["nightly load", "curl/8.5.0"].into_iter();
    for host in ["127.0.0.1", "127.0.0.2"] {
        let line = proxy.print(&format!("listening on http://{host}:")).await;
        let (_, address) = line.split_once("http://").unwrap();
        let (address, _) = address.split_once(' ').unwrap();
        let asked = client().get(format!("http://{address}{LIMITS}"));
        let asked = asked.header("user-agent", agents.next().unwrap());
        assert_eq!(asked.send().await.unwrap().status(), 200);
    }
    let admin = admin_url(&proxy).await;
    let admin = admin.trim_start_matches("http://").parse().unwrap();
    let mut clients = clients_at(admin, 2).await;
    clients.sort_by_key(|it| it["client_by"].to_string());
    let known = |client: &Value| (client["client_by"].clone(), client["client"].clone());
    assert_eq!(
        known(&clients[0]),
        ("listener".into(), "nightly load".into())
    );
    assert_eq!(
        known(&clients[1]),
        ("user_agent".into(), "curl/8.5.0".into())
    );

    proxy.stop().await;
    let text = fs::read_to_string(log).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert!(
        lines[0].contains(" demo listener:\"nightly load\" GET "),
        "{text}"
    );
    assert!(lines[1].contains(" demo ua:curl/8.5.0 GET "), "{text}");
}

#[tokio::test]
async fn one_that_has_logged_in_is_called_by_its_name_whatever_the_listener() {
    let org = Org::start().await.unwrap();
    let proxy = with_admin(&org, |config| {
        with_etl(config);
        let names = &mut config.orgs[0].client_names;
        names.add(Listen::loopback(0), "nightly-load");
    })
    .await;
    let placeholder = log_in(&proxy).await;
    ask(&proxy, "any/1", Some(&placeholder)).await;
    ask(&proxy, "any/1", None).await;
    let clients = clients_after(&proxy, 3).await;
    let requests = |by: &str| {
        let mut known = clients.iter().filter(|it| it["client_by"] == *by);
        let client = known.next()?;
        Some((client["client"].as_str()?, client["requests"].as_u64()?))
    };
    assert_eq!(requests("name"), Some((ETL, 2)), "{clients:?}");
    assert_eq!(
        requests("listener"),
        Some(("nightly-load", 1)),
        "{clients:?}"
    );
    assert_eq!(clients.len(), 2, "{clients:?}");
}

/// Has [`ETL`] be a client with a password.
pub(crate) fn with_etl(config: &mut Config) {
    let mut clients = Clients::default();
    clients.add(ETL.to_owned(), b"right");
    config.orgs[0].clients = Some(clients);
}

/// The session id that the proxy gives for the password of [`ETL`].
pub(crate) async fn log_in(proxy: &Proxy) -> String {
    let form = format!("grant_type=password&username={ETL}&password=right");
    let asked = client()
        .post(proxy.url(TOKEN))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form);
    let answer = asked.send().await.unwrap().text().await.unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    answer["access_token"].as_str().unwrap().to_owned()
}

async fn ask(proxy: &Proxy, agent: &str, session: Option<&str>) {
    let mut asked = client().get(proxy.url(LIMITS)).header("user-agent", agent);
    if let Some(session) = session {
        asked = asked.bearer_auth(session);
    }
    let answer = asked.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.bytes().await.unwrap();
}

/// The clients of the org in `/api/status`, once all their requests are counted.
async fn clients_after(proxy: &Proxy, requests: u64) -> Vec<Value> {
    clients_at(proxy.admin(), requests).await
}

/// The same of the proxy whose admin listener is there.
async fn clients_at(admin: SocketAddr, requests: u64) -> Vec<Value> {
    let shown = async {
        loop {
            let answer = get(admin, "/api/status").await;
            let status: Value = serde_json::from_str(&answer.body).unwrap();
            let clients = status["orgs"][0]["clients"].as_array().unwrap().clone();
            let counts = clients.iter().map(|it| it["requests"].as_u64().unwrap());
            if counts.sum::<u64>() == requests {
                break clients;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, shown).await.unwrap()
}
