//! Unix sockets in the file system.

use std::{
    io,
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::{Path, PathBuf},
};

use tokio::net::{UnixListener, UnixStream};

use crate::config::ownership;

/// A Unix socket's place in the file system, removed with it.
pub(super) struct SocketFile(PathBuf);

impl SocketFile {
    /// Only our own user may connect, from the first moment on: the socket is bound in a folder of
    /// its own that nobody else may enter, and moved when its mode is set. If others are let in,
    /// the mode lets all in, and each is asked who it is.
    pub(super) async fn bind(path: &Path, uids: &[u32]) -> io::Result<(UnixListener, Self)> {
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or_else(|| Path::new("."));
        check_folder(folder)?;
        match path.symlink_metadata() {
            Ok(metadata) if !metadata.file_type().is_socket() => {
                return Err(io::Error::new(
                    io::ErrorKind::AlreadyExists,
                    "there is a file of that name, which is not a socket; choose another path",
                ));
            }
            // A socket that nobody listens on is left over from a program that was killed. One that
            // has no room for another client has a listener, which cannot be waited for.
            Ok(_) => match UnixStream::connect(path).await {
                Ok(_) => return Err(io::ErrorKind::AddrInUse.into()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Err(io::ErrorKind::AddrInUse.into());
                }
                Err(_) => {}
            },
            Err(_) => {}
        }
        let private = folder.join(format!(".orgproxy-{}", std::process::id()));
        let inner = private.join("socket");
        // Left over from a program that was killed, whose number is ours now: as in a container.
        let _ = std::fs::remove_file(&inner);
        let _ = std::fs::remove_dir(&private);
        std::fs::create_dir(&private)?;
        std::fs::set_permissions(&private, PermissionsExt::from_mode(0o700))?;
        let mode = if uids.is_empty() { 0o600 } else { 0o666 };
        let bound = UnixListener::bind(&inner).and_then(|listener| {
            std::fs::set_permissions(&inner, PermissionsExt::from_mode(mode))?;
            std::fs::rename(&inner, path)?;
            Ok(listener)
        });
        // Done whatever came of it; if this fails, a later start says so.
        let _ = std::fs::remove_file(&inner);
        let _ = std::fs::remove_dir(&private);
        Ok((bound?, Self(path.to_owned())))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

/// Who can put a socket of their own in the place of ours gets what clients send, their passwords
/// too.
fn check_folder(folder: &Path) -> io::Result<()> {
    if let Some(foreign) = ownership::of_folder(folder)? {
        return Err(io::Error::other(format!(
            "its folder {} {foreign}, who could put a socket of their own in its place; choose a \
             folder that only this user can write to: `mkdir -m 755 FOLDER`",
            folder.display()
        )));
    }
    if ownership::is_shared(folder) {
        tracing::warn!(
            "anybody can put a socket of that name into {} while orgproxy is not running, and \
             clients would send it their passwords; choose a folder that only this user can write \
             to",
            folder.display()
        );
    }
    Ok(())
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Nothing is lost if it is gone already.
        let _ = std::fs::remove_file(&self.0);
    }
}
