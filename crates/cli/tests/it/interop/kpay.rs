//! KPay's sample in Node and Python: payments with the key pair, wallet transfers with the token alone.

use keymint_testkit::{Dev, Key};
use serde_json::{Value, json};

use super::{Client, spoiled};
use crate::dev;

const SCRIPTS: [&str; 2] = ["kpay/payments.mjs", "kpay/payments.py"];

fn refused() -> Value {
    let body = json!({ "statusCode": 401, "message": "Invalid API credentials", "error": "Unauthorized" });
    json!({ "status": 401, "body": body })
}

fn payment(external_id: &str) -> Value {
    // The body of the documented sample.
    json!({ "do": "init", "body": {
        "amount": 5000, "provider": "MTN_MOMO_CMR", "phoneNumber": "237653456789", "externalId": external_id,
    } })
}

fn transfer(key: &Key, token: &Value) -> Value {
    json!({ "do": "transfer", "token": token, "body": {
        "applicationId": key.app_id, "sourceCountry": "CMR", "destinationCountry": "COG", "amount": 1000,
    } })
}

fn token(client: &mut Client) -> Value {
    let sold = client.ask(&json!({ "do": "token" }));
    assert_eq!((&sold["status"], &sold["body"]["expiresIn"]), (&json!(201), &json!("30m")), "{sold}");
    assert_eq!(sold["body"]["environment"], "TEST");
    sold["body"]["accessToken"].clone()
}

fn make_and_fetch_payments(dev: &Dev, script: &str) {
    let (key, other) = (dev.key("kpay", script), dev.key("kpay", &format!("other-{script}")));
    let mut client = Client::start(dev, script, &key);
    let made = client.ask(&payment("ORDER-12345"));
    assert_eq!((&made["status"], &made["body"]["status"]), (&json!(201), &json!("PENDING")), "{made}");
    let fetched = client.ask(&json!({ "do": "fetch", "id": made["body"]["id"] }));
    assert_eq!(fetched["status"], 200);
    // The number of the sample is one of the vendor's test numbers: that of a payment that completes.
    assert_eq!(fetched["body"]["status"], "COMPLETED");
    for member in ["id", "reference", "amount", "currency", "externalId", "provider", "country"] {
        assert_eq!(fetched["body"][member], made["body"][member], "{member}");
    }
    assert_eq!(client.ask(&payment("ORDER-12345"))["status"], 409);
    assert_eq!(client.ask(&json!({ "do": "fetch", "id": "pay_0000000000000000" }))["status"], 404);
    let foreign = Client::start(dev, script, &other).ask(&json!({ "do": "fetch", "id": made["body"]["id"] }));
    assert_eq!((&foreign["status"], &foreign["body"]["error"]), (&json!(403), &json!("Forbidden")));
}

#[test]
fn the_samples_make_and_fetch_payments() {
    let dev = dev();
    for script in SCRIPTS {
        make_and_fetch_payments(&dev, script);
    }
}

#[test]
fn header_names_count_in_any_case_and_both_are_needed() {
    let dev = dev();
    for script in SCRIPTS {
        let key = dev.key("kpay", script);
        let mut client = Client::start(&dev, script, &key);
        for names in [["X-API-Key", "X-Secret-Key"], ["x-api-key", "x-secret-key"], ["X-API-KEY", "X-SECRET-KEY"]] {
            let me = client.ask(&json!({ "do": "me", "names": names }));
            assert_eq!((&me["status"], &me["body"]["environment"]), (&json!(200), &json!("TEST")), "{names:?}");
            assert_eq!(me["body"]["application"]["id"], key.app_id);
        }
        for names in [["X-API-Key", "X-Secret"], ["X-API", "X-Secret-Key"], ["X-API", "X-Secret"]] {
            assert_eq!(client.ask(&json!({ "do": "me", "names": names })), refused(), "{names:?}");
        }
        for wrong in
            [Key { secret: spoiled(&key.secret), ..key.clone() }, Key { key_id: spoiled(&key.key_id), ..key.clone() }]
        {
            assert_eq!(Client::start(&dev, script, &wrong).ask(&json!({ "do": "me" })), refused());
        }
    }
}

#[test]
fn wallet_transfers_take_the_token_and_refuse_the_key_pair() {
    let dev = dev();
    for script in SCRIPTS {
        let key = dev.key("kpay", script);
        let mut client = Client::start(&dev, script, &key);
        let token = token(&mut client);
        let moved = client.ask(&transfer(&key, &token));
        assert_eq!((&moved["status"], &moved["body"]["type"]), (&json!(201), &json!("WALLET_TRANSFER_OUT")), "{moved}");
        assert_eq!(client.ask(&transfer(&key, &Value::Null)), refused());
        let wrong = spoiled(token.as_str().expect("a token").trim_end_matches('='));
        assert_eq!(client.ask(&transfer(&key, &json!(wrong))), refused());
    }
}

#[test]
fn a_revoked_pair_and_its_tokens_fail_on_the_very_next_call() {
    let dev = dev();
    for script in SCRIPTS {
        let key = dev.key("kpay", script);
        let mut client = Client::start(&dev, script, &key);
        let token = token(&mut client);
        assert_eq!(dev.revoke(&key.key_id).status, 200);
        assert_eq!(client.ask(&transfer(&key, &token)), refused());
        assert_eq!(client.ask(&json!({ "do": "me" })), refused());
        assert_eq!(client.ask(&json!({ "do": "token" })), refused());
    }
}
