//! Turns of simulators that meet, moves that become due on a clock that the test moves, and money that two want at once.

use std::sync::Arc;

use keymint_app::App;
use keymint_app::ops::test_clocks;
use keymint_app::sandbox::turn::{Fresh, Next, Owner, Posting, Turn};
use keymint_app::sandbox::{Object, SandboxError, find};
use keymint_domain::id::{AppId, MerchantId};
use keymint_domain::test_clock::Pace;
use keymint_domain::time::UnixMs;
use keymint_testkit::TestDb;

use crate::house::{House, OPERATOR, Plan, START};

type Who = (MerchantId, AppId);

async fn begin<'a>(app: &'a App, (merchant_id, app_id): Who) -> Turn<'a> {
    Turn::begin(app, Owner { product: "kpay", merchant_id, app_id }).await.expect("it begins")
}

fn next(status: &str, amount: i64) -> Next {
    let posting = Posting { wallet: "XAF".to_owned(), opening: 100, amount, reserved: 0 };
    let postings = if amount == 0 { Vec::new() } else { vec![posting] };
    Next { postings, ..Next::quiet(format!(r#"{{"status":"{status}"}}"#)) }
}

/// Keeps a payment, and what becomes of it later.
async fn keep(app: &App, who: Who, id: &str, steps: Vec<(UnixMs, Next)>) -> Object {
    let mut turn = begin(app, who).await;
    let fresh = Fresh { kind: "payment", id, reference: None, body: r#"{"status":"pending"}"# };
    let kept = turn.keep(fresh).await.expect("it is kept");
    turn.later("payment", &kept, steps).await.expect("it is noted");
    turn.commit().await.expect("it commits");
    kept
}

async fn body(app: &App, id: &str) -> String {
    find(app, "kpay", ("payment", id)).await.expect("it reads").expect("it is there").body
}

async fn balance(app: &App, who: Who) -> i64 {
    let held = begin(app, who).await.wallet("XAF").await.expect("it reads");
    held.map_or(100, |held| held.balance)
}

async fn becomes(app: &App, id: &str, status: &str) {
    let wait = async {
        while !body(app, id).await.contains(status) {
            app.mover.wake();
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), wait).await.expect("it happens in time");
}

pub async fn of_eight_changes_of_one_version_one_wins(it: TestDb) {
    let house = House::over(it).await;
    let who = house.registered("kpay", "race").await;
    let kept = Arc::new(keep(&house.app, who, "pay_1", Vec::new()).await);
    let tasks: Vec<_> = (0..8)
        .map(|number| {
            let (app, kept) = (house.app.clone(), Arc::clone(&kept));
            tokio::spawn(async move {
                let mut turn = begin(&app, who).await;
                match turn.change("payment", &kept, &next(&format!("by {number}"), -10)).await {
                    Ok(_) => turn.commit().await.map(|()| number),
                    Err(error) => Err(error),
                }
            })
        })
        .collect();
    let mut won = Vec::new();
    for task in tasks {
        match task.await.expect("it ends") {
            Ok(number) => won.push(number),
            Err(error) => assert!(matches!(error, SandboxError::Overtaken), "{error}"),
        }
    }
    let [winner] = won.as_slice() else { panic!("{won:?}") };
    assert_eq!(body(&house.app, "pay_1").await, format!(r#"{{"status":"by {winner}"}}"#));
    assert_eq!(balance(&house.app, who).await, 90, "the money of one");
}

pub async fn what_is_due_is_made_once_at_its_moment_also_by_the_next_process(it: TestDb) {
    let house = House::over(it).await;
    let (real, clocked) = (house.registered("kpay", "real").await, house.registered("kpay", "clocked").await);
    let at = UnixMs(START.0 + 60_000);
    let steps = || vec![(at, next("first", 1)), (at, next("second", 2)), (UnixMs(at.0 + 1), next("third", 4))];
    keep(&house.app, real, "pay_real", steps()).await;
    keep(&house.app, clocked, "pay_clocked", steps()).await;
    let overtaken = keep(&house.app, real, "pay_overtaken", steps()).await;
    let mut turn = begin(&house.app, real).await;
    turn.change("payment", &overtaken, &next("refunded", 0)).await.expect("it changes");
    turn.commit().await.expect("it commits");
    let shown = test_clocks::move_to(&house.app, OPERATOR, clocked.1, UnixMs(at.0 - 1), Pace::Stands).await;
    assert_eq!(shown.expect("it moves").now, UnixMs(at.0 - 1));
    house.clock.set(UnixMs(at.0 - 1));
    house.app.mover.wake();
    let house = house.restarted(&Plan::default()).await.expect("it starts");
    for id in ["pay_real", "pay_clocked"] {
        assert!(body(&house.app, id).await.contains("pending"), "{id}: a millisecond before");
    }
    house.clock.set(at);
    becomes(&house.app, "pay_real", "second").await;
    assert!(body(&house.app, "pay_clocked").await.contains("pending"), "its clock stands");
    test_clocks::move_to(&house.app, OPERATOR, clocked.1, at, Pace::Stands).await.expect("it moves");
    assert!(body(&house.app, "pay_clocked").await.contains("second"), "done when the call returns");
    test_clocks::move_to(&house.app, OPERATOR, clocked.1, UnixMs(at.0 + 9), Pace::Runs).await.expect("it moves");
    assert!(body(&house.app, "pay_clocked").await.contains("third"));
    house.clock.pass_ms(1);
    becomes(&house.app, "pay_real", "third").await;
    for who in [real, clocked] {
        assert_eq!(balance(&house.app, who).await, 107, "each step once");
    }
    assert!(body(&house.app, "pay_overtaken").await.contains("refunded"), "what was to become of it is off");
}

pub async fn a_move_whose_money_is_gone_leaves_everything_as_it_is(it: TestDb) {
    let house = House::over(it).await;
    let who = house.registered("kpay", "poor").await;
    let at = UnixMs(START.0 + 1);
    keep(&house.app, who, "pay_1", vec![(at, next("taken", -101))]).await;
    keep(&house.app, who, "pay_2", vec![(at, next("taken", -100))]).await;
    test_clocks::move_to(&house.app, OPERATOR, who.1, at, Pace::Stands).await.expect("it moves");
    assert!(body(&house.app, "pay_1").await.contains("pending"), "one unit too much");
    assert!(body(&house.app, "pay_2").await.contains("taken"), "and nobody waits behind it");
    assert_eq!(balance(&house.app, who).await, 0);
}

pub async fn of_eight_payouts_at_once_the_wallet_pays_those_that_it_holds(it: TestDb) {
    let house = House::over(it).await;
    let who = house.registered("kpay", "wallet").await;
    let tasks: Vec<_> = (0..8)
        .map(|number| {
            let app = house.app.clone();
            tokio::spawn(async move {
                let mut turn = begin(&app, who).await;
                let id = format!("wdr_{number}");
                turn.keep(Fresh { kind: "payout", id: &id, reference: None, body: "{}" }).await?;
                let posting = Posting { wallet: "XAF".to_owned(), opening: 100, amount: -30, reserved: 0 };
                turn.post(&id, &posting).await?;
                turn.commit().await
            })
        })
        .collect();
    let mut paid = 0;
    for task in tasks {
        match task.await.expect("it ends") {
            Ok(()) => paid += 1,
            Err(error) => assert!(matches!(error, SandboxError::Insufficient), "{error}"),
        }
    }
    assert_eq!((paid, balance(&house.app, who).await), (3, 10));
}
