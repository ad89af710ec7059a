//! The files that a configuration is read from, as they were when it was: by which a change is seen.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::{Config, DEFAULT_PATH, Overrides, document, problem::Problems, reference, source};

/// The state of every file of a configuration, itself included.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Stamps(BTreeMap<PathBuf, Option<Stamp>>);

/// The state of a file, wherever symbolic links lead. The time is that of the last change to the
/// file or its metadata, because a key that others could read is refused until its mode is fixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

impl Config {
    /// Looks at the file at `path` and at all that it and `overrides` name, whatever mistakes are in
    /// it. While its syntax is wrong, what it names is not known.
    pub(crate) fn stamps(path: Option<&Path>, overrides: &Overrides) -> Stamps {
        let file = path.unwrap_or_else(|| Path::new(DEFAULT_PATH));
        let folder = file.parent().unwrap_or_else(|| Path::new(""));
        // Before it is read: what is written in between shows as a change.
        let own = (file.to_owned(), Stamp::of(file));
        let problems = Problems::new(file.display());
        // What comes through a pipe comes once.
        let is_file = own.1.is_some();
        let text = is_file.then(|| source::read(path).ok().flatten());
        let text = text.flatten().unwrap_or_default();
        let mut document = document::parse(&text, &problems).unwrap_or_default();
        overrides.apply(&mut document, &problems);
        let named = reference::files(&document, folder).into_iter();
        let named = named.map(|path| {
            let stamp = Stamp::of(&path);
            (path, stamp)
        });
        Stamps(named.chain([own]).collect())
    }
}

impl Stamps {
    /// Looks at the same files again.
    pub(crate) fn now(&self) -> Self {
        let paths = self.0.keys();
        Self(paths.map(|path| (path.clone(), Stamp::of(path))).collect())
    }

    /// Adds the files of `other` that are not among these.
    pub(crate) fn with(mut self, other: &Self) -> Self {
        for (path, stamp) in &other.0 {
            self.0.entry(path.clone()).or_insert(*stamp);
        }
        self
    }

    /// The first file that differs in `other`.
    pub(crate) fn difference<'a>(&'a self, other: &Self) -> Option<&'a Path> {
        let mut all = self.0.iter();
        let found = all.find(|(path, stamp)| other.0.get(*path) != Some(stamp));
        found.map(|(path, _)| path.as_path())
    }
}

impl Stamp {
    /// The state of a regular file; nothing if there is none or it cannot be seen.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let about = fs::metadata(path).ok()?;
        about.is_file().then(|| Self {
            device: about.dev(),
            inode: about.ino(),
            size: about.size(),
            changed: (about.ctime(), about.ctime_nsec()),
        })
    }
}
