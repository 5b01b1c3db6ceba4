//! Identity tokens: what the upstream is told, signed, and the keys by which it checks that.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use data_encoding::BASE64URL_NOPAD;
use keymint_testkit::signing::now;
use keymint_testkit::{Dev, Request, Upstream};
use serde_json::{Value, json};

use super::{behind, call, get};

fn part(text: &str) -> Value {
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).expect("base 64");
    serde_json::from_slice(&bytes).expect("JSON")
}

/// The claims of a token, once its signature has been checked as an upstream checks it: by the published key that it
/// names.
fn check(dev: &Dev, token: &str) -> Result<Value, &'static str> {
    let (signed, signature) = token.rsplit_once('.').ok_or("no JWS")?;
    let (header, payload) = signed.split_once('.').ok_or("no JWS")?;
    let header = part(header);
    if header["alg"] != "EdDSA" {
        return Err("another algorithm");
    }
    let set = Request::new("GET", "/.well-known/jwks.json").send(dev.internal);
    assert_eq!((set.status, set.header("content-type")), (200, Some("application/json")));
    let set = set.json();
    let keys = set["keys"].as_array().expect("keys");
    let key = keys.iter().find(|key| key["kid"] == header["kid"]).ok_or("no such key")?;
    assert_eq!((&key["kty"], &key["crv"], &key["use"]), (&json!("OKP"), &json!("Ed25519"), &json!("sig")));
    assert!(key.get("d").is_none(), "the private half stays here");
    let x = BASE64URL_NOPAD.decode(key["x"].as_str().expect("x").as_bytes()).expect("base 64");
    let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).map_err(|_| "no base 64")?;
    UnparsedPublicKey::new(&ED25519, x).verify(signed.as_bytes(), &signature).map_err(|_| "a wrong signature")?;
    Ok(part(payload))
}

fn token_of(upstream: &Upstream) -> String {
    let token = upstream.only().field("x-keymint-identity").expect("a token");
    upstream.forget();
    token
}

#[test]
fn the_upstream_gets_a_token_that_says_the_same_as_the_headers_and_can_check_it() {
    let upstream = Upstream::plain();
    let dev = behind(&["razorpay"], &[&upstream], "identity_token = true");
    let merchant = dev.merchant("told");
    let app = dev.app(&merchant, "razorpay", "told");
    let key = dev.key_of(&app, &json!({ "mode": "test", "scopes": ["read_only"] }));
    assert_eq!(get(&dev, &key, "/v1/orders").status, 200);
    let token = token_of(&upstream);
    let claims = check(&dev, &token).expect("a token that holds");
    assert_eq!(claims["sub"], key.key_id);
    assert_eq!((&claims["merchant_id"], &claims["app_id"]), (&json!(merchant), &json!(app)));
    assert_eq!((&claims["mode"], &claims["scopes"]), (&json!("test"), &json!(["read_only"])));
    assert_eq!((&claims["iss"], &claims["aud"]), (&json!("keymint"), &json!("razorpay")));
    let (iat, exp) = (claims["iat"].as_i64().expect("iat"), claims["exp"].as_i64().expect("exp"));
    assert!(exp - iat == 60 && (now().seconds() - iat).abs() < 10, "{claims}");

    let (signed, signature) = token.rsplit_once('.').expect("a JWS");
    let (header, _) = signed.split_once('.').expect("a JWS");
    let mut other = claims.clone();
    other["mode"] = json!("live");
    let forged = format!("{header}.{}.{signature}", BASE64URL_NOPAD.encode(other.to_string().as_bytes()));
    assert_eq!(check(&dev, &forged), Err("a wrong signature"));
}

#[test]
fn a_token_is_the_credentials_own_and_follows_its_changes() {
    let upstream = Upstream::plain();
    let dev = behind(&["razorpay"], &[&upstream], "identity_token = true\naudience = \"payments\"");
    let (key, other) = (dev.key("razorpay", "own"), dev.key("razorpay", "other"));
    for key in [&key, &other, &key] {
        assert_eq!(call(key, "GET", "/v1/orders").header("X-Keymint-Identity", "forged").send(dev.gateway).status, 200);
        let claims = check(&dev, &token_of(&upstream)).expect("a token that holds");
        assert_eq!((&claims["sub"], &claims["aud"]), (&json!(key.key_id), &json!("payments")));
    }
    let narrowed = dev.api("PATCH", &format!("/credentials/{}", key.key_id), &json!({ "scopes": ["read_only"] }));
    assert_eq!(narrowed.status, 200);
    assert_eq!(get(&dev, &key, "/v1/orders").status, 200);
    let claims = check(&dev, &token_of(&upstream)).expect("a token that holds");
    assert_eq!(claims["scopes"], json!(["read_only"]), "at once, though the token before has not ended");
}

#[test]
fn without_the_setting_there_is_no_token_and_the_keys_are_published_all_the_same() {
    let upstream = Upstream::plain();
    let dev = behind(&["razorpay"], &[&upstream], "");
    let key = dev.key("razorpay", "none");
    assert_eq!(get(&dev, &key, "/v1/orders").status, 200);
    assert_eq!(upstream.only().field("x-keymint-identity"), None);
    let set = Request::new("GET", "/.well-known/jwks.json").send(dev.internal);
    assert_eq!(set.json()["keys"].as_array().map(Vec::len), Some(1));
    assert_eq!(Request::new("POST", "/.well-known/jwks.json").body("{}").send(dev.internal).status, 405);
    assert_eq!(Request::new("GET", "/.well-known/jwks.json").send(dev.gateway).status, 404, "not on the gateway");
}
