//! Servers whose TLS is bad, in place of an org's instance and of its login: clients learn what is
//! wrong, and such a server gets not one byte of HTTP, whatever is configured.

use std::{
    fs,
    net::Ipv4Addr,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use orgproxy::config::{Config, KEYS, Overrides};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, SanType, date_time_ymd,
};
use rustls_pki_types::CertificateDer;
use tempfile::TempDir;
use test_case::test_case;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::watch,
};
use tokio_rustls::TlsAcceptor;

use crate::rooms::sources;
use crate::support::{
    Binary, Files, Org, Own, Proxy, SHORT, TlsServer, client, files, in_time,
    path::LIMITS,
    settings::{settings, with_setting},
};

/// In place of what the server is.
#[derive(Debug, Clone, Copy)]
enum Place {
    Instance,
    Login,
}

const PLACES: [Place; 2] = [Place::Instance, Place::Login];

/// What every request has, and no handshake.
const HTTP: [&str; 4] = ["HTTP/1", "GET ", "POST ", "PRI *"];

#[tokio::test]
async fn a_good_one_is_spoken_to() {
    let certificates = Certificates::make(|_| ());
    for (place, request) in [
        (Place::Instance, "GET /services/data"),
        (Place::Login, "POST /services/oauth2/token"),
    ] {
        let server = TlsServer::start(certificates.folder(), "").await;
        let (_org, proxy) = proxy(place, server.port, Some(&certificates.authority)).await;
        let asked = tokio::spawn(client().get(proxy.url(LIMITS)).send());
        server.says(request, 1).await;
        asked.abort();
    }
}

#[test_case(|it| it.not_after = date_time_ymd(2020, 1, 1), "its certificate has expired on 2020-01-01; check the clock"; "expired")]
#[test_case(|it| it.not_before = date_time_ymd(2098, 1, 1), "its certificate is not valid yet, but will be on 2098-01-01"; "not valid yet")]
#[test_case(|it| it.subject_alt_names = vec![name("other.example")], "its certificate is not valid for the name localhost, only for other.example"; "for another name")]
#[test_case(|it| it.subject_alt_names.clear(), "its certificate is not valid for the name localhost, for no name at all"; "by its subject only")]
#[test_case(|it| it.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth], "its certificate is not one for servers"; "for clients")]
#[test_case(|it| it.is_ca = IsCa::Ca(BasicConstraints::Unconstrained), "its certificate is that of an authority"; "of an authority")]
#[tokio::test]
async fn one_with_a_bad_certificate_gets_nothing(change: fn(&mut CertificateParams), reason: &str) {
    let certificates = Certificates::make(change);
    gets_nothing(&certificates, "", true, reason).await;
}

#[tokio::test]
async fn one_of_an_unknown_authority_gets_nothing() {
    let certificates = Certificates::make(|_| ());
    gets_nothing(&certificates, "", false, "is by an unknown issuer").await;
}

#[tokio::test]
async fn one_that_signed_its_own_certificate_gets_nothing() {
    let certificates = Certificates::make(|_| ());
    certificates.openssl("req -x509 -newkey rsa:2048 -nodes -keyout leaf.key -out leaf.pem -days 9 -subj /CN=itself -addext subjectAltName=DNS:localhost -addext basicConstraints=CA:FALSE");
    gets_nothing(&certificates, "", true, "is by an unknown issuer").await;
}

#[test_case("rsa:1024", "-sha256", "too short (RSA needs 2048 bits)"; "a short key")]
#[test_case("rsa:2048", "-sha1", "signed in a way that is too weak"; "sha 1")]
#[tokio::test]
async fn one_with_weak_cryptography_gets_nothing(key: &str, digest: &str, reason: &str) {
    let certificates = Certificates::make(|_| ());
    fs::write(
        certificates.folder().join("ext"),
        "subjectAltName=DNS:localhost\n",
    )
    .unwrap();
    certificates.openssl(&format!(
        "req -new -newkey {key} -nodes -keyout leaf.key -out leaf.csr -subj /CN=localhost"
    ));
    certificates.openssl(&format!(
        "x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -set_serial 7 -days 9 {digest} \
         -extfile ext -out leaf.pem"
    ));
    gets_nothing(&certificates, "", true, reason).await;
}

#[test_case("-tls1_1")]
#[test_case("-tls1")]
#[tokio::test]
async fn one_with_an_old_version_of_tls_gets_nothing(version: &str) {
    let certificates = Certificates::make(|_| ());
    let reason = "it does not agree to TLS 1.2 or 1.3";
    gets_nothing(&certificates, version, true, reason).await;
}

#[test_case(Some(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), "something other than TLS, such as plain HTTP"; "plain http")]
#[test_case(Some(&[0x16, 3, 3, 0, 4, 9, 9, 9, 9]), "the TLS handshake failed"; "rubbish in form of TLS")]
#[test_case(Some(b""), "closed the connection during the TLS handshake"; "nothing")]
#[test_case(None, "the TLS handshake took longer than 2s (limits.connect)"; "silence")]
#[tokio::test]
async fn one_that_speaks_no_tls_gets_nothing(says: Option<&'static [u8]>, reason: &str) {
    for place in PLACES {
        let (port, heard) = without_tls(says).await;
        let (_org, proxy) = proxy(place, port, None).await;
        refused(&proxy, place, reason).await;
        let heard = heard.borrow().clone();
        assert!(!heard.is_empty());
        for heard in heard {
            assert_eq!(heard[0], 22, "a TLS handshake");
            no_http(&String::from_utf8_lossy(&heard));
        }
    }
}

/// Each setting that there is, with all that somebody might try.
#[tokio::test]
async fn nothing_that_can_be_set_has_it_trust_anybody() {
    const VALUES: [&str; 9] = [
        "true",
        "false",
        "0",
        "1",
        "\"off\"",
        "\"none\"",
        "\"insecure\"",
        "\"*\"",
        "\"localhost\"",
    ];

    let own = Own::make("localhost", 2099);
    let server = Counting::start(own.tls.clone()).await;
    let org = Org::start().await.unwrap();
    let instance = format!("https://localhost:{}", server.port);
    org.set(|knobs| knobs.instance_url = Some(instance));
    let folder = Files::new(&org);
    let rest = files::config(&org, "");

    let mut configs = Vec::new();
    for value in VALUES {
        for path in settings() {
            let text = with_setting(&rest, &path, value);
            configs.push((format!("{path} = {value}"), text, Overrides::default()));
        }
        for key in KEYS {
            let mut overrides = Overrides::default();
            overrides.set_flag(key, value.trim_matches('"').to_owned());
            configs.push((format!("{} {value}", key.flag), rest.clone(), overrides));
        }
    }
    let mut valid = 0;
    for (what, text, overrides) in configs {
        let path = folder.path("proxy.toml");
        // Most are refused.
        let Ok(mut config) = Config::from_toml(&text, &path, &overrides) else {
            continue;
        };
        valid += 1;
        config.threads = 1;
        let proxy = Proxy::serve(config).await;
        let answer = client().get(proxy.url(LIMITS)).send().await;
        let is_served = answer.is_ok_and(|answer| answer.status().is_success());
        // In its place is the demo org of the program itself.
        assert!(!is_served || what.contains("demo = true"), "{what}");
        assert_eq!(server.trusted(), 0, "{what}");
    }
    assert!(valid > 100, "{valid}");
    assert!(server.connections() > 50, "{}", server.connections());
}

/// What has other programs trust anybody.
#[tokio::test]
async fn no_variable_has_it_trust_anybody() {
    let own = Own::make("localhost", 2099);
    let server = Counting::start(own.tls.clone()).await;
    let org = Org::start().await.unwrap();
    let instance = format!("https://localhost:{}", server.port);
    org.set(|knobs| knobs.instance_url = Some(instance));
    let files = Files::new(&org);
    let mut command = Binary::command(&["--config", &files.config()]);
    for (name, value) in [
        ("NODE_TLS_REJECT_UNAUTHORIZED", "0"),
        ("PYTHONHTTPSVERIFY", "0"),
        ("GIT_SSL_NO_VERIFY", "true"),
        ("SSL_VERIFY", "none"),
        ("CURL_INSECURE", "1"),
        ("NO_VERIFY", "1"),
        ("INSECURE", "1"),
        ("ORGPROXY_INSECURE", "true"),
        ("ORGPROXY_VERIFY", "false"),
        ("ORGPROXY_TLS_VERIFY", "false"),
        ("ORGPROXY_TLS_INSECURE", "true"),
        ("ORGPROXY_SKIP_VERIFY", "true"),
    ] {
        command.env(name, value);
    }
    let proxy = Binary::spawn(command);
    let answer = client().get(proxy.url(LIMITS).await).send().await.unwrap();
    assert_eq!(answer.status(), 502);
    assert_eq!((server.connections(), server.trusted()), (1, 0));
}

/// Only what shows a person the certificate that a server has may look at it before it is verified.
#[test]
fn certificates_are_verified_in_one_way() {
    let is_other = |(_, text): &(_, String)| {
        [".dangerous()", "custom_certificate_verifier"]
            .iter()
            .any(|word| text.contains(word))
    };
    let found = sources().into_iter().filter(is_other);
    let found: Vec<_> = found.map(|(path, _)| path).collect();
    assert_eq!(found, [Path::new("src/command/verifier.rs")]);
}

/// Asserts that a server with `certificates` and these options of OpenSSL is refused for `reason`.
async fn gets_nothing(certificates: &Certificates, options: &str, trusted: bool, reason: &str) {
    for place in PLACES {
        let server = TlsServer::start(certificates.folder(), options).await;
        let authority = trusted.then_some(&certificates.authority);
        let (_org, proxy) = proxy(place, server.port, authority).await;
        refused(&proxy, place, reason).await;
        // Each handshake has failed at the server's side, too, and so nothing is still to come.
        let attempts = match place {
            Place::Instance => 1,
            Place::Login => 3,
        };
        no_http(&server.says("ERROR", attempts).await);
    }
}

/// Asserts that a request is refused for `reason`, in the shape of its API.
async fn refused(proxy: &Proxy, place: Place, reason: &str) {
    let answer = proxy.get(LIMITS).await;
    let (status, code) = match place {
        Place::Instance => (502, "ORG_UNREACHABLE"),
        Place::Login => (503, "LOGIN_UNAVAILABLE"),
    };
    assert_eq!(answer.status(), status, "{place:?}");
    let text = answer.text().await.unwrap().replace("\\\"", "\"");
    assert!(text.contains(reason), "{place:?}: {text}");
    assert!(text.contains(code), "{place:?}: {text}");
}

#[track_caller]
fn no_http(heard: &str) {
    for word in HTTP {
        assert!(!heard.contains(word), "{word}: {heard}");
    }
}

/// An org, and a proxy of it that finds what is at `port` in `place`, and trusts `authority`.
async fn proxy(place: Place, port: u16, authority: Option<&Certificate>) -> (Org, Proxy) {
    let org = Org::start().await.unwrap();
    let url = format!("https://localhost:{port}");
    let authority = authority.map(|authority| CertificateDer::from(authority.der().to_vec()));
    if let Place::Instance = place {
        org.set(|knobs| knobs.instance_url = Some(url.clone()));
    }
    let proxy = Proxy::with(&org, |config| {
        config.limits.connect = SHORT;
        config.orgs[0].ca.extend(authority);
        if let Place::Login = place {
            config.orgs[0].login_url = url.parse().unwrap();
        }
    })
    .await;
    (org, proxy)
}

fn name(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

/// An authority, and the certificate of a server that it has signed, in files.
struct Certificates {
    folder: TempDir,
    authority: Certificate,
}

impl Certificates {
    /// Makes a certificate for localhost that `change` has had its way with.
    fn make(change: fn(&mut CertificateParams)) -> Self {
        let folder = TempDir::new().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let authority = params.self_signed(&key).unwrap();
        let write = |name: &str, text: String| fs::write(folder.path().join(name), text).unwrap();
        write("ca.pem", authority.pem());
        write("ca.key", key.serialize_pem());

        let issuer = Issuer::new(params, key);
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params
            .distinguished_name
            .push(DnType::CommonName, "localhost");
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(2099, 1, 1);
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        write("leaf.pem", params.signed_by(&key, &issuer).unwrap().pem());
        write("leaf.key", key.serialize_pem());
        Self { folder, authority }
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn openssl(&self, arguments: &str) {
        let output = Command::new("openssl")
            .args(arguments.split_whitespace())
            .current_dir(&self.folder)
            .output()
            .expect("openssl must be installed");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {arguments}: {errors}");
    }
}

/// Takes connections, says something to each, if anything, once it has heard something, and ends it.
/// Returns all that each has sent.
async fn without_tls(says: Option<&'static [u8]>) -> (u16, watch::Receiver<Vec<Vec<u8>>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, heard) = watch::channel(Vec::new());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = Vec::with_capacity(4096);
            stream.read_buf(&mut bytes).await.unwrap();
            // Of what follows, nothing may come before the client is told.
            sender.send_modify(|heard| heard.push(bytes.clone()));
            if let Some(says) = says {
                stream.write_all(says).await.unwrap();
                stream.shutdown().await.unwrap();
            }
            let _ = in_time(stream.read_to_end(&mut bytes)).await;
            sender.send_modify(|heard| *heard.last_mut().unwrap() = bytes);
        }
    });
    (port, heard)
}

/// A server that nobody trusts, and that counts who does.
struct Counting {
    port: u16,
    counts: Arc<[AtomicUsize; 2]>,
}

impl Counting {
    async fn start(tls: Arc<rustls::ServerConfig>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let counts = Arc::<[AtomicUsize; 2]>::default();
        let shared = counts.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                shared[0].fetch_add(1, Relaxed);
                let accepted = TlsAcceptor::from(tls.clone()).accept(stream).await;
                shared[1].fetch_add(usize::from(accepted.is_ok()), Relaxed);
            }
        });
        Self { port, counts }
    }

    fn connections(&self) -> usize {
        self.counts[0].load(Relaxed)
    }

    fn trusted(&self) -> usize {
        self.counts[1].load(Relaxed)
    }
}
