//! One thread's own way through each listener.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use tokio::sync::watch;

use super::{
    listener::Listener,
    org_runtime::OrgRuntime,
    worker::{WorkerContext, http},
};
use crate::{
    proxy::{Proxy, load::Load, stack::Stack},
    watch::Recorder,
};

/// The stacks and proxies of one thread, each made when its first connection comes.
pub(super) struct Stacks {
    load: Arc<Load>,
    recorder: Option<Arc<Recorder>>,
    by_listener: Vec<Entry>,
    /// Listeners share those of their orgs, and with them the connections to these.
    by_org: Vec<(Arc<OrgRuntime>, Arc<Proxy>)>,
    /// Dropped when the last connection is, of listeners that are no more.
    stopping: Vec<watch::Sender<()>>,
}

/// The way through one listener.
struct Entry {
    listener: Arc<Listener>,
    stack: Arc<Stack>,
    context: Arc<WorkerContext>,
    /// Stops the connections that came in by it, or by those in whose place it is.
    stopping: Vec<watch::Sender<()>>,
}

/// A listener, and the one that takes its place, if one does.
pub(super) type Replaced = (Arc<Listener>, Option<Arc<Listener>>);

impl Stacks {
    pub(super) fn new(load: Arc<Load>, recorder: Option<Arc<Recorder>>) -> Self {
        Self {
            load,
            recorder,
            by_listener: Vec::new(),
            by_org: Vec::new(),
            stopping: Vec::new(),
        }
    }

    /// The stack of `listener`, and what else its connections share.
    pub(super) fn of(&mut self, listener: &Arc<Listener>) -> (Arc<Stack>, Arc<WorkerContext>) {
        let mut known = self.by_listener.iter();
        if let Some(known) = known.find(|known| Arc::ptr_eq(&known.listener, listener)) {
            return (known.stack.clone(), known.context.clone());
        }
        let entry = self.entry(listener);
        let shared = (entry.stack.clone(), entry.context.clone());
        self.by_listener.push(entry);
        shared
    }

    /// Has the connections of each listener go on in the one that takes its place, from their next
    /// request on. Those that cannot are to end after the request that they are at.
    pub(super) fn replace(&mut self, listeners: &[Replaced]) {
        self.stopping.retain(|stopping| !stopping.is_closed());
        for (before, next) in listeners {
            let mut known = self.by_listener.iter();
            let at = known.position(|known| Arc::ptr_eq(&known.listener, before));
            let Some(mut former) = at.map(|at| self.by_listener.swap_remove(at)) else {
                continue;
            };
            former.stopping.retain(|stopping| !stopping.is_closed());
            if let Some(next) = next {
                let mut entry = self.entry(next);
                former.stack.go_on_in(&entry.stack);
                entry.stopping.append(&mut former.stopping);
                self.by_listener.push(entry);
            } else {
                for stopping in former.stopping {
                    stopping.send_replace(());
                    self.stopping.push(stopping);
                }
            }
        }
        let in_use = &self.by_listener;
        self.by_org.retain(|(org, _)| {
            let mut all = in_use.iter().flat_map(|entry| &entry.listener.orgs);
            all.any(|it| Arc::ptr_eq(it, org))
        });
    }

    /// Has all connections end, and waits until they have, at most for `grace`. Returns whether they
    /// have.
    pub(super) async fn stop(self, grace: Duration) -> bool {
        let of_entries = self.by_listener.into_iter();
        let of_entries = of_entries.flat_map(|entry| entry.stopping);
        let stopping: Vec<_> = of_entries.chain(self.stopping).collect();
        for stopping in &stopping {
            stopping.send_replace(());
        }
        let ended = join_all(stopping.iter().map(watch::Sender::closed));
        tokio::time::timeout(grace, ended).await.is_ok()
    }

    fn entry(&mut self, listener: &Arc<Listener>) -> Entry {
        let proxies = listener.orgs.iter().map(|org| self.proxy(org)).collect();
        let recorder = self.recorder.clone();
        let stack = Stack::new(proxies, self.load.clone(), listener.protocol, recorder);
        let (stopping, stop) = watch::channel(());
        Entry {
            listener: listener.clone(),
            stack: Arc::new(stack),
            context: Arc::new(WorkerContext {
                http: http(&listener.limits, MAX_STREAMS),
                http_of_strangers: http(&listener.limits, 1),
                limits: listener.limits.clone(),
                tunnels: listener.tunnels.clone(),
                stop,
            }),
            stopping: vec![stopping],
        }
    }

    fn proxy(&mut self, org: &Arc<OrgRuntime>) -> Arc<Proxy> {
        let mut known = self.by_org.iter();
        if let Some((_, proxy)) = known.find(|(known, _)| Arc::ptr_eq(known, org)) {
            return proxy.clone();
        }
        let proxy = Arc::new(org.proxy());
        self.by_org.push((org.clone(), proxy.clone()));
        proxy
    }
}

/// Requests at a time on one HTTP/2 connection. What browsers and servers commonly allow.
const MAX_STREAMS: u32 = 100;
