//! Calls that sell tokens: KS Pay's with the keys in the body and a refresh, KPay's with the key pair in headers.

use keymint_domain::dialect::answer::SchemeName;
use keymint_domain::gate::GateFault;
use keymint_domain::id::AppId;
use keymint_domain::mode::Mode;
use keymint_domain::reason::DenyReason;
use keymint_domain::scheme::{Context, Transport, find_claim};
use keymint_domain::time::UnixMs;
use keymint_domain::token::{TokenClaims, TokenUse, mint};
use keymint_domain::verify::OwnerState;

use crate::fixture::{Key, NOW, Outcome, PRODUCT, Request, SeededEntropy, World, dialect, key, keyring, token};

const DAY: i64 = 86_400;

fn numbered(seed: u64) -> Key {
    key(dialect("kspay"), Mode::Live, &SeededEntropy::new(seed))
}

fn one() -> Key {
    numbered(111)
}

fn keys_of(key: &Key) -> String {
    format!(r#"{{"accessKey":"{}","secretKey":"{}"}}"#, key.id(), key.secret)
}

fn exchange(key: &Key, body: impl AsRef<[u8]>) -> Request {
    Request::new(&format!("POST /auth/generate-token/{}", key.credential.app_id)).body(body)
}

fn refresh(key: &Key, authorization: impl AsRef<[u8]>) -> Request {
    Request::new("POST /auth/refresh-token").with("authorization", authorization).body(keys_of(key))
}

fn refused(reason: DenyReason) -> Outcome {
    Outcome::Denied(reason, Some(SchemeName::TokenExchange))
}

fn answer(world: &World, request: &Request) -> (u16, u64) {
    let answer = world.answer(request);
    let body: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
    (answer.status, body["code"].as_u64().expect("a number"))
}

#[test]
fn keys_in_the_body_buy_tokens_under_either_documented_name() {
    let key = one();
    let world = World::new(dialect("kspay"), &[&key]);
    for name in ["accessKey", "accesskey"] {
        let body = format!(r#"{{ "{name}": "{}", "secretKey": "{}", "other": 1 }}"#, key.id(), key.secret);
        assert_eq!(world.see(&exchange(&key, &body)), Outcome::Allowed, "{name}");
        exchange(&key, &body).see(|view| {
            let context = Context {
                dialect: world.dialect,
                product: PRODUCT,
                view,
                keyring: keyring(),
                now: NOW,
                transport: Transport::default(),
            };
            let claim = find_claim(&context).unwrap_or_else(|refusal| panic!("{refusal:?}"));
            let sold = claim.exchange.expect("the call sells tokens");
            assert_eq!((sold.status, sold.access_seconds, sold.refresh_seconds), (201, 900, DAY));
            let values = [("access_token", "\"a\"".to_owned()), ("refresh_token", "\"r\"".to_owned())];
            let expected = r#"{"status":201,"message":"success","result":{"accessToken":"a","refreshToken":"r"}}"#;
            assert_eq!(sold.answer.render(&values), expected);
        });
    }
}

#[test]
fn an_exchange_without_both_keys_is_told_as_9000() {
    let key = one();
    let world = World::new(dialect("kspay"), &[&key]);
    let (id, secret) = (key.id(), &key.secret);
    for body in [
        String::new(),
        "{}".to_owned(),
        "null".to_owned(),
        "x".to_owned(),
        format!(r#"{{"accessKey":"{id}"}}"#),
        format!(r#"{{"secretKey":"{secret}"}}"#),
        format!(r#"{{"AccessKey":"{id}","secretKey":"{secret}"}}"#),
        format!(r#"{{"accessKey":"{id}","secretkey":"{secret}"}}"#),
        format!(r#"{{"accessKey":"{id}","secretKey":null}}"#),
        format!(r#"{{"accessKey":["{id}"],"secretKey":"{secret}"}}"#),
        format!(r#"[{{"accessKey":"{id}","secretKey":"{secret}"}}]"#),
        format!(r#"{{"body":{{"accessKey":"{id}","secretKey":"{secret}"}}}}"#),
        format!(r#"{{"accessKey":"{id}","accessKey":"{id}","secretKey":"{secret}"}}"#),
        format!(r#"{{"accessKey":"{id}","secretKey":"x","secret\u004bey":"{secret}"}}"#),
        format!("{},", keys_of(&key)),
        format!("\u{feff}{}", keys_of(&key)),
        format!("accessKey={id}&secretKey={secret}"),
    ] {
        let request = exchange(&key, &body);
        assert_eq!(world.see(&request), refused(DenyReason::MissingCredentials), "{body}");
        assert_eq!(answer(&world, &request), (400, 9000));
    }
    let latin = [b"{\"a\":\"\xe9\",".as_slice(), &keys_of(&key).as_bytes()[1..]].concat();
    assert_eq!(world.see(&exchange(&key, latin)), refused(DenyReason::MissingCredentials));
}

#[test]
fn each_cause_of_a_refused_exchange_has_its_documented_number() {
    let key = one();
    let other = numbered(112);
    let world = World::new(dialect("kspay"), &[&key, &other]);
    let body = |id: &str, secret: &str| format!(r#"{{"accessKey":"{id}","secretKey":"{secret}"}}"#);
    let id = key.id();
    for (what, body, reason, told) in [
        ("no such key", body("kspub_live_000000000000000000000000", &key.secret), DenyReason::UnknownKey, (404, 11001)),
        ("no key at all", body("x", &key.secret), DenyReason::UnknownKey, (404, 11001)),
        ("an empty key", body("", &key.secret), DenyReason::UnknownKey, (404, 11001)),
        ("the other mode", body(&id.replace("live", "test"), &key.secret), DenyReason::UnknownKey, (404, 11001)),
        ("another case", body(&id.to_uppercase(), &key.secret), DenyReason::UnknownKey, (404, 11001)),
        ("a blank behind", body(&format!("{id} "), &key.secret), DenyReason::UnknownKey, (404, 11001)),
        ("a wrong secret", body(id, "x"), DenyReason::WrongSecret, (400, 11004)),
        ("an empty secret", body(id, ""), DenyReason::WrongSecret, (400, 11004)),
        ("another's secret", body(id, &other.secret), DenyReason::WrongSecret, (400, 11004)),
        ("a blank before it", body(id, &format!(" {}", key.secret)), DenyReason::WrongSecret, (400, 11004)),
    ] {
        let request = exchange(&key, body);
        assert_eq!(world.see(&request), refused(reason), "{what}");
        assert_eq!(answer(&world, &request), told, "{what}");
    }
    let disabled = World::changed(dialect("kspay"), &key, |candidate| candidate.owner = OwnerState::AppDisabled);
    assert_eq!(answer(&disabled, &exchange(&key, keys_of(&key))), (404, 11011));
    let expired = World::changed(dialect("kspay"), &key, |candidate| candidate.expires_at = Some(NOW));
    assert_eq!(answer(&expired, &exchange(&key, keys_of(&key))), (400, 11002));
}

#[test]
fn the_address_names_the_keys_own_app() {
    let key = one();
    let other = AppId::fresh(NOW, &SeededEntropy::new(113)).expect("entropy").to_string();
    let world = World::new(dialect("kspay"), &[&key]);
    let own = key.credential.app_id.to_string();
    let at = |app: &str| Request::new(&format!("POST /auth/generate-token/{app}")).body(keys_of(&key));
    assert_eq!(world.see(&at(&own)), Outcome::Allowed);
    let changed_last = format!("{}{}", &own[..29], if own.ends_with('0') { '1' } else { '0' });
    for app in [other.as_str(), &changed_last, &own.to_uppercase(), &own[..29], "ap_123456789", "x", "app_"] {
        assert_eq!(world.see(&at(app)), refused(DenyReason::WrongApp), "{app}");
        assert_eq!(answer(&world, &at(app)), (403, 11003), "{app}");
    }
    let wrong_secret = at(&other).body(keys_of(&key).replace(&key.secret, "x"));
    assert_eq!(world.see(&wrong_secret), refused(DenyReason::WrongSecret), "the app is told to the holder alone");
    for line in [
        "POST /auth/generate-token".to_owned(),
        "POST /auth/generate-token/".to_owned(),
        format!("POST /auth/generate-token/{own}/"),
        format!("POST /auth/generate-token/{own}/x"),
        format!("POST /Auth/generate-token/{own}"),
        format!("GET /auth/generate-token/{own}"),
        format!("PUT /auth/generate-token/{own}"),
    ] {
        let request = Request::new(&line).body(keys_of(&key));
        assert_eq!(world.reason(&request), Some(DenyReason::MissingCredentials), "{line}");
    }
}

#[test]
fn a_refresh_token_stands_bare_in_authorization_beside_the_keys() {
    let key = one();
    let world = World::new(dialect("kspay"), &[&key]);
    let good = token(&key, TokenUse::Refresh, DAY);
    assert_eq!(world.see(&refresh(&key, &good)), Outcome::Allowed);
    for odd in [
        format!("Bearer {good}"),
        format!("bearer {good}"),
        format!(" {good}"),
        format!("{good} "),
        format!("\"{good}\""),
        format!("{good},{good}"),
        good[1..].to_owned(),
        String::new(),
        "x".to_owned(),
        token(&key, TokenUse::Access, 900),
    ] {
        assert_eq!(world.see(&refresh(&key, &odd)), refused(DenyReason::WrongSignature), "{odd}");
        assert_eq!(answer(&world, &refresh(&key, &odd)), (401, 9008));
    }
    let none = refresh(&key, "").without("authorization");
    assert_eq!(world.see(&none), refused(DenyReason::MissingCredentials));
    assert_eq!(answer(&world, &none), (400, 9000));
    let twice = refresh(&key, &good).with("authorization", &good);
    assert_eq!(world.see(&twice), Outcome::Gated(GateFault::DuplicateCredentials));
}

#[test]
fn a_refresh_needs_the_keys_that_the_token_was_made_for() {
    let key = one();
    let other = numbered(114);
    let world = World::new(dialect("kspay"), &[&key, &other]);
    let good = token(&key, TokenUse::Refresh, DAY);
    assert_eq!(world.see(&refresh(&other, &good)), refused(DenyReason::WrongSignature), "keys of another");
    assert_eq!(world.see(&refresh(&key, token(&other, TokenUse::Refresh, DAY))), refused(DenyReason::WrongSignature));
    let no_keys = refresh(&key, &good).body("{}");
    assert_eq!(world.see(&no_keys), refused(DenyReason::MissingCredentials));
    let wrong = refresh(&key, &good).body(keys_of(&key).replace(&key.secret, &other.secret));
    assert_eq!(world.see(&wrong), refused(DenyReason::WrongSecret));
    let revoked = World::changed(dialect("kspay"), &key, |candidate| candidate.expires_at = Some(NOW));
    assert_eq!(revoked.see(&refresh(&key, &good)), refused(DenyReason::Expired), "a token dies with its key");
}

#[test]
fn a_refresh_token_ends_in_its_second() {
    let key = one();
    let good = token(&key, TokenUse::Refresh, DAY);
    let end = NOW.0 + DAY * 1000;
    for (ms, expected) in [(NOW.0, None), (end - 1, None), (end, Some(())), (end + 1, Some(()))] {
        let world = World::new(dialect("kspay"), &[&key]).at(UnixMs(ms));
        let reason = world.reason(&refresh(&key, &good));
        assert_eq!(reason, expected.map(|()| DenyReason::RefreshExpired), "{ms}");
        if expected.is_some() {
            let answer = world.answer(&refresh(&key, &good));
            assert_eq!(
                (answer.status, &*answer.body),
                (401, r#"{"status":401,"code":9008,"message":"Refresh token has expired."}"#)
            );
        }
    }
}

#[test]
fn a_refresh_token_of_another_product_is_refused() {
    let key = one();
    let claims = TokenClaims {
        sub: key.id().to_owned(),
        aud: "shop2".to_owned(),
        token_use: TokenUse::Refresh,
        iat: NOW.seconds(),
        exp: NOW.seconds() + DAY,
    };
    let world = World::new(dialect("kspay"), &[&key]);
    assert_eq!(world.see(&refresh(&key, mint(keyring(), &claims))), refused(DenyReason::WrongSignature));
    let own = TokenClaims { aud: PRODUCT.to_owned(), ..claims };
    assert_eq!(world.see(&refresh(&key, mint(keyring(), &own))), Outcome::Allowed);
}

#[test]
fn kpay_sells_a_token_to_the_key_pair_alone() {
    let key = key(dialect("kpay"), Mode::Test, &SeededEntropy::new(115));
    let world = World::new(dialect("kpay"), &[&key]);
    let line = "POST /api/v1/payments/token";
    let good = Request::new(line).with("x-api-key", key.id()).with("x-secret-key", &key.secret);
    assert_eq!(world.see(&good), Outcome::Allowed);
    good.see(|view| {
        let context = Context {
            dialect: world.dialect,
            product: PRODUCT,
            view,
            keyring: keyring(),
            now: NOW,
            transport: Transport::default(),
        };
        let claim = find_claim(&context).unwrap_or_else(|refusal| panic!("{refusal:?}"));
        let sold = claim.exchange.expect("the call sells tokens");
        assert_eq!((sold.status, sold.access_seconds), (201, 1800));
        let values = [("access_token", "\"a\"".to_owned()), ("environment", "\"TEST\"".to_owned())];
        assert_eq!(sold.answer.render(&values), r#"{"accessToken":"a","expiresIn":"30m","environment":"TEST"}"#);
    });
    let wrong = good.clone().replacing("x-secret-key", "x");
    assert_eq!(world.see(&wrong), Outcome::Denied(DenyReason::WrongSecret, Some(SchemeName::KeyPair)));
    let with_token =
        Request::new(line).with("authorization", format!("Bearer {}", token(&key, TokenUse::Access, 1800)));
    assert_eq!(world.reason(&with_token), Some(DenyReason::MissingCredentials), "a token buys no token");
    let body = format!(r#"{{"accessKey":"{}","secretKey":"{}"}}"#, key.id(), key.secret);
    assert_eq!(world.reason(&Request::new(line).body(body)), Some(DenyReason::MissingCredentials));
}
