//! Reading the certificate of an authority that may be another user's.

use std::{
    fs::{File, Metadata},
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::Path,
};

use rustix::fs::{CWD, Mode, OFlags, openat};

use super::TrustError;
use crate::system::ownership::Foreign;

/// The content of the file at `path`: neither what a link leads to, nor a file that anybody but the
/// owner of its folder and root could have put there.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, TrustError> {
    let failed = |error| TrustError::File(path.to_owned(), error);
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(TrustError::Unusable(path.to_owned()));
    };
    let folder_flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = openat(CWD, folder, folder_flags, Mode::empty());
    let open_folder = File::from(opened.map_err(|error| failed(error.into()))?);
    let of_folder = open_folder.metadata().map_err(failed)?;
    if let Some(foreign) = written_by_others(&of_folder) {
        return Err(TrustError::Doubtful(folder.to_owned(), foreign));
    }
    // A pipe must not be waited for.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = openat(&open_folder, name, flags, Mode::empty()).map_err(io::Error::from);
    let file = match opened {
        Ok(file) => File::from(file),
        // POSIX's answer to a link.
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
            return Err(TrustError::Unusable(path.to_owned()));
        }
        Err(error) => return Err(failed(error)),
    };
    let about = file.metadata().map_err(failed)?;
    if !about.is_file() {
        return Err(TrustError::Unusable(path.to_owned()));
    }
    let owners = [0, of_folder.uid()];
    let foreign = if owners.contains(&about.uid()) {
        written_by_others(&about)
    } else {
        Some(Foreign::Owner(about.uid()))
    };
    if let Some(foreign) = foreign {
        return Err(TrustError::Doubtful(path.to_owned(), foreign));
    }
    let mut bytes = Vec::new();
    file.take(LONGEST).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

fn written_by_others(about: &Metadata) -> Option<Foreign> {
    let mode = about.mode() & 0o7777;
    (mode & 0o022 != 0).then_some(Foreign::Mode(mode))
}

/// Bytes: far more than a certificate.
const LONGEST: u64 = 1024 * 1024;

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{PermissionsExt, chown, symlink},
    };

    use rustix::process::geteuid;
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn only_the_owner_of_the_folder_and_root_can_have_put_it_there() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("ca.pem");
        let chmod = |path: &Path, mode| {
            fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
        };
        fs::write(&path, "it").unwrap();
        for (file, place, is_read) in [
            (0o600, 0o700, true),
            (0o644, 0o755, true),
            (0o666, 0o755, false),
            (0o664, 0o755, false),
            (0o644, 0o775, false),
            (0o644, 0o1777, false),
        ] {
            chmod(&path, file);
            chmod(folder.path(), place);
            assert_eq!(read(&path).is_ok(), is_read, "{file:o} in {place:o}");
        }
        chmod(folder.path(), 0o755);
        if geteuid().is_root() {
            for (of_folder, of_file, is_read) in [
                (12_345, 12_345, true),
                (12_345, 0, true),
                (12_345, 54_321, false),
                (0, 12_345, false),
            ] {
                chown(folder.path(), Some(of_folder), None).unwrap();
                chown(&path, Some(of_file), None).unwrap();
                assert_eq!(read(&path).is_ok(), is_read, "{of_file} in {of_folder}");
            }
        }
    }

    #[test]
    fn neither_a_link_nor_a_folder_is_read() {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("real"), "it").unwrap();
        let path = folder.path().join("ca.pem");
        symlink(folder.path().join("real"), &path).unwrap();
        assert!(matches!(read(&path), Err(TrustError::Unusable(_))));
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(matches!(read(&path), Err(TrustError::Unusable(_))));
        fs::remove_dir(&path).unwrap();
        assert!(matches!(read(&path), Err(TrustError::File(..))));
        fs::rename(folder.path().join("real"), &path).unwrap();
        assert_eq!(read(&path).unwrap(), b"it");
    }
}
