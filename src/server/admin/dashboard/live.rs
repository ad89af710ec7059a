//! The page as it is now, and all who look at it.

use std::{collections::VecDeque, sync::Arc, time::SystemTime};

use bytes::Bytes;
use futures_util::{Stream, stream};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{Duration, Instant, MissedTickBehavior, interval, timeout},
};

use super::{super::Facts, SCRIPT, STYLE, hash, snapshot::Snapshot};

/// One rendering for all who look.
pub(in crate::server::admin) struct Live {
    facts: Arc<Facts>,
    /// Those who are slow find the latest frame here, however many they have missed.
    frame: watch::Sender<Arc<Frame>>,
    places: Arc<Semaphore>,
}

/// The page at one moment.
pub(super) struct Frame {
    pub(super) parts: Vec<Part>,
    number: u64,
    drawn: Option<Instant>,
}

/// A piece of the page that changes by itself.
#[derive(Clone)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) html: String,
    event: Bytes,
    /// The number of the first frame in which it looked like this.
    since: u64,
}

/// One who looks.
struct Viewer {
    frames: watch::Receiver<Arc<Frame>>,
    /// The number of the last frame that it got.
    seen: u64,
    events: VecDeque<Bytes>,
    _place: OwnedSemaphorePermit,
}

impl Live {
    pub(in crate::server::admin) fn new(facts: Arc<Facts>) -> Self {
        let frame = Frame {
            parts: Vec::new(),
            number: 0,
            drawn: None,
        };
        Self {
            frame: watch::Sender::new(Arc::new(frame)),
            places: Arc::new(Semaphore::new(MOST_VIEWERS)),
            facts,
        }
    }

    /// Draws it once a second while somebody looks, forever.
    pub(in crate::server::admin) async fn keep_drawing(&self) {
        let mut seconds = interval(INTERVAL);
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            seconds.tick().await;
            if self.frame.receiver_count() > 0 {
                self.draw();
            }
        }
    }

    /// Changes with what a page cannot get by events.
    pub(super) fn shape(&self) -> String {
        hash(&format!("{STYLE}{SCRIPT}{:?}", self.orgs()))
    }

    pub(super) fn orgs(&self) -> Vec<String> {
        self.facts.names()
    }

    /// The page of this second.
    pub(super) fn frame(&self) -> Arc<Frame> {
        let known = self.frame.borrow().clone();
        if known.drawn.is_none_or(|drawn| drawn.elapsed() >= INTERVAL) {
            self.draw();
        }
        self.frame.borrow().clone()
    }

    /// The page, and then what changes in it, as server-sent events. `None` if too many look.
    pub(super) fn events(&self) -> Option<impl Stream<Item = Bytes> + Send + use<>> {
        let place = self.places.clone().try_acquire_owned().ok()?;
        self.frame();
        let greeting = format!("retry: 1000\nevent: shape\ndata: {}\n\n", self.shape());
        let mut viewer = Viewer {
            frames: self.frame.subscribe(),
            seen: 0,
            events: [greeting.into()].into(),
            _place: place,
        };
        viewer.take_frame();
        Some(stream::unfold(viewer, Viewer::next))
    }

    fn draw(&self) {
        let mut parts = Snapshot::take(&self.facts, SystemTime::now()).parts();
        parts.push((SHAPE.to_owned(), self.shape()));
        self.frame.send_if_modified(|frame| {
            let (next, is_new) = frame.followed_by(parts);
            *frame = Arc::new(next);
            is_new
        });
    }
}

impl Frame {
    /// The next frame, and whether anything in it is new.
    fn followed_by(&self, parts: Vec<(String, String)>) -> (Self, bool) {
        let number = self.number + 1;
        let parts: Vec<_> = parts
            .into_iter()
            .map(|(name, html)| {
                let mut known = self.parts.iter();
                match known.find(|part| part.name == name && part.html == html) {
                    Some(part) => part.clone(),
                    None => Part::new(name, html, number),
                }
            })
            .collect();
        let is_new = parts.iter().any(|part| part.since == number);
        let next = Self {
            parts,
            number,
            drawn: Some(Instant::now()),
        };
        (next, is_new)
    }
}

impl Part {
    fn new(name: String, html: String, since: u64) -> Self {
        let event = if name == SHAPE {
            format!("event: shape\ndata: {html}\n\n")
        } else {
            let data = serde_json::json!({ "name": name, "html": html });
            format!("event: part\ndata: {data}\n\n")
        };
        Self {
            event: event.into(),
            name,
            html,
            since,
        }
    }
}

impl Viewer {
    async fn next(mut self) -> Option<(Bytes, Self)> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some((event, self));
            }
            match timeout(LONGEST_SILENCE, self.frames.changed()).await {
                Ok(Ok(())) => self.take_frame(),
                Ok(Err(_)) => return None,
                Err(_) => return Some((Bytes::from_static(BEAT), self)),
            }
        }
    }

    /// Takes what is new of the latest frame.
    fn take_frame(&mut self) {
        let frame = self.frames.borrow_and_update().clone();
        let new = frame.parts.iter().filter(|part| part.since > self.seen);
        self.events.extend(new.map(|part| part.event.clone()));
        self.seen = frame.number;
    }
}

/// The part that says when the page itself is another.
const SHAPE: &str = "shape";

const INTERVAL: Duration = Duration::from_secs(1);

const MOST_VIEWERS: usize = 100;

/// After which a viewer hears that it is not forgotten.
const LONGEST_SILENCE: Duration = Duration::from_secs(10);
const BEAT: &[u8] = b"event: beat\ndata:\n\n";

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(parts: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = |(name, html): &(&str, &str)| ((*name).to_owned(), (*html).to_owned());
        parts.iter().map(owned).collect()
    }

    fn viewer(frames: &watch::Sender<Arc<Frame>>) -> Viewer {
        let places = Arc::new(Semaphore::new(1));
        Viewer {
            frames: frames.subscribe(),
            seen: 0,
            events: VecDeque::new(),
            _place: places.try_acquire_owned().unwrap(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_viewer_gets_what_changed_and_one_who_is_slow_the_latest_of_it() {
        let first = Frame {
            parts: Vec::new(),
            number: 0,
            drawn: None,
        };
        let frames = watch::Sender::new(Arc::new(first));
        let mut viewer = viewer(&frames);
        let show = |shown: &[(&str, &str)]| {
            let (next, is_new) = frames.borrow().followed_by(parts(shown));
            frames.send_replace(Arc::new(next));
            is_new
        };
        assert!(show(&[("a", "1"), ("b", "1")]));
        assert!(show(&[("a", "1"), ("b", "2")]));
        assert!(!show(&[("a", "1"), ("b", "2")]));
        assert!(show(&[("a", "1"), ("b", "<3>\n")]));
        let mut got = String::new();
        for _ in 0..3 {
            let (event, next) = viewer.next().await.unwrap();
            viewer = next;
            got += str::from_utf8(&event).unwrap();
        }
        assert_eq!(
            got,
            "event: part\ndata: {\"name\":\"a\",\"html\":\"1\"}\n\n\
             event: part\ndata: {\"name\":\"b\",\"html\":\"<3>\\n\"}\n\n\
             event: beat\ndata:\n\n"
        );
    }
}
