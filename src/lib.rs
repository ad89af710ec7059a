//! orgproxy stands on localhost in place of a Salesforce org. A client sends it plain,
//! unauthenticated requests; it logs in by the OAuth 2.0 JWT bearer flow (RFC 7523), puts the
//! session where the API wants it, and forwards to the org's `instance_url`.
//!
//! # The life of a request
//!
//! 1. [`server`] accepts a connection and distributes it to a thread. There `server::strict_stream`
//!    reads its bytes strictly before hyper reads them, and leaves in [`proxy::connection_state`] what
//!    its requests need to know of it.
//! 2. [`proxy::stack`] counts, limits, and catches panics. It finds the request's [`proxy::family`],
//!    which decides where the session goes, how a dead one shows, and what an error looks like.
//! 3. [`proxy::guard`] admits or refuses: form, Host, Origin, client key, path. The beginning of a
//!    SOAP envelope is read, to find the place for the session.
//! 4. [`proxy::local`] answers what the org is not asked: SOAP `login()`, the token endpoint, logouts.
//! 5. [`proxy::request`] rewrites the head for the org: hop-by-hop headers go first, then every
//!    spelling of every header that belongs to the proxy; the session goes in last. [`proxy::replay`]
//!    keeps a bounded copy of the body.
//! 6. [`auth`] returns the session, or waits for the one login under way.
//! 7. [`proxy::upstream`] sends and streams, on connections that [`network`] opens.
//! 8. If the family says that the response means a dead session, that session is retired, and the
//!    request is sent once more, whole. Steps 6 to 8 are [`proxy::delivery`].
//! 9. [`proxy::response`] rewrites the response for the client, leads the few absolute URLs in it back
//!    to the proxy, and streams it.
//! 10. Any [`proxy::error`] becomes a marked response in one place.
//!
//! Steps 3 to 9 are [`proxy`], on one screen.
//!
//! # Rooms
//!
//! From the highest to the lowest; each imports only those below it, which `tests/it/rooms.rs` holds:
//!
//! - [`command`]: `run`, `check`, `demo`, `init`, `doctor`, `query`, `request`, `token`, `trust`,
//!   `health` and the rest, each in a file of its name.
//! - [`server`]: listeners, threads, TLS towards clients, strict framing, the end.
//! - [`proxy`]: the life of one request.
//! - [`auth`]: logins and sessions. It knows nothing of requests.
//! - [`cli`]: what can be typed.
//! - [`local_ca`]: the local certificate authority, for `https://` listeners and tunnels.
//! - [`config`]: from files, variables and flags to what runs. It alone reads the configuration.
//! - [`demo`]: an org to try it with, which the tests talk to. It knows nothing of the proxy, and is
//!   left out without the feature of that name.
//! - [`network`]: how connections go out, for logins and requests alike.
//! - [`spelling`]: how the names of headers are spelled.
//! - [`salesforce`]: what is true of Salesforce, for the proxy and the demo org.
//! - [`system`]: what the operating system and the person at the terminal are asked for and told.
//!
//! # Where to start
//!
//! **A new API family** (an API that puts the session elsewhere, or reports a dead one otherwise):
//! 1. `proxy/path.rs`: how its paths are recognised, in `Api::of`. Guard and family share this.
//! 2. `proxy/family.rs`: a variant of `Family`, and what each `match` asks for it: `authorize` (where
//!    the session goes), `suspects` and `judge` (how a dead one shows), `proves_session`, `tell` (what
//!    an error looks like). What is long gets a file in `proxy/family/`.
//! 3. `proxy/guard/path.rs`, if some of its paths hand out sessions.
//! 4. `demo/`: the same API in the demo org; then a test in `tests/it/` named after it, and one line
//!    in `tests/it/renewal.rs`, where sessions die in every family.
//! 5. README, *Point your tool at it*.
//!
//! **A new setting:** `config/overrides.rs` (the table of keys, variables and flags), the section's
//! file in `config/` (reading and checking), the field in `config.rs` where it is used from,
//! `proxy.toml`, README; `tests/it/config.rs` compares the table with all of them.
//!
//! **A new refusal:** a variant in `proxy/refusal.rs` with its message, a line in the table of
//! `proxy/error.rs` with status and code, README's table of codes; an allow/deny pair in
//! `tests/it/guard.rs`.
//!
//! **A new command:** `cli.rs` (arguments and help), `command.rs` (one line), a file in `command/`,
//! README; `tests/it/` has a file per command.
//!
//! **A new figure to watch:** there is no place for it yet; requests are counted in `proxy/stack.rs`.
//!
//! # Decisions
//!
//! **Sessions are judged by the org.** A token answer reports no lifetime, and the real one slides
//! with every call ([`salesforce::facts::sessions`]). So age counts from the last use, and the
//! org's refusal is the last word. One login serves all who wait; no failure is kept forever. If a
//! login gives the same token again, the refusal may have been a stray one: the request is sent
//! once more, and then the org's answer is passed on. While logins are in vain, the org is asked
//! first which it refuses, the session or the request.
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
//! and `http::HeaderMap` know lower case and no order. So the header lines of a message are kept as
//! they came, as a hint for [`spelling`] when they are written. The org's lines go out as they are,
//! whole, if nobody has changed any; hyper writes only what says where the body ends, and `spelling`
//! puts the rest in its place. HTTP/2 has no case to keep: what comes by it goes on with the usual
//! spelling.
//!
//! **What repeats is compared, not parsed.** Most heads on a connection have the lines of the one
//! before. To compare a line costs a tenth of parsing it, so `server::framing` and
//! `proxy::upstream::http1` remember the last head and what it meant.
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
//! # Salesforce
//!
//! [`salesforce::facts`] holds what the code takes for granted about Salesforce, with sources.
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
#[cfg(feature = "demo")]
pub mod demo;
mod local_ca;
mod network;
mod proxy;
mod salesforce;
mod server;
mod spelling;
mod system;
