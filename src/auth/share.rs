//! The sessions of one org that several processes share in Redis: of those that need a new one at the
//! same time one logs in, and the others take what it got.
//!
//! Redis never sees a token: it keeps what only a holder of the org's private key can open, and that as
//! what it was sealed as. Where it is away or slow, or what it says is of no use, each process logs in
//! for itself, as it does without it.
//!
//! A session has a generation: the number of the lease under which its process logged in, and the
//! epoch of these numbers, which begins anew when Redis has forgotten everything. Whoever needs a
//! session names the generation that is of no use to it, and gets a later one if there is one, or the
//! lease to log in, or has to wait for whoever holds that. A holder that is too late, because it was
//! stopped for longer than its lease, cannot put an old session in the place of a later one.

use std::{
    sync::{Arc, LazyLock},
    time::{Duration, SystemTime},
};

use aws_lc_rs::rand;
use redis::{Script, Value, from_redis_value};
use tokio::time::{Instant, interval, sleep};

use self::{
    refused::Refused,
    seal::{Seal, Shared, hex, seconds},
};
use super::{
    login::{Login, LoginError},
    session::{Generation, Identity, Session},
};
use crate::{
    config,
    network::{Away, Store},
};

mod refused;
mod seal;

/// The sessions of one org and user that all processes share.
pub(crate) struct Share {
    store: Arc<Store>,
    seal: Seal,
    /// The time that a session lives unused.
    idle: Duration,
    refused: Refused,
}

/// What Redis says to a process that needs a session.
enum Reply {
    /// There is a later one.
    Found(Generation, Vec<u8>),
    /// It is this process that has to log in.
    Leased(Lease),
    /// Another one does.
    Busy,
}

/// The right to log in for all.
struct Lease {
    holder: String,
    generation: Generation,
}

impl Share {
    /// None if there is no cryptography to be had.
    pub(crate) fn new(store: &Arc<Store>, org: &config::Org) -> Option<Self> {
        Some(Self {
            store: store.clone(),
            seal: Seal::new(org, store.prefix())?,
            idle: org.session_timeout,
            refused: Refused::default(),
        })
    }

    /// What the names of keys in Redis begin with: equal for all who hold the same private key and log
    /// in as the same user.
    pub(crate) fn place(&self) -> &str {
        self.seal.place()
    }

    /// A session other than `useless`: one that another process got meanwhile, or one by `login`.
    ///
    /// # Errors
    /// Those of the login.
    pub(in crate::auth) async fn log_in(
        &self,
        login: &Login,
        useless: Option<&Session>,
    ) -> Result<Session, LoginError> {
        if let Some(useless) = useless {
            self.refused.add(useless.token.as_bytes());
        }
        let until = Instant::now() + LONGEST_WAIT;
        let mut known = useless.and_then(|session| session.generation.clone());
        let mut pause = SHORTEST_PAUSE;
        let mut unusable = 0;
        while Instant::now() < until && unusable < MOST_UNUSABLE {
            match self.take(known.as_ref()).await {
                Err(Away) => return login.login().await,
                Ok(Reply::Found(generation, sealed)) => {
                    let session = self.open(login, &sealed, generation.clone());
                    let is_useful = |session: &Session| {
                        !self.refused.has(session.token.as_bytes())
                            && useless.is_none_or(|useless| may_be_later(session, useless))
                    };
                    if let Some(session) = session.filter(is_useful) {
                        return Ok(session);
                    }
                    known = Some(generation);
                    unusable += 1;
                }
                Ok(Reply::Leased(lease)) => return self.log_in_for_all(login, lease).await,
                Ok(Reply::Busy) => {}
            }
            sleep(pause).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
        tracing::warn!("Redis has led to no session that is of use; logging in without it");
        login.login().await
    }

    /// Logs in, and keeps the lease meanwhile.
    async fn log_in_for_all(&self, login: &Login, lease: Lease) -> Result<Session, LoginError> {
        let outcome = {
            let keep = async {
                let mut ticks = interval(LEASE / 3);
                loop {
                    ticks.tick().await;
                    // Without it, another may log in as well: no harm is done.
                    let _ = self.extend(&lease).await;
                }
            };
            tokio::select! {
                outcome = login.login() => outcome,
                () = keep => Err(LoginError::Lost),
            }
        };
        match outcome {
            Ok(session) => {
                // Redis may have gone away since.
                let _ = self.publish(&session, &lease).await;
                Ok(session.of_generation(lease.generation))
            }
            Err(error) => {
                let _ = self.release(&lease).await;
                Err(error)
            }
        }
    }

    async fn take(&self, known: Option<&Generation>) -> Result<Reply, Away> {
        let mut random = [0; 16];
        // Without it, the id is that of nobody else in this moment all the same.
        let _ = rand::fill(&mut random);
        let holder = hex(&random);
        let (epoch, number) = known.map_or(("", 0), |known| (&*known.epoch, known.number));
        let mut script = TAKE.arg(&holder);
        script.arg(millis(LEASE)).arg(epoch).arg(number);
        script.arg(millis(LONGEST_KEPT));
        self.name_keys(&mut script);
        let reply: Vec<Value> = self.store.invoke(&script).await?;
        let mut reply = reply.into_iter();
        let mut text = || from_redis_value::<String>(reply.next()?).ok();
        let (kind, epoch) = (text().ok_or(Away)?, text());
        let number = text().and_then(|number| number.parse().ok());
        let generation = epoch.zip(number);
        let generation = generation.map(|(epoch, number)| Generation { epoch, number });
        match (&*kind, generation) {
            ("found", Some(generation)) => {
                let sealed = reply.next().and_then(|it| from_redis_value(it).ok());
                Ok(Reply::Found(generation, sealed.unwrap_or_default()))
            }
            ("leased", Some(generation)) => Ok(Reply::Leased(Lease { holder, generation })),
            ("busy", _) => Ok(Reply::Busy),
            _ => Err(Away),
        }
    }

    async fn extend(&self, lease: &Lease) -> Result<(), Away> {
        let mut script = EXTEND.arg(&lease.holder);
        script.arg(millis(LEASE));
        self.name_keys(&mut script);
        self.store.invoke(&script).await
    }

    async fn release(&self, lease: &Lease) -> Result<(), Away> {
        let mut script = EXTEND.arg(&lease.holder);
        script.arg(0);
        self.name_keys(&mut script);
        self.store.invoke(&script).await
    }

    async fn publish(&self, session: &Session, lease: &Lease) -> Result<(), Away> {
        let now = SystemTime::now();
        let identity = session.identity.clone();
        let text = |header: &http::HeaderValue| header.to_str().unwrap_or_default().to_owned();
        let shared = Shared {
            token: text(&session.token),
            instance_url: session.instance_url(),
            org_id: identity.org_id,
            user_id: identity.user_id,
            scope: identity.scope,
            issued: seconds(now),
            expires: session.lifetime().map(|left| seconds(now + left)),
        };
        let Some(sealed) = self.seal.close(&shared, &lease.generation) else {
            return self.release(lease).await;
        };
        let mut script = PUBLISH.arg(&lease.holder);
        let Generation { epoch, number } = &lease.generation;
        script
            .arg(epoch)
            .arg(*number)
            .arg(sealed)
            .arg(millis(LONGEST_KEPT));
        self.name_keys(&mut script);
        self.store.invoke(&script).await
    }

    fn open(&self, login: &Login, sealed: &[u8], generation: Generation) -> Option<Session> {
        let shared = self.seal.open(sealed, &generation)?;
        let now = SystemTime::now();
        if !shared.may_live(now, self.idle) {
            return None;
        }
        let lifetime = shared.left(now);
        let identity = Identity {
            org_id: shared.org_id,
            user_id: shared.user_id,
            scope: shared.scope,
        };
        let session = login.session(&shared.token, &shared.instance_url, identity, lifetime);
        Some(session.ok()?.of_generation(generation).taken_over())
    }

    fn name_keys(&self, script: &mut redis::ScriptInvocation<'_>) {
        let place = self.seal.place();
        script.key(format!("{place}:session"));
        script.key(format!("{place}:lease"));
    }
}

/// Returns whether `session` can have come after `useless`.
fn may_be_later(session: &Session, useless: &Session) -> bool {
    match (&session.generation, &useless.generation) {
        (Some(one), Some(other)) if one.epoch == other.epoch => one.number > other.number,
        _ => true,
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Keys: the session, the lease. Arguments: the holder-to-be, the time of a lease, the epoch and the
/// number of the generation that is of no use, the time for which the session is kept.
static TAKE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local function has_at_most(length, field)
            return redis.call('HSTRLEN', KEYS[1], field) <= length
        end
        local function is_number(text)
            return not text or string.match(text, '^%d+$')
        end
        local function read()
            local is_short = redis.call('TYPE', KEYS[1]).ok == 'hash' and has_at_most(64, 'epoch')
                and has_at_most(15, 'number') and has_at_most(15, 'last')
                and has_at_most(65536, 'session')
            if not is_short then
                return nil
            end
            local known = redis.call('HMGET', KEYS[1], 'epoch', 'number', 'session', 'last')
            local is_whole = not known[3] or known[1] and known[2]
            return is_whole and is_number(known[2]) and is_number(known[4]) and known
        end

        local known = read()
        if not known then
            -- There is none, or one that no replica has written, which would stay for ever.
            redis.call('DEL', KEYS[1])
            known = {}
        end
        if known[3] and not (known[1] == ARGV[3] and tonumber(known[2]) <= tonumber(ARGV[4])) then
            return {'found', known[1], known[2], known[3]}
        end
        if redis.call('TYPE', KEYS[2]).ok ~= 'string' then
            redis.call('DEL', KEYS[2])
        end
        if redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then
            redis.call('HSETNX', KEYS[1], 'epoch', ARGV[1])
            local number = redis.call('HINCRBY', KEYS[1], 'last', 1)
            redis.call('PEXPIRE', KEYS[1], ARGV[5])
            return {'leased', redis.call('HGET', KEYS[1], 'epoch'), tostring(number)}
        end
        -- One without an end would never be given back, and no replica takes one for longer.
        local left = redis.call('PTTL', KEYS[2])
        if left == -1 or left > tonumber(ARGV[2]) then
            redis.call('PEXPIRE', KEYS[2], ARGV[2])
        end
        return {'busy'}",
    )
});

/// Keys: the same. Arguments: the holder, the time that the lease is to go on.
static EXTEND: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if redis.call('GET', KEYS[2]) == ARGV[1] then
            redis.call('PEXPIRE', KEYS[2], ARGV[2])
        end",
    )
});

/// Keys: the same. Arguments: the holder, the epoch and the number of its lease, the session, the time
/// for which it is kept.
static PUBLISH: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local known = redis.call('HMGET', KEYS[1], 'epoch', 'number', 'last')
        local is_mine = not known[1] or known[1] == ARGV[2]
        if is_mine and tonumber(known[2] or '0') < tonumber(ARGV[3]) then
            redis.call('HSET', KEYS[1], 'epoch', ARGV[2], 'number', ARGV[3], 'session', ARGV[4])
            if not known[3] then
                -- Everything was forgotten since the lease was given, and later ones must be greater.
                redis.call('HSET', KEYS[1], 'last', ARGV[3])
            end
            redis.call('PEXPIRE', KEYS[1], ARGV[5])
        end
        if redis.call('GET', KEYS[2]) == ARGV[1] then
            redis.call('DEL', KEYS[2])
        end",
    )
});

/// The time for which a lease holds if its holder says nothing more.
const LEASE: Duration = Duration::from_secs(6);

/// The time for which another login is waited for: in it, the lease of a holder that is gone ends, and
/// the next one has logged in.
const LONGEST_WAIT: Duration = Duration::from_secs(12);

/// After as many sessions that cannot be used, Redis is not asked any more: one may be left over from
/// before, and another may come in between.
const MOST_UNUSABLE: u32 = 3;

/// Between two looks at whether another process has logged in.
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// A session is kept no longer, however long it may live.
const LONGEST_KEPT: Duration = Duration::from_secs(24 * 60 * 60);
