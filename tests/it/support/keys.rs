//! Private keys, made by the real `openssl`.

use std::{fs, path::PathBuf, process::Command};

use tempfile::TempDir;

/// A folder with a key of 2048 bits, `key.pem`.
pub(crate) struct Keys(TempDir);

impl Keys {
    /// Makes a folder with a new key.
    pub(crate) fn new() -> Self {
        let keys = Self(TempDir::new().unwrap());
        keys.openssl("genrsa -out key.pem 2048");
        keys
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs in the folder.
    pub(crate) fn openssl(&self, arguments: &str) {
        let output = Command::new("openssl")
            .args(arguments.split(' '))
            .current_dir(&self.0)
            .output()
            .expect("openssl must be installed");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {arguments}: {errors}");
    }
}

/// Returns a private key behind a passphrase.
pub(crate) fn locked(pem: &str, passphrase: &str) -> String {
    let keys = Keys(TempDir::new().unwrap());
    fs::write(keys.path("key.pem"), pem).unwrap();
    keys.openssl(&format!(
        "pkcs8 -topk8 -in key.pem -v2 aes256 -passout pass:{passphrase} -out locked.key"
    ));
    fs::read_to_string(keys.path("locked.key")).unwrap()
}

/// Encodes as `openssl base64 -A` does.
pub(crate) fn base64(bytes: &[u8]) -> String {
    use base64ct::Encoding;

    base64ct::Base64::encode_string(bytes)
}

/// Returns the bytes that a PEM holds.
pub(crate) fn der(pem: &str) -> Vec<u8> {
    let (_, der) = pkcs8::SecretDocument::from_pem(pem).unwrap();
    der.as_bytes().to_vec()
}
