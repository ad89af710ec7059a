//! The demo org without a proxy.

use std::sync::Arc;

use http::Method;
use hyper::{body::Incoming, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use orgproxy::demo::{Org, TOKEN};
use pkcs8::{PrivateKeyInfoRef, SecretDocument};
use reqwest::{Certificate, Client, Response};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use serde_json::{Value, json};
use tokio::{net::TcpStream, task};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{LONGEST, json_of};

/// A demo org and a client of it.
pub(crate) struct Demo {
    pub(crate) org: Org,
    pub(crate) client: Client,
}

impl Demo {
    pub(crate) async fn start() -> Self {
        let org = Org::start().await.unwrap();
        // reqwest takes its provider from the process; the first one to set it wins.
        let _ = aws_lc_rs::default_provider().install_default();
        let client = Client::builder()
            .tls_certs_only([Certificate::from_pem(org.ca_pem().as_bytes()).unwrap()])
            .timeout(LONGEST)
            .build()
            .unwrap();
        Self { org, client }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        self.org.instance_url() + path
    }

    /// Returns the claims of an assertion that the org takes.
    pub(crate) fn claims(&self) -> Value {
        json!({
            "iss": self.org.client_id(),
            "sub": self.org.username(),
            "aud": "https://login.salesforce.com",
            "exp": jsonwebtoken::get_current_timestamp() + 180,
        })
    }

    /// Signs claims with the key that the org knows.
    pub(crate) fn assertion(&self, claims: &Value) -> String {
        let (_, key) = SecretDocument::from_pem(self.org.private_key_pem()).unwrap();
        let key = PrivateKeyInfoRef::try_from(key.as_bytes()).unwrap();
        let key = EncodingKey::from_rsa_der(key.private_key.as_bytes());
        jsonwebtoken::encode(&Header::new(Algorithm::RS256), claims, &key).unwrap()
    }

    /// Logs in with an assertion of these claims.
    pub(crate) async fn log_in(&self, claims: Value) -> Response {
        self.send_assertion(&self.assertion(&claims)).await
    }

    /// Logs in with an assertion, whatever it is.
    pub(crate) async fn send_assertion(&self, assertion: &str) -> Response {
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer")
            .append_pair("assertion", assertion)
            .finish();
        let request = self.client.post(self.url(TOKEN));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        request.body(form).send().await.unwrap()
    }

    /// Logs in, and returns the session.
    pub(crate) async fn session(&self) -> String {
        let body = json_of(self.log_in(self.claims()).await).await;
        body["access_token"].as_str().unwrap().to_owned()
    }

    /// Asks for `path`, with `token` for a session.
    pub(crate) async fn request(&self, method: Method, path: &str, token: &str) -> Response {
        let request = self.client.request(method, self.url(path));
        request.bearer_auth(token).send().await.unwrap()
    }

    /// Gets `path`, with a session of its own.
    pub(crate) async fn get(&self, path: &str) -> Response {
        let token = self.session().await;
        self.request(Method::GET, path, &token).await
    }

    /// Posts JSON.
    pub(crate) async fn post(&self, path: &str, token: &str, body: &Value) -> Response {
        let request = self.client.post(self.url(path)).bearer_auth(token);
        request.body(body.to_string()).send().await.unwrap()
    }

    /// Returns the result of a query in SOQL.
    pub(crate) async fn query(&self, query: &str) -> Value {
        json_of(self.get(&format!("{QUERY}?{}", encoded(query))).await).await
    }

    /// Gets `path` over HTTP/2.
    pub(crate) async fn http2(&self, token: &str, path: &str) -> http::Response<Incoming> {
        let tls = TokioIo::new(self.connect(&[b"h2"]).await);
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), tls).await.unwrap();
        task::spawn(connection);
        let request = http::Request::get(self.url(path))
            .header("authorization", format!("Bearer {token}"))
            .body(String::new())
            .unwrap();
        sender.send_request(request).await.unwrap()
    }

    /// Connects by TLS, and offers these protocols by ALPN.
    pub(crate) async fn connect(&self, alpn: &[&[u8]]) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(self.org.ca_der()).unwrap();
        let mut config = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        let tcp = TcpStream::connect(("127.0.0.1", self.org.port()))
            .await
            .unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        connector
            .connect("localhost".try_into().unwrap(), tcp)
            .await
            .unwrap()
    }
}

/// Returns a query string for SOQL.
pub(crate) fn encoded(query: &str) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .append_pair("q", query)
        .finish()
}

/// The path of queries.
pub(crate) const QUERY: &str = "/services/data/v67.0/query";
