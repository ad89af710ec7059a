//! What a request has to have of the org's budget before it is sent.

use std::{sync::Arc, time::Duration};

use http::HeaderMap;
use tokio::time::timeout;

use super::{Delivery, Request};
use crate::{
    proxy::{
        budget::{Budget, Who},
        error::Error,
        exchange::{self, Exchange},
        family::Verdict,
        received::Received,
        replay::Replay,
        request::Head,
        response,
    },
    watch::Wait,
};

impl Delivery {
    /// Waits for the turn of a request that the org would refuse now, and refuses one that is beyond
    /// the budget of its client or of all.
    ///
    /// # Errors
    /// The bound, and when to try again.
    pub(crate) async fn admit(&self, request: Request<'_>) -> Result<(), Error> {
        match &self.budget {
            Some(budget) => Box::pin(self.spend(budget, request)).await,
            None => Ok(()),
        }
    }

    async fn spend(&self, budget: &Budget, request: Request<'_>) -> Result<(), Error> {
        let Request { head, exchange, .. } = request;
        let who: Who = exchange.label();
        budget.count_request(&who)?;
        if !head.family().is_counted(head.path()) {
            return Ok(());
        }
        if let Some(asking) = budget.begin_to_ask().await {
            // Where the org does not say it, or not in time, there is no share of it to keep to.
            let _ = timeout(LONGEST_QUESTION, self.ask_for_usage(request)).await;
            drop(asking);
        }
        if let Some((turns, bounds)) = budget.turns() {
            // One that is refused does not wait for that.
            budget.check(&who)?;
            let turn = exchange
                .awaits(Wait::Turn, turns.take(&who, rest(request), bounds))
                .await?;
            exchange.permit(|permit| permit.turn = Some(turn));
        }
        let spending = budget.spend(&who)?;
        exchange.permit(|permit| permit.spending = spending);
        Ok(())
    }

    /// Waits for another turn of a request that the org has refused because too many long calls are
    /// open. Returns whether it may be sent again: the org has not carried it out.
    pub(super) async fn take_turn_again(&self, request: Request<'_>) -> bool {
        let Request {
            head,
            body,
            exchange,
            ..
        } = request;
        // Code of the org's own can say the same of another org, after it has done something.
        if head.is_answered_by_code() {
            return false;
        }
        let turns = self.budget.as_ref().and_then(|budget| budget.turns());
        let Some((turns, bounds)) = turns.filter(|_| body.is_at_hand()) else {
            return false;
        };
        turns.is_full();
        drop(exchange.permit(|permit| permit.turn.take()));
        let who = exchange.label();
        let turn = Box::pin(turns.take(&who, rest(request), bounds));
        let Ok(turn) = exchange.awaits(Wait::Turn, turn).await else {
            return false;
        };
        exchange.permit(|permit| permit.turn = Some(turn));
        true
    }

    /// Notes that the org has begun to answer, and so has counted the request.
    pub(super) fn is_counted(&self, exchange: &Exchange) {
        if self.budget.is_some() {
            exchange.permit(|permit| permit.spending = None);
        }
    }

    /// Where nobody waits for a turn, what the org says of too many long calls is for the client.
    pub(super) fn but_for_turns(&self, verdict: Verdict) -> Verdict {
        let has_turns = || self.budget.as_ref().is_some_and(|it| it.turns().is_some());
        if verdict == Verdict::Crowded && !has_turns() {
            return Verdict::Sound;
        }
        verdict
    }

    /// Notes what the org says of its allocation.
    pub(super) fn hears(&self, headers: &HeaderMap) {
        if let Some(budget) = &self.budget
            && let Some(usage) = exchange::usage(headers)
        {
            budget.hears(usage);
        }
    }

    /// Has the org say how much of its allocation is used.
    async fn ask_for_usage(&self, request: Request<'_>) -> Result<(), Error> {
        let exchange = request.exchange;
        let login = request.sessions.current();
        let session = exchange.awaits(Wait::Login, login).await?;
        let question = Head::usage();
        let request = Request {
            head: &question,
            body: &Replay::Empty,
            wait: Wait::Turn,
            ..request
        };
        let (mut response, _) = self.attempt(request, &session).await?;
        // Read to its end, so that the connection is at hand for what follows.
        response::peek(&mut response).await?;
        Ok(())
    }
}

/// What tells when the client has sent all that the org waits for before it begins.
fn rest(request: Request<'_>) -> Option<Arc<Received>> {
    // Servers begin with these once they have the head.
    if request.head.method().is_safe() {
        return None;
    }
    request.body.rest()
}

/// All others wait for it, as long as nothing is known.
const LONGEST_QUESTION: Duration = Duration::from_secs(10);
