//! `orgproxy init`: what it makes, what it refuses, and what it leaves as it is.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    os::unix::{
        ffi::OsStrExt,
        fs::{MetadataExt, PermissionsExt, chown, lchown, symlink},
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use rustix::process::geteuid;
use rustls_pki_types::{CertificateDer, pem::PemObject};
use tempfile::TempDir;
use test_case::test_case;

use crate::support::{
    Binary, Ended, Org,
    binary::{ORGPROXY, copy_program},
    chmod, client, curl,
    path::LIMITS,
    skip,
    user::NOBODY,
};

/// All that has to be said.
const NEW: &str = "init --yes --key-bits 2048 --username api@acme.com";

#[tokio::test]
async fn it_makes_all_that_a_login_needs() {
    let folder = Folder::new();
    let ended = folder
        .run(&format!("{NEW} --environment sandbox --days 30"))
        .await;
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert_eq!(ended.stderr, "");
    for name in ["main.key", "main.crt", "salesforce/main", "proxy.toml"] {
        assert!(
            ended.stdout.contains(&format!("  {name} ")),
            "{}",
            ended.stdout
        );
    }
    assert_eq!(folder.mode("main.key"), 0o600);
    assert_eq!(folder.mode("main.crt"), 0o644);
    assert_eq!(folder.mode("salesforce/main"), 0o755);
    let toml = folder.read("proxy.toml");
    for line in [
        "[org.main]",
        "username = \"api@acme.com\"",
        "private_key = \"main.key\"",
        "login_url = \"https://test.salesforce.com\"",
    ] {
        assert!(toml.contains(line), "{toml}");
    }
    assert_eq!(
        folder.run("check").await.stdout,
        "proxy.toml: ok, for main\n"
    );
}

#[tokio::test]
async fn nobody_else_can_write_to_what_it_makes_whatever_the_umask() {
    let folder = Folder::new();
    let mut command = tokio::process::Command::new("sh");
    let arguments = format!("umask 0; exec {ORGPROXY} {NEW} --config new/acme.toml");
    command
        .args(["-c", &arguments])
        .current_dir(&folder.0)
        .env("HOME", folder.0.path());
    let ended = Binary::spawn(command).end().await;
    assert_eq!(ended.code(), 0, "{ended:?}");
    let mut folders = vec![folder.0.path().to_owned()];
    let mut seen = 0;
    while let Some(path) = folders.pop() {
        let about = fs::symlink_metadata(&path).unwrap();
        assert_eq!(about.mode() & 0o022, 0, "{}", path.display());
        seen += 1;
        if about.is_dir() {
            let inner = fs::read_dir(&path).unwrap();
            folders.extend(inner.map(|entry| entry.unwrap().path()));
        }
    }
    assert!(seen > 6, "{seen}");
}

#[test_case("2048")]
#[test_case("3072")]
#[test_case("4096")]
#[tokio::test]
async fn openssl_takes_the_key_and_its_certificate(bits: &str) {
    let folder = Folder::new();
    let new = NEW.replace("2048", bits);
    folder.good(&format!("{new} --days 30")).await;
    folder.openssl("rsa -check -noout -in main.key");
    let text = folder.openssl("x509 -noout -text -in main.crt");
    for part in [
        &*format!("Public-Key: ({bits} bit)"),
        "Signature Algorithm: sha256WithRSAEncryption",
        "CN = orgproxy main",
    ] {
        let spaceless = |text: &str| text.replace(' ', "");
        assert!(spaceless(&text).contains(&spaceless(part)), "{text}");
    }
    assert_eq!(
        folder.openssl("rsa -modulus -noout -in main.key"),
        folder.openssl("x509 -modulus -noout -in main.crt")
    );
    // Valid now and on the 29th day, and no longer on the 31st.
    folder.openssl("x509 -noout -checkend 0 -in main.crt");
    folder.openssl(&format!("x509 -noout -checkend {} -in main.crt", 29 * DAY));
    let late = folder.try_openssl(&format!("x509 -noout -checkend {} -in main.crt", 31 * DAY));
    assert!(!late.0, "{}", late.1);
    assert!(fs::metadata(folder.path("main.crt")).unwrap().len() <= 4096);
}

#[tokio::test]
async fn no_two_are_alike() {
    let (one, two) = (Folder::new(), Folder::new());
    for folder in [&one, &two] {
        folder.good(NEW).await;
    }
    let serial = "x509 -noout -serial -in main.crt";
    assert_ne!(one.openssl(serial), two.openssl(serial));
    assert_ne!(one.read("main.key"), two.read("main.key"));
    assert_ne!(client_id(&one), client_id(&two));
    assert!((8..=256).contains(&client_id(&one).len()));
    assert!(client_id(&one).chars().all(|c| c.is_ascii_alphanumeric()));
}

#[tokio::test]
async fn the_app_has_the_certificate_and_the_consumer_key() {
    let folder = Folder::new();
    folder.good(NEW).await;
    let app = folder.read(
        "salesforce/main/app/extlClntAppGlobalOauthSets/orgproxy_main_glbloauth.ecaGlblOauth-meta.xml",
    );
    assert!(app.contains(&folder.read("main.crt")), "{app}");
    assert!(app.contains(&client_id(&folder)), "{app}");
    let files = folder.files();
    assert!(!files.values().any(|bytes| {
        let text = String::from_utf8_lossy(bytes);
        text.contains("PRIVATE KEY") && text.contains("<?xml")
    }));
}

#[tokio::test]
async fn a_connected_app_is_made_where_it_is_wanted() {
    let folder = Folder::new();
    folder
        .good(&format!("{NEW} --connected-app --email admin@acme.com"))
        .await;
    let app = folder.read("salesforce/main/app/connectedApps/orgproxy_main.connectedApp-meta.xml");
    assert!(app.contains("<contactEmail>admin@acme.com<"), "{app}");
}

#[tokio::test]
async fn an_app_that_is_there_needs_a_certificate_only() {
    let folder = Folder::new();
    let ended = folder.good(&format!("{NEW} --client-id 3MVG9.there")).await;
    assert!(!folder.path("salesforce").exists());
    assert_eq!(client_id(&folder), "3MVG9.there");
    assert!(ended.stdout.contains("Upload main.crt"), "{}", ended.stdout);
    assert!(!ended.stdout.contains("sf project"), "{}", ended.stdout);
}

#[tokio::test]
async fn what_is_to_be_done_next_fits_the_terminal_and_shows_no_secret() {
    let folder = Folder::new();
    let said = folder.good(NEW).await.stdout;
    for part in [
        "sf project deploy start --source-dir access",
        "sf org assign permset --name orgproxy_main",
        "--on-behalf-of api@acme.com",
        "sf project deploy start --source-dir app",
        "Wait 2 to 10 minutes",
        "orgproxy doctor\n",
        "External Client App Manager",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    for line in said.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    for line in folder.read("main.key").lines() {
        assert!(!said.contains(line), "{line}");
    }
}

#[tokio::test]
async fn a_passphrase_locks_the_key_and_the_proxy_opens_it() {
    let folder = Folder::new();
    folder.write("phrase", "sesame\n");
    let ended = folder
        .good(&format!("{NEW} --passphrase-file phrase"))
        .await;
    let key = folder.read("main.key");
    assert!(key.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"));
    folder.openssl("rsa -check -noout -in main.key -passin pass:sesame");
    assert!(
        !folder
            .try_openssl("rsa -check -noout -in main.key -passin pass:open")
            .0
    );
    let outline = folder.openssl("asn1parse -in main.key");
    assert!(outline.contains("aes-256-cbc"), "{outline}");
    assert!(!(ended.stdout + &folder.read("proxy.toml")).contains("sesame"));
    assert_eq!(folder.run("check").await.code(), 0);
}

#[test_case("--yes", "--username is missing"; "no username")]
#[test_case("--username api@acme.com", "cannot ask without a terminal: use --yes"; "nobody to ask")]
#[test_case("--yes --username api", "--username: \"api\" is not an email address"; "a username that is no address")]
#[test_case("--yes --username api@acme.com --email me", "--email: \"me\" is not an email address"; "no email")]
#[test_case("a.b --yes --username api@acme.com", "NAME: must consist of letters"; "name")]
#[test_case("../up --yes --username api@acme.com", "NAME: must consist of letters"; "a path")]
#[test_case("--yes --username api@acme.com --environment prod", "--environment: must be production, sandbox"; "environment")]
#[test_case("--yes --username api@acme.com --environment acme.lightning.force.com", "write the org's My Domain, https://acme.my.salesforce.com"; "lightning")]
#[test_case("--yes --username api@acme.com --environment example.com", "is not a Salesforce host"; "another host")]
#[test_case("--yes --username api@acme.com --passphrase-file none", "--passphrase-file: does not exist: "; "no passphrase")]
#[test_case("--yes --username api@acme.com --client-id=", "--client-id: must not be empty"; "no consumer key")]
#[test_case("--yes --username api@acme.com --key-bits 1024", "possible values: 2048, 3072, 4096"; "bits")]
#[test_case("--yes --username api@acme.com --days 0", "0 is not in 1..=3650"; "days")]
#[test_case("--demo --environment sandbox", "cannot be used with"; "demo elsewhere")]
#[test_case("--rotate-key --username x", "cannot be used with"; "rotation of another user")]
#[test_case("--rotate-key --from-sf acme", "cannot be used with"; "two at once")]
#[test_case("--rotate-key", "there is no proxy.toml here"; "nothing to rotate")]
#[tokio::test]
async fn what_is_wrong_is_reported_and_nothing_is_written(arguments: &str, message: &str) {
    let folder = Folder::new();
    let ended = folder.run(&format!("init {arguments}")).await;
    assert_ne!(ended.code(), 0);
    assert!(ended.stderr.contains(message), "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
    assert!(folder.files().is_empty());
}

#[tokio::test]
async fn nothing_is_overwritten() {
    let folder = Folder::new();
    folder.good(NEW).await;
    let before = folder.files();

    let again = folder.run(&format!("{NEW} --force")).await;
    assert_eq!(again.code(), 1);
    assert!(
        again.stderr.contains("proxy.toml already has an org main"),
        "{again:?}"
    );
    assert!(again.stderr.contains("init --rotate-key main"), "{again:?}");

    let elsewhere = folder.run(&format!("{NEW} --config other.toml")).await;
    assert_eq!(elsewhere.code(), 1);
    for name in ["main.key", "main.crt", "salesforce/main"] {
        assert!(
            elsewhere.stderr.contains(&format!("\n  {name}\n")),
            "{elsewhere:?}"
        );
    }
    assert_eq!(folder.files(), before);
}

#[tokio::test]
async fn nothing_is_put_into_the_folder_of_another_user() {
    if !geteuid().is_root() {
        return skip("only root gives folders away");
    }
    for is_link in [false, true] {
        let (folder, elsewhere) = (Folder::new(), TempDir::new().unwrap());
        let theirs = folder.path("salesforce");
        if is_link {
            symlink(elsewhere.path(), &theirs).unwrap();
        } else {
            fs::create_dir(&theirs).unwrap();
        }
        lchown(&theirs, Some(NOBODY), Some(NOBODY)).unwrap();
        let ended = folder.run(NEW).await;
        assert_eq!(ended.code(), 1, "{ended:?}");
        let reason = format!("salesforce belongs to user {NOBODY}, who could change");
        assert!(ended.stderr.contains(&reason), "{ended:?}");
        assert_eq!(fs::read_dir(&theirs).unwrap().count(), 0);
        assert!(!folder.path("proxy.toml").exists());
    }
}

#[tokio::test]
async fn by_force_all_is_made_anew_and_the_old_is_kept() {
    let folder = Folder::new();
    folder.good(NEW).await;
    let before = folder.files();
    let ended = folder
        .good(&format!("{NEW} --config other.toml --force"))
        .await;
    let after = folder.files();
    for (name, bytes) in &before {
        let name = name.display().to_string();
        let kept = match name.as_str() {
            "proxy.toml" => name.clone(),
            "main.key" | "main.crt" => format!("{name}.old"),
            _ => name.replace("salesforce/main/", "salesforce/main.old/"),
        };
        assert_eq!(after.get(Path::new(&kept)), Some(bytes), "{kept}");
    }
    assert_ne!(after[Path::new("main.key")], before[Path::new("main.key")]);
    assert_eq!(folder.mode("main.key.old"), 0o600);
    assert!(ended.stdout.contains("was main.key"), "{}", ended.stdout);
    assert!(ended.stdout.contains("orgproxy doctor --config other.toml"));
    assert_eq!(folder.run("check --config other.toml").await.code(), 0);
}

#[tokio::test]
async fn what_another_org_uses_is_not_replaced_even_by_force() {
    let folder = Folder::new();
    folder.good(NEW).await;
    let toml = folder.read("proxy.toml");
    folder.write("proxy.toml", &toml.replace("[org.main]", "[org.acme]"));
    let before = folder.files();
    for force in ["", " --force"] {
        let ended = folder.run(&format!("{NEW}{force}")).await;
        assert_eq!(ended.code(), 1);
        let message = "main.key is in use by org acme, and nothing was written";
        assert!(ended.stderr.contains(message), "{ended:?}");
        assert_eq!(folder.files(), before);
    }
}

#[tokio::test]
async fn of_several_at_once_none_is_lost() {
    let folder = Folder::new();
    folder.good(NEW).await;
    let names = ["a", "b", "c", "d"];
    let runs = names.map(|name| {
        let new = NEW.replace("init", &format!("init {name}"));
        Binary::spawn(folder.command(&new))
    });
    let mut made = vec!["main"];
    for (name, run) in names.into_iter().zip(runs) {
        let ended = run.end().await;
        if ended.code() == 0 {
            made.push(name);
            continue;
        }
        let message =
            "proxy.toml was changed meanwhile, and nothing was written; run the command again";
        assert!(ended.stderr.contains(message), "{ended:?}");
        for path in [&format!("{name}.key"), &format!("salesforce/{name}")] {
            assert!(!folder.path(path).exists(), "{path}");
        }
    }
    assert!(made.len() > 1);
    let toml = folder.read("proxy.toml");
    let there: Vec<_> = names
        .into_iter()
        .filter(|name| toml.contains(&format!("[org.{name}]")))
        .collect();
    assert_eq!(made[1..], there, "{toml}");
    assert_eq!(folder.run("check").await.code(), 0);
}

#[test_case("acme-dev", "acme_dev"; "signs")]
#[test_case("acme", "ACME"; "capitals")]
#[test_case("an-org-of-a-very-long-name-in-europe", "an-org-of-a-very-long-name-in-euro"; "length")]
#[tokio::test]
async fn no_two_orgs_have_apps_of_one_name(first: &str, second: &str) {
    let folder = Folder::new();
    let new = |name: &str| NEW.replace("init", &format!("init {name}"));
    folder.good(&new(first)).await;
    let before = folder.files();
    let ended = folder.run(&new(second)).await;
    assert_eq!(ended.code(), 1);
    let message = format!("like that of org {first} in proxy.toml; choose another name");
    assert!(ended.stderr.contains(&message), "{ended:?}");
    assert_eq!(folder.files(), before);
    // Without an app there is none to be mistaken.
    let no_app = format!("{} --client-id 3MVG9.there", new(second));
    folder.good(&no_app).await;
}

#[tokio::test]
async fn what_is_to_be_pasted_is_for_a_shell() {
    let folder = Folder::new();
    let mut command = folder.command("init --yes --key-bits 2048 --username r&d@acme.com");
    command.args(["--folder", "my keys"]);
    let ended = Binary::spawn(command).end().await;
    for part in [
        "cd 'my keys/salesforce/main'\n",
        "--on-behalf-of 'r&d@acme.com' --target-org",
        "orgproxy doctor --config 'my keys/proxy.toml'\n",
    ] {
        assert!(ended.stdout.contains(part), "{part}: {ended:?}");
    }
    let key = folder.read("my keys/main.key");

    let mut command = folder.command("init --rotate-key --key-bits 2048 --config");
    command.arg("my keys/proxy.toml");
    let said = Binary::spawn(command).end().await.stdout;
    assert!(said.contains("(cd 'my keys/salesforce/main' &&"), "{said}");
    folder.shell(&moves(&said));
    assert_eq!(folder.read("my keys/main.old.key"), key);
    assert_ne!(folder.read("my keys/main.key"), key);
}

#[tokio::test]
async fn a_path_that_no_configuration_can_hold_is_refused() {
    let folder = Folder::new();
    let mut command = folder.command(&format!("{NEW} --config proxy.toml --folder"));
    command.arg(OsStr::from_bytes(b"keys\xff"));
    let ended = Binary::spawn(command).end().await;
    assert_eq!(ended.code(), 1);
    assert!(ended.stderr.contains("is not UTF-8"), "{ended:?}");
    assert!(folder.files().is_empty());
}

#[tokio::test]
async fn it_closes_its_memory_before_all_else() {
    let folder = Folder::new();
    folder.shell("mkfifo pipe");
    let mut command = tokio::process::Command::new("sh");
    let program = ORGPROXY;
    let line = format!("ulimit -Sn 64; exec {program} {NEW} --config pipe");
    command.args(["-c", &line]).current_dir(&folder.0);
    let init = Binary::spawn(command);
    // Opens once the other side is there to read.
    let _configuration = fs::File::create(folder.path("pipe")).unwrap();
    init.assert_most_files();
}

#[tokio::test]
async fn one_org_more_leaves_what_was_written_as_it_is() {
    let folder = Folder::new();
    folder.good(NEW).await;
    let first = folder
        .read("proxy.toml")
        .replace("# listen", "# mine\n# listen");
    folder.write("proxy.toml", first.trim_end());
    let my_domain = "--environment https://acme--dev.sandbox.my.salesforce.com/";
    folder
        .good(&NEW.replace("init", &format!("init dev {my_domain}")))
        .await;
    folder.good(&NEW.replace("init", "init third")).await;

    let toml = folder.read("proxy.toml");
    assert!(toml.starts_with(&first), "{toml}");
    for line in [
        "login_url = \"https://acme--dev.sandbox.my.salesforce.com\"\n",
        "private_key = \"dev.key\"",
        "listen = \"localhost:8081\"\n",
        "listen = \"localhost:8082\"\n",
    ] {
        assert_eq!(toml.matches(line).count(), 1, "{line}: {toml}");
    }
    let checked = folder.run("check").await;
    assert_eq!(checked.stdout, "proxy.toml: ok, for main, dev, third\n");
}

#[tokio::test]
async fn a_file_with_mistakes_is_not_added_to() {
    let folder = Folder::new();
    folder.write("proxy.toml", "[org.old]\nclient_id = \"x\"\n");
    let ended = folder.run(NEW).await;
    assert_eq!(ended.code(), 1);
    for part in ["org.old.username: missing", "nothing was written"] {
        assert!(ended.stderr.contains(part), "{}", ended.stderr);
    }

    folder.write("proxy.toml", "x = [");
    let ended = folder.run(NEW).await;
    assert!(ended.stderr.contains("is not valid TOML"), "{ended:?}");
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    assert_eq!(folder.files().len(), 1);
}

#[test_case("main")]
#[test_case("demo --demo"; "demo")]
#[tokio::test]
async fn the_example_is_filled_in(arguments: &str) {
    let folder = Folder::new();
    let example = include_str!("../../proxy.toml");
    folder.write("proxy.toml", example);
    folder
        .good(&NEW.replace("init", &format!("init {arguments}")))
        .await;
    let (name, _) = arguments.split_once(' ').unwrap_or((arguments, ""));
    let checked = folder.run("check").await;
    assert_eq!(
        checked.stdout,
        format!("proxy.toml: ok, for {name}\n"),
        "{checked:?}"
    );
    // All that it explains is still there.
    let toml = folder.read("proxy.toml");
    let is_kept = |line: &&str| {
        line.starts_with("# ") && !(arguments.contains("--demo") && line.starts_with("# demo = "))
    };
    for line in example.lines().filter(is_kept) {
        assert!(
            toml.contains(
                &line
                    .replace("org.main", &format!("org.{name}"))
                    .replace("\"main\"", &format!("{name:?}"))
            ),
            "{line}"
        );
    }
}

#[tokio::test]
async fn everything_goes_into_the_folder_that_is_named() {
    let folder = Folder::new();
    let ended = folder.good(&format!("{NEW} --folder keys/acme")).await;
    let files = folder.files();
    assert!(
        files.keys().all(|path| path.starts_with("keys/acme")),
        "{files:?}"
    );
    let command = "orgproxy doctor --config keys/acme/proxy.toml";
    assert!(ended.stdout.contains(command), "{}", ended.stdout);
    assert_eq!(
        folder
            .run("check --config keys/acme/proxy.toml")
            .await
            .code(),
        0
    );
    // Found from wherever the configuration is.
    let toml = "--config proxy.toml --folder keys/other";
    folder
        .good(&NEW.replace("init", &format!("init {toml}")))
        .await;
    let text = folder.read("proxy.toml");
    assert!(text.contains("\"keys/other/main.key\""), "{text}");
    assert_eq!(folder.run("check").await.code(), 0);
}

#[tokio::test]
async fn the_demo_goes_from_nothing_to_an_answer() {
    let folder = Folder::new();
    let ended = folder.good("init --demo --yes --key-bits 2048").await;
    for line in [
        "orgproxy doctor\n",
        "orgproxy query \"SELECT Id, Name FROM Account\"\n",
    ] {
        assert!(ended.stdout.contains(line), "{}", ended.stdout);
    }
    assert_eq!(
        folder.run("check").await.stdout,
        "proxy.toml: ok, for demo\n"
    );
    let proxy = Binary::spawn(folder.command("run --port 0"));
    let answer = curl(&format!("curl {}", proxy.url(LIMITS).await)).await;
    assert_eq!(answer.status(), "200", "{answer:?}");
    assert_eq!(proxy.stop().await.code(), 0);
}

#[tokio::test]
async fn a_key_is_rotated_under_a_running_proxy() {
    let folder = Folder::new();
    folder.good("init --demo --yes --key-bits 2048").await;
    let org = Org::start_with(orgproxy::demo::App {
        client_id: client_id(&folder),
        username: "integration@demo.example".to_owned(),
        certificate: certificate(&folder, "demo.crt"),
    })
    .await
    .unwrap();
    // The same org, but one that is not in the process of the proxy.
    folder.write("ca.pem", org.ca_pem());
    let place = format!(
        "login_url = \"{}\"\ntrusted_hosts = \"localhost\"\nca_file = \"ca.pem\"\n\
         listen = \"127.0.0.1:0\"",
        org.instance_url()
    );
    let toml = folder.read("proxy.toml");
    let demo = toml
        .lines()
        .find(|line| line.starts_with("demo = true"))
        .unwrap();
    folder.write("proxy.toml", &toml.replace(demo, &place));
    let proxy = Binary::spawn(folder.command("run"));
    let ask = async || {
        let url = proxy.url(LIMITS).await;
        client().get(url).send().await.unwrap().status()
    };
    assert_eq!(ask().await, 200);

    let before = folder.files();
    let said = folder
        .good("init --rotate-key --key-bits 2048")
        .await
        .stdout;
    assert_eq!(folder.mode("demo.next.key"), 0o600);
    for name in ["demo.key", "demo.crt", "proxy.toml"] {
        let name = Path::new(name);
        assert_eq!(folder.files()[name], before[name], "{}", name.display());
    }
    let app = folder.read(
        "salesforce/demo/app/extlClntAppGlobalOauthSets/orgproxy_demo_glbloauth.ecaGlblOauth-meta.xml",
    );
    assert!(app.contains(&folder.read("demo.next.crt")), "{app}");
    assert!(app.contains(&client_id(&folder)), "{app}");
    let again = folder.run("init --rotate-key demo").await;
    assert!(again.stderr.contains("\n  demo.next.key\n"), "{again:?}");

    // As it says: the app first, then the files.
    assert!(said.find("sf project deploy").unwrap() < said.find("mv ").unwrap());
    org.replace_certificate(certificate(&folder, "demo.next.crt"));
    assert_eq!(ask().await, 200);
    assert_eq!(moves(&said).lines().count(), 4, "{said}");
    folder.shell(&moves(&said));
    org.end_sessions();
    assert_eq!(ask().await, 200);
    assert_eq!((org.logins(), org.counts().refusals), (2, 0));
    assert_eq!(
        folder.files()[Path::new("demo.old.key")],
        before[Path::new("demo.key")]
    );
    assert!(!folder.path("demo.next.key").exists());
}

#[tokio::test]
async fn a_rotation_can_be_begun_again() {
    let folder = Folder::new();
    folder.good(NEW).await;
    for force in ["", " --force"] {
        let rotation = format!("init --rotate-key --key-bits 2048{force}");
        let said = folder.good(&rotation).await.stdout;
        assert!(said.contains("sf project deploy start"), "{said}");
        let app = folder.read(
            "salesforce/main/app/extlClntAppGlobalOauthSets/orgproxy_main_glbloauth.ecaGlblOauth-meta.xml",
        );
        assert!(app.contains(&folder.read("main.next.crt")), "{app}");
    }
    assert!(folder.path("main.next.key.old").exists());
}

#[tokio::test]
async fn a_rotation_changes_nothing_that_is_not_in_the_package() {
    let folder = Folder::new();
    folder.good(NEW).await;
    symlink("../../main.crt", folder.path("salesforce/main/link.crt")).unwrap();
    let before = folder.read("main.crt");
    folder.good("init --rotate-key --key-bits 2048").await;
    assert_eq!(folder.read("main.crt"), before);
    // Nobody ever writes to it.
    folder.shell("mkfifo salesforce/main/pipe");
    let rotation = "init --rotate-key --key-bits 2048 --force";
    let said = folder.good(rotation).await.stdout;
    assert!(said.contains("sf project deploy start"), "{said}");
}

#[test_case("e\n"; "text")]
#[test_case(""; "nothing")]
#[test_case("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"; "a beginning")]
#[tokio::test]
async fn a_package_is_left_alone_if_its_certificate_is_not_known(certificate: &str) {
    let folder = Folder::new();
    folder.good(NEW).await;
    folder.write("main.crt", certificate);
    let before = folder.files();
    let said = folder
        .good("init --rotate-key --key-bits 2048")
        .await
        .stdout;
    assert!(said.contains("Upload main.next.crt"), "{said}");
    let after = folder.files();
    for (path, bytes) in &before {
        assert_eq!(after.get(path), Some(bytes), "{}", path.display());
    }
}

#[tokio::test]
async fn whoever_reads_the_key_reads_the_next_one() {
    let folder = Folder::new();
    folder.good(NEW).await;
    folder.open_to_group();
    let key = folder.path("main.key");
    // Only root may choose any.
    if geteuid().is_root() {
        chown(&key, None, Some(GROUP)).unwrap();
    }
    let said = folder
        .good("init --rotate-key --key-bits 2048")
        .await
        .stdout;
    assert_eq!(folder.mode("main.next.key"), 0o640);
    let group = |path: &Path| fs::metadata(path).unwrap().gid();
    assert_eq!(group(&folder.path("main.next.key")), group(&key));
    assert!(!said.contains("chown"), "{said}");
}

#[tokio::test]
async fn a_user_whom_the_next_key_cannot_be_given_to_is_named() {
    if !geteuid().is_root() {
        return skip("only root gives a key to a group that its owner is not in");
    }
    let folder = Folder::new();
    folder.good(NEW).await;
    folder.open_to_group();
    copy_program(&folder.path("orgproxy"));
    for name in folder.files().keys() {
        lchown(folder.0.path().join(name), Some(NOBODY), Some(NOBODY)).unwrap();
    }
    chown(&folder.0, Some(NOBODY), Some(NOBODY)).unwrap();
    chown(folder.path("main.key"), None, Some(GROUP)).unwrap();
    let mut command = tokio::process::Command::new(folder.path("orgproxy"));
    command
        .args(["init", "--rotate-key", "--key-bits", "2048"])
        .current_dir(&folder.0)
        .uid(NOBODY)
        .gid(NOBODY);
    let ended = Binary::spawn(command).end().await;
    assert_eq!(folder.mode("main.next.key"), 0o600, "{ended:?}");
    for part in [
        &*format!("chown {NOBODY}:{GROUP} main.next.key\n"),
        "chmod 640 main.next.key\n",
    ] {
        assert!(ended.stdout.contains(part), "{part}: {ended:?}");
    }
}

#[tokio::test]
async fn the_key_of_an_earlier_rotation_is_kept() {
    let folder = Folder::new();
    folder.good(NEW).await;
    folder.write("main.old.key", "the first");
    let key = folder.read("main.key");
    let said = folder
        .good("init --rotate-key --key-bits 2048")
        .await
        .stdout;
    folder.shell(&moves(&said));
    assert_eq!(folder.read("main.old.key"), "the first");
    assert_eq!(folder.read("main.old2.key"), key);
}

#[tokio::test]
async fn an_app_that_init_did_not_make_has_its_next_certificate_uploaded() {
    let folder = Folder::new();
    folder.good(&format!("{NEW} --client-id 3MVG9.there")).await;
    let said = folder
        .good("init --rotate-key --key-bits 2048")
        .await
        .stdout;
    assert!(said.contains("Upload main.next.crt"), "{said}");
    assert!(!said.contains("sf project deploy"), "{said}");
}

#[tokio::test]
async fn the_next_key_opens_with_the_passphrase_of_the_old_one() {
    let folder = Folder::new();
    folder.write("phrase", "sesame\n");
    folder
        .good(&format!("{NEW} --passphrase-file phrase"))
        .await;
    folder.good("init --rotate-key main --key-bits 2048").await;
    folder.openssl("rsa -check -noout -in main.next.key -passin pass:sesame");
}

#[test_case("init --rotate-key", "there are several orgs: main, dev; name one"; "of two")]
#[test_case("init --rotate-key prod", "there is no org prod; there are main, dev"; "of none")]
#[tokio::test]
async fn a_rotation_has_to_know_whose_key(arguments: &str, message: &str) {
    let folder = Folder::new();
    folder.good(NEW).await;
    folder.good(&NEW.replace("init", "init dev")).await;
    let ended = folder.run(arguments).await;
    assert!(ended.stderr.contains(message), "{}", ended.stderr);
}

#[tokio::test]
async fn a_key_that_is_in_no_file_is_rotated_elsewhere() {
    let folder = Folder::new();
    folder.good(NEW).await;
    let toml = folder.read("proxy.toml");
    let toml = toml.replace("\"main.key\"", "{ command = [\"cat\", \"main.key\"] }");
    folder.write("proxy.toml", &toml);
    let ended = folder.run("init --rotate-key").await;
    assert!(
        ended.stderr.contains("is not kept in a file"),
        "{}",
        ended.stderr
    );
}

#[test_case("acme"; "alias")]
#[test_case("api@acme.com"; "username")]
#[tokio::test]
async fn an_org_of_the_salesforce_cli_is_taken_over(name: &str) {
    let folder = Folder::new();
    let key = folder.with_sf(&[]);
    let before = folder.files();
    let ended = folder
        .good(&format!("init prod --from-sf {name} --folder made"))
        .await;
    let toml = folder.read("made/proxy.toml");
    for line in [
        "[org.prod]".to_owned(),
        "client_id = \"3MVG9.sf\"".to_owned(),
        "username = \"api@acme.com\"".to_owned(),
        format!("private_key = \"{key}\""),
        "login_url = \"https://acme.my.salesforce.com\"".to_owned(),
    ] {
        assert!(toml.contains(&line), "{line}: {toml}");
    }
    assert!(!(toml + &ended.stdout).contains("CANARY"));
    assert_eq!(folder.files().len(), before.len() + 1);
    assert_eq!(folder.run("check --config made/proxy.toml").await.code(), 0);
}

#[test_case("other", &[], "the Salesforce CLI does not know an org \"other\""; "no such alias")]
#[test_case("../sf", &[], "does not know an org \"../sf\""; "a path")]
#[test_case("acme", &["privateKey"], "was logged in to api@acme.com in a browser"; "by browser")]
#[test_case("acme", &["clientId"], "api@acme.com.json has no clientId"; "no consumer key")]
#[test_case("acme", &["key"], "sf.key does not exist"; "no key")]
#[test_case("acme", &["mode"], "sf.key can be read by others (mode 0644); run `chmod 600"; "a key open to others")]
#[test_case("acme", &["json"], "not a file as the Salesforce CLI writes it"; "no json")]
#[tokio::test]
async fn an_org_of_the_salesforce_cli_that_cannot_be_taken_over(
    name: &str,
    without: &[&str],
    message: &str,
) {
    let folder = Folder::new();
    folder.with_sf(without);
    let before = folder.files();
    let ended = folder.run(&format!("init --from-sf {name}")).await;
    assert_eq!(ended.code(), 1);
    assert!(ended.stderr.contains(message), "{}", ended.stderr);
    assert!(!ended.stderr.contains("CANARY"), "{}", ended.stderr);
    assert_eq!(folder.files(), before);
}

#[tokio::test]
async fn what_no_variable_of_the_proxy_says_is_taken_for_an_answer() {
    let folder = Folder::new();
    let mut command = folder.command("init --yes");
    command.env("ORGPROXY_USERNAME", "api@acme.com");
    let ended = Binary::spawn(command).end().await;
    assert!(ended.stderr.contains("--username is missing"), "{ended:?}");
}

/// Where the program is run.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
        chmod(&self.path(name), 0o600);
    }

    /// Lets a group read the key, as its configuration says.
    fn open_to_group(&self) {
        let toml = self.read("proxy.toml");
        let key = "{ file = \"main.key\", allow_group_read = true }";
        self.write("proxy.toml", &toml.replace("\"main.key\"", key));
        chmod(&self.path("main.key"), 0o640);
    }

    fn mode(&self, name: &str) -> u32 {
        fs::metadata(self.path(name)).unwrap().permissions().mode() & 0o7777
    }

    fn command(&self, arguments: &str) -> tokio::process::Command {
        let arguments: Vec<_> = arguments.split(' ').collect();
        let mut command = Binary::command(&arguments);
        command.current_dir(&self.0).env("HOME", self.0.path());
        command
    }

    async fn run(&self, arguments: &str) -> Ended {
        Binary::spawn(self.command(arguments)).end().await
    }

    async fn good(&self, arguments: &str) -> Ended {
        let ended = self.run(arguments).await;
        assert_eq!(ended.code(), 0, "{arguments}: {ended:?}");
        ended
    }

    #[track_caller]
    fn openssl(&self, arguments: &str) -> String {
        let (good, said) = self.try_openssl(arguments);
        assert!(good, "openssl {arguments}: {said}");
        said
    }

    fn try_openssl(&self, arguments: &str) -> (bool, String) {
        let output = Command::new("openssl")
            .args(arguments.split(' '))
            .current_dir(&self.0)
            .stdin(Stdio::null())
            .output()
            .expect("openssl must be installed");
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(said).unwrap())
    }

    #[track_caller]
    fn shell(&self, lines: &str) {
        let status = Command::new("sh")
            .args(["-ec", lines])
            .current_dir(&self.0)
            .status();
        assert!(status.unwrap().success(), "{lines}");
    }

    /// Every file in it.
    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        let mut folders = vec![self.0.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let name = path.strip_prefix(self.0.path()).unwrap().to_owned();
                    files.insert(name, fs::read(path).unwrap());
                }
            }
        }
        files
    }

    /// Writes what the Salesforce CLI leaves after `sf org login jwt`, without some of it. Returns the
    /// path of the key.
    fn with_sf(&self, without: &[&str]) -> String {
        let key = self.path("sf.key");
        if !without.contains(&"key") {
            self.openssl("genrsa -out sf.key 2048");
            let mode = if without.contains(&"mode") {
                0o644
            } else {
                0o600
            };
            chmod(&key, mode);
        }
        let key = key.display().to_string();
        let auth: Vec<_> = [
            ("accessToken", "CANARY0a1b2c"),
            ("username", "api@acme.com"),
            ("clientId", "3MVG9.sf"),
            ("privateKey", &*key),
            ("instanceUrl", "https://acme.my.salesforce.com"),
            ("loginUrl", "https://login.salesforce.com"),
        ]
        .into_iter()
        .filter(|(name, _)| !without.contains(name))
        .map(|(name, value)| format!("{name:?}: {value:?}"))
        .collect();
        let auth = if without.contains(&"json") {
            "{\"accessToken\": \"CANARY".to_owned()
        } else {
            format!("{{{}}}", auth.join(", "))
        };
        fs::create_dir(self.path(".sfdx")).unwrap();
        self.write(".sfdx/api@acme.com.json", &auth);
        self.write(
            ".sfdx/alias.json",
            "{\"orgs\": {\"acme\": \"api@acme.com\"}}",
        );
        key
    }
}

/// The lines that put a key in place.
fn moves(said: &str) -> String {
    let lines = said.lines().map(str::trim_start);
    let moves: Vec<_> = lines.filter(|line| line.starts_with("mv ")).collect();
    moves.join("\n")
}

/// Returns the client id of the first org.
fn client_id(folder: &Folder) -> String {
    let toml = folder.read("proxy.toml");
    let (_, rest) = toml.split_once("\nclient_id = \"").unwrap();
    rest.split_once('"').unwrap().0.to_owned()
}

fn certificate(folder: &Folder, name: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(folder.path(name)).unwrap()
}

const GROUP: u32 = 4242;

/// Seconds.
const DAY: u32 = 24 * 60 * 60;
