//! A row that was edited without the key ring is refused: it lets nobody in, and no change carries it on (T2, T56).

use keymint_app::ops::credentials::{self, NewCredential, Patch};
use keymint_app::ops::{OpError, audit};
use keymint_app::store_types::StoreError;
use keymint_domain::credential::RevokeReason;
use keymint_domain::id::AppId;
use keymint_domain::mode::Mode;
use keymint_domain::reason::DenyReason;
use keymint_domain::time::UnixMs;
use keymint_testkit::{Call, Key, TestDb};

use crate::audit::scripts;
use crate::house::{Arrival, DAY, House, OPERATOR, START, plain};

/// When the credentials of these tests end by themselves.
const END: UnixMs = UnixMs(START.0 + 10 * 86_400_000);

/// A request with this key: signed where the product wants that, and never the same twice.
async fn decided(house: &House, product: &str, key: &Key) -> Result<(), DenyReason> {
    if product != "kwikpaisa" {
        return house.decide(product, key).await;
    }
    let now = keymint_domain::time::Clock::now(&*house.clock);
    let body = format!("{{\"order_id\":\"{}\"}}", house.entropy.number());
    let call = Call { at: now, ..Call::new(product, "POST", "/api/v3/pg/order/status", &body) };
    Arrival::signed(&call, key).decided_by(&house.app).await
}

async fn narrow(house: &House, product: &str, name: &str) -> Key {
    let (_, app) = house.registered(product, name).await;
    let (allowed_ips, scopes) = match product {
        "keymint" => (vec!["127.0.0.0/8".to_owned()], vec!["read".to_owned()]),
        _ => (Vec::new(), Vec::new()),
    };
    let new = NewCredential { expires_at: Some(END), allowed_ips, scopes, ..plain(Mode::Test) };
    house.issue(app, &new).await.expect("it is issued")
}

/// Brings the key into the state that a script begins from, and says what is decided about it there.
async fn prepare(house: &House, key: &Key, state: &str) -> Result<(), DenyReason> {
    match state {
        "revoked" => {
            house.revoke(&key.key_id).await;
            Err(DenyReason::Revoked)
        }
        "retired" => {
            house.roll(&key.key_id, DAY).await.expect("it rolls");
            house.clock.pass_seconds(i64::from(DAY));
            Err(DenyReason::Expired)
        }
        "expired" => {
            house.clock.set(END);
            Err(DenyReason::Expired)
        }
        "active" | "other" => Ok(()),
        other => panic!("no state {other}"),
    }
}

/// Nothing that is done to it gives the row a good check.
async fn nothing_carries_it_on(house: &House, key_id: &str, what: &str) {
    let refused = |done: Result<(), OpError>| {
        assert!(matches!(done, Err(OpError::Store(StoreError::Corrupt { .. }))), "{what}: {done:?}");
    };
    refused(credentials::roll(&house.app, OPERATOR, key_id, 0, None).await.map(drop));
    refused(credentials::patch(&house.app, OPERATOR, key_id, &Patch::default()).await.map(drop));
    refused(credentials::revoke(&house.app, OPERATOR, key_id, RevokeReason::Other, None).await.map(drop));
}

pub async fn an_edited_row_is_refused_and_carried_on_by_nothing(it: TestDb) {
    let house = House::over(it).await;
    let cases = scripts(include_str!("sql/tampering.sql"));
    assert!(cases.len() >= 20);
    for product in ["keymint", "razorpay", "kwikpaisa"] {
        for (n, (case, script)) in cases.iter().enumerate() {
            let (state, _) = case.split_once(": ").expect("a state");
            if state == "active" && case.contains("allowed") && product != "keymint" {
                continue;
            }
            house.clock.set(START);
            let key = narrow(&house, product, &format!("{product}{n}")).await;
            let other = narrow(&house, product, &format!("{product}{n}other")).await;
            for key in [&key, &other] {
                assert_eq!(decided(&house, product, key).await, Ok(()));
            }
            assert_eq!(prepare(&house, &key, state).await, Ok(()).and(decided(&house, product, &key).await), "{case}");
            let script = script.replace("KEY_ID", &key.key_id).replace("OTHER_ID", &other.key_id);
            house.edit(&script).await;
            drop(house.app.mark(vec![key.key_id.clone(), other.key_id.clone()]));
            let presented = if state == "other" { &other } else { &key };
            let harmless = product != "keymint" && case.ends_with("narrowed by nothing");
            let wanted = if harmless { Ok(()) } else { Err(DenyReason::Internal) };
            assert_eq!(decided(&house, product, presented).await, wanted, "{product}, {case}");
            if !harmless {
                nothing_carries_it_on(&house, &presented.key_id, case).await;
                assert_eq!(decided(&house, product, presented).await, wanted, "{product}, {case}");
            }
        }
    }
    assert!(matches!(audit::verify(&house.app).await, Ok(audit::Finding::Intact { .. })));
}

pub async fn a_row_that_cannot_be_read_is_refused(it: TestDb) {
    let house = House::over(it).await;
    for (n, (case, script)) in scripts(include_str!("sql/unreadable.sql")).into_iter().enumerate() {
        let key = house.key("keymint", &format!("unreadable{n}")).await;
        let neighbour = house.issue(key.app_id.parse::<AppId>().expect("an id"), &plain(Mode::Test)).await;
        house.edit(&script.replace("KEY_ID", &key.key_id)).await;
        drop(house.app.mark(vec![key.key_id.clone()]));
        assert_eq!(house.decide("keymint", &key).await, Err(DenyReason::Internal), "{case}");
        nothing_carries_it_on(&house, &key.key_id, case).await;
        assert_eq!(house.decide("keymint", &neighbour.expect("it is issued")).await, Ok(()));
    }
}

/// What nobody decides by is not under the check: a person may see it edited, and nobody gets in by it.
pub async fn an_edit_that_decides_nothing_refuses_nobody(it: TestDb) {
    let house = House::over(it).await;
    for (n, (case, script)) in scripts(include_str!("sql/harmless.sql")).into_iter().enumerate() {
        let key = house.key("keymint", &format!("harmless{n}")).await;
        house.edit(&script.replace("KEY_ID", &key.key_id)).await;
        drop(house.app.mark(vec![key.key_id.clone()]));
        assert_eq!(house.decide("keymint", &key).await, Ok(()), "{case}");
    }
}
