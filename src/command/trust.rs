//! Making clients trust the local certificate authority, and undoing it.

use std::{
    ffi::OsStr,
    fmt::Write,
    fs, io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
};

use rustix::process::geteuid;
use rustls_pki_types::{CertificateDer, pem::PemObject};
use tempfile::NamedTempFile;
use x509_parser::parse_x509_certificate;

use self::bundle::{ADDITION, JAVA_OPTIONS, REPLACEMENTS};
use crate::{
    config::Listener,
    local_ca::{self, Authority, AuthorityError},
    system::{children, ownership::Foreign, terminal},
};

pub(crate) mod bundle;
mod certificate;
mod java;
mod pkcs12;
mod system;

/// The action to take on the authority.
pub(crate) enum Action<'a> {
    /// Print what each client of these listeners needs.
    Print(Vec<Listener>),
    /// Make the system trust it.
    System,
    /// Make a Java key store trust it.
    Java(&'a Path),
    /// Remove it from the system's store.
    UndoSystem,
    /// Remove it from a Java key store.
    UndoJava(&'a Path),
}

/// Carries out `action` for the authority in `folder`, which is created if there is none. No program
/// is given the variables that are `withheld`. Returns the text to print.
pub(crate) fn carry_out(
    action: &Action<'_>,
    folder: &Path,
    withheld: Vec<String>,
) -> Result<String, TrustError> {
    let undoes = matches!(action, Action::UndoSystem | Action::UndoJava(_));
    let root = Root::find(folder, undoes, withheld)?;
    match action {
        Action::Print(listeners) => root.advice(listeners),
        Action::System => system::add(&root),
        Action::UndoSystem => system::remove(&root),
        Action::Java(store) => java::add(&root, store),
        Action::UndoJava(store) => java::remove(&root, store),
    }
}

/// The authority as clients see it.
struct Root {
    path: PathBuf,
    /// The content of the file, which is read once: it may be another user's, who could have it lead
    /// elsewhere meanwhile.
    certificate: CertificateDer<'static>,
    /// Its name in stores.
    alias: String,
    /// Its last day, for people.
    end: String,
    /// The variables that none of the system's programs is given.
    withheld: Vec<String>,
}

impl Root {
    fn find(folder: &Path, must_exist: bool, withheld: Vec<String>) -> Result<Self, TrustError> {
        let folder = std::path::absolute(folder).map_err(TrustError::Folder)?;
        let path = Authority::path(&folder);
        // Root may change the system's store for another user, and needs only the certificate for
        // that.
        let is_for_others = geteuid().is_root() && path.exists();
        if must_exist && !path.exists() {
            return Err(TrustError::Nothing(path));
        }
        if !is_for_others {
            Authority::open(&folder)?;
        }
        let unusable = || TrustError::Unusable(path.clone());
        let pem = certificate::read(&path)?;
        let certificate = CertificateDer::from_pem_slice(&pem).map_err(|_| unusable())?;
        let (_, parsed) = parse_x509_certificate(&certificate).map_err(|_| unusable())?;
        let alias = format!("orgproxy-{}", local_ca::id(parsed.public_key().raw));
        let end = parsed.validity().not_after.to_string();
        Ok(Self {
            path,
            certificate,
            alias,
            end,
            withheld,
        })
    }

    /// One of the system's programs.
    fn command(&self, program: impl AsRef<OsStr>) -> Command {
        children::command(program, &self.withheld)
    }

    /// The certificate in PEM, and nothing else that the file may hold.
    fn pem(&self) -> String {
        local_ca::pem_of(&self.certificate)
    }

    /// A file of its own with the certificate, for a program that takes a path.
    fn copy(&self) -> Result<NamedTempFile, TrustError> {
        let made = tempfile::Builder::new()
            .prefix("orgproxy-")
            .suffix(".pem")
            .tempfile()
            .and_then(|mut file| {
                io::Write::write_all(&mut file, self.pem().as_bytes())?;
                Ok(file)
            });
        made.map_err(|error| TrustError::File(self.path.clone(), error))
    }

    /// The lines that each client needs, and the files that some of them name.
    fn advice(&self, listeners: &[Listener]) -> Result<String, TrustError> {
        let path = terminal::quoted_path(&self.path);
        let bundle = self.write("bundle.pem", &bundle::pem(&self.certificate))?;
        let store = self.write("truststore.p12", &bundle::trust_store(&self.certificate))?;
        let mut text = format!(
            "The local certificate authority is {path}, valid until {}.\n\nWhat clients of \
             https:// listeners, and of intercept, need to trust it:\n",
            self.end
        );
        for (client, line) in self.lines_for_curl(listeners) {
            // Writing to a string does not fail.
            let _ = write!(text, "\n# {client}\n{line}\n");
        }
        for (client, line) in self.lines(&terminal::quoted_path(&bundle), &store) {
            let _ = write!(text, "\n# {client}\n{line}\n");
        }
        let _ = write!(
            text,
            "\n* {} has this authority and those of this system, {} this one and those of Java, as of \
             now: `orgproxy trust` writes them again.\n\
             \nTo undo it: --undo with --system or --java, or unset the variable.",
            bundle.display(),
            store.display(),
        );
        Ok(text)
    }

    /// Lines with the addresses of the configuration, if it has any.
    fn lines_for_curl(&self, listeners: &[Listener]) -> Vec<(String, String)> {
        let path = terminal::quoted_path(&self.path);
        let url = |scheme: &str, listener: &Listener| {
            let port = match listener.listen.address().map(|address| address.port()) {
                None | Some(0) => "PORT".to_owned(),
                Some(port) => port.to_string(),
            };
            format!("{scheme}://{}:{port}", listener.host)
        };
        let mut lines = Vec::new();
        for listener in listeners {
            if listener.listen.is_https() {
                let url = url("https", listener);
                let line = format!("curl --cacert {path} {url}/services/data");
                lines.push((format!("curl, org {}", listener.org), line));
            } else if listener.intercepts && listener.listen.address().is_some() {
                let url = url("http", listener);
                let line = format!("curl -x {url} --cacert {path} {INTERCEPTED}");
                lines.push((format!("curl, org {} by intercept", listener.org), line));
            }
        }
        if lines.is_empty() {
            let line = format!("curl --cacert {path} https://localhost:8443/services/data");
            lines.push((format!("curl, once there is a listener: {EXAMPLE}"), line));
        }
        lines
    }

    /// The client, and its line.
    fn lines(&self, bundle: &str, store: &Path) -> Vec<(String, String)> {
        let path = terminal::quoted_path(&self.path);
        let alias = &self.alias;
        let java = bundle::java_options(store);
        let mut lines: Vec<_> = REPLACEMENTS
            .iter()
            .map(|(name, client)| (format!("{client} *"), format!("export {name}={bundle}")))
            .collect();
        let more = [
            (
                "Python, certifi without a variable",
                format!("cat {path} >> \"$(python3 -m certifi)\""),
            ),
            (
                "PHP, cURL and everything else *",
                format!("php -d curl.cainfo={bundle} -d openssl.cafile={bundle} script.php"),
            ),
            ("Node, jsforce, sf CLI", format!("export {ADDITION}={path}")),
            (
                "Java, Data Loader, ETL tools *",
                format!("export {JAVA_OPTIONS}={}", more_of(JAVA_OPTIONS, &java)),
            ),
            (
                "Java, by its own key store (--java KEYSTORE does it)",
                format!(
                    "keytool -importcert -noprompt -alias {alias} -file {path} \
                     -keystore \"$JAVA_HOME/lib/security/cacerts\" -storepass changeit"
                ),
            ),
            (
                "Debian, Ubuntu: all programs (--system does it)",
                system::Store::DEBIAN.commands(&path, alias),
            ),
            (
                "RHEL, Fedora: all programs (--system does it)",
                system::Store::RED_HAT.commands(&path, alias),
            ),
            (
                "macOS: all programs (--system does it)",
                format!("sudo security {} {path}", system::MAC_ADD.join(" ")),
            ),
        ];
        lines.extend(more.map(|(client, line)| (client.to_owned(), line)));
        lines
    }

    /// Puts a file beside the authority, for all to read. In a folder of another user, that one
    /// could have it go elsewhere.
    fn write(&self, name: &str, content: &[u8]) -> Result<PathBuf, TrustError> {
        let folder = self.path.parent().unwrap_or(&self.path);
        let path = folder.join(name);
        let about = folder
            .metadata()
            .map_err(|error| TrustError::File(folder.to_owned(), error))?;
        if about.uid() != geteuid().as_raw() {
            return Err(TrustError::OfAnother(folder.to_owned(), about.uid()));
        }
        let written = NamedTempFile::new_in(folder).and_then(|mut file| {
            io::Write::write_all(&mut file, content)?;
            let readable = fs::Permissions::from_mode(0o644);
            file.as_file().set_permissions(readable)?;
            file.persist(&path).map_err(|error| error.error)
        });
        match written {
            Ok(_) => Ok(path),
            Err(error) => Err(TrustError::File(path, error)),
        }
    }
}

/// An example for the configuration.
const EXAMPLE: &str = "listen = \"https://localhost:8443\"";

/// A URL as tools that name Salesforce's hosts request it.
const INTERCEPTED: &str = "https://login.salesforce.com/services/data";

/// The value for a shell that has `more` behind what `variable` says.
fn more_of(variable: &str, more: &str) -> String {
    // What a shell obeys within double quotes.
    if more.contains(['"', '$', '`', '\\', '!']) {
        format!("\"${variable} \"{}", terminal::quoted(more))
    } else {
        format!("\"${variable} {more}\"")
    }
}

/// Runs one of the system's programs to its end.
fn run(command: &mut Command) -> Result<(), TrustError> {
    run_with(command, Stdio::null())
}

fn run_with(command: &mut Command, input: Stdio) -> Result<(), TrustError> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(input)
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

/// Writes a file of the system, or removes it.
fn put(path: &Path, bytes: Option<&[u8]>) -> Result<(), TrustError> {
    let done = match bytes {
        Some(bytes) => fs::write(path, bytes),
        None => fs::remove_file(path),
    };
    done.map_err(|error| TrustError::File(path.to_owned(), error))
}

/// The reason that a client's trust could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The authority itself.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The path of its folder cannot be made absolute.
    #[error("cannot determine where state_dir is: {0}")]
    Folder(#[source] io::Error),
    /// The file is not a certificate.
    #[error("{0} is not a certificate; remove it, and run `orgproxy trust` again")]
    Unusable(PathBuf),
    /// Somebody else could have put it there.
    #[error(
        "{0} {1}, so it is not clear whose authority that is; let it and its folder belong to one user, whom alone they can be written by: `chmod go-w`"
    )]
    Doubtful(PathBuf, Foreign),
    /// The folder of another user, which is not written to.
    #[error(
        "{0} belongs to user {1}, and files for clients are written there; run `orgproxy trust` as that user (--system and --java work as root, too)"
    )]
    OfAnother(PathBuf, u32),
    /// Nothing was ever trusted.
    #[error("there is no {0}, so there is nothing to undo; check state_dir")]
    Nothing(PathBuf),
    /// Only root may change the system's store.
    #[error("only root may change what the system trusts; run `sudo orgproxy trust {0}`")]
    NotRoot(String),
    /// Not Debian, Red Hat, macOS or similar.
    #[error(
        "orgproxy does not know where this system keeps the authorities it trusts; add {0} with the system's own tools, or let each client trust it: `orgproxy trust`"
    )]
    UnknownSystem(PathBuf),
    /// A program that is needed is not installed.
    #[error("{0} is not installed, or not in PATH; install {package}", package = package(.0))]
    NoTool(String),
    /// It cannot be run.
    #[error("cannot start {0}: {1}")]
    NotStarted(String, #[source] io::Error),
    /// The program failed.
    #[error("{0} failed ({1}): {2}")]
    Failed(String, ExitStatus, String),
    /// A file of the system cannot be changed.
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
        "keytool" => "a Java runtime, which includes it",
        _ => "the package ca-certificates",
    }
}
