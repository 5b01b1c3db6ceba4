//! Companies: the business behind a merchant, as its own people describe it.

use keymint_domain::id::MerchantId;
use keymint_domain::time::UnixMs;

use crate::db::Conn;
use crate::error::StoreError;
use crate::sql::{Stmt, Val};

static PUT: Stmt = Stmt::both(
    "company.put",
    "INSERT INTO company (merchant_id, name, address, country, state, city, postal_code, phone, website, changed_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
     ON CONFLICT (merchant_id) DO UPDATE
     SET name = excluded.name, address = excluded.address, country = excluded.country, state = excluded.state,
         city = excluded.city, postal_code = excluded.postal_code, phone = excluded.phone,
         website = excluded.website, changed_at = excluded.changed_at",
);
static FIND: Stmt = Stmt::both(
    "company.find",
    "SELECT name, address, country, state, city, postal_code, phone, website, changed_at
     FROM company WHERE merchant_id = $1",
);

/// The statements of this file.
pub static ALL: [&Stmt; 2] = [&PUT, &FIND];

/// A company.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Company {
    /// Its name.
    pub name: String,
    /// Street address.
    pub address: String,
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// State.
    pub state: Option<String>,
    /// City.
    pub city: Option<String>,
    /// Zip or postal code.
    pub postal_code: String,
    /// A phone number.
    pub phone: Option<String>,
    /// The address of its pages.
    pub website: Option<String>,
    /// When it was last written.
    pub changed_at: UnixMs,
}

/// Stores a merchant's company, the first time or again.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn put(conn: &mut Conn, merchant: MerchantId, company: &Company) -> Result<(), StoreError> {
    let merchant = merchant.to_string();
    let values = [
        Val::Text(&merchant),
        Val::Text(&company.name),
        Val::Text(&company.address),
        Val::Text(&company.country),
        Val::OptText(company.state.as_deref()),
        Val::OptText(company.city.as_deref()),
        Val::Text(&company.postal_code),
        Val::OptText(company.phone.as_deref()),
        Val::OptText(company.website.as_deref()),
        Val::Int(company.changed_at.0),
    ];
    conn.execute(&PUT, &values).await.map(|_| ())
}

/// A merchant's company.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn find(conn: &mut Conn, merchant: MerchantId) -> Result<Option<Company>, StoreError> {
    let Some(row) = conn.row(&FIND, &[Val::Text(&merchant.to_string())]).await? else { return Ok(None) };
    Ok(Some(Company {
        name: row.text("name")?.to_owned(),
        address: row.text("address")?.to_owned(),
        country: row.text("country")?.to_owned(),
        state: row.opt_string("state")?,
        city: row.opt_string("city")?,
        postal_code: row.text("postal_code")?.to_owned(),
        phone: row.opt_string("phone")?,
        website: row.opt_string("website")?,
        changed_at: UnixMs(row.int("changed_at")?),
    }))
}
