//! The users that clients act as (`[org.NAME.users]`): whether each can log in.

use super::{
    login::{self, Findings},
    report::{Check, Report},
};
use crate::{
    auth::{About, Login},
    config::{Config, Org},
    network::tls,
};

/// Logs in as each of them once. Where the org's own user `is_in`, a refusal is about the user.
/// Otherwise one that is about all logins ends it.
pub(super) async fn check(
    config: &Config,
    org: &Org,
    is_in: bool,
    found: &Findings,
    report: &mut Report,
) {
    let users = org.users.as_ref();
    let users = users.map(|users| users.besides(&org.username));
    for user in users.into_iter().flatten() {
        let org = org.as_user(user);
        let login = tls::client_config(tls::roots(), &org.ca)
            .map_err(|error| error.to_string())
            .and_then(|tls| Login::alone(config, &org, tls).map_err(|error| error.to_string()));
        let (check, outcome) = match login {
            Ok(login) => login::check(&login, &org, found, true).await,
            Err(error) => return report.add(Check::failed("user", error)),
        };
        report.add(check.of_user(user));
        let about = outcome.map_or_else(
            |error| error.diagnosis().map(|diagnosis| diagnosis.about),
            |_| Some(About::User),
        );
        if !is_in && !matches!(about, Some(About::User | About::Place)) {
            let why = "no others were tried, since no login goes well";
            return report.add(Check::skipped("user", why));
        }
    }
}
