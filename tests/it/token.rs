//! `orgproxy token`: what scripts get, and what it says about a token.

use orgproxy::demo::{Fault, Org, TOKEN};
use test_case::test_case;

use crate::support::{
    Binary, Ended, Files, Keys, Setup,
    binary::{ORGPROXY, run},
    curl,
    path::LIMITS,
    terminal::on_a_terminal,
};

#[tokio::test]
async fn it_opens_the_org_and_stands_alone() {
    let setup = Setup::start().await;
    let ended = print_token(&setup, "").await;
    assert_eq!(ended.code(), 0, "{ended:?}");
    let token = ended.stdout.strip_suffix('\n').unwrap();
    assert_eq!(token.len(), 112, "{token}");
    assert!(!token.contains(char::is_whitespace));
    assert_eq!(setup.org.logins(), 1);

    ask_org(&setup, &format!("-H 'Authorization: Bearer {token}'")).await;
    assert!(setup.org.last_request().authorized);
}

#[tokio::test]
async fn curl_takes_it_as_a_header() {
    let setup = Setup::start().await;
    let url = setup.org.instance_url();
    let ca = setup.files.path("ca.pem").display().to_string();
    let token = typed(&setup, "--header");
    let answer = curl(&format!("{token} | curl --cacert {ca} -H @- {url}{LIMITS}")).await;
    assert_eq!(answer.status(), "200", "{answer:?}");
    assert!(setup.org.last_request().authorized);
}

#[tokio::test]
async fn its_assertion_is_one_that_logs_in() {
    let setup = Setup::start().await;
    let assertion = print_token(&setup, "--assertion").await.stdout;
    assert_eq!(setup.org.counts().token_requests, 0);

    let url = setup.org.login_url();
    let ca = setup.files.path("ca.pem").display().to_string();
    let answer = curl(&format!(
        "curl --cacert {ca} {url}services/oauth2/token -d assertion={} \
         -d grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer",
        assertion.trim_end()
    ))
    .await;
    assert!(answer.body().contains("access_token"), "{answer:?}");
}

#[test_case(""; "token")]
#[test_case("--header"; "header")]
#[test_case("--assertion"; "assertion")]
#[tokio::test]
async fn a_terminal_gets_it_only_if_it_is_to_be_shown(what: &str) {
    let setup = Setup::start().await;
    let refused = on_a_terminal(&typed(&setup, what)).await;
    assert_eq!(refused.code(), 1, "{refused:?}");
    assert!(refused.stdout.contains("pipe it"), "{refused:?}");
    assert!(refused.stdout.contains("--show"), "{refused:?}");
    for secret in ["00D", "eyJ"] {
        assert!(!refused.stdout.contains(secret), "{refused:?}");
    }
    assert_eq!(setup.org.counts().token_requests, 0);

    let shown = on_a_terminal(&typed(&setup, &format!("{what} --show"))).await;
    assert_eq!(shown.code(), 0, "{shown:?}");
    assert!(
        shown.stdout.contains("00D") || shown.stdout.contains("eyJ"),
        "{shown:?}"
    );
}

#[tokio::test]
async fn a_refused_login_prints_nothing_that_a_script_could_take_for_a_token() {
    let setup = Setup::start().await;
    let refusal = Fault::login_refused("invalid_grant", "user hasn't approved this consumer");
    setup.org.faults().always(TOKEN, refusal);
    let ended = print_token(&setup, "").await;
    assert_eq!((ended.code(), &*ended.stdout), (1, ""));
    assert!(ended.stderr.contains("pre-authorize"), "{}", ended.stderr);
}

#[tokio::test]
async fn of_several_orgs_one_is_named() {
    let (one, two) = (Org::start().await.unwrap(), Org::start().await.unwrap());
    let files = Files::several(&[("one", &one), ("two", &two)]);
    let token = async |more: &[&str]| {
        let config = files.config();
        run(&[&["token", "--config", &config], more].concat()).await
    };

    let ended = token(&["two"]).await;
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert_eq!((one.logins(), two.logins()), (0, 1));

    for (more, message) in [
        (&[][..], "there are several orgs: one, two; name one"),
        (&["three"], "there is no org three; there are one, two"),
    ] {
        let ended = token(more).await;
        assert_eq!((ended.code(), &*ended.stdout), (64, ""));
        assert!(ended.stderr.contains(message), "{}", ended.stderr);
    }
}

#[tokio::test]
async fn an_assertion_of_the_proxy_is_decoded_and_fits() {
    let setup = Setup::start().await;
    let decode = typed(&setup, "--decode");
    let ended = curl(&format!("{} | {decode}", typed(&setup, "--assertion"))).await;
    assert_eq!(ended.code(), 0, "{ended:?}");
    for part in [
        "An assertion: what logs in to org demo.".to_owned(),
        "  alg  RS256".to_owned(),
        format!("  iss  {}", setup.org.client_id()),
        format!("  sub  {}", setup.org.username()),
        format!("  aud  {}", setup.org.instance_url()),
        " UTC, in 3 minutes".to_owned(),
        "matches the key of org demo".to_owned(),
    ] {
        // Seconds may have passed.
        let later = part.replace("3 minutes", "2 minutes 5");
        assert!(
            ended.stdout.contains(&part) || ended.stdout.contains(&later),
            "{part}: {}",
            ended.stdout
        );
    }
    assert!(!ended.stdout.contains("Wrong"), "{}", ended.stdout);
    assert!(!ended.stdout.contains("eyJ"), "{}", ended.stdout);
    assert_eq!(setup.org.counts().token_requests, 0);
}

#[test_case("server.key", 0, "matches the key of org demo"; "with the key")]
#[test_case("key.pem", 1, "does not match the key of org demo"; "with another")]
#[tokio::test]
async fn an_assertion_that_openssl_signed_is_decoded_and_fits(key: &str, code: i32, told: &str) {
    let setup = Setup::start().await;
    let keys = Keys::new();
    std::fs::copy(setup.files.path("server.key"), keys.path("server.key")).unwrap();
    // People do it so by hand: the claims of the org, in base64url, signed in a shell.
    let line = format!(
        "cd {} && b64() {{ openssl base64 -A | tr '+/' '-_' | tr -d =; }} && \
         body=$(printf '{{\"alg\":\"RS256\"}}' | b64).$(printf '{{\"iss\":\"{}\",\"sub\":\"x\"}}' | b64) && \
         echo $body.$(printf %s $body | openssl dgst -sha256 -sign {key} | b64) | {}",
        keys.path("").display(),
        setup.org.client_id(),
        typed(&setup, "--decode")
    );
    let ended = curl(&line).await;
    assert_eq!(ended.code(), code, "{ended:?}");
    assert!(ended.stdout.contains(told), "{}", ended.stdout);
    assert!(
        ended.stdout.contains("sub is not the username of org demo"),
        "{}",
        ended.stdout
    );
}

#[tokio::test]
async fn an_assertion_that_was_changed_does_not_fit() {
    let setup = Setup::start().await;
    let assertion = print_token(&setup, "--assertion").await.stdout;
    let (body, signature) = assertion.trim_end().rsplit_once('.').unwrap();
    let first = match signature.as_bytes()[0] {
        b'A' => 'B',
        _ => 'A',
    };
    let changed = format!("{body}.{first}{}", &signature[1..]);
    let ended = print_token(&setup, &format!("--decode {changed}")).await;
    assert_eq!(ended.code(), 1, "{ended:?}");
    assert!(ended.stdout.contains("does not match"), "{}", ended.stdout);
}

#[tokio::test]
async fn without_a_configuration_only_the_signature_stays_open() {
    let setup = Setup::start().await;
    let assertion = print_token(&setup, "--assertion").await.stdout;
    let mut command = Binary::command(&["token", "--decode", assertion.trim_end()]);
    command.current_dir("/");
    let ended = Binary::spawn(command).end().await;
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert!(ended.stdout.contains("not checked"), "{}", ended.stdout);
    assert!(
        ended.stdout.contains(setup.org.username()),
        "{}",
        ended.stdout
    );
}

#[tokio::test]
async fn a_token_is_described_without_being_shown() {
    let setup = Setup::start().await;
    let token = print_token(&setup, "").await.stdout;
    let ended = print_token(&setup, &format!("--decode {token}")).await;
    assert_eq!(ended.code(), 0, "{ended:?}");
    let (org, secret) = token.trim_end().split_once('!').unwrap();
    assert!(ended.stdout.contains("session id"), "{}", ended.stdout);
    assert!(ended.stdout.contains(org), "{}", ended.stdout);
    assert!(ended.stdout.contains("112 characters"), "{}", ended.stdout);
    assert!(!ended.stdout.contains(&secret[..8]), "{}", ended.stdout);
}

#[tokio::test]
async fn a_token_in_jwt_format_shows_whose_it_is() {
    let setup = Setup::start().await;
    setup.org.set(|knobs| knobs.jwt_tokens = true);
    let token = print_token(&setup, "").await.stdout;
    let ended = print_token(&setup, &format!("--decode {token}")).await;
    assert_eq!(ended.code(), 0, "{ended:?}");
    for part in [
        "An access token in JWT format",
        &format!("org {}", setup.org.org_id()),
        &format!("user {}", setup.org.user_id()),
        "not checked: signed by the org, whose key is not available here",
    ] {
        let joined = ended.stdout.replace('\n', " ");
        assert!(joined.contains(part), "{part}: {joined}");
    }
    assert!(!ended.stdout.contains("eyJ"), "{}", ended.stdout);
}

#[tokio::test]
async fn a_placeholder_is_known() {
    let setup = Setup::start().await;
    let program = "printenv SF_ACCESS_TOKEN";
    let config = setup.files.config();
    let line = format!(
        "{ORGPROXY} -c {config} -- {program} | {}",
        typed(&setup, "--decode")
    );
    let ended = curl(&line).await;
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert!(
        ended.stdout.contains("clients of org demo"),
        "{}",
        ended.stdout
    );
    assert!(ended.stdout.contains("gives no access"), "{}", ended.stdout);
}

#[tokio::test]
async fn claims_are_harmless_to_a_terminal() {
    let line = format!(
        "b64() {{ openssl base64 -A | tr '+/' '-_' | tr -d =; }}; \
         echo $(printf '{{\"alg\":\"RS256\"}}' | b64).$(printf '%s' \
         '{{\"iss\":\"\\u009b2J\\u200f\\u202e\",\"\\u001b[2J\":1}}' | b64).AAAA | {ORGPROXY} token --decode"
    );
    let ended = curl(&line).await;
    for part in ["\\u009b2J\\u200f\\u202e", "\\u001b[2J"] {
        assert!(ended.stdout.contains(part), "{ended:?}");
    }
    let is_tricky = |c: char| "\u{200f}\u{202e}".contains(c) || c.is_control() && c != '\n';
    assert!(!ended.stdout.contains(is_tricky), "{ended:?}");
}

#[test_case("CANARY", "neither a session id"; "garbage")]
#[test_case("eyJCANARY", "cut off"; "cut off")]
#[tokio::test]
async fn what_is_not_a_token_is_not_repeated(text: &str, message: &str) {
    let ended = run(&["token", "--decode", text]).await;
    assert_eq!((ended.code(), &*ended.stdout), (1, ""));
    assert!(ended.stderr.contains(message), "{}", ended.stderr);
    assert!(!ended.stderr.contains("CANARY"), "{}", ended.stderr);
}

#[tokio::test]
async fn standard_input_has_a_bound() {
    let ended = curl(&format!("yes | {ORGPROXY} token --decode")).await;
    assert_eq!(ended.code(), 1);
    assert!(ended.stderr.contains("64 KiB"), "{}", ended.stderr);
}

/// A command line for a shell.
fn typed(setup: &Setup, more: &str) -> String {
    let config = setup.files.config();
    format!("{ORGPROXY} token --config {config} {more}")
}

async fn print_token(setup: &Setup, more: &str) -> Ended {
    let config = setup.files.config();
    let more: Vec<_> = more.split_whitespace().collect();
    run(&[&["token", "--config", &config][..], &more].concat()).await
}

async fn ask_org(setup: &Setup, more: &str) -> Ended {
    let ca = setup.files.path("ca.pem").display().to_string();
    let url = setup.org.instance_url();
    curl(&format!("curl --cacert {ca} {url}{LIMITS} {more}")).await
}
