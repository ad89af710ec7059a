//! Requests that pass and requests that do not, as clients send them: `tests/*.txt`.
//!
//! A line is a policy, `+` or `-`, headers in brackets, a method, a target, and a body. `SOAP u` is a POST
//! of an envelope around the body. What a policy refuses must pass where nothing is limited, so that each
//! line with `-` is a pair. With `!` a request does not even get to the policy.

use std::{fs, time::Duration};

use bytes::Bytes;
use http::{Method, Request};
use rustix::time::{ClockId, clock_gettime};

use super::*;
use crate::{
    config::{Fields, Names},
    proxy::{guard, percent},
};

/// The policies, by their first words in the tables.
pub(super) fn policy(name: &str) -> Policy {
    let paths = |paths: &[&str]| {
        paths
            .iter()
            .map(|path| (*path).to_owned())
            .collect::<Vec<_>>()
    };
    let closed = Policy::default();
    let read_only = Policy {
        read_only: true,
        ..closed.clone()
    };
    let open = Policy {
        execute_anonymous: true,
        metadata_deploy: true,
        setup: true,
        ..closed.clone()
    };
    match name {
        "closed" => closed,
        "read-only" => read_only,
        "open" => open,
        "read-paths" => Policy {
            read_paths: paths(&["/services/apexrest/reports", "/services/soap/class/reports"]),
            ..read_only
        },
        "anonymous" => Policy {
            execute_anonymous: true,
            ..closed
        },
        "deploy" => Policy {
            metadata_deploy: true,
            ..closed
        },
        "setup" => Policy {
            setup: true,
            ..closed
        },
        "methods" => Policy {
            methods: Some(vec![Method::GET, Method::POST]),
            ..open
        },
        "paths" => Policy {
            paths: Some(paths(&[
                "/services/data/*/query",
                "/services/data/*/composite",
            ])),
            ..open
        },
        "deny-paths" => Policy {
            deny_paths: paths(&["/services/data/*/tooling", "/services/soap/m"]),
            ..open
        },
        "objects" => Policy {
            read_objects: Some(Names::of(&["Account", "Contact", "User"])),
            write_objects: Some(Names::of(&["Case"])),
            ..closed
        },
        "feeds" => Policy {
            read_objects: Some(Names::of(&["Account", "FeedItem"])),
            ..closed
        },
        "reads" => Policy {
            read_fields: Fields::of(&["Account.Id", "Account.Name"]),
            ..closed
        },
        "payroll" => Policy {
            read_fields: Fields::of(&["Payroll__c.Name"]),
            write_fields: Fields::of(&["Payroll__c.Name"]),
            ..closed
        },
        "deny-objects" => Policy {
            deny_objects: Names::of(&["Payroll__c", "Case"]),
            ..closed
        },
        "deny-contacts" => Policy {
            deny_objects: Names::of(&["Contact"]),
            ..closed
        },
        "some-of-business" => Policy {
            deny_objects: Names::of(&["Contact"]),
            deny_fields: Fields::of(&["Contact.FirstName", "Contact.SSN__c", "Account.Phone"]),
            lacks_person_accounts: true,
            ..closed
        },
        "deny-contacts-of-business" => Policy {
            deny_objects: Names::of(&["Contact"]),
            lacks_person_accounts: true,
            ..closed
        },
        "deny-field-of-business" => Policy {
            deny_fields: Fields::of(&["Contact.SSN__c"]),
            lacks_person_accounts: true,
            ..closed
        },
        "deny-names" => Policy {
            deny_fields: Fields::of(&["Contact.FirstName", "Contact.LastName", "Contact.Phone"]),
            ..closed
        },
        "deny-persons" => Policy {
            deny_fields: Fields::of(&["Account.SSN__pc", "Account.PersonEmail"]),
            ..closed
        },
        "deny-accounts" => Policy {
            deny_fields: Fields::of(&["Account.*"]),
            ..closed
        },
        "fields" => Policy {
            read_fields: Fields::of(&["Account.Id", "Account.Name"]),
            write_fields: Fields::of(&["Case.Subject"]),
            deny_fields: Fields::of(&["Contact.SSN__c"]),
            ..closed
        },
        "related" => Policy {
            deny_fields: Fields::of(&[
                "Contact.AccountId",
                "Contact.Boss__c",
                "Contact.Category",
                "Contact.MailingCity",
                "Contact.FirstName",
                "Contact.Place__c",
                "Contact.SSN__c",
            ]),
            ..closed
        },
        "parts" => Policy {
            deny_fields: Fields::of(&["Contact.Place__Latitude__s", "Contact.Home__City__s"]),
            ..closed
        },
        "acme" => Policy {
            deny_objects: Names::of(&["acme__Payroll__c"]),
            deny_fields: Fields::of(&["Contact.acme__Place__Latitude__s", "Contact.acme__SSN__c"]),
            ..closed
        },
        "lookups" => Policy {
            deny_fields: Fields::of(&[
                "Account.ParentId",
                "Case.ContactId",
                "Contact.AccountId",
                "Opportunity.OwnerId",
                "Task.WhatId",
            ]),
            ..closed
        },
        "contacts" => Policy {
            read_fields: Fields::of(&["Contact.Id", "Contact.Name"]),
            ..closed
        },
        "users" => Policy {
            setup: true,
            read_fields: Fields::of(&["User.Id", "User.Name"]),
            ..closed
        },
        "articles" => Policy {
            deny_objects: Names::of(&["Knowledge__kav", "Task"]),
            ..closed
        },
        other => panic!("no policy {other}"),
    }
}

/// One line of a table.
struct Line<'a> {
    policy: &'a str,
    expected: Expected,
    request: Request<Bytes>,
}

impl<'a> Line<'a> {
    fn parse(line: &'a str) -> Self {
        let (policy, rest) = line.split_once(' ').expect(line);
        let (sign, mut rest) = rest.trim_start().split_once(' ').expect(line);
        let mut request = Request::builder();
        let mut has_type = false;
        while let Some(header) = rest.strip_prefix('[') {
            let (header, after) = header.split_once("] ").expect(line);
            let (name, value) = header.split_once(": ").expect(line);
            has_type |= name == "content-type";
            request = request.header(name, value);
            rest = after;
        }
        let (method, rest) = rest.split_once(' ').expect(line);
        let (target, body) = rest.split_once(' ').unwrap_or((rest, ""));
        let is_soap = method == "SOAP";
        let (method, target, body) = if is_soap {
            (
                "POST",
                format!("/services/Soap/{target}"),
                envelope(target, body),
            )
        } else {
            (method, target.to_owned(), body.to_owned())
        };
        if !has_type && !body.is_empty() {
            let kind = if is_soap {
                "text/xml"
            } else {
                "application/json"
            };
            request = request.header("content-type", kind);
        }
        // As what a strict reader might misread is encoded on its way here.
        let target = percent::encode(target.as_bytes()).unwrap_or(target);
        let request = request.method(method).uri(target);
        Self {
            policy,
            expected: match sign {
                "+" => Expected::Passes,
                "-" => Expected::IsRefused,
                "!" => Expected::IsRefusedBefore,
                _ => panic!("{line}"),
            },
            request: request.body(body.into()).expect(line),
        }
    }
}

/// What becomes of a request.
#[derive(PartialEq, Eq)]
enum Expected {
    Passes,
    IsRefused,
    /// By the guard, or because its envelope cannot be opened: whatever the policy.
    IsRefusedBefore,
}

/// An envelope around `body`, which may bring its own header, or be a whole one.
fn envelope(path: &str, body: &str) -> String {
    let namespace = match path.split('/').next() {
        Some("m") => "http://soap.sforce.com/2006/04/metadata",
        Some("s") => "http://soap.sforce.com/2006/08/apex",
        Some("T") => "urn:tooling.soap.sforce.com",
        _ => "urn:partner.soap.sforce.com",
    };
    if body.starts_with("<?") || body.starts_with("<!") {
        return body.replace("ENV", "http://schemas.xmlsoap.org/soap/envelope/");
    }
    let (header, body) = body.split_once("</Header>").unwrap_or(("", body));
    let header = header.trim_start_matches("<Header>");
    format!(
        "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns=\"{namespace}\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><e:Header>{header}</e:Header>\
         <e:Body>{body}</e:Body></e:Envelope>"
    )
}

/// Why a request does not pass, if it does not.
pub(super) async fn refusal(policy: &Policy, request: &Request<Bytes>) -> Option<String> {
    let (mut head, body) = request.clone().into_parts();
    if let Err(denied) = guard::judge_path(head.uri.path(), &[]) {
        return Some(format!("guard: {denied}"));
    }
    let family = Family::of(&head);
    let mut body = if body.is_empty() {
        Replay::Empty
    } else {
        Replay::of(body)
    };
    let envelope = match family.open_envelope(&head, &mut body).await {
        Ok(envelope) => envelope,
        Err(error) => return Some(format!("envelope: {error}")),
    };
    let policy = Arc::new(policy.clone());
    match judge(&policy, &mut head, &mut body, envelope.as_deref(), family).await {
        Ok(()) => None,
        Err(Stop::Refused(refused)) => Some(refused.to_string()),
        Err(Stop::Body(fault)) => Some(fault.to_string()),
    }
}

/// Judges the lines of a table, and returns how many pairs and how many others there are. Adds to `wrong`
/// those of which something else comes.
async fn check(table: &str, wrong: &mut Vec<String>) -> (usize, usize) {
    let lines = table.lines().map(str::trim);
    let (mut pairs, mut others) = (0, 0);
    let open = policy("open");
    for text in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let line = Line::parse(text);
        let refused = refusal(&policy(line.policy), &line.request).await;
        let found = match &refused {
            None => Expected::Passes,
            Some(why) if why.starts_with("refused by policy") => Expected::IsRefused,
            Some(_) => Expected::IsRefusedBefore,
        };
        if found != line.expected {
            wrong.push(format!("{text}\n  {refused:?}"));
        }
        match (refused, found) {
            (Some(why), Expected::IsRefused) => {
                let key = format!("[{}]", policy(line.policy).table);
                assert!(why.ends_with(&key) || why.ends_with(')'), "{why}");
                if let Some(why) = refusal(&open, &line.request).await {
                    wrong.push(format!("{text}\n  even without a policy: {why}"));
                }
                pairs += 1;
            }
            _ => others += 1,
        }
    }
    (pairs, others)
}

#[tokio::test]
async fn every_request_is_judged_as_the_tables_say() {
    let (mut pairs, mut others, mut wrong) = (0, 0, Vec::new());
    for name in [
        "rest",
        "composite",
        "queries",
        "soap",
        "bulk",
        "elsewhere",
        "lists",
        "names",
        "relationships",
    ] {
        let table = fs::read_to_string(format!("src/proxy/policy/tests/{name}.txt")).unwrap();
        let (of_table, besides) = check(&table, &mut wrong).await;
        pairs += of_table;
        others += besides;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(pairs >= 200, "{pairs} pairs");
    assert!(others >= 100, "{others} others");
}

/// Returns whether the policy of this name lets a POST of `body` pass.
async fn passes(name: &str, target: &str, body: String) -> bool {
    let request = Request::post(target).header("content-type", "application/json");
    let request = request.body(body.into()).expect(target);
    refusal(&policy(name), &request).await.is_none()
}

#[tokio::test]
async fn no_more_graphs_and_requests_are_looked_at_than_the_org_takes() {
    let graphs = |graphs: usize, requests: usize| {
        let request = r#"{"method":"GET","url":"/services/data/v62.0/limits","referenceId":"a"}"#;
        let requests = vec![request; requests].join(",");
        let graph = format!(r#"{{"graphId":"1","compositeRequest":[{requests}]}}"#);
        format!(r#"{{"graphs":[{}]}}"#, vec![graph; graphs].join(","))
    };
    let target = "/services/data/v62.0/composite/graph";
    for (count, requests, expected) in [
        (75, 1, true),
        (76, 1, false),
        (5, 100, true),
        (5, 101, false),
    ] {
        let found = passes("read-only", target, graphs(count, requests)).await;
        assert_eq!(found, expected, "{count} {requests}");
    }
    let batch = |requests: usize| {
        let request = r#"{"method":"GET","url":"v62.0/limits"}"#;
        format!(
            r#"{{"batchRequests":[{}]}}"#,
            vec![request; requests].join(",")
        )
    };
    let target = "/services/data/v62.0/composite/batch";
    assert!(passes("read-only", target, batch(500)).await);
    assert!(!passes("read-only", target, batch(501)).await);
    let long = |length: usize| {
        let path = format!(
            "/services/data/v62.0/sobjects/Account/{}",
            "x".repeat(length)
        );
        format!(r#"{{"compositeRequest":[{{"method":"GET","url":"{path}"}}]}}"#)
    };
    let target = "/services/data/v62.0/composite";
    assert!(passes("read-only", target, long(16_000)).await);
    assert!(!passes("read-only", target, long(17_000)).await);
}

#[tokio::test]
async fn no_longer_query_is_looked_at_than_the_org_takes() {
    let query = |length: usize| {
        let text = format!(
            "SELECT Id FROM Account WHERE Name='{}'",
            "é".repeat(length - 36)
        );
        format!(r#"{{"operation":"query","query":"{text}"}}"#)
    };
    let target = "/services/data/v62.0/jobs/query";
    for name in ["read-only", "objects"] {
        assert!(passes(name, target, query(soql::LONGEST)).await, "{name}");
        assert!(
            !passes(name, target, query(soql::LONGEST + 1)).await,
            "{name}"
        );
    }
    let job = |length: usize| {
        format!(
            r#"{{"operation":"query","object":"Account","x":"{}"}}"#,
            "x".repeat(length)
        )
    };
    assert!(passes("read-only", "/services/async/62.0/job", job(60_000)).await);
    assert!(!passes("read-only", "/services/async/62.0/job", job(70_000)).await);
}

#[tokio::test]
async fn a_large_body_is_taken_apart_as_a_small_one_is() {
    let composite = |method: &str| {
        let part =
            format!(r#"{{"method":"{method}","url":"/services/data/v62.0/sobjects/Account"}}"#);
        format!(
            r#"{{"x":"{}","compositeRequest":[{part}]}}"#,
            "x".repeat(1_000_000)
        )
    };
    let target = "/services/data/v62.0/composite";
    assert!(passes("read-only", target, composite("GET")).await);
    assert!(!passes("read-only", target, composite("POST")).await);
}

/// Sorting by many names and giving many takes twice as long for twice as many, not four times.
#[test]
fn aliases_take_time_in_proportion_to_their_number() {
    let policy = policy("fields");
    let time = |count: usize| {
        let text = format!(
            "SELECT Name x{}, COUNT(Id) zz FROM Lead GROUP BY Name ORDER BY zz{}",
            ",Name b".repeat(count),
            ",zz".repeat(count)
        );
        let judged = || -> Duration {
            let start = clock_gettime(ClockId::ThreadCPUTime);
            assert!(soql::judge(Judge::new(&policy), &"it", &text).is_ok());
            let end = clock_gettime(ClockId::ThreadCPUTime);
            (end - start).try_into().unwrap_or(Duration::MAX)
        };
        (0..9).map(|_| judged()).min().unwrap_or_default()
    };
    let times = [time(2_000), time(8_000)];
    // Four times as many take sixteen times as long where each is compared with each.
    assert!(times[1] < 9 * times[0], "{times:?}");
}

#[test]
fn what_hands_out_sessions_is_refused_by_every_policy_even_if_the_guard_lets_it_pass() {
    let policy = policy("open");
    for (path, passes) in [
        ("/services/oauth2/userinfo", true),
        ("/services/oauth2/introspect", true),
        ("/services/oauth2/singleaccess", false),
        ("/services/oauth2;x/singleaccess", false),
        ("/site/services/oauth2/authorize", false),
        ("/secur/frontdoor.jsp", false),
        ("/services/a360/token", false),
        ("/servlet/networks/switch", false),
        ("/services/data/v62.0/platformconnect/signedrequest", false),
    ] {
        let ask = Ask::new("POST", path, None, 0).expect(path);
        let found = Found::at(Judge::new(&policy), &ask);
        assert_eq!(found.is_ok(), passes, "{path}");
    }
}

#[test]
fn a_call_of_pub_sub_is_known_by_its_whole_path() {
    let policy = policy("read-only");
    for (path, passes) in [
        ("/eventbus.v1.PubSub/Subscribe", true),
        ("/eventbus.v1.PubSub/GetTopic", true),
        ("/eventbus.v1.PubSub/Publish", false),
        ("/eventbus.v1.PubSub/Publish/Subscribe", false),
        ("/eventbus.v1.PubSub//GetTopic", false),
        ("/eventbus.v2.PubSub/GetTopic", false),
        ("/GetTopic", false),
    ] {
        let ask = Ask::new("POST", path, None, 0).expect(path);
        assert_eq!(pubsub(Judge::new(&policy), &ask).is_ok(), passes, "{path}");
    }
}
