//! Writing several files: all of them or none, and none over another.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, Read, Seek, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};
use tempfile::{NamedTempFile, TempDir};
use zeroize::Zeroizing;

use super::access::Access;
use crate::system::{folder, ownership};

/// Files to write.
#[derive(Default)]
pub(super) struct Files {
    new: Vec<New>,
    changed: Vec<Changed>,
}

/// A file or folder that does not exist yet.
struct New {
    path: PathBuf,
    content: Content,
}

enum Content {
    /// Readable by this user alone, or by those whom the access admits.
    Secret(Zeroizing<String>, Option<Access>),
    Text(String),
    /// The paths in it, with the content of each file.
    Folder(Vec<(PathBuf, String)>),
}

/// A file whose content changes.
struct Changed {
    path: PathBuf,
    /// The content that `text` was made from; nothing if there was no file.
    before: Option<String>,
    text: String,
}

impl Files {
    pub(super) fn secret(
        &mut self,
        path: PathBuf,
        text: Zeroizing<String>,
        access: Option<Access>,
    ) {
        let content = Content::Secret(text, access);
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

    /// Replaces the content of a file, if it is still `before`.
    pub(super) fn change(&mut self, path: PathBuf, before: Option<String>, text: String) {
        self.changed.push(Changed { path, before, text });
    }

    /// Paths that exist already where something new is to be.
    pub(super) fn in_the_way(&self) -> Vec<&Path> {
        let paths = self.new.iter().map(|new| new.path.as_path());
        paths
            .filter(|path| path.symlink_metadata().is_ok())
            .collect()
    }

    /// Writes all files. With `force`, what is in the way is renamed; returns the old and new
    /// names.
    ///
    /// # Errors
    /// The file that could not be written. Everything is then as it was before.
    pub(super) fn write(self, force: bool) -> Result<Vec<(PathBuf, PathBuf)>, String> {
        let in_the_way = if force { self.in_the_way() } else { Vec::new() };
        let moves: Vec<_> = in_the_way
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
            undo.later(move || {
                if path.is_dir() {
                    fs::remove_dir_all(path)
                } else {
                    fs::remove_file(path)
                }
            });
        }
        for Changed { path, before, text } in self.changed {
            match before {
                None => create(path, text, &mut undo)?,
                Some(before) => change(&path, before, &text, &mut undo)?,
            }
        }
        undo.never();
        Ok(moves)
    }
}

fn create(path: PathBuf, text: String, undo: &mut Undo) -> Result<(), String> {
    let content = Content::Text(text);
    let new = New { path, content };
    let put = prepare(&new).and_then(|prepared| prepared.put(&new.path));
    put.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => changed_meanwhile(&new.path),
        _ => at(&new.path)(error),
    })?;
    undo.later(move || fs::remove_file(new.path));
    Ok(())
}

/// Changes a file in place, so that its owner, its mode, and links to it stay.
fn change(path: &Path, before: String, text: &str, undo: &mut Undo) -> Result<(), String> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .map_err(at(path))?;
    // Held until the file is closed: when all is written, or undone.
    flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|error| match error {
        Errno::WOULDBLOCK => changed_meanwhile(path),
        _ => at(path)(error.into()),
    })?;
    let mut now = Vec::new();
    file.read_to_end(&mut now).map_err(at(path))?;
    if now != before.as_bytes() {
        return Err(changed_meanwhile(path));
    }
    let done = overwrite(&mut file, text).map_err(at(path));
    undo.later(move || overwrite(&mut file, &before));
    done
}

/// A file or folder that is written under a temporary name beside its place.
enum Prepared {
    File(NamedTempFile),
    Folder(TempDir),
}

fn prepare(new: &New) -> io::Result<Prepared> {
    let parent = folder::of(&new.path);
    create_folders(parent)?;
    if let Some((folder, foreign)) = ownership::of_way_to(parent)? {
        return Err(io::Error::other(format!(
            "the folder {} {foreign}, who could change what is written there; choose another \
             folder, or make that one yours alone",
            folder.display()
        )));
    }
    let mut builder = tempfile::Builder::new();
    builder.prefix(".orgproxy-");
    match &new.content {
        Content::Secret(text, access) => {
            // Created with mode 0600.
            let made = builder.tempfile_in(parent)?;
            if let Some(access) = access {
                access.give(made.as_file())?;
            }
            file(made, text)
        }
        Content::Text(text) => {
            builder.permissions(Permissions::from_mode(0o644));
            file(builder.tempfile_in(parent)?, text)
        }
        Content::Folder(files) => {
            builder.permissions(Permissions::from_mode(0o755));
            let folder = builder.tempdir_in(parent)?;
            for (path, text) in files {
                let path = folder.path().join(path);
                create_folders(path.parent().unwrap_or_else(|| folder.path()))?;
                let mut options = OpenOptions::new();
                options.write(true).create_new(true).mode(0o644);
                options.open(path)?.write_all(text.as_bytes())?;
            }
            Ok(Prepared::Folder(folder))
        }
    }
}

/// Whatever the umask, nobody else can write to them.
fn create_folders(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o755).create(path)
}

fn file(mut file: NamedTempFile, text: &str) -> io::Result<Prepared> {
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    Ok(Prepared::File(file))
}

impl Prepared {
    /// Moves it into place, never over anything that has appeared meanwhile.
    fn put(self, path: &Path) -> io::Result<()> {
        match self {
            Self::File(file) => file
                .persist_noclobber(path)
                .map(drop)
                .map_err(io::Error::from),
            // It could replace only an empty folder.
            Self::Folder(folder) => fs::rename(folder.path(), path),
        }
    }
}

fn overwrite(file: &mut File, text: &str) -> io::Result<()> {
    file.rewind()?;
    file.write_all(text.as_bytes())?;
    file.set_len(text.len() as u64)?;
    file.sync_all()
}

/// The first name after `path` that is free: `main.key.old`, `main.key.old2`, …
fn old_name(path: &Path) -> PathBuf {
    first_free(|old| {
        let mut name = path.as_os_str().to_owned();
        name.push(".");
        name.push(old);
        name.into()
    })
}

/// The first free path of those with `old`, `old2`, … in their names.
pub(super) fn first_free(named: impl Fn(&str) -> PathBuf) -> PathBuf {
    let mut path = named("old");
    let mut number = 2;
    while path.symlink_metadata().is_ok() {
        path = named(&format!("old{number}"));
        number += 1;
    }
    path
}

fn changed_meanwhile(path: &Path) -> String {
    format!(
        "{} was changed meanwhile, and nothing was written; run the command again",
        path.display()
    )
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> String {
    move |error| {
        format!(
            "{}: cannot be written: {error}; nothing was changed",
            path.display()
        )
    }
}

/// Steps that, taken in reverse, restore everything.
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
            // There is nothing left to try if it fails.
            let _ = step();
        }
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test]
    fn nothing_is_left_behind_when_the_last_cannot_be_written() {
        let folder = TempDir::new().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("main.key"), "old").unwrap();
        let mut files = Files::default();
        files.secret(path("main.key"), "new".to_owned().into(), None);
        files.folder(path("app/main"), vec![("a/b".into(), "c".to_owned())]);
        files.change(path("missing.toml"), Some(String::new()), "x".to_owned());

        let error = files.write(true).unwrap_err();
        assert!(error.contains("missing.toml: cannot be written"), "{error}");
        assert_eq!(fs::read(path("main.key")).unwrap(), b"old");
        assert!(!path("app/main").exists());
        let left = fs::read_dir(folder.path()).unwrap().count();
        // The key, and the empty folder of the apps.
        assert_eq!(left, 2);
    }

    #[test_case(None; "it came")]
    #[test_case(Some("older"); "it changed")]
    fn what_was_changed_meanwhile_is_left_alone(before: Option<&str>) {
        let folder = TempDir::new().unwrap();
        let path = |name: &str| folder.path().join(name);
        let texts = |names: [&str; 3]| names.map(|name| fs::read_to_string(path(name)).ok());
        let names = ["main.key", "one.toml", "two.toml"];
        fs::write(path("one.toml"), "a long one").unwrap();
        fs::write(path("two.toml"), "theirs").unwrap();
        let there = texts(names);
        let mut files = Files::default();
        files.secret(path("main.key"), "new".to_owned().into(), None);
        files.change(path("one.toml"), there[1].clone(), "ours".to_owned());
        let before = before.map(str::to_owned);
        files.change(path("two.toml"), before, "ours".to_owned());

        let error = files.write(true).unwrap_err();
        let expected =
            "two.toml was changed meanwhile, and nothing was written; run the command again";
        assert!(error.ends_with(expected), "{error}");
        assert_eq!(texts(names), there);
    }

    #[test]
    fn what_another_is_changing_is_left_alone() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("proxy.toml");
        fs::write(&path, "old").unwrap();
        let other = File::open(&path).unwrap();
        flock(&other, FlockOperation::LockExclusive).unwrap();
        let write = || {
            let mut files = Files::default();
            files.change(path.clone(), Some("old".to_owned()), "new".to_owned());
            files.write(false)
        };
        assert!(write().unwrap_err().contains("was changed meanwhile"));
        drop(other);
        write().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    }

    #[test]
    fn what_is_in_the_way_is_kept_however_often() {
        let folder = TempDir::new().unwrap();
        let path = |name: &str| folder.path().join(name);
        for text in ["1", "2", "3"] {
            let mut files = Files::default();
            files.text(path("main.crt"), text.to_owned());
            files.write(true).unwrap();
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
