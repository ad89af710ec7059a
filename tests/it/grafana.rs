//! What `docker/` has for those who watch: Prometheus and Grafana beside the proxy. No Grafana is
//! needed here; Prometheus is a real one.

use std::{collections::HashSet, fs, path::Path};

use orgproxy::demo::Refusal;
use reqwest::Client;
use serde_json::Value;
use tempfile::TempDir;
use test_case::test_case;
use tokio::{io::AsyncWriteExt, process::Command, time::timeout};

use crate::{
    admin::admin_url,
    support::{
        Binary, Files, LONGEST, Org,
        demo::encoded,
        in_time,
        path::{LIMITS, SOAP},
        proxy::client,
        skip,
    },
};

const DASHBOARD: &str = include_str!("../../docker/grafana/dashboards/orgproxy.json");
const PROMETHEUS: &str = include_str!("../../docker/grafana/prometheus.yml");
const README: &str = include_str!("../../README.md");

/// Where the configuration of Prometheus expects the admin listener.
const ADMIN: &str = "127.0.0.1:9180";

/// What panels must show after the traffic of [`Traffic::make`]: a panel, and a label of one of its
/// series, which is above zero.
const SHOWN: [(&str, &str, &str); 16] = [
    ("Requests by org and API", "family", "rest"),
    ("Requests by org and API", "family", "soap"),
    ("Requests by org and API", "family", "bulk"),
    ("Requests by status", "status", "5xx"),
    ("Top API versions", "api_version", "62.0"),
    ("Top API versions", "api_version", "30.0"),
    ("Errors of orgproxy by code", "code", "PATH_REFUSED"),
    ("Errors of orgproxy by code", "code", "LOGIN_REFUSED"),
    ("Sent again", "reason", "session"),
    ("Logins by outcome", "outcome", "refused"),
    ("Logins by outcome", "outcome", "ok"),
    ("Used and allowed", "org", "good"),
    ("Days until Salesforce ends it", "what", "soap-login"),
    ("Requests that rely on what ends", "what", "soap-login"),
    ("Requests that rely on what ends", "what", "api-21-to-30"),
    ("Days of certificates", "name", "tls"),
];

#[tokio::test]
async fn each_panel_gets_data_from_a_real_prometheus() {
    if !is_there("prometheus").await {
        return skip("there is no prometheus");
    }
    let traffic = Traffic::start().await;
    let folder = TempDir::new().unwrap();
    let program = start_prometheus(folder.path(), traffic.admin.trim_start_matches("http://"));
    let line = program.log("msg=\"Listening on\"").await;
    // Until then it says to every question that it is not.
    program.log("Server is ready to receive web requests").await;
    let (_, address) = line.split_once("address=").unwrap();
    let prometheus = Prometheus {
        api: format!("http://{}/api/v1", address.split(' ').next().unwrap()),
        client: client(),
    };

    let mut wanted: Vec<Wanted> = Vec::new();
    for panel in panels() {
        for expression in expressions(&panel) {
            let title = panel["title"].as_str().unwrap().to_owned();
            wanted.push((title, expression, None));
        }
    }
    assert!(wanted.len() > 40, "{wanted:?}");
    for (title, label, value) in SHOWN {
        let panel = panels().find(|panel| panel["title"] == title);
        let panel = panel.unwrap_or_else(|| panic!("no panel {title}"));
        let label = Some((label, value));
        let any = expressions(&panel).collect::<Vec<_>>().join(" or ");
        wanted.push((title.to_owned(), any, label));
    }
    let seen = async {
        // Of one scrape, nothing has a rate.
        while query(&prometheus, "count_over_time(up{job=\"orgproxy\"}[1m]) > 1")
            .await
            .is_empty()
        {
            traffic.make().await;
        }
        for _ in 0..3 {
            traffic.renew().await;
        }
        while !wanted.is_empty() {
            traffic.make().await;
            for index in (0..wanted.len()).rev() {
                let (_, expression, label): &Wanted = &wanted[index];
                let series = query(&prometheus, &filled(expression)).await;
                let is_there = series.iter().any(|(labels, value)| match label {
                    Some((label, expected)) => labels[label] == *expected && *value > 0.0,
                    None => value.is_finite(),
                });
                if is_there {
                    wanted.swap_remove(index);
                }
            }
        }
    };
    let seen = timeout(LONGEST, seen).await;
    assert!(seen.is_ok(), "no data: {wanted:#?}");

    // Nor was anything of it left out.
    let targets = prometheus.get("/targets").await;
    let target = &targets["data"]["activeTargets"][0];
    assert_eq!(
        (&target["health"], &target["lastError"]),
        (&"up".into(), &"".into())
    );
    let orgs = prometheus
        .get("/label/org/values?match[]=orgproxy_logins_total")
        .await;
    let variables = &dashboard()["templating"]["list"];
    assert_eq!(
        variables[1]["query"]["query"],
        "label_values(orgproxy_logins_total, org)"
    );
    assert_eq!(orgs["data"], serde_json::json!(["broken", "good"]));
}

#[tokio::test]
async fn the_tool_of_prometheus_has_nothing_to_say_but_of_days() {
    if !is_there("promtool").await {
        return skip("there is no promtool");
    }
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("prometheus.yml");
    fs::write(&path, PROMETHEUS).unwrap();
    let said = promtool(&["check", "config", path.to_str().unwrap()], "").await;
    assert!(said.contains("SUCCESS"), "{said}");

    let traffic = Traffic::start().await;
    traffic.make().await;
    let metrics = traffic
        .client
        .get(format!("{}/metrics", traffic.admin))
        .send();
    let metrics = metrics.await.unwrap().text().await.unwrap();
    assert!(metrics.contains("orgproxy_refusals_total{"), "{metrics}");
    let said = promtool(&["check", "metrics"], &classic(&metrics)).await;
    // What ends is announced by the day.
    let days = "_days use base unit \"seconds\" instead of \"days\"";
    assert!(said.lines().all(|line| line.ends_with(days)), "{said}");
    assert_eq!(said.lines().count(), 2, "{said}");
}

#[test]
fn the_dashboard_shows_every_metric_of_the_manual_and_no_other() {
    let listed: HashSet<&str> = README
        .lines()
        .filter_map(|line| line.strip_prefix("| `orgproxy_"))
        .filter_map(|rest| rest.split('`').next())
        .collect();
    let all: String = panels()
        .flat_map(|panel| expressions(&panel).collect::<Vec<_>>())
        .map(|expression| expression + "\n")
        .collect();
    let is_in_name = |c: char| c == '_' || c.is_ascii_alphanumeric();
    let shown: HashSet<&str> = all
        .split(|c| !is_in_name(c))
        .filter_map(|word| word.strip_prefix("orgproxy_"))
        .map(|name| name.strip_suffix("_bucket").unwrap_or(name))
        .collect();
    assert!(listed.len() > 20, "{listed:?}");
    assert_eq!(listed, shown);
}

#[test]
fn each_panel_says_what_it_shows_and_what_it_means_if_there_is_nothing() {
    let mut places = HashSet::new();
    let mut ids = HashSet::new();
    for panel in dashboard()["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        let grid = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        for x in grid("x")..grid("x") + grid("w") {
            for y in grid("y")..grid("y") + grid("h") {
                assert!(x < 24 && places.insert((x, y)), "{panel}");
            }
        }
    }
    for panel in panels() {
        let defaults = &panel["fieldConfig"]["defaults"];
        let texts = [&panel["title"], &panel["description"], &defaults["unit"]];
        for text in [&texts[..], &[&defaults["noValue"]]].concat() {
            assert!(
                text.as_str().is_some_and(|text| !text.is_empty()),
                "{panel}"
            );
        }
        let description = panel["description"].as_str().unwrap();
        assert!(description.ends_with('.'), "{description}");
        assert_eq!(panel["datasource"]["uid"], "${datasource}");
        assert!(expressions(&panel).count() > 0, "{panel}");
    }
    assert!(dashboard()["schemaVersion"].as_u64().unwrap() >= 38);
}

#[test]
fn each_error_counts_as_the_fault_of_whom_it_is() {
    let panel = panels().find(|panel| panel["title"] == "Errors by fault");
    let patterns: Vec<(String, Vec<String>)> = panel.unwrap()["targets"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|target| {
            let expression = target["expr"].as_str().unwrap();
            let (_, pattern) = expression.split_once("code=~\"")?;
            let parts = pattern.split('"').next().unwrap().split('|');
            let name = target["legendFormat"].as_str().unwrap().to_owned();
            Some((name, parts.map(str::to_owned).collect()))
        })
        .collect();
    assert_eq!(patterns.len(), 3);
    let fault = |code: &str| {
        let matches = |part: &String| match part.strip_suffix(".+") {
            Some(start) => code.starts_with(start),
            None => code == part,
        };
        let found = patterns.iter().find(|(_, parts)| parts.iter().any(matches));
        found.map_or("client", |(name, _)| name)
    };
    let source = include_str!("../../src/proxy/error.rs");
    let mut count = 0;
    for line in source.lines() {
        let Some((_, spec)) = line.split_once("=> ErrorSpec(") else {
            continue;
        };
        let blamed = match spec.split(',').next().unwrap() {
            "Client" => "client",
            "Login" => "login",
            "Org" => "org not reached",
            "Proxy" => "orgproxy",
            other => panic!("{other}"),
        };
        let code = spec.split('"').nth(1).unwrap();
        assert_eq!(fault(code), blamed, "{code}");
        count += 1;
    }
    assert!(count > 30, "{count}");
    // These are in a table of their own.
    for code in [
        "MALFORMED_BODY",
        "INCOMPLETE_BODY",
        "STALLED_BODY",
        "BODY_TOO_LARGE",
    ] {
        assert!(source.contains(code));
        assert_eq!(fault(code), "client");
    }
}

#[tokio::test]
async fn compose_starts_them_only_if_asked_and_opens_nothing_to_other_machines() {
    let Some(compose) = yaml("docker/compose.yaml").await else {
        return;
    };
    let services = compose["services"].as_object().unwrap();
    let of_profile = |watched: bool| {
        let services = services.iter();
        let of = services.filter(|(_, service)| service["profiles"].is_array() == watched);
        of.map(|(name, _)| &**name).collect::<Vec<_>>()
    };
    assert_eq!(of_profile(false), ["orgproxy", "tool"]);
    assert_eq!(of_profile(true), ["prometheus", "grafana"]);
    for (name, service) in services {
        let ports = service["ports"].as_array().into_iter().flatten();
        for port in ports.map(|port| port.as_str().unwrap()) {
            assert!(port.starts_with("127.0.0.1:"), "{name}: {port}");
        }
        let image = service["image"].as_str().unwrap();
        let is_pinned = image
            .rsplit_once(':')
            .is_some_and(|(_, tag)| tag.contains('.'));
        assert!(is_pinned || name == "orgproxy", "{image}");
        for volume in service["volumes"].as_array().into_iter().flatten() {
            let source = volume.as_str().unwrap().split(':').next().unwrap();
            let is_named = compose["volumes"].get(source).is_some();
            let is_there = Path::new("docker").join(source).exists();
            assert!(is_named || is_there || source == "./server.key", "{volume}");
        }
    }
    // Prometheus is where the admin listener lets it in, and Grafana finds it there.
    assert_eq!(services["prometheus"]["network_mode"], "service:orgproxy");
    assert_eq!(
        services["orgproxy"]["environment"]["ORGPROXY_ADMIN_LISTEN"],
        ADMIN
    );
    let scraped = yaml("docker/grafana/prometheus.yml").await.unwrap();
    assert_eq!(
        scraped["scrape_configs"][0]["static_configs"][0]["targets"][0],
        ADMIN
    );
    let folder = "docker/grafana/provisioning";
    let sources = yaml(&format!("{folder}/datasources/prometheus.yml"))
        .await
        .unwrap();
    assert_eq!(sources["datasources"][0]["url"], "http://orgproxy:9090");
    let interval = &sources["datasources"][0]["jsonData"]["timeInterval"];
    assert_eq!(*interval, scraped["global"]["scrape_interval"]);
    let boards = yaml(&format!("{folder}/dashboards/orgproxy.yml"))
        .await
        .unwrap();
    let place = boards["providers"][0]["options"]["path"].as_str().unwrap();
    let mount = format!("./grafana/dashboards:{place}:ro");
    let volumes = services["grafana"]["volumes"].as_array().unwrap();
    assert!(volumes.contains(&mount.into()), "{volumes:?}");
}

#[test_case("yml"; "yml")]
#[test_case("yaml"; "yaml")]
#[test_case("json"; "json")]
#[tokio::test]
async fn every_file_for_containers_is_well_formed(ending: &str) {
    let mut count = 0;
    let mut paths = vec![Path::new("docker").to_owned()];
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).unwrap();
            paths.extend(entries.map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|it| it == ending) {
            count += 1;
            if ending == "json" {
                let text = fs::read_to_string(&path).unwrap();
                serde_json::from_str::<Value>(&text).unwrap();
            } else if yaml(path.to_str().unwrap()).await.is_none() {
                return;
            }
        }
    }
    assert!(count > 0);
}

/// A Prometheus that runs.
struct Prometheus {
    api: String,
    client: Client,
}

/// A panel, an expression, and a label that one of its series above zero must have.
type Wanted = (String, String, Option<(&'static str, &'static str)>);

/// A proxy in front of an org that is well and one that refuses its logins, and requests of all
/// kinds.
struct Traffic {
    client: Client,
    org: Org,
    _broken: Org,
    _files: Files,
    _proxy: Binary,
    /// URLs of the listeners: of the good org, of the broken one, and for whoever watches.
    good: String,
    bad: String,
    admin: String,
}

impl Traffic {
    async fn start() -> Self {
        let (org, broken) = (Org::start().await.unwrap(), Org::start().await.unwrap());
        broken.set(|knobs| knobs.refusal = Refusal::named("user-not-approved"));
        let files = Files::several(&[("good", &org), ("broken", &broken)]);
        files.write("server.crt", org.certificate_pem());
        let text = fs::read_to_string(files.config()).unwrap();
        let more = "[org.good.budget]\nlong_calls = 25\n[admin]\nlisten = \"127.0.0.1:0\"\n\
                    [tls]\ncertificate = \"server.crt\"\nprivate_key = \"server.key\"\n\
                    [redis]\nurl = \"unix:///nowhere/redis.sock\"\n";
        files.write("proxy.toml", &(text + more));
        let proxy = files.start();
        let url = async |org: &str| {
            let line = proxy.print(&format!("for org {org}")).await;
            let (_, url) = line.split_once("listening on ").unwrap();
            url.split(' ').next().unwrap().to_owned()
        };
        Self {
            client: client(),
            good: url("good").await,
            bad: url("broken").await,
            admin: admin_url(&proxy).await,
            org,
            _broken: broken,
            _files: files,
            _proxy: proxy,
        }
    }

    /// Makes requests: good ones, refusals, one that cannot log in, SOAP and
    /// Bulk, and such as use what is about to end.
    async fn make(&self) {
        let (good, bad) = (&self.good, &self.bad);
        let soap = |operation: &str| {
            format!(
                "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\" \
                 xmlns=\"urn:partner.soap.sforce.com\"><e:Body>{operation}</e:Body></e:Envelope>"
            )
        };
        let login = soap("<login><username>a</username><password>b</password></login>");
        let job = "{\"object\": \"Account\", \"operation\": \"insert\"}";
        let post = |path: &str, kind: &str, body: String| {
            let request = self.client.post(format!("{good}{path}"));
            request
                .header("content-type", kind)
                .header("soapaction", "\"\"")
                .body(body)
        };
        let requests = [
            (self.client.get(format!("{good}{LIMITS}")), 200),
            (
                self.client
                    .get(format!("{good}/services/data/v30.0/limits")),
                410,
            ),
            (self.client.get(format!("{good}/secur/x")), 403),
            (post(SOAP, "text/xml", soap("<getUserInfo/>")), 200),
            (post(SOAP, "text/xml", login), 200),
            (
                post(
                    "/services/async/67.0/job",
                    "application/json",
                    job.to_owned(),
                ),
                201,
            ),
            (self.client.get(format!("{bad}{LIMITS}")), 502),
        ];
        for (request, status) in requests {
            let answer = in_time(request.send()).await.unwrap();
            let got = answer.status();
            let text = answer.text().await.unwrap();
            assert_eq!(got, status, "{text}");
        }
    }

    /// Has a request find its session dead. Few do, since logins that follow each other closely wait.
    async fn renew(&self) {
        self.org.end_sessions();
        let asked = self.client.get(format!("{}{LIMITS}", self.good)).send();
        let answer = in_time(asked).await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.bytes().await.unwrap();
    }
}

/// Starts it in `folder` by the configuration that is handed out, but for where the proxy is and how
/// long it waits between scrapes.
fn start_prometheus(folder: &Path, admin: &str) -> Binary {
    assert!(PROMETHEUS.contains(ADMIN) && PROMETHEUS.contains("scrape_interval: 15s"));
    let config = PROMETHEUS
        .replace(ADMIN, admin)
        .replace("scrape_interval: 15s", "scrape_interval: 500ms");
    fs::write(folder.join("prometheus.yml"), config).unwrap();
    let mut command = Command::new("prometheus");
    command
        .arg("--config.file=prometheus.yml")
        .arg("--web.listen-address=127.0.0.1:0")
        .arg("--storage.tsdb.path=data")
        .current_dir(folder);
    Binary::spawn(command)
}

/// The series of an instant query, with their labels.
async fn query(prometheus: &Prometheus, expression: &str) -> Vec<(Value, f64)> {
    let encoded = encoded(expression).replacen("q=", "query=", 1);
    let answer = prometheus.get(&format!("/query?{encoded}")).await;
    assert_eq!(answer["status"], "success", "{expression}: {answer}");
    let series = answer["data"]["result"].as_array().unwrap().iter();
    series
        .map(|one| {
            let value = one["value"][1].as_str().unwrap();
            (one["metric"].clone(), value.parse().unwrap())
        })
        .collect()
}

impl Prometheus {
    async fn get(&self, path: &str) -> Value {
        let asked = self.client.get(format!("{}{path}", self.api)).send();
        let text = asked.await.unwrap().text().await.unwrap();
        serde_json::from_str(&text).unwrap()
    }
}

/// Puts something in place of Grafana's variables.
fn filled(expression: &str) -> String {
    let filled = expression
        .replace("$__rate_interval", "1m")
        .replace("$__range", "1m")
        .replace("$org", ".*");
    assert!(!filled.contains('$'), "{filled}");
    filled
}

fn dashboard() -> Value {
    serde_json::from_str(DASHBOARD).unwrap()
}

/// All panels but the headings.
fn panels() -> impl Iterator<Item = Value> {
    let panels = dashboard()["panels"].as_array().unwrap().clone();
    panels.into_iter().filter(|panel| panel["type"] != "row")
}

fn expressions(panel: &Value) -> impl Iterator<Item = String> {
    let targets = panel["targets"].as_array().unwrap().iter();
    targets.map(|target| target["expr"].as_str().unwrap().to_owned())
}

/// The same metrics in the older format, the only one that promtool reads.
fn classic(metrics: &str) -> String {
    let mut text = String::new();
    let mut kinds = metrics.lines().filter(|line| line.starts_with("# TYPE "));
    for line in metrics.lines().filter(|line| *line != "# EOF") {
        let words: Vec<_> = line.splitn(4, ' ').collect();
        let ending = match &words[..] {
            ["#", "HELP", name, _] => {
                let kind = kinds.next().unwrap();
                assert!(kind.starts_with(&format!("# TYPE {name} ")), "{kind}");
                ending(kind)
            }
            ["#", "TYPE", ..] => ending(line),
            _ => "",
        };
        text += &match &words[..] {
            ["#", what, name, rest] => {
                format!(
                    "# {what} {name}{ending} {}\n",
                    rest.replace("info", "gauge")
                )
            }
            _ => format!("{line}\n"),
        };
    }
    return text;

    fn ending(kind: &str) -> &'static str {
        match kind.rsplit(' ').next() {
            Some("counter") => "_total",
            Some("info") => "_info",
            _ => "",
        }
    }
}

/// What promtool says of `input`.
async fn promtool(arguments: &[&str], input: &str) -> String {
    let mut command = Command::new("promtool");
    command
        .args(arguments)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).await.unwrap();
    drop(stdin);
    let ended = in_time(child.wait_with_output()).await.unwrap();
    String::from_utf8([ended.stdout, ended.stderr].concat()).unwrap()
}

/// A file as JSON. `None` if nothing here reads YAML.
async fn yaml(path: &str) -> Option<Value> {
    let script = "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))";
    if !runs(Command::new("python3").args(["-c", "import yaml"])).await {
        skip("there is no python3 with its module yaml");
        return None;
    }
    let mut command = Command::new("python3");
    let read = command
        .args(["-c", script, path])
        .kill_on_drop(true)
        .output();
    let read = in_time(read).await.unwrap();
    assert!(read.status.success(), "{path}: {read:?}");
    Some(serde_json::from_slice(&read.stdout).unwrap())
}

async fn is_there(program: &str) -> bool {
    runs(Command::new(program).arg("--version")).await
}

async fn runs(command: &mut Command) -> bool {
    let ended = in_time(command.kill_on_drop(true).output()).await;
    ended.is_ok_and(|ended| ended.status.success())
}
