//! `[org.NAME.budget]`: how much of what an org allows its clients may use.

use std::{
    fmt::{self, Display, Formatter},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use super::{ClientNames, Clients, document::Value, given, section::Section, value};

/// How much of what an org allows its clients may use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Budget {
    /// The calls that the org may have counted in 24 hours, whoever made them.
    pub calls: Option<Amount>,
    /// The calls in 24 hours of each of these clients.
    pub clients: Vec<(ClientLabel, Amount)>,
    /// The calls in 24 hours of all other clients together.
    pub others: Option<Amount>,
    /// For each client; those that cannot be told apart for sure count as one.
    pub requests_per_second: Option<NonZeroU32>,
    /// The long calls, if their number is watched.
    pub long_calls: Option<LongCalls>,
}

/// A number of API calls in 24 hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// So many.
    Calls(u32),
    /// So many of a million that the org allows.
    Share(u32),
}

/// A client by what it cannot choose for itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ClientLabel {
    /// The name that it logs in by.
    Name(Arc<str>),
    /// The user that it runs as.
    Uid(u32),
    /// The name of the clients of its listener.
    Listener(Arc<str>),
}

/// The bounds of calls that take long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LongCalls {
    /// The number of them that the org allows at the same time.
    pub most: usize,
    /// The time after which a call is a long one.
    pub after: Duration,
    /// The longest time that another call waits for its turn.
    pub wait: Duration,
    /// The calls that wait at the same time.
    pub queue: usize,
}

impl Budget {
    /// Returns whether it bounds the calls of a day.
    pub(crate) fn has_shares(&self) -> bool {
        self.calls.is_some() || self.has_accounts()
    }

    /// Returns whether it bounds those of single clients.
    pub(crate) fn has_accounts(&self) -> bool {
        self.others.is_some() || !self.clients.is_empty()
    }

    /// Returns whether the org has to be heard to know its bounds.
    pub(crate) fn follows_the_org(&self) -> bool {
        let others = self.clients.iter().map(|(_, amount)| amount);
        let is_share = |amount: &Amount| matches!(amount, Amount::Share(_));
        self.calls.is_some() || others.chain(&self.others).any(is_share)
    }
}

impl Amount {
    /// The number of calls, if the org allows `allowed`. None if that has to be known and is not.
    pub(crate) fn of(self, allowed: Option<u32>) -> Option<u64> {
        match self {
            Self::Calls(calls) => Some(calls.into()),
            Self::Share(share) => Some(u64::from(allowed?) * u64::from(share) / MILLION),
        }
    }

    fn parse(value: &Value) -> Result<Self, String> {
        let text = match value {
            Value::Text(text) => text,
            Value::Integer(..) => {
                let calls: u32 = value::whole(value)?;
                return match calls {
                    0 => Err(format!("must be more than zero; {EXAMPLES}")),
                    calls => Ok(Self::Calls(calls)),
                };
            }
            other => return Err(format!("must not be {}; {EXAMPLES}", other.kind())),
        };
        let percent = text.strip_suffix('%').map(str::trim_end);
        let percent = percent.and_then(|percent| percent.parse::<f64>().ok());
        let Some(percent) = percent else {
            return Err(format!("must not be {}; {EXAMPLES}", given::shown(text)));
        };
        if !(0.0001..=100.0).contains(&percent) {
            return Err("must be at least 0.0001% and at most 100%".to_owned());
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is from one to a million"
        )]
        Ok(Self::Share((percent * PER_PERCENT).round() as u32))
    }
}

impl Display for Amount {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Calls(calls) => write!(f, "{calls}"),
            Self::Share(share) => write!(f, "{}%", f64::from(*share) / PER_PERCENT),
        }
    }
}

impl ClientLabel {
    /// Reads a label as it is shown: `etl@example.com`, `uid:1000`, `listener:nightly-load`. The client
    /// has to be one of those that the org has.
    pub(super) fn parse(
        label: &str,
        clients: Option<&Clients>,
        names: &ClientNames,
    ) -> Result<Self, String> {
        if let Some(uid) = label.strip_prefix("uid:") {
            let uid = uid.parse().map(Self::Uid);
            return uid.map_err(|_| "is not a user; write one such as \"uid:1000\"".to_owned());
        }
        if let Some(name) = label.strip_prefix("listener:") {
            if !names.all().any(|known| known == name) {
                return Err(
                    "is no name of a listener; add it to client_names of this org".to_owned(),
                );
            }
            return Ok(Self::Listener(name.into()));
        }
        if clients.is_some_and(|clients| clients.names().any(|known| known == label)) {
            return Ok(Self::Name(label.into()));
        }
        Err(
            "is not a client of this org that is known for sure; write a name of its clients, \
             \"uid:1000\" for a user of a Unix socket, or \"listener:NAME\" for a name of its \
             client_names"
                .to_owned(),
        )
    }
}

/// With the mark that it is shown with.
impl Display for ClientLabel {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Uid(uid) => write!(f, "uid:{uid}"),
            Self::Listener(name) => write!(f, "listener:{name}"),
        }
    }
}

impl Default for LongCalls {
    fn default() -> Self {
        // See salesforce::facts::limits.
        Self {
            most: 25,
            after: Duration::from_secs(20),
            wait: Duration::from_secs(30),
            queue: 100,
        }
    }
}

/// Reads the section of an org with these clients; nothing if it sets nothing.
pub(super) fn read(
    mut section: Section<'_>,
    clients: Option<&Clients>,
    names: &ClientNames,
) -> Option<Budget> {
    let own = section.get("clients").is_some();
    let shares = section
        .child("clients")
        .values(|label, amount| {
            let label = ClientLabel::parse(label, clients, names)?;
            Ok((label, Amount::parse(amount)?))
        })
        .into_iter()
        .map(|(share, _)| share);
    let shares: Vec<_> = shares.collect();
    let others = if own {
        // A client need only leave its name out to be one of them.
        let example = "\"10%\", for all clients together that are not named";
        section.require("others", example, Amount::parse)
    } else {
        section.read("others", Amount::parse)
    };
    let budget = Budget {
        calls: section.read("calls", Amount::parse),
        clients: shares,
        others,
        requests_per_second: section.read("requests_per_second", rate),
        long_calls: long_calls(&mut section),
    };
    section.finish();
    (budget != Budget::default()).then_some(budget)
}

fn long_calls(section: &mut Section<'_>) -> Option<LongCalls> {
    let usual = LongCalls::default();
    let most = section.read("long_calls", value::count);
    let after = section.read("long_after", value::time);
    let wait = section.read("wait", value::time);
    let queue = section.read("queue", value::whole);
    if section.get("long_calls").is_none() {
        for key in ["long_after", "wait", "queue"] {
            if section.get(key).is_some() {
                section.problem(key, "does nothing without long_calls; add long_calls = 25");
            }
        }
    }
    Some(LongCalls {
        most: most?,
        after: after.unwrap_or(usual.after),
        wait: wait.unwrap_or(usual.wait),
        queue: queue.unwrap_or(usual.queue),
    })
}

fn rate(value: &Value) -> Result<NonZeroU32, String> {
    let rate: u32 = value::whole(value)?;
    NonZeroU32::new(rate).ok_or_else(|| "must be more than zero".to_owned())
}

const MILLION: u64 = 1_000_000;

/// Millionths.
const PER_PERCENT: f64 = 10_000.0;

const EXAMPLES: &str = "write a number of calls such as 10000, or a share such as \"50%\"";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_of_what_the_org_allows() {
        let of = |amount: Amount| [amount.of(Some(15_000)), amount.of(None)];
        assert_eq!(of(Amount::Share(500_000)), [Some(7500), None]);
        assert_eq!(of(Amount::Share(5000)), [Some(75), None]);
        assert_eq!(of(Amount::Calls(10)), [Some(10), Some(10)]);
        let all = Amount::Share(1_000_000).of(Some(u32::MAX));
        assert_eq!(all, Some(u32::MAX.into()));
    }

    #[test]
    fn an_amount_is_a_number_or_a_share() {
        let text = |text: &str| Amount::parse(&Value::Text(text.to_owned()));
        assert_eq!(text("50%"), Ok(Amount::Share(500_000)));
        assert_eq!(text("12.5 %"), Ok(Amount::Share(125_000)));
        assert_eq!(text("12.5%").unwrap().to_string(), "12.5%");
        for odd in ["0%", "-1%", "101%", "NaN%", "%", "", "50", "half"] {
            assert!(text(odd).is_err(), "{odd}");
        }
        let number = |digits: &str| Amount::parse(&Value::Integer(digits.to_owned(), 10));
        assert_eq!(number("10000"), Ok(Amount::Calls(10_000)));
        assert!(number("0").is_err() && number("99999999999").is_err());
        assert!(Amount::parse(&Value::Flag(true)).is_err());
    }
}
