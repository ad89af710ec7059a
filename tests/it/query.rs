//! `orgproxy query`: what it prints, how it pages, and what it says when something is wrong.

use std::{io::Write, process::Stdio};

use http::StatusCode;
use serde_json::Value;
use test_case::test_case;

use crate::support::{
    Binary, Ended, Fault, Setup,
    files::config,
    in_time, session,
    terminal::{on_terminal, plain_lines},
};

const QUERY: &str = "/services/data/v62.0/query";

const THREE: &str = "SELECT Name, Phone, Account.Name FROM Contact ORDER BY Id LIMIT 3";

/// Small answers, so that there are several.
async fn with_batches_of(size: usize) -> Setup {
    let setup = Setup::start().await;
    setup.org.set(|knobs| knobs.batch_size = size);
    setup
}

fn command(setup: &Setup, arguments: &[&str]) -> tokio::process::Command {
    let mut command = Binary::command(&["query", "--config", &setup.files.config()]);
    command.args(arguments);
    command
}

async fn query(setup: &Setup, arguments: &[&str]) -> Ended {
    Binary::spawn(command(setup, arguments)).end().await
}

/// The records that it prints as JSON.
async fn records(setup: &Setup, soql: &str) -> Vec<Value> {
    let ended = query(setup, &[soql]).await;
    assert_eq!(ended.code(), 0, "{ended:?}");
    serde_json::from_str(&ended.stdout).expect(&ended.stdout)
}

fn targets(setup: &Setup) -> Vec<String> {
    let seen = setup.org.requests().into_iter();
    seen.map(|seen| seen.target).collect()
}

#[tokio::test]
async fn a_pipe_gets_json_a_record_on_each_line() {
    let setup = Setup::start().await;
    let ended = query(&setup, &[THREE]).await;
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert_eq!(
        ended.stdout,
        r#"[
{"Name":"Ada Lovelace","Phone":null,"Account":{"Name":"Zürich Timber"}},
{"Name":"Grace Hopper","Phone":"+1 555 0101","Account":{"Name":"Portland Optics"}},
{"Name":"Edsger Dijkstra","Phone":"+1 555 0102","Account":{"Name":"Lisbon Foods"}}
]
"#
    );
    // Nothing for people where there are none.
    assert_eq!(ended.stderr, "");
}

#[tokio::test]
async fn csv_has_the_columns_of_the_query() {
    let setup = Setup::start().await;
    let ended = query(&setup, &["--format", "csv", THREE]).await;
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert_eq!(
        ended.stdout,
        "Name,Phone,Account.Name\n\
         Ada Lovelace,,Zürich Timber\n\
         Grace Hopper,+1 555 0101,Portland Optics\n\
         Edsger Dijkstra,+1 555 0102,Lisbon Foods\n"
    );
}

#[tokio::test]
async fn a_table_is_followed_by_the_number_of_its_records() {
    let setup = Setup::start().await;
    let ended = query(&setup, &["-f", "table", THREE]).await;
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert_eq!(
        ended.stdout,
        "\
Name             Phone        Account.Name
─────────────────────────────────────────────
Ada Lovelace                  Zürich Timber
Grace Hopper     +1 555 0101  Portland Optics
Edsger Dijkstra  +1 555 0102  Lisbon Foods
"
    );
    assert!(ended.stderr.starts_with("3 records, "), "{}", ended.stderr);
}

#[tokio::test]
async fn every_record_of_many_answers_is_there_once() {
    let setup = with_batches_of(700).await;
    let records = records(&setup, "SELECT Name FROM Invoice__c ORDER BY Name").await;
    let names: Vec<_> = records
        .iter()
        .map(|record| record["Name"].as_str().unwrap())
        .collect();
    let expected: Vec<_> = (1..=5_000).map(|n| format!("INV-{n:05}")).collect();
    assert_eq!(names, expected);
    assert_eq!(setup.org.counts().requests, 8);
}

#[test_case("csv", 5_001; "csv has one header")]
#[test_case("table", 5_002; "a table has one header and one rule")]
#[tokio::test]
async fn many_answers_have_one_header(format: &str, lines: usize) {
    let setup = with_batches_of(700).await;
    let ended = query(&setup, &["-f", format, "SELECT Id, Name FROM Invoice__c"]).await;
    assert_eq!(ended.stdout.lines().count(), lines);
    let last = ended.stdout.lines().last().unwrap();
    assert!(last.ends_with("INV-05000"), "{last}");
}

#[tokio::test]
async fn a_session_that_ends_between_two_answers_is_not_noticed() {
    let setup = with_batches_of(2_000).await;
    let second = setup.org.hold(&format!("{QUERY}/"));
    let running = Binary::spawn(command(&setup, &["SELECT Id FROM Invoice__c"]));
    setup.org.wait_until(|_| second.waiting() == 1).await;
    setup.org.end_sessions();
    second.release();
    let ended = running.end().await;
    assert_eq!(ended.code(), 0, "{ended:?}");
    let records: Vec<Value> = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(records.len(), 5_000);
    assert_eq!(setup.org.logins(), 2);
}

#[tokio::test]
async fn what_breaks_off_is_not_a_whole_json() {
    let setup = with_batches_of(2_000).await;
    let locked = Fault::error(
        StatusCode::BAD_REQUEST,
        "INVALID_QUERY_LOCATOR",
        "invalid query locator",
    );
    setup.org.faults().always(&format!("{QUERY}/"), locked);
    let ended = query(&setup, &["SELECT Id FROM Invoice__c"]).await;
    assert_eq!(ended.code(), 1);
    assert_eq!(
        ended.stderr,
        "orgproxy: INVALID_QUERY_LOCATOR: invalid query locator\n"
    );
    assert_eq!(ended.stdout.lines().count(), 2_001);
    assert!(serde_json::from_str::<Value>(&ended.stdout).is_err());
    assert!(!ended.stdout.contains(']'));
}

/// Each answer leads to the next, and the last one back to the second.
#[test_case(&["a", "a"]; "to itself")]
#[test_case(&["a", "b", "a"]; "in a circle")]
#[tokio::test]
async fn an_answer_that_leads_back_is_an_error(way: &[&str]) {
    let setup = Setup::start().await;
    let leads_to = |name: &str| {
        let answer = format!(
            r#"{{"totalSize":9,"done":false,"nextRecordsUrl":"{QUERY}/{name}","records":[]}}"#
        );
        Fault::answer(StatusCode::OK, "application/json", answer)
    };
    let faults = setup.org.faults();
    for pair in way.windows(2) {
        faults.always(&format!("{QUERY}/{}", pair[0]), leads_to(pair[1]));
    }
    faults.next(1, QUERY, leads_to(way[0]));
    let ended = query(&setup, &["SELECT Id FROM Account"]).await;
    assert_eq!(ended.code(), 1, "{ended:?}");
    assert!(ended.stderr.contains("leads back to those"), "{ended:?}");
    assert!(!ended.stdout.contains(']'), "{ended:?}");
    assert_eq!(setup.org.counts().requests, way.len());
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_an_error() {
    let setup = Setup::start().await;
    setup.org.faults().always(QUERY, Fault::CutBody(100));
    let ended = query(&setup, &["SELECT Id FROM Account"]).await;
    assert_eq!(ended.code(), 1);
    assert_eq!(ended.stdout, "");
    assert!(
        ended.stderr.starts_with("orgproxy: the response broke off"),
        "{ended:?}"
    );
}

#[test_case("json"; "json")]
#[test_case("csv"; "csv")]
#[test_case("table"; "table")]
#[tokio::test]
async fn a_count_is_a_number(format: &str) {
    let setup = Setup::start().await;
    let ended = query(&setup, &["-f", format, "SELECT COUNT() FROM Account"]).await;
    assert_eq!(
        (ended.code(), ended.stdout.as_str()),
        (0, "20\n"),
        "{ended:?}"
    );
}

#[test_case("json", "[]\n")]
#[test_case("csv", "Id,Owner.Name\n")]
#[tokio::test]
async fn nothing_found_is_nothing_wrong(format: &str, expected: &str) {
    let setup = Setup::start().await;
    let soql = "SELECT Id, Owner.Name FROM Account WHERE Name = 'None'";
    let ended = query(&setup, &["-f", format, soql]).await;
    assert_eq!(
        (ended.code(), ended.stdout.as_str()),
        (0, expected),
        "{ended:?}"
    );
}

#[tokio::test]
async fn a_parent_that_is_null_at_first_has_its_columns() {
    let setup = with_batches_of(2).await;
    // Null first.
    let soql =
        "SELECT Name, Account.Name, Account.Owner.Name FROM Contact ORDER BY Account.Name LIMIT 7";
    let ended = query(&setup, &["-f", "csv", soql]).await;
    let lines: Vec<_> = ended.stdout.lines().collect();
    assert_eq!(lines[0], "Name,Account.Name,Account.Owner.Name");
    assert_eq!(lines.len(), 8);
    assert!(lines[1].ends_with(",,"), "{}", lines[1]);
    assert!(
        lines[7].ends_with(",Austin Energy,Integration User"),
        "{}",
        lines[7]
    );
}

#[tokio::test]
async fn numbers_keep_their_digits_and_children_are_in_a_cell() {
    let setup = Setup::start().await;
    let answer = r#"{"totalSize":1,"done":true,"records":[{"attributes":{"type":"A"},"N":12345678901234567.890,
        "Cs":{"totalSize":2,"done":false,"nextRecordsUrl":"/x","records":[{"attributes":{"type":"C"},"Id":"1"}]}}]}"#;
    let answer = Fault::answer(StatusCode::OK, "application/json", answer);
    setup.org.faults().always(QUERY, answer);
    let soql = "SELECT N, (SELECT Id FROM Cs) FROM A";
    let children = r#"{"totalSize":2,"done":false,"nextRecordsUrl":"/x","records":[{"Id":"1"}]}"#;
    let json = query(&setup, &[soql]).await;
    let expected = format!("[\n{{\"N\":12345678901234567.890,\"Cs\":{children}}}\n]\n");
    assert_eq!(json.stdout, expected);
    assert!(
        json.stderr.contains("some records have more children"),
        "{json:?}"
    );
    let csv = query(&setup, &["-f", "csv", soql]).await;
    let quoted = children.replace('"', "\"\"");
    assert_eq!(
        csv.stdout,
        format!("N,Cs\n12345678901234567.890,\"{quoted}\"\n")
    );
}

#[tokio::test]
async fn a_person_sees_how_far_it_is() {
    let setup = with_batches_of(2_000).await;
    let second = setup.org.hold(&format!("{QUERY}/"));
    let query = command(&setup, &["SELECT Id FROM Invoice__c"]);
    let mut command = tokio::process::Command::new("sh");
    command.args(["-c", "exec \"$0\" \"$@\" > records.json"]);
    command
        .arg(query.as_std().get_program())
        .args(query.as_std().get_args());
    command.current_dir(setup.files.folder());
    let release = async {
        setup.org.wait_until(|_| second.waiting() == 1).await;
        second.release();
    };
    let (shown, ()) = futures_util::join!(on_terminal(command, 80), release);
    assert!(shown.contains("2,000 of 5,000 records"), "{shown:?}");
    assert!(shown.contains("5,000 records, "), "{shown:?}");
    let written = std::fs::read(setup.files.path("records.json")).unwrap();
    let records: Vec<Value> = serde_json::from_slice(&written).unwrap();
    assert_eq!(records.len(), 5_000);
}

#[tokio::test]
async fn the_names_of_columns_are_harmless_too() {
    let setup = Setup::start().await;
    let answer = r#"{"totalSize":1,"done":true,"records":[{"attributes":{"type":"A"},"\u001b[2J\u202e":1}]}"#;
    let answer = Fault::answer(StatusCode::OK, "application/json", answer);
    setup.org.faults().always(QUERY, answer);
    let table = query(&setup, &["-f", "table", "SELECT FIELDS(ALL) FROM A"]).await;
    let header = table.stdout.lines().next().unwrap();
    assert_eq!(header, "\\u001b[2J\\u202e", "{table:?}");
}

#[tokio::test]
async fn values_are_quoted_for_csv_exact_in_pipes_and_harmless_on_terminals() {
    const NAME: &str = "a, \"b\"\r\n\u{1b}[2J\u{9b}é";

    let setup = Setup::start().await;
    let body = serde_json::json!({"Name": NAME}).to_string();
    let config = setup.files.config();
    let path = "/services/data/v62.0/sobjects/Account";
    let created = Binary::start(&["request", "--config", &config, "POST", path, "-d", &body]);
    assert_eq!(created.end().await.code(), 0);

    let soql = "SELECT Name, Site FROM Account WHERE Name LIKE 'a, %'".replace("Site", "Website");
    let csv = query(&setup, &["-f", "csv", &soql]).await.stdout;
    assert_eq!(csv, "Name,Website\n\"a, \"\"b\"\"\r\n\u{1b}[2J\u{9b}é\",\n");
    let records = records(&setup, &soql).await;
    assert_eq!(records[0]["Name"], NAME);

    for format in ["table", "csv", "json"] {
        let shown = on_terminal(command(&setup, &["-f", format, &soql]), 80).await;
        let said = shown.replace("\u{1b}[1m", "").replace("\u{1b}[0m", "");
        let is_fine = |c: char| !c.is_control() || matches!(c, '\r' | '\n');
        assert!(said.chars().all(is_fine), "{format}: {said:?}");
        assert!(said.contains("\\u001b[2J"), "{format}: {said:?}");
    }
}

#[tokio::test]
async fn a_terminal_gets_a_table_that_fits() {
    let setup = with_batches_of(7).await;
    let soql =
        "SELECT Id, Name, Industry, AnnualRevenue, BillingCity, Website, Owner.Name FROM Account";
    let shown = on_terminal(command(&setup, &[soql]), 80).await;
    assert!(shown.contains("AnnualRe…"), "{shown}");
    let lines = plain_lines(&shown);
    // Header, rule, records, and how many there are.
    assert_eq!(lines.len(), 1 + 1 + 20 + 1, "{shown}");
    for line in &lines {
        assert!(line.chars().count() <= 80, "{line}");
    }
    assert!(lines[22].starts_with("20 records, "), "{}", lines[22]);
}

#[tokio::test]
async fn what_has_too_many_columns_gets_a_line_for_each() {
    let setup = Setup::start().await;
    let soql = "SELECT Id, Name, Industry, AnnualRevenue, NumberOfEmployees, BillingCity, Website, \
                OwnerId, CreatedDate, Owner.Name FROM Account LIMIT 1";
    let shown = on_terminal(command(&setup, &[soql]), 80).await;
    let lines = plain_lines(&shown);
    assert_eq!(lines[1], "Name               Zürich Timber");
    assert_eq!(lines.len(), 10 + 1 + 1);
}

#[tokio::test]
async fn what_nobody_reads_any_more_ends_quietly() {
    let setup = with_batches_of(200).await;
    let mut command = command(&setup, &["SELECT Id FROM Invoice__c"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let ended = in_time(child.wait_with_output()).await.unwrap();
    assert!(ended.status.success(), "{ended:?}");
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "");
    // It has not asked for what it could not print.
    assert!(setup.org.counts().requests <= 2);
}

#[tokio::test]
async fn a_query_can_come_from_standard_input() {
    let setup = Setup::start().await;
    let mut command = command(&setup, &["-f", "csv", "-"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.into_std().spawn().unwrap();
    let soql = "SELECT Name\nFROM Account\nLIMIT 1\n";
    child
        .stdin
        .take()
        .unwrap()
        .write_all(soql.as_bytes())
        .unwrap();
    let ended = tokio::task::spawn_blocking(|| child.wait_with_output().unwrap())
        .await
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&ended.stdout),
        "Name\nZürich Timber\n"
    );
}

#[test_case(&[], "/services/data/v62.0/query?q=SELECT%20Id%20FROM%20X"; "usual")]
#[test_case(&["--all"], "/services/data/v62.0/queryAll?q=SELECT%20Id%20FROM%20X"; "all")]
#[test_case(&["--tooling", "--api-version", "v63"], "/services/data/v63.0/tooling/query?q=SELECT%20Id%20FROM%20X"; "tooling")]
#[tokio::test]
async fn options_lead_elsewhere(options: &[&str], target: &str) {
    let setup = Setup::start().await;
    query(&setup, &[options, &["SELECT Id FROM X"]].concat()).await;
    assert_eq!(targets(&setup), [target]);
}

#[tokio::test]
async fn the_place_of_a_mistake_is_shown_under_it() {
    let setup = Setup::start().await;
    let ended = query(&setup, &["SELECT Id\nFROM Account WHERE"]).await;
    assert_eq!((ended.code(), ended.stdout.as_str()), (1, ""));
    assert_eq!(
        ended.stderr,
        "\
orgproxy: MALFORMED_QUERY:
FROM Account WHERE
                  ^
ERROR at Row:2:Column:19
unexpected token: <EOF>
"
    );
}

#[tokio::test]
async fn a_refused_login_leads_to_the_doctor() {
    let setup = Setup::start().await;
    let refused = Fault::login_refused("invalid_grant", "user hasn't approved this consumer");
    setup.org.faults().always("/services/oauth2/token", refused);
    let ended = query(&setup, &["SELECT Id FROM Account"]).await;
    assert_eq!((ended.code(), ended.stdout.as_str()), (1, ""));
    let lines: Vec<_> = ended.stderr.lines().collect();
    assert!(
        lines[0].starts_with("orgproxy: LOGIN_REFUSED: cannot log in: "),
        "{ended:?}"
    );
    assert!(
        lines[0].contains("user hasn't approved this consumer"),
        "{ended:?}"
    );
    assert!(lines[1].contains("`orgproxy doctor`"), "{ended:?}");
}

#[tokio::test]
async fn a_page_for_people_is_reported_by_its_status() {
    let setup = Setup::start().await;
    setup
        .org
        .faults()
        .always(QUERY, Fault::html(StatusCode::SERVICE_UNAVAILABLE));
    let ended = query(&setup, &["SELECT Id FROM Account"]).await;
    assert_eq!(
        ended.stderr,
        "orgproxy: the response is 503 Service Unavailable\n"
    );
    setup.org.faults().clear();
    setup
        .org
        .faults()
        .always(QUERY, Fault::html(StatusCode::OK));
    let ended = query(&setup, &["SELECT Id FROM Account"]).await;
    assert_eq!(ended.code(), 1);
    assert!(
        ended.stderr.contains("the response is not a query result"),
        "{ended:?}"
    );
}

#[tokio::test]
async fn of_several_orgs_one_is_to_be_named() {
    let setup = Setup::start().await;
    let one = config(&setup.org, "");
    let two = one
        .replace("[org.demo]", "[org.other]")
        .replace(":0\"", ":1\"");
    setup.files.write("proxy.toml", &(one + &two));
    for (options, code, said) in [
        (&[][..], 64, "there are several orgs: demo, other"),
        (&["--org", "acme"], 64, "there is no org acme"),
        (&["--org", "other"], 0, ""),
    ] {
        let ended = query(
            &setup,
            &[options, &["SELECT COUNT() FROM Account"]].concat(),
        )
        .await;
        assert_eq!(ended.code(), code, "{ended:?}");
        assert!(ended.stderr.contains(said), "{ended:?}");
    }
}

#[tokio::test]
async fn it_leaves_nothing_behind_and_shows_no_session() {
    let setup = Setup::start().await;
    let folder = tempfile::tempdir().unwrap();
    let mut command = command(&setup, &["--log", "trace", "SELECT Id FROM Account"]);
    command.env("TMPDIR", folder.path());
    let ended = in_time(command.output()).await.unwrap();
    assert!(ended.status.success());
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
    let said = [ended.stdout, ended.stderr].concat();
    let said = String::from_utf8(said).unwrap();
    let seen = setup.org.last_request();
    assert!(!said.contains(session(&seen)), "{said}");
}

#[test_case("HTTPS_PROXY", "http://127.0.0.1:9"; "a proxy is not the way to an org in this process")]
#[test_case("TMPDIR", "/nowhere"; "temporary folders may be elsewhere")]
#[test_case("TMPDIR", LONG; "or have names too long for a socket")]
#[tokio::test]
async fn the_demo_org_is_asked_whatever_the_environment_says(name: &str, value: &str) {
    let setup = Setup::start().await;
    setup.files.write("server.crt", setup.org.certificate_pem());
    let whole = config(&setup.org, "demo = true\n");
    let own = |line: &&str| !line.starts_with("login_url") && !line.starts_with("ca_file");
    let lines: Vec<_> = whole.lines().filter(own).collect();
    setup.files.write("proxy.toml", &lines.join("\n"));
    let mut command = command(&setup, &["SELECT COUNT() FROM Account"]);
    command.env(name, value);
    let ended = Binary::spawn_as_it_is(command).end().await;
    assert_eq!((ended.code(), &*ended.stdout), (0, "20\n"), "{ended:?}");
}

const LONG: &str =
    "/tmp/a-folder-whose-name-is-so-long-that-no-socket-in-it-can-have-a-name-of-its-own-any-more";
