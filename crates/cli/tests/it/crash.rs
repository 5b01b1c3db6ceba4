//! `kill -9` at random moments during issue, roll and revoke: nothing that was answered is lost, nothing is half done, no
//! revoked key comes back, no key is there without its audit entry, no signature is spent twice, and a call that was cut
//! off is repeated safely (T27, T38, T46, T47).
//!
//! CI runs a tenth; `cargo xtask crash --engine sqlite --rounds 1000` and `--engine postgres --rounds 200` run all.
//! `KEYMINT_CRASH_SEED` chooses what the clients do and when the process dies, not how far it has come by then.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "engine, rounds and seed come from the environment; a long run says what it did"
)]

mod aftermath;
mod clients;

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use keymint_testkit::Dev;
use keymint_testkit::database::fresh_postgres;
use keymint_testkit::serve::Database;

use aftermath::History;
use clients::Chance;

/// Clients at work when the process dies, each on an app of its own.
const CLIENTS: usize = 3;
/// Rounds after which the whole audit chain is computed again.
const CHAIN_EVERY: usize = 100;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

fn rounds(engine: &str, usual: u64) -> u64 {
    match std::env::var("KEYMINT_CRASH_ENGINE") {
        Ok(chosen) if chosen != engine => 0,
        _ => number("KEYMINT_CRASH_ROUNDS").unwrap_or(usual),
    }
}

#[test]
fn sqlite_keeps_its_word_when_the_process_is_killed() {
    run(rounds("sqlite", 100), Database::Sqlite);
}

mod postgres {
    use super::{Database, fresh_postgres, rounds, run};

    #[test]
    fn postgres_keeps_its_word_when_the_process_is_killed() {
        let rounds = rounds("postgres", 20);
        if rounds > 0 {
            run(rounds, Database::Postgres(&fresh_postgres("crash")));
        }
    }
}

/// Says where it was when a check failed.
struct Whereabouts {
    seed: u64,
    round: u64,
}

impl Drop for Whereabouts {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("round {}; KEYMINT_CRASH_SEED={} makes the same choices", self.round, self.seed);
        }
    }
}

/// What the whole run saw.
#[derive(Default)]
struct Tally {
    answers: usize,
    cut_off: usize,
    done_unanswered: usize,
    signed: usize,
}

fn start(folder: &Path, database: Database<'_>) -> Dev {
    Dev::serve_in(&binary(folder).display().to_string(), folder, database)
}

/// The binary as it was at the beginning: a long run must not meet the next build half way.
fn binary(folder: &Path) -> PathBuf {
    let copy = folder.join("keymint");
    if !copy.exists() {
        std::fs::copy(env!("CARGO_BIN_EXE_keymint"), &copy).expect("a copy of the binary");
    }
    copy
}

fn run(rounds: u64, database: Database<'_>) {
    if rounds == 0 {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| u64::from(since.subsec_nanos()));
    let seed = number("KEYMINT_CRASH_SEED").unwrap_or(now);
    println!("{rounds} rounds on {database:?}, seed {seed}");
    let mut at = Whereabouts { seed, round: 0 };
    let mut chance = Chance::new(seed);
    let mut tally = Tally::default();
    let (began, mut dev) = (Instant::now(), start(folder.path(), database));
    let mut history = History::new(dev.merchant("crash"));
    for round in 0..rounds {
        at.round = round;
        dev = live_and_die(dev, folder.path(), database, (&mut history, &mut chance, &mut tally));
        if usize::try_from(round + 1).is_ok_and(|rounds| rounds % CHAIN_EVERY == 0) || round + 1 == rounds {
            dev.kill();
            aftermath::check_chain(folder.path(), &history);
            dev = start(folder.path(), database);
        }
    }
    let Tally { answers, cut_off, done_unanswered, signed } = tally;
    println!(
        "{rounds} rounds in {:.0} s: {answers} changes answered and kept; {cut_off} cut off, {done_unanswered} of them \
         done; {signed} signatures refused the second time; {} changes in the ledger, its chain intact",
        began.elapsed().as_secs_f64(),
        history.seq()
    );
}

/// One life and death of the process, and the look at what is left; gives the process that lives on.
fn live_and_die(
    mut dev: Dev,
    folder: &Path,
    database: Database<'_>,
    (history, chance, tally): (&mut History, &mut Chance, &mut Tally),
) -> Dev {
    let mut clients = history.new_clients(&dev, CLIENTS, chance);
    let mut signer = history.new_signer(&dev);
    let (console, gateway, token) = (dev.console, dev.gateway, dev.token.clone());
    let (dead, died) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        for client in &mut clients {
            let (token, dead) = (&token, dead.clone());
            scope.spawn(move || {
                client.work(console, token);
                drop(dead);
            });
        }
        scope.spawn(|| signer.work(gateway));
        // Nobody sends anything: this waits so long, or until every client has given up.
        let _ = died.recv_timeout(Duration::from_millis(5 + chance.below(195)));
        dev.kill();
        drop(dead);
    });
    let dev = start(folder, database);
    tally.signed += aftermath::check_signatures(&dev, &signer);
    history.check_ledger(&dev, &clients);
    for client in &mut clients {
        tally.answers += client.answers;
        tally.cut_off += usize::from(client.cut_off.is_some());
        tally.done_unanswered += usize::from(aftermath::repeat_what_was_cut_off(&dev, client));
    }
    history.check_sample(&dev, chance);
    history.keep(clients);
    dev
}
