//! A proxy in this process, on a free port, by the library's public way.

use std::net::SocketAddr;

use orgproxy::{
    Server,
    config::{self, Config, Credential, Listen, PrivateKey, Protocol, PubSub},
    demo::Org,
};
use tokio::{sync::oneshot, task::JoinHandle};

use super::{LONGEST, Raw, in_time};

/// A running proxy. It stops when it is dropped.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    /// Where it takes calls of the Pub/Sub API, if it does.
    calls: Option<SocketAddr>,
    /// Where it can be asked how it is, if it can.
    admin: Option<Listen>,
    stop: Option<oneshot::Sender<()>>,
    served: Option<JoinHandle<usize>>,
}

impl Proxy {
    /// One in front of `org`, as a configuration file with nothing but what is needed would make
    /// it.
    pub(crate) async fn start(org: &Org) -> Self {
        Self::with(org, |_| {}).await
    }

    /// One whose configuration `change` has had its way with.
    pub(crate) async fn with(org: &Org, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = config(org);
        change(&mut config);
        Self::serve(config).await
    }

    /// Starts a proxy that serves this configuration.
    pub(crate) async fn serve(config: Config) -> Self {
        let server = Server::bind(config).await.unwrap();
        let address = server.bound()[0].listen.address();
        let address = address.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)));
        let bound = server.bound();
        let calls = bound
            .iter()
            .find(|bound| bound.protocol == Protocol::PubSub);
        let calls = calls.and_then(|bound| bound.listen.address());
        let admin = server.admin();
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(async move {
            let stopped = async {
                let _ = stopped.await;
            };
            server.serve(stopped).await.unwrap()
        });
        Self {
            address,
            calls,
            admin,
            stop: Some(stop),
            served: Some(served),
        }
    }

    /// Stops it, and returns how many connections it had to cut.
    pub(crate) async fn stop(mut self) -> usize {
        drop(self.stop.take());
        in_time(self.served.take().unwrap()).await.unwrap()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Where it takes calls of the Pub/Sub API, which its configuration has to say.
    pub(crate) fn calls(&self) -> SocketAddr {
        self.calls.expect("a listener for calls")
    }

    /// Where it can be asked how it is, which its configuration has to say.
    pub(crate) fn admin(&self) -> SocketAddr {
        let address = self.admin.as_ref().and_then(Listen::address);
        address.expect("an admin listener")
    }

    /// A plain GET by an ordinary client.
    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        client().get(self.url(path)).send().await.unwrap()
    }

    /// A connection to write bytes to.
    pub(crate) async fn connect(&self) -> Raw {
        Raw::connect(self.address).await
    }
}

/// A configuration for `org` and nothing else, on a free port.
pub(crate) fn config(org: &Org) -> Config {
    let mut config = Config::new(vec![self::org(org)]);
    config.threads = 2;
    config
}

/// The configuration's view of `demo`.
pub(crate) fn org(demo: &Org) -> config::Org {
    let key = PrivateKey::parse("the demo's key", demo.private_key_pem().as_bytes(), None).unwrap();
    let mut org = config::Org::new(
        "demo".to_owned(),
        demo.login_url(),
        demo.username().to_owned(),
        Credential::jwt_bearer(demo.client_id().to_owned(), key),
    );
    org.listen = vec![Listen::loopback(0)];
    org.trusted_hosts = vec!["localhost".to_owned()];
    org.ca = vec![demo.ca_der()];
    org
}

/// An ordinary client, which follows nothing and knows no proxy.
pub(crate) fn client() -> reqwest::Client {
    // reqwest wants one even for plain HTTP. Another test may have been first.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .timeout(LONGEST)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap()
}

/// Has `config` take calls of the Pub/Sub API of `org`, on a free port.
pub(crate) fn listen_for_calls(config: &mut Config, org: &Org) {
    config.orgs[0].pubsub = Some(PubSub {
        listen: vec![Listen::loopback(0)],
        endpoint: org.pubsub_endpoint(),
    });
}
