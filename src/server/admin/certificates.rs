//! The certificates that a person has to renew.

use tokio::task;

use crate::{
    config::{Certificate, Config},
    watch::metrics::CertificateFacts,
};

/// Those that `config` names: of `https://` listeners, and beside the keys of orgs.
pub(in crate::server) async fn of(config: &Config) -> Vec<CertificateFacts> {
    let config = config.clone();
    // The files of orgs are read, which may take its time.
    let read = task::spawn_blocking(move || {
        let own = config.tls.ends().map(|ends| ("tls".to_owned(), ends));
        let orgs = config.orgs.iter().filter(|org| org.demo.is_none());
        let orgs = orgs.filter_map(|org| {
            let ends = Certificate::of(org).ok()?.ends()?;
            Some((format!("org:{}", org.name), ends))
        });
        let all = own.into_iter().chain(orgs);
        all.map(|(name, ends)| CertificateFacts { name, ends })
            .collect()
    });
    read.await.unwrap_or_default()
}
