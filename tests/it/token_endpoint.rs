//! The token endpoint and what belongs to it, answered without the org.

use aws_lc_rs::hmac;
use base64ct::{Base64, Encoding};
use http::StatusCode;
use orgproxy::{
    config::Clients,
    demo::{Counts, TOKEN},
};
use reqwest::Response;
use serde_json::{Value, json};
use test_case::test_case;

use crate::support::{Both, Fault, client, json_of, path::LIMITS};

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

#[tokio::test]
async fn a_client_gets_what_salesforce_would_send_and_a_placeholder() {
    let both = Both::start().await;
    let form =
        "grant_type=password&client_id=3MVG9&client_secret=s%C3%A9cret&username=me&password=x";
    let answer = post(&both, form).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert_eq!(
        answer.headers()["content-type"],
        "application/json;charset=UTF-8"
    );
    assert_eq!(answer.headers()["proxy-status"], "orgproxy");
    let text = answer.text().await.unwrap();
    let told: Value = serde_json::from_str(&text).unwrap();
    let fields: Vec<_> = told.as_object().unwrap().keys().collect();
    assert_eq!(
        fields,
        [
            "access_token",
            "scope",
            "instance_url",
            "id",
            "token_type",
            "issued_at",
            "signature"
        ]
    );
    let base = both.proxy.url("");
    let id = format!("{base}/id/{}/{}", both.org.org_id(), both.org.user_id());
    assert_eq!(told["instance_url"], base);
    assert_eq!(told["id"], id);
    assert_eq!(told["token_type"], "Bearer");
    assert_eq!(told["scope"], "web openid api id");
    let issued_at = told["issued_at"].as_str().unwrap();
    assert!(issued_at.parse::<u64>().unwrap() > 1_700_000_000_000);
    // As django-salesforce checks it.
    let key = hmac::Key::new(hmac::HMAC_SHA256, "sécret".as_bytes());
    let tag = Base64::decode_vec(told["signature"].as_str().unwrap()).unwrap();
    hmac::verify(&key, format!("{id}{issued_at}").as_bytes(), &tag).unwrap();

    let token = told["access_token"].as_str().unwrap();
    assert!(token.starts_with("00Dxx0000001gPL!"), "{token}");
    let answer = client()
        .get(format!("{base}/services/data/v62.0/limits"))
        .bearer_auth(token)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(both.org.logins(), 1);
    assert_eq!(both.org.counts().requests, 1);
    assert!(
        !both
            .org
            .last_request()
            .header("authorization")
            .contains(token)
    );
}

#[test_case("password")]
#[test_case("refresh_token")]
#[test_case("client_credentials")]
#[test_case(JWT_BEARER; "jwt bearer")]
#[tokio::test]
async fn every_grant_passes_where_nobody_says_who_may_log_in(grant: &str) {
    let both = Both::start().await;
    let form = format!("grant_type={}", grant.replace(':', "%3A"));
    assert_eq!(post(&both, &form).await.status(), 200);
    // Scripts have it in the query.
    let url = both.proxy.url(&format!("/{TOKEN}/?{form}"));
    let answer = client().post(url).send().await.unwrap();
    assert_eq!(answer.status(), 200);
}

#[test_case("password", "username=me&password=right", "" => 200)]
#[test_case("password", "username=me&password=wrong", "" => 400; "a wrong password")]
#[test_case("password", "username=you&password=right", "" => 400; "an unknown user")]
#[test_case("password", "client_id=me&client_secret=right", "" => 400; "no user")]
#[test_case("client_credentials", "client_id=me&client_secret=right", "" => 200)]
#[test_case("client_credentials", "", "me:right" => 200; "basic")]
#[test_case("client_credentials", "", "me:wrong" => 400; "wrong basic")]
#[test_case("client_credentials", "client_id=me&client_secret=wrong", "" => 400; "a wrong secret")]
#[test_case("refresh_token", "refresh_token=5Aep861", "" => 400; "a refresh token of salesforce")]
#[test_case("refresh_token", "refresh_token=OURS", "" => 200; "a placeholder")]
#[test_case(JWT_BEARER, "assertion=eyJ", "" => 400; "an assertion")]
#[tokio::test]
async fn only_clients_are_let_in_where_there_are_some(grant: &str, form: &str, basic: &str) -> u16 {
    let both = Both::with(|config| {
        let mut clients = Clients::default();
        clients.add("me".to_owned(), b"right");
        config.orgs[0].clients = Some(clients);
    })
    .await;
    let ours = if form.contains("OURS") {
        let told = post(&both, "grant_type=password&username=me&password=right").await;
        let told: Value = json_of(told).await;
        told["access_token"].as_str().unwrap().to_owned()
    } else {
        String::new()
    };
    let form = form.replace("OURS", &ours);
    let mut request = request(&both, &format!("grant_type={grant}&{form}"));
    if let Some((id, secret)) = basic.split_once(':') {
        request = request.basic_auth(id, Some(secret));
    }
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    if status != 200 {
        let told: Value = json_of(answer).await;
        let refusal =
            json!({"error": "invalid_grant", "error_description": "authentication failure"});
        assert_eq!(told, refusal);
        assert_eq!(both.org.counts(), Counts::default());
    }
    status
}

#[tokio::test]
async fn what_it_cannot_do_it_says_as_salesforce_does() {
    let both = Both::start().await;
    let unsupported = ("unsupported_grant_type", "grant type not supported");
    for form in ["grant_type=authorization_code&code=x", "grant_type=", "a=b"] {
        let answer = post(&both, form).await;
        assert_eq!(answer.status(), 400);
        let told: Value = json_of(answer).await;
        let (error, description) = unsupported;
        assert_eq!(
            told,
            json!({"error": error, "error_description": description})
        );
    }
    for (kind, body) in [
        ("application/json", "[\"grant_type\", \"password\"]"),
        ("application/json", "{\"grant_type\":\"password\""),
        ("application/json", "grant_type=password"),
        ("multipart/form-data", "--x\r\n\r\n--x--\r\n"),
        (
            "multipart/form-data; boundary=x",
            "--x\r\nContent-Disposition: form-data; name=\"grant_type\"\r\n\r\npassword",
        ),
        ("multipart/form-data; boundary=x", "grant_type=password"),
        ("application/x-www-form-urlencoded", ""),
        ("text/plain", "grant_type=password"),
    ] {
        let request = client().post(both.proxy.url(TOKEN)).body(body);
        let answer = request.header("content-type", kind).send().await.unwrap();
        assert_eq!(answer.status(), 400);
        let told: Value = json_of(answer).await;
        assert_eq!(told["error"], "invalid_request", "{kind}");
    }
    let huge = format!("grant_type=password&password={}", "x".repeat(70_000));
    let answer = post(&both, &huge).await;
    assert_eq!(answer.status(), 413);
    let told: Value = json_of(answer).await;
    assert_eq!(told["error"], "invalid_request");
    for path in [TOKEN, "/services/oauth2/introspect"] {
        let answer = both.proxy.get(&format!("{path}?grant_type=password")).await;
        assert_eq!(answer.status(), 405);
        assert_eq!(answer.headers()["allow"], "POST");
        let told: Value = json_of(answer).await;
        assert_eq!(told["error"], "invalid_request");
    }
    assert_eq!(both.org.counts(), Counts::default());
}

/// A form as `CURLOPT_POSTFIELDS` writes an array, and `FormData` of Node; the boundary goes into
/// `kind`.
const MULTIPART: &str = "--XX\r\nContent-Disposition: form-data; name=\"grant_type\"\r\n\r\n\
    password\r\n--XX\r\nContent-Disposition: form-data; name=\"username\"\r\n\r\nm\u{e9}\r\n\
    --XX\r\nContent-Disposition: form-data; name=\"password\"\r\n\
    Content-Type: text/plain; charset=UTF-8\r\n\r\na&b=c+\r\nd\r\n--XX--\r\n";

#[test_case("multipart/form-data; boundary=XX", MULTIPART; "multipart")]
#[test_case("Multipart/Form-Data; charset=utf-8; boundary=\"XX\"", MULTIPART; "multipart with a quoted boundary")]
#[test_case("application/json", "{\"grant_type\":\"password\",\"username\":\"m\u{e9}\",\"password\":\"a&b=c+\\r\\nd\",\"x\":null}"; "json")]
#[test_case("application/json; charset=utf-8", "\u{feff} {\"grant_type\":\"password\",\"username\":\"m\\u00e9\",\"password\":\"a&b=c+\\r\\nd\"}"; "json with a mark")]
#[test_case("application/x-www-form-urlencoded; charset=UTF-8", FORM; "a form")]
#[test_case("", FORM; "a form that nobody calls so")]
#[test_case("", "{\"grant_type\":\"password\",\"username\":\"m\u{e9}\",\"password\":\"a&b=c+\\r\\nd\"}"; "json that nobody calls so")]
#[tokio::test]
async fn what_a_client_shows_is_read_in_every_way_that_clients_write_it(kind: &str, body: &str) {
    let both = Both::with(|config| {
        let mut clients = Clients::default();
        clients.add("m\u{e9}".to_owned(), b"a&b=c+\r\nd");
        config.orgs[0].clients = Some(clients);
    })
    .await;
    for (body, status) in [
        (body.to_owned(), 200),
        (body.replace("a&b", "a&x").replace("a%26b", "a%26x"), 400),
    ] {
        let mut request = client().post(both.proxy.url(TOKEN)).body(body);
        if !kind.is_empty() {
            request = request.header("content-type", kind);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), status);
    }
}

const FORM: &str = "grant_type=password&username=m%C3%A9&password=a%26b%3Dc%2B%0D%0Ad";

#[test_case("multipart/form-data; boundary=XX", "--XX\r\nContent-Disposition: form-data; name=\"token\"\r\n\r\nTOKEN\r\n--XX--\r\n"; "multipart")]
#[test_case("application/json", "{\"token\":\"TOKEN\"}"; "json")]
#[test_case("", "token=TOKEN"; "without a type")]
#[tokio::test]
async fn introspection_and_revocation_read_the_same(kind: &str, body: &str) {
    let both = Both::start().await;
    let told: Value = json_of(post(&both, "grant_type=password").await).await;
    let body = body.replace("TOKEN", told["access_token"].as_str().unwrap());
    for (path, expected) in [("introspect", "\"active\":true"), ("revoke", "")] {
        let url = both.proxy.url(&format!("/services/oauth2/{path}"));
        let mut request = client().post(url).body(body.clone());
        if !kind.is_empty() {
            request = request.header("content-type", kind);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let text = answer.text().await.unwrap();
        assert!(text.contains(expected), "{path}: {text}");
    }
    assert_eq!(both.org.counts().requests, 0);
}

#[tokio::test]
async fn the_reason_for_having_no_session_has_the_shape_of_oauth() {
    let both = Both::start().await;
    let refused = Fault::login_refused("invalid_grant", "user hasn't approved this consumer");
    both.org.faults().always(TOKEN, refused);
    let answer = post(&both, "grant_type=client_credentials").await;
    assert_eq!(answer.status(), 502);
    let told: Value = json_of(answer).await;
    assert_eq!(told["error"], "server_error");
    let description = told["error_description"].as_str().unwrap();
    assert!(description.starts_with("LOGIN_REFUSED: "), "{description}");
    assert!(description.contains("hasn't approved"), "{description}");
}

#[tokio::test]
async fn an_org_that_does_not_say_whose_session_it_gave_is_asked() {
    let both = Both::start().await;
    let silent = json!({"access_token": "opaque", "instance_url": both.org.instance_url()});
    let silent = Fault::answer(StatusCode::OK, "application/json", silent.to_string());
    both.org.faults().always(TOKEN, silent);
    let userinfo =
        json!({"organization_id": "00D000000000001AAA", "user_id": "005000000000001AAA"});
    let userinfo = Fault::answer(StatusCode::OK, "application/json", userinfo.to_string());
    both.org
        .faults()
        .next(1, "/services/oauth2/userinfo", userinfo);
    let answer = post(&both, "grant_type=password").await;
    let told: Value = json_of(answer).await;
    let id = both.proxy.url("/id/00D000000000001AAA/005000000000001AAA");
    assert_eq!(told["id"], id);
    assert!(
        told["access_token"]
            .as_str()
            .unwrap()
            .starts_with("00D000000000001!")
    );

    let answer = post(&both, "grant_type=password").await;
    assert_eq!(answer.status(), 502);
    let told = answer.text().await.unwrap();
    assert!(
        told.contains("ORG_USER_UNKNOWN") && told.contains("scope"),
        "{told}"
    );

    // A parser of JSON would repeat it.
    let odd = Fault::answer(StatusCode::OK, "application/json", "\"between-us\"");
    both.org.faults().next(1, "/services/oauth2/userinfo", odd);
    let answer = post(&both, "grant_type=password").await;
    assert_eq!(answer.status(), 502);
    let told = answer.text().await.unwrap();
    assert!(
        told.contains("without the ids") && !told.contains("between-us"),
        "{told}"
    );
}

#[tokio::test]
async fn a_placeholder_is_worth_what_the_session_is_and_anything_else_nothing() {
    let both = Both::start().await;
    let told: Value = json_of(post(&both, "grant_type=password").await).await;
    let ours = told["access_token"].as_str().unwrap();
    let introspect = async |token: &str| {
        let answer = client()
            .post(both.proxy.url("/services/oauth2/introspect"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("token={token}&token_type_hint=access_token"))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        json_of(answer).await
    };
    for other in ["", "x", "00Dxx0000001gPL!x", &ours[16..]] {
        assert_eq!(introspect(other).await, json!({"active": false}), "{other}");
    }
    let told = introspect(ours).await;
    assert_eq!(told["active"], true);
    assert_eq!(told["username"], both.org.username());
    assert_eq!(told["client_id"], both.org.client_id());
    assert_eq!(told["token_type"], "access_token");
    assert_eq!(told["scope"], "web openid api id");
    let times = ["nbf", "iat", "exp"].map(|name| told[name].as_u64().unwrap());
    assert_eq!(times[2] - times[0], 7200);
    assert_eq!(both.org.counts().requests, 0);
}

#[tokio::test]
async fn revoking_revokes_nothing() {
    let both = Both::start().await;
    assert_eq!(both.proxy.get(LIMITS).await.status(), 200);
    let answer = client()
        .post(both.proxy.url("/services/oauth2/revoke"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body("token=00Dxx0000001gPL!x")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.text().await.unwrap(), "");
    let page = both.proxy.get("/secur/logout.jsp").await;
    assert_eq!(page.status(), 200);
    let page = page.text().await.unwrap();
    assert!(page.contains("stays logged in"), "{page}");
    assert_eq!(both.proxy.get(LIMITS).await.status(), 200);
    assert_eq!(both.org.logins(), 1);
    assert_eq!(both.org.counts().requests, 2);
}

#[tokio::test]
async fn a_page_that_may_call_sees_the_answer() {
    const PAGE: &str = "http://localhost:5173";
    let both = Both::with(|config| {
        config.orgs[0].guard.allow_origins = vec![PAGE.to_owned()];
    })
    .await;
    let request = request(&both, "grant_type=password").header("origin", PAGE);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["access-control-allow-origin"], PAGE);
}

fn request(both: &Both, form: &str) -> reqwest::RequestBuilder {
    let kind = "application/x-www-form-urlencoded";
    client()
        .post(both.proxy.url(TOKEN))
        .header("content-type", kind)
        .body(form.to_owned())
}

async fn post(both: &Both, form: &str) -> Response {
    request(both, form).send().await.unwrap()
}
