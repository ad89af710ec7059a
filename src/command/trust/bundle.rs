//! Files of authorities, with the local one in them, for programs that use such a file instead of
//! their own.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use rustls_pki_types::{CertificateDer, pem::PemObject};

use super::pkcs12::{certificates_in, store_of};
use crate::{config::input, local_ca};

/// Variables that name such a file in PEM, and their readers.
pub(crate) const REPLACEMENTS: [(&str, &str); 7] = [
    (
        "SSL_CERT_FILE",
        "OpenSSL, Python (httpx and others), Ruby, Go, PHP (SoapClient, streams), .NET",
    ),
    (
        "REQUESTS_CA_BUNDLE",
        "Python, requests and certifi, simple-salesforce",
    ),
    ("CURL_CA_BUNDLE", "curl"),
    ("GIT_SSL_CAINFO", "git"),
    (
        "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
        "gRPC, clients of the Pub/Sub API",
    ),
    ("PERL_LWP_SSL_CA_FILE", "Perl, LWP, SOAP::Lite"),
    ("HTTPS_CA_FILE", "Perl, Crypt::SSLeay"),
];

/// For Node, which adds them to its own; so for jsforce and the Salesforce CLI.
pub(crate) const ADDITION: &str = "NODE_EXTRA_CA_CERTS";

/// The variable with more options for every Java runtime.
pub(crate) const JAVA_OPTIONS: &str = "JAVA_TOOL_OPTIONS";

/// The variable with the folders, separated by colons, where PHP looks for settings.
pub(crate) const PHP_FOLDERS: &str = "PHP_INI_SCAN_DIR";

/// The settings that make PHP use `bundle`.
pub(crate) fn php_settings(bundle: &Path) -> String {
    let bundle = bundle.display();
    format!("curl.cainfo = \"{bundle}\"\nopenssl.cafile = \"{bundle}\"\n")
}

/// The authorities of this system, those of the files that the environment names, and the local one
/// `own`, in PEM. Each once, because the environment may name a file made here before.
pub(crate) fn pem(own: &CertificateDer<'static>) -> Vec<u8> {
    // These follow SSL_CERT_FILE, but not the variables that only other programs read.
    let mut roots = system();
    let names = REPLACEMENTS.iter().map(|(name, _)| *name);
    for path in names.chain([ADDITION]).filter_map(env::var_os) {
        // A file that cannot be read is of no use to the program either.
        let pem = input::read(Path::new(&path), LONGEST).unwrap_or_default();
        roots.extend(CertificateDer::pem_slice_iter(&pem).flatten());
    }
    roots.push(own.clone());
    sort(&mut roots);
    let pem: String = roots.iter().map(local_ca::pem_of).collect();
    pem.into_bytes()
}

/// The authorities of this system, those of the Java runtimes here, and the local one, as a trust
/// store in PKCS#12.
pub(crate) fn trust_store(own: &CertificateDer<'static>) -> Vec<u8> {
    let mut roots = vec![own.clone()];
    let of_java = java_stores().into_iter().flat_map(|path| {
        let store = fs::read(path).unwrap_or_default();
        certificates_in(&store)
    });
    roots.extend(of_java.chain(system()));
    sort(&mut roots);
    store_of(&roots)
}

/// The options that make Java use `store` as its trust store.
pub(crate) fn java_options(store: &Path) -> String {
    let store = word_of_java(&store.display().to_string());
    format!("-D{TRUST_STORE}={store} -D{TRUST_STORE}Type=PKCS12")
}

/// `text` as one word for `JAVA_TOOL_OPTIONS`, where nothing but quotes quotes: JVM Tool Interface,
/// *The JAVA_TOOL_OPTIONS Environment Variable*.
fn word_of_java(text: &str) -> String {
    let is_special = |c: char| c.is_whitespace() || "'\"".contains(c);
    if text.contains(is_special) {
        format!("'{}'", text.replace('\'', r#"'"'"'"#))
    } else {
        text.to_owned()
    }
}

/// Returns whether `options` name a trust store already.
pub(crate) fn names_a_trust_store(options: &str) -> bool {
    options.contains(&format!("-D{TRUST_STORE}="))
}

/// Removes duplicates.
fn sort(roots: &mut Vec<CertificateDer<'static>>) {
    roots.sort_unstable_by(|one, other| one[..].cmp(&other[..]));
    roots.dedup();
}

fn system() -> Vec<CertificateDer<'static>> {
    rustls_native_certs::load_native_certs().certs
}

/// The key stores of the Java runtimes that a program may find: that of `JAVA_HOME`, and the first
/// in `PATH`.
fn java_stores() -> Vec<PathBuf> {
    let in_path = env::var_os("PATH").and_then(|path| {
        let mut java = env::split_paths(&path).map(|folder| folder.join("java"));
        let java = java.find(|java| java.is_file())?;
        // HOME/bin/java, behind links.
        Some(java.canonicalize().ok()?.parent()?.parent()?.to_owned())
    });
    let given = env::var_os("JAVA_HOME").map(PathBuf::from);
    let stores = ["jssecacerts", "cacerts"];
    let folders = ["lib/security", "jre/lib/security"];
    given
        .into_iter()
        .chain(in_path)
        .filter_map(|home| {
            let places = folders.iter().map(|folder| home.join(folder));
            let mut stores = places.flat_map(|place| stores.map(|store| place.join(store)));
            // In the order in which Java looks for them.
            stores.find(|store| store.is_file())
        })
        .collect()
}

/// See `javax.net.ssl.trustStore` in the guide to JSSE.
const TRUST_STORE: &str = "javax.net.ssl.trustStore";

/// Bytes. Mozilla's authorities take 220 KB.
const LONGEST: usize = 16 * 1024 * 1024;
