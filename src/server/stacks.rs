//! One thread's own way through each listener.

use std::sync::Arc;

use super::{listener::Listener, org_runtime::OrgRuntime};
use crate::{
    proxy::{Proxy, load::Load, stack::Stack},
    watch::Recorder,
};

/// The stacks and proxies of one thread, each made when its first connection comes.
pub(super) struct Stacks {
    load: Arc<Load>,
    recorder: Option<Arc<Recorder>>,
    by_listener: Vec<(Arc<Listener>, Arc<Stack>)>,
    /// Listeners share those of their orgs, and with them the connections to these.
    by_org: Vec<(Arc<OrgRuntime>, Arc<Proxy>)>,
}

impl Stacks {
    pub(super) fn new(load: Arc<Load>, recorder: Option<Arc<Recorder>>) -> Self {
        Self {
            load,
            recorder,
            by_listener: Vec::new(),
            by_org: Vec::new(),
        }
    }

    /// The stack of `listener`.
    pub(super) fn of(&mut self, listener: &Arc<Listener>) -> Arc<Stack> {
        let mut known = self.by_listener.iter();
        if let Some((_, stack)) = known.find(|(known, _)| Arc::ptr_eq(known, listener)) {
            return stack.clone();
        }
        let proxies = listener.orgs.iter().map(|org| self.proxy(org)).collect();
        let stack = Arc::new(Stack {
            proxies,
            load: self.load.clone(),
            protocol: listener.protocol,
            recorder: self.recorder.clone(),
        });
        self.by_listener.push((listener.clone(), stack.clone()));
        stack
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
