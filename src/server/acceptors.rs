//! Accepting on sockets, each in a task of its own, and distributing connections to threads.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::Instant,
};

use super::{
    listen::BoundListener,
    listener::{Listener, NewConnection},
    sockets::{Accepted, Socket},
    worker::Message,
};
use crate::proxy::load::{Load, Permit};

/// The sockets that are listened on.
pub(super) struct Acceptors {
    all: Vec<Acceptor>,
    tasks: JoinSet<()>,
    workers: Vec<mpsc::UnboundedSender<Message>>,
    load: Arc<Load>,
    /// True if nobody is left out for being late.
    is_stopping: Arc<AtomicBool>,
}

/// A socket, whose task ends when this is dropped.
struct Acceptor {
    socket: Arc<Socket>,
    /// The listener that it is of.
    leads_to: watch::Sender<Arc<Listener>>,
}

impl Acceptors {
    pub(super) fn new(workers: Vec<mpsc::UnboundedSender<Message>>, load: Arc<Load>) -> Self {
        Self {
            all: Vec::new(),
            tasks: JoinSet::new(),
            workers,
            load,
            is_stopping: Arc::default(),
        }
    }

    /// Listens on the sockets of `listeners`, and on no others any more. Those that stay miss no
    /// client.
    pub(super) fn listen_on(&mut self, listeners: &[BoundListener]) {
        let mut all = Vec::new();
        for BoundListener { listener, sockets } in listeners {
            for socket in &sockets.all {
                socket.admit_those_of(listener);
                all.push(self.acceptor(socket, listener));
            }
        }
        self.all = all;
        while self.tasks.try_join_next().is_some() {}
    }

    fn acceptor(&mut self, socket: &Arc<Socket>, listener: &Arc<Listener>) -> Acceptor {
        let mut known = self.all.iter();
        if let Some(at) = known.position(|known| Arc::ptr_eq(&known.socket, socket)) {
            let known = self.all.swap_remove(at);
            known.leads_to.send_replace(listener.clone());
            return known;
        }
        let (leads_to, leading_to) = watch::channel(listener.clone());
        let (workers, load) = (self.workers.clone(), self.load.clone());
        let is_stopping = self.is_stopping.clone();
        let task = distribute(socket.clone(), leading_to, workers, load, is_stopping);
        self.tasks.spawn(task);
        Acceptor {
            socket: socket.clone(),
            leads_to,
        }
    }

    /// Ends all of them, and closes their sockets, unless others hold these. Whoever has connected
    /// by then is served: to close a socket would reset those who wait at it. At one that another
    /// process holds, they wait for that.
    pub(super) async fn stop(mut self) {
        self.is_stopping.store(true, Relaxed);
        let all = std::mem::take(&mut self.all).into_iter();
        let all: Vec<_> = all
            .map(|it| (it.leads_to.borrow().clone(), it.socket))
            .collect();
        // Without a sender they end, as soon as they have passed on what they have accepted.
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(LONGEST, ended).await;
        self.tasks.shutdown().await;
        let until = Instant::now() + LONGEST;
        for (listener, socket) in all {
            if !socket.is_shared() {
                socket.withdraw();
                self.accept_all(&socket, &listener, until).await;
                drop(socket);
            }
        }
    }

    /// Accepts those who wait. From `until` on, none waits for room: all together hold up the stop no
    /// longer.
    async fn accept_all(&self, socket: &Socket, listener: &Arc<Listener>, until: Instant) {
        let mut turns = self.workers.iter().cycle();
        for _ in 0..MOST_WAITING {
            let accepted = tokio::select! {
                biased;
                accepted = socket.next(listener) => accepted,
                // It comes back after a look at all sockets: then nobody is left.
                () = tokio::task::yield_now() => return,
            };
            let admitting = admit(&self.load, &accepted, listener);
            let admitted = tokio::time::timeout_at(until, admitting).await;
            if let (Ok(Some(permit)), Some(worker)) = (admitted, turns.next()) {
                let listener = listener.clone();
                let _ = worker.send(Message::Connection(NewConnection {
                    accepted,
                    listener,
                    permit,
                }));
            }
        }
    }
}

/// Accepts on one socket, and distributes connections to the workers in turn, until it is no longer
/// listened on.
async fn distribute(
    socket: Arc<Socket>,
    mut leads_to: watch::Receiver<Arc<Listener>>,
    workers: Vec<mpsc::UnboundedSender<Message>>,
    load: Arc<Load>,
    is_stopping: Arc<AtomicBool>,
) {
    let mut turns = workers.iter().cycle();
    loop {
        let listener = leads_to.borrow_and_update().clone();
        let accepted = tokio::select! {
            accepted = socket.next(&listener) => accepted,
            changed = leads_to.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
        };
        // So many are being refused already that this one is closed without a word.
        let Some(permit) = admit(&load, &accepted, &listener).await else {
            continue;
        };
        // It may have waited for that.
        if leads_to.has_changed().is_err() && !is_stopping.load(Relaxed) {
            return;
        }
        let admitted_by = listener;
        let listener = leads_to.borrow().clone();
        // What admitted it may have changed meanwhile, as for those that are open.
        if !Arc::ptr_eq(&listener, &admitted_by) && !listener.admits_as(&admitted_by) {
            continue;
        }
        if let Some(worker) = turns.next() {
            // A worker that is gone has panicked outside any request, and said so.
            let _ = worker.send(Message::Connection(NewConnection {
                accepted,
                listener,
                permit,
            }));
        }
    }
}

async fn admit(load: &Arc<Load>, accepted: &Accepted, listener: &Listener) -> Option<Permit> {
    if listener.refuses(accepted.user) {
        return Some(load.admit_stranger());
    }
    load.admit().await
}

/// For clients that there is no room for, all together, when there is to be none soon.
const LONGEST: Duration = Duration::from_secs(1);

/// As many as the system lets wait at a socket.
const MOST_WAITING: usize = 4096;
