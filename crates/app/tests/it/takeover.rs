//! A process whose session on PostgreSQL ends while it lives: another one may own the database from then on, and what the
//! first one still says must be true for the second one as well (T32, T55).

mod postgres {
    use std::time::Duration;

    use keymint_app::ops::OpError;
    use keymint_app::ops::credentials;
    use keymint_app::store_types::StoreError;
    use keymint_domain::credential::RevokeReason;
    use keymint_domain::mode::Mode;
    use keymint_domain::reason::DenyReason;
    use keymint_store::sql::Stmt;
    use keymint_testkit::TestDb;

    use crate::house::{House, OPERATOR, Plan, decide, plain, start};

    static END_OWNER: Stmt = Stmt::both("owner.end", include_str!("sql/end_owner.sql"));
    /// Much shorter than the time between two looks at the session, which is 2 seconds.
    const AT_ONCE: Duration = Duration::from_millis(1000);

    async fn end_owner(house: &House) {
        let mut conn = house.app.db.read().await.expect("a connection");
        let row = conn.row(&END_OWNER, &[]).await.expect("it reads").expect("a row");
        assert_eq!(row.int("ended").expect("a number"), 1, "one session owns the database");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn whoever_lost_the_database_stops_at_once() {
        let house = House::over(TestDb::postgres("lost").await).await;
        let key = house.key("keymint", "lost").await;
        assert_eq!(house.decide("keymint", &key).await, Ok(()));
        end_owner(&house).await;
        let stopped = async {
            while house.decide("keymint", &key).await.is_ok() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(AT_ONCE, stopped).await.expect("it goes on accepting");
        assert_eq!(house.decide("keymint", &key).await, Err(DenyReason::Unavailable));
        let before = house.traces().await;
        let issued = house.issue(key.app_id.parse().expect("an id"), &plain(Mode::Test)).await;
        assert!(matches!(issued, Err(OpError::Store(StoreError::Unavailable(_)))));
        assert_eq!(house.traces().await, before);
    }

    /// The first process goes on revoking while the second one starts and fills its cache.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_the_first_one_answers_is_true_for_the_second_one() {
        for round in 0..5 {
            let house = House::over(TestDb::postgres(&format!("takeover{round}")).await).await;
            let mut keys = Vec::new();
            for n in 0..10 {
                let (_, app) = house.registered("keymint", &format!("takeover{n}")).await;
                for _ in 0..10 {
                    keys.push(house.issue(app, &plain(Mode::Test)).await.expect("it is issued"));
                }
            }
            let (first, all) = (house.app.clone(), keys.clone());
            let revoking = tokio::spawn(async move {
                let mut revoked = Vec::new();
                for key in all {
                    let done = credentials::revoke(&first, OPERATOR, &key.key_id, RevokeReason::Other, None).await;
                    match done {
                        Ok(_) => revoked.push(key),
                        Err(OpError::Store(StoreError::Unavailable(_))) => break,
                        Err(other) => panic!("{other}"),
                    }
                }
                revoked
            });
            end_owner(&house).await;
            let db = house.place.open_when_free().await.expect("it opens");
            let data = tempfile::tempdir().expect("a folder");
            let (clock, entropy) = (&house.clock, &house.entropy);
            let second = start(db, data.path(), &Plan::default(), (clock, entropy)).await.expect("it starts");
            for key in keys.iter().rev() {
                let _ = decide(&second, "keymint", key).await;
            }
            let revoked = revoking.await.expect("it ends");
            assert!(revoked.len() < keys.len(), "it was never stopped");
            for key in &revoked {
                assert_eq!(decide(&second, "keymint", key).await, Err(DenyReason::Revoked), "round {round}");
            }
        }
    }
}
