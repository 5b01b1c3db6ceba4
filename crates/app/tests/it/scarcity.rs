//! When the operating system has no random bytes, nothing is made and nothing is left behind (T15).

use keymint_app::ops::credentials;
use keymint_app::ops::{OpError, apps, merchants, tokens};
use keymint_domain::id::{AppId, MerchantId};
use keymint_domain::mode::Mode;
use keymint_domain::reason::DenyReason;
use keymint_testkit::TestDb;

use crate::house::{DAY, House, OPERATOR, new_app, new_merchant, plain};

/// What is made out of random bytes.
#[derive(Clone, Copy, Debug)]
enum Act {
    Merchant,
    App,
    Token,
    Issue,
    IssueSealed,
    Roll,
    Revoke,
}

struct Ground {
    merchant: MerchantId,
    app: AppId,
    sealed: AppId,
    key_id: String,
}

async fn act(house: &House, ground: &Ground, act: Act) -> Result<(), OpError> {
    let app = &house.app;
    match act {
        Act::Merchant => merchants::make(app, OPERATOR, &new_merchant("scarce"), None).await.map(drop),
        Act::App => apps::make(app, OPERATOR, ground.merchant, &new_app("kpay", "scarce"), None).await.map(drop),
        Act::Token => tokens::make(app, OPERATOR, None, "scarce", None).await.map(drop),
        Act::Issue => house.issue(ground.app, &plain(Mode::Test)).await.map(drop),
        Act::IssueSealed => house.issue(ground.sealed, &plain(Mode::Test)).await.map(drop),
        Act::Roll => house.roll(&ground.key_id, DAY).await.map(drop),
        Act::Revoke => {
            let reason = keymint_domain::credential::RevokeReason::Other;
            credentials::revoke(app, OPERATOR, &ground.key_id, reason, None).await.map(drop)
        }
    }
}

async fn listed(house: &House, app: AppId) -> usize {
    credentials::list(&house.app, OPERATOR, app, "", 100).await.expect("it reads").len()
}

pub async fn without_random_bytes_nothing_is_made(it: TestDb) {
    let house = House::over(it).await;
    let (merchant, app) = house.registered("keymint", "ground").await;
    let (_, sealed) = house.registered("kwikpaisa", "sealed").await;
    let key = house.issue(app, &plain(Mode::Test)).await.expect("it is issued");
    let ground = Ground { merchant, app, sealed, key_id: key.key_id.clone() };
    let acts = [Act::Merchant, Act::App, Act::Token, Act::Issue, Act::IssueSealed, Act::Roll, Act::Revoke];
    for one in acts {
        let (before, listed_before) = (house.traces().await, listed(&house, app).await);
        let mut refusals = 0;
        for fills in 0.. {
            assert!(fills < 100, "{one:?} draws for ever");
            house.entropy.fail_after(fills);
            let done = act(&house, &ground, one).await;
            house.entropy.fail_after(u64::MAX);
            match done {
                Ok(()) => break,
                Err(OpError::Entropy(_) | OpError::Seal) => refusals += 1,
                Err(other) => panic!("{one:?} after {fills}: {other}"),
            }
            assert_eq!(house.traces().await, before, "{one:?} after {fills}");
            assert_eq!(listed(&house, app).await, listed_before, "{one:?} after {fills}");
            assert_eq!(house.decide("keymint", &key).await, Ok(()), "{one:?} after {fills}");
        }
        assert!(refusals >= 2, "{one:?} was refused {refusals} times");
        assert_eq!(house.traces().await, before.map(|count| count + 1), "{one:?}");
    }
    assert_eq!(house.decide("keymint", &key).await, Err(DenyReason::Revoked));
    assert_eq!((listed(&house, app).await, listed(&house, sealed).await), (3, 1));
}
