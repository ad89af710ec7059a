//! SOAP `login()`, which Salesforce is retiring: [`crate::salesforce::facts::soap_login`].

use std::{borrow::Cow, fmt::Display};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use quick_xml::escape::escape;

use super::{
    XML, note_refusal,
    query::query,
    reply,
    soap::Call,
    xml::{self, Element},
};
use crate::proxy::error::Unanswerable;
use crate::{
    auth::Session,
    proxy::{
        Proxy,
        base_url::BaseUrl,
        error::Error,
        exchange::Exchange,
        family::{KNOWN_VERSION, Wsdl, get_user_info},
        path::words,
        response::Body,
        target::Target,
    },
    salesforce::ApiVersion,
    system::quote::without_sessions,
    watch::Sign,
};

/// Logs in the client as `text` asks, on `path`. Its user name and password end here.
///
/// # Errors
/// When the request is not whole, or the same as
/// [`Delivery::deliver`](crate::proxy::delivery::Delivery::deliver).
pub(super) async fn answer(
    call: &Call,
    proxy: &Proxy,
    path: &str,
    text: &str,
    base: &BaseUrl,
    exchange: &Exchange,
) -> Result<Response<Body>, Error> {
    let least = proxy.org.minimum_api_version;
    let place = Place::of(path, least).ok_or(Unanswerable::Version)?;
    let login = Element::find(text, &["Envelope", "Body", "login"])?;
    let shown = |name| login.as_ref().map_or("", |login| login.text(name));
    if let Some(clients) = &proxy.org.clients
        && !clients.admit(shown("username"), shown("password").as_bytes())
    {
        note_refusal(proxy, "SOAP login()");
        return Ok(call.fault("LoginFault", "INVALID_LOGIN", INVALID_LOGIN));
    }
    exchange.shows(Sign::SoapLogin);
    if proxy.org.clients.is_some() {
        exchange.is_of(shown("username"));
    }
    match User::of(proxy, &place, exchange).await? {
        Identified::As(user) => {
            let (placeholders, of) = (&proxy.placeholders, exchange.user());
            let client = shown("username");
            let session_id = placeholders.session_id_of(client, of.as_deref(), &user.org_id);
            Ok(call.respond(&result(call.wsdl, &session_id, &place, &user, base)))
        }
        Identified::Refused(fault) => Ok(fault),
    }
}

/// The elements of `LoginResult`, in the order of the WSDL.
fn result(wsdl: Wsdl, session_id: &str, place: &Place, user: &User, base: &BaseUrl) -> String {
    let Place { site, version, .. } = place;
    let org = user.org_id.get(..15).unwrap_or(&user.org_id);
    let url = |api: &str| {
        let url = format!("{base}{site}/services/Soap/{api}/{version}/{org}");
        escape(url).into_owned()
    };
    let api = match wsdl {
        Wsdl::Enterprise => "c",
        Wsdl::Tooling => "T",
        _ => "u",
    };
    format!(
        "<loginResponse><result><metadataServerUrl>{}</metadataServerUrl>\
         <passwordExpired>false</passwordExpired><sandbox>{}</sandbox><serverUrl>{}</serverUrl>\
         <sessionId>{}</sessionId><userId>{}</userId><userInfo>{}</userInfo></result>\
         </loginResponse>",
        url("m"),
        user.is_in_sandbox,
        url(api),
        session_id,
        user.user_id,
        user.info,
    )
}

/// The place that a client calls.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    /// The path of a site, or nothing.
    site: String,
    /// The version as the API writes it: `64.0`.
    version: String,
    /// The same, or the least that the org is asked at.
    asked: ApiVersion,
}

impl Place {
    /// `/services/Soap/u/64.0`, whatever its case, with doubled and trailing slashes, with the `v`
    /// that REST has before a version, and with whatever follows. With a `least` version, older ones
    /// will do.
    fn of(path: &str, least: Option<ApiVersion>) -> Option<Self> {
        let target = Target::parse(path.as_bytes());
        let version = std::str::from_utf8(target.version?).ok()?;
        let version = version.strip_prefix(['v', 'V']).unwrap_or(version);
        let (_, minor) = version.split_once('.')?;
        let asked = target.api_version().filter(|_| minor.len() == 1)?;
        (least.is_some() || asked >= FIRST_VERSION).then(|| Self {
            site: words(target.site)
                .map(|word| format!("/{}", String::from_utf8_lossy(word)))
                .collect(),
            version: version.to_owned(),
            asked: least.map_or(asked, |least| asked.max(least)),
        })
    }
}

/// The org's answer to who the user is.
enum Identified {
    As(User),
    /// The org's own fault, for the client.
    Refused(Response<Body>),
}

/// The user that clients act as, as the org describes it.
struct User {
    org_id: String,
    user_id: String,
    /// The elements of `GetUserInfoResult`, which `login()` gives, too.
    info: String,
    is_in_sandbox: bool,
}

impl User {
    /// Asks for it at the client's version, whose elements it must have, or at one that every org
    /// knows.
    async fn of(proxy: &Proxy, place: &Place, exchange: &Exchange) -> Result<Identified, Error> {
        let mut response = query(proxy, get_user_info_at(place, place.asked)?, exchange).await?;
        let is_unknown = |body: &[u8]| {
            let has = |word: &str| memchr::memmem::find(body, word.as_bytes()).is_some();
            has("UNSUPPORTED_API_VERSION") || !has("getUserInfoResponse") && !has("faultcode>")
        };
        if is_unknown(&response.body) {
            response = query(proxy, get_user_info_at(place, KNOWN_VERSION)?, exchange).await?;
        }
        let text = xml::text(&response.body);
        let unidentified = |why: &str| {
            let status = response.status.as_u16();
            let why = format!("getUserInfo answered {status} {why}");
            Error::from(Unanswerable::Unidentified(why))
        };
        let path = ["Envelope", "Body", "getUserInfoResponse", "result"];
        let found = Element::find(&text, &path).map_err(|_| unidentified("without SOAP"))?;
        let Some(result) = found else {
            if !text.contains("faultcode>") {
                return Err(unidentified("with something else"));
            }
            let mut fault = reply(StatusCode::INTERNAL_SERVER_ERROR, XML, text.into_owned());
            // It is the org's, so it does not have the proxy's mark.
            fault.headers_mut().remove("proxy-status");
            return Ok(Identified::Refused(fault));
        };
        let (org_id, user_id) = (result.text("organizationId"), result.text("userId"));
        let is_id = |id: &str| id.len() >= 15 && id.bytes().all(|it| it.is_ascii_alphanumeric());
        if !is_id(org_id) || !is_id(user_id) {
            return Err(unidentified("without organizationId and userId"));
        }
        let info = without_sessions(result.content).into_owned();
        // Nobody finds a session in what is written with a comment within.
        let is_split = ["<!", "<?"].iter().any(|mark| info.contains(mark));
        let has_session = |text: &str| matches!(without_sessions(text), Cow::Owned(_));
        if is_split && result.texts().any(has_session) {
            return Err(unidentified("with a session in it"));
        }
        Ok(Identified::As(Self {
            org_id: org_id.to_owned(),
            user_id: user_id.to_owned(),
            info,
            is_in_sandbox: is_sandbox(&response.session),
        }))
    }
}

/// `getUserInfo` where the client calls.
fn get_user_info_at(place: &Place, version: impl Display) -> Result<Request<Bytes>, Error> {
    get_user_info(&format!("{}/services/Soap/u/{version}", place.site))
        .map_err(|_| Unanswerable::Version.into())
}

/// Sandboxes have `--` and their name in the host of the instance, newer ones `.sandbox.` besides:
/// [`crate::salesforce::facts::hosts`].
fn is_sandbox(session: &Session) -> bool {
    let host = session.authority.host();
    host.contains("--") || host.contains(".sandbox.")
}

/// The oldest version that can be asked for.
const FIRST_VERSION: ApiVersion = ApiVersion::new(20);

/// Salesforce's own words.
const INVALID_LOGIN: &str = "Invalid username, password, security token; or user locked out.";

#[cfg(test)]
mod tests {
    use http::uri::Authority;
    use test_case::test_case;
    use tokio::time::Duration;

    use super::*;
    use crate::auth::Identity;

    #[test_case("acme.my.salesforce.com" => false)]
    #[test_case("acme--dev.sandbox.my.salesforce.com" => true)]
    #[test_case("acme--dev.cs12.my.salesforce.com" => true)]
    #[test_case("acme-dev-ed.develop.my.salesforce.com" => false)]
    fn knows_sandboxes_by_their_names(host: &str) -> bool {
        let authority: Authority = host.parse().unwrap();
        let session = Session::new(authority, "x", Identity::default(), None, Duration::ZERO);
        is_sandbox(&session.unwrap())
    }

    #[test_case("/services/Soap/u/64.0" => Some((String::new(), "64.0".to_owned())))]
    #[test_case("//services/Soap/u/64.0/" => Some((String::new(), "64.0".to_owned())))]
    #[test_case("/services/Soap/c/20.0/00D000000000000" => Some((String::new(), "20.0".to_owned())))]
    #[test_case("/SERVICES/soap/T/101.0" => Some((String::new(), "101.0".to_owned())))]
    #[test_case("/customers/services/Soap/u/46.0" => Some(("/customers".to_owned(), "46.0".to_owned())))]
    #[test_case("/services/Soap/u/19.0" => None)]
    #[test_case("/services/Soap/u/64" => None)]
    #[test_case("/services/Soap/u/64.0.0" => None)]
    #[test_case("/services/Soap/u/v64.0" => Some((String::new(), "64.0".to_owned())))]
    #[test_case("//customers/services/soap/c/V62.0/" => Some(("/customers".to_owned(), "62.0".to_owned())))]
    #[test_case("/services/Soap/u/vv64.0" => None)]
    #[test_case("/services/Soap/u/v" => None)]
    #[test_case("/services/Soap/u/v19.0" => None)]
    #[test_case("/services/Soap/u/+64.0" => None)]
    #[test_case("/services/Soap/u/" => None; "none")]
    fn knows_where_it_is_called(path: &str) -> Option<(String, String)> {
        Place::of(path, None).map(|place| (place.site, place.version))
    }

    #[test_case("/services/Soap/u/7.0", "7.0", 41; "an old version")]
    #[test_case("/services/Soap/u/v20.0", "20.0", 41; "an old version with a v")]
    #[test_case("/services/Soap/u/64.0", "64.0", 64; "a new version")]
    fn with_a_least_version_older_ones_are_asked_for_at_that(
        path: &str,
        version: &str,
        asked: u16,
    ) {
        let place = Place::of(path, Some(ApiVersion::new(41))).unwrap();
        assert_eq!(place.version, version);
        assert_eq!(place.asked, ApiVersion::new(asked));
    }
}
