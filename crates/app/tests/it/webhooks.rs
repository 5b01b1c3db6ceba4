//! What becomes of a delivery over days, on a clock that the test moves; and of one whose endpoint was edited in the
//! database, or whose address is not public any more.

use keymint_app::ops::deliveries::{self, NewEvent};
use keymint_app::ops::webhooks::{self, EndpointPatch, NewEndpoint};
use keymint_app::ops::{OpError, Proof, apps};
use keymint_app::outbound::WebhooksConfig;
use keymint_app::store_types::{Delivery, DeliveryState, EndpointState};
use keymint_domain::id::{AppId, DeliveryId, EndpointId};
use keymint_domain::mode::Mode;
use keymint_domain::secret::SecretText;
use keymint_domain::time::UnixMs;
use keymint_domain::webhook::signature::Kind;
use keymint_store::db::EngineName;
use keymint_testkit::TestDb;
use keymint_testkit::receiver::{Answer, Receiver};

use crate::house::{House, OPERATOR, Plan, new_app};
use crate::proofs::{owner_of, person};

const HOUR_MS: i64 = 3_600_000;

fn plan() -> Plan {
    Plan { webhooks: WebhooksConfig::for_this_machine(), ..Plan::default() }
}

async fn endpoint(house: &House, app: AppId, url: &str, alert_email: Option<&str>) -> EndpointId {
    let new = NewEndpoint {
        mode: Mode::Test,
        url: url.to_owned(),
        events: Vec::new(),
        signature: Kind::Hmac,
        is_ordered: false,
        secret: Some(SecretText::new("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD".to_owned())),
        alert_email: alert_email.map(str::to_owned),
    };
    webhooks::make(&house.app, OPERATOR, app, new, None).await.expect("made").endpoint.id
}

/// Tells what happened; the newest delivery.
async fn happen(house: &House, app: AppId, endpoint: EndpointId, name: &str) -> Delivery {
    let new = NewEvent { mode: Mode::Test, name: name.to_owned(), body: "{}".to_owned() };
    deliveries::publish(&house.app, OPERATOR, app, &new, None).await.expect("published");
    newest(house, endpoint).await
}

async fn newest(house: &House, endpoint: EndpointId) -> Delivery {
    let found = deliveries::list(&house.app, OPERATOR, endpoint, ("dlv_~", 1)).await.expect("it reads");
    found.into_iter().next().expect("one")
}

/// A delivery, once so many tries of it are recorded.
async fn tried(house: &House, id: DeliveryId, tries: i64) -> Delivery {
    let wait = async {
        loop {
            let (found, ..) = deliveries::find(&house.app, OPERATOR, id).await.expect("it reads");
            if found.tries >= tries {
                return found;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), wait).await.expect("it is tried in time")
}

async fn state(house: &House, endpoint: EndpointId) -> EndpointState {
    webhooks::find(&house.app, OPERATOR, endpoint).await.expect("it reads").0.state
}

async fn mails(house: &House) -> Vec<(String, String)> {
    let kept = house.app.kept_letters().await.expect("they are kept");
    kept.into_iter()
        .filter(|(letter, _)| letter.subject.ends_with("a webhook was disabled"))
        .map(|(letter, text)| (letter.recipient, text.expose().to_owned()))
        .collect()
}

pub async fn razorpays_endpoint_is_tried_for_a_day_then_disabled_and_its_owner_gets_a_mail(it: TestDb) {
    let (house, receiver) = (House::planned(it, &plan()).await, Receiver::start());
    receiver.answers([], Answer::Status(500));
    let one = person(&house, "one").await;
    let (merchant, _) = owner_of(&one, Proof::Fresh);
    let app = apps::make(&house.app, OPERATOR, merchant, &new_app("razorpay", "ladder"), None).await.expect("made").id;
    let hook = endpoint(&house, app, &receiver.url(), None).await;
    let ((_, other_app), quiet) = (house.registered("keymint", "beside").await, Receiver::start());
    let other = endpoint(&house, other_app, &quiet.url(), None).await;
    let begun = house.app.clock.now();
    let first = happen(&house, app, hook, "order.paid").await;
    for tries in 1..16 {
        let done = tried(&house, first.id, tries).await;
        assert_eq!(done.state, DeliveryState::Waiting, "{tries}");
        let next = done.next_at.expect("another try");
        // One millisecond before, nothing is due: what is sent once more to somebody else shows that it was looked.
        house.clock.set(UnixMs(next.0 - 1));
        let beside = happen(&house, other_app, other, "payment.captured").await;
        tried(&house, beside.id, 1).await;
        deliveries::resend(&house.app, OPERATOR, beside.id).await.expect("sent again");
        tried(&house, beside.id, 2).await;
        assert_eq!(newest(&house, hook).await.tries, tries);
        assert_eq!(state(&house, hook).await, EndpointState::Enabled);
        house.clock.set(next);
        house.app.webhooks.wake();
    }
    let done = tried(&house, first.id, 16).await;
    assert_eq!((done.state, done.next_at), (DeliveryState::Failed, None));
    let took = house.app.clock.now().0 - begun.0;
    assert!(took > 22 * HOUR_MS && took < 24 * HOUR_MS, "{took}");
    assert_eq!(state(&house, hook).await, EndpointState::Failing);
    let told = mails(&house).await;
    assert_eq!(told.iter().map(|(to, _)| to.as_str()).collect::<Vec<_>>(), [one.email.as_str()]);
    assert!(told[0].1.contains("after 16 tries") && told[0].1.contains("answered 500") && !told[0].1.contains("/hook"));
    // Nothing is written for it until somebody enables it; then what happens is sent again.
    receiver.answers([], Answer::Status(200));
    let count = receiver.all().len();
    assert_eq!(happen(&house, app, hook, "order.paid").await.id, first.id, "no delivery for a disabled endpoint");
    let enable = EndpointPatch { is_enabled: Some(true), ..EndpointPatch::default() };
    webhooks::change(&house.app, OPERATOR, hook, enable).await.expect("enabled");
    let later = happen(&house, app, hook, "order.paid").await;
    assert_eq!(tried(&house, later.id, 1).await.state, DeliveryState::Delivered);
    // On request the first one goes out again: the same event, and the schedule from its beginning.
    receiver.answers([Answer::Status(500)], Answer::Status(200));
    deliveries::resend(&house.app, OPERATOR, first.id).await.expect("sent again");
    let again = tried(&house, first.id, 17).await;
    assert_eq!((again.state, state(&house, hook).await), (DeliveryState::Waiting, EndpointState::Enabled));
    house.clock.set(again.next_at.expect("another try"));
    house.app.webhooks.wake();
    assert_eq!(tried(&house, first.id, 18).await.state, DeliveryState::Delivered);
    let got = receiver.wait_for(count + 3);
    let ids: Vec<_> = got.iter().map(|one| one.header("x-razorpay-event-id").map(str::to_owned)).collect();
    assert!(ids[0] == ids[count + 1] && ids[0] == ids[count + 2] && ids[0] != ids[count], "{ids:?}");
}

pub async fn an_event_is_sent_once_more_for_fifteen_days_and_not_a_millisecond_longer(it: TestDb) {
    let (house, receiver) = (House::planned(it, &plan()).await, Receiver::start());
    let (_, app) = house.registered("kpay", "replay").await;
    let hook = endpoint(&house, app, &receiver.url(), None).await;
    let one = happen(&house, app, hook, "payment.completed").await;
    assert_eq!(tried(&house, one.id, 1).await.state, DeliveryState::Delivered);
    house.clock.pass_ms(15 * 24 * HOUR_MS);
    deliveries::resend(&house.app, OPERATOR, one.id).await.expect("to the millisecond");
    tried(&house, one.id, 2).await;
    house.clock.pass_ms(1);
    let refused = deliveries::resend(&house.app, OPERATOR, one.id).await;
    assert!(matches!(refused, Err(OpError::Conflict { code: "event_too_old", .. })), "{refused:?}");
    let since = UnixMs(house.app.clock.now().0 - 15 * 24 * HOUR_MS - 1);
    assert!(matches!(deliveries::resend_since(&house.app, OPERATOR, hook, since).await, Err(OpError::Field { .. })));
    // What was taken is not among what is sent again since a moment; what failed is.
    receiver.answers([Answer::Status(400)], Answer::Status(200));
    let failed = happen(&house, app, hook, "payment.failed").await;
    assert_eq!(tried(&house, failed.id, 1).await.state, DeliveryState::Failed);
    let since = UnixMs(house.app.clock.now().0 - HOUR_MS);
    assert_eq!(deliveries::resend_since(&house.app, OPERATOR, hook, since).await.expect("sent again"), 1);
    assert_eq!(tried(&house, failed.id, 2).await.state, DeliveryState::Delivered);
}

pub async fn gone_disables_a_native_endpoint_and_writes_to_the_address_that_it_names(it: TestDb) {
    let (house, receiver) = (House::planned(it, &plan()).await, Receiver::start());
    receiver.answers([], Answer::Status(410));
    let (_, app) = house.registered("keymint", "gone").await;
    let hook = endpoint(&house, app, &receiver.url(), Some("ops@shop.example")).await;
    let one = happen(&house, app, hook, "payment.captured").await;
    assert_eq!(tried(&house, one.id, 1).await.state, DeliveryState::Failed);
    assert_eq!(state(&house, hook).await, EndpointState::Failing);
    let to: Vec<_> = mails(&house).await.into_iter().map(|(to, _)| to).collect();
    assert_eq!(to, ["ops@shop.example"]);
}

pub async fn what_waits_for_a_disabled_endpoint_is_held_and_sent_when_it_is_enabled_within_a_day(it: TestDb) {
    let (house, receiver) = (House::planned(it, &plan()).await, Receiver::start());
    receiver.answers([], Answer::Status(500));
    let (_, app) = house.registered("keymint", "held").await;
    let hook = endpoint(&house, app, &receiver.url(), None).await;
    let old = happen(&house, app, hook, "payment.captured").await;
    tried(&house, old.id, 1).await;
    let set = async |is_enabled| {
        let patch = EndpointPatch { is_enabled: Some(is_enabled), ..EndpointPatch::default() };
        webhooks::change(&house.app, OPERATOR, hook, patch).await.expect("changed")
    };
    set(false).await;
    let held = newest(&house, hook).await;
    assert_eq!((held.state, held.next_at), (DeliveryState::Held, None));
    house.clock.pass_ms(24 * HOUR_MS);
    receiver.answers([], Answer::Status(200));
    set(true).await;
    assert_eq!(tried(&house, old.id, 2).await.state, DeliveryState::Delivered, "to the millisecond");
    receiver.answers([], Answer::Status(500));
    let older = happen(&house, app, hook, "payment.captured").await;
    tried(&house, older.id, 1).await;
    set(false).await;
    house.clock.pass_ms(24 * HOUR_MS + 1);
    set(true).await;
    assert_eq!(newest(&house, hook).await.state, DeliveryState::Held, "a day and more later it is for a person to say");
    webhooks::remove(&house.app, OPERATOR, hook).await.expect("removed");
}

pub async fn an_endpoint_that_was_edited_in_the_database_gets_nothing(it: TestDb) {
    let (house, receiver, thief) = (House::planned(it, &plan()).await, Receiver::start(), Receiver::start());
    let (_, app) = house.registered("razorpay", "edited").await;
    let hook = endpoint(&house, app, &receiver.url(), None).await;
    house.edit(&include_str!("sql/webhook_edited.sql").replace("URL", &thief.url())).await;
    let one = happen(&house, app, hook, "order.paid").await;
    let wait = async {
        while newest(&house, hook).await.state != DeliveryState::Held {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), wait).await.expect("it is held");
    assert_eq!((newest(&house, hook).await.id, receiver.all().len(), thief.all().len()), (one.id, 0, 0), "T56");
    let patch = EndpointPatch { is_enabled: Some(true), ..EndpointPatch::default() };
    let refused = webhooks::change(&house.app, OPERATOR, hook, patch).await;
    assert!(matches!(refused, Err(OpError::Conflict { code: "endpoint_tampered", .. })));
    webhooks::remove(&house.app, OPERATOR, hook).await.expect("it can be deleted");
}

pub async fn an_address_that_may_not_be_called_any_more_is_not_called(it: TestDb) {
    let (house, receiver) = (House::planned(it, &plan()).await, Receiver::start());
    let (_, app) = house.registered("kpay", "inside").await;
    let by_name = receiver.url().replace("127.0.0.1", "localhost");
    let hooks = [endpoint(&house, app, &receiver.url(), None).await, endpoint(&house, app, &by_name, None).await];
    let house = house.restarted(&Plan::default()).await.expect("it starts");
    let new = NewEvent { mode: Mode::Test, name: "payment.completed".to_owned(), body: "{}".to_owned() };
    deliveries::publish(&house.app, OPERATOR, app, &new, None).await.expect("published");
    for hook in hooks {
        let one = newest(&house, hook).await;
        tried(&house, one.id, 1).await;
        let (_, _, attempts) = deliveries::find(&house.app, OPERATOR, one.id).await.expect("it reads");
        let problem = attempts[0].problem.as_deref().unwrap_or_default();
        assert!(problem.contains("https://") || problem.contains("public Internet"), "{problem}");
    }
    assert_eq!(receiver.all().len(), 0);
}

pub async fn an_endpoint_that_does_not_answer_is_asked_seldom_and_loses_nothing(it: TestDb) {
    let (house, receiver) = (House::planned(it, &plan()).await, Receiver::start());
    receiver.answers([], Answer::Status(500));
    let (_, app) = house.registered("razorpay", "seldom").await;
    let hook = endpoint(&house, app, &receiver.url(), None).await;
    let ((_, other_app), fine) = (house.registered("keymint", "beside").await, Receiver::start());
    let other = endpoint(&house, other_app, &fine.url(), None).await;
    let mut all = Vec::new();
    for _ in 0..40 {
        all.push(happen(&house, app, hook, "order.paid").await.id);
        house.clock.pass_ms(1);
    }
    let looked = async || {
        let beside = happen(&house, other_app, other, "payment.captured").await;
        tried(&house, beside.id, 1).await;
    };
    receiver.wait_for(10);
    looked().await;
    // Ten failures, and what was under way beside the last of them.
    let burst = receiver.all().len();
    assert!((10..18).contains(&burst), "{burst}");
    house.clock.pass_ms(3_600_000);
    for trials in 1..4 {
        house.app.webhooks.wake();
        receiver.wait_for(burst + trials);
        looked().await;
        assert_eq!(receiver.all().len(), burst + trials, "one at a time, however much is due");
        house.clock.pass_ms(60_000);
    }
    receiver.answers([], Answer::Status(200));
    house.app.webhooks.wake();
    for id in all {
        let wait = async {
            while deliveries::find(&house.app, OPERATOR, id).await.expect("it reads").0.state
                != DeliveryState::Delivered
            {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(20), wait).await.expect("it is taken in the end");
    }
}

/// How many deliveries an endpoint has.
async fn count(house: &House, endpoint: EndpointId) -> usize {
    deliveries::list(&house.app, OPERATOR, endpoint, ("dlv_~", 1000)).await.expect("it reads").len()
}

pub async fn an_event_goes_to_those_who_are_asked_for_as_it_happens(it: TestDb) {
    let (house, receiver) = (House::planned(it, &plan()).await, Receiver::start());
    let (_, app) = house.registered("keymint", "audience").await;
    let one = endpoint(&house, app, &receiver.url(), None).await;
    let counts = async |other| {
        happen(&house, app, one, "payment.captured").await;
        (count(&house, one).await, count(&house, other).await)
    };
    assert_eq!(counts(one).await, (1, 1));
    let two = endpoint(&house, app, &receiver.url(), None).await;
    assert_eq!(counts(two).await, (2, 1), "one that was made since");
    let set = async |hook, patch| webhooks::change(&house.app, OPERATOR, hook, patch).await.expect("changed");
    let only = EndpointPatch { events: Some(vec!["payment.failed".to_owned()]), ..EndpointPatch::default() };
    set(two, only).await;
    assert_eq!(counts(two).await, (3, 1), "one that asks for something else now");
    set(two, EndpointPatch { events: Some(Vec::new()), ..EndpointPatch::default() }).await;
    assert_eq!(counts(two).await, (4, 2));
    set(one, EndpointPatch { is_enabled: Some(false), ..EndpointPatch::default() }).await;
    assert_eq!(counts(two).await, (4, 3), "one that is disabled");
    set(one, EndpointPatch { is_enabled: Some(true), ..EndpointPatch::default() }).await;
    assert_eq!(counts(two).await, (5, 4));
    webhooks::remove(&house.app, OPERATOR, two).await.expect("removed");
    let new = NewEvent { mode: Mode::Live, name: "payment.captured".to_owned(), body: "{}".to_owned() };
    deliveries::publish(&house.app, OPERATOR, app, &new, None).await.expect("published");
    happen(&house, app, one, "payment.captured").await;
    assert_eq!(count(&house, one).await, 6, "live mode has none of them");
    assert_eq!(receiver.wait_for(10).len(), 10);
}

pub async fn of_many_events_at_once_each_is_written_and_sent_once_but_for_one_that_cannot_be(it: TestDb) {
    const EVENTS: usize = 60;
    let (house, receiver) = (House::planned(it, &plan()).await, Receiver::start());
    let (_, app) = house.registered("keymint", "crowd").await;
    let hook = endpoint(&house, app, &receiver.url(), None).await;
    let tasks: Vec<_> = (0..=EVENTS)
        .map(|number| {
            // PostgreSQL keeps no NUL; SQLite does.
            let body = if number == EVENTS { "\0".to_owned() } else { format!("{number}") };
            let (app_id, app) = (app, house.app.clone());
            let new = NewEvent { mode: Mode::Test, name: "payment.captured".to_owned(), body };
            tokio::spawn(async move { deliveries::publish(&app, OPERATOR, app_id, &new, None).await.ok() })
        })
        .collect();
    let mut told = Vec::new();
    for task in tasks {
        told.extend(task.await.expect("it ends").map(|event| event.to_string()));
    }
    let kept = if house.app.db.engine() == EngineName::Sqlite { EVENTS + 1 } else { EVENTS };
    assert_eq!(told.len(), kept);
    receiver.wait_for(kept);
    let all = deliveries::list(&house.app, OPERATOR, hook, ("dlv_~", 1000)).await.expect("it reads");
    assert_eq!(all.len(), kept);
    for one in &all {
        assert_eq!(tried(&house, one.id, 1).await.state, DeliveryState::Delivered);
    }
    let mut got: Vec<_> = receiver.all().iter().filter_map(|one| one.header("webhook-id").map(str::to_owned)).collect();
    got.sort_unstable();
    told.sort_unstable();
    assert_eq!(got, told, "each once, under the id that was answered");
    let tries: i64 = {
        let again = deliveries::list(&house.app, OPERATOR, hook, ("dlv_~", 1000)).await.expect("it reads");
        again.iter().map(|one| one.tries).sum()
    };
    assert_eq!(usize::try_from(tries).expect("few"), kept);
}

pub async fn an_answer_that_no_database_keeps_is_recorded_all_the_same(it: TestDb) {
    let (house, receiver) = (House::planned(it, &plan()).await, Receiver::start());
    let (_, app) = house.registered("keymint", "one").await;
    let hook = endpoint(&house, app, &receiver.url(), None).await;
    receiver.answers([], Answer::Saying(200, "a\0b"));
    let sent = happen(&house, app, hook, "payment.captured").await;
    let done = tried(&house, sent.id, 1).await;
    assert_eq!((done.state, done.next_at), (DeliveryState::Delivered, None));
    let (_, _, attempts) = deliveries::find(&house.app, OPERATOR, sent.id).await.expect("it reads");
    assert_eq!(attempts.first().and_then(|attempt| attempt.answer.as_deref()), Some("a\u{fffd}b"));
    assert_eq!(receiver.all().len(), 1);
}

/// A delivery that was tried once: after how long it is tried again. Milliseconds.
async fn wait_of(house: &House, id: DeliveryId) -> Option<i64> {
    let done = tried(house, id, 1).await;
    done.next_at.map(|next| next.0 - house.app.clock.now().0)
}

pub async fn an_endpoint_says_in_seconds_or_by_a_date_how_long_it_wants_to_be_left_alone(it: TestDb) {
    let (house, receiver) = (House::planned(it, &plan()).await, Receiver::start());
    let (_, app) = house.registered("keymint", "one").await;
    let hook = endpoint(&house, app, &receiver.url(), None).await;
    let asked = async |header: String| {
        receiver.answers([], Answer::With(503, header.leak()));
        // So that it is the newest.
        house.clock.set(UnixMs(house.app.clock.now().0 + 1));
        let sent = happen(&house, app, hook, "payment.captured").await;
        wait_of(&house, sent.id).await.expect("another try")
    };
    let usual = asked("x-other: 1".to_owned()).await;
    assert!((1..60_000).contains(&usual), "{usual}");
    assert_eq!(asked("retry-after: 120".to_owned()).await, 120_000);
    let at = house.app.clock.now().0 / 1000 + 300;
    let date = jiff::Timestamp::from_second(at).expect("a moment").strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let wait = asked(format!("retry-after: {date}")).await;
    assert!((298_001..=300_000).contains(&wait), "{wait}");
    // What asks for less than the schedule, for yesterday, or for nothing that can be read, changes nothing.
    for other in ["1", "-5", "soon", "120 s", "Thu, 01 Jan 1970 00:00:00 GMT", &date.replace("GMT", "+0000")] {
        let wait = asked(format!("retry-after: {other}")).await;
        assert!((1..60_000).contains(&wait), "{other}: {wait}");
    }
}

pub async fn a_try_keeps_what_went_out_with_it_and_what_came_back(it: TestDb) {
    let (house, receiver) = (House::planned(it, &plan()).await, Receiver::start());
    let (_, app) = house.registered("keymint", "one").await;
    let hook = endpoint(&house, app, &receiver.url(), None).await;
    receiver.answers([], Answer::With(200, "x-trace: 7\r\nset-cookie: session=1"));
    let sent = happen(&house, app, hook, "payment.captured").await;
    tried(&house, sent.id, 1).await;
    let (_, _, attempts) = deliveries::find(&house.app, OPERATOR, sent.id).await.expect("it reads");
    let attempt = attempts.first().expect("one");
    let request = attempt.request.as_deref().expect("it was sent");
    assert!(request.starts_with(&format!("POST {}\n", receiver.url())), "{request}");
    let got = receiver.all().pop().expect("it came");
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature", "content-type", "user-agent"] {
        let line = format!("{name}: {}\n", got.header(name).expect("it is there"));
        assert!(request.contains(&line), "{line} is not in {request}");
    }
    let head = attempt.answer_head.as_deref().expect("it came back");
    assert!(head.contains("x-trace: 7\n") && !head.contains("cookie"), "{head}");
    // Where nothing was sent, nothing is kept of it.
    let gone = endpoint(&house, app, "http://127.0.0.1:9/hook", None).await;
    house.clock.set(UnixMs(house.app.clock.now().0 + 1));
    let sent = happen(&house, app, gone, "payment.captured").await;
    tried(&house, sent.id, 1).await;
    let (_, _, attempts) = deliveries::find(&house.app, OPERATOR, sent.id).await.expect("it reads");
    let attempt = attempts.first().expect("one");
    assert_eq!((&attempt.answer_head, &attempt.answer, attempt.status), (&None, &None, None));
    assert!(attempt.problem.is_some());
}
