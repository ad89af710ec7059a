//! Unix sockets in the file system.

use std::{
    fs::Permissions,
    io,
    os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use tokio::net::{UnixListener, UnixStream};

use crate::{
    config::LocalUsers,
    system::{folder, ownership},
};

/// A Unix socket's place in the file system, removed with it.
pub(super) struct SocketFile {
    path: PathBuf,
    /// Its device and inode: the path may have come to lead to another. The listener keeps the number
    /// from being given away.
    id: Option<(u64, u64)>,
    /// False if another process made it, or it is gone: then its mode is as that wants it, and it stays.
    is_ours: AtomicBool,
}

impl SocketFile {
    /// Only our own user may connect, from the first moment on: the socket is bound in a folder of
    /// its own that nobody else may enter, and moved when its mode is set. If others are let in,
    /// the mode lets all in, and each is asked who it is.
    pub(super) async fn bind(path: &Path, users: &LocalUsers) -> io::Result<(UnixListener, Self)> {
        let folder = folder::of(path);
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
                Err(error) => match error.kind() {
                    io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => {}
                    io::ErrorKind::WouldBlock => return Err(io::ErrorKind::AddrInUse.into()),
                    // It is for datagrams, or of a user who does not let us connect.
                    _ => return Err(error),
                },
            },
            Err(_) => {}
        }
        // Its name cannot be known before, and so not be taken.
        let private = tempfile::Builder::new()
            .prefix(".orgproxy-")
            .permissions(PermissionsExt::from_mode(0o700))
            .tempdir_in(folder)?;
        let inner = private.path().join("socket");
        let listener = UnixListener::bind(&inner)?;
        std::fs::set_permissions(&inner, mode_for(users))?;
        std::fs::rename(&inner, path)?;
        // It is empty, and to look into it may be beyond the sandbox.
        let _ = std::fs::remove_dir(private.keep());
        let file = Self {
            path: path.to_owned(),
            id: id_of(path),
            is_ours: true.into(),
        };
        Ok((listener, file))
    }

    /// One that another process has made.
    pub(super) fn of_another(path: PathBuf) -> Self {
        Self {
            id: id_of(&path),
            path,
            is_ours: false.into(),
        }
    }

    /// Lets `users` connect from now on, too, and nobody else but our own user and root.
    pub(super) fn admit(&self, users: &LocalUsers) {
        if self.is_ours.load(Relaxed)
            && self.is_there()
            && let Err(error) = std::fs::set_permissions(&self.path, mode_for(users))
        {
            let socket = self.path.display();
            tracing::warn!(%socket, "cannot change who may connect: {error}");
        }
    }

    /// Makes it ours from now on, or another's.
    pub(super) fn is_ours_now(&self, is_ours: bool) {
        self.is_ours.store(is_ours, Relaxed);
    }

    /// Removes it, if it is ours.
    pub(super) fn remove(&self) {
        if self.is_ours.swap(false, Relaxed) && self.is_there() {
            // Nothing is lost if it is gone already.
            let _ = std::fs::remove_file(&self.path);
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns whether the path leads to it still, and to no other program's file.
    fn is_there(&self) -> bool {
        self.id.is_some() && self.id == id_of(&self.path)
    }
}

fn id_of(path: &Path) -> Option<(u64, u64)> {
    let about = path.symlink_metadata().ok()?;
    Some((about.dev(), about.ino()))
}

fn mode_for(users: &LocalUsers) -> Permissions {
    PermissionsExt::from_mode(if users.are_only_ours() { 0o600 } else { 0o666 })
}

/// Who can put a socket of their own in the place of ours gets what clients send, their passwords
/// too.
fn check_folder(folder: &Path) -> io::Result<()> {
    if let Some((folder, foreign)) = ownership::of_way_to(folder)? {
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
        self.remove();
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::{UnixDatagram, UnixListener as StdListener};

    use super::*;

    #[tokio::test]
    async fn what_another_program_has_there_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let users = LocalUsers::default();
        let datagrams = UnixDatagram::bind(&path).unwrap();
        assert!(SocketFile::bind(&path, &users).await.is_err());
        drop(datagrams);
        let (_listener, file) = SocketFile::bind(&path, &users).await.unwrap();

        std::fs::remove_file(&path).unwrap();
        let _other = StdListener::bind(&path).unwrap();
        let mode = || path.metadata().unwrap().mode();
        let before = mode();
        file.admit(&LocalUsers::All);
        assert_eq!(mode(), before);
        drop(file);
        assert!(path.exists());
    }
}
