//! orgproxy stands on localhost in place of a Salesforce org. A client sends it plain,
//! unauthenticated requests; it logs in by the OAuth 2.0 JWT bearer flow (RFC 7523), puts the
//! access token (with the address that it is for: the *session*) where the API wants it, and
//! forwards to the org's `instance_url`. To a client, orgproxy is the org.
//!
//! # The life of a request
//!
//! 1. [`server`] accepts a connection and distributes it to a thread. There `server::strict_stream`
//!    reads its bytes strictly before hyper reads them, and notes in [`proxy::connection_state`]
//!    what requests need to know of their connection: TLS, port, header lines as they were sent.
//!    A `CONNECT` for one of Salesforce's hosts ends in a tunnel here, whose inside is served like
//!    any other connection (`intercept`).
//! 2. [`proxy::stack`] counts, limits, and catches panics. It finds the request's API family
//!    ([`proxy::family`]: REST, SOAP, Bulk, pages, …), which decides where the session goes, how a
//!    dead one shows, and what an error looks like.
//! 3. [`proxy::guard`] admits or refuses: form, Host, Origin, client key, path.
//! 4. The beginning of a SOAP envelope is read, to find the place for the session.
//! 5. A client that must log in has to show its *placeholder* ([`proxy::placeholder`]): the
//!    stand-in for a session that it got when it logged in to the proxy.
//! 6. [`proxy::local`] answers what is not for the org: SOAP `login()`, the token endpoint,
//!    logouts. Clients that insist on logging in get a placeholder. What is for the org is sent as the
//!    user that its client acts as ([`proxy::users`]), and is refused if it shows the placeholder of
//!    another user or org. If there is a policy for the client, [`proxy::policy`]
//!    judges it, with as much of its body as that takes.
//! 7. [`proxy::old_version`] gives a request of an old version of the APIs another, if that is wanted
//!    (`minimum_api_version`). [`proxy::request`] rewrites the head for the org: hop-by-hop headers go first, then every
//!    spelling of every header that belongs to the proxy. If that is wanted, the head says which span
//!    and which client it is from (`traces`, `name_clients`). The session goes in when it is sent.
//! 8. [`proxy::budget`], if there is one, has it wait for its turn, or refuses what is beyond it.
//!    Replicas may count for it together. [`proxy::delivery`] has the org answer. [`auth`] returns the current session; if there is
//!    none, one login is made, and all who need it wait for it. [`proxy::upstream`] sends and
//!    streams, on connections that [`network`] opens.
//! 9. If the family says that the response means a dead session, that session is replaced by a
//!    login, and the whole request is sent again from the copy that [`proxy::replay`] keeps: it is
//!    sent three times at most. The same is done if the org has moved to another host. A body that is
//!    larger than the copy may be (`limits.replay_bytes`, 16 MiB) cannot be sent again: unless the org
//!    accepted the session in the last 3 s, it is asked about the session first, by a `GET` of
//!    userinfo. If the session dies all the same, the client is told to send again (`SEND_AGAIN`).
//! 10. [`proxy::response`] rewrites the response for the client, leads the few absolute URLs in it
//!     back to the proxy, and streams it.
//! 11. Any [`proxy::error`] becomes a marked response in one place.
//! 12. When the last byte has gone, or the connection has broken, what [`proxy::exchange`] noted on the
//!     way becomes a record, if anybody looks: for the access log, metrics and status ([`watch`]).
//!
//! Steps 3 to 10 are `Proxy::forward` in [`proxy`], on one screen.
//!
//! # Rooms
//!
//! Top-level modules, from the highest to the lowest; each imports only those below it, which
//! `tests/it/rooms.rs` enforces:
//!
//! - [`command`]: `run` and `check`, in `command.rs` itself, and all others, in files of their
//!   names: `demo`, `init`, `doctor`, `query`, `request`, `token`, `trust`, `health` and so on.
//! - [`server`]: listeners, threads, TLS towards clients, strict framing, reload, shutdown; the admin
//!   listener; what a service manager gives and hears.
//! - [`proxy`]: the life of one request.
//! - [`auth`]: logins and sessions. It knows nothing of requests.
//! - [`watch`]: the record that each request leaves, and what is made of it: access log, metrics, who
//!   calls, what still uses what Salesforce is about to end, and spans for a collector of traces.
//! - [`cli`]: the command-line arguments and their help.
//! - [`local_ca`]: the local certificate authority, for `https://` listeners and tunnels.
//! - [`config`]: files, variables and flags, read into one configuration. Nothing else reads them.
//! - [`demo`]: an org to try the proxy with, which the tests use, too. It knows nothing of the
//!   proxy, and is left out without the feature of that name.
//! - [`network`]: outgoing connections, for logins and requests alike, and the proxies on their way; the
//!   way to Redis, which replicas share.
//! - [`spelling`]: the spelling and the order of header names.
//! - [`salesforce`]: facts about Salesforce, for the proxy and the demo org.
//! - [`system`]: the operating system, and the person at the terminal.
//!
//! # Where to start
//!
//! **A new API family** (an API that puts the session elsewhere, or reports a dead one otherwise).
//! Bulk 1.0 is the one to copy: `grep -rn Bulk src` finds what the steps name.
//! 1. `salesforce/facts/families.rs`, `expiry.rs` and, for what it does with a token in JWT format,
//!    `sessions.rs`: a row each, with its source.
//! 2. `proxy/target.rs`: a variant of `Api`, and its paths in `Target::parse` (for most in
//!    `below_services`), where the guard, the families and what rewrites responses all ask. A path
//!    that is forgotten there is taken for REST.
//! 3. `proxy/family.rs`: a variant of `Family`. The compiler asks for it in `Family::of`;
//!    `authorize` (where the session goes); `suspects` (which responses are read, and whether a JWT
//!    may be a session there); `render_error` (what an error looks like); `family/verdict.rs` (what
//!    such a response says: `Verdict::Dead`, or `Moved`); and `response/document.rs` (documents with
//!    absolute URLs). It does not ask for:
//!    - the `Authorization` header, which `authorize` puts in for all but Pub/Sub, before its
//!      `match`;
//!    - responses to HEAD, which have no body: a status that only this family has for a dead session
//!      goes into `refuses_with`, one that may mean something else into the first `match` of
//!      `Verdict::of`;
//!    - `open_envelope` (a session in the body), `passes`, `suspects_page` and `sends_to_login`
//!      (pages), `proves_session` (a path that needs no session).
//! 4. A header that carries the session goes into `SESSION_HEADERS` in `proxy/family.rs`, or the
//!    client's own reaches the org; and into `command/token/text.rs`, which takes it off a token that
//!    somebody pastes. If its capitals are unusual: `spelling/names.rs`.
//! 5. The tables of the unit tests: `family/tests.rs` (and its list in
//!    `whatever_carries_the_session_is_known_as_such`), `target.rs`, `response/document.rs`,
//!    `placeholder.rs`.
//! 6. `proxy/guard/path.rs`, if some of its paths hand out sessions, or if its session is in the
//!    body: then its paths must be spelled plainly, as those of SOAP. `proxy/policy.rs`: which of its
//!    requests only read.
//! 7. If it has a host of its own, as Pub/Sub: every comparison with `Family::PubSub`.
//! 8. `demo/`: a file of its name, with its `mod` in `demo.rs`; where its session is, in
//!    `demo/session.rs` (`Sessions::access`); its path in `Inner::answer` of `demo/service.rs`. Errors
//!    by `Answer::text`: `Answer::error` and `Content::Json` are the REST API's.
//! 9. `command/failure.rs`, so that `orgproxy request` can read the proxy's errors in its shape.
//!    Where a JWT is no session for it: the texts of `command/doctor/session.rs` and
//!    `command/token/decoded.rs`.
//! 10. `tests/it/`: a file named after it, and its `mod` in `tests/it/main.rs`: the session is where
//!     it counts whatever the client sent, a session that dies is replaced unseen, the proxy's errors
//!     have its shape. A line in `exactly_one_session_arrives_and_it_is_ours` of `forward.rs`, and, if
//!     it answers GET and HEAD, in `a_session_that_dies_is_replaced_unseen` and
//!     `an_answer_without_a_body_alone_is_no_reason_for_a_login` of `renewal.rs`. What the demo org
//!     does by itself is tested in `demo_….rs`.
//! 11. README: *Point your tool at it*, and steps 4 and 6 of its *The life of a request*;
//!     `CHANGELOG.md`.
//!
//! **A new path that reads or writes:** a line in `proxy/policy/table.rs`, and lines that are allowed and
//! denied in `proxy/policy/tests/*.txt`.
//!
//! **A new state of an org** that a reload must not lose: take it from `before` in `OrgRuntime::new`
//! (`server/org_runtime.rs`), which is called for an org that has changed; one that has not is kept.
//!
//! **A new setting:** `config/overrides/keys.rs` (the table of keys, variables and flags),
//! `config/file.rs` or the file of its section in `config/` (reading and checking), the public field
//! in `config.rs`, `config/fixed.rs` if only a restart changes it, `proxy.toml`, README;
//! `tests/it/config.rs` compares the table with all of them.
//!
//! **A new login flow:** a variant of `Credential` in `config/credential.rs`; the compiler then
//! asks for it wherever a login, a placeholder or a command uses the key. Its settings as above,
//! made into the variant in `config/file.rs`; its request to the token endpoint in `auth/login.rs`;
//! `demo/token.rs`.
//!
//! **A new refusal:** a variant in `proxy/refusal.rs` with its message, a line in the table of
//! `proxy/error.rs` with status and code, README's table of codes; an allow/deny pair in
//! `tests/it/guard.rs`.
//!
//! **A new command:** `cli.rs` (arguments and help), `command.rs` (one line), a file in `command/`,
//! README; in `tests/it/` most commands have a file of their own.
//!
//! **A new fact about requests:** `watch/record.rs`, filled in `proxy/exchange.rs`; for the access log
//! `watch/access_log/fields.rs` (JSON and the journal) and `text.rs`, and the samples in README's *Watch
//! it*, which a test compares; for spans the attribute of that field in `watch/export/spans.rs`.
//!
//! **A new metric:** a row in `watch/metrics/table.rs`; its count in `watch/metrics/tally.rs`, or, if it
//! is looked up when somebody asks, in `Facts` of `watch/metrics.rs`, which `server/admin/facts.rs`
//! fills; both are written in `watch/metrics/scrape.rs`. README's table, which a test compares.
//!
//! **A new reader of what others wrote:** its properties in a file of `tests/fuzz`, and `mod fuzz` in its
//! module, as in `proxy/guard/path.rs`.
//!
//! # Decisions
//!
//! **Sessions are judged by the org.** A token response has no lifetime: the real one is an idle
//! timeout that every call resets ([`salesforce::facts::sessions`]). So the age of a session counts
//! from the last use that the org accepted, and the org's refusal is the last word. One login
//! serves all who wait. What follows when it goes wrong:
//! - A login fails: it is tried again after 1 to 15 s, or up to 5 minutes if the user is locked or
//!   frozen. Until then requests get the same error.
//! - A request is refused, and the login for it returns the same token: the refusal may have been a
//!   stray one, so the request is sent again with that token. If it is refused again, the client gets
//!   the org's response.
//! - A request is refused again after a login (`Sessions::doubt`): perhaps it is the request that the
//!   org refuses. For 30 s the next refusal leads to a `GET` of userinfo first, which says without a
//!   login whether the session is dead.
//! - That happens twice in a row (`Sessions::rests`): for 1 to 15 s refusals are passed on at once, so
//!   that a client that is always refused does not cost a login each time.
//!
//! **A user is known by its client's label alone.** `users` maps what a client cannot choose for itself
//! ([`config::ClientLabel`]): nothing in a request leads to a user but a placeholder. Each user has
//! [`auth`]'s `Sessions` of its own, made with the org and idle until a request needs them, so that
//! login, failure and rest of one are no other's.
//!
//! **A request stays on its thread.** Each thread has its own runtime, client connections and
//! connections to the org. All that threads share per request is the current session, which is read
//! without a lock, the memory for copies of bodies, the budget if there is one, and counts of what is
//! in flight. Logins run on the main thread. This takes 10 to 20 % less CPU than a runtime that moves
//! work between threads.
//!
//! **hyper towards clients, our own HTTP/1.1 towards the org.** Clients may send anything, so hyper
//! reads them. The org is a single known server behind verified TLS, and the client's side of
//! HTTP/1.1 is little code. Our client runs in the request's own task and remembers the lines of
//! the last head, since most of them come again: that saves an eighth of the CPU. Our own pool of
//! connections saves another tenth. HTTP/2 to the org is hyper's, and so are logins, on connections
//! of the same [`network`]: the same outgoing proxies and addresses serve both. Around requests there are
//! plain functions, one of each, and no tower layers.
//!
//! **Nothing ambiguous passes.** hyper is lenient where another program might read something else,
//! so message framing is checked before hyper reads it. Trailers, upgrades and dot segments never
//! reach the org. Characters that a URL cannot have are percent-encoded (`proxy::percent`), since
//! many clients send them.
//!
//! **Names keep their spelling.** Some Apex code and some clients know a header in one spelling
//! only. hyper and `http::HeaderMap` keep neither case nor order. So the header lines of a message
//! are kept as they were received, as a hint for [`spelling`] when they are written. The org's
//! lines go out unchanged, as one block, if nobody has changed any; hyper writes only the headers
//! that frame the body, and `spelling` adds the rest. HTTP/2 has no case to keep: its headers go on
//! in the usual spelling.
//!
//! **What repeats is compared, not parsed.** Most heads on a connection have the lines of the one
//! before. Comparing a line costs a tenth of parsing it, so `server::framing` and
//! `proxy::upstream::http1` remember the last head and its meaning.
//!
//! **No `Via`.** RFC 9110 section 7.6.3 requires it, but servers take it as a reason not to
//! compress, and to a client the proxy is the org.
//!
//! **SOAP is spliced, not rewritten.** Only the beginning of an envelope is read, up to the first
//! element of its body; one range of bytes is replaced, and the rest streams unchanged. A
//! compressed envelope goes on uncompressed: with its length if the copy holds all of it, and
//! otherwise in chunks, because the length of what is still to be decompressed is not known.
//!
//! **Placeholders are derived.** The session ids for clients are derived from the private key and
//! the names of org and user by a one-way function: so restarts and replicas agree, nothing is stored,
//! and there is no further secret to keep.
//!
//! **A changed configuration makes a new `Generation`** (`server::generation`), in which nothing is
//! changed any more. It is built beside the one in use, down to bound sockets, so a mistake changes
//! nothing. From the one before it takes what stays as it is: sockets, orgs with their connections,
//! sessions. Then sockets lead to the new listeners, and each thread's stacks to their successors,
//! which answer the next request of connections that are open: none has to be closed, unless the new
//! listener would not have let it in. What is in flight holds the old stack until it ends. Besides,
//! each login looks whether the key file has changed.
//!
//! **An upgrade passes sockets on.** At SIGUSR2 a new process gets duplicates of all sockets
//! (`server::upgrade`), so that one queue of clients leads to both. Each in turn accepts, and whoever
//! waits at a socket that another process holds is left to that. Until the new process says that it
//! is ready, nothing is its own: no path, no pid file that the old one would miss.
//!
//! **The sandbox is the process's, not a thread's.** Once the configuration is read and before any thread
//! is started that stays, `run` confines itself for good (`system::sandbox`): a thread that were left
//! out could be made to act for the others. So nothing widens it, and a reload that needs more is
//! refused (`command::sandbox`). Folders are named rather than files, because keys and logs are
//! replaced by renaming; programs may be started, because they stay within it.
//!
//! **A hung thread is reported by silence.** The watchdog of a service manager hears from the main
//! thread, each time after every worker has answered it (`server::watchdog`): one that does not is
//! enough for a restart.
//!
//! **Commands are clients.** `query`, `request` and `doctor` ask through the proxy itself, on a
//! socket of their own: what works for them works for clients.
//!
//! # Salesforce
//!
//! [`salesforce::facts`] holds the facts about Salesforce that the code relies on, with sources.
//!
#![doc = include_str!("manual/scale.md")]
#![doc = include_str!("manual/threats.md")]
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
#[cfg(test)]
#[path = "../tests/fuzz/fuzz.rs"]
mod fuzz;
mod local_ca;
mod network;
mod proxy;
mod salesforce;
mod server;
mod spelling;
mod system;
mod watch;
