//! Who may call, and what they may ask. What may not pass makes no login and reaches no org.

use base64ct::{Base64, Encoding};
use http::{Request, Response, request::Builder};
use hyper::body::Incoming;
use orgproxy::config::{ClientKey, Config};

use crate::support::{
    Both, Fault, Org,
    answer::{Answer, ask},
    http2,
    path::{LIMITS, SINK},
    targets,
};

#[tokio::test]
async fn our_own_names_are_taken_for_host() {
    let both = Both::with(|config| config.orgs[0].hosts = vec!["acme.localhost".into()]).await;
    for host in [
        "localhost",
        "LocalHost:1",
        "127.0.0.1",
        "127.0.0.1:8080",
        "[::1]:8080",
        "acme.localhost",
        "ACME.localhost:80",
    ] {
        let answer = get(&both, &format!("Host: {host}\r\n")).await;
        assert_eq!(answer.status, 200, "{host}");
    }
    assert_eq!(both.org.counts().requests, 7);
}

#[tokio::test]
async fn another_name_for_host_is_refused() {
    let both = Both::start().await;
    for host in [
        // kubectl's own cases, and some more.
        "evil.com",
        "localhost.evil.com",
        "evil.com.localhost",
        "notlocalhost",
        "localhost.",
        "127.0.0.1.",
        "127a0b0c1",
        "127.0.0.1.evil.com",
        "127.0.0.2",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0.0.0.0:8080",
        "[::]",
        "[::ffff:7f00:1]",
        "[::ffff:127.0.0.1]",
        "[0:0:0:0:0:0:0:1]",
        "login.salesforce.com",
    ] {
        let answer = get(&both, &format!("Host: {host}\r\n")).await;
        let message = answer.refusal(421, "WRONG_HOST");
        assert!(message.contains("or add it to `hosts`"), "{message}");
    }
    both.untouched();
}

#[tokio::test]
async fn no_single_valid_host_is_refused() {
    let both = Both::start().await;
    for lines in [
        "",
        "Host:\r\n",
        "Host: localhost\r\nHost: localhost\r\n",
        "Host: localhost\r\nHost: evil.com\r\n",
        "Host: evil@localhost\r\n",
        "Host: localhost@evil.com\r\n",
        "Host: localhost/x\r\n",
        "Host: localhost:\r\n",
        "Host: localhost:99999\r\n",
        "Host: [::ffff:7f00:1].x\r\n",
        "Host: localhost, evil.com\r\n",
        "Host: local host\r\n",
        "Host: http://localhost\r\n",
        "Host: l\u{f6}calhost\r\n",
    ] {
        let answer = get(&both, lines).await;
        answer.refusal(400, "MALFORMED_HOST");
    }
    both.untouched();
}

#[tokio::test]
async fn an_absolute_target_says_the_host_and_the_header_does_not() {
    let both = Both::start().await;
    let port = both.proxy.address.port();
    let instance = both.org.instance_url();
    let instance = instance.strip_prefix("https://").unwrap();
    let other = if port == 5432 { 5433 } else { 5432 };
    for (target, host, status) in [
        (format!("localhost:{port}"), "localhost", 200),
        (format!("LOCALHOST:{port}"), "localhost:1", 200),
        (format!("[::1]:{port}"), "[::1]:8080", 200),
        // RFC 9112 section 3.2.2: a proxy must ignore the Host then.
        (format!("localhost:{port}"), "evil.com", 200),
        (instance.to_owned(), "localhost", 200),
        // Other services of this machine: port 80 is one, too.
        ("localhost".to_owned(), "localhost", 421),
        ("localhost:80".to_owned(), "localhost", 421),
        (format!("localhost:{other}"), "localhost", 421),
        (format!("127.0.0.1:{other}"), "127.0.0.1", 421),
        ("127.0.0.1".to_owned(), "127.0.0.1", 421),
        ("[::1]".to_owned(), "localhost", 421),
        ("evil.com".to_owned(), "localhost", 421),
        (format!("evil.com:{port}"), "localhost", 421),
        ("localhost.evil.com".to_owned(), "localhost", 421),
        ("user@localhost".to_owned(), "localhost", 400),
        ("localhost@evil.com".to_owned(), "localhost", 400),
    ] {
        let answer = send(
            &both,
            &format!("GET http://{target}{LIMITS} HTTP/1.1\r\nHost: {host}\r\n"),
        )
        .await;
        assert_eq!(answer.status, status, "{target} {answer:?}");
    }
    let targets = targets(&both.org);
    assert_eq!(targets, [LIMITS; 5]);
}

/// Whatever in a target another program might take for a host.
#[tokio::test]
async fn no_target_leads_to_another_host() {
    let both = Both::start().await;
    let decoy = Org::start().await.unwrap();
    let host = format!("localhost:{}", decoy.port());
    let paths = [
        format!("//{host}{LIMITS}"),
        format!("///{host}{LIMITS}"),
        format!("/\\{host}{LIMITS}"),
        format!("/\\\\{host}{LIMITS}"),
        format!("/%2F{host}{LIMITS}"),
        format!("/%5C{host}{LIMITS}"),
        format!("/@{host}{LIMITS}"),
        format!("/.{host}{LIMITS}"),
        format!("/https://{host}{LIMITS}"),
        format!("{LIMITS}?https://{host}"),
    ];
    for path in &paths {
        send(
            &both,
            &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n"),
        )
        .await;
    }
    let own = format!("localhost:{}", both.org.port());
    let seen = both.org.requests();
    assert_eq!(seen.len(), paths.len(), "{:?}", targets(&both.org));
    for seen in seen {
        assert!(seen.target.starts_with('/'), "{}", seen.target);
        assert_eq!(seen.header("host"), own);
    }

    for target in [
        format!("@{host}{LIMITS}"),
        format!(".{host}{LIMITS}"),
        format!("{host}{LIMITS}"),
        format!(":{}{LIMITS}", decoy.port()),
        format!("http:{host}{LIMITS}"),
        format!("http:/{host}{LIMITS}"),
        format!("http://localhost@{host}{LIMITS}"),
        format!("http://{host}{LIMITS}"),
        format!("https://{host}{LIMITS}"),
        format!("ftp://{host}{LIMITS}"),
        format!("ftp://localhost:{}{LIMITS}", both.proxy.address.port()),
    ] {
        let answer = send(
            &both,
            &format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n"),
        )
        .await;
        assert!(matches!(answer.status, 400 | 421), "{target} {answer:?}");
    }
    assert_eq!(both.org.counts().requests, paths.len());
    assert_eq!(decoy.connections(), 0);
}

#[tokio::test]
async fn another_service_of_this_machine_costs_no_login_and_is_named() {
    let both = Both::with(|config| {
        config.orgs[0].trusted_hosts = vec!["gateway.example".to_owned()];
    })
    .await;
    for target in ["localhost:5432", "127.0.0.1", "[::1]:80"] {
        let head = format!("POST http://{target}{LIMITS} HTTP/1.1\r\nHost: {target}\r\n");
        let message = send(&both, &head).await.refusal(421, "WRONG_HOST");
        assert!(
            message.contains(target) && message.contains("NO_PROXY"),
            "{message}"
        );
    }
    both.untouched();
}

#[tokio::test]
async fn a_host_that_can_be_no_instance_costs_no_login() {
    let both = Both::start().await;
    for host in ["evil.com", "169.254.169.254", "salesforce.com.evil.com"] {
        let answer = send(
            &both,
            &format!("GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\n"),
        )
        .await;
        answer.refusal(421, "WRONG_HOST");
    }
    both.untouched();
}

#[tokio::test]
async fn the_instance_may_be_named_as_curl_does_with_a_proxy_and_no_other_org() {
    let both = Both::start().await;
    let own = both.org.instance_url();
    let own = own.strip_prefix("https://").unwrap();
    let answer = send(
        &both,
        &format!("GET http://{own}{LIMITS} HTTP/1.1\r\nHost: {own}\r\n"),
    )
    .await;
    assert_eq!(answer.status, 200);

    let other = "other.my.salesforce.com";
    let answer = send(
        &both,
        &format!("GET http://{other}{LIMITS} HTTP/1.1\r\nHost: {other}\r\n"),
    )
    .await;
    let message = answer.refusal(421, "WRONG_INSTANCE");
    assert!(message.contains(other), "{message}");
    assert_eq!(both.org.counts().requests, 1);
}

#[tokio::test]
async fn an_http_2_authority_is_a_host_like_any_other() {
    let both = Both::start().await;
    for (authority, status) in [
        ("evil.com", 421),
        ("localhost.evil.com", 421),
        ("user@localhost", 400),
    ] {
        assert_eq!(get_http_2(&both, authority).await, status, "{authority}");
    }
    both.untouched();
    assert_eq!(get_http_2(&both, "localhost:1234").await, 200);
}

#[tokio::test]
async fn what_a_web_page_sends_is_refused() {
    let both = Both::start().await;
    for (lines, code) in [
        ("Origin: https://evil.com\r\n", "FOREIGN_ORIGIN"),
        ("Origin: null\r\n", "FOREIGN_ORIGIN"),
        ("Origin: http://localhost\r\n", "FOREIGN_ORIGIN"),
        ("Origin: http://localhost:8080\r\n", "FOREIGN_ORIGIN"),
        ("Origin:\r\n", "FOREIGN_ORIGIN"),
        ("Sec-Fetch-Site: cross-site\r\n", "FOREIGN_PAGE"),
        ("Sec-Fetch-Site: same-site\r\n", "FOREIGN_PAGE"),
        ("Sec-Fetch-Site: same-origin\r\n", "FOREIGN_PAGE"),
        (
            "Sec-Fetch-Site: none\r\nSec-Fetch-Site: cross-site\r\n",
            "FOREIGN_PAGE",
        ),
        (
            "Sec-Fetch-Site: none\r\nOrigin: https://evil.com\r\n",
            "FOREIGN_ORIGIN",
        ),
    ] {
        for method in ["GET", "POST", "OPTIONS"] {
            let answer = send(
                &both,
                &format!("{method} {LIMITS} HTTP/1.1\r\nHost: localhost\r\n{lines}"),
            )
            .await;
            let message = answer.refusal(403, code);
            assert!(message.contains("guard.allow_origins"), "{message}");
            assert!(!answer.head.contains("access-control-"), "{}", answer.head);
        }
    }
    both.untouched();
}

#[tokio::test]
async fn a_preflight_of_a_foreign_page_opens_nothing() {
    let both = Both::start().await;
    let answer = send(&both, &preflight("https://evil.com", "")).await;
    answer.refusal(403, "FOREIGN_ORIGIN");
    assert!(!answer.head.contains("access-control-"), "{}", answer.head);
    both.untouched();
}

#[tokio::test]
async fn what_a_person_opens_in_a_browser_passes() {
    let both = Both::start().await;
    let answer = get(&both, "Host: localhost\r\nSec-Fetch-Site: none\r\n").await;
    assert_eq!(answer.status, 200);
}

/// A server that a person meant may lead the browser here, which then says the same.
#[tokio::test]
async fn what_a_browser_opens_runs_no_code() {
    let both = Both::start().await;
    let opened = "Sec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate\r\n";
    let code = "/services/data/v62.0/tooling/executeAnonymous";
    for path in [
        SINK,
        "/services/apexrest%20/sink",
        "/apex/Pay",
        &format!("{code}/?anonymousBody=x"),
        &format!("{code}.json?anonymousBody=x"),
        "/services/data/v62.0/tooling/%72unTestsSynchronous/?classnames=x",
    ] {
        let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{opened}");
        let message = send(&both, &head).await.refusal(403, "FOREIGN_PAGE");
        assert!(message.contains("code"), "{message}");
    }
    both.untouched();
    let answer = get(&both, &format!("Host: localhost\r\n{opened}")).await;
    assert_eq!(answer.status, 200);
    // Nor does it matter to tools, or to what they say.
    for lines in ["", "Sec-Fetch-Mode: cors\r\n"] {
        let head =
            format!("GET {code}?anonymousBody=Integer+i=1; HTTP/1.1\r\nHost: localhost\r\n{lines}");
        assert_eq!(send(&both, &head).await.status, 200);
    }
}

const FIREFOX: &str = "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
    Accept-Language: en-US,en;q=0.5\r\n";

/// Over plain HTTP, a browser tells only this machine that a page has it send a request.
#[tokio::test]
async fn a_browser_that_does_not_say_whether_a_page_sent_it_is_refused() {
    let names = |config: &mut Config| {
        config.orgs[0].hosts = vec!["proxy.internal".into(), "acme.localhost".into()];
    };
    let both = Both::with(names).await;
    for host in ["proxy.internal", "PROXY.internal:8080"] {
        let answer = get(&both, &format!("Host: {host}\r\n{FIREFOX}")).await;
        let message = answer.refusal(403, "FOREIGN_PAGE");
        assert!(message.contains("https://"), "{message}");
    }
    both.untouched();
    for lines in [
        // A person, by an address where it would say so.
        format!("Host: localhost\r\n{FIREFOX}"),
        format!("Host: 127.0.0.1\r\n{FIREFOX}"),
        format!("Host: acme.localhost:8080\r\n{FIREFOX}"),
        format!("Host: proxy.internal\r\nSec-Fetch-Site: none\r\n{FIREFOX}"),
        // PowerShell, and .NET's client for SOAP.
        "Host: proxy.internal\r\nUser-Agent: Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) \
         PowerShell/7.4.0\r\n"
            .to_owned(),
        "Host: proxy.internal\r\nUser-Agent: Mozilla/4.0 (compatible; MSIE 6.0; MS Web Services \
         Client Protocol 4.0.30319.42000)\r\n"
            .to_owned(),
        "Host: proxy.internal\r\nUser-Agent: curl/8\r\nAccept-Language: de\r\n".to_owned(),
    ] {
        assert_eq!(get(&both, &lines).await.status, 200, "{lines}");
    }
}

const PAGE: &str = "http://localhost:5173";

#[tokio::test]
async fn allow_origins_opens_exactly_the_origin_it_names() {
    let both = Both::with(|config| config.orgs[0].guard.allow_origins = vec![PAGE.into()]).await;
    both.org.faults().next(
        1,
        LIMITS,
        Fault::answer(http::StatusCode::OK, "application/json", "{}")
            .header("access-control-allow-origin", "*")
            .header("access-control-allow-credentials", "true"),
    );
    let answer = get(
        &both,
        &format!("Host: localhost\r\nOrigin: {PAGE}\r\nSec-Fetch-Site: cross-site\r\n"),
    )
    .await;
    assert_eq!(answer.status, 200);
    let opened: Vec<_> = answer
        .head
        .lines()
        .filter(|line| line.starts_with("access-control-"))
        .collect();
    let [origin, exposed] = &opened[..] else {
        panic!("{opened:?}");
    };
    assert_eq!(*origin, format!("access-control-allow-origin: {PAGE}"));
    let exposed = exposed
        .strip_prefix("access-control-expose-headers: ")
        .unwrap();
    let exposed: Vec<_> = exposed.split(", ").collect();
    for name in [
        "sforce-locator",
        "sforce-limit-info",
        "sforce-numberofrecords",
        "location",
        "proxy-status",
        "retry-after",
    ] {
        assert!(exposed.contains(&name), "{name} {exposed:?}");
    }
    assert_eq!(answer.header("vary"), Some("origin"));

    for other in [
        "http://localhost:5174",
        "https://localhost:5173",
        "http://localhost:5173/",
        "http://localhost:5173.evil.com",
        "HTTP://localhost:5173",
        "http://localhost:5173, https://evil.com",
        "null",
    ] {
        let answer = get(&both, &format!("Host: localhost\r\nOrigin: {other}\r\n")).await;
        answer.refusal(403, "FOREIGN_ORIGIN");
    }
    let twice = format!("Host: localhost\r\nOrigin: {PAGE}\r\nOrigin: https://evil.com\r\n");
    get(&both, &twice).await.refusal(403, "FOREIGN_ORIGIN");
    assert_eq!(both.org.counts().requests, 1);
}

/// A page can read why it got no answer of the org, wherever that went wrong, and no other page can.
#[tokio::test]
async fn an_error_is_for_the_page_that_is_allowed_to_see_answers() {
    let both = Both::with(|config| {
        config.orgs[0].guard.allow_origins = vec![PAGE.into()];
        config.orgs[0].guard.client_key = Some(ClientKey::new(KEY.as_bytes()).unwrap());
    })
    .await;
    both.org.faults().always(
        "/services/oauth2/token",
        Fault::answer(http::StatusCode::SERVICE_UNAVAILABLE, "text/plain", ""),
    );
    let key = format!("X-Orgproxy-Key: {KEY}\r\n");
    for (origin, path, key, status, code) in [
        (PAGE, LIMITS, "", 403, "CLIENT_KEY_MISSING"),
        (PAGE, "/secur/frontdoor.jsp", &*key, 403, "PATH_REFUSED"),
        (PAGE, "/a/../b", &*key, 400, "AMBIGUOUS_PATH"),
        (PAGE, LIMITS, &*key, 503, "LOGIN_UNAVAILABLE"),
        (
            "http://localhost:5174",
            LIMITS,
            &*key,
            403,
            "FOREIGN_ORIGIN",
        ),
    ] {
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nOrigin: {origin}\r\n{key}");
        let answer = send(&both, &request).await;
        answer.refusal(status, code);
        let shared = (origin == PAGE).then_some(PAGE);
        assert_eq!(
            answer.header("access-control-allow-origin"),
            shared,
            "{code}"
        );
        assert_eq!(
            answer.header("access-control-expose-headers").is_some(),
            shared.is_some()
        );
    }
}

#[tokio::test]
async fn a_preflight_of_an_allowed_page_is_answered_by_the_proxy() {
    let both = Both::with(|config| config.orgs[0].guard.allow_origins = vec![PAGE.into()]).await;
    let answer = send(
        &both,
        &preflight(
            PAGE,
            "Access-Control-Request-Headers: content-type\r\n\
             Access-Control-Request-Private-Network: true\r\n",
        ),
    )
    .await;
    assert_eq!(answer.status, 204);
    assert_eq!(
        answer.header("access-control-allow-private-network"),
        Some("true")
    );
    assert_eq!(answer.header("access-control-allow-origin"), Some(PAGE));
    assert_eq!(
        answer.header("access-control-allow-headers"),
        Some("content-type")
    );
    let methods = answer.header("access-control-allow-methods").unwrap();
    assert!(methods.contains("patch"), "{methods}");
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    both.untouched();
}

/// Browsers send preflights without any credential (Fetch standard section 4.8).
#[tokio::test]
async fn a_preflight_needs_no_client_key_and_what_follows_does() {
    let both = Both::with(|config| {
        config.orgs[0].guard.allow_origins = vec![PAGE.into()];
        config.orgs[0].guard.client_key = Some(ClientKey::new(KEY.as_bytes()).unwrap());
    })
    .await;
    let asked = "Access-Control-Request-Headers: x-orgproxy-key\r\n";
    assert_eq!(send(&both, &preflight(PAGE, asked)).await.status, 204);
    let answer = get(&both, &format!("Host: localhost\r\nOrigin: {PAGE}\r\n")).await;
    answer.refusal(403, "CLIENT_KEY_MISSING");
    // Not every OPTIONS is a preflight.
    let answer = send(
        &both,
        "OPTIONS / HTTP/1.1\r\nHost: localhost\r\nAccess-Control-Request-Method: GET\r\n",
    )
    .await;
    answer.refusal(403, "CLIENT_KEY_MISSING");
    both.untouched();
}

const KEY: &str = "0123456789abcdef-the-key";

#[tokio::test]
async fn a_client_key_is_taken_in_each_of_its_places_and_never_passed_on() {
    let both = keyed().await;
    let basic = Base64::encode_string(format!("anyone:{KEY}").as_bytes());
    for line in [
        format!("Authorization: Bearer {KEY}"),
        format!("authorization: bearer  {KEY}"),
        format!("Authorization: Basic {basic}"),
        format!("Proxy-Authorization: Basic {basic}"),
        format!("Proxy-Authorization: Bearer {KEY}"),
        format!("X-Orgproxy-Key: {KEY}"),
        format!("Authorization: Bearer 00D!theirs\r\nX-Orgproxy-Key: {KEY}"),
        format!("X-Orgproxy-Key: {KEY}\r\nX_Orgproxy_Key: {KEY}\r\nConnection: x-orgproxy-key"),
    ] {
        let answer = get(&both, &format!("Host: localhost\r\n{line}\r\n")).await;
        assert_eq!(answer.status, 200, "{line}");
        let seen = both.org.last_request();
        let head = String::from_utf8_lossy(&seen.head).to_lowercase();
        assert!(
            !head.contains(KEY) && !head.contains(&basic.to_lowercase()),
            "{head}"
        );
        assert!(!head.contains("orgproxy"), "{head}");
        assert!(seen.authorized);
    }
}

#[tokio::test]
async fn without_the_right_client_key_nothing_passes() {
    let both = keyed().await;
    let encoded = |text: String| Base64::encode_string(text.as_bytes());
    for line in [
        "X-Nothing: 1".to_owned(),
        "X-Orgproxy-Key:".to_owned(),
        "Authorization:".to_owned(),
        "Authorization: Bearer".to_owned(),
        "Authorization: Bearer ".to_owned(),
        "Authorization: Basic".to_owned(),
        "Authorization: Basic Og==".to_owned(),
        "Authorization: Basic !!!!".to_owned(),
        format!("Authorization: {KEY}"),
        format!("Authorization: Bearer {}", &KEY[1..]),
        format!("Authorization: Bearer {KEY}x"),
        format!("Authorization: Bearer {}", KEY.to_uppercase()),
        format!("Authorization: Digest {KEY}"),
        format!("Authorization: Basic {}", encoded(KEY.to_owned())),
        format!("Authorization: Basic {}", encoded(format!("{KEY}:x"))),
        format!("Authorization: Basic {}", encoded(format!("a:b:{KEY}"))),
        format!("X-Orgproxy-Key: {KEY}, {KEY}"),
        format!("X-Orgproxy-Key: Bearer {KEY}"),
        format!("X_Orgproxy_Key: {KEY}"),
        format!("Cookie: X-Orgproxy-Key={KEY}"),
        format!("X-SFDC-Session: {KEY}"),
    ] {
        let answer = get(&both, &format!("Host: localhost\r\n{line}\r\n")).await;
        let message = answer.refusal(403, "CLIENT_KEY_MISSING");
        assert!(message.contains("guard.client_key"), "{message}");
        assert!(!format!("{answer:?}").contains(KEY), "{answer:?}");
    }
    let in_query = format!("GET {LIMITS}?x-orgproxy-key={KEY} HTTP/1.1\r\nHost: localhost\r\n");
    send(&both, &in_query)
        .await
        .refusal(403, "CLIENT_KEY_MISSING");
    both.untouched();
}

#[tokio::test]
async fn what_makes_or_ends_sessions_is_refused_however_it_is_spelled() {
    let both = Both::start().await;
    for path in [
        "/services/oauth2/singleaccess",
        "/services/oauth2/revoke/x?token=x",
        "/services/oauth2/authorize",
        "/%73ervices/oauth2/revoke",
        "/services%2foauth2%2Frevoke",
        "/services%5coauth2%5Crevoke",
        "/services\\oauth2\\revoke",
        "/%2573ervices/oauth2/revoke",
        "/services;a=b/oauth2;c/revoke",
        "/services/;/oauth2/revoke",
        "/site/services/oauth2/revoke",
        "/secur/frontdoor.jsp",
        "/secur/frontdoor.jsp?sid=00D000000000000!x",
        "/SECUR/logout.jsp;x",
        "/site//secur/logout.jsp",
        "/%2fsecur/frontdoor.jsp",
    ] {
        let answer = send(
            &both,
            &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n"),
        )
        .await;
        let message = answer.refusal(403, "PATH_REFUSED");
        assert!(message.contains("guard.allow_paths"), "{path}: {message}");
    }
    both.untouched();
}

/// Paths of Salesforce's own tools and pages that give out sessions and tokens, too.
const HANDS_OUT: [&str; 10] = [
    "/agentforce/bootstrap/nameduser",
    "/ide/auth",
    "/visualforce/session",
    "/content/session",
    "/services/a360/token",
    "/services/auth/sp/saml2/logout",
    "/idp/login",
    "/servlet/servlet.su",
    "/servlet/networks/session/create",
    "/services/data/v62.0/platformconnect/signedrequest",
];

#[tokio::test]
async fn what_hands_out_sessions_is_refused_in_every_spelling() {
    let both = Both::start().await;
    for path in HANDS_OUT {
        let (start, end) = path.rsplit_once('/').unwrap();
        for spelling in [
            path.to_owned(),
            path.to_uppercase(),
            path.replace('/', "//"),
            format!("{path}/"),
            format!("{path}/more?x=y"),
            format!("{path};jsessionid=1"),
            format!("/site{path}"),
            format!("{start}%2F{end}"),
            format!("{start}%5c{end}"),
            format!("{start}\\{end}"),
            format!("{start};a=b/{end}"),
            format!("{start}/%{:02x}{}", end.as_bytes()[0], &end[1..]),
            format!("{start}/%25{:02X}{}", end.as_bytes()[0], &end[1..]),
        ] {
            for method in ["GET", "POST"] {
                let head = format!("{method} {spelling} HTTP/1.1\r\nHost: localhost\r\n");
                let message = send(&both, &head).await.refusal(403, "PATH_REFUSED");
                assert!(
                    message.contains("guard.allow_paths"),
                    "{spelling}: {message}"
                );
            }
        }
    }
    both.untouched();
}

#[tokio::test]
async fn what_hands_out_sessions_passes_where_it_is_allowed_and_what_only_looks_like_it_always() {
    let both = Both::with(|config| {
        config.orgs[0].guard.allow_paths = HANDS_OUT.map(str::to_owned).to_vec();
    })
    .await;
    let looks_like_it = Both::start().await;
    for path in HANDS_OUT {
        send(
            &both,
            &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n"),
        )
        .await;
        assert_eq!(both.org.last_request().target, path);
        for path in [
            format!("/x{}", &path[1..]),
            format!("/services/apexrest{path}"),
            format!("/services/data/v62.0/sobjects/Account/Ext__c/a;b%2Fc{path}"),
        ] {
            send(
                &looks_like_it,
                &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n"),
            )
            .await;
            assert_eq!(looks_like_it.org.last_request().target, path);
        }
    }
}

/// Jetty 9.4 and Tomcat read paths so: one cuts parameters first, the other decodes first. To neither
/// is a backslash a slash, as it is to others.
#[tokio::test]
async fn a_path_that_leads_elsewhere_once_its_parameters_are_cut_is_refused() {
    let both = Both::start().await;
    for path in [
        "/services;a%2fb/oauth2/singleaccess",
        "/;%2fservices/secur/frontdoor.jsp",
        "/services;a%252fb/oauth2/singleaccess",
        "/x;a%2fsecur/frontdoor.jsp",
        "/ide;a%2fb/auth",
        "/services/data%2fx;%2fy/../oauth2/token",
        "/services%2fdata/services/oauth2/token",
        "/x;a%2fservices/async/62.0/job",
        "/services\\/secur/frontdoor.jsp",
    ] {
        let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n");
        let message = send(&both, &head).await.refusal(400, "AMBIGUOUS_PATH");
        assert!(
            message.contains("write it plainly") || message.contains("resolved"),
            "{message}"
        );
    }
    let logout = "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\"><e:Body>\
        <logout xmlns=\"urn:partner.soap.sforce.com\"/></e:Body></e:Envelope>";
    for path in [
        "/services;a%2fb/Soap/u/64.0",
        "/services;/Soap/u/64.0",
        "/x;%2fservices/Soap/u/64.0",
    ] {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{logout}",
            logout.len()
        );
        let answer = ask(both.proxy.address, head).await;
        assert!(answer.body.contains("AMBIGUOUS_PATH"), "{path} {answer:?}");
    }
    both.untouched();
}

#[tokio::test]
async fn what_would_end_the_session_is_answered_by_the_proxy_whatever_is_allowed() {
    let both = Both::with(|config| {
        let allowed = ["/services/oauth2", "/secur/logout.jsp"];
        config.orgs[0].guard.allow_paths = allowed.map(str::to_owned).to_vec();
    })
    .await;
    for path in [
        "/services/oauth2/revoke?token=x",
        "//services//oauth2///revoke/",
        "/Services/OAUTH2/Revoke",
        "/secur/logout.jsp",
        "//SECUR/Logout.jsp/",
    ] {
        let answer = send(
            &both,
            &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n"),
        )
        .await;
        assert_eq!(answer.status, 200, "{path} {answer:?}");
        assert_eq!(answer.header("proxy-status"), Some("orgproxy"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    for path in [
        "/services/oauth2/%72evoke",
        "/services/oauth2/revoke/x",
        "/services/oauth2/revoke;x",
        "/secur/logout%2ejsp",
    ] {
        let answer = send(
            &both,
            &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n"),
        )
        .await;
        answer.refusal(403, "PATH_REFUSED");
    }
    both.untouched();
}

#[tokio::test]
async fn a_path_that_not_every_server_reads_alike_is_refused() {
    let both = Both::start().await;
    for path in [
        "/services/data/../oauth2/revoke",
        "/services/data/./v62.0",
        "/..",
        "/services/data/%2e%2e/oauth2/revoke",
        "/services/data/%2E./oauth2/revoke",
        "/services/data/..%2foauth2/revoke",
        "/services/data/..\\oauth2",
        "/services/data/..;x/oauth2/revoke",
        "/services/data/%252e%252e/oauth2/revoke",
        "/services/data/%25252525252e%2e/oauth2",
    ] {
        let answer = send(
            &both,
            &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n"),
        )
        .await;
        answer.refusal(400, "AMBIGUOUS_PATH");
    }
    both.untouched();
}

#[tokio::test]
async fn allow_paths_opens_what_it_names_and_what_is_below() {
    let both = Both::with(|config| {
        config.orgs[0].guard.allow_paths = vec!["/services/oauth2/introspect".into()];
    })
    .await;
    for (path, passes) in [
        ("/services/oauth2/introspect", true),
        ("/Services//oauth2/introspect/more", true),
        ("/services/oauth2/introspector", false),
        ("/services/oauth2/revoke", false),
        ("/secur/frontdoor.jsp", false),
    ] {
        let answer = send(
            &both,
            &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n"),
        )
        .await;
        assert_eq!(
            answer.header("proxy-status").is_none(),
            passes,
            "{path} {answer:?}"
        );
    }
    assert_eq!(both.org.counts().requests, 2);
}

#[tokio::test]
async fn what_clients_use_passes_with_its_bytes_untouched() {
    let both = Both::start().await;
    let paths = [
        "/services/oauth2/userinfo",
        "//services/data/v62.0/query/?q=SELECT+Id+FROM+Account",
        "/services/data/v62.0/sobjects/Account/Ext__c/a%2Fb%20c",
        "/services/data/v62.0/sobjects/Account/Ext__c/a;b%2Fc",
        "/services/apexrest/orders;version=1/a%2Fb",
        "/services/apexrest/oauth2/revoke",
        "/services/data/v62.0/query?q=%23..%2f../{}|^`'",
    ];
    for path in paths {
        send(
            &both,
            &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n"),
        )
        .await;
    }
    let seen = targets(&both.org);
    assert_eq!(seen, paths);
}

#[tokio::test]
async fn an_unsupported_method_is_refused_and_the_others_are_named() {
    let both = Both::start().await;
    for method in ["TRACE", "TRACK", "PROPFIND", "get", "Get", "GETS", "X"] {
        let answer = send(
            &both,
            &format!("{method} {LIMITS} HTTP/1.1\r\nHost: localhost\r\n"),
        )
        .await;
        answer.refusal(405, "METHOD_REFUSED");
        let allow = answer.header("allow").unwrap();
        assert_eq!(allow, "get, head, post, put, patch, delete, options");
    }
    for target in ["localhost:443", "evil.com:443", "/services/data"] {
        let answer = send(
            &both,
            &format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n"),
        )
        .await;
        let message = answer.refusal(405, "METHOD_REFUSED");
        assert!(message.contains("set intercept = true"), "{message}");
    }
    both.untouched();
}

#[tokio::test]
async fn an_unsupported_method_is_refused_over_http_2_too() {
    let both = Both::start().await;
    let url = format!("http://localhost{LIMITS}");
    for method in ["TRACE", "TRACK", "PROPFIND", "get", "X"] {
        let request = Request::builder().method(method).uri(&url);
        let response = send_http_2(&both, request).await;
        assert_eq!(response.status(), 405, "{method}");
        let allow = response.headers()["allow"].to_str().unwrap();
        assert_eq!(allow, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
    }
    for target in ["localhost:443", "evil.com:443"] {
        let request = Request::connect(target);
        let response = send_http_2(&both, request).await;
        assert_eq!(response.status(), 405, "{target}");
        let marked = response.headers()["proxy-status"].to_str().unwrap();
        assert!(marked.contains("METHOD_REFUSED"), "{marked}");
    }
    both.untouched();
}

#[tokio::test]
async fn a_target_that_no_url_can_have_is_refused() {
    let both = Both::start().await;
    for target in [
        "/a#b",
        "/services/oauth2/userinfo#/../revoke",
        "/a\"#b",
        "/\u{e9}\u{1}",
        "/a\u{7f}",
        "/a\tb",
        "/a\u{1}",
        "*",
        "a/b",
        "?q=1",
        "localhost:80",
    ] {
        let answer = send(
            &both,
            &format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n"),
        )
        .await;
        assert_eq!(answer.status, 400, "{target:?} {answer:?}");
    }
    both.untouched();
}

#[tokio::test]
async fn options_of_everything_is_about_the_proxy_and_answered_by_it() {
    let both = Both::start().await;
    let answer = send(&both, "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n").await;
    assert_eq!(answer.status, 204);
    assert!(answer.header("allow").unwrap().contains("patch"));
    both.untouched();
}

#[tokio::test]
async fn sessions_of_web_pages_pass_in_neither_direction() {
    let both = Both::start().await;
    both.org.faults().next(
        1,
        LIMITS,
        Fault::answer(http::StatusCode::OK, "application/json", "{}")
            .header("set-cookie", "sid=00D!secret; Secure")
            .header("set-cookie", "oid=00D; Path=/")
            .header(
                "set-cookie",
                "BrowserId=b1; Path=/; Domain=.salesforce.com; Secure",
            ),
    );
    let answer = get(
        &both,
        "Host: localhost\r\nCookie: a=1; sid=00D!theirs; SID_Client=x; oid=00D; b=2\r\n",
    )
    .await;
    assert!(
        !answer.head.contains("sid=") && !answer.head.contains("oid="),
        "{answer:?}"
    );
    assert_eq!(answer.header("set-cookie"), Some("browserid=b1; path=/"));
    assert_eq!(both.org.last_request().header("cookie"), "a=1; b=2");
}

async fn keyed() -> Both {
    Both::with(|config| {
        config.orgs[0].guard.client_key = Some(ClientKey::new(KEY.as_bytes()).unwrap());
    })
    .await
}

/// The answer to a request whose head begins with `head`.
async fn send(both: &Both, head: &str) -> Answer {
    ask(
        both.proxy.address,
        format!("{head}Connection: close\r\n\r\n"),
    )
    .await
}

async fn get(both: &Both, lines: &str) -> Answer {
    send(both, &format!("GET {LIMITS} HTTP/1.1\r\n{lines}")).await
}

async fn get_http_2(both: &Both, authority: &str) -> u16 {
    let request = Request::get(format!("http://{authority}{LIMITS}"));
    send_http_2(both, request).await.status().as_u16()
}

async fn send_http_2(both: &Both, request: Builder) -> Response<Incoming> {
    http2::send(both.proxy.address, request.body(String::new()).unwrap()).await
}

fn preflight(origin: &str, lines: &str) -> String {
    format!(
        "OPTIONS {LIMITS} HTTP/1.1\r\nHost: localhost\r\nOrigin: {origin}\r\n\
         Access-Control-Request-Method: PATCH\r\n{lines}"
    )
}
