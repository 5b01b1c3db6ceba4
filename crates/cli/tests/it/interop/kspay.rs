//! KS Pay's documented calls from Node: tokens bought and refreshed, calls with them, the errors that tell what was wrong.

use keymint_testkit::Key;
use serde_json::{Value, json};

use super::{Client, spoiled};
use crate::dev;

const SCRIPT: &str = "kspay/tokens.mjs";

fn error(status: u16, code: u32, message: &str) -> Value {
    json!({ "status": status, "body": { "status": status, "code": code, "message": message } })
}

fn inactive() -> Value {
    error(400, 11002, "The key provided is not active at the moment")
}

fn generate(key: &Key, field: &str) -> Value {
    json!({ "do": "generate", "app": key.app_id, "field": field })
}

/// The access and the refresh token of an answer in the documented shape.
fn tokens(answer: &Value) -> (Value, Value) {
    assert_eq!((&answer["status"], &answer["body"]["status"]), (&json!(201), &json!(201)), "{answer}");
    assert_eq!(answer["body"]["message"], "success");
    let result = &answer["body"]["result"];
    assert!(result["accessToken"].is_string() && result["refreshToken"].is_string());
    (result["accessToken"].clone(), result["refreshToken"].clone())
}

fn currencies(client: &mut Client, token: &Value) -> Value {
    client.ask(&json!({ "do": "currencies", "token": token }))
}

#[test]
fn tokens_are_bought_with_either_spelling_and_refreshed_with_the_raw_refresh_token() {
    let dev = dev();
    let key = dev.key("kspay", "tokens");
    let mut client = Client::start(&dev, SCRIPT, &key);
    for field in ["accessKey", "accesskey"] {
        let (access, refresh) = tokens(&client.ask(&generate(&key, field)));
        assert_eq!(currencies(&mut client, &access)["body"]["message"], "success");
        let (access, _) = tokens(&client.ask(&json!({ "do": "refresh", "token": refresh, "field": field })));
        let listed = currencies(&mut client, &access);
        assert_eq!((&listed["status"], &listed["body"]["result"][0]["code"]), (&json!(200), &json!("INR")));
        let currency = &listed["body"]["result"][0]["id"];
        let methods = client.ask(&json!({ "do": "methods", "token": access, "currency": currency }));
        assert_eq!((&methods["status"], &methods["body"]["message"]), (&json!(200), &json!("success")));
        // One kind of token is not the other, and `Bearer` is not part of a refresh token.
        assert_eq!(currencies(&mut client, &refresh), error(401, 9008, "Invalid token."));
        let bearer = format!("Bearer {}", refresh.as_str().expect("a token"));
        for token in [&access, &json!(bearer)] {
            let refused = client.ask(&json!({ "do": "refresh", "token": token }));
            assert_eq!(refused, error(401, 9008, "Invalid token."));
        }
    }
    let strange = generate(&key, "access_key");
    assert_eq!(client.ask(&strange), error(400, 9000, "Token missing or incorrect"));
}

#[test]
fn what_is_wrong_with_the_keys_is_told_by_the_documented_numbers() {
    let dev = dev();
    let (key, other) = (dev.key("kspay", "mine"), dev.key("kspay", "other"));
    let wrong_secret = Key { secret: spoiled(&key.secret), ..key.clone() };
    let unknown = Key { key_id: spoiled(&key.key_id), ..key.clone() };
    let foreign = Key { app_id: other.app_id, ..key.clone() };
    for (key, answer) in [
        (&wrong_secret, error(400, 11004, "Invalid credentials, please check the provided secret key")),
        (&unknown, error(404, 11001, "Credentials not found for the provided access key")),
        (&foreign, error(403, 11003, "User does not belong to the specified application")),
    ] {
        assert_eq!(Client::start(&dev, SCRIPT, key).ask(&generate(key, "accessKey")), answer);
    }
    assert_eq!(dev.revoke(&key.key_id).status, 200);
    assert_eq!(Client::start(&dev, SCRIPT, &key).ask(&generate(&key, "accessKey")), inactive());
}

#[test]
fn tokens_die_with_the_key_on_the_very_next_call() {
    let dev = dev();
    let key = dev.key("kspay", "revoke");
    let mut client = Client::start(&dev, SCRIPT, &key);
    let (access, refresh) = tokens(&client.ask(&generate(&key, "accessKey")));
    assert_eq!(currencies(&mut client, &access)["status"], 200);
    assert_eq!(dev.revoke(&key.key_id).status, 200);
    assert_eq!(currencies(&mut client, &access), inactive());
    assert_eq!(client.ask(&json!({ "do": "refresh", "token": refresh })), inactive());
}

#[test]
fn a_transaction_is_signed_once_and_a_faulty_signature_is_told_apart() {
    let dev = dev();
    let key = dev.key("kspay", "signed");
    let mut client = Client::start(&dev, SCRIPT, &key);
    let body = json!({ "currencyId": "c_8Fq2Lx0a", "paymentMethodId": "pm_3Card000", "amount": 10.5,
        "referenceNumber": "Łódź/1" });
    let initiate = json!({ "do": "initiate", "body": body });
    let made = client.ask(&initiate);
    assert_eq!((&made["status"], &made["body"]["result"]["amount"]), (&json!(201), &json!(10.5)), "{made}");
    let mut faulty = initiate.clone();
    faulty["signature"] = json!("not-a-signature");
    assert_eq!(client.ask(&faulty), error(400, 11006, "The format of the provided signature is invalid"));
    let mut old = initiate.clone();
    old["seconds"] = json!(1_778_659_835);
    assert_eq!(client.ask(&old), error(400, 11005, "The provided signature has expired"));
    let wrong = Key { secret: spoiled(&key.secret), ..key };
    let refused = Client::start(&dev, SCRIPT, &wrong).ask(&initiate);
    assert_eq!(refused, error(401, 9007, "Unauthorized! Please provide valid credentials."));
}
