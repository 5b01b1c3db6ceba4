//! The audit log: a chain that shows what was done to it. Whoever can write the whole database can also write a chain of
//! its own; that is found out only beside a head that was kept elsewhere.

use keymint_app::ops::audit::{self, Finding};
use keymint_app::ops::merchants;
use keymint_testkit::TestDb;

use crate::house::{House, OPERATOR, new_merchant};

/// Makes changes, several at a time, until there are so many.
async fn fill(house: &House, name: &str, count: i64) {
    let mut made = 0;
    while made < count {
        let some = (made..count).take(50).map(|n| {
            let (app, new) = (house.app.clone(), new_merchant(&format!("{name}{n}")));
            tokio::spawn(async move { merchants::make(&app, OPERATOR, &new, None).await.expect("a merchant") })
        });
        for one in some.collect::<Vec<_>>() {
            one.await.expect("it ends");
            made += 1;
        }
    }
}

async fn verified(house: &House) -> Finding {
    audit::verify(&house.app).await.expect("it reads")
}

/// The named scripts of a file: each begins with a line `-- name`.
pub fn scripts(text: &str) -> Vec<(&str, &str)> {
    let parts = text.split("-- ").skip(1).map(|part| part.split_once('\n').expect("a name and a script"));
    parts.map(|(name, script)| (name.trim(), script.trim())).collect()
}

pub async fn a_log_of_many_pages_is_intact(it: TestDb) {
    let house = House::over(it).await;
    assert_eq!(verified(&house).await, Finding::Intact { entries: 0 });
    for (more, all) in [(1, 1), (498, 499), (1, 500), (1, 501), (499, 1000), (1, 1001)] {
        fill(&house, &format!("to{all}n"), more).await;
        assert_eq!(verified(&house).await, Finding::Intact { entries: all });
    }
}

/// Each script is run on a log of 12 entries with the number of one of them in place of `SEQ`.
async fn each_is_found(it: TestDb, text: &str, numbers: &[i64]) {
    let house = House::over(it).await;
    fill(&house, "found", 12).await;
    house.edit(include_str!("sql/backup.sql")).await;
    for (name, script) in scripts(text) {
        for seq in numbers {
            house.edit(&script.replace("SEQ", &seq.to_string())).await;
            let found = verified(&house).await;
            assert!(matches!(found, Finding::Broken { .. }), "{name} at {seq}: {found:?}");
            house.edit(include_str!("sql/restore.sql")).await;
            assert_eq!(verified(&house).await, Finding::Intact { entries: 12 }, "{name} at {seq} was not undone");
        }
    }
}

pub async fn an_entry_that_was_edited_is_found(it: TestDb) {
    each_is_found(it, include_str!("sql/audit_edited.sql"), &[1, 2, 6, 11, 12]).await;
}

pub async fn an_entry_that_was_taken_out_is_found(it: TestDb) {
    each_is_found(it, include_str!("sql/audit_taken_out.sql"), &[1, 2, 6, 11, 12]).await;
}

pub async fn an_entry_that_was_put_in_is_found(it: TestDb) {
    each_is_found(it, include_str!("sql/audit_put_in.sql"), &[-1, 0, 13, 14, 1_000_000]).await;
}

pub async fn a_check_while_changes_go_on_finds_nothing_wrong(it: TestDb) {
    let house = House::over(it).await;
    fill(&house, "before", 20).await;
    let app = house.app.clone();
    let changing = tokio::spawn(async move {
        for n in 0..300 {
            merchants::make(&app, OPERATOR, &new_merchant(&format!("during{n}")), None).await.expect("a merchant");
        }
    });
    let mut checks = 0;
    while !changing.is_finished() {
        let found = verified(&house).await;
        assert!(matches!(found, Finding::Intact { entries: 20.. }), "check {checks}: {found:?}");
        checks += 1;
        tokio::task::yield_now().await;
    }
    changing.await.expect("it ends");
    assert_eq!(verified(&house).await, Finding::Intact { entries: 320 });
    assert!(checks > 10, "{checks} checks are too few to say anything");
}
