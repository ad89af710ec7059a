//! The paths of the files that `init` creates.

use std::path::{Path, PathBuf};

use crate::{cli::InitArgs, system::terminal::quoted};

/// The folder for new files, and the configuration.
pub(super) struct Paths {
    folder: PathBuf,
    pub(super) config: PathBuf,
}

impl Paths {
    pub(super) fn of(args: &InitArgs) -> Self {
        let folder = args.folder.clone().map_or_else(PathBuf::new, unlike_a_flag);
        let config = args.config().map(unlike_a_flag);
        Self {
            config: config.unwrap_or_else(|| folder.join(DEFAULT_CONFIG)),
            folder,
        }
    }

    pub(super) fn key(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.key"))
    }

    pub(super) fn certificate(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.crt"))
    }

    pub(super) fn package(&self, name: &str) -> PathBuf {
        self.folder.join("salesforce").join(name)
    }

    /// The folder where `init` puts the package of an org whose key is `key`.
    pub(super) fn package_beside(key: &Path, name: &str) -> PathBuf {
        key.with_file_name("salesforce").join(name)
    }

    /// The configuration, if it is not in its usual place.
    pub(super) fn named_config(&self) -> Option<&Path> {
        (self.config != Path::new(DEFAULT_CONFIG)).then_some(&self.config)
    }

    /// The flag by which other commands find the configuration.
    pub(super) fn config_flag(&self) -> String {
        self.named_config().map_or_else(String::new, |config| {
            format!(" --config {}", quoted(&config.display().to_string()))
        })
    }
}

/// The same path, so that no command takes it for a flag.
fn unlike_a_flag(path: PathBuf) -> PathBuf {
    if path.as_os_str().as_encoded_bytes().starts_with(b"-") {
        Path::new(".").join(path)
    } else {
        path
    }
}

const DEFAULT_CONFIG: &str = "proxy.toml";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_never_a_flag() {
        for (path, expected) in [
            ("-rf", "./-rf"),
            ("./-rf", "./-rf"),
            ("a-b", "a-b"),
            ("", ""),
        ] {
            assert_eq!(unlike_a_flag(path.into()), Path::new(expected));
        }
    }

    #[test]
    fn the_configuration_is_one_word() {
        for (config, expected) in [
            ("proxy.toml", ""),
            ("a/proxy.toml", " --config a/proxy.toml"),
            ("my files/$a.toml", " --config 'my files/$a.toml'"),
        ] {
            let paths = Paths {
                folder: PathBuf::new(),
                config: config.into(),
            };
            assert_eq!(paths.config_flag(), expected);
        }
    }
}
