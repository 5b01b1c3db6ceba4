//! RazorpayX in test mode: a dummy balance, payouts that wait for it, and each move by hand with its webhook.

use keymint_testkit::{Dev, Key, Receiver, Reply};
use serde_json::{Value, json};

use crate::dev;
use crate::razorpay_sandbox::{call, get, hook, keyed, verify};
use crate::simulators::told;

pub fn fund_account(dev: &Dev, key: &Key) -> String {
    let contact = call(dev, key, ("POST", "/v1/contacts"), &json!({ "name": "Asha", "type": "vendor" }));
    assert_eq!((contact.status, contact.text("/entity")), (200, "contact".to_owned()), "{}", contact.body);
    let body = json!({
        "contact_id": contact.text("/id"), "account_type": "bank_account",
        "bank_account": { "name": "Asha", "ifsc": "HDFC0000053", "account_number": "765432123456789" },
    });
    let made = call(dev, key, ("POST", "/v1/fund_accounts"), &body);
    assert_eq!((made.status, made.text("/bank_account/ifsc")), (200, "HDFC0000053".to_owned()), "{}", made.body);
    made.text("/id")
}

pub fn body(fund_account: &str, amount: i64) -> Value {
    json!({
        "account_number": "7878780080316316", "fund_account_id": fund_account, "amount": amount, "currency": "INR",
        "mode": "IMPS", "purpose": "refund", "narration": "Acme Corp Fund Transfer",
    })
}

pub fn payout(dev: &Dev, key: &Key, repeat: &str, body: &Value) -> Reply {
    keyed(dev, key, ("POST", "/v1/payouts"), body, &[("X-Payout-Idempotency", repeat)])
}

pub fn top_up(dev: &Dev, key: &Key, amount: i64) -> Reply {
    call(dev, key, ("POST", "/v1/test/balance"), &json!({ "amount": amount }))
}

pub fn to(dev: &Dev, key: &Key, id: &str, status: &str) -> (u16, String) {
    let moved = call(dev, key, ("POST", &format!("/v1/test/payouts/{id}")), &json!({ "status": status }));
    (moved.status, moved.json()["status"].as_str().unwrap_or_default().to_owned())
}

pub fn held(dev: &Dev, key: &Key) -> (i64, i64) {
    let found = get(dev, key, "/v1/test/balance");
    (found["balance"].as_i64().expect("a number"), found["reserved"].as_i64().expect("a number"))
}

fn status(dev: &Dev, key: &Key, id: &str) -> String {
    get(dev, key, &format!("/v1/payouts/{id}"))["status"].as_str().expect("a text").to_owned()
}

#[test]
fn a_payout_beyond_the_balance_waits_until_enough_is_added() {
    let (dev, receiver) = (dev(), Receiver::start());
    let (key, other) = (dev.key("razorpay", "queue"), dev.key("razorpay", "other-queue"));
    hook(&dev, &key.app_id, &receiver);
    let account = fund_account(&dev, &key);
    let queued = payout(&dev, &key, "first-payout", &body(&account, 10_000));
    assert_eq!((queued.status, queued.text("/status")), (200, "queued".to_owned()), "{}", queued.body);
    assert_eq!(queued.text("/status_details/reason"), "low_balance");
    let first = queued.text("/id");
    verify(&told(&receiver, "payout.queued", &first));
    let second = payout(&dev, &key, "second-payout", &body(&account, 5_000)).text("/id");
    let mut never = body(&account, 5_000);
    never["queue_if_low_balance"] = json!(false);
    let refused = payout(&dev, &key, "third-payout", &never);
    assert!(refused.status == 400 && refused.body.contains("does not have enough balance"), "{}", refused.body);
    assert_eq!(top_up(&dev, &key, 9_999).status, 200);
    assert_eq!((status(&dev, &key, &first), status(&dev, &key, &second)), ("queued".into(), "processing".into()));
    assert_eq!((held(&dev, &key), held(&dev, &other)), ((9_999, 5_000), (0, 0)));
    assert_eq!(to(&dev, &key, &first, "processing").0, 400, "there is not enough for it");
    assert_eq!(top_up(&dev, &key, 5_001).status, 200);
    assert_eq!((status(&dev, &key, &first), held(&dev, &key)), ("processing".into(), (15_000, 15_000)));
    verify(&told(&receiver, "payout.initiated", &first));
    verify(&told(&receiver, "transaction.created", &first));
    for (amount, wanted) in [(99, 400), (10_000_000_001, 400), (100, 200), (10_000_000_000, 200)] {
        assert_eq!(top_up(&dev, &key, amount).status, wanted, "{amount}");
    }
    let third = payout(&dev, &other, "other-payout", &body(&fund_account(&dev, &other), 100)).text("/id");
    assert_eq!(call(&dev, &key, ("POST", &format!("/v1/payouts/{third}/cancel")), &Value::Null).status, 400);
    let cancelled = call(&dev, &other, ("POST", &format!("/v1/payouts/{third}/cancel")), &Value::Null);
    assert_eq!((cancelled.status, cancelled.text("/status")), (200, "cancelled".to_owned()));
}

#[test]
fn a_payout_is_moved_by_hand_as_its_state_allows_and_its_money_with_it() {
    let (dev, receiver) = (dev(), Receiver::start());
    let key = dev.key("razorpay", "moves");
    hook(&dev, &key.app_id, &receiver);
    let account = fund_account(&dev, &key);
    top_up(&dev, &key, 100_000);
    for (moves, left) in [
        (&["processed"][..], (90_000, 0)),
        (&["failed"], (90_000, 0)),
        (&["reversed"], (90_000, 0)),
        (&["processed", "reversed"], (90_000, 0)),
    ] {
        let made = payout(&dev, &key, &format!("moved {}", moves.join("-")), &body(&account, 10_000));
        assert_eq!((made.status, made.text("/status")), (200, "processing".to_owned()), "{}", made.body);
        let id = made.text("/id");
        for wrong in ["queued", "processing", "cancelled", "paid", ""] {
            assert_eq!(to(&dev, &key, &id, wrong).0, 400, "{wrong}");
        }
        for status in moves {
            assert_eq!(to(&dev, &key, &id, status), (200, (*status).to_owned()));
            verify(&told(&receiver, &format!("payout.{status}"), &id));
        }
        let last = moves.last().expect("one");
        if *last != "processed" {
            assert_eq!(to(&dev, &key, &id, "processed").0, 400, "it is over");
        }
        assert_eq!(to(&dev, &key, &id, last).0, 400, "once");
        assert_eq!(held(&dev, &key), left, "{moves:?}");
    }
    let found = get(&dev, &key, "/v1/payouts?count=2");
    assert_eq!((&found["entity"], &found["count"]), (&json!("collection"), &json!(2)));
}

#[test]
fn a_payout_has_a_key_under_which_it_is_made_once() {
    let dev = dev();
    let (key, other) = (dev.key("razorpay", "keys"), dev.key("razorpay", "other-keys"));
    let account = fund_account(&dev, &key);
    top_up(&dev, &key, 100_000);
    let asked = body(&account, 10_000);
    let missing = call(&dev, &key, ("POST", "/v1/payouts"), &asked);
    let wanted = "Idempotency key is missing. Include idempotency header and key in the request.";
    assert_eq!((missing.status, missing.text("/error/description")), (400, wanted.to_owned()));
    for wrong in ["abc", "0123456789012345678901234567890123456", "ab/cd", "ab\u{e9}cd"] {
        assert_eq!(payout(&dev, &key, wrong, &asked).status, 400, "{wrong}");
    }
    let first = payout(&dev, &key, "a b-_", &asked);
    assert_eq!(first.status, 200, "{}", first.body);
    to(&dev, &key, &first.text("/id"), "processed");
    let again = payout(&dev, &key, "a b-_", &asked);
    assert_eq!(
        (again.text("/id"), again.text("/status")),
        (first.text("/id"), "processed".to_owned()),
        "its latest state"
    );
    let different = payout(&dev, &key, "a b-_", &body(&account, 10_001));
    let wanted = "Different request body sent for the same Idempotency Header.";
    assert_eq!((different.status, different.text("/error/description")), (400, wanted.to_owned()));
    let elsewhere = payout(&dev, &other, "a b-_", &body(&fund_account(&dev, &other), 100));
    assert_eq!(
        (elsewhere.status, elsewhere.text("/status")),
        (200, "queued".to_owned()),
        "another app has keys of its own"
    );
    assert_eq!(payout(&dev, &other, "foreign", &asked).status, 400, "another merchant's fund account");
    assert_eq!(held(&dev, &key), (90_000, 0));
}

#[test]
fn whom_to_pay_is_kept_for_the_merchant_alone() {
    let dev = dev();
    let (key, other) = (dev.key("razorpay", "payees"), dev.key("razorpay", "other-payees"));
    let account = fund_account(&dev, &key);
    let contact = get(&dev, &key, &format!("/v1/fund_accounts/{account}"))["contact_id"].clone();
    assert_eq!(get(&dev, &key, "/v1/contacts")["items"][0]["id"], contact);
    assert_eq!(get(&dev, &other, "/v1/fund_accounts")["count"], 0);
    let foreign = call(&dev, &other, ("GET", &format!("/v1/fund_accounts/{account}")), &Value::Null);
    assert_eq!((foreign.status, foreign.text("/error/description").as_str()), (400, "The id provided does not exist"));
    let vpa = |key: &Key, address: &str| {
        let body = json!({ "contact_id": contact, "account_type": "vpa", "vpa": { "address": address } });
        call(&dev, key, ("POST", "/v1/fund_accounts"), &body)
    };
    assert_eq!(vpa(&key, "asha@bank").text("/vpa/handle"), "bank");
    assert_eq!((vpa(&key, "asha").status, vpa(&key, "").status, vpa(&other, "asha@bank").status), (400, 400, 400));
    for (path, body) in [
        ("/v1/contacts", json!({})),
        ("/v1/contacts", json!({ "name": "x".repeat(51) })),
        ("/v1/fund_accounts", json!({ "contact_id": contact, "account_type": "cash" })),
        ("/v1/fund_accounts", json!({ "contact_id": contact, "account_type": "bank_account" })),
    ] {
        assert_eq!(call(&dev, &key, ("POST", path), &body).status, 400, "{path} {body}");
    }
}
