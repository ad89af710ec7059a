//! The contents of a token or an assertion.

use std::{
    fmt::{self, Write},
    time::SystemTime,
};

use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};

use super::{
    fault::faults,
    moment::Moment,
    text::{Jwt, Text},
};
use crate::{
    config::{Config, Credential, Org},
    proxy::placeholder::Placeholders,
    system::{
        escape,
        terminal::{BAD, DOUBTFUL, GOOD, STRONG, styled, wrap},
    },
};

/// The kind of a token or an assertion, whom it is for, and what is wrong with it.
pub(super) struct Decoded {
    what: String,
    /// Each with a heading, and rows of a name and a value.
    tables: Vec<(&'static str, Vec<(String, String)>)>,
    signature: Option<Signature>,
    faults: Vec<String>,
    /// Anything else worth knowing.
    more: &'static str,
}

enum Signature {
    Fits(String),
    /// It should be by the key of this org, and is not.
    Forged(String),
    Unchecked(&'static str),
}

impl Decoded {
    pub(super) fn new(text: &Text, config: Option<&Config>, now: SystemTime) -> Self {
        match text {
            Text::Opaque(id) => Self::of_session_id(id, config),
            Text::Jwt(jwt) if is_access_token(jwt) => Self::of_access_token(jwt, now),
            Text::Jwt(jwt) => Self::of_assertion(jwt, config, now),
        }
    }

    /// Returns whether it has a signature that was checked and does not fit.
    pub(super) fn is_forged(&self) -> bool {
        matches!(self.signature, Some(Signature::Forged(_)))
    }

    fn of_session_id(id: &str, config: Option<&Config>) -> Self {
        let (org_id, _) = id.split_once('!').unwrap_or_default();
        let rows = [
            ("org", org_id.to_owned()),
            ("length", format!("{} characters", id.len())),
        ];
        let owner = config.and_then(|config| {
            let orgs = config.orgs.iter().enumerate();
            orgs.map(|(index, org)| (Placeholders::new(&config.orgs, &[], index), org))
                .find_map(|(placeholders, org)| placeholders.is_own(id).then_some(org))
        });
        let (what, more) = match owner {
            Some(org) => (
                format!(
                    "A placeholder that orgproxy gives to clients of org {}.",
                    org.name
                ),
                "It gives no access: orgproxy puts the session in its place.",
            ),
            None => (
                "An opaque access token, that is, a session id.".to_owned(),
                "Nothing else can be read from it. Only the org knows whose it is and whether it \
                 is still valid. It gives whoever has it access to the org.",
            ),
        };
        Self {
            what,
            tables: vec![(
                "",
                rows.map(|(name, value)| (name.to_owned(), value)).into(),
            )],
            signature: None,
            faults: Vec::new(),
            more,
        }
    }

    fn of_access_token(jwt: &Jwt, now: SystemTime) -> Self {
        let claims = jwt.header.values().chain(jwt.claims.values());
        let texts: Vec<_> = claims.filter_map(Value::as_str).collect();
        let id = |prefix| texts.iter().find_map(|text| id_in(text, prefix));
        let mut what = "An access token in JWT format".to_owned();
        for (name, id) in [("org", id("00D")), ("user", id("005"))] {
            if let Some(id) = id {
                // Writing to a string does not fail.
                let _ = write!(what, ", {name} {id}");
            }
        }
        what.push('.');
        let ended = jwt.claims.get("exp").and_then(Moment::of);
        let ended = ended.is_some_and(|end| end.ahead_of(now).is_none());
        Self {
            what,
            tables: tables(jwt, now),
            signature: Some(Signature::Unchecked(
                "not checked: signed by the org, whose key is not available here",
            )),
            faults: if ended {
                vec!["exp is past: it is no longer valid".to_owned()]
            } else {
                Vec::new()
            },
            more: "Only the REST APIs accept this format; SOAP, Bulk API 1 and the Metadata API \
                   do not. It gives whoever has it access to the org.",
        }
    }

    fn of_assertion(jwt: &Jwt, config: Option<&Config>, now: SystemTime) -> Self {
        let org = config.and_then(|config| org_of(jwt, config));
        let what = match org {
            Some(org) => format!("An assertion: what logs in to org {}.", org.name),
            None => "An assertion: what logs in to an org.".to_owned(),
        };
        Self {
            what,
            tables: tables(jwt, now),
            signature: Some(check(jwt, config, org)),
            faults: faults(jwt, org, now),
            more: "",
        }
    }
}

/// Salesforce names itself as the issuer, where an assertion has the consumer key, and says what
/// the token is good for.
fn is_access_token(jwt: &Jwt) -> bool {
    let issuer = jwt.claims.get("iss").and_then(Value::as_str);
    jwt.claims.contains_key("scp") || issuer.is_some_and(|issuer| issuer.starts_with("https://"))
}

/// The org that an assertion is for: the one with its app, and if several have that, its user.
fn org_of<'a>(jwt: &Jwt, config: &'a Config) -> Option<&'a Org> {
    let claim = |name| jwt.claims.get(name).and_then(Value::as_str);
    let user = claim("prn").or_else(|| claim("sub"));
    let mut orgs = config
        .orgs
        .iter()
        .filter(|org| Some(org.credential.client_id()) == claim("iss"));
    let first = orgs.clone().next();
    orgs.find(|org| Some(org.username.as_str()) == user)
        .or(first)
}

fn check(jwt: &Jwt, config: Option<&Config>, org: Option<&Org>) -> Signature {
    if jwt.header.get("alg").and_then(Value::as_str) != Some("RS256") {
        return Signature::Unchecked("not checked: it is not RS256");
    }
    let Some(org) = org else {
        return Signature::Unchecked(match config {
            Some(_) => "not checked: no org in the configuration has iss as its client_id",
            None => "not checked: there is no configuration with a key (see orgproxy check)",
        });
    };
    let Credential::JwtBearer(app) = &org.credential;
    let fits = jsonwebtoken::crypto::verify(
        &jwt.signature,
        jwt.signed.as_bytes(),
        app.private_key.decoding_key(),
        Algorithm::RS256,
    );
    match fits {
        Ok(true) => Signature::Fits(org.name.clone()),
        _ => Signature::Forged(org.name.clone()),
    }
}

fn tables(jwt: &Jwt, now: SystemTime) -> Vec<(&'static str, Vec<(String, String)>)> {
    let rows = |part: &Map<String, Value>| {
        let row = |(name, value): (&String, &Value)| {
            let shown = escape::line(name).into_owned();
            (shown, describe(name, value, now))
        };
        part.iter().map(row).collect()
    };
    vec![("Header", rows(&jwt.header)), ("Claims", rows(&jwt.claims))]
}

/// A claim, and what it means if it is a time.
fn describe(name: &str, value: &Value, now: SystemTime) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    };
    let text = escape::line(&text).into_owned();
    let moment = match name {
        "exp" | "iat" | "nbf" => Moment::of(value),
        _ => None,
    };
    let Some(moment) = moment else {
        return text;
    };
    let form = if moment.is_in_milliseconds {
        " in milliseconds"
    } else if value.is_string() {
        " as a string"
    } else {
        ""
    };
    format!("{text}{form}: {}", moment.describe(now))
}

/// A Salesforce id within a text, found by its first three characters.
fn id_in<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .find(|word| word.starts_with(prefix) && matches!(word.len(), 15 | 18))
}

impl fmt::Display for Decoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", wrap(&self.what, 0))?;
        for (heading, rows) in &self.tables {
            writeln!(f)?;
            if !heading.is_empty() {
                writeln!(f, "{}", styled(STRONG, heading))?;
            }
            let width = rows.iter().map(|(name, _)| name.chars().count()).max();
            let width = width.unwrap_or_default();
            for (name, value) in rows {
                writeln!(f, "  {name:width$}  {value}")?;
            }
        }
        if let Some(signature) = &self.signature {
            let said = match signature {
                Signature::Fits(org) => styled(GOOD, &format!("matches the key of org {org}")),
                Signature::Forged(org) => styled(
                    BAD,
                    &format!(
                        "does not match the key of org {org}: it was signed with another key, or \
                         was changed"
                    ),
                ),
                Signature::Unchecked(why) => styled(DOUBTFUL, why),
            };
            writeln!(f, "\n{}\n{}", styled(STRONG, "Signature"), wrap(&said, 2))?;
        }
        if !self.faults.is_empty() {
            writeln!(f, "\n{}", styled(STRONG, "Wrong"))?;
        }
        for fault in &self.faults {
            writeln!(f, "{}", wrap(&styled(BAD, fault), 2))?;
        }
        if !self.more.is_empty() {
            writeln!(f, "\n{}", wrap(self.more, 0))?;
        }
        Ok(())
    }
}
