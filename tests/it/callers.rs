//! Who calls: a client is called by what is known of it, and none passes for another.

use orgproxy::{
    config::{Clients, Config},
    demo::TOKEN,
};
use serde_json::{Value, json};

use crate::{
    admin::{get, with_admin},
    support::{Org, PATIENCE, Proxy, binary::run, path::LIMITS, proxy::client},
};

const ETL: &str = "etl@example.com";

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
        shown.contains(" etl@example.com: 1 in 24 hours, 2 since the start\n"),
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

fn with_etl(config: &mut Config) {
    let mut clients = Clients::default();
    clients.add(ETL.to_owned(), b"right");
    config.orgs[0].clients = Some(clients);
}

/// The session id that the proxy gives for the password of [`ETL`].
async fn log_in(proxy: &Proxy) -> String {
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
    let shown = async {
        loop {
            let answer = get(proxy.admin(), "/api/status").await;
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
