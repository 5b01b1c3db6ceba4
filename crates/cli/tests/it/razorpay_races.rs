//! Calls of Razorpay's sandbox at the same moment, on both engines: an order is paid once, refunds never exceed their
//! payment, a key makes one payout, and a balance is spent once.

use keymint_testkit::{Dev, Key, Reply};
use serde_json::json;

use crate::razorpay_sandbox::{get, order, paid, pay, refund, text};
use crate::razorpayx_sandbox::{body, fund_account, held, payout, to, top_up};

/// The same six times at once.
fn at_once(one: impl Fn(usize) -> Reply + Sync) -> Vec<Reply> {
    std::thread::scope(|scope| {
        let one = &one;
        let calls: Vec<_> = (0..6).map(|number| scope.spawn(move || one(number))).collect();
        calls.into_iter().map(|call| call.join().expect("it answers")).collect()
    })
}

/// How many were done; the others were refused in one of these ways, and none for trouble.
fn done(replies: &[Reply], refusals: &[u16]) -> usize {
    let is_told = |reply: &Reply| reply.status == 200 || refusals.contains(&reply.status);
    let odd: Vec<_> = replies.iter().filter(|reply| !is_told(reply)).map(|reply| &reply.body).collect();
    assert!(odd.is_empty(), "{odd:?}");
    replies.iter().filter(|reply| reply.status == 200).count()
}

fn an_order_is_paid_once(dev: &Dev, key: &Key) {
    let order = order(dev, key, &json!({}));
    let replies = at_once(|_| pay(dev, key, &order, &json!({ "method": "netbanking" })));
    assert_eq!(done(&replies, &[400]), 1);
    let tried = get(dev, key, &format!("/v1/orders/{}/payments", text(&order["id"])));
    assert_eq!((&tried["count"], &tried["items"][0]["status"]), (&json!(1), &json!("captured")));
}

fn refunds_never_exceed_the_payment(dev: &Dev, key: &Key) {
    let payment = paid(dev, key);
    let made = done(&at_once(|_| refund(dev, key, &payment, &json!({ "amount": 20_000 }), &[])), &[400]);
    assert!((1..=2).contains(&made), "{made}");
    let found = get(dev, key, &format!("/v1/payments/{payment}"));
    assert_eq!(found["amount_refunded"].as_u64(), Some(made as u64 * 20_000));
    let headers = [("X-Refund-Idempotency", "one-and-the-same")];
    let payment = paid(dev, key);
    let made = done(&at_once(|_| refund(dev, key, &payment, &json!({ "amount": 10_000 }), &headers)), &[409]);
    assert!(made >= 1);
    assert_eq!(
        get(dev, key, &format!("/v1/payments/{payment}"))["amount_refunded"],
        10_000,
        "{made} answers, one refund"
    );
}

fn a_key_makes_one_payout(dev: &Dev, key: &Key) {
    let asked = body(&fund_account(dev, key), 10_000);
    let before = held(dev, key);
    top_up(dev, key, 100_000);
    assert!(done(&at_once(|_| payout(dev, key, "at-once", &asked)), &[409]) >= 1);
    assert_eq!(held(dev, key), (before.0 + 100_000, before.1 + 10_000));
}

fn a_balance_is_spent_once_while_it_grows(dev: &Dev, key: &Key) {
    let asked = body(&fund_account(dev, key), 10_000);
    let made: Vec<Reply> = at_once(|number| payout(dev, key, &format!("spent-{number}"), &asked));
    assert_eq!(done(&made, &[]), 6);
    let ids: Vec<String> = made.iter().map(|reply| reply.text("/id")).collect();
    // Three add to the balance, three move by hand what that moves as well.
    let replies = at_once(|number| match number % 2 {
        0 => top_up(dev, key, 10_000),
        _ => to_processing(dev, key, &ids[number]),
    });
    done(&replies, &[400]);
    let (balance, reserved) = held(dev, key);
    let added =
        i64::try_from((0..6).step_by(2).filter(|number| replies[*number].status == 200).count()).expect("a few");
    let is_processing = |id: &&String| get(dev, key, &format!("/v1/payouts/{id}"))["status"] == "processing";
    let processing = i64::try_from(ids.iter().filter(is_processing).count()).expect("a few");
    assert_eq!((balance, reserved), (added * 10_000, processing * 10_000));
    for id in ids.iter().filter(is_processing) {
        assert_eq!(to(dev, key, id, "processed").0, 200);
    }
    assert_eq!(held(dev, key), ((added - processing) * 10_000, 0));
}

fn to_processing(dev: &Dev, key: &Key, id: &str) -> Reply {
    let path = format!("/v1/test/payouts/{id}");
    crate::razorpay_sandbox::call(dev, key, ("POST", &path), &json!({ "status": "processing" }))
}

fn all(dev: &Dev) {
    an_order_is_paid_once(dev, &dev.key("razorpay", "paid-once"));
    refunds_never_exceed_the_payment(dev, &dev.key("razorpay", "refunds"));
    a_key_makes_one_payout(dev, &dev.key("razorpay", "payouts"));
    a_balance_is_spent_once_while_it_grows(dev, &dev.key("razorpay", "balance"));
}

#[test]
fn calls_at_once_move_money_once() {
    all(&crate::dev());
}

mod postgres {
    use keymint_testkit::Dev;
    use keymint_testkit::database::fresh_postgres;
    use keymint_testkit::serve::Database;

    #[test]
    fn calls_at_once_move_money_once_on_postgres() {
        let folder = tempfile::tempdir().expect("a folder");
        let url = fresh_postgres("razorpay_races");
        super::all(&Dev::serve_in(env!("CARGO_BIN_EXE_keymint"), folder.path(), Database::Postgres(&url)));
    }
}
