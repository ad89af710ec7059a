//! The access log: where its lines go, and how they are written.

use std::{
    fmt::{self, Display, Formatter},
    fs::Metadata,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::{
    Config,
    document::Value,
    given,
    problem::{Origin, Problems},
    section::Section,
    value,
};

/// The settings of the access log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessLog {
    /// Where its lines go. If nothing is set, commands decide, and a server writes none.
    pub sink: Option<LogSink>,
    /// How each line is written.
    pub format: LogFormat,
    /// Bytes in a file, before the next one is begun.
    pub bytes: usize,
    /// Older files that are kept.
    pub keep: u8,
}

/// A place for the lines of the access log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogSink {
    /// Nowhere.
    Off,
    /// Standard error.
    Stderr,
    /// The journal of systemd.
    Journald,
    /// A file, which is rotated, or a device or pipe, which is not.
    File(PathBuf),
}

/// How a line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// An object.
    Json,
}

impl Default for AccessLog {
    fn default() -> Self {
        Self {
            sink: None,
            format: LogFormat::Text,
            bytes: 100 * 1024 * 1024,
            keep: 5,
        }
    }
}

impl AccessLog {
    /// Returns whether there is anything to write.
    pub fn is_on(&self) -> bool {
        self.sink.as_ref().is_some_and(|sink| *sink != LogSink::Off)
    }
}

impl LogSink {
    /// Reads one of the words for it, or a path, which starts in `folder`.
    ///
    /// # Errors
    /// If it is neither.
    pub(crate) fn parse(text: &str, folder: &Path) -> Result<Self, String> {
        match text {
            "off" => Ok(Self::Off),
            "stderr" => Ok(Self::Stderr),
            "journald" => Ok(Self::Journald),
            // Sooner a mistake than the name of a file.
            word if !word.contains(['/', '.']) => Err(format!(
                "{} is none of \"off\", \"stderr\" and \"journald\", nor a path; write one of \
                 them, or such as \"./access.log\"",
                given::shown(word)
            )),
            path => given::place(path, folder).map(Self::File),
        }
    }
}

impl LogFormat {
    /// # Errors
    /// If it is not the word for one.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            other => Err(format!(
                "must be \"text\" or \"json\", not {}",
                given::shown(other)
            )),
        }
    }
}

impl Display for LogSink {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Stderr => f.write_str("standard error"),
            Self::Journald => f.write_str("journald"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Reads what the top of the file says of it.
pub(super) fn read(root: &mut Section<'_>, folder: &Path) -> AccessLog {
    let usual = AccessLog::default();
    AccessLog {
        sink: root.read("access_log", |sink| {
            LogSink::parse(value::text(sink)?, &value::folder(sink, folder))
        }),
        format: root
            .read("access_log_format", |format| {
                LogFormat::parse(value::text(format)?)
            })
            .unwrap_or(usual.format),
        bytes: root
            .read("access_log_bytes", value::bytes_from(64 << 10))
            .unwrap_or(usual.bytes),
        keep: root.read("access_log_keep", keep).unwrap_or(usual.keep),
    }
}

/// Refuses a log that would be added to the configuration, which was read from `file`, or to a file
/// that it names.
pub(super) fn check(config: &Config, file: &Path, origin: Origin, problems: &Problems) {
    let Some(LogSink::File(log)) = &config.access_log.sink else {
        return;
    };
    let mut named = [file]
        .into_iter()
        .chain(config.named_files.iter().map(PathBuf::as_path))
        .chain(config.pid_file.as_deref());
    if let Some(other) = named.find(|other| is_same(log, other)) {
        let message = format!(
            "is {}, which the configuration is or names, and lines would be added to it; choose a \
             file of its own",
            given::shown(&other.to_string_lossy())
        );
        problems.add(origin, "access_log", message);
    }
}

fn is_same(one: &Path, other: &Path) -> bool {
    let id = |path: &Path| {
        let about = path.metadata().ok().filter(Metadata::is_file)?;
        Some((about.dev(), about.ino()))
    };
    one == other || id(one).is_some_and(|one| Some(one) == id(other))
}

fn keep(value: &Value) -> Result<u8, String> {
    let keep: u64 = value::whole(value)?;
    u8::try_from(keep).map_err(|_| format!("must be 0 to 255, not {keep}"))
}
