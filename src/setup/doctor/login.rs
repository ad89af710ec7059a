//! One login, and what it means if it is refused.

use std::time::{Duration, Instant};

use super::{
    clock::{DOUBTFUL, skew},
    report::Check,
};
use crate::{
    auth::{About, Diagnosis, Login, LoginError, Session},
    config::Org,
};

/// What is known before the login, and may explain why it is refused.
pub(super) struct Findings {
    /// Whether the certificate beside the key fits it, if there is one; what is wrong if not.
    pub(super) certificate: Option<Result<(), String>>,
    /// Seconds by which this machine is ahead.
    pub(super) skew: Option<i64>,
}

/// Logs in once, without a second try.
pub(super) async fn check(
    login: &Login,
    org: &Org,
    found: &Findings,
    tries_audiences: bool,
) -> (Check, Option<Session>) {
    let begin = Instant::now();
    let outcome = login.attempt().await;
    let took = milliseconds(begin.elapsed());
    let error = match outcome {
        Ok(session) => {
            let says = format!("as {}, at {} in {took}", org.username, org.login_url);
            return (Check::passed("login", says), Some(session));
        }
        Err(error) => error,
    };
    let mut check = Check::failed("login", words(&error));
    if let Some(diagnosis) = error.diagnosis() {
        let cause = real_cause(diagnosis, org, found);
        let cause = cause.as_deref().unwrap_or(diagnosis.cause);
        check = check
            .advise(format!("why: {cause}"))
            .advise(format!("do: {}", diagnosis.fix));
        if diagnosis.about == About::Place && !tries_audiences && org.demo.is_none() {
            check = check.advise(format!(
                "or: `orgproxy doctor {} --try-audiences` tries other hosts and audiences; each \
                 try counts as a login",
                org.name
            ));
        }
    }
    (check, None)
}

/// The org's own, where it gave any.
pub(super) fn words(error: &LoginError) -> String {
    match error {
        LoginError::Refused {
            url,
            error,
            description,
        } if description.is_empty() => format!("{url} refused it: {error}"),
        LoginError::Refused {
            url,
            error,
            description,
        } => format!("{url} refused it: {error}: {description}"),
        LoginError::Strange {
            url,
            status,
            answer,
        } => format!("{url} answered {status} with {answer}"),
        error => error.to_string(),
    }
}

/// What is wrong beyond what the org says, if that was found.
fn real_cause(diagnosis: &Diagnosis, org: &Org, found: &Findings) -> Option<String> {
    match diagnosis.about {
        About::Key => Some(match found.certificate.as_ref()? {
            Err(fault) => format!("the signature does not check: {fault}"),
            Ok(()) => "the signature does not check, although key and certificate here fit: the \
                       app has another certificate, or client_id is that of another app"
                .to_owned(),
        }),
        About::Clock => {
            let ahead = found.skew.filter(|ahead| ahead.unsigned_abs() > DOUBTFUL)?;
            Some(format!("the assertion had expired: {}", skew(ahead)))
        }
        About::Place if diagnosis.cause.contains("(aud)") => {
            let usual = Org::new(
                org.name.clone(),
                org.login_url.clone(),
                String::new(),
                String::new(),
                org.private_key.clone(),
            );
            let (given, usual) = (&org.audience, usual.audience);
            (*given != usual).then(|| {
                format!(
                    "audience is {given}, but {usual} is usual for {}",
                    org.login_url
                )
            })
        }
        About::Place | About::Org => None,
    }
}

pub(super) fn milliseconds(took: Duration) -> String {
    format!("{} ms", took.as_millis())
}
