//! `orgproxy trust`: what it shows for each client, and what it does for them.

use std::{
    fs::File,
    io::Write,
    os::unix::fs::{chown, symlink},
    path::PathBuf,
    process::Command,
};

use rustix::process::geteuid;
use tempfile::TempDir;
use test_case::test_case;

use crate::support::{Binary, Ended, binary::run, skip, user::NOBODY};

#[tokio::test]
async fn each_client_has_a_line_of_its_own() {
    let state = State::new();
    let ended = state.trust(&[]).await;
    assert_eq!(ended.code(), 0, "{ended:?}");
    let path = state.path("ca.pem").display().to_string();
    let bundle = state.path("bundle.pem").display().to_string();
    let store = state.path("truststore.p12").display().to_string();
    for line in [
        format!("curl --cacert {path} https://localhost:8443/services/data"),
        format!("export CURL_CA_BUNDLE={bundle}"),
        format!("export REQUESTS_CA_BUNDLE={bundle}"),
        format!("export SSL_CERT_FILE={bundle}"),
        format!("export GIT_SSL_CAINFO={bundle}"),
        format!("export GRPC_DEFAULT_SSL_ROOTS_FILE_PATH={bundle}"),
        format!("export PERL_LWP_SSL_CA_FILE={bundle}"),
        format!("export HTTPS_CA_FILE={bundle}"),
        format!("export NODE_EXTRA_CA_CERTS={path}"),
        format!(
            "export JAVA_TOOL_OPTIONS=\"$JAVA_TOOL_OPTIONS -Djavax.net.ssl.trustStore={store} \
             -Djavax.net.ssl.trustStoreType=PKCS12\""
        ),
        format!("php -d curl.cainfo={bundle} -d openssl.cafile={bundle} script.php"),
    ] {
        assert!(
            ended.stdout.lines().any(|said| said == line),
            "{line}: {ended:?}"
        );
    }
    for part in [
        format!("-file {path} -keystore \"$JAVA_HOME/lib/security/cacerts\""),
        format!("sudo install -m 644 {path} /usr/local/share/ca-certificates/orgproxy-"),
        "update-ca-certificates".to_owned(),
        format!("sudo install -m 644 {path} /etc/pki/ca-trust/source/anchors/orgproxy-"),
        "update-ca-trust".to_owned(),
        format!("System.keychain {path}"),
    ] {
        assert!(ended.stdout.contains(&part), "{part}: {ended:?}");
    }
}

#[test_case("a b" => "'FOLDER/a b/truststore.p12'"; "a blank")]
#[test_case("$(exit 1)`exit 1`\\" => "'FOLDER/$(exit 1)`exit 1`\\/truststore.p12'"; "what a shell obeys")]
#[test_case("$HOME" => "FOLDER/$HOME/truststore.p12"; "a variable")]
#[test_case("it's" => r#"'FOLDER/it'"'"'s/truststore.p12'"#; "a quote")]
#[test_case("\"$(exit 1) 'x" => r#"'FOLDER/"$(exit 1) '"'"'x/truststore.p12'"#; "both quotes")]
#[tokio::test]
async fn a_line_for_java_obeys_nothing_in_a_path(folder: &str) -> String {
    let state = State::new();
    let parent = state.path("");
    let folder = parent.join(folder);
    let ended = run(&["trust", "--state-dir", folder.to_str().unwrap()]).await;
    let mut lines = ended.stdout.lines();
    let line = lines.find(|line| line.starts_with("export JAVA_TOOL_OPTIONS="));
    let script = format!("{}\nprintf %s \"$JAVA_TOOL_OPTIONS\"", line.unwrap());
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &script])
        .env("JAVA_TOOL_OPTIONS", "-Dx=1");
    let said = String::from_utf8(shell.output().unwrap().stdout).unwrap();
    let store = said
        .strip_prefix("-Dx=1 -Djavax.net.ssl.trustStore=")
        .unwrap();
    let store = store.strip_suffix(" -Djavax.net.ssl.trustStoreType=PKCS12");
    let parent = parent.to_str().unwrap().trim_end_matches('/');
    store.unwrap().replace(parent, "FOLDER")
}

/// It stands in place of all others, so it must have all others.
#[tokio::test]
async fn the_bundle_has_the_systems_authorities_too() {
    let state = State::new();
    assert_eq!(state.trust(&[]).await.code(), 0);
    let bundle = std::fs::read_to_string(state.path("bundle.pem")).unwrap();
    let own = std::fs::read_to_string(state.path("ca.pem")).unwrap();
    assert!(bundle.contains(own.trim()));
    let count = |text: &str| text.matches("BEGIN CERTIFICATE").count();
    let system = [
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/cert.pem",
    ];
    let system = system
        .iter()
        .find_map(|path| std::fs::read_to_string(path).ok());
    let system = system.expect("this system's authorities");
    // Some may be the same.
    assert!(
        count(&bundle) > count(&system) / 2 + 1,
        "{}",
        count(&bundle)
    );
}

#[tokio::test]
async fn the_addresses_are_those_of_the_configuration() {
    let folder = TempDir::new().unwrap();
    let config = folder.path().join("acme.toml");
    // Incomplete, and yet it says where clients call.
    let text = "state_dir = \"state\"\n\
                [org.one]\nlisten = [\"localhost:9080\", \"https://localhost:9443\"]\n\
                hosts = [\"one.localhost\"]\n\
                [org.two]\nlisten = [\"127.0.0.1:9081\", \"https://[::1]:9444\"]\nintercept = true\n";
    std::fs::write(&config, text).unwrap();
    let ended = run(&["trust", "--config", config.to_str().unwrap()]).await;
    assert_eq!(ended.code(), 0, "{ended:?}");
    let path = folder.path().join("state/ca.pem").display().to_string();
    for line in [
        format!("curl --cacert {path} https://one.localhost:9443/services/data"),
        format!("curl --cacert {path} https://[::1]:9444/services/data"),
        format!(
            "curl -x http://localhost:9081 --cacert {path} \
             https://login.salesforce.com/services/data"
        ),
    ] {
        assert!(
            ended.stdout.lines().any(|said| said == line),
            "{line}: {ended:?}"
        );
    }
    for other in [":8443", ":8080", ":9080"] {
        assert!(!ended.stdout.contains(other), "{other}: {ended:?}");
    }
}

#[tokio::test]
async fn the_authority_is_made_once_and_then_kept() {
    let state = State::new();
    state.trust(&[]).await;
    let first = std::fs::read(state.path("ca.pem")).unwrap();
    assert!(first.starts_with(b"-----BEGIN CERTIFICATE-----\n"));
    state.trust(&[]).await;
    assert_eq!(std::fs::read(state.path("ca.pem")).unwrap(), first);
}

#[tokio::test]
async fn the_state_is_where_the_configuration_says_whatever_else_it_says() {
    let folder = TempDir::new().unwrap();
    let config = folder.path().join("acme.toml");
    std::fs::write(
        &config,
        "state_dir = \"my state\"\n[org.main]\nclient_id = 7\n",
    )
    .unwrap();
    let ended = run(&["trust", "--config", config.to_str().unwrap()]).await;
    assert_eq!(ended.code(), 0, "{ended:?}");
    let path = folder.path().join("my state/ca.pem");
    assert!(path.exists());
    // As a shell takes it.
    let quoted = format!("NODE_EXTRA_CA_CERTS='{}'", path.display());
    assert!(ended.stdout.contains(&quoted), "{ended:?}");
}

#[tokio::test]
async fn a_java_key_store_trusts_it_and_then_no_longer() {
    // A Java runtime is no need of the project's.
    if Command::new("keytool").arg("-help").output().is_err() {
        return skip("there is no keytool");
    }
    let state = State::new();
    let store = state.path("cacerts").display().to_string();
    let keytool = |arguments: &[&str]| {
        let output = Command::new("keytool")
            .args(arguments)
            .args(["-keystore", &store, "-storepass", "changeit"])
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    keytool(&[
        "-genkeypair",
        "-alias",
        "own",
        "-dname",
        "CN=own",
        "-keyalg",
        "EC",
    ]);

    let ended = state.trust(&["--java", &store]).await;
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert!(ended.stdout.contains("now trusts"), "{ended:?}");
    let listed = keytool(&["-list"]);
    assert!(
        listed.contains("orgproxy-") && listed.contains("trustedCertEntry"),
        "{listed}"
    );
    let again = state.trust(&["--java", &store]).await;
    assert!(again.stdout.contains("already trusts it"), "{again:?}");

    let undone = state.trust(&["--java", &store, "--undo"]).await;
    assert!(undone.stdout.contains("no longer trusts"), "{undone:?}");
    let listed = keytool(&["-list"]);
    assert!(
        !listed.contains("orgproxy-") && listed.contains("own"),
        "{listed}"
    );
    let again = state.trust(&["--java", &store, "--undo"]).await;
    assert!(again.stdout.contains("did not trust it"), "{again:?}");
}

/// By a program in place of keytool that only shows what it is given.
#[tokio::test]
async fn keytool_is_given_the_password_of_the_key_store_and_no_other_secret() {
    let state = State::new();
    let folder = state.folder();
    // Written by another process: see `copy_program`.
    let script = format!("printf '#!/bin/sh\\nenv > given' > {folder}/keytool");
    let script = format!("{script}; chmod 700 {folder}/keytool; touch {folder}/cacerts");
    let made = Command::new("sh").args(["-c", &script]).status().unwrap();
    assert!(made.success());
    // Incomplete, and yet it names a variable.
    let config = "[org.main]\nprivate_key = { env = \"KEY\" }\n";
    std::fs::write(state.path("proxy.toml"), config).unwrap();
    let store = state.path("cacerts").display().to_string();
    let mut command = Binary::command(&["trust", "--state-dir", &folder, "--java", &store]);
    let path = std::env::var("PATH").unwrap();
    command
        .current_dir(&folder)
        .env("PATH", format!("{folder}:{path}"))
        .env("ORGPROXY_KEYSTORE_PASSWORD", "changed-it")
        .env("ORGPROXY_PRIVATE_KEY", "CANARY")
        .env("KEY", "CANARY")
        .env("OTHER", "stays");
    let ended = Binary::spawn(command).end().await;
    assert_eq!(ended.code(), 0, "{ended:?}");
    let given = std::fs::read_to_string(state.path("given")).unwrap();
    for line in ["ORGPROXY_KEYSTORE_PASSWORD=changed-it\n", "OTHER=stays\n"] {
        assert!(given.contains(line), "{given}");
    }
    assert!(!given.contains("CANARY"), "{given}");
}

#[tokio::test]
async fn a_key_store_that_is_not_there_is_not_made() {
    let state = State::new();
    let store = state.path("nowhere").display().to_string();
    let ended = state.trust(&["--java", &store]).await;
    assert_eq!(ended.code(), 1);
    assert!(ended.stderr.contains("there is no key store"), "{ended:?}");
    assert!(!state.path("nowhere").exists());
}

#[tokio::test]
async fn there_is_nothing_to_undo_where_nothing_was_made() {
    let state = State::new();
    let ended = state.trust(&["--system", "--undo"]).await;
    assert_eq!(ended.code(), 1);
    assert!(
        ended.stderr.contains("there is nothing to undo"),
        "{ended:?}"
    );
    assert!(!state.path("ca.pem").exists());
    // To undo what?
    assert_eq!(state.trust(&["--undo"]).await.code(), 2);
}

/// Root does it, and takes it back; anybody else learns who can.
#[tokio::test]
async fn the_system_trusts_it_and_then_no_longer() {
    let state = State::new();
    state.trust(&[]).await;
    let mut file = File::options().append(true).open(state.path("ca.pem"));
    // Somebody may have more in it, or have it lead to more.
    file.as_mut().unwrap().write_all(b"CANARY\n").unwrap();
    let ended = state.trust(&["--system"]).await;
    if !geteuid().is_root() {
        assert_eq!(ended.code(), 1);
        let way_out = format!(
            "sudo orgproxy trust --system --state-dir {}",
            state.folder()
        );
        assert!(ended.stderr.contains(&way_out), "{ended:?}");
        return skip("only root changes what the system trusts");
    }
    let path = state.path("ca.pem").display().to_string();
    let trusted = || {
        // By the system's own authorities and no others.
        let verified = Command::new("openssl").args(["verify", &path]).output();
        verified.unwrap().status.success()
    };
    // The system keeps Java's store, too, where there is one.
    let in_java = || {
        let store = "/etc/ssl/certs/java/cacerts";
        let list = ["-list", "-storepass", "changeit", "-keystore", store];
        let listed = Command::new("keytool").args(list).output();
        let listed = listed.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        let alias = ended.stdout.rsplit('/').next().unwrap().trim();
        let alias = alias.trim_end_matches(".crt").to_owned();
        listed.is_ok_and(|listed| listed.contains(&alias))
    };
    assert_eq!(ended.code(), 0, "{ended:?}");
    let copied = ended.stdout.rsplit(' ').next().unwrap().trim();
    let copied = std::fs::read_to_string(copied).unwrap();
    assert!(
        copied.starts_with("-----BEGIN CERTIFICATE-----"),
        "{copied}"
    );
    assert!(!copied.contains("CANARY"), "{copied}");
    let was_trusted = trusted();
    let hook = std::path::Path::new("/etc/ca-certificates/update.d/jks-keystore");
    assert_eq!(in_java(), hook.exists());
    let undone = state.trust(&["--system", "--undo"]).await;
    assert_eq!(undone.code(), 0, "{undone:?}");
    assert!(was_trusted);
    assert!(!trusted());
    assert!(!in_java());
    // Nor is there a link left that leads nowhere.
    let links = std::fs::read_dir("/etc/ssl/certs").into_iter().flatten();
    let dangling = |link: &std::fs::DirEntry| !link.path().exists();
    let ours = |link: &std::fs::DirEntry| {
        link.file_name()
            .display()
            .to_string()
            .starts_with("orgproxy-")
    };
    let left = links.flatten().filter(|link| ours(link) && dangling(link));
    assert_eq!(left.count(), 0);
}

#[tokio::test]
async fn root_follows_no_link_and_writes_nothing_in_the_folder_of_another_user() {
    if !geteuid().is_root() {
        return skip("only root acts for other users");
    }
    let state = State::new();
    state.trust(&[]).await;
    for name in ["bundle.pem", "truststore.p12"] {
        std::fs::remove_file(state.path(name)).unwrap();
    }
    for name in ["", "ca.pem"] {
        chown(state.path(name), Some(NOBODY), None).unwrap();
    }
    let ended = state.trust(&[]).await;
    assert_eq!(ended.code(), 1, "{ended:?}");
    let reason = format!("belongs to user {NOBODY}, and files for clients are written there");
    assert!(ended.stderr.contains(&reason), "{ended:?}");
    assert!(!state.path("bundle.pem").exists());

    std::fs::rename(state.path("ca.pem"), state.path("real.pem")).unwrap();
    symlink(state.path("real.pem"), state.path("ca.pem")).unwrap();
    let ended = state.trust(&["--system"]).await;
    assert_eq!(ended.code(), 1, "{ended:?}");
    assert!(ended.stderr.contains("is not a certificate"), "{ended:?}");
}

struct State(TempDir);

impl State {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn folder(&self) -> String {
        self.0.path().display().to_string()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    async fn trust(&self, arguments: &[&str]) -> Ended {
        let folder = self.folder();
        run(&[&["trust", "--state-dir", &folder], arguments].concat()).await
    }
}
