//! `orgproxy run -- PROGRAM`: a program that finds the org by its environment.

use std::{
    collections::HashMap,
    fs,
    net::{Ipv4Addr, TcpListener},
};

use rcgen::{CertificateParams, KeyPair};
use rustix::process::Signal;
use test_case::test_case;
use tokio::process::Command;

use crate::support::{
    Binary, Ended, Fault, Files, Org, Setup, binary::ORGPROXY, curl, keys::locked, path::LIMITS,
    session, skip,
};

/// Plain and by TLS.
const TWICE: &str = "listen = [\"127.0.0.1:0\", \"https://127.0.0.1:0\"]\n";

#[test_case(&["run"]; "run")]
#[test_case(&[]; "nothing said")]
#[tokio::test]
async fn the_program_asks_the_org_as_it_stands(command: &[&str]) {
    let setup = Setup::start().await;
    let config = setup.files.config();
    let program = format!("curl -sf $ORGPROXY_URL{LIMITS}");
    let arguments = [command, &["-c", &config, "--", "sh", "-c", &program]].concat();
    let ended = Binary::start(&arguments).end().await;
    assert_eq!(ended.code(), 0, "{ended:?}");
    // Nothing but the program's.
    assert!(ended.stdout.starts_with('{'), "{}", ended.stdout);
    assert!(ended.stdout.ends_with('}'), "{}", ended.stdout);
    assert_eq!((setup.org.logins(), setup.org.counts().requests), (1, 1));
}

#[tokio::test]
async fn its_environment_leads_it_to_the_proxy_and_holds_no_session() {
    let setup = Setup::start().await;
    let mut command = command(
        &setup,
        &["sh", "-c", &format!("env; curl -sf $ORGPROXY_URL{LIMITS}")],
    );
    command
        .env("SF_TARGET_ORG", "production")
        .env("SF_ORG_INSTANCE_URL", "https://acme.my.salesforce.com")
        .env("NO_PROXY", "acme.com");
    let ended = Binary::spawn(command).end().await;
    let variables = variables(&ended.stdout);
    let url = &variables["ORGPROXY_URL"];
    assert!(url.starts_with("http://localhost:"), "{url}");
    for name in ["SF_ORG_INSTANCE_URL", "SALESFORCE_INSTANCE_URL"] {
        assert_eq!(&variables[name], url, "{name}");
    }
    // The form that the Salesforce CLI takes for a session id: its `accessTokenRegex`
    // (https://github.com/forcedotcom/sfdx-core/blob/main/src/util/sfdc.ts).
    let placeholder = &variables["SF_TARGET_ORG"];
    let (org, rest) = placeholder.split_once('!').unwrap();
    assert_eq!(org, &setup.org.org_id()[..15]);
    assert!(
        rest.chars()
            .all(|c| c.is_ascii_alphanumeric() || "._".contains(c))
    );
    for name in ["SF_ACCESS_TOKEN", "SALESFORCE_ACCESS_TOKEN"] {
        assert_eq!(&variables[name], placeholder, "{name}");
    }
    // Programs look at one of them first.
    for name in ["NO_PROXY", "no_proxy"] {
        let names = &variables[name];
        assert!(names.starts_with("acme.com,localhost,"), "{names}");
    }
    for name in ["HTTPS_PROXY", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"] {
        assert!(!variables.contains_key(name), "{name}");
    }
    assert!(!ended.stdout.contains(session(&setup.org.last_request())));
    assert!(!ended.stderr.contains(session(&setup.org.last_request())));
}

#[tokio::test]
async fn the_key_is_not_passed_on() {
    let setup = Setup::with("private_key = { env = \"SERVER_KEY\" }\n").await;
    for variable in ["SERVER_KEY", "ORGPROXY_PRIVATE_KEY"] {
        let mut command = command(&setup, &["env"]);
        command
            .env("SERVER_KEY", "not a key")
            .env(variable, setup.org.private_key_pem())
            .env("OTHER", "stays");
        let ended = Binary::spawn(command).end().await;
        assert_eq!(ended.code(), 0, "{ended:?}");
        assert!(!ended.stdout.contains("PRIVATE KEY"), "{}", ended.stdout);
        assert!(ended.stdout.contains("OTHER=stays"), "{}", ended.stdout);
    }
}

#[test_case("etl")]
#[test_case("client_key"; "even if it is called like what clients show")]
#[tokio::test]
async fn no_secret_of_the_configuration_is_passed_on_but_what_clients_show(client: &str) {
    let more = "guard.client_key = { env = \"SHOWN\" }\n";
    let more = format!("{more}clients.{client} = {{ env = \"PASSWORD\" }}\n");
    let setup = Setup::with(&more).await;
    let mut command = command(&setup, &["env"]);
    command
        .env("PASSWORD", "CANARY-1")
        .env("SHOWN", "CANARY-2-CANARY-2");
    let ended = Binary::spawn(command).end().await;
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert!(!ended.stdout.contains("CANARY-1"), "{}", ended.stdout);
    assert!(ended.stdout.contains("CANARY-2"), "{}", ended.stdout);
}

#[tokio::test]
async fn a_program_that_gives_a_secret_is_not_given_the_key() {
    let given =
        "clients.etl = { command = [\"sh\", \"-c\", \"env > given; echo correct-horse\"] }\n";
    let setup = Setup::with(given).await;
    let mut command = command(&setup, &["true"]);
    command
        .current_dir(setup.files.folder())
        .env("ORGPROXY_PRIVATE_KEY", setup.org.private_key_pem())
        .env("OTHER", "stays");
    let ended = Binary::spawn(command).end().await;
    assert_eq!(ended.code(), 0, "{ended:?}");
    let given = fs::read_to_string(setup.files.path("given")).unwrap();
    assert!(given.contains("OTHER=stays"), "{given}");
    assert!(!given.contains("PRIVATE KEY"), "{given}");
}

/// A flag takes the place of a table, and yet what the table names holds a secret.
#[test_case(&["--private-key", "FOLDER/server.key", "--redis-url", "redis://127.0.0.1:1"], ""; "flags")]
#[test_case(&[], "redis://127.0.0.1:1"; "variables")]
#[tokio::test]
async fn no_secret_of_the_file_is_passed_on_where_something_else_takes_its_place(
    flags: &[&str],
    redis: &str,
) {
    let more = "private_key = { env = \"KEY\", passphrase = { env = \"PHRASE\" } }\n\
        [redis]\nurl = { env = \"REDIS\" }\n";
    let setup = Setup::with(more).await;
    let (config, folder) = (setup.files.config(), setup.files.folder().display());
    let mut command = Binary::command(&["--config", &config]);
    let flags = flags
        .iter()
        .map(|flag| flag.replace("FOLDER", &folder.to_string()));
    command.args(flags).args(["--", "env"]);
    for name in ["KEY", "PHRASE", "REDIS"] {
        command.env(name, "CANARY");
    }
    if !redis.is_empty() {
        command.env("ORGPROXY_REDIS_URL", redis);
        command.env("ORGPROXY_PRIVATE_KEY", setup.org.private_key_pem());
    }
    let ended = Binary::spawn(command).end().await;
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert!(ended.stdout.contains("ORGPROXY_URL="), "{}", ended.stdout);
    for secret in ["CANARY", "PRIVATE KEY", "127.0.0.1:1\n"] {
        assert!(!ended.stdout.contains(secret), "{}", ended.stdout);
    }
}

#[tokio::test]
async fn the_password_of_a_key_store_is_not_passed_on() {
    let setup = Setup::start().await;
    let mut command = command(&setup, &["env"]);
    command.env("ORGPROXY_KEYSTORE_PASSWORD", "CANARY");
    let ended = Binary::spawn(command).end().await;
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert!(!ended.stdout.contains("CANARY"), "{}", ended.stdout);
}

#[tokio::test]
async fn a_program_that_gives_a_secret_is_given_no_other() {
    let more = "private_key = { env = \"KEY\", passphrase = { env = \"PHRASE\" } }\n\
        guard.client_key = { env = \"SHOWN\" }\n\
        clients.etl = { command = [\"sh\", \"-c\", \"env > given; echo correct-horse\"] }\n\
        clients.bi = { env = \"PASSWORD\" }\n\
        [tls]\ncertificate = \"tls.pem\"\nprivate_key = { env = \"TLS_KEY\" }\n\
        [redis]\nurl = { env = \"REDIS\" }\n";
    let setup = Setup::with(more).await;
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    setup.files.write("tls.pem", &certificate.pem());
    let secrets = [
        ("KEY", &*locked(setup.org.private_key_pem(), "sesame")),
        ("PHRASE", "sesame"),
        ("SHOWN", "battery-staple-battery"),
        ("PASSWORD", "battery-staple"),
        ("TLS_KEY", &key.serialize_pem()),
        ("REDIS", "redis://:battery@127.0.0.1:1"),
        ("ORGPROXY_KEYSTORE_PASSWORD", "changed-it"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=battery"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "api-key=battery"),
    ];
    let mut command = Binary::command(&["check", "--config", &setup.files.config()]);
    command
        .current_dir(setup.files.folder())
        .envs(secrets)
        .env("OTHER", "stays");
    let ended = Binary::spawn(command).end().await;
    assert_eq!(ended.code(), 0, "{ended:?}");
    let given = variables(&fs::read_to_string(setup.files.path("given")).unwrap());
    assert_eq!(given["OTHER"], "stays");
    for (name, _) in secrets {
        assert!(!given.contains_key(name), "{name}");
    }
}

#[tokio::test]
async fn neither_header_lines_of_traces_nor_passwords_of_proxies_are_passed_on() {
    let collected = async |more: &str| {
        let setup = Setup::with(more).await;
        let mut command = command(&setup, &["env"]);
        command
            .env("OTEL_EXPORTER_OTLP_HEADERS", "api-key=CANARY-1")
            .env("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "api-key=CANARY-2")
            .env("ALL_PROXY", "http://me:CANARY-3@127.0.0.1:9")
            .env("HTTP_PROXY", "http://127.0.0.1:9")
            .env("NO_PROXY", "*");
        let ended = Binary::spawn(command).end().await;
        assert_eq!(ended.code(), 0, "{ended:?}");
        ended.stdout
    };
    let with = collected("[traces]\nendpoint = \"http://127.0.0.1:9\"\n").await;
    assert!(!with.contains("CANARY"), "{with}");
    for proxy in ["ALL_PROXY", "HTTP_PROXY"] {
        let bare = format!("\n{proxy}=http://127.0.0.1:9\n");
        assert!(format!("\n{with}").contains(&bare), "{with}");
    }
    // Where the proxy sends no traces, they are the program's own.
    let without = collected("").await;
    assert!(without.contains("CANARY-1") && without.contains("CANARY-2"));
    assert!(!without.contains("CANARY-3"), "{without}");
}

#[tokio::test]
async fn of_several_orgs_it_is_led_to_the_first_or_to_the_named_one() {
    let (one, two) = (Org::start().await.unwrap(), Org::start().await.unwrap());
    let files = Files::several(&[("one", &one), ("t-wo", &two)]);
    let program = |other: &str| format!("curl -sf $ORGPROXY_URL{LIMITS} && test -n \"${other}\"");
    for (more, other, asked) in [
        (&[][..], "ORGPROXY_URL_T_WO", &one),
        (&["--org", "t-wo"], "ORGPROXY_URL_ONE", &two),
    ] {
        let config = files.config();
        let program = program(other);
        let arguments = [&["-c", &config][..], more, &["--", "sh", "-c", &program]].concat();
        let ended = Binary::start(&arguments).end().await;
        assert_eq!(ended.code(), 0, "{ended:?}");
        assert_eq!(asked.counts().requests, 1);
    }
    let ended = Binary::start(&["-c", &files.config(), "--org", "x", "--", "true"]);
    let ended = ended.end().await;
    assert!(ended.stderr.contains("there is no org x"), "{ended:?}");
    assert_eq!(ended.code(), 64);
}

/// What a program means for one org must not reach the other.
#[test_case("acme-dev", "acme_dev")]
#[test_case("acme", "Acme")]
#[tokio::test]
async fn orgs_whose_variables_have_one_name_are_refused(one: &str, other: &str) {
    let org = Org::start().await.unwrap();
    let files = Files::several(&[("main", &org), (one, &org), (other, &org)]);
    let config = files.config();
    for more in [&[][..], &["--org", other]] {
        let arguments = [&["-c", &config][..], more, &["--", "touch", "was-run"]].concat();
        let mut command = Binary::command(&arguments);
        command.current_dir(files.folder());
        let ended = Binary::spawn(command).end().await;
        let names = format!("orgs {one} and {other} have one variable, ORGPROXY_URL_ACME");
        assert!(ended.stderr.contains(&names), "{ended:?}");
        assert!(ended.stderr.contains("rename one of them"), "{ended:?}");
        assert_ne!(ended.code(), 0);
        assert!(!files.path("was-run").exists());
    }
}

#[tokio::test]
async fn it_trusts_the_local_authority_besides_all_others() {
    let setup = Setup::with(&format!("{TWICE}intercept = true\n")).await;
    let Setup { org, files } = &setup;
    let program = format!(
        "curl -sf $ORGPROXY_HTTPS_URL{LIMITS} && curl -sf https://login.salesforce.com{LIMITS} && \
         grep -c '^-----BEGIN' \"$SSL_CERT_FILE\" && ! grep -e '-----.*-----.*-----.*-----' \"$SSL_CERT_FILE\" && cat \"$NODE_EXTRA_CA_CERTS\" && echo \"$REQUESTS_CA_BUNDLE\""
    );
    let mut command = command_with_state(&setup, &["sh", "-c", &program]);
    // As a company has it, and without a line end.
    files.write("ca.pem", org.ca_pem().trim_end());
    command.env("REQUESTS_CA_BUNDLE", files.path("ca.pem"));
    let ended = Binary::spawn(command).end().await;
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert_eq!(org.counts().requests, 2);
    let local = fs::read_to_string(files.local_ca()).unwrap();
    assert!(ended.stdout.contains(local.trim()), "{}", ended.stdout);
    // It is gone with the program.
    let bundle = ended.stdout.lines().last().unwrap();
    assert!(
        bundle.ends_with(".pem") && !fs::exists(bundle).unwrap(),
        "{bundle}"
    );
}

#[tokio::test]
async fn every_program_finds_the_authorities_where_it_looks() {
    let setup = Setup::with(TWICE).await;
    let Setup { org, files } = &setup;
    files.write("mine.pem", org.ca_pem());
    let show = "cat \"$NODE_EXTRA_CA_CERTS\"; env";
    let mut command = command_with_state(&setup, &["sh", "-c", show]);
    command
        .env("JAVA_TOOL_OPTIONS", "-Dmine=1")
        .env("NODE_EXTRA_CA_CERTS", files.path("mine.pem"));
    let ended = Binary::spawn(command).end().await;
    assert_eq!(ended.code(), 0, "{ended:?}");
    // What was added before is there still.
    let local = fs::read_to_string(files.local_ca()).unwrap();
    for authority in [&*local, org.ca_pem()] {
        assert!(ended.stdout.contains(authority.trim()), "{ended:?}");
    }
    let variables = variables(&ended.stdout);
    let bundle = &variables["SSL_CERT_FILE"];
    for name in [
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "GIT_SSL_CAINFO",
        "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
        "PERL_LWP_SSL_CA_FILE",
        "HTTPS_CA_FILE",
    ] {
        assert_eq!(&variables[name], bundle, "{name}");
    }
    let java = &variables["JAVA_TOOL_OPTIONS"];
    assert!(
        java.starts_with("-Dmine=1 -Djavax.net.ssl.trustStore=/"),
        "{java}"
    );
    assert!(
        java.ends_with(".p12 -Djavax.net.ssl.trustStoreType=PKCS12"),
        "{java}"
    );
}

#[tokio::test]
async fn php_trusts_the_local_authority_by_curl_and_by_streams() {
    // PHP is no need of the project's.
    let modules = std::process::Command::new("php").arg("-m").output();
    let modules = modules.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    if !modules.is_ok_and(|modules| modules.contains("curl")) {
        return skip("there is no php with its module curl");
    }
    let setup = Setup::with(TWICE).await;
    setup.files.write(
        "ask.php",
        "<?php $url = $argv[1]; $c = curl_init($url); curl_setopt($c, CURLOPT_RETURNTRANSFER, true);\n\
         curl_exec($c); echo curl_getinfo($c, CURLINFO_RESPONSE_CODE), ' ';\n\
         echo strlen(file_get_contents($url)) > 0 ? 'read' : 'nothing';\n",
    );
    let script = setup.files.path("ask.php").display().to_string();
    let ask = format!("php {script} \"$ORGPROXY_HTTPS_URL{LIMITS}\"; echo; echo $PHP_INI_SCAN_DIR");
    let mut command = command_with_state(&setup, &["sh", "-c", &ask]);
    command.env("PHP_INI_SCAN_DIR", ":/nowhere");
    let ended = Binary::spawn(command).end().await;
    let (answer, folders) = ended.stdout.split_once('\n').unwrap();
    assert_eq!(answer, "200 read", "{ended:?}");
    assert!(folders.starts_with(":/nowhere:/"), "{folders}");
}

#[tokio::test]
async fn a_trust_store_of_ones_own_is_left_alone() {
    let setup = Setup::with(TWICE).await;
    let mut command = command_with_state(&setup, &["env"]);
    let own = "-Djavax.net.ssl.trustStore=/etc/mine.jks";
    command.env("JAVA_TOOL_OPTIONS", own);
    let ended = Binary::spawn(command).end().await;
    assert_eq!(variables(&ended.stdout)["JAVA_TOOL_OPTIONS"], own);
    assert!(
        ended.stderr.contains("names a trust store"),
        "{}",
        ended.stderr
    );
}

#[tokio::test]
async fn java_trusts_the_local_authority_besides_its_own() {
    // A Java compiler is no need of the project's.
    if std::process::Command::new("javac")
        .arg("-version")
        .output()
        .is_err()
    {
        return skip("there is no javac");
    }
    let setup = Setup::with(TWICE).await;
    setup.files.write(
        "Ask.java",
        "import java.net.*; import java.security.*; import javax.net.ssl.*;\n\
         public class Ask { public static void main(String[] a) throws Exception {\n\
         var tmf = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());\n\
         tmf.init((KeyStore) null);\n\
         var trusted = ((X509TrustManager) tmf.getTrustManagers()[0]).getAcceptedIssuers().length;\n\
         var status = a.length == 0 ? 0\n\
           : ((HttpURLConnection) new URL(a[0]).openConnection()).getResponseCode();\n\
         System.out.println(status + \" \" + trusted); } }\n",
    );
    let source = setup.files.path("Ask.java").display().to_string();
    let before = std::process::Command::new("java")
        .arg(&source)
        .output()
        .unwrap();
    let before = String::from_utf8(before.stdout).unwrap();
    let before: usize = before.trim().strip_prefix("0 ").unwrap().parse().unwrap();

    let ask = format!("java {source} \"$ORGPROXY_HTTPS_URL{LIMITS}\"");
    let ended = Binary::spawn(command_with_state(&setup, &["sh", "-c", &ask]));
    let ended = ended.end().await;
    let after = ended
        .stdout
        .trim()
        .strip_prefix("200 ")
        .unwrap_or_else(|| panic!("{ended:?}"));
    assert!(after.parse::<usize>().unwrap() > before, "{before} {after}");
}

#[test_case("exit 7", 7)]
#[test_case("exit 0", 0)]
#[test_case("kill -KILL $$", 128 + 9; "killed")]
#[test_case("kill -TERM $$", 128 + 15; "terminated")]
#[tokio::test]
async fn it_ends_as_the_program_does(program: &str, code: i32) {
    let setup = Setup::start().await;
    let ended = run(
        &setup,
        &["sh", "-c", &format!("echo $ORGPROXY_URL; {program}")],
    )
    .await;
    assert_eq!(ended.code(), code, "{ended:?}");
    assert_gone(&setup, &ended);
}

#[test_case("nowhere", 127, "cannot run nowhere: No such file"; "not found")]
#[test_case("/etc/passwd", 126, "cannot run /etc/passwd: Permission denied"; "not executable")]
#[tokio::test]
async fn a_program_that_cannot_be_run_is_reported_as_by_shells(
    program: &str,
    code: i32,
    told: &str,
) {
    let setup = Setup::start().await;
    let ended = run(&setup, &[program]).await;
    assert_eq!((ended.code(), &*ended.stdout), (code, ""));
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
}

#[test_case(Signal::TERM, "TERM"; "terminate")]
#[test_case(Signal::INT, "INT"; "interrupt, with no terminal that says it to both")]
#[test_case(Signal::HUP, "HUP"; "hang up")]
#[test_case(Signal::QUIT, "QUIT"; "quit")]
#[test_case(Signal::USR1, "USR1"; "first user defined")]
#[test_case(Signal::USR2, "USR2"; "second user defined")]
#[tokio::test]
async fn signals_are_passed_on(signal: Signal, name: &str) {
    let setup = Setup::start().await;
    let proxy = spawn_waiting(&setup, &format!("trap 'echo told; exit 9' {name}"));
    proxy.print("http").await;
    proxy.signal(signal);
    let ended = proxy.end().await;
    assert_eq!(ended.code(), 9, "{ended:?}");
    assert!(ended.stdout.contains("told"), "{}", ended.stdout);
    assert_gone(&setup, &ended);
}

#[tokio::test]
async fn a_second_signal_ends_a_program_that_does_not_listen() {
    let setup = Setup::start().await;
    let proxy = spawn_waiting(&setup, "trap 'echo told' TERM");
    proxy.print("http").await;
    proxy.signal(Signal::TERM);
    proxy.print("told").await;
    proxy.signal(Signal::TERM);
    let ended = proxy.end().await;
    assert_eq!(ended.code(), 128 + 9, "{ended:?}");
    assert_gone(&setup, &ended);
}

#[test_case(Signal::HUP, "HUP"; "hang up")]
#[test_case(Signal::USR1, "USR1"; "user defined")]
#[tokio::test]
async fn a_program_may_get_a_signal_that_is_not_for_ending_as_often_as_one_likes(
    signal: Signal,
    name: &str,
) {
    let setup = Setup::start().await;
    let count = format!("n=0; trap 'n=$((n+1)); echo told $n' {name}; trap 'exit 9' TERM");
    let proxy = spawn_waiting(&setup, &count);
    proxy.print("http").await;
    for number in 1..=3 {
        proxy.signal(signal);
        proxy.print(&format!("told {number}")).await;
    }
    proxy.signal(Signal::TERM);
    let ended = proxy.end().await;
    assert_eq!(ended.code(), 9, "{ended:?}");
}

#[test_case(Signal::PIPE; "pipe")]
#[test_case(Signal::ALARM; "alarm")]
#[test_case(Signal::IO; "input and output")]
#[tokio::test]
async fn a_signal_that_is_for_nobody_ends_neither_the_proxy_nor_the_program(signal: Signal) {
    let setup = Setup::start().await;
    let proxy = spawn_waiting(&setup, "trap 'exit 9' TERM");
    proxy.print("http").await;
    proxy.signal(signal);
    proxy.signal(Signal::TERM);
    let ended = proxy.end().await;
    assert_eq!(ended.code(), 9, "{ended:?}");
}

#[tokio::test]
async fn the_program_starts_with_the_usual_actions_for_signals() {
    let setup = Setup::start().await;
    let ended = run(
        &setup,
        &["sh", "-c", "grep -E 'Sig(Blk|Ign)' /proc/self/status"],
    )
    .await;
    let ours = [
        Signal::HUP,
        Signal::PIPE,
        Signal::USR1,
        Signal::USR2,
        Signal::ALARM,
    ];
    for line in ended.stdout.lines() {
        let (_, set) = line.split_once(":\t").unwrap();
        let set = u64::from_str_radix(set, 16).unwrap();
        let kept = ours
            .iter()
            .filter(|signal| set >> (signal.as_raw() - 1) & 1 == 1);
        assert_eq!(kept.count(), 0, "{line}");
    }
    assert_eq!(ended.stdout.lines().count(), 2, "{ended:?}");
}

#[tokio::test]
async fn standard_input_is_the_programs() {
    let setup = Setup::start().await;
    let config = setup.files.config();
    let ended = curl(&format!("echo hello | {ORGPROXY} -c {config} -- cat")).await;
    assert_eq!(ended.stdout, "hello\n", "{ended:?}");
}

#[tokio::test]
async fn its_limits_are_those_that_the_proxy_was_started_with() {
    let setup = Setup::start().await;
    let config = setup.files.config();
    let line = format!("ulimit -Sn 250; {ORGPROXY} -c {config} -- sh -c 'ulimit -Sn'");
    let ended = curl(&line).await;
    assert_eq!(ended.stdout, "250\n", "{ended:?}");
}

#[tokio::test]
async fn without_a_login_it_is_not_started() {
    let setup = Setup::start().await;
    let refusal = Fault::login_refused("invalid_grant", "user hasn't approved this consumer");
    setup.org.faults().always(orgproxy::demo::TOKEN, refusal);
    let ended = run(&setup, &["echo", "started"]).await;
    assert_eq!((ended.code(), &*ended.stdout), (1, ""));
    assert!(ended.stderr.contains("cannot log in"), "{}", ended.stderr);
    assert!(ended.stderr.contains("pre-authorize"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_program_cannot_be_led_to_a_unix_socket_alone() {
    let setup = Setup::with("listen = \"unix:proxy.sock\"\n").await;
    let ended = run(&setup, &["true"]).await;
    assert_eq!(ended.code(), 1, "{ended:?}");
    assert!(
        ended.stderr.contains("only on Unix sockets"),
        "{}",
        ended.stderr
    );
    assert!(!setup.files.path("proxy.sock").exists());
}

fn command(setup: &Setup, program: &[&str]) -> Command {
    let config = setup.files.config();
    Binary::command(&[&["run", "--config", &config, "--"], program].concat())
}

/// Returns a command with a place for the local certificate authority.
fn command_with_state(setup: &Setup, program: &[&str]) -> Command {
    let config = setup.files.config();
    let state = setup.files.path("state").display().to_string();
    let arguments = ["-c", &config, "--state-dir", &state, "--"];
    Binary::command(&[&arguments, program].concat())
}

async fn run(setup: &Setup, program: &[&str]) -> Ended {
    Binary::spawn(command(setup, program)).end().await
}

/// A program that says where the org is, and waits for signals forever. It looks for them ten times a
/// second: the shell would sleep on in a `read` if one came just before it.
fn spawn_waiting(setup: &Setup, trap: &str) -> Binary {
    let wait = format!("{trap}; echo $ORGPROXY_URL; while :; do sleep 0.1; done");
    Binary::spawn(command(setup, &["sh", "-c", &wait]))
}

/// Asserts that nothing listens any more where the program found the org.
#[track_caller]
fn assert_gone(setup: &Setup, ended: &Ended) {
    let (_, port) = ended
        .stdout
        .lines()
        .next()
        .unwrap()
        .rsplit_once(':')
        .unwrap();
    let address = (Ipv4Addr::LOCALHOST, port.parse().unwrap());
    TcpListener::bind(address).unwrap();
    assert!(setup.org.logins() > 0);
}

fn variables(text: &str) -> HashMap<String, String> {
    text.lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}
