//! What is about to end, as `status` and `doctor --radar` print it.

use serde_json::Value;

use crate::support::{
    Binary, Files, Org, PATIENCE, binary::run, namespace::ENVELOPE, namespace::PARTNER,
    proxy::client,
};

const ADMIN: &str = "[admin]\nlisten = \"unix:admin.sock\"\n";

#[tokio::test]
async fn status_and_doctor_say_what_ends_and_which_clients_use_it() {
    let org = Org::start().await.unwrap();
    let files = Files::with(&org, ADMIN);
    let proxy = files.start();
    proxy.print("admin listener on").await;
    log_in(&proxy, "old-sync/1.0").await;
    log_in(&proxy, "old-sync/1.0").await;
    log_in(&proxy, "new-sync/2.0").await;
    let config = files.config();
    let radar = radar_with(&config, 3).await;
    let login = radar.iter().find(|it| it["name"] == "soap-login").unwrap();
    assert_eq!(login["what"], "SOAP login()");
    assert_eq!(
        (&login["date"], &login["release"]),
        (&"2027-06-01".into(), &"Summer '27".into())
    );
    assert!(login["source"].as_str().unwrap().starts_with("https://"));
    let first = &login["clients"][0];
    assert_eq!(
        (&first["client"], &first["times"]),
        (&"old-sync/1.0".into(), &2.into())
    );
    assert_eq!(first["client_by"], "user_agent");
    assert!(first["last"].as_str().unwrap().ends_with('Z'), "{login}");

    let status = run(&["status", "--config", &config]).await;
    assert_eq!(status.code(), 0, "{status:?}");
    let doctor = run(&["doctor", "--radar", "--config", &config]).await;
    assert_eq!((doctor.code(), &*doctor.stderr), (0, ""), "{doctor:?}");
    for shown in [&status.stdout, &doctor.stdout] {
        let text = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        for words in [
            "SOAP login() (about 1 June 2027",
            "ua:old-sync/1.0: 2 times, last less than a minute ago",
            "ua:new-sync/2.0: once, last less than a minute ago",
            "Logins through orgproxy go on",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
    }
    let json = ["doctor", "--radar", "--json", "--config", &config];
    let document = document(&json).await;
    assert_eq!(document["error"], Value::Null);
    assert_eq!(document["orgs"][0]["name"], "demo");
    let seen = &document["orgs"][0]["radar"][0];
    assert_eq!(
        (&seen["name"], &seen["clients"][1]["times"]),
        (&"soap-login".into(), &1.into())
    );

    let other = run(&["doctor", "--radar", "other", "--config", &config]).await;
    assert_eq!(other.code(), 1, "{other:?}");
    assert!(
        other
            .stderr
            .contains("there is no org other; the running proxy has demo"),
        "{other:?}"
    );
}

#[tokio::test]
async fn before_any_traffic_there_is_nothing_to_say_but_the_calendar() {
    let org = Org::start().await.unwrap();
    let files = Files::with(&org, ADMIN);
    let proxy = files.start();
    proxy.print("admin listener on").await;
    let config = files.config();
    let status = run(&["status", "--config", &config]).await;
    let words = "radar       nothing that clients have used since the start is about to end";
    assert!(status.stdout.contains(words), "{status:?}");
    let document = document(&["doctor", "--radar", "--json", "--config", &config]).await;
    assert_eq!(document["orgs"][0]["radar"], Value::Array(Vec::new()));
    // Nothing of it asks the org.
    assert!(org.requests().is_empty() && org.counts().token_requests == 0);
}

#[tokio::test]
async fn without_a_proxy_the_calendar_is_printed_and_what_is_missing_is_said() {
    let org = Org::start().await.unwrap();
    let files = Files::with(&org, ADMIN);
    let config = files.config();
    let doctor = run(&["doctor", "--radar", "--config", &config]).await;
    assert_eq!(doctor.code(), 0, "{doctor:?}");
    for words in [
        "soap-login",
        "password-grant",
        "20 February 2027",
        "https://help.salesforce.com/",
    ] {
        assert!(doctor.stdout.contains(words), "{words}: {doctor:?}");
    }
    for words in [
        "cannot ask the admin listener",
        "[admin] listen = ",
        "--url",
    ] {
        assert!(doctor.stderr.contains(words), "{words}: {doctor:?}");
    }
    let document = document(&["doctor", "--radar", "--json", "--config", &config]).await;
    assert!(
        document["error"].as_str().unwrap().contains("cannot ask"),
        "{document}"
    );
    let calendar = document["calendar"].as_array().unwrap();
    assert!(calendar.len() > 5, "{document}");
    for line in calendar {
        for key in ["name", "what", "fate", "date", "when", "advice", "source"] {
            assert!(line[key].is_string(), "{key}: {line}");
        }
        assert!(line["days_left"].is_i64(), "{line}");
    }

    let nowhere = format!("unix:{}", files.path("none.sock").display());
    let named = run(&["doctor", "--radar", "--url", &nowhere]).await;
    assert_eq!((named.code(), &*named.stdout), (1, ""), "{named:?}");
    assert!(
        named.stderr.contains("cannot ask the admin listener"),
        "{named:?}"
    );
}

async fn log_in(proxy: &Binary, agent: &str) {
    let envelope = format!(
        "<e:Envelope xmlns:e=\"{ENVELOPE}\" xmlns=\"{PARTNER}\"><e:Body><login>\
         <username>a</username><password>b</password></login></e:Body></e:Envelope>"
    );
    let asked = client()
        .post(proxy.url("/services/Soap/u/58.0").await)
        .header("user-agent", agent)
        .header("content-type", "text/xml")
        .header("soapaction", "login")
        .body(envelope);
    assert_eq!(asked.send().await.unwrap().status(), 200);
}

/// What `status` says of the org, once so many requests are counted in it.
async fn radar_with(config: &str, times: u64) -> Vec<Value> {
    let seen = async {
        loop {
            let document = document(&["status", "--json", "--config", config]).await;
            let radar = document["orgs"][0]["radar"].as_array().unwrap().clone();
            let clients = radar
                .iter()
                .flat_map(|it| it["clients"].as_array().unwrap());
            let counts = clients.map(|it| it["times"].as_u64().unwrap());
            if counts.sum::<u64>() == times {
                break radar;
            }
        }
    };
    tokio::time::timeout(PATIENCE, seen).await.unwrap()
}

async fn document(command: &[&str]) -> Value {
    let ended = run(command).await;
    assert_eq!(ended.code(), 0, "{ended:?}");
    serde_json::from_str(&ended.stdout).unwrap()
}
