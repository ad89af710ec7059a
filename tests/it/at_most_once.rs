//! A write that is asked for once is done at most once, wherever the way to the org fails.

use std::collections::HashMap;

use futures_util::future::join_all;
use serde_json::json;
use test_case::test_case;

use crate::support::{
    Org, Proxy, SHORT,
    answer::{Answer, ask},
    client,
    get::get_and_close,
    json_of,
    path::{LIMITS, REST},
    relay::{Mishap, Relay, Way},
};

/// At every byte of request and response, on connections that are new and on such that have carried
/// a request; of the greetings of new ones, at every so many bytes.
#[test_case(false, Mishap::Close; "closes over http 1")]
#[test_case(false, Mishap::Reset; "resets over http 1")]
#[test_case(false, Mishap::Corrupt; "changes a bit over http 1")]
#[test_case(true, Mishap::Close; "closes over http 2")]
#[test_case(true, Mishap::Reset; "resets over http 2")]
#[test_case(true, Mishap::Corrupt; "changes a bit over http 2")]
#[tokio::test]
async fn a_write_is_done_at_most_once_if_the_way_to_the_org(http2: bool, mishap: Mishap) {
    let trials = trials(http2, mishap, 1, GREETING_STRIDE).await;
    let outcomes = run(http2, &trials, 4).await;
    // It has failed before the org had the request, and after that.
    let count = |way, writes| {
        let of_it = |it: &&Outcome| it.trial.way == way && it.writes == writes;
        outcomes
            .iter()
            .filter(of_it)
            .filter(|it| it.answer.status == 502)
            .count()
    };
    let (before, after) = (count(Way::ToOrg, 0), count(Way::ToProxy, 1));
    assert!(
        before > 100 && after > 100,
        "{before} before, {after} after"
    );
}

/// These take seconds each, so that they are at every so many bytes.
#[test_case(false, Mishap::Blackhole; "goes silent over http 1")]
#[test_case(false, Mishap::Slow; "slows down over http 1")]
#[test_case(true, Mishap::Blackhole; "goes silent over http 2")]
#[test_case(true, Mishap::Slow; "slows down over http 2")]
#[tokio::test]
async fn a_write_is_done_at_most_once_while_the_way_to_the_org(http2: bool, mishap: Mishap) {
    let trials = trials(http2, mishap, SLOW_STRIDE, SLOW_STRIDE).await;
    let outcomes = run(http2, &trials, 8).await;
    for it in outcomes {
        match mishap {
            // Nobody gives up.
            Mishap::Slow => assert_eq!(it.answer.status, 201, "{it:?}"),
            _ => assert_ne!(it.answer.refusal_code(), Some("ORG_CLOSED"), "{it:?}"),
        }
    }
}

/// A request to make while the way fails.
#[derive(Debug, Clone, Copy)]
struct Trial {
    /// If true, its connection is not there yet.
    is_new: bool,
    mishap: Mishap,
    way: Way,
    /// Bytes that pass before.
    after: usize,
}

/// What became of it.
#[derive(Debug)]
struct Outcome {
    trial: Trial,
    /// If true, the way failed before the exchange was over.
    has_come: bool,
    answer: Answer,
    /// The number of times that the org did it.
    writes: usize,
}

/// A trial for every `stride` bytes of an exchange, and for every `greeting_stride` bytes of what a new
/// connection begins with.
async fn trials(http2: bool, mishap: Mishap, stride: usize, greeting_stride: usize) -> Vec<Trial> {
    let mut lane = Lane::start(http2).await;
    let (greeted, kept) = (lane.measure(true).await, lane.measure(false).await);
    let mut trials = Vec::new();
    for way in [Way::ToOrg, Way::ToProxy] {
        let (whole, exchange) = (greeted[way as usize], kept[way as usize]);
        assert!(whole > exchange && exchange > 100, "{whole} {exchange}");
        let greeting = whole - exchange;
        let of_new = (0..greeting)
            .step_by(greeting_stride)
            .chain((greeting..whole).step_by(stride));
        let trial = |is_new| {
            move |after| Trial {
                is_new,
                mishap,
                way,
                after,
            }
        };
        trials.extend(of_new.map(trial(true)));
        trials.extend((0..exchange).step_by(stride).map(trial(false)));
    }
    trials
}

/// Makes all trials, in so many lanes.
async fn run(http2: bool, trials: &[Trial], lanes: usize) -> Vec<Outcome> {
    let lanes = (0..lanes).map(|number| async move {
        let mut lane = Lane::start(http2).await;
        for trial in trials.iter().skip(number).step_by(lanes) {
            lane.make(*trial).await;
        }
        lane.outcomes().await
    });
    let outcomes: Vec<_> = join_all(lanes).await.into_iter().flatten().collect();
    assert_eq!(outcomes.len(), trials.len());
    for it in &outcomes {
        it.check();
    }
    // The last few are too late, because no two exchanges are as long: by signatures in greetings, and by
    // what HTTP/2 says besides.
    let came = outcomes.iter().filter(|it| it.has_come).count();
    assert!(
        came * 10 > outcomes.len() * 9,
        "{came} of {}",
        outcomes.len()
    );
    outcomes
}

impl Outcome {
    fn check(&self) {
        assert!(self.writes <= 1, "done twice: {self:?}");
        assert!(self.has_come || self.answer.status == 201, "{self:?}");
        match self.answer.status {
            // Even if the rest of it is lost.
            201 => assert_eq!(self.writes, 1, "lost: {self:?}"),
            502 | 504 => {
                let code = self.answer.refusal_code().expect("a code");
                assert!(self.answer.body.ends_with("}]"), "{self:?}");
                // It promises that.
                if code == "ORG_UNREACHABLE" {
                    assert_eq!(self.writes, 0, "{self:?}");
                }
            }
            _ => panic!("{self:?}"),
        }
    }
}

/// An org that is asked one thing at a time, and the way there.
struct Lane {
    _org: Org,
    http2: bool,
    relay: Relay,
    proxy: Proxy,
    /// Each with the name of its record, and whether the way has failed.
    made: Vec<(String, Trial, bool, Answer)>,
    /// The number of records that were asked for.
    named: usize,
}

impl Lane {
    async fn start(http2: bool) -> Self {
        let org = Org::start().await.unwrap();
        let relay = Relay::to(org.port()).await;
        org.set(|knobs| {
            knobs.instance_url = Some(format!("https://localhost:{}", relay.port));
            knobs.batch_size = 1_000_000;
        });
        let proxy = Proxy::with(&org, |config| {
            config.threads = 1;
            config.orgs[0].http2 = http2;
            config.limits.connect = SHORT;
            config.limits.answer = SHORT;
            config.limits.idle_body = SHORT;
        })
        .await;
        let lane = Self {
            _org: org,
            http2,
            relay,
            proxy,
            made: Vec::new(),
            named: 0,
        };
        lane.check().await;
        lane
    }

    /// Asks for something that the org has to have again.
    async fn check(&self) {
        let answer = ask(self.proxy.address, get_and_close(LIMITS)).await;
        assert_eq!(
            answer.status,
            200,
            "{answer:?} after {:?}",
            self.made.last()
        );
    }

    async fn make(&mut self, trial: Trial) {
        self.connect(trial.is_new).await;
        self.relay.order(trial.mishap, trial.way, trial.after);
        let (name, answer) = self.write().await;
        let has_come = self.relay.recall();
        self.made.push((name, trial, has_come, answer));
        self.check().await;
    }

    /// Has the next request take a connection that is new, or one that has carried one request: over
    /// HTTP/2, heads are shorter with each that was there before.
    async fn connect(&self, is_new: bool) {
        self.relay.hang_up().await;
        // One over HTTP/1 is looked at when it is next asked for something.
        if self.http2 {
            self.relay.is_let_go().await;
        }
        if !is_new {
            self.check().await;
        }
    }

    /// Makes a record. Returns its name and the answer.
    async fn write(&mut self) -> (String, Answer) {
        self.named += 1;
        let name = format!("record {:06}", self.named);
        let body = json!({ "Name": name }).to_string();
        let wire = format!(
            "POST {REST}/sobjects/Account HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{body}",
            body.len()
        );
        (name, ask(self.proxy.address, wire).await)
    }

    /// The number of bytes that a write takes either way.
    async fn measure(&mut self, is_new: bool) -> [usize; 2] {
        self.connect(is_new).await;
        self.relay.recall();
        let (_, answer) = self.write().await;
        assert_eq!(answer.status, 201, "{answer:?}");
        [Way::ToOrg, Way::ToProxy].map(|way| self.relay.passed(way))
    }

    /// What became of all trials, as the org has it.
    async fn outcomes(self) -> Vec<Outcome> {
        let url = format!("{REST}/query?q=SELECT+Name+FROM+Account");
        let answer = client().get(self.proxy.url(&url)).send().await.unwrap();
        let answer = json_of(answer).await;
        assert_eq!(answer["done"], true);
        let mut writes = HashMap::<_, usize>::new();
        for record in answer["records"].as_array().unwrap() {
            *writes.entry(record["Name"].as_str().unwrap()).or_default() += 1;
        }
        let made = self.made.into_iter();
        made.map(|(name, trial, has_come, answer)| Outcome {
            trial,
            has_come,
            answer,
            writes: writes.get(&*name).copied().unwrap_or_default(),
        })
        .collect()
    }
}

/// Each of its bytes is in a record of which the org learns only when it is whole, and there is no
/// request yet.
const GREETING_STRIDE: usize = 97;

const SLOW_STRIDE: usize = 83;
