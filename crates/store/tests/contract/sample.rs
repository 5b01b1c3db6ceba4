//! Rows to store: plain ones, and ones full of what is hard to keep.

use keymint_domain::credential::{Credential, Status};
use keymint_domain::id::{AppId, AuditId, CredentialId, EventId, MerchantId, TokenId};
use keymint_domain::mode::Mode;
use keymint_domain::restriction::Restrictions;
use keymint_domain::seal::StoredSecret;
use keymint_domain::time::UnixMs;
use keymint_store::apps::{self, App};
use keymint_store::credentials;
use keymint_store::db::{Conn, Db};
use keymint_store::ledger::AuditRow;
use keymint_store::merchants::{self, Activation, Merchant};
use keymint_store::sql::{Stmt, Val};
use keymint_store::statements;
use keymint_testkit::SeededEntropy;

/// A moment after which nothing in these tests has happened.
pub const NOW: UnixMs = UnixMs(1_800_000_000_000);
/// Text in several scripts and directions, with quotes, a backslash, a percent sign and what SQL would call a comment.
pub const HARD_TEXT: &str = "ß İ ı 漢字 עברית 👩🏽‍💻 e\u{301} \u{202e}abc 'x' \"y\" \\ % _ -- /* ; \n\t\u{feff}";

/// The ids of row number `n`: the same in every run, and rising with `n`.
pub struct Ids {
    /// A merchant's.
    pub merchant: MerchantId,
    /// An app's.
    pub app: AppId,
    /// A credential's.
    pub credential: CredentialId,
    /// An audit entry's.
    pub audit: AuditId,
    /// An event's.
    pub event: EventId,
    /// A token's.
    pub token: TokenId,
}

/// The ids of row number `n`.
pub fn ids(n: u64) -> Ids {
    let entropy = SeededEntropy::new(n);
    let at = UnixMs(NOW.0 + i64::try_from(n).expect("a small number"));
    Ids {
        merchant: MerchantId::fresh(at, &*entropy).expect("random bytes"),
        app: AppId::fresh(at, &*entropy).expect("random bytes"),
        credential: CredentialId::fresh(at, &*entropy).expect("random bytes"),
        audit: AuditId::fresh(at, &*entropy).expect("random bytes"),
        event: EventId::fresh(at, &*entropy).expect("random bytes"),
        token: TokenId::fresh(at, &*entropy).expect("random bytes"),
    }
}

/// A merchant like any other.
pub fn merchant(n: u64) -> Merchant {
    Merchant {
        id: ids(n).merchant,
        name: format!("Merchant {n}"),
        email: format!("m{n}@merchant.example"),
        country: "IN".to_owned(),
        activation: Activation::Pending,
        activation_reason: None,
        created_at: NOW,
    }
}

/// An app of merchant `n` like any other.
pub fn app(n: u64) -> App {
    App {
        id: ids(n).app,
        merchant_id: ids(n).merchant,
        product: "keymint".to_owned(),
        name: format!("App {n}"),
        email: "dev@merchant.example".to_owned(),
        phone: None,
        address: "12 MG Road".to_owned(),
        country: "IN".to_owned(),
        state: None,
        city: None,
        postal_code: "560001".to_owned(),
        is_enabled: true,
        created_at: NOW,
    }
}

/// A credential number `n` of the app of merchant `owner`.
pub fn credential(owner: u64, n: u64) -> Credential {
    Credential {
        id: ids(1000 + n).credential,
        key_id: format!("km_test_{n}"),
        product: "keymint".to_owned(),
        mode: Mode::Test,
        merchant_id: ids(owner).merchant,
        app_id: ids(owner).app,
        name: None,
        created_at: NOW,
        expires_at: None,
        status: Status::Active,
        restrictions: Restrictions::default(),
        secret: StoredSecret::Hashed { ring_key: "k1".to_owned(), digest: [7; 24] },
    }
}

/// An audit entry with a number.
pub fn entry(seq: i64, merchant: Option<MerchantId>) -> AuditRow {
    AuditRow {
        seq,
        id: ids(u64::try_from(seq).expect("not negative")).audit,
        at: NOW,
        actor: "system".to_owned(),
        action: "app.made".to_owned(),
        subject: format!("subject {seq}"),
        merchant_id: merchant,
        detail: "{}".to_owned(),
        digest: seq.to_be_bytes().to_vec(),
    }
}

/// Stores merchant `n` with its app.
pub async fn store_owner(db: &Db, n: u64) {
    let mut tx = db.write().await.expect("it begins");
    merchants::insert(tx.conn(), &merchant(n)).await.expect("the merchant is stored");
    apps::insert(tx.conn(), &app(n)).await.expect("the app is stored");
    tx.commit().await.expect("it commits");
}

/// Stores a credential of that owner in a slot; the check is any bytes.
pub async fn store_credential(db: &Db, credential: &Credential, slot: i64) {
    let mut tx = db.write().await.expect("it begins");
    let owner = credential.app_id.to_string();
    credentials::insert(tx.conn(), credential, (&owner, slot), b"check").await.expect("the credential is stored");
    tx.commit().await.expect("it commits");
}

/// How a value looks in every detail: rows have no equality of their own.
pub fn shown(value: &impl std::fmt::Debug) -> String {
    format!("{value:?}")
}

/// How SQLite goes about a statement of ours, step by step.
pub async fn plan(conn: &mut Conn, name: &str, n_values: usize) -> Vec<String> {
    let statement = statements().find(|statement| statement.name == name).expect("it is listed");
    let text = format!("EXPLAIN QUERY PLAN {}", statement.sqlite).leak();
    let explain: &'static Stmt = Box::leak(Box::new(Stmt::both("plan.explain", text)));
    let rows = conn.rows(explain, &vec![Val::Int(0); n_values]).await.expect("it explains");
    rows.iter().map(|row| row.text("detail").expect("text").to_owned()).collect()
}
