//! Gets a session from the token endpoint (RFC 7523 §2.1), or the org's own reason why not.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use aws_lc_rs::rand;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header, uri::Authority};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio_rustls::TlsConnector;
use url::Url;

pub use self::error::LoginError;
use super::{
    assertion,
    key::Key,
    session::{Identity, Session},
    token_response::{TokenResponse, jwt_lifetime},
};
use crate::{
    config::{self, Config},
    network::{Dialer, OwnListeners, is_own_mark},
    system::{
        escape,
        quote::{quoted, without, without_sessions},
    },
};

mod error;

/// Logs in to one org as one user.
#[derive(Clone)]
pub(crate) struct Login {
    org: Arc<config::Org>,
    key: Arc<Key>,
    dialer: Arc<Dialer>,
    tls: TlsConnector,
    /// The host and port of `token_url`.
    authority: Authority,
    token_url: Url,
    /// The time for one attempt, connecting included.
    timeout: Duration,
}

impl Login {
    /// Prepares logins to `org` over `tls`, on connections that `dialer` opens.
    ///
    /// # Errors
    /// When the login URL has a host that cannot be connected to.
    pub(crate) fn new(
        org: Arc<config::Org>,
        dialer: Arc<Dialer>,
        mut tls: ClientConfig,
    ) -> Result<Self, LoginError> {
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let authority = org.login_url.authority().parse();
        let authority =
            authority.map_err(|error| LoginError::unreachable(org.login_url.as_str(), &error))?;
        // An Experience Cloud site has a path, and its token endpoint lies below it.
        let mut token_url = org.login_url.clone();
        let path = format!("{}{TOKEN_PATH}", token_url.path().trim_end_matches('/'));
        token_url.set_path(&path);
        Ok(Self {
            key: Arc::new(Key::of(&org)),
            org,
            dialer,
            tls: TlsConnector::from(Arc::new(tls)),
            authority,
            token_url,
            timeout: ATTEMPT_TIMEOUT,
        })
    }

    /// The same where there is no server.
    ///
    /// # Errors
    /// The same as [`Self::new`].
    pub(crate) fn alone(
        config: &Config,
        org: &config::Org,
        tls: ClientConfig,
    ) -> Result<Self, LoginError> {
        let dialer = Dialer::new(
            config.proxies_to(org),
            &tls,
            config.limits.connect,
            config.limits.idle_body,
            OwnListeners::default(),
        );
        Self::new(Arc::new(org.clone()), Arc::new(dialer), tls)
    }

    /// The same as another user of the org, with the same key.
    pub(crate) fn as_user(&self, username: &str) -> Self {
        Self {
            org: Arc::new(self.org.as_user(username)),
            ..self.clone()
        }
    }

    /// The name of the org in the configuration.
    pub(super) fn org(&self) -> &str {
        &self.org.name
    }

    /// Returns whether a session of `before` is one of these logins, too: for the same user, by the
    /// same app, at the same place.
    pub(super) fn continues(&self, before: &Self) -> bool {
        let facts = |login: &Self| {
            let org = &login.org;
            let app = org.credential.client_id().to_owned();
            let user = (org.username.clone(), org.audience.clone());
            (app, user, org.login_url.clone(), org.session_timeout)
        };
        facts(self) == facts(before)
    }

    /// Returns whether the session may be sent to `authority`.
    pub(super) fn trusts(&self, authority: &Authority) -> bool {
        let url = Url::parse(&format!("https://{authority}"));
        url.is_ok_and(|url| self.org.trusts(&url).is_ok())
    }

    /// Says so if another key signs from now on than with `before`.
    pub(super) fn note_key_after(&self, before: &Self) {
        self.key.note_change_from(&before.key);
    }

    /// Returns whether the key's file holds another key than at the last login, so that it may go
    /// better.
    pub(super) fn key_has_changed(&self) -> bool {
        self.key.has_changed()
    }

    /// Gets a session. Asks up to three times, but only where asking again can help.
    ///
    /// # Errors
    /// The org's own words where it gave any, else what went wrong on the way to it.
    pub(crate) async fn login(&self) -> Result<Session, LoginError> {
        retry(|| self.attempt()).await
    }

    /// Gets a session, and asks once only.
    ///
    /// # Errors
    /// The same as [`Self::login`].
    pub(crate) async fn attempt(&self) -> Result<Session, LoginError> {
        let key = self.key.clone();
        // This thread has all that listens to look after.
        let key = tokio::task::spawn_blocking(move || key.current())
            .await
            .map_err(|_| LoginError::Lost)?
            .ok_or(LoginError::Lost)?;
        let assertion = assertion::sign(&self.org, &key, SystemTime::now())
            .map_err(|error| LoginError::Sign(error.to_string()))?;
        tokio::time::timeout(self.timeout, self.ask(&assertion))
            .await
            .map_err(|_| LoginError::TimedOut {
                url: self.token_url.to_string(),
            })?
    }

    /// The time at the token endpoint, if it reports it. A GET does not log in.
    ///
    /// # Errors
    /// The same as [`Self::login`], but for refusals: any response will do.
    pub(crate) async fn date(&self) -> Result<Option<SystemTime>, LoginError> {
        let asked = self.send(Method::GET, Bytes::new());
        let response = tokio::time::timeout(self.timeout, asked)
            .await
            .map_err(|_| LoginError::TimedOut {
                url: self.token_url.to_string(),
            })??;
        let date = response.headers().get(header::DATE);
        Ok(date.and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok()))
    }

    async fn ask(&self, assertion: &str) -> Result<Session, LoginError> {
        let body = format!("grant_type={GRANT_TYPE}&assertion={assertion}");
        let response = self.send(Method::POST, body.into()).await?;
        let (head, mut body) = response.into_parts();
        let mut bytes = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| self.broke_off(&error))?;
            let piece = frame.into_data().unwrap_or_default();
            if bytes.len() + piece.len() > LARGEST_RESPONSE {
                return Err(self.strange(head.status, "a response of more than 64 KiB"));
            }
            bytes.extend_from_slice(&piece);
        }
        self.understand(assertion, head.status, &head.headers, &bytes)
    }

    /// Asks the token endpoint, on a connection of its own. A redirect is not followed: the
    /// assertion goes to the configured host and nowhere else.
    async fn send(&self, method: Method, body: Bytes) -> Result<Response<Incoming>, LoginError> {
        let host = match self.authority.port_u16() {
            None | Some(443) => self.authority.host(),
            Some(_) => self.authority.as_str(),
        };
        let request = Request::builder()
            .method(method)
            .uri(self.token_url.path())
            .header(header::HOST, host)
            .header(header::USER_AGENT, USER_AGENT)
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::new(body))
            .map_err(|error| LoginError::unreachable(self.token_url.as_str(), &error))?;
        let stream = self
            .dialer
            .connect(&self.authority, &self.tls)
            .await
            .map_err(|error| LoginError::unconnected(self.token_url.as_str(), error))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.broke_off(&error))?;
        // It ends when nobody waits for the response any more.
        tokio::spawn(connection);
        let response = sender.send_request(request).await;
        response.map_err(|error| self.broke_off(&error))
    }

    fn broke_off(&self, error: &hyper::Error) -> LoginError {
        LoginError::unreachable(self.token_url.as_str(), error)
    }

    /// Either the session or the org's reason, which may have the `assertion` in it.
    fn understand(
        &self,
        assertion: &str,
        status: StatusCode,
        headers: &HeaderMap,
        bytes: &[u8],
    ) -> Result<Session, LoginError> {
        if is_of_orgproxy(headers) {
            return Err(LoginError::Loop {
                url: self.token_url.to_string(),
                reason: ANSWERED_HERE.to_owned(),
            });
        }
        if status.is_redirection() {
            let host = headers
                .get(header::LOCATION)
                .and_then(|location| location.to_str().ok())
                .and_then(|location| self.token_url.join(location).ok())
                .and_then(|location| location.host_str().map(ToOwned::to_owned));
            let host = host.map_or_else(|| "nowhere".to_owned(), |host| quoted(&host));
            return Err(self.strange(status, &format!("a redirect to {host}")));
        }
        let Some(json) = TokenResponse::read(bytes) else {
            let kind = headers.get(header::CONTENT_TYPE);
            return Err(self.strange(status, &describe(bytes, kind)));
        };
        match json {
            TokenResponse {
                error: Some(error),
                error_description,
                access_token,
                ..
            } => {
                let known = [assertion, access_token.as_deref().unwrap_or_default()];
                let description = error_description.unwrap_or_default();
                Err(LoginError::Refused {
                    url: self.token_url.to_string(),
                    error: quoted(&without(&known, &error)),
                    description: quoted(&without(&known, &description)),
                })
            }
            TokenResponse {
                access_token: Some(token),
                instance_url: Some(instance),
                id,
                scope,
                expires_in,
                ..
            } if status == StatusCode::OK => {
                let scope = scope.map(|scope| {
                    let scope = without(&[assertion, &token], &scope);
                    escape::line(&without_sessions(&scope)).into_owned()
                });
                let identity = Identity::new(id.as_deref(), scope, &token);
                self.session(&token, &instance, identity, expires_in)
            }
            _ if status == StatusCode::OK => {
                Err(self.strange(status, "JSON without access_token and instance_url"))
            }
            _ => Err(self.strange(status, "JSON without an error")),
        }
    }

    /// The session with this token, if it is one that the org may have.
    ///
    /// # Errors
    /// Why it is not.
    pub(super) fn session(
        &self,
        token: &str,
        instance: &str,
        identity: Identity,
        expires_in: Option<Duration>,
    ) -> Result<Session, LoginError> {
        let instance_error = |reason: String| LoginError::Instance {
            instance: quoted(&without(&[token], instance)),
            reason,
        };
        let url = Url::parse(instance).map_err(|error| instance_error(error.to_string()))?;
        self.org.trusts(&url).map_err(instance_error)?;
        let authority: Authority = url
            .authority()
            .parse()
            .map_err(|_| instance_error("not a host name".to_owned()))?;

        let lifetime = expires_in.or_else(|| jwt_lifetime(token, SystemTime::now()));
        let idle = self.org.session_timeout;
        Session::new(authority, token, identity, lifetime, idle).map_err(LoginError::Token)
    }

    fn strange(&self, status: StatusCode, response: &str) -> LoginError {
        LoginError::Strange {
            url: self.token_url.to_string(),
            status: status.as_u16(),
            response: response.to_owned(),
        }
    }
}

/// Returns whether an orgproxy answered in the org's place.
fn is_of_orgproxy(headers: &HeaderMap) -> bool {
    let mark = headers.get("proxy-status");
    mark.is_some_and(|mark| is_own_mark(mark.as_bytes()))
}

/// Tries again after errors that may pass, once after each of [`PAUSES`].
async fn retry<T, F>(mut attempt: impl FnMut() -> F) -> Result<T, LoginError>
where
    F: Future<Output = Result<T, LoginError>>,
{
    for pause in PAUSES {
        match attempt().await {
            Err(error) if error.is_transient() && !error.is_about_user() => {
                tracing::debug!("retrying the login: {error}");
                tokio::time::sleep(jittered(pause)).await;
            }
            outcome => return outcome,
        }
    }
    attempt().await
}

/// `pause`, made up to half as long again at random, so that not all who failed together come back
/// together.
fn jittered(pause: Duration) -> Duration {
    let mut random = [0];
    // Without it, the pause is the shortest.
    let _ = rand::fill(&mut random);
    pause + pause / 2 * u32::from(random[0]) / u32::from(u8::MAX)
}

/// Describes a response that is not JSON.
fn describe(bytes: &[u8], kind: Option<&HeaderValue>) -> String {
    if bytes.is_empty() {
        return "an empty body".to_owned();
    }
    if bytes.trim_ascii_start().starts_with(b"<") {
        return "a web page".to_owned();
    }
    match kind.map(HeaderValue::as_bytes) {
        Some(kind) if !kind.starts_with(b"application/json") => {
            format!("content of type {}", quoted(&String::from_utf8_lossy(kind)))
        }
        _ => "malformed JSON".to_owned(),
    }
}

const TOKEN_PATH: &str = "/services/oauth2/token";

const ANSWERED_HERE: &str = "an orgproxy answers there (this or another one): on the machine \
                             where orgproxy runs, the name must resolve to Salesforce; remove it \
                             from /etc/hosts there, and unset HTTPS_PROXY if that names an \
                             orgproxy";

/// The name by which an orgproxy knows another's login.
const USER_AGENT: &str = concat!("orgproxy/", env!("CARGO_PKG_VERSION"));

/// `urn:ietf:params:oauth:grant-type:jwt-bearer`, form-encoded.
const GRANT_TYPE: &str = "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer";

/// Before each further try, at least.
const PAUSES: [Duration; 2] = [Duration::from_millis(200), Duration::from_millis(400)];

/// A real login takes half a second; a slow network, a few.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(15);

/// Bytes. A real response has about one thousand.
const LARGEST_RESPONSE: usize = 64 * 1024;

#[cfg(test)]
#[cfg(feature = "demo")]
mod tests {
    use std::collections::HashSet;

    use tokio::time::Instant;

    use super::*;
    use crate::{
        demo::{Fault, Org, TOKEN},
        network::tls,
    };

    /// Tries a login whose attempts end in `errors`, and then in success. Returns how it went, and
    /// the pauses between them.
    async fn tries(errors: Vec<LoginError>) -> (Result<(), LoginError>, Vec<Duration>) {
        let mut errors = errors.into_iter();
        let mut began = Vec::new();
        let outcome = retry(|| {
            began.push(Instant::now());
            let outcome = errors.next().map_or(Ok(()), Err);
            async { outcome }
        });
        let outcome = outcome.await;
        let pauses = began.windows(2).map(|pair| pair[1] - pair[0]).collect();
        (outcome, pauses)
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_pass_is_tried_three_times_with_growing_pauses_at_random() {
        let mut seen = HashSet::new();
        for _ in 0..50 {
            let errors = (0..4).map(|_| LoginError::Lost).collect();
            let (outcome, pauses) = tries(errors).await;
            assert!(matches!(outcome, Err(LoginError::Lost)));
            let [first, second] = pauses[..] else {
                panic!("not three tries: {pauses:?}")
            };
            // Timers count whole milliseconds, and round up.
            assert!((200..=301).contains(&first.as_millis()), "{first:?}");
            assert!((400..=601).contains(&second.as_millis()), "{second:?}");
            seen.insert(first);
        }
        assert!(seen.len() > 1, "always the same pause");
    }

    #[tokio::test(start_paused = true)]
    async fn a_login_that_succeeds_is_not_tried_again() {
        let (outcome, pauses) = tries(vec![LoginError::Lost]).await;
        assert!(outcome.is_ok());
        assert_eq!(pauses.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_will_not_pass_or_harms_the_user_is_tried_once() {
        let refused = |error: &str, description: &str| LoginError::Refused {
            url: String::new(),
            error: error.to_owned(),
            description: description.to_owned(),
        };
        let barred = LoginError::Barred {
            url: String::new(),
            reason: String::new(),
        };
        assert!(barred.is_transient());
        for error in [
            refused("invalid_grant", "user hasn't approved this consumer"),
            refused("invalid_grant", "user is locked"),
            LoginError::Sign(String::new()),
            barred,
        ] {
            let (outcome, pauses) = tries(vec![error]).await;
            assert!(outcome.is_err() && pauses.is_empty());
        }
    }

    fn login_to(demo: &Org) -> Login {
        let org = config::Org::at_demo("demo", demo);
        let tls = tls::client_config(tls::roots(), &[demo.ca_der()]).unwrap();
        let config = Config::new(vec![org.clone()]);
        Login::alone(&config, &org, tls).unwrap()
    }

    #[tokio::test]
    async fn the_words_of_a_refusal_have_no_secret_of_the_login_in_whatever_lines() {
        let login = login_to(&Org::start().await.unwrap());
        let response = serde_json::json!({
            "error": "no eyJhbG.eyJp\nc3Mi.c2ln here",
            "error_description": "not 00Dxx00 00001gPL !AQ4A.b_c either",
            "access_token": "00Dxx0000001gPL!AQ4A.b_c",
        });
        let bytes = response.to_string();
        let status = StatusCode::BAD_REQUEST;
        let assertion = "eyJhbG.eyJpc3Mi.c2ln";
        let refused = login.understand(assertion, status, &HeaderMap::new(), bytes.as_bytes());
        let Err(LoginError::Refused {
            error, description, ..
        }) = refused
        else {
            panic!("it is not refused");
        };
        assert_eq!(error, "no [session] here");
        assert_eq!(description, "not [session] either");
    }

    #[tokio::test]
    async fn gives_up_on_a_login_that_hangs() {
        let demo = Org::start().await.unwrap();
        demo.faults().always(TOKEN, Fault::Hang);
        let mut login = login_to(&demo);
        login.timeout = Duration::from_secs(2);

        let error = login.attempt().await.unwrap_err();
        assert!(matches!(error, LoginError::TimedOut { .. }), "{error}");
        assert!(error.is_transient());
        assert_eq!(demo.counts().token_requests, 1);
    }
}
