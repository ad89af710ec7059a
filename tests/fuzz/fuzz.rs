//! Properties that hold for every input, one file for each target. `cargo test` tries the inputs that
//! are kept in `__fuzz__` and random ones for a moment; `.ci/run fuzz` takes longer, and CONTRIBUTING.md
//! says how to be led by coverage.
//!
//! A target is a file here, and two lines at the end of the module whose private items it uses.

use std::{
    env, fs,
    path::Path,
    time::{Duration, Instant},
};

/// Holds `$property` to inputs of at most `$most` bytes, and to those kept under `$name`. In them
/// `$words` may stand, as [`spelled`] says.
macro_rules! property {
    ($name:literal, $words:expr, $most:literal, $property:expr) => {
        let property = |input: &[u8]| $property(&$crate::fuzz::spelled(input, &$words));
        if cfg!(fuzzing) {
            bolero::check!(name = $name)
                .with_max_len($most)
                .for_each(|input: &[u8]| property(input));
        } else {
            $crate::fuzz::hold($name, $most, property);
        }
    };
}
pub(crate) use property;

/// `input` with a word for each byte that is not ASCII, so that random bytes come to something that a
/// parser takes, and what is written by hand stays legible. If the first byte is one, all are words.
pub(crate) fn spelled(input: &[u8], words: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let is_wordy = !words.is_empty() && input.first().is_some_and(|first| !first.is_ascii());
    let mut text = Vec::new();
    for byte in input {
        let index = usize::from(byte & 0x7f);
        if !words.is_empty() && (is_wordy || !byte.is_ascii()) {
            text.extend_from_slice(words[index % words.len()].as_ref());
        } else {
            text.push(*byte);
        }
    }
    text
}

/// Holds `property` to the inputs kept under `name`, then for `FUZZ_SECONDS` to random ones. These
/// follow from `FUZZ_SEED`, so that without one every run has the same, and what passed passes again.
pub(crate) fn hold(name: &str, most: usize, property: impl Fn(&[u8])) {
    for input in kept(name) {
        hold_to(&property, &input);
    }
    let end = Instant::now() + Duration::from_secs_f32(setting("FUZZ_SECONDS").unwrap_or(0.3));
    let mut random = fastrand::Rng::with_seed(setting("FUZZ_SEED").unwrap_or(1));
    let mut input = vec![0; most];
    while Instant::now() < end {
        let length = random.usize(0..=most);
        random.fill(&mut input[..length]);
        hold_to(&property, &input[..length]);
    }
}

/// What stands in the files of `name`, in the order of their names.
fn kept(name: &str) -> Vec<Vec<u8>> {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/__fuzz__");
    let mut files: Vec<_> = ["crashes", "corpus"]
        .iter()
        .filter_map(|kind| fs::read_dir(home.join(name).join(kind)).ok())
        .flat_map(|folder| folder.map(|entry| entry.unwrap().path()))
        .collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

fn hold_to(property: &impl Fn(&[u8]), input: &[u8]) {
    /// Says which input it was, if the property does not hold.
    struct Tried<'a>(&'a [u8]);
    impl Drop for Tried<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("The input was b\"{}\".", self.0.escape_ascii());
            }
        }
    }
    let _tried = Tried(input);
    property(input);
}

fn setting<T: std::str::FromStr>(variable: &str) -> Option<T> {
    let value = env::var(variable).ok()?;
    let read = value.parse().ok();
    assert!(read.is_some(), "{variable}={value} is no number");
    read
}
