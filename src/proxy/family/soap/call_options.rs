//! `CallOptions` in an envelope: where the org is told who calls.

use std::ops::Range;

use super::{Envelope, Slot, Wsdl, scan::span};
use crate::proxy::replay::Replay;

/// The place in an envelope for the name of the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Naming {
    /// None: the client has said who it is.
    Said,
    /// Within `CallOptions` before this byte.
    Before(u64),
    /// Within `CallOptions` with the session, after so many bytes of what goes before that.
    InSlot(usize),
    /// Before this byte, which is in `CallOptions`.
    Within(u64),
    /// Within these `CallOptions`, which are an empty element.
    InPlaceOf(Range<u64>),
}

impl Naming {
    /// The same in a text with `mark` bytes more at its beginning.
    pub(super) fn moved(self, mark: u64) -> Self {
        match self {
            Self::Before(at) => Self::Before(at + mark),
            Self::Within(at) => Self::Within(at + mark),
            Self::InPlaceOf(at) => Self::InPlaceOf(at.start + mark..at.end + mark),
            Self::Said | Self::InSlot(_) => self,
        }
    }
}

impl Envelope {
    /// Has it say that `name` calls, if the client has not said who it is. The name has no characters
    /// that XML knows. `body` is what the envelope was read from.
    pub(crate) async fn name_client(&mut self, wsdl: Wsdl, name: &str, body: &Replay) {
        let Some(namespace) = wsdl.namespace() else {
            return;
        };
        // If it fails, so does sending it.
        if let Ok((text, _)) = body.peek(1).await {
            self.put_client(namespace, name, &text);
        }
    }

    pub(super) fn put_client(&mut self, namespace: &str, name: &str, text: &[u8]) {
        let whole =
            format!("<CallOptions xmlns=\"{namespace}\"><client>{name}</client></CallOptions>");
        let client = format!("<client xmlns=\"{namespace}\">{name}</client>");
        match std::mem::replace(&mut self.naming, Naming::Said) {
            Naming::Said => {}
            Naming::InSlot(after) => {
                let rest = self.slot.before.split_off(after);
                self.slot.before = [&self.slot.before, whole.as_bytes(), &rest].concat();
            }
            Naming::Before(at) => self.slot.include(at..at, whole.as_bytes(), text),
            Naming::Within(at) => self.slot.include(at..at, client.as_bytes(), text),
            Naming::InPlaceOf(at) => {
                if let Some(filled) = text.get(span(&at)).and_then(|tag| filled(tag, &client)) {
                    self.slot.include(at, &filled, text);
                }
            }
        }
    }
}

impl Slot {
    /// Has it replace the range `at` of `text` by `with`, too.
    fn include(&mut self, at: Range<u64>, with: &[u8], text: &[u8]) {
        if at.end <= self.at.start {
            let between = text.get(span(&(at.end..self.at.start))).unwrap_or_default();
            self.before = [with, between, &self.before].concat();
            self.at.start = at.start;
        } else {
            let between = text.get(span(&(self.at.end..at.start))).unwrap_or_default();
            self.after = [&self.after, between, with].concat();
            self.at.end = at.end;
        }
    }
}

/// The empty element `tag` with `content`.
fn filled(tag: &[u8], content: &str) -> Option<Vec<u8>> {
    let start = tag.strip_suffix(b"/>")?;
    let is_end = |byte: &u8| byte.is_ascii_whitespace();
    let name = start.strip_prefix(b"<")?.split(is_end).next()?;
    Some([start, b">", content.as_bytes(), b"</", name, b">"].concat())
}
