//! Requests to the org: user, idle timeout, versions, a query, the day's usage.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use serde_json::Value;

use super::report::{Check, Report};
use crate::{
    auth::Session,
    command::client::Client,
    config::{ApiVersion, Config, Org},
    proxy::family::{KNOWN_VERSION, get_user_info},
    system::quote::quoted,
};

/// Asks as a client would, through a proxy in this process.
pub(super) async fn check(config: &Config, org: &Org, session: &Session, report: &mut Report) {
    let mut client = match Client::start(config, org).await {
        Ok(client) => client,
        Err(error) => return report.add(Check::failed("query", error.to_string())),
    };
    let reply = ask(&mut client, get("/services/oauth2/userinfo")).await;
    report.add(user(reply, &org.username));

    report.add(match session.lifetime() {
        Some(lifetime) => Check::passed(
            "idle_timeout",
            format!("none: the session ends {} after its login", spell(lifetime)),
        ),
        None => idle_timeout(user_info(&mut client).await, org.session_timeout),
    });

    let reply = ask(&mut client, get("/services/data/")).await;
    let newest = newest(&reply);
    report.add(versions(reply, org.minimum_api_version));

    let newest = newest.as_deref().unwrap_or(KNOWN_VERSION);
    let reply = ask(
        &mut client,
        get(&format!("/services/data/v{newest}/{QUERY}")),
    )
    .await;
    let used = reply
        .as_ref()
        .ok()
        .and_then(|reply| usage_of(&reply.headers));
    let is_allowed = reply
        .as_ref()
        .is_ok_and(|reply| reply.status == StatusCode::OK);
    report.add(query(reply));
    let used = match used {
        None if is_allowed => {
            let path = format!("/services/data/v{newest}/limits");
            let reply = ask(&mut client, get(&path)).await;
            reply.ok().and_then(|reply| daily_requests(&reply.json()))
        }
        used => used,
    };
    report.add(usage(used));
}

/// A response of the org, or of the proxy in its place.
struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The error in the org's own words, and its code if it has one.
    fn fault(&self) -> (String, String) {
        let json = self.json();
        let text = |name: &str| json[0][name].as_str().map(quoted);
        if let (Some(code), Some(message)) = (text("errorCode"), text("message")) {
            let words = if self.headers.contains_key("proxy-status") {
                message.trim_start_matches("orgproxy: ").to_owned()
            } else {
                format!("{} {code}: {message}", self.status.as_u16())
            };
            return (code, words);
        }
        let body = String::from_utf8_lossy(&self.body);
        let fault = between(&body, "<faultstring>", "</faultstring>");
        let words = quoted(fault.unwrap_or_else(|| body.trim()));
        let code = words.split(':').next().unwrap_or_default().to_owned();
        (code, format!("{} {words}", self.status.as_u16()))
    }
}

async fn ask(client: &mut Client, request: Request<Full<Bytes>>) -> Result<Reply, String> {
    let asked = async {
        let response = client
            .send(request)
            .await
            .map_err(|error| error.to_string())?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, LARGEST).collect().await;
        Ok(Reply {
            status: head.status,
            headers: head.headers,
            body: body.map_err(|error| error.to_string())?.to_bytes(),
        })
    };
    let waited = tokio::time::timeout(TIMEOUT, asked).await;
    waited.unwrap_or_else(|_| Err(format!("no answer within {}s", TIMEOUT.as_secs())))
}

fn get(path: &str) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::default());
    if let Ok(uri) = path.parse() {
        *request.uri_mut() = uri;
    }
    request
}

fn user(reply: Result<Reply, String>, configured: &str) -> Check {
    let reply = match reply {
        Ok(reply) => reply,
        Err(error) => return Check::failed("user", error),
    };
    let json = reply.json();
    let Some(username) = json["preferred_username"].as_str().map(quoted) else {
        let (_, words) = reply.fault();
        return Check::skipped(
            "user",
            format!("the org does not say who the user is: {words}"),
        )
        .advise("hint: the app's scope id or openid allows it");
    };
    let says = match json["name"].as_str() {
        Some(name) => format!("{username}, {}", quoted(name)),
        None => username.clone(),
    };
    if username.eq_ignore_ascii_case(configured) {
        Check::passed("user", says)
    } else {
        Check::warning("user", format!("{says}, not {configured}"))
    }
}

/// `getUserInfo`, which reports the timeout: [`crate::salesforce::facts::sessions`].
async fn user_info(client: &mut Client) -> Result<Reply, String> {
    let path = format!("/services/Soap/u/{KNOWN_VERSION}");
    let request = get_user_info(&path).map_err(|error| error.to_string())?;
    ask(client, request.map(Full::new)).await
}

fn idle_timeout(reply: Result<Reply, String>, assumed: Duration) -> Check {
    let reply = match reply {
        Ok(reply) => reply,
        Err(error) => return Check::failed("idle_timeout", error),
    };
    let body = String::from_utf8_lossy(&reply.body);
    let seconds = between(&body, "<sessionSecondsValid>", "</sessionSecondsValid>");
    let Some(seconds) = seconds.and_then(|seconds| seconds.parse().ok()) else {
        let (code, words) = reply.fault();
        return meant(Check::warning("idle_timeout", words.clone()), &code, &words);
    };
    let idle = Duration::from_secs(seconds);
    let check = Check::passed("idle_timeout", format!("{} without a request", spell(idle)));
    if idle < assumed {
        check.advise(format!(
            "hint: session_timeout = \"{seconds}s\" in proxy.toml avoids requests that the org \
             refuses first"
        ))
    } else {
        check
    }
}

fn newest(reply: &Result<Reply, String>) -> Option<String> {
    let json = reply.as_ref().ok()?.json();
    Some(json.as_array()?.last()?["version"].as_str()?.to_owned())
}

fn versions(reply: Result<Reply, String>, least: Option<ApiVersion>) -> Check {
    let reply = match reply {
        Ok(reply) => reply,
        Err(error) => return Check::failed("api_versions", error),
    };
    let json = reply.json();
    let versions: Vec<_> = json
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|version| version["version"].as_str())
        .map(quoted)
        .collect();
    let least = least.map(|least| least.to_string());
    match (versions.first(), versions.last()) {
        (Some(first), Some(last)) if least.as_ref().is_some_and(|it| !versions.contains(it)) => {
            let least = least.unwrap_or_default();
            let says = format!("{first} to {last}, and not minimum_api_version = \"{least}\"");
            Check::warning("api_versions", says).advise(format!(
                "hint: set minimum_api_version = \"{first}\" in proxy.toml"
            ))
        }
        (Some(first), Some(last)) => Check::passed("api_versions", format!("{first} to {last}")),
        _ => {
            let (code, words) = reply.fault();
            meant(Check::failed("api_versions", words.clone()), &code, &words)
        }
    }
}

fn query(reply: Result<Reply, String>) -> Check {
    let reply = match reply {
        Ok(reply) => reply,
        Err(error) => return Check::failed("query", error),
    };
    let json = reply.json();
    match json["records"].as_array() {
        Some(records) => Check::passed(
            "query",
            format!(
                "{SOQL}: {}",
                match records.len() {
                    1 => "1 record".to_owned(),
                    count => format!("{count} records"),
                }
            ),
        ),
        None => {
            let (code, words) = reply.fault();
            meant(Check::failed("query", words.clone()), &code, &words)
        }
    }
}

/// The day's requests, used and allowed, of `api-usage=18/5000; …`
/// ([`crate::salesforce::facts::limits`]).
fn usage_of(headers: &HeaderMap) -> Option<(u64, u64)> {
    let info = headers.get("sforce-limit-info")?.to_str().ok()?;
    let usage = info
        .split(';')
        .find_map(|part| part.trim().strip_prefix("api-usage="))?;
    let (used, allowed) = usage.split_once('/')?;
    Some((used.parse().ok()?, allowed.parse().ok()?))
}

fn daily_requests(json: &Value) -> Option<(u64, u64)> {
    let requests = &json["DailyApiRequests"];
    let allowed = requests["Max"].as_u64()?;
    Some((
        allowed.saturating_sub(requests["Remaining"].as_u64()?),
        allowed,
    ))
}

fn usage(used: Option<(u64, u64)>) -> Check {
    let Some((used, allowed)) = used else {
        return Check::skipped("api_usage", "the org does not report it");
    };
    let says = format!("{used} of {allowed} requests in 24 hours");
    if used.saturating_mul(10) > allowed.saturating_mul(9) {
        Check::warning("api_usage", says)
            .advise("why: when they are used up, the org refuses requests from every program")
            .advise(
                "do: find out who uses them (Setup, API Usage); send fewer requests, or use \
                     the Bulk API",
            )
    } else {
        Check::passed("api_usage", says)
    }
}

/// The meaning of an error of the API ([`crate::salesforce::facts::expiry`]), if that is known.
fn meant(check: Check, code: &str, words: &str) -> Check {
    let advice = match code {
        "API_CURRENTLY_DISABLED" => {
            "do: give the user the permission 'API Enabled', through its profile or a permission \
             set"
        }
        "API_DISABLED_FOR_ORG" => {
            "do: ask Salesforce to enable the API for this org: its edition does not include it"
        }
        "REQUEST_LIMIT_EXCEEDED" => {
            "do: wait: the requests for 24 hours are used up, or too many run at once; find out \
             who uses them (Setup, API Usage)"
        }
        "INVALID_SESSION_ID" if words.contains("not valid for use with the REST API") => {
            "do: grant the app the scope api, and check whether a policy restricts its sessions \
             to pages"
        }
        "INVALID_SESSION_ID" if words.contains("not attached to Agent") => {
            "do: use another app: this one is for agents only"
        }
        "INVALID_SESSION_ID" => {
            "do: find out why the org ends a new session at once: it may be locked to another \
             address (Setup, Session Settings), or a program logs out"
        }
        "INVALID_OPERATION_WITH_EXPIRED_PASSWORD" => {
            "do: set a new password for the user, or give it 'Password Never Expires'"
        }
        "URL_NOT_RESET" => "do: check login_url: the instance is a login host",
        _ => return check,
    };
    check.advise(advice)
}

fn between<'a>(text: &'a str, begin: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(begin)?;
    Some(rest.split_once(end)?.0)
}

/// In whole seconds.
fn spell(duration: Duration) -> humantime::FormattedDuration {
    humantime::format_duration(Duration::from_secs(duration.as_secs()))
}

const SOQL: &str = "SELECT Id, Name FROM User LIMIT 1";
const QUERY: &str = "query?q=SELECT+Id,+Name+FROM+User+LIMIT+1";

/// Bytes of a response.
const LARGEST: usize = 1024 * 1024;

/// For one response.
const TIMEOUT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(
        403,
        "API_CURRENTLY_DISABLED",
        "API is disabled for this user",
        "API Enabled"
    )]
    #[test_case(
        403,
        "API_DISABLED_FOR_ORG",
        "API is not enabled for this Organization or Partner",
        "edition"
    )]
    #[test_case(
        403,
        "REQUEST_LIMIT_EXCEEDED",
        "TotalRequests Limit exceeded.",
        "24 hours"
    )]
    #[test_case(
        401,
        "INVALID_SESSION_ID",
        "This session is not valid for use with the REST API",
        "scope api"
    )]
    #[test_case(
        401,
        "INVALID_SESSION_ID",
        "Connected app is not attached to Agent",
        "agents only"
    )]
    #[test_case(401, "INVALID_SESSION_ID", "Session expired or invalid", "logs out")]
    #[test_case(403, "INVALID_OPERATION_WITH_EXPIRED_PASSWORD", "x", "new password")]
    #[test_case(400, "URL_NOT_RESET", "x", "login_url")]
    fn errors_are_told_in_the_orgs_words_with_the_way_out(
        status: u16,
        code: &str,
        message: &str,
        advice: &str,
    ) {
        let body = serde_json::json!([{"message": message, "errorCode": code}]);
        let check = format!("{:?}", query(Ok(reply(status, &body.to_string()))));
        for part in [&format!("{status} {code}: {message}"), advice] {
            assert!(check.contains(part), "{check}");
        }
    }

    #[test_case("<f:Fault><faultstring>SERVER_UNAVAILABLE: @</faultstring></f:Fault>"; "a fault")]
    #[test_case("SERVER_UNAVAILABLE: @"; "a page")]
    #[test_case(r#"[{"errorCode": "SERVER_UNAVAILABLE", "message": "@"}]"#; "JSON")]
    fn the_words_of_the_org_are_told_on_one_line_without_a_session(body: &str) {
        let body = body.replace('@', "first\u{2028}second 00D1x0000000001!AQsecret\u{202e}x");
        let (code, words) = reply(503, &body).fault();
        assert_eq!(code, "SERVER_UNAVAILABLE");
        assert!(words.starts_with("503 SERVER_UNAVAILABLE: first second"));
        for shown in ["AQsecret", "\u{202e}"] {
            assert!(!words.contains(shown), "{words}");
        }
    }

    #[test_case(13_500, 15_000, "Passed")]
    #[test_case(13_501, 15_000, "Warning")]
    #[test_case(1, 0, "Warning")]
    fn the_last_tenth_of_the_day_is_warned_of(used: u64, allowed: u64, outcome: &str) {
        let check = format!("{:?}", usage(Some((used, allowed))));
        assert!(check.contains(outcome), "{check}");
    }

    #[test_case("api-usage=18/5000" => Some((18, 5000)))]
    #[test_case("api-usage=25/5000; per-app-api-usage=17/250(appName=x)" => Some((25, 5000)); "per app")]
    #[test_case("usage" => None; "none")]
    fn usage_is_read(info: &str) -> Option<(u64, u64)> {
        let mut headers = HeaderMap::new();
        headers.insert("sforce-limit-info", info.parse().unwrap());
        usage_of(&headers)
    }

    fn reply(status: u16, body: &str) -> Reply {
        Reply {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: Bytes::copy_from_slice(body.as_bytes()),
        }
    }
}
