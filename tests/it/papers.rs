//! The papers beside the program are true of it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use orgproxy::config::KEYS;

const README: &str = include_str!("../../README.md");
const DOCKERFILE: &str = include_str!("../../docker/Dockerfile");
const UNIT: &str = include_str!("../../docker/orgproxy.service");

#[test]
fn the_readme_has_every_key_with_its_flag_and_variable() {
    for key in KEYS {
        let of_key = |line: &&str| line.contains(&format!("`{}`", key.variable));
        let line = README.lines().find(of_key);
        let line = line.unwrap_or_else(|| panic!("{} is missing", key.name));
        assert!(line.contains(&format!("`{}`", key.flag)), "{line}");
        // The port is a part of `listen` in the file.
        let starts = line.starts_with(&format!("| `{}` |", key.in_file()));
        assert!(starts || key.name == "port", "{line}");
    }
    let guard = [
        "allow_remote",
        "client_key",
        "allow_origins",
        "allow_paths",
        "allow_users",
        "endpoint",
        "calls",
        "others",
        "requests_per_second",
        "long_calls",
        "long_after",
        "wait",
        "queue",
        "mode",
        "read_only",
        "execute_anonymous",
        "metadata_deploy",
        "setup",
        "person_accounts",
        "methods",
        "paths",
        "deny_paths",
        "read_paths",
        "read_objects",
        "write_objects",
        "deny_objects",
        "read_fields",
        "write_fields",
        "deny_fields",
    ];
    for key in guard {
        assert!(README.contains(&format!("\n| `{key}` |")), "{key}");
    }
}

#[test]
fn the_readme_has_every_code_of_an_answer() {
    let source = include_str!("../../src/proxy/error.rs");
    let codes: Vec<_> = source
        .lines()
        .filter(|line| line.contains("=>"))
        .filter_map(|line| line.split('"').nth(1))
        .filter(|code| code.len() > 3 && code.chars().all(|c| c == '_' || c.is_ascii_uppercase()))
        .collect();
    assert!(codes.len() > 20, "{codes:?}");
    for code in codes {
        assert!(README.contains(&format!("`{code}`")), "{code}");
    }
}

#[test]
fn the_image_runs_as_nobody_in_particular_and_asks_the_binary_itself() {
    let (build, image) = DOCKERFILE.split_once("\nFROM debian").unwrap();
    let jitter = "AWS_LC_SYS_NO_JITTER_ENTROPY=1";
    assert!(build.contains(&format!("ENV {jitter}")));
    assert!(include_str!("../../.cargo/config.toml").contains("AWS_LC_SYS_NO_JITTER_ENTROPY"));
    let version = env!("CARGO_PKG_RUST_VERSION");
    assert!(
        build.contains(&format!("FROM rust:{version}-")),
        "{version}"
    );

    let line = |start: &str| {
        let mut lines = image.lines().filter(|line| line.starts_with(start));
        let line = lines.next().unwrap_or_else(|| panic!("no {start}"));
        assert_eq!(lines.next(), None);
        line.trim_start_matches(start).trim()
    };
    let user: u32 = line("USER").split(':').next().unwrap().parse().unwrap();
    assert!(user > 0);
    assert_eq!(line("ENTRYPOINT"), "[\"orgproxy\"]");
    assert_eq!(line("CMD"), "[\"run\"]");
    assert!(image.contains("    CMD [\"orgproxy\", \"health\"]\n"));
    assert!(line("HEALTHCHECK").starts_with("--"));
}

#[test]
fn the_service_hands_the_key_over_as_a_credential() {
    assert!(UNIT.contains("\nLoadCredential=server.key:"));
    assert!(UNIT.contains("private_key = { credential = \"server.key\" }"));
    // A configuration with mistakes.
    assert!(UNIT.contains("\nRestartPreventExitStatus=64\n"));
}

#[test]
fn the_service_reloads_by_the_admin_listener_that_it_has() {
    let line = |start: &str| {
        let mut lines = UNIT.lines().filter_map(|line| line.strip_prefix(start));
        lines.next().unwrap_or_else(|| panic!("no {start}"))
    };
    let (run, reload) = (line("ExecStart="), line("ExecReload="));
    assert_eq!(run.replace(" run ", " reload "), reload);
    let admin = line("Environment=ORGPROXY_ADMIN_LISTEN=unix:/run/");
    assert!(admin.starts_with(line("RuntimeDirectory=")), "{admin}");
}

/// `.ci/run packaging` has systemd judge the unit besides.
#[test]
fn the_service_can_do_little_beyond_its_work() {
    for line in [
        "DynamicUser=yes",
        "NoNewPrivileges=yes",
        "CapabilityBoundingSet=",
        "AmbientCapabilities=",
        "ProtectSystem=strict",
        "ProtectHome=yes",
        "PrivateTmp=yes",
        "PrivateDevices=yes",
        "ProtectProc=invisible",
        "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK",
        "RestrictNamespaces=yes",
        "MemoryDenyWriteExecute=yes",
        "SystemCallFilter=@system-service",
        "SystemCallFilter=~@privileged @resources",
        "UMask=0077",
        "LimitCORE=0",
    ] {
        let count = UNIT.lines().filter(|it| *it == line).count();
        assert_eq!(count, 1, "{line}");
    }
    // An empty list resets what stands before it, and nothing is added behind it.
    let added = |key: &str| UNIT.lines().filter(|line| line.starts_with(key)).count();
    assert_eq!(added("CapabilityBoundingSet"), 1);
    assert_eq!(added("ReadWritePaths"), 0);
}

#[test]
fn no_container_of_the_manifests_can_do_more_than_its_work() {
    for manifest in [
        include_str!("../../docker/kubernetes/sidecar/deployment.yaml"),
        include_str!("../../docker/kubernetes/shared/deployment.yaml"),
    ] {
        let count = |words: &str| manifest.matches(words).count();
        let containers = count(" image: ");
        assert_eq!(containers, 2);
        for (words, times) in [
            ("\n        runAsNonRoot: true\n", 1),
            ("\n          type: RuntimeDefault\n", 1),
            ("\n      automountServiceAccountToken: false\n", 1),
            (
                "\n            allowPrivilegeEscalation: false\n",
                containers,
            ),
            ("\n            readOnlyRootFilesystem: true\n", containers),
            ("\n              drop: [ALL]\n", containers),
            ("privileged: true", 0),
            ("hostNetwork", 0),
            ("hostPath", 0),
            ("add: [", 0),
        ] {
            assert_eq!(count(words), times, "{words:?}");
        }
    }
}

/// It leads to the rest, and repeats nothing of it.
#[test]
fn the_security_policy_leads_to_what_there_is() {
    let policy = include_str!("../../SECURITY.md");
    for heading in ["Reporting", "Promised", "Not promised", "Hardening"] {
        assert!(policy.contains(&format!("\n## {heading}\n")), "{heading}");
    }
    let links: Vec<_> = policy.split("](").skip(1).collect();
    assert!(links.len() > 5);
    for link in links {
        let link = link.split(')').next().unwrap();
        let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
        assert!(Path::new(file).exists(), "{link}");
        let slug = |line: &str| -> String {
            let kept = line.chars().filter(|c| c.is_alphanumeric() || *c == ' ');
            kept.collect::<String>()
                .trim()
                .to_lowercase()
                .replace(' ', "-")
        };
        let mut headings = README.lines().filter(|line| line.starts_with('#'));
        assert!(
            anchor.is_empty() || headings.any(|it| slug(it) == anchor),
            "{link}"
        );
    }
    // An address that nobody reads would be worse than none.
    assert!(!policy.contains('@'));
}

/// `.ci/run deny` sees more, where its database can be fetched.
#[test]
fn the_program_is_made_of_nothing_that_is_known_to_leak() {
    // RUSTSEC-2023-0071, and TLS besides the one that there is.
    for name in ["rsa", "openssl", "openssl-sys", "native-tls"] {
        assert!(versions(name).is_empty(), "{name}");
    }
    for (name, least) in [
        // A length before a coding was passed on.
        ("hyper", [1, 11, 0]),
        // RUSTSEC-2026-0258: empty frames without end.
        ("h2", [0, 4, 16]),
        // RUSTSEC-2025-0055: what is logged was obeyed by terminals.
        ("tracing-subscriber", [0, 3, 20]),
    ] {
        let versions = versions(name);
        let is_new = !versions.is_empty() && versions.iter().all(|version| *version >= least);
        assert!(is_new, "{name} {versions:?}");
    }
    assert!(include_str!("../../Cargo.toml").contains("\nunsafe_code = \"forbid\"\n"));
    let deny = include_str!("../../.deny.toml");
    assert!(!deny.contains("ignore"), "an advisory is not looked at");
}

#[test]
fn each_dependency_has_its_reason() {
    let text = include_str!("../../Cargo.toml");
    let (mut is_dependency, mut has_reason, mut count) = (false, false, 0);
    let mut known = Vec::new();
    for line in text.lines() {
        if line.starts_with('[') {
            is_dependency = line.ends_with("dependencies]");
        } else if is_dependency
            && !line.starts_with('#')
            && let Some((name, _)) = line.split_once(" = ")
        {
            // What tests use more of has been explained.
            assert!(has_reason || known.contains(&name), "{name}");
            known.push(name);
            count += 1;
        }
        has_reason = line.starts_with("# ");
    }
    assert!(count > 80, "{count}");
}

/// The versions of a package that become part of the program.
fn versions(name: &str) -> Vec<[u32; 3]> {
    let lock = include_str!("../../Cargo.lock");
    let start = format!("name = \"{name}\"\nversion = \"");
    let found = lock.split(&start).skip(1);
    found
        .map(|rest| {
            let version = rest.split('"').next().unwrap();
            let mut parts = version.split('.').map(|part| part.parse().unwrap());
            [(); 3].map(|()| parts.next().unwrap())
        })
        .collect()
}

#[test]
fn what_comments_cite_is_here() {
    let mut cited = 0;
    for (path, text) in texts() {
        // Sections of notes that are not in the repository.
        assert!(!text.contains("S\u{a7}"), "{}", path.display());
        for (at, before) in text.match_indices("facts::") {
            let name: String = text[at + before.len()..]
                .chars()
                .take_while(|c| c.is_ascii_lowercase() || *c == '_')
                .collect();
            if !name.is_empty() {
                let module = Path::new("src/salesforce/facts").join(format!("{name}.rs"));
                assert!(module.is_file(), "{} cites {name}", path.display());
                cited += 1;
            }
        }
    }
    assert!(cited > 20, "{cited}");
}

/// Every file that is written by hand and is text.
fn texts() -> Vec<(PathBuf, String)> {
    let mut texts = Vec::new();
    let mut paths = vec![PathBuf::from(".")];
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).unwrap();
            let entries = entries.map(|entry| entry.unwrap().path());
            paths.extend(entries.filter(|entry| !is_made(entry)));
        } else if let Ok(text) = fs::read_to_string(&path) {
            texts.push((path, text));
        }
    }
    assert!(texts.len() > 200);
    texts
}

/// True for what git or cargo has written.
fn is_made(path: &Path) -> bool {
    [".git", "target"].iter().any(|name| path.ends_with(name))
}
