//! Two headers as KPay takes them: both, of one key, of one mode.

use keymint_domain::credential::{Blank, issue};
use keymint_domain::dialect::answer::SchemeName;
use keymint_domain::mode::Mode;
use keymint_domain::reason::DenyReason;

use crate::fixture::{Key, NOW, Outcome, PRODUCT, Request, SeededEntropy, World, dialect, key, keyring};

const ANSWER: &str = r#"{"statusCode":401,"message":"Invalid API credentials","error":"Unauthorized"}"#;

fn call(id: impl AsRef<[u8]>, secret: impl AsRef<[u8]>) -> Request {
    Request::new("GET /api/v1/payments/me").with("x-api-key", id).with("x-secret-key", secret)
}

fn one() -> Key {
    key(dialect("kpay"), Mode::Test, &SeededEntropy::new(71))
}

#[test]
fn both_headers_of_one_key_are_accepted() {
    let key = one();
    let world = World::new(dialect("kpay"), &[&key]);
    assert_eq!(world.see(&call(key.id(), &key.secret)), Outcome::Allowed);
    assert_eq!(world.see(&Request { method: "POST".to_owned(), ..call(key.id(), &key.secret) }), Outcome::Allowed);
}

#[test]
fn each_header_dropped_emptied_or_altered_is_refused_with_one_answer() {
    let key = one();
    let world = World::new(dialect("kpay"), &[&key]);
    let good = call(key.id(), &key.secret);
    let upper = key.secret.to_uppercase();
    let requests = [
        ("no id", good.clone().without("x-api-key"), DenyReason::MalformedCredentials),
        ("no secret", good.clone().without("x-secret-key"), DenyReason::MalformedCredentials),
        ("nothing", good.clone().without("x-api-key").without("x-secret-key"), DenyReason::MissingCredentials),
        ("empty id", call("", &key.secret), DenyReason::MalformedCredentials),
        ("empty secret", call(key.id(), ""), DenyReason::MalformedCredentials),
        ("swapped", call(&key.secret, key.id()), DenyReason::MalformedCredentials),
        ("blank behind the id", call(format!("{} ", key.id()), &key.secret), DenyReason::MalformedCredentials),
        ("blank before the id", call(format!(" {}", key.id()), &key.secret), DenyReason::MalformedCredentials),
        ("blank behind the secret", call(key.id(), format!("{} ", key.secret)), DenyReason::WrongSecret),
        ("upper-case id", call(key.id().to_uppercase(), &key.secret), DenyReason::MalformedCredentials),
        ("upper-case secret", call(key.id(), upper), DenyReason::WrongSecret),
        ("secret without its prefix", call(key.id(), &key.secret[8..]), DenyReason::WrongSecret),
        ("secret cut", call(key.id(), &key.secret[..71]), DenyReason::WrongSecret),
        ("secret twice", call(key.id(), format!("{0},{0}", key.secret)), DenyReason::WrongSecret),
        ("id twice", call(format!("{0},{0}", key.id()), &key.secret), DenyReason::MalformedCredentials),
        ("id beyond ASCII", call(b"kpay_test_\xff", &key.secret), DenyReason::MalformedCredentials),
        ("unknown id", call(format!("kpay_test_{}", "0".repeat(48)), &key.secret), DenyReason::UnknownKey),
        ("id of the other mode", call(key.id().replace("test", "live"), &key.secret), DenyReason::UnknownKey),
        ("secret of the other mode", call(key.id(), key.secret.replace("test", "live")), DenyReason::WrongSecret),
        (
            "as Basic",
            Request::new("GET /api/v1/payments/me").with("authorization", "Basic x"),
            DenyReason::MissingCredentials,
        ),
    ];
    for (what, request, expected) in requests {
        assert_eq!(world.reason(&request), Some(expected), "{what}");
        let answer = world.answer(&request);
        assert_eq!((answer.status, &*answer.body), (401, ANSWER), "{what}");
    }
}

#[test]
fn every_flipped_bit_is_refused() {
    let key = one();
    let world = World::new(dialect("kpay"), &[&key]);
    for header in 0..2 {
        let good = call(key.id(), &key.secret);
        for bit in 0..good.headers[header].1.len() * 8 {
            let mut request = good.clone();
            request.headers[header].1[bit / 8] ^= 1 << (bit % 8);
            assert!(!world.see(&request).is_allowed(), "bit {bit} of {}", good.headers[header].0);
        }
    }
}

/// Forty keys of each mode: each id with each secret.
#[test]
fn the_id_of_one_key_with_the_secret_of_another_is_refused_for_every_pair() {
    let entropy = SeededEntropy::new(72);
    let modes = [Mode::Test, Mode::Live];
    let keys: Vec<Key> = (0..80).map(|number| key(dialect("kpay"), modes[number % 2], &entropy)).collect();
    let world = World::new(dialect("kpay"), &keys.iter().collect::<Vec<_>>());
    let (mut accepted, mut refused) = (0, 0);
    for (i, owner) in keys.iter().enumerate() {
        for (j, stranger) in keys.iter().enumerate() {
            let reason = world.reason(&call(owner.id(), &stranger.secret));
            assert_eq!(reason, (i != j).then_some(DenyReason::WrongSecret), "{i} and {j}");
            if i == j { accepted += 1 } else { refused += 1 }
        }
    }
    assert_eq!((accepted, refused), (80, 6320));
}

#[test]
fn the_plugins_secret_without_a_prefix_works_where_the_product_names_it() {
    let entropy = SeededEntropy::new(73);
    let template = one().credential;
    let blank = Blank {
        dialect: dialect("kpay"),
        style: dialect("kpay").secret_style(Some("plugin")).expect("the plugin's style"),
        product: PRODUCT,
        mode: Mode::Live,
        merchant_id: template.merchant_id,
        app_id: template.app_id,
    };
    let issued = issue(&blank, keyring(), NOW, &entropy).expect("entropy");
    let key = Key { credential: issued.credential, secret: issued.secret.expose().to_owned() };
    assert!(key.secret.len() == 64 && key.id().starts_with("kpay_live_"));
    let world = World::new(dialect("kpay"), &[&key]);
    assert_eq!(world.see(&call(key.id(), &key.secret)), Outcome::Allowed);
    assert_eq!(world.reason(&call(key.id(), format!("sk_live_{}", key.secret))), Some(DenyReason::WrongSecret));
    assert!(dialect("kpay").secret_style(Some("Plugin")).is_none());
    assert_eq!(&*dialect("kpay").secret_style(None).expect("a default").name, "documented");
}

#[test]
fn a_wallet_transfer_refuses_keys_in_every_spelling_that_reaches_it() {
    let key = one();
    let world = World::new(dialect("kpay"), &[&key]);
    let transfer =
        |path: &str| Request { method: "POST".to_owned(), target: path.to_owned(), ..call(key.id(), &key.secret) };
    for path in [
        "/api/wallets/transfer",
        "/api/wallets/transfer/",
        "/api/wallets/Transfer",
        "/API/WALLETS/TRANSFER",
        "/api/wallets/transfer?x=1",
    ] {
        let expected = Outcome::Denied(DenyReason::MissingCredentials, Some(SchemeName::TokenExchange));
        assert_eq!(world.see(&transfer(path)), expected, "{path}");
        assert_eq!(&*world.answer(&transfer(path)).body, ANSWER);
    }
    assert_eq!(world.reason(&transfer("/api/wallets/%74ransfer")), Some(DenyReason::AmbiguousRequest));
    for path in ["/api/wallets/transfers", "/api/wallets/transfer/1", "/api/wallets", "/api/v1/payments/init"] {
        assert_eq!(world.see(&transfer(path)), Outcome::Allowed, "{path}");
    }
    let reading = Request { method: "GET".to_owned(), ..transfer("/api/wallets/transfer") };
    assert_eq!(world.see(&reading), Outcome::Allowed, "another call");
}
