//! What is PostgreSQL's alone: connections that go back to a pool.

mod postgres {
    use keymint_store::sql::{Row, Stmt, Val};
    use keymint_testkit::{TestDb, cut_off_after};

    static OWN: Stmt = Stmt::both("session.own", "SELECT CAST(pg_backend_pid() AS BIGINT) AS pid");
    static STATE: Stmt =
        Stmt::both("session.state", "SELECT state FROM pg_stat_activity WHERE CAST(pid AS BIGINT) = $1");

    static INDEXES: Stmt = Stmt::both(
        "session.settings",
        "SELECT name, setting FROM pg_settings WHERE name IN ('enable_seqscan', 'jit') ORDER BY name",
    );

    #[tokio::test]
    async fn every_connection_goes_by_indexes() {
        let it = TestDb::postgres("settings").await;
        let mut held = Vec::new();
        for _ in 0..4 {
            let mut conn = it.db.read().await.expect("a connection");
            let rows = conn.rows(&INDEXES, &[]).await.expect("it reads");
            let of =
                |row: &Row| (row.text("name").expect("text").to_owned(), row.text("setting").expect("text") == "off");
            let told: Vec<_> = rows.iter().map(of).collect();
            assert_eq!(told, [("enable_seqscan".to_owned(), true), ("jit".to_owned(), true)]);
            held.push(conn);
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_open_transaction_goes_back_to_the_pool() {
        let it = TestDb::postgres("pool").await;
        for steps in 0..20 {
            drop(cut_off_after(steps, it.db.write()).await);
            // Whoever comes next gets a connection that stands idle between its statements, as another session sees it.
            let mut observer = it.db.read().await.expect("a connection");
            let mut held = Vec::new();
            for _ in 0..4 {
                let mut next = it.db.read().await.expect("a connection");
                let own = next.row(&OWN, &[]).await.expect("it reads").expect("a row");
                let pid = Val::Int(own.int("pid").expect("a number"));
                let state = observer.row(&STATE, &[pid]).await.expect("it reads").expect("a row");
                assert_eq!(state.text("state").expect("text"), "idle", "after {steps} steps");
                held.push(next);
            }
        }
    }
}
