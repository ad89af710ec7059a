//! Clients that ask for this and that.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use reqwest::{Client, RequestBuilder};
use tokio::{
    sync::{OwnedRwLockWriteGuard, RwLock},
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::ledger::{Entry, Ledger};

/// Clients at work. They stop when it is dropped.
pub(crate) struct Traffic {
    clients: JoinSet<()>,
    is_over: Arc<AtomicBool>,
    /// Held by each client while it asks.
    gate: Arc<RwLock<()>>,
}

/// A kind of request.
struct Kind {
    name: &'static str,
    /// Out of all.
    share: u32,
    make: fn(&Client, &str, u64) -> RequestBuilder,
    /// If true, it writes one record.
    writes: bool,
    /// The time after which the client loses its patience.
    patience: Duration,
}

impl Kind {
    /// Returns whether an answer says that the record was written.
    fn says_written(&self, status: Option<u16>, body: &str) -> bool {
        match status {
            Some(201) => true,
            Some(200) => body.contains("\"httpStatusCode\":201"),
            _ => false,
        }
    }
}

impl Traffic {
    pub(crate) fn start(count: usize, seed: u64, url: String, ledger: Arc<Ledger>) -> Self {
        let (is_over, gate) = (Arc::<AtomicBool>::default(), Arc::<RwLock<()>>::default());
        let mut clients = JoinSet::new();
        for number in 0..count {
            let mut random = fastrand::Rng::with_seed(seed.wrapping_add(number as u64 + 1));
            let (is_over, gate) = (is_over.clone(), gate.clone());
            let (url, ledger, client) = (url.clone(), ledger.clone(), client());
            clients.spawn(async move {
                while !is_over.load(Relaxed) {
                    let open = gate.read().await;
                    ask(&client, &url, &mut random, &ledger).await;
                    drop(open);
                    sleep(Duration::from_millis(random.u64(0..20))).await;
                }
            });
        }
        Self {
            clients,
            is_over,
            gate,
        }
    }

    /// Has all of them wait, and waits until none has a request in flight.
    pub(crate) async fn pause(&self) -> OwnedRwLockWriteGuard<()> {
        self.gate.clone().write_owned().await
    }

    pub(crate) async fn stop(mut self) {
        self.is_over.store(true, Relaxed);
        while self.clients.join_next().await.is_some() {}
    }
}

/// An ordinary client.
pub(crate) fn client() -> Client {
    // reqwest wants one even for plain HTTP. It may be there already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let client = Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(60));
    client.build().unwrap_or_default()
}

async fn ask(client: &Client, url: &str, random: &mut fastrand::Rng, ledger: &Ledger) {
    let number = ledger.number();
    let mut chance = random.u32(0..KINDS.iter().map(|kind| kind.share).sum());
    let kind = KINDS.iter().find(|kind| {
        let is_it = chance < kind.share;
        chance = chance.saturating_sub(kind.share);
        is_it
    });
    let Some(kind) = kind else { return };
    let mut entry = Entry {
        kind: kind.name,
        writes: kind.writes,
        is_written: false,
        status: None,
        is_unsent: false,
    };
    let request = (kind.make)(client, url, number);
    let request = request.header("user-agent", format!("soak-{number}"));
    let asked = timeout(kind.patience, async {
        match request.send().await {
            Ok(answer) => {
                entry.status = Some(answer.status().as_u16());
                // Whether it comes to its end is not the question here.
                let body = answer.text().await.unwrap_or_default();
                entry.is_written = kind.writes && kind.says_written(entry.status, &body);
            }
            Err(error) => entry.is_unsent = error.is_connect(),
        }
    });
    // The client hangs up.
    let _ = asked.await;
    ledger.note(number, entry);
    if entry.is_unsent {
        // The proxy is being restarted.
        sleep(Duration::from_millis(50)).await;
    }
}

const KINDS: &[Kind] = &[
    Kind {
        name: "limits",
        share: 30,
        make: |client, url, _| client.get(format!("{url}/services/data/v62.0/limits")),
        writes: false,
        patience: LONG,
    },
    Kind {
        name: "create",
        share: 20,
        make: create,
        writes: true,
        patience: LONG,
    },
    Kind {
        name: "composite",
        share: 5,
        make: |client, url, number| {
            let body = format!(
                "{{\"compositeRequest\": [{{\"method\": \"POST\", \"referenceId\": \"a\", \"url\": \
                 \"/services/data/v62.0/sobjects/Account\", \"body\": {{\"Name\": \"soak-{number}\"}}}}]}}"
            );
            post(
                client,
                format!("{url}/services/data/v62.0/composite"),
                JSON,
                body,
            )
        },
        writes: true,
        patience: LONG,
    },
    Kind {
        name: "query",
        share: 10,
        make: |client, url, _| {
            client.get(format!(
                "{url}/services/data/v62.0/query?q=SELECT+Id+FROM+Account+LIMIT+200"
            ))
        },
        writes: false,
        patience: LONG,
    },
    Kind {
        name: "soap",
        share: 10,
        make: |client, url, _| {
            soap(
                client,
                url,
                "<p:query><p:queryString>SELECT Id FROM Account LIMIT 5</p:queryString></p:query>",
            )
        },
        writes: false,
        patience: LONG,
    },
    Kind {
        name: "login",
        share: 5,
        make: |client, url, _| {
            soap(
                client,
                url,
                "<p:login><p:username>a</p:username><p:password>b</p:password></p:login>",
            )
        },
        writes: false,
        patience: LONG,
    },
    Kind {
        name: "bulk",
        share: 5,
        make: |client, url, _| {
            let body = "{\"operation\": \"query\", \"query\": \"SELECT Id FROM Account LIMIT 1\"}";
            post(
                client,
                format!("{url}/services/data/v62.0/jobs/query"),
                JSON,
                body.to_owned(),
            )
        },
        writes: false,
        patience: LONG,
    },
    Kind {
        name: "cometd",
        share: 3,
        make: |client, url, _| {
            let body = "[{\"channel\": \"/meta/handshake\", \"version\": \"1.0\", \
                        \"supportedConnectionTypes\": [\"long-polling\"]}]";
            post(client, format!("{url}/cometd/62.0"), JSON, body.to_owned())
        },
        writes: false,
        patience: LONG,
    },
    Kind {
        name: "upload",
        share: 3,
        make: |client, url, number| {
            let body = "x".repeat(1 << (16 + number % 6));
            post(
                client,
                format!("{url}/services/apexrest/sink"),
                "text/plain",
                body,
            )
        },
        writes: false,
        patience: LONG,
    },
    Kind {
        name: "download",
        share: 3,
        make: |client, url, _| client.get(format!("{url}/services/apexrest/bytes?n=4000000")),
        writes: false,
        patience: LONG,
    },
    Kind {
        name: "refused",
        share: 3,
        make: |client, url, _| client.get(format!("{url}/services/oauth2/singleaccess")),
        writes: false,
        patience: LONG,
    },
    Kind {
        name: "hang up",
        share: 3,
        make: create,
        writes: true,
        patience: Duration::from_millis(1),
    },
];

const LONG: Duration = Duration::from_secs(120);

const JSON: &str = "application/json";

fn create(client: &Client, url: &str, number: u64) -> RequestBuilder {
    let body = format!("{{\"Name\": \"soak-{number}\"}}");
    let url = format!("{url}/services/data/v62.0/sobjects/Account");
    post(client, url, JSON, body)
}

fn post(client: &Client, url: String, kind: &'static str, body: String) -> RequestBuilder {
    client.post(url).header("content-type", kind).body(body)
}

fn soap(client: &Client, url: &str, operation: &str) -> RequestBuilder {
    let body = format!(
        "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:p=\"urn:partner.soap.sforce.com\"><e:Body>{operation}</e:Body></e:Envelope>"
    );
    let url = format!("{url}/services/Soap/u/62.0");
    post(client, url, "text/xml", body).header("soapaction", "\"\"")
}
