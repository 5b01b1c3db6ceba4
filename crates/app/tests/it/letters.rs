//! Letters: how long they are kept.

use keymint_app::post::PostOffice;
use keymint_domain::secret::SecretText;
use keymint_store::letters::{self, Channel};
use keymint_testkit::TestDb;

use crate::house::{House, Plan};

const MONTH_SECONDS: i64 = 30 * 24 * 3600;

async fn write(house: &House, subject: &str) {
    let mut tx = house.app.db.write().await.expect("it begins");
    let body = SecretText::new("12345678 is a code".to_owned());
    let to = (Channel::Mail, "ann@letters.example");
    house.app.write_letter(tx.conn(), to, subject, &body).await.expect("it is written");
    tx.commit().await.expect("it commits");
}

async fn kept(house: &House) -> Vec<String> {
    let mut conn = house.app.db.read().await.expect("a connection");
    let found = letters::latest(&mut conn, 10).await.expect("it reads");
    found.into_iter().map(|letter| letter.subject).rev().collect()
}

/// Those that are sent, those that nobody can send, those of the Outbox: all of them.
pub async fn a_letter_is_kept_for_thirty_days_and_then_deleted(it: TestDb) {
    let closed = || PostOffice::new(None, None).expect("an office");
    let house = House::planned(it, &Plan { post: closed, ..Plan::default() }).await;
    write(&house, "waits for ever").await;
    let house = house.restarted(&Plan::default()).await.expect("it starts");
    house.clock.pass_ms(1);
    write(&house, "of the Outbox").await;
    let mut tx = house.app.db.write().await.expect("it begins");
    let newest = letters::latest(tx.conn(), 1).await.expect("it reads").pop().expect("one");
    letters::sent(tx.conn(), newest.id).await.expect("it is noted");
    tx.commit().await.expect("it commits");
    house.clock.pass_seconds(MONTH_SECONDS);
    house.clock.pass_ms(-1);
    write(&house, "the next").await;
    assert_eq!(kept(&house).await, ["waits for ever", "of the Outbox", "the next"], "to the millisecond");
    house.clock.pass_ms(1);
    write(&house, "another").await;
    assert_eq!(kept(&house).await, ["of the Outbox", "the next", "another"]);
    house.clock.pass_ms(1);
    write(&house, "and another").await;
    assert_eq!(kept(&house).await, ["the next", "another", "and another"]);
}
