//! What clients may ask of the org: one judgement of each request, after its envelope is open.
//!
//! A request is taken apart as far as it must be: a composite into its parts, a query into its words. What
//! cannot be read as the org will read it is refused.

use std::fmt::Display;

use http::request::Parts;

pub(crate) use self::refused::Refused;
use self::{ask::Ask, bulk::Place, judge::Judge, rest::Found, xml::Element};
use crate::{
    config::{self, Policy},
    proxy::{
        error::Error,
        exchange::Exchange,
        family::{Envelope, Family, Wsdl},
        path::words,
        refusal::Refusal,
        replay::{ClientFault, Replay},
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
pub(crate) struct Policies(config::Policies);

/// The reason why a request does not pass.
enum Stop {
    Refused(Box<Refused>),
    /// The client did not send its body as it should.
    Body(ClientFault),
}

impl Policies {
    /// Those of `org`, if it has any.
    pub(crate) fn new(org: &config::Org) -> Option<Self> {
        org.policies.clone().map(Self)
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
        match judge(Judge::new(policy), head, body, envelope, exchange.family).await {
            Ok(()) => Ok(()),
            Err(Stop::Refused(refused)) if policy.observe => {
                exchange.would_be_refused(&refused);
                Ok(())
            }
            Err(Stop::Refused(refused)) => Err(Refusal::Policy(refused).into()),
            Err(Stop::Body(fault)) => Err(upstream::Error::Client(fault).into()),
        }
    }

    /// The policy for the client: its own, by what is most certain about it, or that of the org.
    fn of(&self, exchange: &Exchange) -> Option<&Policy> {
        let by_connection = exchange.connection.client();
        let mut clients = exchange.client().into_iter().chain(by_connection);
        let own = clients.find_map(|client| {
            // What a client says of itself is none.
            let label = client.label()?;
            let mut policies = self.0.of_clients.iter();
            policies.find(|(of, _)| *of == label)
        });
        own.map(|(_, policy)| policy).or(self.0.org.as_ref())
    }
}

/// The one judgement.
async fn judge(
    judge: Judge<'_>,
    head: &mut Parts,
    body: &mut Replay,
    envelope: Option<&Envelope>,
    family: Family,
) -> Result<(), Stop> {
    let uri = head.uri.clone();
    let ask = match Ask::new(head.method.as_str(), uri.path(), uri.query(), 0) {
        Ok(ask) if !ask::names_method(&head.headers) => ask,
        Ok(ask) => return Ok(judge.unplaced(&ask, "a header of it names another method")?),
        Err(why) => return Ok(judge.unplaced(&uri.path(), why)?),
    };
    if ask::names_namespace(&head.headers) {
        judge.renames(&ask)?;
    }
    let is_off = |value: &http::HeaderValue| value == "updateMru=false";
    if !head.headers.get_all(ask::MRU).iter().all(is_off) {
        judge.leaves_trace(&format!("{ask} with Sforce-Mru"))?;
    }
    match family {
        Family::Rest | Family::Identity | Family::OAuth | Family::Page => {
            rest(judge, &ask, head, body).await
        }
        Family::Soap(wsdl) => soap(judge, &ask, wsdl, envelope, head, body).await,
        Family::Bulk(_) => bulk(judge, &ask, head, body).await,
        Family::Cometd => cometd(judge, &ask, head, body).await,
        Family::PubSub => Ok(pubsub(judge, &ask)?),
    }
}

async fn rest(
    judge: Judge<'_>,
    ask: &Ask<'_>,
    head: &mut Parts,
    body: &mut Replay,
) -> Result<(), Stop> {
    let found = Found::at(judge, ask)?;
    let json = if found.needs_body(judge) {
        match content::read_json(head, body).await? {
            Ok(json) => Some(json),
            Err(why) => return Ok(found.unread(judge, ask, why)?),
        }
    } else {
        None
    };
    Ok(found.judge(judge, ask, json.as_ref())?)
}

/// Checks method and path, and returns all the ways to read it.
fn place(judge: Judge<'_>, ask: &Ask<'_>) -> Result<Vec<Vec<u8>>, Box<Refused>> {
    let Some(readings) = ask.readings() else {
        judge.unplaced(ask, "its path can be read in too many ways")?;
        return Ok(Vec::new());
    };
    judge.place(ask, &ask.method, &readings)?;
    if ask.is_renamed {
        judge.unclear(ask, "_HttpMethod is for the REST API")?;
        judge.place(ask, "POST", &readings)?;
    }
    Ok(readings)
}

async fn soap(
    judge: Judge<'_>,
    ask: &Ask<'_>,
    wsdl: Wsdl,
    envelope: Option<&Envelope>,
    head: &mut Parts,
    body: &mut Replay,
) -> Result<(), Stop> {
    place(judge, ask)?;
    match &*ask.method {
        "GET" | "HEAD" | "OPTIONS" => return Ok(()),
        "POST" if judge.looks() => {}
        _ => return Ok(judge.unclear(ask, "it is not a POST")?),
    }
    if judge.is_read_path(ask.path.as_bytes()) && wsdl == Wsdl::Other {
        return Ok(());
    }
    let operation = envelope.and_then(|envelope| envelope.operation.as_ref());
    if soap::judge_beginning(judge, wsdl, operation)? {
        return Ok(());
    }
    let envelope = match content::read_envelope(head, body).await? {
        Ok(envelope) => content::apart(envelope, Element::parse).await,
        Err(why) => Err(why),
    };
    match envelope {
        Ok(envelope) => Ok(soap::judge(judge, wsdl, &envelope)?),
        Err(why) => Ok(judge.unclear(ask, why)?),
    }
}

async fn bulk(
    judge: Judge<'_>,
    ask: &Ask<'_>,
    head: &mut Parts,
    body: &mut Replay,
) -> Result<(), Stop> {
    let readings = place(judge, ask)?;
    let place = |path: &Vec<u8>| {
        let path = std::str::from_utf8(path).ok()?;
        let all: Vec<_> = words(path.as_bytes())
            .filter_map(|word| std::str::from_utf8(word).ok())
            .skip_while(|word| !word.eq_ignore_ascii_case("async"))
            .collect();
        Place::of(all.get(2..)?)
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
    judge: Judge<'_>,
    ask: &Ask<'_>,
    head: &mut Parts,
    body: &mut Replay,
) -> Result<(), Stop> {
    place(judge, ask)?;
    if ask.method != "POST" {
        return Ok(judge.unclear(ask, "its messages are not in a POST")?);
    }
    if !judge.looks() {
        return Ok(());
    }
    match content::read_json(head, body).await? {
        Ok(messages) => Ok(cometd::judge(judge, ask, &messages)?),
        Err(why) => Ok(judge.unclear(ask, why)?),
    }
}

/// A call of the Pub/Sub API, whose name is in its path; its body goes on for days.
fn pubsub(judge: Judge<'_>, ask: &Ask<'_>) -> judge::Judged {
    place(judge, ask)?;
    let what: &dyn Display = ask;
    match ask.path.strip_prefix(PUBSUB).unwrap_or_default() {
        "GetTopic" | "GetSchema" => Ok(()),
        "Subscribe" => judge.read(what, judge::Object::Unknown),
        "ManagedSubscribe" => {
            // The org keeps how far it has read.
            judge.leaves_trace(what)?;
            judge.read(what, judge::Object::Unknown)
        }
        "Publish" | "PublishStream" => judge.write(what, judge::Object::Other),
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
