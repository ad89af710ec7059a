//! The program of this process, and where another version of it may take its place.

use std::{
    env, fs, io,
    path::{self, PathBuf},
};

/// The path by which it was started, links in it as they are: where they lead later is the program that
/// is meant then. The file itself if it was started by none.
///
/// # Errors
/// If the system does not say which program this is.
pub(crate) fn path() -> io::Result<PathBuf> {
    let file = env::current_exe()?;
    let name = PathBuf::from(env::args_os().next().unwrap_or_default());
    let is_bare = name.components().count() == 1;
    let folders = env::var_os("PATH").filter(|_| is_bare).unwrap_or_default();
    let listed = env::split_paths(&folders).map(|folder| folder.join(&name));
    let named = (!is_bare).then(|| name.clone());
    let real = fs::canonicalize(&file).unwrap_or_else(|_| file.clone());
    // Whoever starts a program can call it what they like.
    let is_this = |path: &PathBuf| fs::canonicalize(path).is_ok_and(|found| found == real);
    let started_by = named.into_iter().chain(listed).find(is_this);
    // A name alone would be looked for again.
    started_by.map_or(Ok(file), path::absolute)
}
