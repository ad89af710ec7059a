//! Writing several files: all of them or none, and none over another.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use tempfile::{NamedTempFile, TempDir};
use zeroize::Zeroizing;

/// What is to be written, and where.
#[derive(Default)]
pub(super) struct Files {
    new: Vec<New>,
    changed: Vec<Changed>,
}

/// A file or folder that is not there yet.
struct New {
    path: PathBuf,
    content: Content,
}

enum Content {
    /// Readable by us alone.
    Secret(Zeroizing<String>),
    Text(String),
    /// Paths in it, and what is in the files.
    Folder(Vec<(PathBuf, String)>),
}

/// A file that is there, and what is in it then.
struct Changed {
    path: PathBuf,
    text: String,
}

impl Files {
    pub(super) fn secret(&mut self, path: PathBuf, text: Zeroizing<String>) {
        let content = Content::Secret(text);
        self.new.push(New { path, content });
    }

    pub(super) fn text(&mut self, path: PathBuf, text: String) {
        let content = Content::Text(text);
        self.new.push(New { path, content });
    }

    pub(super) fn folder(&mut self, path: PathBuf, files: Vec<(PathBuf, String)>) {
        let content = Content::Folder(files);
        self.new.push(New { path, content });
    }

    /// Has a file that is there say something else.
    pub(super) fn change(&mut self, path: PathBuf, text: String) {
        self.changed.push(Changed { path, text });
    }

    /// What is there already where something new is to be.
    pub(super) fn in_the_way(&self) -> Vec<&Path> {
        let paths = self.new.iter().map(|new| new.path.as_path());
        paths
            .filter(|path| path.symlink_metadata().is_ok())
            .collect()
    }

    /// Writes all of it. What is in the way is kept under another name; returns from what to what.
    ///
    /// # Errors
    /// What could not be written, after everything is again as it was.
    pub(super) fn write(self) -> Result<Vec<(PathBuf, PathBuf)>, String> {
        let moves: Vec<_> = self
            .in_the_way()
            .into_iter()
            .map(|path| (path.to_owned(), old_name(path)))
            .collect();
        let prepared = self
            .new
            .into_iter()
            .map(|new| Ok((prepare(&new).map_err(at(&new.path))?, new.path)))
            .collect::<Result<Vec<_>, String>>()?;

        let mut undo = Undo::default();
        for (from, to) in &moves {
            fs::rename(from, to).map_err(at(from))?;
            let (from, to) = (from.clone(), to.clone());
            undo.later(move || fs::rename(to, from));
        }
        for (prepared, path) in prepared {
            prepared.put(&path).map_err(at(&path))?;
            undo.later(move || match path.is_dir() {
                true => fs::remove_dir_all(path),
                false => fs::remove_file(path),
            });
        }
        for Changed { path, text } in self.changed {
            let before = fs::read(&path).map_err(at(&path))?;
            // In place, so that its owner, its mode, and links to it stay.
            let mut file = OpenOptions::new()
                .write(true)
                .open(&path)
                .map_err(at(&path))?;
            undo.later({
                let path = path.clone();
                move || fs::write(path, before)
            });
            overwrite(&mut file, &text).map_err(at(&path))?;
        }
        undo.never();
        Ok(moves)
    }
}

/// What is written beside its place, where nobody looks for it.
enum Prepared {
    File(NamedTempFile),
    Folder(TempDir),
}

fn prepare(new: &New) -> io::Result<Prepared> {
    let parent = match new.path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(parent)?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".orgproxy-");
    match &new.content {
        // These are made with mode 0600.
        Content::Secret(text) => file(builder.tempfile_in(parent)?, text),
        Content::Text(text) => {
            builder.permissions(Permissions::from_mode(0o644));
            file(builder.tempfile_in(parent)?, text)
        }
        Content::Folder(files) => {
            builder.permissions(Permissions::from_mode(0o755));
            let folder = builder.tempdir_in(parent)?;
            for (path, text) in files {
                let path = folder.path().join(path);
                fs::create_dir_all(path.parent().unwrap_or_else(|| folder.path()))?;
                fs::write(path, text)?;
            }
            Ok(Prepared::Folder(folder))
        }
    }
}

fn file(mut file: NamedTempFile, text: &str) -> io::Result<Prepared> {
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    Ok(Prepared::File(file))
}

impl Prepared {
    /// Never over something else, should it have come meanwhile.
    fn put(self, path: &Path) -> io::Result<()> {
        match self {
            Self::File(file) => file
                .persist_noclobber(path)
                .map(drop)
                .map_err(io::Error::from),
            // Only an empty folder would give way.
            Self::Folder(folder) => fs::rename(folder.path(), path),
        }
    }
}

fn overwrite(file: &mut File, text: &str) -> io::Result<()> {
    file.write_all(text.as_bytes())?;
    file.set_len(text.len() as u64)?;
    file.sync_all()
}

/// The first name after `path` that is free: `main.key.old`, `main.key.old2`, …
fn old_name(path: &Path) -> PathBuf {
    let mut number = 1;
    loop {
        let mut name = path.as_os_str().to_owned();
        name.push(".old");
        if number > 1 {
            name.push(number.to_string());
        }
        let name = PathBuf::from(name);
        if name.symlink_metadata().is_err() {
            return name;
        }
        number += 1;
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> String {
    move |error| {
        format!(
            "{}: cannot be written: {error}; nothing was changed",
            path.display()
        )
    }
}

/// What has to be done, in reverse, to have everything as it was.
#[derive(Default)]
struct Undo(Vec<Box<dyn FnOnce() -> io::Result<()>>>);

impl Undo {
    fn later(&mut self, step: impl FnOnce() -> io::Result<()> + 'static) {
        self.0.push(Box::new(step));
    }

    fn never(mut self) {
        self.0.clear();
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        while let Some(step) = self.0.pop() {
            // There is nothing else that could be tried.
            let _ = step();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_behind_when_the_last_cannot_be_written() {
        let folder = TempDir::new().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("main.key"), "old").unwrap();
        let mut files = Files::default();
        files.secret(path("main.key"), "new".to_owned().into());
        files.folder(path("app/main"), vec![("a/b".into(), "c".to_owned())]);
        files.change(path("missing.toml"), "x".to_owned());

        let error = files.write().unwrap_err();
        assert!(error.contains("missing.toml: cannot be written"), "{error}");
        assert_eq!(fs::read(path("main.key")).unwrap(), b"old");
        assert!(!path("app/main").exists());
        let left = fs::read_dir(folder.path()).unwrap().count();
        // The key, and the empty folder of the apps.
        assert_eq!(left, 2);
    }

    #[test]
    fn what_is_in_the_way_is_kept_however_often() {
        let folder = TempDir::new().unwrap();
        let path = |name: &str| folder.path().join(name);
        for text in ["1", "2", "3"] {
            let mut files = Files::default();
            files.text(path("main.crt"), text.to_owned());
            files.write().unwrap();
        }
        let read = |name| fs::read_to_string(path(name)).unwrap();
        assert_eq!(
            [
                read("main.crt"),
                read("main.crt.old"),
                read("main.crt.old2")
            ],
            ["3", "1", "2"]
        );
    }
}
