//! What is under way to which endpoint, which endpoints are worth a look, and how their circuits stand. In memory alone: one
//! process owns the database, and after a start nothing is under way and nobody has failed.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use keymint_domain::id::{DeliveryId, EndpointId};
use keymint_domain::time::UnixMs;
use keymint_domain::webhook::circuit::Circuit;
use keymint_domain::webhook::schedule::Answer;

/// Tries under way to one endpoint. One that hangs keeps its own lane full and no other's.
const LANE_MAX: usize = 8;

#[derive(Default)]
struct Lane {
    under_way: HashSet<DeliveryId>,
    circuit: Circuit,
    /// Whether more may be due than had a place.
    has_more: bool,
    /// Whether what is due is being read just now.
    is_looked_at: bool,
}

impl Lane {
    /// Whether there is nothing to remember.
    fn is_idle(&self) -> bool {
        self.under_way.is_empty() && self.circuit.is_fresh() && !self.has_more && !self.is_looked_at
    }
}

#[derive(Default)]
struct Inside {
    lanes: HashMap<EndpointId, Lane>,
    /// Endpoints for which something was written, or in whose lane a place became free.
    asked: HashSet<EndpointId>,
    is_all_asked: bool,
    /// When the next delivery becomes due, as far as it is known.
    next_at: Option<UnixMs>,
}

/// Where to look for what is due.
pub enum Look {
    /// At every endpoint.
    All,
    /// At these.
    These(Vec<EndpointId>),
}

/// What may be started in a lane.
pub struct Room {
    /// How many.
    pub places: usize,
    /// What is under way and must not be started again.
    pub under_way: HashSet<DeliveryId>,
    /// Whether the endpoint does not answer, and one is to ask whether it does again.
    pub is_trial: bool,
}

/// The lanes.
#[derive(Default)]
pub struct Lanes(Mutex<Inside>);

impl Lanes {
    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something may be due for anybody.
    pub fn ask_all(&self) {
        self.inside().is_all_asked = true;
    }

    /// Something is due for these.
    pub fn ask(&self, endpoints: impl IntoIterator<Item = EndpointId>) {
        self.inside().asked.extend(endpoints);
    }

    /// Something becomes due then.
    pub fn expect_at(&self, at: UnixMs) {
        let mut inside = self.inside();
        inside.next_at = Some(inside.next_at.map_or(at, |known| known.min(at)));
    }

    /// Where to look now. What was asked for is taken up with it, and what becomes due next is to be said again.
    pub fn look(&self, now: UnixMs) -> Look {
        let mut inside = self.inside();
        if inside.is_all_asked || inside.next_at.is_some_and(|at| at <= now) {
            inside.is_all_asked = false;
            inside.next_at = None;
            inside.asked.clear();
            return Look::All;
        }
        let rested = |lane: &Lane| lane.has_more && lane.circuit.until().is_some_and(|until| until <= now);
        let again: Vec<_> = inside.lanes.iter().filter(|(_, lane)| rested(lane)).map(|(id, _)| *id).collect();
        inside.asked.extend(again);
        Look::These(inside.asked.drain().collect())
    }

    /// When something can be started next that cannot be now, without anybody asking.
    pub fn next_at(&self) -> Option<UnixMs> {
        let inside = self.inside();
        let rests = inside.lanes.values().filter(|lane| lane.has_more && lane.under_way.is_empty());
        rests.filter_map(|lane| lane.circuit.until()).chain(inside.next_at).min()
    }

    /// A place for a delivery that is not written yet, so that nobody else starts it once it is. None where others may have
    /// been waiting for longer, where the endpoint does not answer, and while what is due is being read: whoever reads knows
    /// of what has a place before, and of nothing that gets one meanwhile.
    pub fn reserve(&self, endpoint: EndpointId, delivery: DeliveryId) -> bool {
        let mut inside = self.inside();
        let lane = inside.lanes.entry(endpoint).or_default();
        let is_free = !lane.has_more && !lane.is_looked_at && !lane.circuit.is_open();
        let has_place = is_free && lane.under_way.len() < LANE_MAX;
        if has_place {
            lane.under_way.insert(delivery);
        }
        has_place
    }

    /// What may be started for an endpoint. Where there is room, what is due is read next, and `begin` says what was found.
    pub fn room(&self, endpoint: EndpointId, now: UnixMs) -> Room {
        let mut inside = self.inside();
        let lane = inside.lanes.entry(endpoint).or_default();
        let places = lane.circuit.places(now, LANE_MAX).saturating_sub(lane.under_way.len());
        // Whoever gives a place back asks again; so does the end of the pause.
        lane.has_more = places == 0;
        lane.is_looked_at = places > 0;
        Room { places, under_way: lane.under_way.clone(), is_trial: lane.circuit.is_open() }
    }

    /// These are under way from now on; whether there may be more.
    pub fn begin(&self, endpoint: EndpointId, deliveries: impl Iterator<Item = DeliveryId>, has_more: bool) {
        let mut inside = self.inside();
        let lane = inside.lanes.entry(endpoint).or_default();
        lane.under_way.extend(deliveries);
        lane.has_more |= has_more;
        lane.is_looked_at = false;
        if lane.is_idle() {
            inside.lanes.remove(&endpoint);
        }
    }

    /// What an endpoint said.
    pub fn note(&self, endpoint: EndpointId, answer: Answer, now: UnixMs) {
        if let Some(lane) = self.inside().lanes.get_mut(&endpoint) {
            lane.circuit = lane.circuit.after(answer, now);
        }
    }

    /// One is no longer under way; whether there is something to look for now.
    pub fn end(&self, endpoint: EndpointId, delivery: DeliveryId) -> bool {
        let mut inside = self.inside();
        let Some(lane) = inside.lanes.get_mut(&endpoint) else { return false };
        lane.under_way.remove(&delivery);
        let (has_more, is_open) = (lane.has_more, lane.circuit.is_open());
        if lane.is_idle() {
            inside.lanes.remove(&endpoint);
        }
        if has_more && !is_open {
            inside.asked.insert(endpoint);
        }
        // A pause has begun, and the loop must know when it ends.
        has_more
    }

    /// An endpoint is another one, or gone: how it answered before says nothing.
    pub fn forget(&self, endpoint: EndpointId) {
        if let Some(lane) = self.inside().lanes.get_mut(&endpoint) {
            lane.circuit = Circuit::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMs = UnixMs(1_800_000_000_000);

    fn endpoint() -> EndpointId {
        "whe_00000000000000000000000001".parse().expect("an id")
    }

    fn delivery(number: usize) -> DeliveryId {
        format!("dlv_{number:026}").parse().expect("an id")
    }

    #[test]
    fn a_lane_gives_as_many_places_before_a_write_as_it_has() {
        let lanes = Lanes::default();
        assert!((0..LANE_MAX).all(|number| lanes.reserve(endpoint(), delivery(number))));
        assert!(!lanes.reserve(endpoint(), delivery(LANE_MAX)));
        assert_eq!(lanes.room(endpoint(), NOW).places, 0);
        // Somebody waits now: whoever comes next waits behind.
        assert!(lanes.end(endpoint(), delivery(0)));
        assert!(!lanes.reserve(endpoint(), delivery(LANE_MAX)));
        assert_eq!(lanes.room(endpoint(), NOW).places, 1);
        lanes.begin(endpoint(), std::iter::once(delivery(LANE_MAX)), false);
        assert!(!lanes.end(endpoint(), delivery(1)), "nobody waits any more");
        assert!(lanes.reserve(endpoint(), delivery(1)));
    }

    #[test]
    fn nothing_gets_a_place_while_what_is_due_is_being_read() {
        let lanes = Lanes::default();
        assert!(lanes.reserve(endpoint(), delivery(1)));
        let room = lanes.room(endpoint(), NOW);
        assert_eq!((room.places, room.under_way), (LANE_MAX - 1, HashSet::from([delivery(1)])));
        assert!(!lanes.reserve(endpoint(), delivery(2)), "it would be found, and be started twice");
        lanes.begin(endpoint(), std::iter::empty(), false);
        assert!(lanes.reserve(endpoint(), delivery(2)));
        lanes.end(endpoint(), delivery(1));
        lanes.end(endpoint(), delivery(2));
        assert!(lanes.inside().lanes.is_empty(), "of an idle endpoint nothing is kept");
        lanes.room(endpoint(), NOW);
        lanes.begin(endpoint(), std::iter::empty(), false);
        assert!(lanes.inside().lanes.is_empty());
    }

    #[test]
    fn an_endpoint_that_does_not_answer_gets_nothing_at_once() {
        let lanes = Lanes::default();
        assert!(lanes.reserve(endpoint(), delivery(1)));
        let failed = |times| (0..times).for_each(|_| lanes.note(endpoint(), Answer::Silence, NOW));
        failed(keymint_domain::webhook::circuit::FAILURES_MAX - 1);
        assert!(lanes.reserve(endpoint(), delivery(2)));
        failed(1);
        assert!(!lanes.reserve(endpoint(), delivery(3)));
        lanes.note(endpoint(), Answer::Taken, NOW);
        assert!(lanes.reserve(endpoint(), delivery(3)));
    }
}
