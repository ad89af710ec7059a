//! A session: access token, instance and what is known of its life, one immutable value.

use std::{
    fmt,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use http::{HeaderValue, uri::Authority};
use tokio::time::Instant;

/// A session with an org. Token and instance are replaced together or not at all, so no request
/// can pair a new token with an old host.
pub(crate) struct Session {
    /// Host and port of the instance, for connections.
    pub(crate) authority: Authority,
    /// The `Host` that the instance expects.
    pub(crate) host: HeaderValue,
    /// `Bearer …`, built once and marked sensitive.
    pub(crate) authorization: HeaderValue,
    /// The access token alone, for the APIs that want it so. Sensitive, too.
    pub(crate) token: HeaderValue,
    /// The user it is for, as far as the org said.
    pub(crate) identity: Identity,
    /// Which of the shared sessions it is, if it is one.
    #[cfg_attr(
        not(feature = "redis"),
        expect(dead_code, reason = "for those who share")
    )]
    pub(super) generation: Option<Generation>,
    /// If true, another process has logged in for it.
    pub(super) is_taken_over: bool,
    issued: Instant,
    /// The time until it ends whatever happens, if that is known.
    expires: Option<Instant>,
    /// The time that it lives unused.
    idle: Duration,
    /// Milliseconds since `issued`.
    used: AtomicU64,
    /// Milliseconds since `issued` plus one, or 0 if the org has not accepted it yet.
    good: AtomicU64,
    /// If true, it came in place of a rejected one, with the same token: the login says that it
    /// lives.
    confirmed: AtomicBool,
}

/// The owner of a session: what the token endpoint says as `id` and `scope`
/// ([`crate::salesforce::facts::token_response`]).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    /// 18 characters, or the 15 of an access token.
    pub(crate) org_id: Option<String>,
    /// 18 characters.
    pub(crate) user_id: Option<String>,
    /// The scopes as the org wrote them.
    pub(crate) scope: Option<String>,
}

/// The place of a session among those that several processes share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Generation {
    /// In which these numbers are counted.
    pub(super) epoch: String,
    /// Later ones are greater.
    pub(super) number: u64,
}

impl Identity {
    /// Reads the identity URL, whose last two segments are the ids; the org's is also what an
    /// opaque token begins with.
    pub(super) fn new(url: Option<&str>, scope: Option<String>, token: &str) -> Self {
        let is_id = |text: &&str| {
            matches!(text.len(), 15 | 18) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        let mut segments = url.unwrap_or_default().rsplit('/').filter(is_id);
        let user_id = segments.next().map(str::to_owned);
        let org_id = segments
            .next()
            .or_else(|| token.split_once('!').map(|(org, _)| org).filter(is_id))
            .map(str::to_owned);
        Self {
            org_id,
            user_id,
            scope,
        }
    }
}

/// The use that a session allows at some moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fitness {
    /// Good to use.
    Fresh,
    /// Good to use, but a new one should be on its way.
    Ageing,
    /// Must not be used.
    Expired,
}

impl Session {
    /// # Errors
    /// The reason why `token` is not a valid one.
    pub(crate) fn new(
        authority: Authority,
        token: &str,
        identity: Identity,
        lifetime: Option<Duration>,
        idle: Duration,
    ) -> Result<Self, &'static str> {
        if let Some(fault) = fault_of(token) {
            return Err(fault);
        }
        let header = |text: &str| HeaderValue::from_str(text).map_err(|_| UNUSABLE);
        let sensitive = |text: &str| {
            header(text).map(|mut value| {
                value.set_sensitive(true);
                value
            })
        };
        let host = match authority.port_u16() {
            None | Some(443) => header(authority.host())?,
            Some(_) => header(authority.as_str())?,
        };
        let issued = Instant::now();
        Ok(Self {
            authority,
            host,
            authorization: sensitive(&format!("Bearer {token}"))?,
            token: sensitive(token)?,
            identity,
            generation: None,
            is_taken_over: false,
            issued,
            // The org may say anything, and a sum that is too large panics.
            expires: lifetime.map(|lifetime| issued + lifetime.min(LONGEST_LIFE)),
            idle,
            used: AtomicU64::new(0),
            good: AtomicU64::new(0),
            confirmed: AtomicBool::new(false),
        })
    }

    /// The same, as one that is shared.
    #[cfg(feature = "redis")]
    pub(super) fn of_generation(self, generation: Generation) -> Self {
        Self {
            generation: Some(generation),
            ..self
        }
    }

    /// The same, as one for which another process has logged in.
    #[cfg(feature = "redis")]
    pub(super) fn taken_over(self) -> Self {
        Self {
            is_taken_over: true,
            ..self
        }
    }

    /// `https://` and the instance's host.
    pub(crate) fn instance_url(&self) -> String {
        format!("https://{}", self.host.to_str().unwrap_or_default())
    }

    /// True in JWT format, which only the REST APIs take, and SOAP from version 68.0 on:
    /// [`crate::salesforce::facts::sessions`].
    pub(crate) fn is_jwt(&self) -> bool {
        self.token.as_bytes().starts_with(b"eyJ")
    }

    /// The time that it lives whatever happens, if that is known.
    pub(crate) fn lifetime(&self) -> Option<Duration> {
        Some(self.expires?.saturating_duration_since(self.issued))
    }

    /// Notes that the org accepted a request with this session just now.
    pub(crate) fn accepted(&self) {
        let now = self.millis(Instant::now());
        self.used.store(now, Relaxed);
        self.good.store(now + 1, Relaxed);
    }

    /// Returns whether the org accepted it within the last `window`.
    pub(crate) fn accepted_within(&self, window: Duration) -> bool {
        match self.good.load(Relaxed) {
            0 => false,
            good => {
                let age = self.millis(Instant::now()).saturating_sub(good - 1);
                u128::from(age) <= window.as_millis()
            }
        }
    }

    /// Notes that its login gave the token of a rejected session.
    pub(super) fn confirm(&self) {
        self.confirmed.store(true, Relaxed);
    }

    /// Returns whether that login was so lately that another would say the same.
    pub(super) fn is_confirmed(&self, now: Instant) -> bool {
        self.confirmed.load(Relaxed) && self.age(now) < CONFIRMED
    }

    pub(crate) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.issued)
    }

    /// Judges it at `now`. Its life is a sliding idle timeout that every call resets
    /// ([`crate::salesforce::facts::sessions`]), so age counts from the last use. Where a fixed end
    /// is known it holds besides.
    pub(super) fn fitness(&self, now: Instant) -> Fitness {
        let unused = self.millis(now).saturating_sub(self.used.load(Relaxed));
        if u128::from(unused) >= self.idle.as_millis() {
            return Fitness::Expired;
        }
        let Some(lifetime) = self.lifetime() else {
            return Fitness::Fresh;
        };
        // Of a short life, a part: it is not over before it has begun.
        let left = lifetime.saturating_sub(self.age(now));
        if left <= LAST_MOMENT.min(lifetime / 8) {
            Fitness::Expired
        } else if left <= RENEW_BEFORE.min(lifetime / 4) {
            Fitness::Ageing
        } else {
            Fitness::Fresh
        }
    }

    /// True if both carry the same access token: Salesforce answers a login with the live session
    /// if there is one ([`crate::salesforce::facts::sessions`]).
    pub(crate) fn same_token(&self, other: &Self) -> bool {
        self.authorization == other.authorization
    }

    fn millis(&self, now: Instant) -> u64 {
        u64::try_from(self.age(now).as_millis()).unwrap_or(u64::MAX)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("instance", &self.authority.as_str())
            .finish_non_exhaustive()
    }
}

/// The reason why `token` is not a valid one (RFC 6750 section 2.1), without quoting it. It goes
/// into headers and cookies (RFC 6265 section 4.1.1).
fn fault_of(token: &str) -> Option<&'static str> {
    let is_usable = |byte: u8| byte.is_ascii_graphic() && !b"\",;\\".contains(&byte);
    if token.is_empty() {
        Some("it is empty")
    } else if token.bytes().all(is_usable) {
        None
    } else {
        Some(UNUSABLE)
    }
}

const UNUSABLE: &str = "it has a character that a header cannot contain";

/// Longer than any process runs.
const LONGEST_LIFE: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// A request sent this close to the end could arrive after it.
const LAST_MOMENT: Duration = Duration::from_secs(10);

/// The time for which a login's word that a session lives goes before a refusal.
const CONFIRMED: Duration = Duration::from_secs(5);

/// Time for a login in the background before the end.
const RENEW_BEFORE: Duration = Duration::from_secs(120);

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    fn session(lifetime: Option<u64>) -> Session {
        Session::new(
            Authority::from_static("acme.my.salesforce.com"),
            "00D!CANARY",
            Identity::default(),
            lifetime.map(Duration::from_secs),
            Duration::from_secs(7200),
        )
        .unwrap()
    }

    #[test]
    fn prints_no_token() {
        assert!(!format!("{:?}", session(None)).contains("CANARY"));
    }

    #[tokio::test(start_paused = true)]
    async fn age_counts_from_the_last_use_and_the_fixed_end_holds_besides() {
        let sliding = session(None);
        let fixed = session(Some(9000));
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        for (subject, second, expected) in [
            (&sliding, 0, Fitness::Fresh),
            (&sliding, 7199, Fitness::Fresh),
            (&sliding, 7200, Fitness::Expired),
            (&fixed, 7200, Fitness::Expired),
        ] {
            assert_eq!(subject.fitness(at(second)), expected, "at {second}");
        }

        tokio::time::advance(Duration::from_secs(7000)).await;
        sliding.accepted();
        fixed.accepted();
        for (subject, second, expected) in [
            (&sliding, 7000 + 7199, Fitness::Fresh),
            (&sliding, 7000 + 7200, Fitness::Expired),
            (&fixed, 8879, Fitness::Fresh),
            (&fixed, 8880, Fitness::Ageing),
            (&fixed, 8989, Fitness::Ageing),
            (&fixed, 8990, Fitness::Expired),
        ] {
            assert_eq!(subject.fitness(at(second)), expected, "at {second}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_lifetime_is_too_long() {
        for seconds in [i64::MAX.unsigned_abs(), 1 << 63, u64::MAX] {
            let session = session(Some(seconds));
            assert_eq!(session.fitness(Instant::now()), Fitness::Fresh);
            tokio::time::advance(Duration::from_secs(7199)).await;
            assert_eq!(session.fitness(Instant::now()), Fitness::Fresh);
            assert_eq!(session.lifetime(), Some(LONGEST_LIFE));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_short_life_is_used_for_the_most_part() {
        for seconds in [1, 5, 10, 60, 120] {
            let session = session(Some(seconds));
            let at = |part| Instant::now() + Duration::from_secs(seconds).mul_f64(part);
            assert_eq!(session.fitness(at(0.7)), Fitness::Fresh, "{seconds}");
            assert_ne!(session.fitness(at(0.8)), Fitness::Fresh, "{seconds}");
            assert_eq!(session.fitness(at(1.0)), Fitness::Expired, "{seconds}");
        }
    }

    #[test_case("00Dxx0000001gPL!AQ.E_a-9", None; "opaque")]
    #[test_case("eyJh.eyJp~+/.c2ln==", None; "a jwt")]
    #[test_case("", Some("it is empty"); "empty")]
    #[test_case(" ", Some(UNUSABLE); "a blank alone")]
    #[test_case("a b", Some(UNUSABLE); "a blank")]
    #[test_case("a\tb", Some(UNUSABLE); "a tab")]
    #[test_case("token\t", Some(UNUSABLE); "a tab at the end")]
    #[test_case("token\n", Some(UNUSABLE); "a line")]
    #[test_case("token\r\nX-Evil: 1", Some(UNUSABLE); "a header")]
    #[test_case("\u{0}", Some(UNUSABLE); "zero")]
    #[test_case("a\u{1b}[2J", Some(UNUSABLE); "escape")]
    #[test_case("a\u{7f}", Some(UNUSABLE); "delete")]
    #[test_case("t\u{f6}ken", Some(UNUSABLE); "beyond ASCII")]
    #[test_case("a\u{85}b", Some(UNUSABLE); "a control beyond ASCII")]
    #[test_case("a; oid=b", Some(UNUSABLE); "a cookie more")]
    #[test_case("\"a\"", Some(UNUSABLE); "in quotes")]
    fn a_malformed_token_is_refused(token: &str, fault: Option<&str>) {
        let authority = Authority::from_static("acme.my.salesforce.com");
        let made = Session::new(authority, token, Identity::default(), None, Duration::ZERO);
        assert_eq!(made.err(), fault);
    }

    #[tokio::test(start_paused = true)]
    async fn knows_when_it_was_last_accepted() {
        let session = session(None);
        let minute = Duration::from_secs(60);
        assert!(!session.accepted_within(minute));
        session.accepted();
        tokio::time::advance(minute).await;
        assert!(session.accepted_within(minute));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(!session.accepted_within(minute));
    }
}
