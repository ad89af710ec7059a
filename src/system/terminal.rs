//! Output for people: colours where they are wanted, and lines that fit.

use std::{
    io::{self, IsTerminal, Write},
    path::Path,
    sync::OnceLock,
};

use anstyle::{AnsiColor, Style};

/// Prints to standard output, with colours if that is a terminal and `NO_COLOR` is not set. Nobody
/// reading it is not a reason to stop; [`lost`] tells of other failures.
pub(crate) fn print(text: &str) {
    let mut output = anstream::stdout().lock();
    if let Err(error) = write!(output, "{text}").and_then(|()| output.flush())
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        let _ = LOST.set(error);
    }
}

/// The reason that something could not be printed, if there is one, as on a full disk.
pub(crate) fn lost() -> Option<&'static io::Error> {
    LOST.get()
}

/// Empties the terminal, whatever `NO_COLOR` says.
pub(crate) fn clear() {
    let _ = write!(io::stdout().lock(), "\u{1b}[H\u{1b}[J");
}

/// Like `print`, to standard error.
pub(crate) fn note(text: &str) {
    let _ = write!(anstream::stderr().lock(), "{text}");
}

/// Returns whether a person reads standard output.
pub(crate) fn is_read_by_a_person() -> bool {
    io::stdout().is_terminal()
}

/// Returns whether a person reads standard error.
pub(crate) fn stderr_is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Returns whether a person can be asked.
pub(crate) fn has_a_person() -> bool {
    io::stdin().is_terminal() && stderr_is_terminal()
}

/// Columns of the terminal; 80 without one, and 100 at most, because longer lines are hard to read.
pub(crate) fn width() -> usize {
    terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0).clamp(40, 100))
}

/// `text` in lines of the terminal's width, each with `indent` blanks before it.
pub(crate) fn wrap(text: &str, indent: usize) -> String {
    let blanks = " ".repeat(indent);
    let options = textwrap::Options::new(width())
        .initial_indent(&blanks)
        .subsequent_indent(&blanks)
        // Commands and URLs must stay what they are.
        .break_words(false)
        .word_separator(textwrap::WordSeparator::AsciiSpace)
        .word_splitter(textwrap::WordSplitter::NoHyphenation);
    textwrap::fill(text, options)
}

/// `text` as one word for a shell.
pub(crate) fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@%,:".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// `path` as one word for a shell.
pub(crate) fn quoted_path(path: &Path) -> String {
    quoted(&path.display().to_string())
}

/// `text` in `style`.
pub(crate) fn styled(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const BAD: Style = AnsiColor::Red.on_default();
pub(crate) const DOUBTFUL: Style = AnsiColor::Yellow.on_default();
pub(crate) const STRONG: Style = Style::new().bold();
pub(crate) const FAINT: Style = Style::new().dimmed();

/// The first that there was.
static LOST: OnceLock<io::Error> = OnceLock::new();

#[cfg(test)]
mod tests {
    use test_case::test_case;

    #[test_case("/a/b-c.pem", "/a/b-c.pem"; "a plain path")]
    #[test_case("api+x@acme.com", "api+x@acme.com"; "a plain username")]
    #[test_case("", "''"; "nothing")]
    #[test_case("my files", "'my files'"; "a blank")]
    #[test_case("it's", r"'it'\''s'"; "a quotation mark")]
    #[test_case("a$HOME`id`\\", r"'a$HOME`id`\'"; "what a shell expands")]
    #[test_case("a;b&c|d>e", "'a;b&c|d>e'"; "what ends a command")]
    #[test_case("~/*.key", "'~/*.key'"; "a pattern")]
    #[test_case("#a!b", "'#a!b'"; "a comment")]
    fn one_word_to_a_shell(text: &str, expected: &str) {
        assert_eq!(super::quoted(text), expected);
        let line = format!("printf %s {expected}");
        let said = std::process::Command::new("sh")
            .args(["-c", &line])
            .output();
        assert_eq!(said.unwrap().stdout, text.as_bytes());
    }
}
