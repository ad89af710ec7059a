//! The folder that one run keeps its certificates, keys and configuration files in.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::{env, error::Error, process, thread};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, PKCS_RSA_SHA256,
    RsaKeySize,
};
use tokio::signal::unix::{SignalKind, signal};

/// Exists as long as this value, or until a signal ends the benchmark; only its owner may look
/// inside.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// Makes the folder, with a CA, the origin's certificate for `localhost` and a key to sign
    /// assertions with.
    pub(crate) fn create() -> Result<Self, Box<dyn Error>> {
        let path = env::temp_dir().join(format!("orgproxy-bench-{}", process::id()));
        DirBuilder::new().mode(0o700).create(&path)?;
        let folder = Self(path);
        folder.remove_on_signal()?;

        let mut params = CertificateParams::new([])?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "orgproxy benchmark CA");
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;

        let leaf_key = KeyPair::generate()?;
        let leaf = CertificateParams::new(["localhost".to_owned()])?.signed_by(&leaf_key, &ca)?;
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?;

        folder.write("ca.pem", &ca.as_ref().pem())?;
        folder.write("origin.pem", &leaf.pem())?;
        folder.write("origin-key.pem", &leaf_key.serialize_pem())?;
        folder.write("key.pem", &key.serialize_pem())?;
        Ok(folder)
    }

    /// Nothing is dropped when Ctrl-C ends a process. The launcher sees to it that the children
    /// end with this one.
    fn remove_on_signal(&self) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()?;
        let context = runtime.enter();
        let mut interrupted = signal(SignalKind::interrupt())?;
        let mut terminated = signal(SignalKind::terminate())?;
        drop(context);

        let path = self.0.clone();
        thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = interrupted.recv() => {}
                    _ = terminated.recv() => {}
                }
            });
            let _ = fs::remove_dir_all(path);
            process::exit(130);
        });
        Ok(())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn root(&self) -> &Path {
        &self.0
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> io::Result<PathBuf> {
        let path = self.path(name);
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&path)?;
        file.write_all(text.as_bytes())?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
