//! Clients that can only log in with a password, in front of an org that asks for a client key.

use orgproxy::{
    config::{ClientKey, ClientLabel, Clients, Config, Policies, Policy},
    demo::{Counts, TOKEN},
};
use serde_json::Value;
use test_case::test_case;
use tokio::process::Command;

use crate::support::{
    Both, Files, Org, Proxy, client, in_time,
    namespace::PARTNER,
    path::{LIMITS, SOAP},
};

const KEY: &str = "0123456789abcdef-the-key";
const RIGHT: &str = "grant_type=password&username=etl&password=right";

#[test_case("authorization", "Bearer PLACEHOLDER"; "bearer")]
#[test_case("authorization", "OAuth PLACEHOLDER"; "oauth")]
#[test_case("x-sfdc-session", "PLACEHOLDER"; "bulk")]
#[test_case("cookie", "a=b; sid=PLACEHOLDER"; "cookie")]
#[tokio::test]
async fn what_a_login_gave_counts_as_a_client_key(name: &str, value: &str) {
    let both = with_etl().await;
    let placeholder = log_in(&both, RIGHT).await;
    let value = value.replace("PLACEHOLDER", &placeholder);
    let request = client().get(both.proxy.url(LIMITS)).header(name, &value);
    assert_eq!(request.send().await.unwrap().status(), 200);
    let seen = both.org.last_request();
    assert!(seen.authorized);
    let secret = placeholder.split_once('!').unwrap().1;
    assert!(!String::from_utf8_lossy(&seen.head).contains(secret));
}

#[tokio::test]
async fn it_counts_as_one_in_a_query_too() {
    let both = with_etl().await;
    let placeholder = log_in(&both, RIGHT).await.replace('!', "%21");
    let url = both
        .proxy
        .url(&format!("{LIMITS}?oauth_token={placeholder}"));
    assert_eq!(client().get(url).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_soap_client_logs_in_and_goes_on() {
    let both = with_etl().await;
    let (status, answer) = soap(&both, SOAP, "", &login("right")).await;
    assert_eq!(status, 200, "{answer}");
    let (_, rest) = answer.split_once("<sessionId>").unwrap();
    let (session, _) = rest.split_once("</sessionId>").unwrap();
    let (status, answer) = soap(&both, SOAP, session, "<getUserInfo/>").await;
    assert_eq!(status, 200, "{answer}");
    assert!(answer.contains("getUserInfoResponse"), "{answer}");
    assert!(both.org.last_request().authorized);
    let (status, answer) = soap(&both, SOAP, session, "<logout/>").await;
    assert_eq!(status, 200, "{answer}");
}

#[test_case("grant_type=client_credentials&client_id=etl&client_secret=right"; "client credentials")]
#[test_case("grant_type=refresh_token&refresh_token=PLACEHOLDER"; "a refresh token")]
#[tokio::test]
async fn every_grant_that_is_judged_lets_in(form: &str) {
    let both = with_etl().await;
    let placeholder = log_in(&both, RIGHT).await;
    // The same, so that a tool may keep what it has.
    let form = form.replace("PLACEHOLDER", &placeholder);
    assert_eq!(log_in(&both, &form).await, placeholder);
}

#[test_case("grant_type=password&username=etl&password=wrong"; "a wrong password")]
#[test_case("grant_type=password&username=nobody&password=right"; "an unknown user")]
#[test_case("grant_type=password"; "nothing")]
#[test_case("grant_type=client_credentials&client_id=etl&client_secret=wrong"; "a wrong secret")]
#[test_case("grant_type=refresh_token&refresh_token=00Dxx0000001gPL!AAAA"; "another refresh token")]
#[test_case("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=eyJ"; "an assertion")]
#[tokio::test]
async fn a_wrong_login_gets_nothing(form: &str) {
    let both = with_etl().await;
    let answer = post(&both, form).await;
    assert_eq!(answer.status(), 400);
    assert!(!answer.text().await.unwrap().contains("access_token"));
    assert_eq!(both.org.counts(), Counts::default());
}

#[test_case(SOAP, login("wrong"), "INVALID_LOGIN"; "a wrong password")]
#[test_case(SOAP, "<getUserInfo/>".to_owned(), "CLIENT_KEY_MISSING"; "no login")]
#[test_case(SOAP, "<logout/>".to_owned(), "CLIENT_KEY_MISSING"; "a logout")]
#[test_case("/services/Soap/class/Acme", login("right"), "CLIENT_KEY_MISSING"; "the login of an Apex class")]
#[tokio::test]
async fn by_soap_nothing_but_a_right_login_passes(path: &str, operation: String, code: &str) {
    let both = with_etl().await;
    for session in ["", "x", "00Dxx0000001gPL!AAAA"] {
        let (status, answer) = soap(&both, path, session, &operation).await;
        assert_eq!(status, 500, "{answer}");
        assert!(answer.contains(code), "{answer}");
    }
    assert_eq!(both.org.counts(), Counts::default());
}

#[tokio::test]
async fn nothing_else_counts_as_the_key() {
    let both = with_etl().await;
    let right = log_in(&both, RIGHT).await;
    // The one that is given out where nobody says who may log in.
    let open = Proxy::with(&both.org, keyed).await;
    let form = client().post(open.url(TOKEN)).bearer_auth(KEY);
    let form = form.header("content-type", "application/x-www-form-urlencoded");
    let answer = form.body("grant_type=password").send().await.unwrap();
    let nobodys = token_of(&answer.text().await.unwrap());
    // One of a client of another password.
    let other = with_password("another").await;
    let others = log_in(&other, &RIGHT.replace("right", "another")).await;

    let before = both.org.counts().requests;
    let cut = right[..right.len() - 1].to_owned();
    let secret = right.split_once('!').unwrap().1.to_owned();
    let lower = right.to_lowercase();
    let longer = format!("{right}x");
    for shown in [nobodys, others, cut, longer, secret, lower, String::new()] {
        let (status, answer) = soap(&both, SOAP, &shown, "<getServerTimestamp/>").await;
        assert!(answer.contains("CLIENT_KEY_MISSING"), "{status} {answer}");
        for (name, value) in [
            ("authorization", format!("Bearer {shown}")),
            ("x-sfdc-session", shown.clone()),
            ("cookie", format!("sid={shown}")),
        ] {
            let request = client().get(both.proxy.url(LIMITS)).header(name, value);
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), 403, "{name}");
            let text = answer.text().await.unwrap();
            assert!(text.contains("CLIENT_KEY_MISSING"), "{text}");
        }
    }
    // Not in a place that is no client's session.
    for name in ["x-orgproxy-key", "proxy-authorization", "referer"] {
        let request = client().get(both.proxy.url(LIMITS)).header(name, &right);
        assert_eq!(request.send().await.unwrap().status(), 403, "{name}");
    }
    for path in ["/services/oauth2/revoke", "/services/oauth2/introspect"] {
        let request = client().post(both.proxy.url(path)).body("token=x");
        assert_eq!(request.send().await.unwrap().status(), 403, "{path}");
    }
    assert_eq!(both.org.counts().requests, before);
}

/// Whoever is let in for a placeholder is the client that it was given to, in whatever spelling.
#[test_case(""; "as it was given out")]
#[test_case("a!"; "behind another session")]
#[tokio::test]
async fn no_client_sheds_its_policy(before: &str) {
    let org = Org::start().await.unwrap();
    let policy = Policy {
        table: "org.demo.policies.etl".to_owned(),
        read_only: true,
        ..Policy::default()
    };
    let proxy = Proxy::with(&org, |config| {
        with_right(config);
        config.orgs[0].policies = Some(Policies {
            org: None,
            of_clients: vec![(ClientLabel::Name("etl".into()), policy)],
        });
    })
    .await;
    let both = Both { org, proxy };
    let session = format!("{before}{}", log_in(&both, RIGHT).await);
    let (_, answer) = soap(&both, SOAP, &session, "<getServerTimestamp/>").await;
    assert!(answer.contains("getServerTimestampResponse"), "{answer}");
    let before = both.org.counts().requests;
    let create = "<create><sObjects><type>Account</type><Name>x</Name></sObjects></create>";
    let (_, answer) = soap(&both, SOAP, &session, create).await;
    assert!(answer.contains("POLICY_REFUSED"), "{answer}");
    assert_eq!(both.org.counts().requests, before);
}

#[tokio::test]
async fn without_clients_a_login_needs_the_key_as_anything_does() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::with(&org, keyed).await;
    let both = Both { org, proxy };
    assert_eq!(post(&both, RIGHT).await.status(), 403);
    let (status, answer) = soap(&both, SOAP, "", &login("right")).await;
    assert_eq!(status, 500);
    assert!(answer.contains("CLIENT_KEY_MISSING"), "{answer}");
    assert_eq!(both.org.counts(), Counts::default());
}

#[tokio::test]
async fn who_has_the_key_needs_no_login() {
    let both = with_etl().await;
    let request = client().get(both.proxy.url(LIMITS)).bearer_auth(KEY);
    assert_eq!(request.send().await.unwrap().status(), 200);
}

#[test_case("{ file = \"client.key\" }", "$(cat "; "a file")]
#[test_case("{ env = \"SHOWN\" }", "${SHOWN}"; "a variable")]
#[tokio::test]
async fn the_line_to_try_shows_how_to_send_the_key_but_not_the_key(kept: &str, shown: &str) {
    let org = Org::start().await.unwrap();
    let files = Files::with(&org, &format!("guard.client_key = {kept}\n"));
    files.write("client.key", &format!("{KEY}\n"));
    let config = files.config();
    let mut command = crate::support::Binary::command(&["run", "-c", &config]);
    command.env("SHOWN", KEY);
    let proxy = crate::support::Binary::spawn(command);
    let line = proxy.print("try: curl").await;
    let line = line.trim_start().trim_start_matches("try: ");
    assert!(line.contains(shown), "{line}");
    assert!(!proxy.said().contains(KEY), "{}", proxy.said());
    let mut curl = Command::new("sh");
    curl.args(["-c", &format!("{line} -s -w '%{{http_code}}' -o /dev/null")]);
    let answer = in_time(curl.env("SHOWN", KEY).output()).await.unwrap();
    assert_eq!(answer.stdout, b"200", "{line} {answer:?}");
}

fn with_right(config: &mut Config) {
    keyed(config);
    let mut clients = Clients::default();
    clients.add("etl".to_owned(), b"right");
    config.orgs[0].clients = Some(clients);
}

fn keyed(config: &mut Config) {
    config.orgs[0].guard.client_key = Some(ClientKey::new(KEY.as_bytes()).unwrap());
}

fn login(password: &str) -> String {
    format!(
        "<login xmlns=\"{PARTNER}\"><username>etl</username><password>{password}</password></login>"
    )
}

fn token_of(answer: &str) -> String {
    let told: Value = serde_json::from_str(answer).unwrap();
    told["access_token"].as_str().expect(answer).to_owned()
}

async fn with_etl() -> Both {
    with_password("right").await
}

/// Starts a proxy that takes this password of `etl`.
async fn with_password(password: &str) -> Both {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::with(&org, |config| {
        keyed(config);
        let mut clients = Clients::default();
        clients.add("etl".to_owned(), password.as_bytes());
        config.orgs[0].clients = Some(clients);
    })
    .await;
    Both { org, proxy }
}

async fn post(both: &Both, form: &str) -> reqwest::Response {
    client()
        .post(both.proxy.url(TOKEN))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form.to_owned())
        .send()
        .await
        .unwrap()
}

async fn log_in(both: &Both, form: &str) -> String {
    let answer = post(both, form).await;
    assert_eq!(answer.status(), 200);
    token_of(&answer.text().await.unwrap())
}

async fn soap(both: &Both, path: &str, session: &str, operation: &str) -> (u16, String) {
    let envelope = format!(
        "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns=\"{PARTNER}\">\
         <e:Header><SessionHeader><sessionId>{session}</sessionId></SessionHeader></e:Header>\
         <e:Body>{operation}</e:Body></e:Envelope>"
    );
    let request = client().post(both.proxy.url(path)).body(envelope);
    let request = request.header("content-type", "text/xml");
    let answer = request.header("soapaction", "\"\"").send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}
