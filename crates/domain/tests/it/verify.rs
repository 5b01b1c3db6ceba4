//! The decision: what a caller can learn without the secret, which reason comes first, and the last millisecond of a
//! key.

use keymint_domain::credential::{RevokeReason, Status};
use keymint_domain::dialect::answer::Answer;
use keymint_domain::mode::Mode;
use keymint_domain::reason::DenyReason;
use keymint_domain::restriction::Restrictions;
use keymint_domain::time::UnixMs;
use keymint_domain::token::TokenUse;
use keymint_domain::verify::{Candidate, OwnerState, check_still};

use crate::fixture::{
    DIALECTS, Key, NOW, Outcome, Request, SeededEntropy, World, base64, dialect, hex, hmac_sha256, key, token,
};

const BODY: &str = "{}";

/// A request of a key as its vendor's client makes it; `secret` need not be the key's.
fn request_of(name: &str, id: &str, secret: &str) -> Request {
    let seconds = NOW.seconds().to_string();
    match name {
        "razorpay" => {
            Request::new("POST /v1/orders").with("authorization", format!("Basic {}", base64(format!("{id}:{secret}"))))
        }
        "kpay" => Request::new("POST /api/v1/payments/init").with("x-api-key", id).with("x-secret-key", secret),
        "kwikpaisa" => Request::new("POST /api/v3/pg")
            .with("x-api-key", id)
            .with("x-timestamp", &seconds)
            .with("x-signature", hex(&hmac_sha256(secret, &[BODY.as_bytes(), seconds.as_bytes()])))
            .body(BODY),
        "kspay" => {
            let tag = hex(&hmac_sha256(secret, &[seconds.as_bytes(), b".", BODY.as_bytes()]));
            Request::new("POST /transaction/initiate").with("x-signature", format!("{id}.{seconds}.{tag}")).body(BODY)
        }
        "keymint" => Request::new("POST /v1/things").with("authorization", format!("Bearer {secret}")),
        _ => {
            let signed = format!("POST\n/v2/refunds\n\n{id}\n{seconds}\n{BODY}");
            let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA512, secret.as_bytes());
            Request::new("POST /v2/refunds")
                .with("acme-key", id)
                .with("acme-time", &seconds)
                .with("x-signature", base64(aws_lc_rs::hmac::sign(&key, signed.as_bytes())))
                .body(BODY)
        }
    }
}

fn own_request(name: &str, key: &Key) -> Request {
    request_of(name, key.id(), &key.secret)
}

fn pair(name: &str) -> (Key, Key) {
    let entropy = SeededEntropy::new(141);
    (key(dialect(name), Mode::Live, &entropy), key(dialect(name), Mode::Live, &entropy))
}

fn revoked() -> Status {
    Status::Revoked { at: UnixMs(0), reason: RevokeReason::Compromised, note: None }
}

/// How a wrong proof is called: a secret that was shown is wrong, or a signature is.
fn wrong_proof(name: &str) -> DenyReason {
    match name {
        "razorpay" | "kpay" => DenyReason::WrongSecret,
        // A bearer secret names its key, so a wrong one names another.
        "keymint" => DenyReason::UnknownKey,
        _ => DenyReason::WrongSignature,
    }
}

#[test]
fn a_request_of_each_vendor_is_accepted() {
    for name in DIALECTS {
        let (key, _) = pair(name);
        assert!(World::new(dialect(name), &[&key]).see(&own_request(name, &key)).is_allowed(), "{name}");
    }
}

#[test]
fn unknown_wrong_revoked_and_expired_are_one_answer_to_the_byte() {
    for name in ["razorpay", "kpay", "kwikpaisa", "keymint"] {
        let (key, stranger) = pair(name);
        let world = World::new(dialect(name), &[&key]);
        let unknown = own_request(name, &stranger);
        assert_eq!(world.reason(&unknown), Some(DenyReason::UnknownKey), "{name}");
        let wrong = request_of(name, key.id(), &stranger.secret);
        assert_eq!(world.reason(&wrong), Some(wrong_proof(name)), "{name}");
        let good = own_request(name, &key);
        let with = |change: fn(&mut Candidate)| World::changed(dialect(name), &key, change).answer(&good);
        let answers: Vec<Answer> = vec![
            world.answer(&unknown),
            world.answer(&wrong),
            with(|candidate| candidate.status = revoked()),
            with(|candidate| candidate.status = Status::Retiring { ends_at: NOW }),
            with(|candidate| candidate.expires_at = Some(NOW)),
            with(|candidate| candidate.owner = OwnerState::AppDisabled),
            with(|candidate| candidate.owner = OwnerState::MerchantNotApproved),
            with(|candidate| candidate.mode = Mode::Test),
            with(|candidate| candidate.product = "another".into()),
        ];
        assert_eq!(answers[0].status, 401, "{name}");
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{name}: {answers:?}");
    }
}

#[test]
fn kspay_tells_the_holder_of_a_signature_what_is_wrong() {
    let (key, stranger) = pair("kspay");
    let world = World::new(dialect("kspay"), &[&key]);
    let good = own_request("kspay", &key);
    let told = |world: &World, request: &Request| {
        let answer = world.answer(request);
        let body: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
        (answer.status, body["code"].as_u64().expect("a number"))
    };
    assert_eq!(told(&world, &own_request("kspay", &stranger)), (404, 11001));
    assert_eq!(told(&world, &request_of("kspay", key.id(), &stranger.secret)), (401, 9007));
    let with = |change: fn(&mut Candidate)| told(&World::changed(dialect("kspay"), &key, change), &good);
    assert_eq!(with(|candidate| candidate.status = revoked()), (400, 11002));
    assert_eq!(with(|candidate| candidate.expires_at = Some(NOW)), (400, 11002));
    assert_eq!(with(|candidate| candidate.owner = OwnerState::AppDisabled), (404, 11011));
    assert_eq!(with(|candidate| candidate.owner = OwnerState::MerchantNotApproved), (404, 11011));
}

/// What happens to a record.
type Change = fn(&mut Candidate);

/// What stands in the way of a request, in the order in which it is told.
fn obstacles() -> Vec<(DenyReason, Change)> {
    fn restricted(candidate: &mut Candidate) -> &mut Restrictions {
        candidate.restrictions.get_or_insert_default()
    }
    vec![
        (DenyReason::Revoked, |candidate| candidate.status = revoked()),
        (DenyReason::Expired, |candidate| candidate.expires_at = Some(NOW)),
        (DenyReason::AppDisabled, |candidate| candidate.owner = OwnerState::AppDisabled),
        (DenyReason::IpNotAllowed, |candidate| {
            restricted(candidate).allowed_ips = vec!["192.0.2.1/32".parse().expect("a block")];
        }),
        (DenyReason::OriginNotAllowed, |candidate| {
            restricted(candidate).allowed_origins = vec!["https://shop.example".into()];
        }),
        (DenyReason::ScopeMissing, |candidate| restricted(candidate).scopes = vec!["none".into()]),
        (DenyReason::ProviderNotAllowed, |candidate| restricted(candidate).providers = vec!["none".into()]),
    ]
}

#[test]
fn reasons_come_in_one_order_and_a_wrong_proof_comes_before_them_all() {
    let obstacles = obstacles();
    for name in DIALECTS {
        let (key, stranger) = pair(name);
        let good = own_request(name, &key).with("origin", "https://evil.test");
        let wrong = request_of(name, key.id(), &stranger.secret).with("origin", "https://evil.test");
        for choice in 0..1_usize << obstacles.len() {
            let chosen: Vec<_> =
                (0..obstacles.len()).filter(|bit| choice >> bit & 1 == 1).map(|bit| &obstacles[bit]).collect();
            let world = World::changed(dialect(name), &key, |candidate| {
                chosen.iter().for_each(|(_, change)| change(candidate));
            });
            let expected = chosen.first().map(|(reason, _)| *reason);
            assert_eq!(world.reason(&good), expected, "{name} {choice:b}");
            assert_eq!(world.reason(&wrong), Some(wrong_proof(name)), "{name} {choice:b}, without the secret");
        }
    }
}

#[test]
fn a_revoked_key_with_a_wrong_secret_is_told_as_a_wrong_secret() {
    let (key, _) = pair("razorpay");
    let world = World::changed(dialect("razorpay"), &key, |candidate| candidate.status = revoked());
    assert_eq!(world.reason(&request_of("razorpay", key.id(), "x")), Some(DenyReason::WrongSecret));
    assert_eq!(world.reason(&own_request("razorpay", &key)), Some(DenyReason::Revoked));
}

#[test]
fn an_address_list_is_told_to_the_holder_alone() {
    for name in DIALECTS {
        let (key, stranger) = pair(name);
        let world = World::changed(dialect(name), &key, |candidate| {
            let allowed_ips = vec!["192.0.2.1/32".parse().expect("a block")];
            candidate.restrictions = Some(Box::new(Restrictions { allowed_ips, ..Restrictions::default() }));
        });
        let answers = [
            world.answer(&request_of(name, key.id(), &stranger.secret)),
            world.answer(&request_of(name, key.id(), &stranger.secret).sent_from("192.0.2.1")),
        ];
        assert_eq!(answers[0], answers[1], "{name}: the list shows nothing to a stranger");
        assert_eq!(world.reason(&own_request(name, &key)), Some(DenyReason::IpNotAllowed), "{name}");
        assert!(world.see(&own_request(name, &key).sent_from("192.0.2.1")).is_allowed(), "{name}");
        assert!(world.see(&own_request(name, &key).sent_from("::ffff:192.0.2.1")).is_allowed(), "{name}");
    }
}

#[test]
fn a_key_works_to_its_last_millisecond() {
    for name in DIALECTS {
        let (key, _) = pair(name);
        let good = own_request(name, &key);
        let ends: [Change; 3] = [
            |candidate| candidate.expires_at = Some(UnixMs(NOW.0 + 500)),
            |candidate| candidate.status = Status::Retiring { ends_at: UnixMs(NOW.0 + 500) },
            |candidate| {
                candidate.status = Status::Retiring { ends_at: UnixMs(NOW.0 + 900) };
                candidate.expires_at = Some(UnixMs(NOW.0 + 500));
            },
        ];
        for end in ends {
            for (ms, expected) in
                [(0, None), (499, None), (500, Some(DenyReason::Expired)), (501, Some(DenyReason::Expired))]
            {
                let world = World::changed(dialect(name), &key, end).at(UnixMs(NOW.0 + ms));
                assert_eq!(world.reason(&good), expected, "{name} after {ms} ms");
            }
        }
    }
}

#[test]
fn old_and_new_key_both_work_during_grace_and_the_new_one_after_it() {
    let (old, new) = pair("razorpay");
    let mut world = World::new(dialect("razorpay"), &[&old, &new]);
    let end = NOW.plus_seconds(86_400);
    world.candidates[0].status = Status::Retiring { ends_at: end };
    for (now, old_works) in [(NOW, true), (UnixMs(end.0 - 1), true), (end, false), (end.plus_seconds(1), false)] {
        world.now = now;
        assert_eq!(world.see(&own_request("razorpay", &old)).is_allowed(), old_works, "{now}");
        assert!(world.see(&own_request("razorpay", &new)).is_allowed(), "{now}");
    }
}

#[test]
fn a_key_of_one_mode_is_nobody_in_the_other() {
    for name in DIALECTS {
        let entropy = SeededEntropy::new(142);
        let [test, live] = [Mode::Test, Mode::Live].map(|mode| key(dialect(name), mode, &entropy));
        let both = World::new(dialect(name), &[&test, &live]);
        for key in [&test, &live] {
            assert!(both.see(&own_request(name, key)).is_allowed(), "{name}");
        }
        let crossed = [(test.id(), &live.secret), (live.id(), &test.secret)];
        for (id, secret) in crossed.into_iter().filter(|_| name != "keymint") {
            assert_eq!(both.reason(&request_of(name, id, secret)), Some(wrong_proof(name)), "{name}");
        }
        for (key, mode) in [(&test, "live"), (&live, "test")] {
            let own = key.credential.mode.as_str();
            let renamed = request_of(name, &key.id().replacen(own, mode, 1), &key.secret.replacen(own, mode, 1));
            assert!(!both.see(&renamed).is_allowed(), "{name}");
        }
    }
}

#[test]
fn a_refused_request_has_nothing_to_spend() {
    for name in ["kwikpaisa", "kspay", "acmepay"] {
        let (key, _) = pair(name);
        let good = own_request(name, &key);
        assert!(matches!(World::new(dialect(name), &[&key]).see(&good), Outcome::AllowedOnce(_)), "{name}");
        for (reason, change) in obstacles() {
            let world = World::changed(dialect(name), &key, change);
            let outcome = world.see(&good.clone().with("origin", "https://evil.test"));
            assert!(matches!(outcome, Outcome::Denied(told, _) if told == reason), "{name} {reason:?}: {outcome:?}");
        }
    }
}

#[test]
fn a_product_sees_its_own_keys_alone() {
    for name in DIALECTS {
        let (key, _) = pair(name);
        let world = World::changed(dialect(name), &key, |candidate| candidate.product = "shop2".into());
        assert_eq!(world.reason(&own_request(name, &key)), Some(DenyReason::UnknownKey), "{name}");
    }
    let (key, _) = pair("kspay");
    let bought = Request::new("GET /transaction")
        .with("authorization", format!("Bearer {}", token(&key, TokenUse::Access, 900)));
    let world = World::changed(dialect("kspay"), &key, |candidate| candidate.product = "shop2".into());
    assert_eq!(world.reason(&bought), Some(DenyReason::UnknownKey));
}

/// Where a recipe does not sign the key id, the record is all that ties a signature to it.
#[test]
fn the_record_of_another_key_decides_nothing() {
    for name in DIALECTS {
        let (key, stranger) = pair(name);
        let request = own_request(name, &key);
        let world = World::new(dialect(name), &[&key]);
        assert!(world.see_with(&request, &key.candidate()).is_allowed(), "{name}");
        let mut mistaken = key.candidate();
        mistaken.key_id = stranger.id().into();
        let outcome = world.see_with(&request, &mistaken);
        assert!(matches!(outcome, Outcome::Denied(DenyReason::UnknownKey, _)), "{name}: {outcome:?}");
    }
}

#[test]
fn what_is_under_way_ends_when_the_apps_providers_change_and_not_before() {
    let (key, _) = pair("kpay");
    let with = |providers: &[&str]| {
        let providers = providers.iter().map(|name| (*name).into()).collect();
        let restrictions = Some(Box::new(Restrictions { providers, ..Restrictions::default() }));
        Candidate { restrictions, ..key.candidate() }
    };
    let still = |old: &Candidate, new: &Candidate| check_still(old, Some(new), NOW);
    assert_eq!(still(&with(&["MTN_MOMO_CMR"]), &with(&["MTN_MOMO_CMR"])), Ok(()));
    assert_eq!(still(&key.candidate(), &with(&[])), Ok(()), "none is none");
    for (old, new) in [
        (key.candidate(), with(&["MTN_MOMO_CMR"])),
        (with(&["MTN_MOMO_CMR"]), key.candidate()),
        (with(&["MTN_MOMO_CMR"]), with(&["ORANGE_CMR"])),
    ] {
        assert_eq!(still(&old, &new), Err(DenyReason::ProviderNotAllowed));
    }
}
