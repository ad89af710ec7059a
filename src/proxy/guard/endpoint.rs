//! The paths that are denied to the org, but have an answer here.

/// What a client may ask of us in place of the org: its own answer would make, show or end the
/// session that all clients share ([`crate::salesforce::facts::session_endpoints`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// `/services/oauth2/token`
    Token,
    /// `/services/oauth2/revoke`
    Revoke,
    /// `/services/oauth2/introspect`
    Introspect,
    /// `/secur/logout.jsp`
    Logout,
}

impl Endpoint {
    /// By the words that a path begins with, of which it takes those that name it.
    pub(super) fn of<'a>(words: &mut impl Iterator<Item = &'a [u8]>) -> Option<Self> {
        let mut is = |word: &str| {
            let found = words.next();
            found.map(|found| (found, found.eq_ignore_ascii_case(word.as_bytes())))
        };
        let (first, is_services) = is("services")?;
        if first.eq_ignore_ascii_case(b"secur") {
            return is("logout.jsp")?.1.then_some(Self::Logout);
        }
        if !is_services || !is("oauth2")?.1 {
            return None;
        }
        match words.next()?.to_ascii_lowercase().as_slice() {
            b"token" => Some(Self::Token),
            b"revoke" => Some(Self::Revoke),
            b"introspect" => Some(Self::Introspect),
            _ => None,
        }
    }

    /// Whether no setting sends it to the org: there it makes a session that nobody keeps, or ends
    /// the one that all share.
    pub(super) fn is_shielded(self) -> bool {
        self != Self::Introspect
    }
}
