//! Reporting to the service manager that the process is alive, for as long as each thread is.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use tokio::sync::{mpsc, oneshot};

use super::worker::Message;
use crate::system::notify::Notifier;

/// Reports, if that is wanted, twice in each period, after every one of `workers` has answered;
/// forever, unless one is gone that is not to end. That the main thread is alive shows in this being
/// run.
pub(super) async fn keep_reporting(
    manager: Arc<Notifier>,
    workers: Vec<mpsc::UnboundedSender<Message>>,
    are_to_end: bool,
) {
    let Some(period) = manager.watchdog() else {
        return;
    };
    loop {
        if !all_answer(&workers, period).await && !are_to_end {
            tracing::error!(
                "a thread is gone; reporting to the watchdog no more, so that it restarts this \
                 process"
            );
            return;
        }
        manager.alive();
        tokio::time::sleep(period / 2).await;
    }
}

/// Waits for the answers of all `workers`, however long they take. Returns whether all are there.
async fn all_answer(workers: &[mpsc::UnboundedSender<Message>], period: Duration) -> bool {
    let answers = workers.iter().enumerate().map(async |(number, worker)| {
        let (answer, mut answered) = oneshot::channel();
        if worker.send(Message::Ping(answer)).is_err() {
            return false;
        }
        match tokio::time::timeout(period / 2, &mut answered).await {
            Ok(answered) => answered.is_ok(),
            Err(_) => {
                tracing::error!(
                    "thread orgproxy-{number} has not answered for {:?}; if it goes on like that, \
                     the watchdog restarts this process",
                    period / 2
                );
                answered.await.is_ok()
            }
        }
    });
    join_all(answers).await.into_iter().all(|is_there| is_there)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_thread_that_does_not_answer_is_enough() {
        let (alive, mut pings) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(Message::Ping(answer)) = pings.recv().await {
                let _ = answer.send(());
            }
        });
        let period = Duration::from_secs(10);
        assert!(all_answer(std::slice::from_ref(&alive), period).await);

        let (hung, mut unanswered) = mpsc::unbounded_channel();
        let both = [alive.clone(), hung];
        let waiting = all_answer(&both, period);
        let waiting = tokio::time::timeout(Duration::from_secs(3600), waiting);
        assert!(waiting.await.is_err(), "it was reported to be alive");
        assert!(unanswered.try_recv().is_ok());

        let (gone, _) = mpsc::unbounded_channel();
        assert!(!all_answer(&[alive, gone], period).await);
    }
}
