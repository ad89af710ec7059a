//! Properties that hold for every input, one file for each target. `cargo test` tries the inputs that
//! are kept in `__fuzz__` and random ones for a moment; `.ci/run fuzz` takes longer, and CONTRIBUTING.md
//! says how to be led by coverage.
//!
//! A target is a file here, and two lines at the end of the module whose private items it uses.

/// Holds `$property` to inputs of at most `$most` bytes, and to those kept under `$name`. In them
/// `$words` may stand, as [`spelled`] says. What fails is printed with the seed that repeats it.
macro_rules! property {
    ($name:literal, $words:expr, $most:literal, $property:expr) => {
        bolero::check!(name = $name)
            .with_test_time($crate::fuzz::MOMENT)
            .with_max_len($most)
            .for_each(|input: &[u8]| $property(&$crate::fuzz::spelled(input, &$words)))
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

/// Enough for some hundred to some ten thousand inputs. `BOLERO_RANDOM_TEST_TIME_MS` takes its place.
pub(crate) const MOMENT: std::time::Duration = std::time::Duration::from_millis(300);
