//! The budget of an org: shares of its calls, long calls, requests per second.

use std::{net::SocketAddr, time::Duration};

use futures_util::future::join_all;
use http::StatusCode;
use orgproxy::demo::{Hold, TOKEN};
use reqwest::Response;
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::{
    admin::{admin_url, get},
    support::{
        Binary, Fault, Files, Org, PATIENCE,
        binary::run,
        client,
        get::get_and_close,
        in_time,
        path::{BYTES, ECHO, JOB, LIMITS, SOAP, USERINFO},
        raw::Raw,
    },
};

/// The program in front of a demo org, with two listeners.
struct Budgeted {
    org: Org,
    proxy: Binary,
    /// The first is that of clients named `greedy`, the second that of `modest`.
    addresses: [SocketAddr; 2],
    admin: SocketAddr,
    files: Files,
}

impl Budgeted {
    /// `budget` is what the table has.
    async fn start(budget: &str) -> Self {
        let org = Org::start().await.unwrap();
        let more = format!(
            "listen = [\"127.0.0.1:0\", \"127.0.0.2:0\"]\n\
             client_names = {{ \"127.0.0.1:0\" = \"greedy\", \"127.0.0.2:0\" = \"modest\" }}\n\
             [org.demo.budget]\n{budget}\n[admin]\nlisten = \"127.0.0.1:0\"\n"
        );
        let files = Files::with(&org, &more);
        let log = files.path("access.log").display().to_string();
        let proxy = Binary::start(&["run", "--config", &files.config(), "--access-log", &log]);
        let mut addresses = Vec::new();
        for host in ["127.0.0.1", "127.0.0.2"] {
            let line = proxy.print(&format!("listening on http://{host}:")).await;
            let (_, address) = line.split_once("http://").unwrap();
            let (address, _) = address.split_once(' ').unwrap();
            addresses.push(address.parse().unwrap());
        }
        let admin = admin_url(&proxy).await;
        Self {
            org,
            proxy,
            addresses: addresses.try_into().unwrap(),
            admin: admin.trim_start_matches("http://").parse().unwrap(),
            files,
        }
    }

    async fn get(&self, path: &str) -> Response {
        self.get_as(GREEDY, path).await
    }

    async fn get_as(&self, who: usize, path: &str) -> Response {
        let url = format!("http://{}{path}", self.addresses[who]);
        client().get(url).send().await.unwrap()
    }

    /// The same beside what else goes on. Returns the status of the answer.
    fn begin(&self, who: usize, path: &str) -> JoinHandle<u16> {
        let url = format!("http://{}{path}", self.addresses[who]);
        tokio::spawn(async move {
            let answer = client().get(url).send().await.unwrap();
            let status = answer.status().as_u16();
            answer.bytes().await.unwrap();
            status
        })
    }

    async fn post(&self, path: &str, kind: &str, body: String) -> Response {
        let url = format!("http://{}{path}", self.addresses[GREEDY]);
        let asked = client().post(url).header("content-type", kind).body(body);
        asked.send().await.unwrap()
    }

    /// A call that the org holds, and that is a long one.
    async fn long_call(&self) -> (Hold, JoinHandle<u16>) {
        let hold = self.org.hold(BYTES);
        let call = self.begin(GREEDY, BYTES);
        self.org.wait_until(|_| hold.waiting() == 1).await;
        self.shows_long_calls(1, 0).await;
        (hold, call)
    }

    /// Waits until `/api/status` shows so many long calls that are open and calls that wait.
    async fn shows_long_calls(&self, open: u64, waiting: u64) {
        let shown = async {
            loop {
                let answer = get(self.admin, "/api/status").await;
                let status: Value = serde_json::from_str(&answer.body).unwrap();
                let shown = &status["orgs"][0]["budget"]["long_calls"];
                if shown["open"] == open && shown["waiting"] == waiting {
                    break;
                }
                tokio::task::yield_now().await;
            }
        };
        let shown = tokio::time::timeout(PATIENCE, shown).await;
        assert!(shown.is_ok(), "never {open} open and {waiting} waiting");
    }

    /// The requests that have reached the org.
    fn sent(&self) -> usize {
        self.org.counts().requests
    }
}

const ACCOUNTS: &str = "/services/data/v62.0/sobjects/Account";

const GREEDY: usize = 0;
const MODEST: usize = 1;

/// A bound of five long calls, which are long at once.
const FIVE: &str = "long_calls = 5\nlong_after = \"1ms\"";
const ONE: &str = "long_calls = 1\nlong_after = \"1ms\"";

/// Asserts that it is a refusal by a budget for REST clients, and returns its message and the seconds
/// after which to try again.
async fn refusal(answer: Response, code: &str) -> (String, u64) {
    assert_eq!(answer.status(), 429);
    let headers = answer.headers().clone();
    let marked = headers["proxy-status"].to_str().unwrap();
    assert!(marked.ends_with(&format!("details=\"{code}\"")), "{marked}");
    let seconds = headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!(seconds > 0);
    let body: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    // By this tools know a limit of Salesforce's.
    assert_eq!(body[0]["errorCode"], "REQUEST_LIMIT_EXCEEDED");
    let message = body[0]["message"].as_str().unwrap();
    let start = format!("{code}: orgproxy: ");
    let message = message.strip_prefix(&start).expect(message).to_owned();
    (message, seconds)
}

#[tokio::test]
async fn the_sixth_call_waits_where_the_org_would_refuse_it() {
    let it = Budgeted::start(FIVE).await;
    it.org.set(|org| org.long_calls = Some((5, Duration::ZERO)));
    let hold = it.org.hold(BYTES);
    let long: Vec<_> = (0..5).map(|_| it.begin(GREEDY, BYTES)).collect();
    it.org.wait_until(|_| hold.waiting() == 5).await;
    it.shows_long_calls(5, 0).await;

    let sixth = it.begin(GREEDY, LIMITS);
    it.shows_long_calls(5, 1).await;
    assert_eq!(it.sent(), 5);
    let metrics = get(it.admin, "/metrics").await.body;
    for line in [
        "\norgproxy_long_calls_open{org=\"demo\"} 5\n",
        "\norgproxy_calls_waiting{org=\"demo\"} 1\n",
    ] {
        assert!(metrics.contains(line), "{metrics}");
    }
    let url = format!("http://{}", it.admin);
    let shown = run(&["status", "--url", &url]).await.stdout;
    assert!(
        shown.contains(" long calls: 5 open, 1 waiting\n"),
        "{shown}"
    );
    let page = get(it.admin, "/").await.body;
    assert!(page.contains("<li>long calls: 5 open, 1 waiting</li>"));

    hold.release();
    for call in long.into_iter().chain([sixth]) {
        assert_eq!(in_time(call).await.unwrap(), 200);
    }
    it.proxy.stop().await;
    let log = std::fs::read_to_string(it.files.path("access.log")).unwrap();
    let waited: Vec<_> = log.lines().filter(|line| line.contains(" turn=")).collect();
    assert_eq!(waited.len(), 1, "{log}");
    assert!(waited[0].contains(LIMITS), "{log}");
}

#[tokio::test]
async fn without_a_budget_the_org_refuses_the_sixth_call_itself() {
    let it = Budgeted::start("").await;
    it.org.set(|org| org.long_calls = Some((5, Duration::ZERO)));
    let hold = it.org.hold(BYTES);
    let long: Vec<_> = (0..5).map(|_| it.begin(GREEDY, BYTES)).collect();
    it.org.wait_until(|_| hold.waiting() == 5).await;
    let refused = it.get(LIMITS).await;
    assert_eq!(refused.status(), 403);
    assert!(!refused.headers().contains_key("proxy-status"));
    assert_eq!(it.sent(), 6);
    let status = get(it.admin, "/api/status").await.body;
    assert!(!status.contains("budget"), "{status}");
    hold.release();
    for call in long {
        assert_eq!(in_time(call).await.unwrap(), 200);
    }
}

#[tokio::test]
async fn a_greedy_client_does_not_keep_a_modest_one_waiting() {
    let it = Budgeted::start(ONE).await;
    let (first, call) = it.long_call().await;
    let rest = it.org.hold(ECHO);
    let greedy: Vec<_> = (0..3).map(|_| it.begin(GREEDY, ECHO)).collect();
    it.shows_long_calls(1, 3).await;
    let modest = it.begin(MODEST, LIMITS);
    it.shows_long_calls(1, 4).await;

    first.release();
    assert_eq!(in_time(call).await.unwrap(), 200);
    // One of each has had its turn.
    assert_eq!(in_time(modest).await.unwrap(), 200);
    it.org.wait_until(|_| rest.waiting() == 1).await;
    it.shows_long_calls(1, 2).await;
    rest.release();
    for call in greedy {
        assert_eq!(in_time(call).await.unwrap(), 200);
    }
}

#[tokio::test]
async fn what_finds_the_queue_full_is_refused_at_once() {
    let it = Budgeted::start(&format!("{ONE}\nqueue = 0")).await;
    let (hold, call) = it.long_call().await;
    let answer = it.get_as(MODEST, LIMITS).await;
    let (message, _) = refusal(answer, "TOO_MANY_LONG_CALLS").await;
    assert!(message.contains("budget.queue"), "{message}");
    assert_eq!(it.sent(), 1);
    // What the org does not count passes.
    assert_eq!(it.get(USERINFO).await.status(), 200);
    hold.release();
    assert_eq!(in_time(call).await.unwrap(), 200);
    assert_eq!(it.get(LIMITS).await.status(), 200);
}

#[tokio::test]
async fn what_waits_too_long_is_refused() {
    let it = Budgeted::start(&format!("{ONE}\nwait = \"50ms\"")).await;
    let (hold, call) = it.long_call().await;
    let answer = it.get(LIMITS).await;
    let (message, _) = refusal(answer, "TOO_MANY_LONG_CALLS").await;
    assert!(message.contains("within 0.05s (budget.wait)"), "{message}");
    assert_eq!(it.sent(), 1);
    hold.release();
    assert_eq!(in_time(call).await.unwrap(), 200);
}

#[tokio::test]
async fn a_client_that_hangs_up_leaves_its_place_to_another() {
    let it = Budgeted::start(&format!("{ONE}\nqueue = 1")).await;
    let (hold, call) = it.long_call().await;
    let mut waiting = Raw::connect(it.addresses[MODEST]).await;
    waiting.send(get_and_close(LIMITS)).await;
    it.shows_long_calls(1, 1).await;
    assert_eq!(it.get(LIMITS).await.status(), 429);
    drop(waiting);
    it.shows_long_calls(1, 0).await;
    let next = it.begin(GREEDY, LIMITS);
    it.shows_long_calls(1, 1).await;
    hold.release();
    for call in [call, next] {
        assert_eq!(in_time(call).await.unwrap(), 200);
    }
    assert_eq!(it.sent(), 2);
}

#[tokio::test]
async fn a_long_call_is_one_until_its_last_byte() {
    let it = Budgeted::start(ONE).await;
    let hold = it.org.hold_body(BYTES, 10);
    let mut call = Raw::connect(it.addresses[GREEDY]).await;
    call.send(get_and_close(&format!("{BYTES}?n=100"))).await;
    assert!(call.head().await.starts_with("HTTP/1.1 200"));
    it.shows_long_calls(1, 0).await;
    let waiting = it.begin(GREEDY, LIMITS);
    it.shows_long_calls(1, 1).await;
    hold.release();
    call.rest().await;
    assert_eq!(in_time(waiting).await.unwrap(), 200);
}

#[tokio::test]
async fn clients_that_are_slow_take_no_places_of_others() {
    let it = Budgeted::start(ONE).await;
    let mut upload = Raw::connect(it.addresses[GREEDY]).await;
    let post = format!("POST {ECHO} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
    let kind = "content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    upload.send(format!("{post}{kind}1\r\n[\r\n")).await;
    let mut untaken = Raw::connect(it.addresses[GREEDY]).await;
    let endless = format!("{BYTES}?n=1000000000");
    untaken.send(get_and_close(&endless)).await;
    assert!(untaken.head().await.starts_with("HTTP/1.1 200"));
    let has_come = |org: &Org| org.requests().iter().any(|seen| seen.target == ECHO);
    it.org.wait_until(has_come).await;

    for _ in 0..3 {
        let answer = in_time(it.begin(MODEST, LIMITS)).await;
        assert_eq!(answer.unwrap(), 200);
    }
    it.shows_long_calls(0, 0).await;
    upload.send("1\r\n]\r\n0\r\n\r\n").await;
    let answer = in_time(upload.rest()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// The org may begin with it at once.
#[tokio::test]
async fn a_read_whose_body_drips_has_its_place() {
    let it = Budgeted::start(ONE).await;
    let mut drip = Raw::connect(it.addresses[GREEDY]).await;
    let get = format!("GET {ECHO} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
    drip.send(format!("{get}transfer-encoding: chunked\r\n\r\n1\r\n[\r\n"))
        .await;
    it.shows_long_calls(1, 0).await;
    let waiting = it.begin(MODEST, LIMITS);
    it.shows_long_calls(1, 1).await;
    drip.send("0\r\n\r\n").await;
    drip.rest().await;
    assert_eq!(in_time(waiting).await.unwrap(), 200);
}

#[tokio::test]
async fn what_the_org_refuses_for_long_calls_is_sent_once_more_whole() {
    let it = Budgeted::start("long_calls = 25").await;
    let faults = it.org.faults();
    faults.next(1, LIMITS, Fault::crowded());
    faults.next(1, ACCOUNTS, Fault::crowded());
    faults.next(1, SOAP, Fault::soap_crowded());
    let body = "{\"Name\": \"Once\"}".to_owned();
    let (rest, created, soap) = tokio::join!(
        it.get(LIMITS),
        it.post(ACCOUNTS, "application/json", body.clone()),
        it.post(SOAP, "text/xml", query()),
    );
    assert_eq!(rest.status(), 200);
    assert_eq!(soap.status(), 200);
    assert_eq!(created.status(), 201);
    let seen = it.org.requests();
    let posts: Vec<_> = seen.iter().filter(|it| it.target == ACCOUNTS).collect();
    assert_eq!(posts.len(), 2);
    assert!(posts.iter().all(|post| post.body == body.as_bytes()));
    assert_eq!(it.sent(), 6);
    let metrics = get(it.admin, "/metrics").await.body;
    assert!(metrics.contains("reason=\"crowded\""), "{metrics}");
}

#[tokio::test]
async fn what_the_org_refuses_for_long_calls_twice_or_for_the_day_is_for_the_client() {
    let it = Budgeted::start("long_calls = 25").await;
    it.org.faults().next(1, LIMITS, Fault::limit_exceeded());
    let answer = it.get(LIMITS).await;
    assert_eq!(answer.status(), 403);
    assert!(answer.text().await.unwrap().contains("TotalRequests"));
    assert_eq!(it.sent(), 1);

    it.org.faults().next(2, LIMITS, Fault::crowded());
    let answer = it.get(LIMITS).await;
    assert_eq!(answer.status(), 403);
    assert!(answer.text().await.unwrap().contains("ConcurrentRequests"));
    assert_eq!(it.sent(), 3);
}

#[tokio::test]
async fn what_an_apex_class_may_have_said_is_not_sent_again() {
    let it = Budgeted::start("long_calls = 25").await;
    it.org.faults().next(1, ECHO, Fault::crowded());
    let answer = it.post(ECHO, "text/plain", "x".to_owned()).await;
    assert_eq!(answer.status(), 403);
    assert_eq!(it.sent(), 1);
}

#[tokio::test]
async fn a_body_that_was_not_kept_is_not_sent_again() {
    let budget = "long_calls = 25\n[limits]\nreplay_bytes = 1000";
    let it = Budgeted::start(budget).await;
    assert_eq!(it.get(LIMITS).await.status(), 200);
    it.org.faults().next(1, ACCOUNTS, Fault::crowded());
    let body = format!("{{\"Name\": \"{}\"}}", "x".repeat(100_000));
    let answer = it.post(ACCOUNTS, "application/json", body).await;
    assert_eq!(answer.status(), 403);
    let seen = it.org.requests();
    let posts = seen.iter().filter(|seen| seen.target == ACCOUNTS);
    assert_eq!(posts.count(), 1);
}

#[tokio::test]
async fn beyond_the_share_of_the_day_nothing_reaches_the_org_until_it_says_less() {
    let it = Budgeted::start("calls = \"50%\"").await;
    it.org.set_used_requests(7000);
    let objects = "/services/data/v62.0/sobjects";
    let hold = it.org.hold(objects);
    let held = it.begin(GREEDY, objects);
    it.org.wait_until(|_| hold.waiting() == 1).await;
    // What the org says of 15,000 is asked first, and then heard with each answer.
    assert_eq!(it.sent(), 2);
    it.org.set_used_requests(7499);
    assert_eq!(it.get(LIMITS).await.status(), 200);
    assert_eq!(it.sent(), 3);

    for who in [GREEDY, MODEST] {
        let answer = it.get_as(who, LIMITS).await;
        let (message, seconds) = refusal(answer, "BUDGET_SPENT").await;
        assert!(message.contains("the budget ends at 7500"), "{message}");
        assert!(message.contains("budget.calls = 50%"), "{message}");
        assert!(seconds <= 61, "{seconds}");
    }
    assert_eq!(it.sent(), 3);
    let url = format!("http://{}", it.admin);
    let shown = run(&["status", "--url", &url]).await.stdout;
    let line = " 7501 of 7500 in 24 hours, by all that use the org\n";
    assert!(shown.contains(line), "{shown}");

    it.org.set_used_requests(100);
    hold.release();
    assert_eq!(in_time(held).await.unwrap(), 200);
    assert_eq!(it.get(LIMITS).await.status(), 200);
}

#[tokio::test]
async fn an_org_that_does_not_say_how_much_is_used_holds_up_a_call_for_a_moment() {
    let budget = "calls = \"50%\"";
    let it = Budgeted::start(budget).await;
    assert_eq!(it.get(LIMITS).await.status(), 200);
    let seen = it.org.requests();
    let mut asked = seen
        .iter()
        .filter(|seen| seen.target.starts_with("/services/data/"));
    let question = &asked.next().unwrap().target;
    assert_ne!(question, LIMITS);

    let it = Budgeted::start(budget).await;
    let _hold = it.org.hold(question);
    assert_eq!(in_time(it.get(LIMITS)).await.status(), 200);
    let asks = |org: &Org| org.requests().iter().any(|seen| seen.target == *question);
    assert!(asks(&it.org));
}

#[tokio::test]
async fn calls_whose_answers_are_not_taken_count_once() {
    let it = Budgeted::start("calls = \"50%\"").await;
    it.org.set_used_requests(7490);
    let mut untaken = Vec::new();
    for _ in 0..3 {
        let mut call = Raw::connect(it.addresses[GREEDY]).await;
        let endless = format!("{BYTES}?n=1000000000");
        call.send(get_and_close(&endless)).await;
        assert!(call.head().await.starts_with("HTTP/1.1 200"));
        untaken.push(call);
    }
    let mut passed = 0;
    while it.get_as(MODEST, LIMITS).await.status() == 200 {
        passed += 1;
    }
    // The org counts these and the question how much is used, and not the first three, of which it said so.
    assert_eq!((passed, it.sent()), (9, 13));
}

#[tokio::test]
async fn a_client_has_its_share_and_no_other_name_is_a_way_round_it() {
    let shares = "others = 1\nclients = { \"listener:greedy\" = 2 }";
    let it = Budgeted::start(shares).await;
    for _ in 0..2 {
        assert_eq!(it.get(LIMITS).await.status(), 200);
    }
    let answer = it.get(LIMITS).await;
    let (message, seconds) = refusal(answer, "CLIENT_BUDGET_SPENT").await;
    let key = "(budget.clients.\"listener:greedy\" = 2)";
    assert!(message.contains(key), "{message}");
    assert!((23 * 3600..=25 * 3600).contains(&seconds), "{seconds}");

    // The others have one together, whatever they call themselves.
    assert_eq!(it.get_as(MODEST, LIMITS).await.status(), 200);
    for agent in ["greedy", "listener:greedy", "another/1"] {
        let url = format!("http://{}{LIMITS}", it.addresses[MODEST]);
        let asked = client().get(url).header("user-agent", agent);
        let answer = asked.send().await.unwrap();
        let (message, _) = refusal(answer, "CLIENT_BUDGET_SPENT").await;
        assert!(message.contains("(budget.others = 1)"), "{message}");
    }
    assert_eq!(it.sent(), 3);
    let status = get(it.admin, "/api/status").await.body;
    let status: Value = serde_json::from_str(&status).unwrap();
    let clients = status["orgs"][0]["budget"]["clients"].clone();
    let of = |at: usize| {
        (
            &clients[at]["client"],
            &clients[at]["used"],
            &clients[at]["limit"],
        )
    };
    assert_eq!(of(0), (&"greedy".into(), &2.into(), &2.into()));
    assert_eq!(of(1), (&Value::Null, &1.into(), &1.into()));
}

#[tokio::test]
async fn a_call_that_never_reached_the_org_costs_its_client_nothing() {
    let it = Budgeted::start("others = 1").await;
    let fault = Fault::html(StatusCode::SERVICE_UNAVAILABLE);
    it.org.faults().next(3, TOKEN, fault);
    for _ in 0..3 {
        assert_eq!(it.get(LIMITS).await.status(), 503);
    }
    let used = async || {
        let status = get(it.admin, "/api/status").await.body;
        let status: Value = serde_json::from_str(&status).unwrap();
        status["orgs"][0]["budget"]["clients"][0]["used"].clone()
    };
    assert_eq!((used().await, it.sent()), (0.into(), 0));
}

#[tokio::test]
async fn each_api_has_the_refusal_in_its_shape_and_what_is_not_counted_passes() {
    let it = Budgeted::start("calls = 1").await;
    it.org.set_used_requests(1000);
    let answer = it.post(SOAP, "text/xml", query()).await;
    assert_eq!(answer.status(), 500);
    assert!(answer.headers().contains_key("retry-after"));
    let fault = answer.text().await.unwrap();
    let code = "<sf:exceptionCode>REQUEST_LIMIT_EXCEEDED</sf:exceptionCode>";
    assert!(fault.contains(code), "{fault}");
    assert!(fault.contains("BUDGET_SPENT: orgproxy: "), "{fault}");

    let answer = it
        .post(JOB, "application/xml", "<jobInfo/>".to_owned())
        .await;
    assert_eq!(answer.status(), 429);
    let error = answer.text().await.unwrap();
    assert!(error.contains("<exceptionCode>BUDGET_SPENT<"), "{error}");

    // Nor can one log in by SOAP, for which the org is asked who the user is.
    let login = "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\" \
                 xmlns=\"urn:partner.soap.sforce.com\"><e:Body><login><username>x</username>\
                 <password>x</password></login></e:Body></e:Envelope>";
    let answer = it.post(SOAP, "text/xml", login.to_owned()).await;
    let fault = answer.text().await.unwrap();
    assert!(fault.contains("BUDGET_SPENT: orgproxy: "), "{fault}");

    // All that has reached the org is the question how much is used.
    let seen = it.org.requests();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].target, "/services/data/v64.0");
    for path in [USERINFO, "/services/data"] {
        assert_eq!(it.get(path).await.status(), 200, "{path}");
    }
}

#[tokio::test]
async fn requests_per_second_are_bounded_client_by_client() {
    let it = Budgeted::start("requests_per_second = 1").await;
    let mut passed = 0;
    let refused = loop {
        let answer = it.get(LIMITS).await;
        if answer.status() == 429 {
            break answer;
        }
        assert_eq!(answer.status(), 200);
        passed += 1;
        assert!(passed < 50, "the rate has no bound");
    };
    let (message, seconds) = refusal(refused, "TOO_MANY_REQUESTS").await;
    assert!(
        message.contains("more than 1 requests per second"),
        "{message}"
    );
    assert_eq!(seconds, 1);
    assert_eq!(it.sent(), passed);
    // Another one has a rate of its own.
    assert_eq!(it.get_as(MODEST, LIMITS).await.status(), 200);
}

#[tokio::test]
async fn many_at_once_do_not_get_beyond_the_share() {
    let it = Budgeted::start("calls = 5000").await;
    it.org.set_used_requests(4990);
    let all = (0..30).map(|_| it.get(LIMITS));
    let statuses = join_all(all).await;
    let passed = statuses.iter().filter(|answer| answer.status() == 200);
    let passed = passed.count();
    // The question is one of ten.
    assert!((1..=9).contains(&passed), "{passed}");
    assert_eq!(it.sent(), passed + 1);
}

/// A query by the partner WSDL.
fn query() -> String {
    "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\" \
     xmlns=\"urn:partner.soap.sforce.com\"><e:Body><query><queryString>SELECT Id FROM Account\
     </queryString></query></e:Body></e:Envelope>"
        .to_owned()
}
