//! Having clients trust the local certificate authority, and no longer.

use std::{
    fmt::Write,
    fs, io,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
};

use rustix::process::geteuid;
use rustls_pki_types::{CertificateDer, pem::PemObject};
use x509_parser::parse_x509_certificate;

use crate::authority::{self, Authority, AuthorityError};

mod java;
mod system;

/// What to do about the authority.
pub(crate) enum Deed<'a> {
    /// Tell what each client needs.
    Tell,
    /// Have the system trust it.
    System,
    /// Have a Java key store trust it.
    Java(&'a Path),
    /// Have the system trust it no longer.
    UndoSystem,
    /// Have a Java key store trust it no longer.
    UndoJava(&'a Path),
}

/// Carries out `deed` for the authority in `folder`, which is made if there is none. Returns what
/// to tell.
pub(crate) fn carry_out(deed: &Deed<'_>, folder: &Path) -> Result<String, TrustError> {
    let undoes = matches!(deed, Deed::UndoSystem | Deed::UndoJava(_));
    let root = Root::find(folder, undoes)?;
    match *deed {
        Deed::Tell => Ok(root.advice()),
        Deed::System => system::add(&root),
        Deed::UndoSystem => system::remove(&root),
        Deed::Java(store) => java::add(&root, store),
        Deed::UndoJava(store) => java::remove(&root, store),
    }
}

/// The authority as clients see it.
struct Root {
    path: PathBuf,
    /// As stores name it.
    alias: String,
    /// Its last moment, for people.
    end: String,
}

impl Root {
    fn find(folder: &Path, must_exist: bool) -> Result<Self, TrustError> {
        let folder = std::path::absolute(folder).map_err(TrustError::Folder)?;
        let path = Authority::path(&folder);
        // Root may change the system's store for others, with nothing of theirs but the certificate.
        let is_for_others = geteuid().is_root() && path.exists();
        if must_exist && !path.exists() {
            return Err(TrustError::Nothing(path));
        }
        if !is_for_others {
            Authority::open(&folder)?;
        }
        let unusable = || TrustError::Unusable(path.clone());
        let certificate = CertificateDer::from_pem_file(&path).map_err(|_| unusable())?;
        let (_, parsed) = parse_x509_certificate(&certificate).map_err(|_| unusable())?;
        let alias = format!("orgproxy-{}", authority::id(parsed.public_key().raw));
        let end = parsed.validity().not_after.to_string();
        Ok(Self { path, alias, end })
    }

    fn advice(&self) -> String {
        let path = quoted(&self.path);
        let alias = &self.alias;
        let mut text = format!(
            "The local certificate authority is {path}, good until {}.\n\n\
             What clients of https:// listeners, and of intercept, need to trust it:\n",
            self.end
        );
        let debian = system::Store::DEBIAN.commands(&path, alias);
        let red_hat = system::Store::RED_HAT.commands(&path, alias);
        let mac = format!("sudo security {} {path}", system::MAC_ADD.join(" "));
        let java = format!(
            "keytool -importcert -noprompt -alias {alias} -file {path} \
             -keystore \"$JAVA_HOME/lib/security/cacerts\" -storepass changeit"
        );
        for (client, line) in [
            (
                "curl",
                format!("curl --cacert {path} https://localhost:8443/services/data"),
            ),
            (
                "curl and libcurl *",
                format!("export CURL_CA_BUNDLE={path}"),
            ),
            (
                "Python, requests, simple-salesforce *",
                format!("export REQUESTS_CA_BUNDLE={path}"),
            ),
            (
                "Python, other clients *",
                format!("export SSL_CERT_FILE={path}"),
            ),
            (
                "Node, jsforce, sf CLI",
                format!("export NODE_EXTRA_CA_CERTS={path}"),
            ),
            (
                "Java, Data Loader, ETL tools (--java KEYSTORE does it)",
                java,
            ),
            ("Debian, Ubuntu: all programs (--system does it)", debian),
            ("RHEL, Fedora: all programs (--system does it)", red_hat),
            ("macOS: all programs (--system does it)", mac),
        ] {
            // Writing to a string does not fail.
            let _ = write!(text, "\n# {client}\n{line}\n");
        }
        text.push_str(
            "\n* in place of all other authorities: for programs that call nothing but orgproxy.\n\
             \nTo undo it: --undo with --system or --java, or take the variable out again.",
        );
        text
    }
}

/// As a shell takes it for one word.
fn quoted(path: &Path) -> String {
    crate::terminal::quoted(&path.display().to_string())
}

/// Runs a program of the system's to its end.
fn run(command: &mut Command) -> Result<(), TrustError> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => TrustError::NoTool(name.clone()),
            _ => TrustError::NotStarted(name.clone(), error),
        })?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stderr, output.stdout].concat();
    let said = String::from_utf8_lossy(&said).trim().to_owned();
    Err(TrustError::Failed(name, output.status, said))
}

/// What a file of the system's is to hold, or that it is to be gone.
fn put(path: &Path, bytes: Option<&[u8]>) -> Result<(), TrustError> {
    let done = match bytes {
        Some(bytes) => fs::write(path, bytes),
        None => fs::remove_file(path),
    };
    done.map_err(|error| TrustError::File(path.to_owned(), error))
}

/// Why a client could not be made to trust the authority, or not to.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The authority itself.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The path of its folder cannot be made absolute.
    #[error("cannot tell where state_dir is: {0}")]
    Folder(#[source] io::Error),
    /// The certificate is not one.
    #[error("{0} is no certificate; remove it, and run `orgproxy trust` again")]
    Unusable(PathBuf),
    /// Nothing was ever trusted.
    #[error("there is no {0}, so there is nothing to undo; is it another state_dir?")]
    Nothing(PathBuf),
    /// Only root may change the system's store.
    #[error("only root may change whom the system trusts; run `sudo orgproxy trust {0}`")]
    NotRoot(String),
    /// Neither Debian, nor Red Hat, nor macOS, nor like one of them.
    #[error(
        "this system keeps the authorities it trusts where we do not know; add {0} by its own means, or let each client trust it: `orgproxy trust`"
    )]
    UnknownSystem(PathBuf),
    /// A program that is needed is not installed.
    #[error("{0} is not installed, or not in PATH; install {package}", package = package(.0))]
    NoTool(String),
    /// It cannot be run.
    #[error("cannot start {0}: {1}")]
    NotStarted(String, #[source] io::Error),
    /// It did not do it.
    #[error("{0} failed ({1}): {2}")]
    Failed(String, ExitStatus, String),
    /// A file of the system's.
    #[error("cannot change {0}: {1}")]
    File(PathBuf, #[source] io::Error),
    /// The key store is not there.
    #[error(
        "there is no key store {0}; Java's own is lib/security/cacerts in its folder, such as $JAVA_HOME/lib/security/cacerts"
    )]
    NoKeyStore(PathBuf),
}

fn package(tool: &str) -> &'static str {
    match tool {
        "keytool" => "a Java runtime, which has it in bin",
        _ => "the package ca-certificates",
    }
}
