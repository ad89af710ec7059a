//! orgproxy stands on localhost in place of a Salesforce org. A client sends it plain,
//! unauthenticated requests; it logs in by the OAuth 2.0 JWT bearer flow (RFC 7523), puts the
//! session where the API wants it, and forwards to the org's `instance_url`.
//!
//! # The life of a request
//!
//! 1. [`server`] accepts, refuses what is not local, and deals the connection to a thread. There
//!    `server::wire` reads its bytes strictly before hyper reads them, and tells [`line`] what its
//!    requests have to know of it.
//! 2. [`stack`] counts, limits, and catches panics. It knows the request's [`family`], which decides
//!    where the session goes, how a dead one shows, and in what shape an error is told.
//! 3. [`guard`] admits or refuses: form, Host, Origin, client key, path. The beginning of a SOAP
//!    envelope is read, to find the place for the session.
//! 4. [`local`] answers what is ours to answer: SOAP `login()`, the token endpoint, logouts.
//! 5. [`request`] makes it ours: hop-by-hop headers off first, then every spelling of every header
//!    that we own; the session goes in last. [`replay`] keeps a bounded copy of its body.
//! 6. [`auth`] gives the session, or waits for the one login under way.
//! 7. [`upstream`] sends, and streams, on connections that [`network`] opens.
//! 8. If [`family`] says that the answer means a dead session, that session is retired, and the
//!    request is sent once more, whole. Steps 6 to 8 are [`delivery`].
//! 9. [`response`] makes the answer the client's, leads the few absolute URLs in it back to us, and
//!    streams it.
//! 10. Any [`error`] becomes a marked answer at one place.
//!
//! Steps 3 to 9 are [`proxy`], on one screen.
//!
//! # The rest of the house
//!
//! - [`cli`], [`command`], [`config`]: from arguments and files to a running program.
//! - [`authority`]: the certificates of `https://` listeners, and of tunnels (`intercept`).
//! - [`setup`]: making what a login needs (`init`), and finding out why one fails (`doctor`).
//! - [`client`]: a proxy in this process, by which commands ask the org as any client would.
//! - [`demo`]: an org to try it with, which the tests talk to, and which commands start for an org
//!   with `demo = true`.
//! - [`placeholder`]: the session ids that clients are given, and [`base`]: where they find us.
//! - [`load`]: how much is taken on at once, and who goes first when that is too much.
//! - [`path`]: what a path leads to, for guard and family alike. [`headers`]: what both directions do
//!   to headers, and [`spelling`]: how their names are spelled. [`deadline`]: time limits that cost nothing
//!   while they are kept.
//! - [`trust`]: having clients trust [`authority`]. [`health`]: asking a running proxy.
//! - [`process`], [`signal`], [`telemetry`], [`terminal`]: what the system and the person at the
//!   terminal are asked for and told. [`escape`]: other people's words, made harmless to print.
//!
//! Dependencies point down only: `command`, `server`, `stack`, `proxy`, then the parts of step 3 to
//! 9, then `error`. `auth` knows nothing of requests. Only `config` reads files.
//!
//! # Decisions
//!
//! **Sessions are judged by the org.** A token answer tells no lifetime, and the real one slides with
//! every call (S§3.2). So age counts from the last use, and the org's refusal is the last word. One
//! login serves all who wait; no failure is kept forever. If a login gives the same token again, the
//! refusal may have been a stray one: the request is sent once more, and then the org's answer is passed
//! on. While logins are in vain, the org is asked first which it refuses, the session or the request.
//!
//! **Threads share nothing per request.** Each carries whole requests, with a runtime, client
//! connections and connections to the org of its own. Logins run on the main thread. This costs 10 to
//! 20 % less CPU than a runtime that moves work between threads.
//!
//! **hyper towards clients, our own HTTP/1.1 towards the org.** Who may send what they like is read by
//! hyper. The org is one known server behind verified TLS, and the client's side of HTTP/1.1 is little
//! code. It runs in the request's own task and knows that most lines of a head are those of the last
//! one, which saves an eighth of the CPU, as the pool does a tenth. HTTP/2 to the org is hyper's.
//! Logins are hyper's, on connections of the same [`network`]: what leads requests to the org leads
//! logins there. tower composes the login's retries; around requests there are plain functions, one
//! of each.
//!
//! **Nothing ambiguous passes.** hyper is lenient where a second reader might read otherwise, so
//! message framing is read here before hyper reads it. Trailers, upgrades and dot segments do not
//! pass at all. Characters that no URL may have are percent-encoded (`target`), since many clients
//! send them.
//!
//! **Names keep their spelling.** Some Apex code and some clients know a header in one case only. hyper
//! and `http::HeaderMap` know lower case and no order. So the lines of a head are kept as they came,
//! as a hint for [`spelling`] when it is written; hyper writes of an answer's head only what says where
//! its body ends, and `spelling` puts the rest in its place. HTTP/2 has no case to keep: what comes by
//! it goes on with the usual spelling.
//!
//! **No `Via`.** RFC 9110 section 7.6.3 asks for it, but servers take it as a reason not to
//! compress, and to a client we are the org.
//!
//! **SOAP is spliced, not rewritten.** Only the beginning of an envelope is read, as far as the first
//! element of its body; one range of bytes is replaced, and the rest streams as it came. What was
//! compressed goes on uncompressed: its length is known before it is sent if the copy holds all of
//! it, and else it goes in chunks, since nobody can know the length of what is still to be
//! decompressed.
//!
//! **Placeholders are derived.** From the private key and what names the org, one way: so restarts and
//! replicas agree, nothing is stored, and there is no secret more to keep.
//!
//! **A key changes, a configuration does not.** A login signs with the key that its file holds then,
//! so that one can be rotated under a running proxy. Everything else is read at start.
//!
//! **Commands are clients.** `query`, `request` and `doctor` ask through the proxy itself, on a socket
//! of their own: what they show to work is what clients get.
//!
//! **Names in comments.** S§n is a section of the collected facts on how Salesforce behaves on the
//! wire, RFC sections are what they are.
#![allow(
    rustdoc::private_intra_doc_links,
    reason = "the manual is for those who read the source"
)]

pub use crate::{
    auth::LoginError,
    cli::Args,
    command::{CommandError, TrustError, execute},
    local_ca::AuthorityError,
    server::{Bound, Missing, Server, StartupError},
};

mod auth;
pub mod cli;
mod command;
pub mod config;
pub mod demo;
mod local_ca;
mod network;
mod proxy;
mod salesforce;
mod server;
mod spelling;
mod system;
