//! A server that serves, and goes on when its configuration changes.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{sync::mpsc, task::JoinSet};

use super::{
    acceptors::Acceptors,
    admin::{self, Facts},
    generation::Generation,
    listen::BoundListener,
    listener::Listener,
    sockets::Socket,
    stacks::Replaced,
    tls::Certificates,
    worker::Message,
};
use crate::{
    config::{Config, Listen},
    system::notify::Notifier,
};

/// All that changes with the configuration.
pub(super) struct Running {
    pub(super) generation: Generation,
    acceptors: Acceptors,
    workers: Vec<mpsc::UnboundedSender<Message>>,
    facts: Option<Arc<Facts>>,
    /// As it was at the start.
    started_with: Config,
    /// Those of the admin listener, which stay.
    admin: Vec<Arc<Socket>>,
    pub(super) manager: Arc<Notifier>,
    /// Ends when dropped.
    renewing: JoinSet<()>,
}

impl Running {
    /// Begins to serve.
    pub(super) fn start(
        generation: Generation,
        acceptors: Acceptors,
        workers: Vec<mpsc::UnboundedSender<Message>>,
        (facts, admin, manager): (Option<Arc<Facts>>, Vec<Arc<Socket>>, Arc<Notifier>),
    ) -> Self {
        let mut running = Self {
            started_with: generation.config.clone(),
            generation,
            acceptors,
            workers,
            facts,
            admin,
            manager,
            renewing: JoinSet::new(),
        };
        running.serve();
        running.report("");
        running
    }

    /// Reports to the service manager that the configuration is being read again, until
    /// [`Self::report`].
    pub(super) fn report_reload(&self) {
        self.manager.reloading();
    }

    /// Reports to the service manager that this serves, and where, with a remark.
    pub(super) fn report(&self, remark: &str) {
        let Generation {
            orgs, listeners, ..
        } = &self.generation;
        let orgs: Vec<_> = orgs.iter().map(|org| org.org.name.as_str()).collect();
        let places = listeners.iter().map(|it| it.address().to_string());
        let places: Vec<_> = places.collect();
        let (orgs, places) = (orgs.join(", "), places.join(", "));
        self.manager
            .ready(&format!("serving {orgs} on {places}{remark}"));
    }

    /// Serves what `next` says from now on. New connections are for it at once, and those that are
    /// open with their next request; what is in flight goes on as it began.
    pub(super) fn change_to(&mut self, mut next: Generation) {
        next.take_effect();
        let before = std::mem::replace(&mut self.generation, next);
        self.serve();
        let after = &self.generation.listeners;
        let replaced = before.listeners.iter().map(|it| replaced(it, after));
        let replaced: Arc<[Replaced]> = replaced.collect();
        for worker in &self.workers {
            let _ = worker.send(Message::Replace(replaced.clone()));
        }
        note_listeners(&before, &self.generation);
        self.generation.compare_with_inherited(&self.admin);
    }

    /// The keys of the configuration in use that are not in effect before a restart.
    pub(super) fn needs_restart(&self) -> Vec<&'static str> {
        self.started_with.needs_restart_for(&self.generation.config)
    }

    /// All that clients connect to, or could, those of the admin listener included.
    pub(super) fn sockets(&self) -> Vec<Arc<Socket>> {
        let mut all = self.generation.sockets();
        let inherited = self.generation.common.inherited.all();
        for socket in self.admin.iter().chain(inherited) {
            if !all.iter().any(|known| Arc::ptr_eq(known, socket)) {
                all.push(socket.clone());
            }
        }
        all
    }

    /// Closes all listeners. Returns how long what is in flight may take.
    pub(super) async fn stop(self) -> Duration {
        let Generation {
            config, listeners, ..
        } = self.generation;
        // Whoever stops accepting last closes the socket, with no moment in between.
        drop(listeners);
        self.acceptors.stop().await;
        config.grace
    }

    fn serve(&mut self) {
        let Generation {
            config,
            orgs,
            listeners,
            tls,
            common,
            certificates,
            ..
        } = &self.generation;
        let own = listeners.iter().flat_map(BoundListener::tcp_addresses);
        let admin = self.admin.iter().filter_map(|socket| socket.address());
        common.own.set(own.chain(admin));
        self.acceptors.listen_on(listeners);
        if let Some(facts) = &self.facts {
            let bound: Vec<_> = listeners.iter().map(|it| it.bound(config)).collect();
            facts.show(admin::orgs(orgs, &bound), certificates.clone());
        }
        self.renewing = JoinSet::new();
        if let Some(certificates) = &tls.certificates {
            self.renewing.spawn(renew(certificates.clone()));
        }
    }
}

/// `before`, and the one of `after` in which its connections can go on.
fn replaced(before: &BoundListener, after: &[BoundListener]) -> Replaced {
    let next = after.iter().find(|after| {
        after.sockets.are_those_of(&before.sockets) && after.listener.continues(&before.listener)
    });
    let next: Option<Arc<Listener>> = next.map(|next| next.listener.clone());
    (before.listener.clone(), next)
}

/// Says which addresses are new, and which are no more.
fn note_listeners(before: &Generation, after: &Generation) {
    let addresses = |it: &Generation| -> Vec<Listen> {
        it.listeners.iter().map(BoundListener::address).collect()
    };
    let (old, new) = (addresses(before), addresses(after));
    for listen in new.iter().filter(|listen| !old.contains(listen)) {
        tracing::info!("listening on {listen}, too");
    }
    for listen in old.iter().filter(|listen| !new.contains(listen)) {
        tracing::info!("no longer listening on {listen}");
    }
}

/// Has certificates renewed in time, forever.
async fn renew(certificates: Arc<Certificates>) {
    loop {
        // At this pace it matters little that this clock stands still while the machine sleeps, and that
        // the other one may be set.
        tokio::time::sleep(RENEWAL_CHECK).await;
        certificates.renew(SystemTime::now());
    }
}

/// Between two looks at whether a certificate is to be renewed.
const RENEWAL_CHECK: Duration = Duration::from_secs(60);
