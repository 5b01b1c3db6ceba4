//! Webhooks in a storm: a fifth of the endpoints hang, fail, are slow or refuse, and the process is killed again and again.
//! Nothing is lost, what comes twice has one id, and those who answer do not notice the others.
//!
//! CI runs a small form; `cargo xtask storm --engine sqlite` and `--engine postgres` run 10,000 events to 100 endpoints with
//! ten kills, and the same without the bad endpoints before it.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "engine and size come from the environment; a long run says what it saw"
)]

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use keymint_testkit::receiver::{Answer, Receiver};
use keymint_testkit::serve::Database;
use keymint_testkit::{Dev, Request, eventually, free_ports, http};
use serde_json::{Value, json};

mod crash {
    use keymint_testkit::serve::Database;

    use super::storm;

    #[test]
    fn sqlite_loses_no_event_when_endpoints_fail_and_the_process_is_killed() {
        storm("sqlite", || Database::Sqlite);
    }

    mod postgres {
        use keymint_testkit::database::fresh_postgres;
        use keymint_testkit::serve::Database;

        use super::storm;

        #[test]
        fn postgres_loses_no_event_when_endpoints_fail_and_the_process_is_killed() {
            storm("postgres", || Database::Postgres(Box::leak(fresh_postgres("storm").into_boxed_str())));
        }
    }
}

/// Those who tell what happened, at the same time.
const PUBLISHERS: usize = 4;
/// Of so many endpoints four are bad.
const GROUP: usize = 20;
/// How long a slow endpoint takes.
const SLOW: Duration = Duration::from_millis(1_500);
/// From how many events on the lag is compared: fewer say nothing.
const COMPARED_FROM: usize = 5_000;
/// After so many looks without success, what waits is sent once more.
const AGAIN_LOOKS: usize = 200;
/// Below this the machine's own moods are longer than any lag.
const NOISE: Duration = Duration::from_millis(5);

fn number(name: &str, usual: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// How large a storm is.
#[derive(Clone, Copy)]
struct Size {
    events: usize,
    endpoints: usize,
    kills: usize,
}

fn storm(engine: &str, database: fn() -> Database<'static>) {
    if std::env::var("KEYMINT_STORM_ENGINE").is_ok_and(|chosen| chosen != engine) {
        return;
    }
    let size = Size {
        events: number("KEYMINT_STORM_EVENTS", 600),
        endpoints: number("KEYMINT_STORM_ENDPOINTS", 20),
        kills: number("KEYMINT_STORM_KILLS", 2),
    };
    if size.events < COMPARED_FROM {
        run(engine, size, (database(), Weather::Storm));
        return;
    }
    let calm = run(engine, size, (database(), Weather::Calm));
    let storm = run(engine, size, (database(), Weather::Storm));
    for (name, calm, storm) in [("median", calm.median, storm.median), ("p95", calm.p95, storm.p95)] {
        let most = calm.max(NOISE) * 2;
        assert!(storm <= most, "{name}: {storm:?} with bad endpoints, {calm:?} without");
    }
}

/// Whether there are bad endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weather {
    Calm,
    Storm,
}

/// From the answer that took an event to its arrival, of those who answer.
struct Lag {
    median: Duration,
    p95: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Good,
    Hanging,
    Failing,
    Slow,
    Refusing,
}

/// An endpoint, its app, and the server behind it.
struct Place {
    kind: Kind,
    app: String,
    hook: String,
    address: SocketAddr,
    receiver: Option<Receiver>,
}

impl Place {
    fn new(dev: &Dev, merchant: &str, (number, weather): (usize, Weather)) -> Self {
        let kind = match (weather, number % GROUP) {
            (Weather::Storm, 0) => Kind::Hanging,
            (Weather::Storm, 5) => Kind::Failing,
            (Weather::Storm, 10) => Kind::Slow,
            (Weather::Storm, 15) => Kind::Refusing,
            _ => Kind::Good,
        };
        let (receiver, address) = match kind {
            Kind::Refusing => (None, SocketAddr::from(([127, 0, 0, 1], free_ports()))),
            _ => {
                let receiver = Receiver::start();
                let address = receiver.address();
                (Some(receiver), address)
            }
        };
        let answer = match kind {
            Kind::Good | Kind::Refusing => Answer::Status(200),
            Kind::Hanging => Answer::Hold(200),
            Kind::Failing => Answer::Status(500),
            Kind::Slow => Answer::Late(SLOW, 200),
        };
        if let Some(receiver) = &receiver {
            receiver.answers([], answer);
        }
        let app = dev.app(merchant, "keymint", &format!("storm{number}"));
        let body = json!({ "mode": "test", "url": format!("http://{address}/hook") });
        let made = dev.api("POST", &format!("/apps/{app}/webhook-endpoints"), &body);
        assert_eq!(made.status, 201, "{}", made.body);
        Self { kind, app, hook: made.text("/id"), address, receiver }
    }

    /// The weather clears up: it answers, and what waits for it is sent at once.
    fn recover(&mut self, dev: &Dev) {
        if self.kind == Kind::Good {
            return;
        }
        let receiver = self.receiver.get_or_insert_with(|| Receiver::start_at(self.address));
        receiver.answers([], Answer::Status(200));
        receiver.release();
        self.send_what_waits(dev);
    }

    /// Disabled and enabled, an endpoint gets at once what would wait for its schedule.
    fn send_what_waits(&self, dev: &Dev) {
        for is_enabled in [false, true] {
            let path = format!("/webhook-endpoints/{}", self.hook);
            assert_eq!(dev.api("PATCH", &path, &json!({ "enabled": is_enabled })).status, 200);
        }
    }

    /// When each event came, by its id, as often as it did.
    fn came(&self) -> Vec<(String, Instant)> {
        let all = self.receiver.as_ref().map(Receiver::all).unwrap_or_default();
        all.iter().map(|got| (got.header("webhook-id").expect("an id").to_owned(), got.at)).collect()
    }
}

/// What was told and taken: by place the events, each with the moment of its answer.
type Taken = Vec<HashMap<String, Instant>>;

fn publish(console: &Mutex<SocketAddr>, token: &str, (app, number): (&str, usize)) -> (String, Instant) {
    let body = json!({ "mode": "test", "name": "payment.captured", "body": json!({ "n": number }).to_string() });
    let request = Request::new("POST", &format!("/api/v1/apps/{app}/events"))
        .header("Authorization", &format!("Bearer {token}"))
        .header("Idempotency-Key", &format!("storm-{number}"))
        .body(&body.to_string());
    eventually(|| {
        let address = *console.lock().unwrap_or_else(PoisonError::into_inner);
        match http::raw(address, &request.bytes(&address.to_string())) {
            Some(reply) if reply.status == 202 => Ok((reply.text("/id"), Instant::now())),
            Some(reply) => Err(reply.body),
            None => Err("nobody answers".to_owned()),
        }
    })
}

fn start(folder: &Path, database: Database<'_>) -> Dev {
    let binary = folder.join("keymint");
    if !binary.exists() {
        std::fs::copy(env!("CARGO_BIN_EXE_keymint"), &binary).expect("a copy of the binary");
    }
    let tables = "[webhooks]\nallowed_networks = [\"127.0.0.0/8\"]\n";
    Dev::serve_with(&binary.display().to_string(), folder, database, tables)
}

/// Tells everything while the process is killed now and then; gives the process that lives on.
fn tell(mut dev: Dev, (folder, database): (&Path, Database<'_>), places: &[Place], size: Size) -> (Dev, Taken) {
    let (console, token) = (Mutex::new(dev.console), dev.token.clone());
    let taken: Mutex<Taken> = Mutex::new(vec![HashMap::new(); places.len()]);
    let next = AtomicUsize::new(0);
    let (done, told) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..PUBLISHERS {
            let done = done.clone();
            let (next, console, token, taken) = (&next, &console, &token, &taken);
            scope.spawn(move || {
                loop {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    if number >= size.events {
                        return;
                    }
                    let place = number % places.len();
                    let (id, at) = publish(console, token, (&places[place].app, number));
                    taken.lock().unwrap_or_else(PoisonError::into_inner)[place].insert(id, at);
                    let _ = done.send(());
                }
            });
        }
        for kill in 1..=size.kills {
            let share = size.events * kill / (size.kills + 1) - size.events * (kill - 1) / (size.kills + 1);
            assert_eq!(told.iter().take(share).count(), share, "a publisher gave up");
            dev.kill();
            dev = start(folder, database);
            *console.lock().unwrap_or_else(PoisonError::into_inner) = dev.console;
        }
    });
    (dev, taken.into_inner().unwrap_or_else(PoisonError::into_inner))
}

fn run(engine: &str, size: Size, (database, weather): (Database<'static>, Weather)) -> Lag {
    let folder = tempfile::tempdir().expect("a folder");
    let began = Instant::now();
    let dev = start(folder.path(), database);
    let merchant = dev.merchant("storm");
    let mut places: Vec<_> = (0..size.endpoints).map(|number| Place::new(&dev, &merchant, (number, weather))).collect();
    let (dev, taken) = tell(dev, (folder.path(), database), &places, size);
    let told: usize = taken.iter().map(HashMap::len).sum();
    assert_eq!(told, size.events, "each event has an id of its own");
    // Those who answer have everything while the others are still bad.
    for (place, taken) in places.iter().zip(&taken).filter(|(place, _)| place.kind == Kind::Good) {
        wait_for_all(&dev, place, taken);
    }
    places.iter_mut().for_each(|place| place.recover(&dev));
    for (place, taken) in places.iter().zip(&taken) {
        wait_for_all(&dev, place, taken);
    }
    let (lag, twice) = look_back(&places, &taken);
    println!(
        "{engine}, {weather:?}: {} events, {} endpoints, {} kills in {:.0} s; all came, {twice} twice to one who answers; \
         lag {:.1} ms median, {:.1} ms p95",
        size.events,
        size.endpoints,
        size.kills,
        began.elapsed().as_secs_f64(),
        lag.median.as_secs_f64() * 1e3,
        lag.p95.as_secs_f64() * 1e3,
    );
    // A hundredth; of few events, what was under way when the process died.
    let most = (size.events / 100).max(size.kills * PUBLISHERS * 2);
    assert!(twice <= most, "{twice} of {} came twice", size.events);
    lag
}

fn wait_for_all(dev: &Dev, place: &Place, taken: &HashMap<String, Instant>) {
    let mut looks = 0;
    eventually(|| {
        looks += 1;
        if place.kind != Kind::Good && looks % AGAIN_LOOKS == 0 {
            // A try that was under way when the weather cleared up failed after that, and would wait for minutes.
            place.send_what_waits(dev);
        }
        let came: HashSet<_> = place.came().into_iter().map(|(id, _)| id).collect();
        let missing: Vec<_> = taken.keys().filter(|id| !came.contains(*id)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let listed = dev.api("GET", &format!("/webhook-endpoints/{}/deliveries?limit=100", place.hook), &Value::Null);
        Err(format!("{:?}: {} of {} are missing: {missing:?}; {}", place.kind, missing.len(), taken.len(), listed.body))
    });
}

/// The lag of those who answer, and how many of their events came more than once. Nobody got what was not for them.
fn look_back(places: &[Place], taken: &Taken) -> (Lag, usize) {
    let (mut lags, mut twice) = (Vec::new(), 0);
    for (place, taken) in places.iter().zip(taken) {
        let came = place.came();
        let mut first: HashMap<&str, Instant> = HashMap::new();
        for (id, at) in &came {
            assert!(taken.contains_key(id), "{id} came, and nobody told it");
            first.entry(id).or_insert(*at);
        }
        if place.kind == Kind::Good {
            twice += came.len() - first.len();
            lags.extend(first.iter().map(|(id, at)| at.saturating_duration_since(taken[*id])));
        }
    }
    lags.sort_unstable();
    let at = |percent: usize| lags[(lags.len() - 1) * percent / 100];
    (Lag { median: at(50), p95: at(95) }, twice)
}
