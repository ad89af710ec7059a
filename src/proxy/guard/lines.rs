//! The lines of a head that the guard judges by.

use http::{HeaderMap, HeaderValue};

/// The lines of a head that the guard looks at, found in one pass: to look each up would cost
/// more than all of its judgement.
#[derive(Default)]
pub(super) struct Lines<'a> {
    /// Bytes of all of them.
    pub(super) bytes: usize,
    pub(super) content_length: Once<'a>,
    pub(super) expect: Once<'a>,
    pub(super) host: Once<'a>,
    pub(super) origin: Once<'a>,
    pub(super) transfer_encoding: Once<'a>,
    /// True if a `Sec-Fetch-Site` says that a page is behind it.
    pub(super) from_page: bool,
    /// True if a `Sec-Fetch-Mode` says that it is to be shown to a person.
    pub(super) is_opened: bool,
    /// True if there is a `Sec-Fetch-Site`, whatever it says.
    says_site: bool,
    is_browser: bool,
    has_language: bool,
}

/// A header that should come once at most.
#[derive(Default)]
pub(super) struct Once<'a> {
    pub(super) first: Option<&'a HeaderValue>,
    pub(super) repeated: bool,
}

impl<'a> Lines<'a> {
    pub(super) fn of(headers: &'a HeaderMap) -> Self {
        let mut lines = Self::default();
        for (name, value) in headers {
            lines.bytes += name.as_str().len() + value.len() + 4;
            match name.as_str() {
                "content-length" => lines.content_length.take(value),
                "expect" => lines.expect.take(value),
                "host" => lines.host.take(value),
                "origin" => lines.origin.take(value),
                "transfer-encoding" => lines.transfer_encoding.take(value),
                "sec-fetch-site" => {
                    lines.says_site = true;
                    lines.from_page |= value != "none";
                }
                "sec-fetch-mode" => lines.is_opened |= value == "navigate",
                "user-agent" => lines.is_browser |= value.as_bytes().starts_with(b"Mozilla/"),
                "accept-language" => lines.has_language = true,
                _ => {}
            }
        }
        lines
    }

    /// Returns whether a browser sent it, which does not say for whom. A page can neither change what
    /// its browser calls itself nor leave the languages out; tools that call themselves browsers have
    /// none.
    pub(super) fn is_of_silent_browser(&self) -> bool {
        self.is_browser && self.has_language && !self.says_site
    }
}

impl<'a> Once<'a> {
    fn take(&mut self, value: &'a HeaderValue) {
        self.repeated = self.first.is_some();
        self.first.get_or_insert(value);
    }
}
