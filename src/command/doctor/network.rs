//! The way to a host: proxy, name, TCP, TLS.

use std::{
    collections::BTreeSet,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use http::uri::Authority;
use rustls::{CertificateError, ClientConfig, ProtocolVersion};
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::{net::lookup_host, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};
use url::Url;
use x509_parser::{parse_x509_certificate, x509::X509Name};

use super::{
    login::milliseconds,
    report::{Check, Report},
};
use crate::{
    command::{health, verifier::Verifier},
    config::{Config, Listen, Org},
    network::{Dialer, OwnListeners, Proxy, Socket, bare, port, tls},
};

/// The names of the steps to a host.
pub(super) struct Names {
    name: &'static str,
    connection: &'static str,
    /// The check that it is not an orgproxy.
    other: &'static str,
    tls: &'static str,
}

pub(super) const LOGIN: Names = Names {
    name: "login_host_name",
    connection: "login_host_connection",
    other: "login_host_elsewhere",
    tls: "login_host_tls",
};

pub(super) const INSTANCE: Names = Names {
    name: "instance_name",
    connection: "instance_connection",
    other: "instance_elsewhere",
    tls: "instance_tls",
};

/// Host and port of a URL.
pub(super) fn authority_of(url: &Url) -> Option<Authority> {
    url.authority().parse().ok()
}

/// Connects to the host as logins and requests do, each step within `limits.connect`. Returns
/// whether the way leads back to orgproxy.
pub(super) async fn check(
    names: &Names,
    host: &Authority,
    org: &Org,
    config: &Config,
    report: &mut Report,
) -> bool {
    let made = verifier(org).and_then(|verifier| {
        let tls = verifier.client_config();
        let tls = tls.map_err(|error| error.to_string())?;
        Ok((verifier, tls))
    });
    let (verifier, tls) = match made {
        Ok(made) => made,
        Err(error) => {
            report.add(Check::failed(names.tls, error));
            return false;
        }
    };
    let limit = config.limits.connect;
    let (proxies, stall) = (config.proxies_to(org), config.limits.idle_body);
    let dialer = Dialer::new(proxies, &tls, limit, stall, OwnListeners::default());
    let proxy = dialer.proxy(host);
    let proxy = proxy.map(|proxy| format!("the proxy {proxy} of {}", proxy.variable));

    if !resolve(names, host, proxy.as_deref(), org, limit, report).await {
        report.add(Check::skipped(
            names.connection,
            "not tried without an address",
        ));
        report.add(Check::skipped(names.tls, "not tried without a connection"));
        return false;
    }
    let Some(tcp) = connect(names, host, &dialer, proxy.as_deref(), org, report).await else {
        report.add(Check::skipped(names.tls, "not tried without a connection"));
        return false;
    };
    if let Some((says, advice)) = leads_back(&tcp, host, dialer.proxy(host), config).await {
        report.add(Check::failed(names.other, says).advise(advice));
        report.add(Check::skipped(names.tls, "not tried with orgproxy itself"));
        return true;
    }

    let secured = timeout(limit, secure(host, tcp, tls)).await;
    report.add(match secured.unwrap_or_else(|_| Err(late())) {
        Ok(stream) => Check::passed(names.tls, about(&stream, &verifier.seen())),
        Err(error) => {
            let (says, advice) = explain(&error, host, &verifier.seen());
            Check::failed(names.tls, says).advise(advice)
        }
    });
    false
}

/// Looks the host up, unless a proxy does. Returns whether the next step makes sense.
async fn resolve(
    names: &Names,
    host: &Authority,
    proxy: Option<&str>,
    org: &Org,
    limit: Duration,
    report: &mut Report,
) -> bool {
    if let Some(proxy) = proxy {
        report.add(Check::skipped(names.name, format!("looked up by {proxy}")));
        return true;
    }
    let looked_up = timeout(limit, lookup_host((bare(host), port(host)))).await;
    let looked_up = looked_up.unwrap_or_else(|_| Err(late()));
    let check = name(names.name, host, looked_up, fix(UNRESOLVED, org));
    let is_known = check.is_ok();
    report.add(check.unwrap_or_else(|failed| failed));
    is_known
}

/// Connects to the host, through the proxy if there is one.
async fn connect(
    names: &Names,
    host: &Authority,
    dialer: &Dialer,
    proxy: Option<&str>,
    org: &Org,
    report: &mut Report,
) -> Option<Socket> {
    let begin = Instant::now();
    let reached = match timeout(dialer.step(), dialer.reach(host)).await {
        Ok(reached) => reached.map_err(|why| why.to_string()),
        Err(_) => Err(late().to_string()),
    };
    let took = milliseconds(begin.elapsed());
    let (check, tcp) = match (reached, proxy) {
        (Ok(tcp), Some(proxy)) => {
            let says = format!("to {host} through {proxy} in {took}");
            (Check::passed(names.connection, says), Some(tcp))
        }
        (Ok(tcp), None) => {
            let says = match tcp.peer_addr() {
                Ok(address) => format!("to {address} in {took}"),
                Err(_) => format!("in {took}"),
            };
            (Check::passed(names.connection, says), Some(tcp))
        }
        (Err(why), proxy) => {
            let failed = Check::failed(names.connection, format!("no connection to {host}: {why}"));
            match proxy {
                // The reason says what to do about a proxy.
                Some(_) => (failed, None),
                None => (failed.advise(fix(UNREACHABLE, org)), None),
            }
        }
    };
    report.add(check);
    tcp
}

/// The message and advice if an orgproxy answers at the other end of `tcp`. Only this machine is
/// asked.
async fn leads_back(
    tcp: &Socket,
    host: &Authority,
    proxy: Option<&Proxy>,
    config: &Config,
) -> Option<(String, String)> {
    let address = tcp.peer_addr().ok().filter(|_| tcp.is_local())?;
    let mut is_orgproxy = false;
    for listen in [Listen::Tcp(address), Listen::Https(address)] {
        is_orgproxy |= health::is_orgproxy(&listen, !config.tls.client_ca.is_empty())
            .await
            .unwrap_or_default();
    }
    is_orgproxy.then(|| match proxy {
        Some(proxy) => (
            format!(
                "{} points to {address}, where an orgproxy listens",
                proxy.variable
            ),
            format!("do: unset {} where orgproxy is started", proxy.variable),
        ),
        None => (
            format!(
                "{} resolves to {address}, where an orgproxy listens",
                bare(host)
            ),
            format!(
                "do: on this machine, let {} resolve to Salesforce: remove it from /etc/hosts, or \
                 correct the name server's answer",
                bare(host)
            ),
        ),
    })
}

fn name(
    step: &'static str,
    host: &Authority,
    looked_up: io::Result<impl Iterator<Item = std::net::SocketAddr>>,
    fix: String,
) -> Result<Check, Check> {
    let host = bare(host);
    let error = match looked_up {
        Ok(addresses) => {
            let addresses: BTreeSet<_> = addresses.map(|address| address.ip()).collect();
            let list: Vec<_> = addresses.iter().map(ToString::to_string).collect();
            if !list.is_empty() {
                let says = format!("{host} is {}", list.join(", "));
                return Ok(Check::passed(step, says));
            }
            "it has no address".to_owned()
        }
        Err(error) => error.to_string(),
    };
    Err(Check::failed(step, format!("{host} does not resolve: {error}")).advise(fix))
}

async fn secure(host: &Authority, tcp: Socket, tls: ClientConfig) -> io::Result<TlsStream<Socket>> {
    let name = ServerName::try_from(bare(host).to_owned()).map_err(io::Error::other)?;
    TlsConnector::from(Arc::new(tls)).connect(name, tcp).await
}

/// The TLS version that was agreed on, and the issuer of the host's certificate.
fn about(stream: &TlsStream<Socket>, chain: &[CertificateDer<'_>]) -> String {
    let version = match stream.get_ref().1.protocol_version() {
        Some(ProtocolVersion::TLSv1_2) => "TLS 1.2",
        _ => "TLS 1.3",
    };
    match issuer(chain.first()) {
        Some(issuer) => format!("{version}, certificate by {issuer}"),
        None => version.to_owned(),
    }
}

/// Explains what is wrong with the chain of certificates, and what to do.
fn explain(error: &io::Error, host: &Authority, chain: &[CertificateDer<'_>]) -> (String, String) {
    let fault = error
        .get_ref()
        .and_then(|error| error.downcast_ref::<rustls::Error>());
    let host = bare(host);
    let Some(rustls::Error::InvalidCertificate(fault)) = fault else {
        let says = format!("the handshake with {host} failed: {error}");
        return (says, NO_TLS.to_owned());
    };
    use CertificateError as E;
    match fault {
        E::UnknownIssuer => {
            let issuer = issuer(chain.last()).unwrap_or_else(|| "an unnamed authority".to_owned());
            (
                format!(
                    "the certificate of {host} is by {issuer}, which this system does not trust"
                ),
                "do: if that is your company's TLS inspection, or a gateway of yours, set ca_file \
                 to the certificate of its authority; otherwise somebody is listening in: find \
                 out who"
                    .to_owned(),
            )
        }
        E::Expired | E::ExpiredContext { .. } => (
            format!(
                "the certificate of {host} has expired{}",
                end(chain.first())
            ),
            CLOCK_OR_HOST.to_owned(),
        ),
        E::NotValidYet | E::NotValidYetContext { .. } => (
            format!("the certificate of {host} is not valid yet"),
            CLOCK_OR_HOST.to_owned(),
        ),
        E::NotValidForName | E::NotValidForNameContext { .. } => (
            format!(
                "the certificate that {host} shows is for {}",
                names_of(chain.first())
            ),
            "do: check login_url; if it is right, something else answers in the host's place, or \
             the name resolves to a wrong address (/etc/hosts)"
                .to_owned(),
        ),
        other => (
            format!("the certificate of {host} cannot be trusted: {other}"),
            "do: inspect it with `openssl s_client -connect HOST:443`".to_owned(),
        ),
    }
}

fn issuer(certificate: Option<&CertificateDer<'_>>) -> Option<String> {
    let (_, parsed) = parse_x509_certificate(certificate?).ok()?;
    Some(display(parsed.issuer()))
}

/// The common name, or else the whole name.
fn display(name: &X509Name<'_>) -> String {
    let common = name.iter_common_name().next();
    match common.and_then(|name| name.as_str().ok()) {
        Some(common) => format!("'{common}'"),
        None => format!("'{name}'"),
    }
}

fn end(certificate: Option<&CertificateDer<'_>>) -> String {
    certificate
        .and_then(|certificate| parse_x509_certificate(certificate).ok())
        .map(|(_, parsed)| format!(" on {}", parsed.validity().not_after.to_datetime().date()))
        .unwrap_or_default()
}

fn names_of(certificate: Option<&CertificateDer<'_>>) -> String {
    let parsed = certificate.and_then(|certificate| parse_x509_certificate(certificate).ok());
    let names: Vec<_> = parsed
        .iter()
        .filter_map(|(_, parsed)| parsed.subject_alternative_name().ok().flatten())
        .flat_map(|names| &names.value.general_names)
        .filter_map(|name| match name {
            x509_parser::extensions::GeneralName::DNSName(name) => Some((*name).to_owned()),
            _ => None,
        })
        .collect();
    if names.is_empty() {
        "another name".to_owned()
    } else {
        names.join(", ")
    }
}

fn verifier(org: &Org) -> Result<Arc<Verifier>, String> {
    let mut roots = tls::roots();
    for authority in &org.ca {
        let added = roots.add(authority.clone());
        added.map_err(|error| error.to_string())?;
    }
    Verifier::trusting(roots).map(Arc::new)
}

/// No proxy leads to the demo org.
fn fix(advice: &str, org: &Org) -> String {
    match org.demo {
        Some(_) => advice.to_owned(),
        None => format!("{advice}; if only a proxy leads out of this network, set HTTPS_PROXY"),
    }
}

fn late() -> io::Error {
    io::Error::new(
        io::ErrorKind::TimedOut,
        "no answer in time (limits.connect)",
    )
}

const UNRESOLVED: &str = "do: check the spelling of login_url, and that this machine has a \
                          network and a name server";

const UNREACHABLE: &str = "do: check that the host and its port are right, and that no firewall or \
    VPN is in the way";

const NO_TLS: &str =
    "do: check the port of login_url; a firewall or proxy on the way may interrupt TLS";

const CLOCK_OR_HOST: &str = "do: check the clock of this machine; if it is right, the host must \
    renew its certificate, or something else answers in its place";

#[cfg(test)]
#[cfg(feature = "demo")]
mod tests {
    use super::*;
    use crate::{
        config::{Credential, Demo, PrivateKey},
        demo,
    };

    #[tokio::test]
    async fn only_to_orgs_elsewhere_may_a_proxy_lead() {
        let demo = demo::Org::start().await.unwrap();
        let pem = demo.private_key_pem().as_bytes();
        let key = PrivateKey::parse("the demo's key", pem, None).unwrap();
        let url = demo.login_url();
        let credential = Credential::jwt_bearer(String::new(), key);
        let mut org = Org::new("x".to_owned(), url, String::new(), credential);
        assert!(fix(UNREACHABLE, &org).ends_with("set HTTPS_PROXY"));
        org.demo = Some(Demo::default());
        assert!(!fix(UNREACHABLE, &org).contains("HTTPS_PROXY"));
        assert!(!fix(UNRESOLVED, &org).contains("HTTPS_PROXY"));
    }
}
