//! What clients may ask of the org: one judgement of each request, after its envelope is open.
//!
//! A request is taken apart as far as it must be: a composite into its parts, a query into its words. What
//! cannot be read as the org will read it is refused.

use std::{collections::HashMap, fmt::Display, sync::Arc};

use http::request::Parts;

pub(crate) use self::refused::Refused;
use self::{
    ask::Ask,
    bulk::Place,
    json::Json,
    judge::{Judge, Object},
    rest::Found,
    xml::Element,
};
use crate::{
    config::{self, ClientLabel, Policy},
    proxy::{
        error::Error,
        exchange::Exchange,
        family::{Envelope, Family, Wsdl},
        refusal::Refusal,
        replay::{ClientFault, Replay},
        target::Target,
        upstream,
    },
};

mod ask;
mod bulk;
mod cometd;
mod content;
mod graphql;
mod json;
mod judge;
mod names;
mod objects;
mod refused;
mod rest;
mod soap;
mod soql;
mod table;
mod xml;

/// The policies of one org.
pub(crate) struct Policies {
    /// For all clients that have none of their own.
    org: Option<Arc<Policy>>,
    of_clients: HashMap<ClientLabel, Arc<Policy>>,
}

/// The reason why a request does not pass.
enum Stop {
    Refused(Box<Refused>),
    /// The client did not send its body as it should.
    Body(ClientFault),
}

impl Policies {
    /// Those of `org`, if it has any.
    pub(crate) fn new(org: &config::Org) -> Option<Self> {
        let config::Policies { org, of_clients } = org.policies.clone()?;
        let of_clients = of_clients.into_iter();
        let of_clients = of_clients.map(|(label, policy)| (label, Arc::new(policy)));
        Some(Self {
            org: org.map(Arc::new),
            of_clients: of_clients.collect(),
        })
    }

    /// Admits a request, or says why not and which key would. One that has to be read is read whole,
    /// and if it is compressed it goes on uncompressed.
    pub(crate) async fn admit(
        &self,
        head: &mut Parts,
        body: &mut Replay,
        envelope: Option<&Envelope>,
        exchange: &Exchange,
    ) -> Result<(), Error> {
        let Some(policy) = self.of(exchange) else {
            return Ok(());
        };
        match judge(policy, head, body, envelope, exchange.family).await {
            Ok(()) => Ok(()),
            Err(Stop::Refused(refused)) if policy.observe => {
                exchange.would_be_refused(&refused);
                Ok(())
            }
            Err(Stop::Refused(refused)) => Err(Refusal::Policy(refused).into()),
            Err(Stop::Body(fault)) => Err(upstream::Error::Client(fault).into()),
        }
    }

    /// The policy for the client: its own, by what is most certain about it, or that of the org. What it
    /// says of itself leads to none.
    fn of(&self, exchange: &Exchange) -> Option<&Arc<Policy>> {
        let by_connection = || exchange.connection.client()?.label();
        let own = |label: Option<ClientLabel>| self.of_clients.get(&label?);
        own(exchange.label())
            .or_else(|| own(by_connection()))
            .or(self.org.as_ref())
    }
}

/// The one judgement.
async fn judge(
    policy: &Arc<Policy>,
    head: &mut Parts,
    body: &mut Replay,
    envelope: Option<&Envelope>,
    family: Family,
) -> Result<(), Stop> {
    let (judge, uri) = (Judge::new(policy), head.uri.clone());
    let ask = match Ask::new(head.method.as_str(), uri.path(), uri.query(), 0) {
        Ok(ask) if !ask::names_method(&head.headers) => ask,
        Ok(ask) => return Ok(judge.unplaced(&ask, "a header of it names another method")?),
        Err(why) => return Ok(judge.unplaced(&uri.path(), why)?),
    };
    if ask::names_namespace(&head.headers) {
        judge.renames(&ask)?;
    }
    if ask::updates_mru(&head.headers) {
        judge.leaves_trace(&format!("{ask} with Sforce-Mru"))?;
    }
    let mut headers = head.headers.iter();
    if headers.any(|(name, options)| ask::shows_duplicates(name.as_str(), options.as_bytes())) {
        judge.read(&format!("{ask} with includeRecordDetails"), Object::Unknown)?;
    }
    match family {
        Family::Rest | Family::Identity | Family::OAuth | Family::Page => {
            rest(policy, &ask, head, body).await
        }
        Family::Soap(wsdl) => soap(policy, &ask, wsdl, envelope, body).await,
        Family::Bulk(_) => bulk(judge, &ask, head, body).await,
        Family::Cometd => cometd(policy, &ask, head, body).await,
        Family::PubSub => Ok(pubsub(judge, &ask)?),
    }
}

async fn rest(
    policy: &Arc<Policy>,
    ask: &Ask<'_>,
    head: &mut Parts,
    body: &mut Replay,
) -> Result<(), Stop> {
    let judge = Judge::new(policy);
    let found = Found::at(judge, ask)?;
    if !found.needs_body(judge, ask) {
        return Ok(found.judge(judge, ask, None)?);
    }
    let text = match content::read_json(head, body).await? {
        Ok(text) => text,
        Err(why) => return Ok(found.unread(judge, ask, why)?),
    };
    let own = ask.clone().into_owned();
    let judged = content::apart(policy, text, move |judge, text| match Json::parse(text) {
        Ok(json) => found.judge(judge, &own, Some(&json)),
        Err(why) => found.unread(judge, &own, why),
    });
    match judged.await {
        Ok(judged) => Ok(judged?),
        Err(why) => Ok(judge.unplaced(ask, why)?),
    }
}

/// Checks method and path of what is not REST, and returns all the ways to read the path.
fn readings_but_rest(judge: Judge<'_>, ask: &Ask<'_>) -> Result<Vec<Vec<u8>>, Box<Refused>> {
    let readings = judge.readings(ask)?;
    if ask.is_renamed {
        judge.unclear(ask, "_HttpMethod is for the REST API")?;
    }
    Ok(readings)
}

async fn soap(
    policy: &Arc<Policy>,
    ask: &Ask<'_>,
    wsdl: Wsdl,
    envelope: Option<&Envelope>,
    body: &mut Replay,
) -> Result<(), Stop> {
    let judge = Judge::new(policy);
    readings_but_rest(judge, ask)?;
    if matches!(&*ask.method, "GET" | "HEAD" | "OPTIONS") || !judge.looks() {
        return Ok(());
    }
    if ask.method != "POST" {
        return Ok(judge.unclear(ask, "it is not a POST")?);
    }
    if judge.is_read_path(ask.path.as_bytes()) && wsdl == Wsdl::Other {
        return Ok(());
    }
    let operation = envelope.and_then(|envelope| envelope.operation.as_ref());
    if soap::judge_beginning(judge, wsdl, operation)? {
        return Ok(());
    }
    let envelope = match content::keep(body).await? {
        Ok(envelope) => envelope,
        Err(why) => return Ok(judge.unclear(ask, why)?),
    };
    let what = ask.to_string();
    let judged = content::apart(policy, envelope, move |judge, text| {
        match Element::parse(text) {
            Ok(envelope) => soap::judge(judge, wsdl, &envelope),
            Err(why) => judge.unclear(&what, why),
        }
    });
    match judged.await {
        Ok(judged) => Ok(judged?),
        Err(why) => Ok(judge.unclear(ask, why)?),
    }
}

async fn bulk(
    judge: Judge<'_>,
    ask: &Ask<'_>,
    head: &mut Parts,
    body: &mut Replay,
) -> Result<(), Stop> {
    let readings = readings_but_rest(judge, ask)?;
    let place = |path: &Vec<u8>| {
        let words: Vec<_> = Target::parse(path).below(path).collect();
        Place::of(&words)
    };
    let mut places = readings.iter().map(place);
    let first = places.next().flatten();
    let place = first.filter(|first| places.all(|other| other == Some(*first)));
    let Some(place) = place else {
        return Ok(judge.unclear(ask, "nothing is known of its path")?);
    };
    let body = if place.needs_body(judge, &ask.method) {
        match content::read(head, body).await? {
            Ok(body) => Some(body),
            Err(why) => return Ok(judge.unclear(ask, why)?),
        }
    } else {
        None
    };
    Ok(bulk::judge(judge, ask, place, body.as_deref())?)
}

async fn cometd(
    policy: &Arc<Policy>,
    ask: &Ask<'_>,
    head: &mut Parts,
    body: &mut Replay,
) -> Result<(), Stop> {
    let judge = Judge::new(policy);
    readings_but_rest(judge, ask)?;
    if ask.method != "POST" {
        return Ok(judge.unclear(ask, "its messages are not in a POST")?);
    }
    if !judge.looks() {
        return Ok(());
    }
    let messages = match content::read_json(head, body).await? {
        Ok(messages) => messages,
        Err(why) => return Ok(judge.unclear(ask, why)?),
    };
    let what = ask.to_string();
    let judged = content::apart(policy, messages, move |judge, text| {
        match Json::parse(text) {
            Ok(messages) => cometd::judge(judge, &what, &messages),
            Err(why) => judge.unclear(&what, why),
        }
    });
    match judged.await {
        Ok(judged) => Ok(judged?),
        Err(why) => Ok(judge.unclear(ask, why)?),
    }
}

/// A call of the Pub/Sub API, whose name is in its path; its body goes on for days.
fn pubsub(judge: Judge<'_>, ask: &Ask<'_>) -> judge::Judged {
    readings_but_rest(judge, ask)?;
    let what: &dyn Display = ask;
    match ask.path.strip_prefix(PUBSUB).unwrap_or_default() {
        "GetTopic" | "GetSchema" => Ok(()),
        "Subscribe" => judge.read(what, Object::Unknown),
        "ManagedSubscribe" => {
            // The org keeps how far it has read.
            judge.leaves_trace(what)?;
            judge.read(what, Object::Unknown)
        }
        "Publish" | "PublishStream" => judge.write(what, Object::Other),
        _ => judge.unclear(what, "nothing is known of this call"),
    }
}

impl From<Box<Refused>> for Stop {
    fn from(refused: Box<Refused>) -> Self {
        Self::Refused(refused)
    }
}

impl From<ClientFault> for Stop {
    fn from(fault: ClientFault) -> Self {
        Self::Body(fault)
    }
}

/// The service whose calls are known.
const PUBSUB: &str = "/eventbus.v1.PubSub/";

#[cfg(test)]
#[path = "../../tests/fuzz/policy.rs"]
mod fuzz;

#[cfg(test)]
mod tests;
