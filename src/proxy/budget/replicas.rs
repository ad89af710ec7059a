//! The budget that several replicas count together, in Redis.
//!
//! Nothing on the way of a request waits for Redis. Each replica counts by itself, and twice a second
//! says what it has counted since, and hears what all have, by one script. So together they may get
//! beyond a bound by what they let pass in about a second.
//!
//! It is all in one hash, which holds no secret:
//!
//! - `HOUR CLIENT`: the calls of a client in an hour, counted from 1970; those of all others are `HOUR`;
//! - `@REPLICA`: `NUMBER LONG TIME`: the number of the news that a replica has sent last, the long calls
//!   that it has open, and when it said so, in milliseconds since 1970 by Redis' own clock. For long
//!   calls that holds as long as a lease, so that those of a replica that was killed come back.
//!
//! News of which it is not known that they came are sent again with the same number, and so count
//! once. Whatever Redis loses, replicas put back: one that finds the number of its last news gone, or
//! that has not reached Redis for a while, sends what it last read along, and a count that is lower than that is
//! raised. No count was ever higher than the truth, so that this cannot count anything twice.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use aws_lc_rs::rand;
use tokio::time::{MissedTickBehavior, interval};

use super::{Budget, Who, shares::Count};
use crate::network::Store;

/// The way to other replicas of one org.
pub(crate) struct Replicas {
    store: Arc<Store>,
    /// The name of the hash.
    key: String,
}

/// What a replica has said to the others, and has heard from them. It outlives the settings of a budget.
pub(super) struct Ledger {
    /// Of this replica.
    id: String,
    /// The hash that it is about.
    key: String,
    /// The number of the last news that have arrived.
    arrived: u64,
    /// Those that may not have.
    news: Option<Vec<(String, String)>>,
    /// The counts that were read last, by their fields.
    read: Vec<(String, String)>,
    /// If Redis may have lost some of these.
    is_in_doubt: bool,
}

/// What Redis says.
enum Reply {
    /// It has lost something.
    Lost,
    /// The long calls of other replicas, and the counts of all.
    Counts(usize, Vec<(String, String)>),
}

impl Replicas {
    /// Those that have in common what is in `store` under names that begin with `place`.
    pub(crate) fn new(store: Arc<Store>, place: &str) -> Self {
        Self {
            store,
            key: format!("{place}:budget"),
        }
    }
}

/// Counts together with `replicas`, until it is dropped.
pub(super) async fn share(budget: Arc<Budget>, replicas: Replicas) {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let mut ledger = budget.ledger.lock().await;
        ledger.exchange(&budget, &replicas).await;
    }
}

impl Ledger {
    /// Says what is new, and hears what all have counted. While Redis is away, nothing changes.
    async fn exchange(&mut self, budget: &Budget, replicas: &Replicas) {
        if self.key != replicas.key {
            self.key.clone_from(&replicas.key);
            self.is_in_doubt = true;
        }
        if self.news.is_none() {
            let news = budget.shares.take_news(SystemTime::now());
            self.news = Some(news.iter().map(written).collect());
        }
        let mut reply = self.send(budget, replicas).await;
        if let Some(Reply::Lost) = reply {
            self.is_in_doubt = true;
            reply = self.send(budget, replicas).await;
        }
        let Some(Reply::Counts(long, counts)) = reply else {
            self.is_in_doubt = true;
            return;
        };
        self.arrived += 1;
        self.news = None;
        self.is_in_doubt = false;
        budget.turns.hears_of_others(long, LEASE);
        let clients = budget.settings.clients.iter();
        let clients = clients.map(|(label, _)| (label.to_string(), label.clone()));
        let clients: HashMap<_, _> = clients.collect();
        let known = counts.iter().filter_map(|(field, calls)| {
            let (hour, label) = match field.split_once(' ') {
                Some((hour, label)) => (hour, Some(clients.get(label)?.clone())),
                None => (field.as_str(), None),
            };
            read(label, hour, calls)
        });
        budget.shares.learn(known.collect(), SystemTime::now());
        self.read = counts;
    }

    async fn send(&self, budget: &Budget, replicas: &Replicas) -> Option<Reply> {
        let long = budget.turns.long();
        let news = self.news.as_deref().unwrap_or_default();
        let read = if self.is_in_doubt { &*self.read } else { &[] };
        let mut arguments = vec![
            self.id.clone(),
            (self.arrived + 1).to_string(),
            long.to_string(),
            LEASE.as_millis().to_string(),
            u8::from(self.is_in_doubt).to_string(),
            news.len().to_string(),
        ];
        for (field, calls) in news.iter().chain(read) {
            arguments.extend([field.clone(), calls.clone()]);
        }
        let reply = replicas.store.run(EXCHANGE, &self.key, &arguments).await;
        let mut reply = reply.ok()?.into_iter();
        let Some(long) = reply.next() else {
            return Some(Reply::Lost);
        };
        let mut counts = Vec::new();
        while let (Some(field), Some(calls)) = (reply.next(), reply.next()) {
            counts.push((field, calls));
        }
        Some(Reply::Counts(long.parse().unwrap_or(0), counts))
    }
}

impl Default for Ledger {
    fn default() -> Self {
        let mut random = [0; 16];
        // Without it, the time tells it from others all the same.
        if rand::fill(&mut random).is_err() {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            random = now.unwrap_or_default().as_nanos().to_ne_bytes();
        }
        Self {
            id: format!("{:032x}", u128::from_ne_bytes(random)),
            key: String::new(),
            arrived: 0,
            news: None,
            read: Vec::new(),
            is_in_doubt: true,
        }
    }
}

fn written(count: &Count) -> (String, String) {
    let Count { who, hour, calls } = count;
    let field = match who {
        Some(label) => format!("{hour} {label}"),
        None => hour.to_string(),
    };
    (field, calls.to_string())
}

/// None if it is not what a replica writes.
fn read(who: Who, hour: &str, calls: &str) -> Option<Count> {
    let calls: u64 = calls.parse().ok()?;
    Some(Count {
        who,
        hour: hour.parse().ok()?,
        calls: u32::try_from(calls).unwrap_or(u32::MAX),
    })
}

/// Key: the hash. Arguments: the id of a replica, the number of its news, its long calls, the time of a
/// lease, 1 if it sends along what it has read, the number of its news' counts, these, and what it has
/// read. Returns nothing if something is lost, and the replica has to send that along; so it does with more
/// than replicas can have counted, which no process is to take into its memory. What was counted by a clock
/// that was ahead is of this hour: else it would be so until that comes.
const EXCHANGE: &str = "
    local time = redis.call('TIME')
    local now = time[1] * 1000 + math.floor(time[2] / 1000)
    local this = math.floor(time[1] / 3600)
    local function hour_of(field)
        return tonumber(string.match(field, '^%d+'))
    end
    local function is_ahead(field)
        return (hour_of(field) or 0) > this + 1
    end
    local function count_of(field)
        return tonumber(redis.call('HGET', KEYS[1], field) or '0') or 0
    end
    local function set(field, count)
        redis.call('HSET', KEYS[1], field, string.format('%.0f', count))
    end
    local function add(field, calls)
        if is_ahead(field) then
            field = string.format('%.0f', this) .. string.match(field, '^%d+(.*)$')
        end
        set(field, count_of(field) + calls)
    end

    if redis.call('TYPE', KEYS[1]).ok ~= 'hash' then
        -- There is none, or one that no replica has written, which would stay for ever.
        redis.call('DEL', KEYS[1])
    end
    local mine = '@' .. ARGV[1]
    local known = redis.call('HGET', KEYS[1], mine) or ''
    local last = tonumber(string.match(known, '^%d+')) or 0
    local number = tonumber(ARGV[2])
    if ARGV[5] == '0' and last < number - 1 then
        return {}
    end
    local news = 6 + 2 * tonumber(ARGV[6])
    for at = news + 1, #ARGV, 2 do
        if not is_ahead(ARGV[at]) and count_of(ARGV[at]) < tonumber(ARGV[at + 1]) then
            set(ARGV[at], tonumber(ARGV[at + 1]))
        end
    end
    if last < number then
        for at = 7, news, 2 do
            add(ARGV[at], tonumber(ARGV[at + 1]))
        end
        last = number
    end
    redis.call('HSET', KEYS[1], mine, string.format('%.0f %s %.0f', last, ARGV[3], now))
    redis.call('PEXPIRE', KEYS[1], 26 * 3600 * 1000)
    for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
        if is_ahead(field) then
            add(field, count_of(field))
            redis.call('HDEL', KEYS[1], field)
        end
    end

    local reply, elsewhere, size = {'0'}, 0, 0
    local all = redis.call('HGETALL', KEYS[1])
    for at = 1, #all, 2 do
        local field, value = all[at], all[at + 1]
        local hour = hour_of(field)
        local long, said = string.match(value, '^%d+ (%d+) (%d+)$')
        if hour and hour >= this - 24 then
            table.insert(reply, field)
            table.insert(reply, value)
            size = size + #field + #value
        elseif hour or not said or now - said > 25 * 3600 * 1000 then
            redis.call('HDEL', KEYS[1], field)
        elseif field ~= mine and now - said < tonumber(ARGV[4]) then
            elsewhere = elsewhere + long
        end
    end
    if size > 8388608 then
        redis.call('DEL', KEYS[1])
        return {}
    end
    reply[1] = string.format('%.0f', elsewhere)
    return reply";

/// Between two exchanges.
const INTERVAL: Duration = Duration::from_millis(500);

/// The time for which others take what a replica says of its long calls to be so.
const LEASE: Duration = Duration::from_secs(3);
