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

/// Findings before the login that may explain why it is refused.
pub(super) struct Findings {
    /// The certificate beside the key, if there is one: whether it fits, and what is wrong if not.
    pub(super) certificate: Option<Result<(), String>>,
    /// Seconds by which this machine is ahead of the login host.
    pub(super) skew: Option<i64>,
}

/// Logs in once, without a second try.
pub(super) async fn check(
    login: &Login,
    org: &Org,
    found: &Findings,
    tries_audiences: bool,
) -> (Check, Result<Session, LoginError>) {
    let begin = Instant::now();
    let outcome = login.attempt().await;
    let took = milliseconds(begin.elapsed());
    let error = match outcome {
        Ok(session) => {
            let says = format!("as {}, at {} in {took}", org.username, org.login_url);
            return (Check::passed("login", says), Ok(session));
        }
        Err(error) => error,
    };
    let mut check = Check::failed("login", words(&error));
    if let Some(diagnosis) = error.diagnosis() {
        let cause = real_cause(diagnosis, org, found);
        let cause = cause.as_deref().unwrap_or(diagnosis.cause);
        let fix = match diagnosis.about {
            About::Clock if found.skew.is_some_and(|ahead| !is_behind(ahead)) => OTHER_CLOCK,
            _ => diagnosis.fix,
        };
        check = check
            .advise(format!("why: {cause}"))
            .advise(format!("do: {fix}"));
        if diagnosis.about == About::Place && !tries_audiences && org.demo.is_none() {
            check = check.advise(format!(
                "or: `orgproxy doctor {} --try-audiences` tries other hosts and audiences; each \
                 try counts as a login",
                org.name
            ));
        }
    }
    (check, Err(error))
}

/// Returns whether another host or audience may work: the refusal is about them, or its cause is
/// unknown.
pub(super) fn may_go_better_elsewhere(error: &LoginError) -> bool {
    let about = error.diagnosis().map(|diagnosis| diagnosis.about);
    matches!(about, None | Some(About::Place | About::Unknown))
}

/// The org's own words, where it gave any.
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
            response,
        } => format!("{url} answered {status} with {response}"),
        error => error.to_string(),
    }
}

/// The real cause, if more was found than the org says.
fn real_cause(diagnosis: &Diagnosis, org: &Org, found: &Findings) -> Option<String> {
    match diagnosis.about {
        About::Key => Some(match found.certificate.as_ref()? {
            Err(fault) => format!("the signature does not verify: {fault}"),
            Ok(()) => "the signature does not verify, although key and certificate match here: \
                       the app has another certificate, or client_id is another app's"
                .to_owned(),
        }),
        About::Clock => {
            let ahead = found.skew?;
            Some(if is_behind(ahead) {
                format!("the assertion had expired: {}", skew(ahead))
            } else if ahead.unsigned_abs() > DOUBTFUL {
                format!(
                    "the org considered the assertion expired, although {}: a clock that is ahead \
                     is not the cause",
                    skew(ahead)
                )
            } else {
                "the org considered the assertion expired, although the clock of this machine \
                 agrees with the login host: as far as could be measured, it is not the cause"
                    .to_owned()
            })
        }
        About::Place if diagnosis.cause.contains("(aud)") => {
            let (given, usual) = (&org.audience, org.usual_audience());
            (*given != usual).then(|| {
                format!(
                    "audience is {given}, but {usual} is usual for {}",
                    org.login_url
                )
            })
        }
        About::Place | About::User | About::Org | About::Unknown => None,
    }
}

/// Returns whether this machine is so far behind that its assertions arrive expired.
fn is_behind(ahead: i64) -> bool {
    ahead < 0 && ahead.unsigned_abs() > DOUBTFUL
}

pub(super) fn milliseconds(took: Duration) -> String {
    format!("{} ms", took.as_millis())
}

const OTHER_CLOCK: &str = "look for a host in between that delays logins, or reports its own time \
                           instead of the org's; otherwise the org's clock is wrong: try again \
                           later";
