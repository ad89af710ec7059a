//! Pages, whose session is a cookie: a program that exports a report gets the report.

use http::{Method, StatusCode};
use test_case::test_case;

use crate::support::{Both, Fault, Org, client, get::get};

const EXPORT: &str = "/00O000000000001?isdtp=p1&export=1&enc=UTF-8&xf=csv";
const REPORT: &str = "/00O000000000001";
const PAGE: &str = "/apex/Acme";

#[test_case(false; "a redirect")]
#[test_case(true; "a script")]
#[tokio::test]
async fn a_report_is_exported_though_the_session_has_died(scripted: bool) {
    let Both { org, proxy } = Both::start().await;
    org.set(|knobs| knobs.scripted_login = scripted);
    for logins in 1..4 {
        let answer = proxy.get(EXPORT).await;
        assert_eq!(answer.status(), 200);
        let kind = answer.headers()["content-type"].clone();
        assert_eq!(kind, "text/csv; charset=UTF-8");
        assert!(answer.text().await.unwrap().starts_with("\"Name\""));
        assert_eq!(org.logins(), logins);
        org.end_sessions();
    }
}

#[test_case("https://login.salesforce.com/?ec=302&startURL=%2F00O000000000001"; "where all log in")]
#[test_case("https://acme.my.salesforce.com/?ec=302&startURL=%2F00O000000000001"; "the org")]
#[test_case("/?ec=302"; "here")]
#[test_case("/login?startURL=%2F00O000000000001"; "a login page")]
#[tokio::test]
async fn wherever_it_is_sent_to_log_in_it_is_asked_for_again(location: &str) {
    let Both { org, proxy } = Both::start().await;
    assert_eq!(proxy.get(EXPORT).await.status(), 200);
    org.end_sessions();
    org.faults()
        .next(1, REPORT, Fault::redirect(StatusCode::FOUND, location));
    let answer = proxy.get(EXPORT).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/csv; charset=UTF-8");
    assert_eq!(requests_to(&org, EXPORT), 3);
    assert_eq!(org.logins(), 2);
}

/// It may have written something before it sent the client there.
#[test_case(Fault::redirect(StatusCode::FOUND, "/?ec=302&startURL=%2Fapex%2FAcme"); "a redirect")]
#[test_case(Fault::answer(StatusCode::OK, "text/html", "<script>window.location.replace('/?ec=302');</script>"); "a script")]
#[tokio::test]
async fn a_page_is_asked_for_once_while_the_session_lives(fault: Fault) {
    let Both { org, proxy } = Both::start().await;
    org.faults().next(1, PAGE, fault);
    let answer = proxy.get(PAGE).await;
    assert_eq!(answer.status(), 502);
    assert_eq!((requests_to(&org, PAGE), org.logins()), (1, 1));
}

#[test_case(Fault::redirect(StatusCode::FOUND, "/?ec=302&startURL=%2F00O"); "a redirect")]
#[test_case(Fault::answer(StatusCode::OK, "text/html", "<script>window.location.replace('/?ec=302');</script>"); "a script")]
#[test_case(Fault::answer(StatusCode::OK, "text/html; charset=UTF-8", "<META HTTP-EQUIV='Refresh' CONTENT='0; URL=https://login.salesforce.com/?ec=302&amp;startURL=%2F00O'>"); "a refresh")]
#[tokio::test]
async fn a_page_that_stays_closed_is_an_honest_error_and_costs_few_logins(fault: Fault) {
    let Both { org, proxy } = Both::start().await;
    org.faults().always(REPORT, fault);
    for _ in 0..5 {
        let answer = proxy.get(EXPORT).await;
        assert_eq!(answer.status(), 502);
        let text = answer.text().await.unwrap();
        assert!(text.starts_with("PAGE_REFUSED: "), "{text}");
        assert!(text.contains("scope web"), "{text}");
    }
    assert!(org.logins() <= 2, "{}", org.logins());
}

#[test_case(Method::POST, "/00O000000000001", "/?ec=302&startURL=%2F00O"; "a form that leads to a login")]
#[test_case(Method::GET, "/home/home.jsp", "/lightning/page/home"; "another page")]
#[test_case(Method::GET, "/apex/Acme", "https://acme.lightning.force.com/?x"; "lightning")]
#[test_case(Method::GET, "/apex/Acme", "https://login.salesforce.com/"; "a login page for no reason")]
#[tokio::test]
async fn other_redirects_of_pages_pass(method: Method, path: &str, location: &str) {
    let Both { org, proxy } = Both::start().await;
    org.faults()
        .always(path, Fault::redirect(StatusCode::FOUND, location));
    let request = client().request(method, proxy.url(path));
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 302);
    assert!(answer.headers().contains_key("location"));
    assert_eq!((requests_to(&org, path), org.logins()), (1, 1));
}

#[test_case(false; "a redirect")]
#[test_case(true; "a script")]
#[tokio::test]
async fn a_form_is_sent_again_if_the_session_has_died(scripted: bool) {
    let Both { org, proxy } = Both::start().await;
    org.set(|knobs| knobs.scripted_login = scripted);
    for logins in 1..4 {
        let form = client().post(proxy.url(EXPORT)).body("a=b");
        let answer = form.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/csv; charset=UTF-8");
        assert_eq!(org.last_request().text(), "a=b");
        assert_eq!(org.logins(), logins);
        org.end_sessions();
    }
}

#[tokio::test]
async fn pages_that_show_something_stream() {
    let Both { org, proxy } = Both::start().await;
    let hold = org.hold_body(REPORT, 20);
    let mut raw = proxy.connect().await;
    raw.send(get(REPORT)).await;
    assert!(raw.head().await.starts_with("HTTP/1.1 200"));
    assert_eq!(raw.exactly(20).await, b"<html><head><title>R");
    assert_eq!(hold.waiting(), 1);
    hold.release();
    let rest = "eport</title></head><body><h1>Report</h1></body></html>";
    assert_eq!(raw.exactly(rest.len()).await, rest.as_bytes());
    assert_eq!(org.logins(), 1);
}

fn requests_to(org: &Org, path: &str) -> usize {
    let all = org.requests();
    all.iter().filter(|seen| seen.target == path).count()
}
